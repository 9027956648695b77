"""F11, F54 to F58 on generated patients: what no card may say or offer beside them."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.engine.finding import Finding, Line, RemoveDraft
from cds_service.sodium.case import Case
from cds_service.sodium.restriction import little_urine_sodium
from cds_service.sodium.rules.book import BOOK
from cds_service.sodium.rules.gates import circulation_fails, kidneys_shed_nothing, recorded
from cds_service.sodium.rules.order_helpers import hypertonic_saline, vaptan_of
from tests.sodium.patients import Story, drugs, order, problem, result
from tests.sodium.rules.cases import fired
from tests.sodium.rules.orders import Scene, restriction, saline, selected
from tests.sodium.rules.test_order_select_words import service, text_of

PROBLEMS = (
    *("herniation", "cerebral-edema", "intracranial-bleed", "eclampsia", "pregnancy", "seizure"),
    *("confusion", "coma", "siadh", "heart-failure", "fluid-overload", "cirrhosis", "ascites"),
    *("shock", "sepsis", "hypotension", "dialysis", "anuria", "acute-kidney-injury", "vomiting"),
    *("hypovolemia", "adrenal", "diabetes-insipidus", "acute-heart-failure", "nephrotic"),
)
TAKEN = ("furosemide", "hydrochlorothiazide", "desmopressin", "tolvaptan", "sertraline", "urea")
DIURETICS = tuple(n for n, d in drugs().items() if d.cls in ("loop", "thiazide", "mra"))[:12]
MEASURED = st.one_of(
    st.builds(lambda v: result("systolic", v), st.integers(60, 150)),
    st.builds(lambda v: result("urine-sodium", v), st.sampled_from([5, 9, 22, 29, 30, 60])),
    st.builds(lambda v: result("urine-osmolality", v), st.sampled_from([60, 110, 250, 350, 620])),
    st.builds(lambda v: result("serum-osmolality", v), st.sampled_from([210, 255, 285, 310])),
    st.builds(lambda v: result("egfr", v), st.sampled_from([5, 14, 15, 60])),
    st.builds(lambda v: result("glucose", v, 1), st.sampled_from([40, 110, 420, 900])),
    st.builds(lambda v: result("potassium", v), st.sampled_from(["2.4", "4.2", "6.1"])),
)
STORIES = st.builds(
    Story,
    sodium=st.integers(104, 138),
    results=st.lists(MEASURED, max_size=4).map(tuple),
    problems=st.lists(
        st.builds(
            lambda name, days: problem(name, days=days, encounter=True),
            st.sampled_from(PROBLEMS),
            st.sampled_from([0.1, 2, 20]),
        ),
        max_size=4,
    ).map(tuple),
    orders=st.lists(
        st.sampled_from(
            [order(n, days=d, reference=f"M/{n}") for n in TAKEN for d in (0.2, 20, 300)]
        ),
        max_size=2,
    ).map(tuple),
    setting=st.sampled_from(["inpatient", "outpatient"]),
)
ORDERS = st.one_of(
    st.just(saline()),
    st.just(restriction()),
    st.builds(selected, st.sampled_from(("tolvaptan", "urea", "desmopressin", *DIURETICS))),
)
SCENES = st.builds(
    Scene,
    says=st.just(""),
    order=ORDERS,
    story=STORIES,
    profile=st.sampled_from(["aasld", "european"]),
)


def kinds(findings: Iterable[Finding]) -> set[str]:
    return {s.kind for finding in findings for s in finding.suggestions}


def said(findings: Iterable[Finding]) -> set[str]:
    return {line.key for finding in findings for line in (*finding.do, *finding.why)}


def headlines(findings: Iterable[Finding]) -> str:
    found = list(findings)
    return " ".join(service().rules[f.rule].summary[f.variant] for f in found)


def lines_of(findings: Iterable[Finding]) -> str:
    def told(rule: str, line: Line) -> str:
        return text_of(rule, line)

    return " ".join(told(f.rule, line) for f in findings for line in f.do)


def swells_or_seizes(case: Case) -> bool:
    return case.symptoms.icp_indication or recorded(case, "eclampsia")


@settings(max_examples=200, deadline=None)
@given(SCENES)
def test_an_order_beside_what_comes_first(scene: Scene) -> None:
    case, found = scene.case(), list(scene.findings().values())
    removed = {
        a.reference
        for f in found
        for s in f.suggestions
        for a in s.actions
        if isinstance(a, RemoveDraft)
    }
    if hypertonic_saline(scene.order):
        if swells_or_seizes(case):
            assert not removed
        if case.symptoms.brain_edema:
            assert "not advised" not in headlines(found)
            assert not {"lower-glucose-first", "glucose-before"} & said(found)
        if kidneys_shed_nothing(case):
            assert "keep-sodium-1h" not in kinds(found)
    if circulation_fails(case) and case.sodium.low:
        assert not {"check-not-delay", "check-not-delay-clinic", "overload-caution"} & said(found)
        if vaptan_of(scene.order) and not recorded(case, "adpkd"):
            assert {"OS-VAP-HYPO", "OS-VAP-CONTRA"} & {f.rule for f in found}
    if little_urine_sodium(case) is not None and case.sodium.low:
        assert "plan now urea" not in lines_of(found)
        assert "next-step" not in said(found)


@settings(max_examples=200, deadline=None)
@given(STORIES, st.sampled_from(["aasld", "european"]))
def test_a_chart_beside_what_comes_first(story: Story, profile: str) -> None:
    case = story.case(profile)
    found = list(fired(case).values())
    if little_urine_sodium(case) is not None:
        assert not {"restriction-next", "restriction-euvolemic", "euvolemia-next"} & said(found)
        assert not [k for k in kinds(found) if k.startswith("fluid-restriction")]
    if circulation_fails(case):
        assert not {"review-heart-failure", "review-overload"} & said(found)
    if case.symptoms.brain_edema:
        assert "treat-glucose" not in said(found)
        assert "treat-glucose-first" not in said(found)
    if "eclampsia" in case.symptoms.severe and case.symptoms.attributable:
        told = [line.key for f in found for line in (*f.do, *f.why)]
        assert "PV-SYMP" not in {f.rule for f in found} or told.count("eclampsia-recorded") == 1


@settings(max_examples=150, deadline=None)
@given(STORIES)
def test_what_replaces_a_hormone_is_on_no_list_of_what_stops_at_home(story: Story) -> None:
    case = Story.case(story)
    outcomes = [rule(case) for rule in BOOK.discharge.values()]
    found = [outcome for outcome in outcomes if isinstance(outcome, Finding)]
    if case.problems.active(case.sets.insipidus):
        stops = ("stop-drugs", "culprit", "culprit-gently")
        named = [
            str(line.facts.get("drugs", "")) for f in found for line in f.do if line.key in stops
        ]
        assert not [drugs for drugs in named if "desmopressin" in drugs]
