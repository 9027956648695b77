"""What holds for every patient and every order: no rule raises, no rule removes where that could harm."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.engine.finding import Finding, RemoveDraft
from cds_service.sodium.rules.order_helpers import hypertonic_saline
from cds_service.sodium.snapshot import Missing, Patient
from tests.sodium.patients import ADULT, Story, concepts, drugs, order, problem, result, words
from tests.sodium.rules.orders import Scene, restriction, saline, selected, water
from tests.sodium.rules.test_order_select_words import service, shown, text_of

NAMES = sorted(
    n
    for n, d in drugs().items()
    if d.group or d.cls in ("vaptan", "desmopressin", "baclofen", "lithium")
)
ORDERS = st.one_of(
    st.sampled_from(
        [saline(), saline("23.4", "concentrate"), saline(None), water(), restriction()]
    ),
    st.sampled_from(
        [saline("0.9", "isotonic"), saline("0.45", "hypotonic"), saline(None, "salt-tablet", None)]
    ),
    st.builds(
        lambda name, route, dose: selected(name, route=route, dose=dose),
        st.sampled_from(NAMES),
        st.sampled_from(["iv", "systemic", "local", "unknown"]),
        st.sampled_from([None, "10", "100"]),
    ),
)
PROBLEMS = st.builds(
    lambda name, days, active, encounter: problem(
        name, days=days, active=active, encounter=encounter
    ),
    st.sampled_from(sorted(concepts())),
    st.sampled_from([None, 0.5, 5, 400]),
    st.booleans(),
    st.booleans(),
)
RESULTS = st.one_of(
    st.builds(lambda v, h: result("sodium", v, h), st.integers(100, 150), st.integers(1, 2000)),
    st.builds(lambda v, h: result("glucose", v, h), st.integers(40, 900), st.integers(1, 30)),
    st.builds(lambda v: result("egfr", v), st.integers(5, 90)),
)
STORIES = st.builds(
    Story,
    sodium=st.one_of(st.none(), st.decimals(100, 150, places=1).map(str)),
    sodium_hours=st.sampled_from([0.5, 2, 7, 30, 100, 1000, 3000]),
    results=st.lists(RESULTS, max_size=4).map(tuple),
    problems=st.lists(PROBLEMS, max_size=4).map(tuple),
    orders=st.lists(
        st.sampled_from([order(n, days=d) for n in NAMES for d in (0.5, 20, 300)]), max_size=3
    ).map(tuple),
    setting=st.sampled_from(["inpatient", "outpatient"]),
    patient=st.sampled_from([ADULT, Patient()]),
    missing=st.dictionaries(
        st.sampled_from(["sodium", "conditions", "medications", "labs"]),
        st.sampled_from(list(Missing)),
        max_size=2,
    ),
)
SCENES = st.builds(
    Scene,
    says=st.just(""),
    order=ORDERS,
    story=STORIES,
    profile=st.sampled_from(["aasld", "european"]),
)


def removes(finding: Finding) -> bool:
    return any(isinstance(a, RemoveDraft) for s in finding.suggestions for a in s.actions)


@settings(max_examples=150, deadline=None)
@given(SCENES)
def test_no_rule_raises_and_every_word_is_there(scene: Scene) -> None:
    for rule, outcome in scene.outcomes().items():
        if isinstance(outcome, Finding):
            assert outcome.indicator in service().rules[rule].indicators
            assert len(shown(service().rules[rule].summary[outcome.variant], outcome.facts)) < 140
            for line in (*outcome.do, *outcome.why):
                assert shown(text_of(rule, line), line.facts)
        else:
            text = (
                service().rules[rule].silence.get(outcome.reason) or words().silence[outcome.reason]
            )
            assert shown(text, outcome.facts)


@settings(max_examples=150, deadline=None)
@given(SCENES)
def test_nothing_is_removed_where_that_could_harm(scene: Scene) -> None:
    case, found = scene.case(), scene.findings()
    offered = {rule for rule, finding in found.items() if removes(finding)}
    if case.age_years is None:
        assert not offered
    if hypertonic_saline(scene.order):
        assert offered <= {"OS-HTS-OVER", "OS-HTS-MILD", "OS-HTS-NONE"}
        assert not (offered and (case.symptoms.severe or case.symptoms.icp_indication))
    if not case.snapshot.complete("conditions", "medications"):
        assert offered <= {"OS-VAP-HYPO", "OS-VAP-CONTRA", "OS-VAP-HTS", "OS-FR"}
    if "OS-LOW" in offered:
        assert not case.symptoms.seizure
        assert {d.group for d in scene.order.drugs} == {"A"}


@settings(max_examples=100, deadline=None)
@given(SCENES)
def test_a_silent_sodium_is_never_taken_for_a_normal_one(scene: Scene) -> None:
    case = scene.case()
    if case.sodium.latest is None:
        need_no_sodium = {"OS-HTS-OLD", "OS-HTS-CONC", "OS-VAP-HTS", "OS-VAP-HYPO", "OS-VAP-CONTRA"}
        need_no_sodium |= {"OS-VAP-SEV", "OS-VAP-LIVER", "OS-VAP-DUR", "OS-FR", "OS-SALT"}
        need_no_sodium |= {"OS-DIUR-CRAMP", "OS-COMBO", "OS-BASE", "OS-BACLO", "OS-DEMECLO"}
        assert set(scene.findings()) <= need_no_sodium
