"""The central safety property: no combination of inputs offers fluid restriction where it could harm."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from cds_service.sodium.snapshot import LabResult, Missing, Order, Patient, Problem, Setting
from cds_service.sodium.volume import Volume
from tests.sodium.patients import (
    ADULT,
    Story,
    concepts,
    fluid_restriction,
    isotonic,
    order,
    problem,
    result,
)

# Recorded now, each of these alone forbids the offer.
FORBIDDING_PROBLEMS = [
    "hypovolemia",
    "hypovolemic-shock",
    "hemorrhage",
    "gi-bleed",
    "vomiting",
    "diarrhea",
    "orthostatic-hypotension",
    "salt-wasting",
    "sah",
    "traumatic-sah",
    "adrenal",
    "adrenal-crisis",
    "tbi",
    "intracranial-bleed",
    "meningitis-encephalitis",
    "pituitary-surgery",
    "seizure",
    "status-epilepticus",
    "coma",
    "stupor",
    "somnolence",
    "respiratory-failure",
    "arrest",
    "cerebral-edema",
    "herniation",
    "pregnancy",
    "dialysis",
    "comfort-care",
    "hyperglycemic-crisis",
    "shock",
    "sepsis",
    "acute-kidney-injury",
    "hypotension",
    "pancreatitis",
    "heat",
]
FORBIDDING_RESULTS = (
    (result("systolic", 85, 3), result("systolic", 86, 1)),
    (result("heart-rate", 125, 3), result("heart-rate", 126, 1)),
    (result("creatinine", "0.8", 30), result("creatinine", "1.2", 3)),
    (result("creatinine", "0.8", 24 * 60), result("creatinine", "1.3", 3)),
    (result("bun", 50, 3), result("creatinine", 1, 3)),
    (result("weight", 75, 100), result("weight", 70, 3)),
    (result("glucose", 320, 3),),
    (result("urine-osmolality", 70, 3),),
    (result("gcs", 7, 3),),
    (result("sodium", 95, 0.2, unit="mg/dL"),),
    (result("sodium", 140, 10),),
    (result("sodium", 108, 21),),
)
FORBIDDING_ORDERS = (
    order("tolvaptan", days=1),
    order("conivaptan", days=3),
    isotonic("1000"),
    isotonic(None),
)
REQUIRED = ("patient", "sodium", "conditions", "medications")
REASONS_NOT_READ = [m for m in Missing if m is not Missing.NOT_APPLICABLE]

HELPED = (
    problem("ascites", days=5),
    problem("siadh", days=5),
    problem("fluid-overload", encounter=True),
)
harmless = st.sampled_from(
    ["cramp", "headache", "fatigue", "osteoporosis", "hypokalemia", "hypothyroid", "cirrhosis"]
)


@st.composite
def offered(draw: st.DrawFn) -> Story:
    """Patients to whom restriction is offered while nothing is added."""
    extra = draw(st.lists(harmless, max_size=3, unique=True))
    return Story(
        sodium=draw(st.sampled_from(["121", "123.5", "125", "125.9"])),
        sodium_hours=draw(st.sampled_from([0.5, 2, 20])),
        problems=(
            *draw(st.lists(st.sampled_from(HELPED), min_size=1, max_size=3)),
            *map(problem, extra),
        ),
        results=draw(st.sampled_from([(), (result("systolic", 125),), (result("creatinine", 1),)])),
        orders=draw(st.sampled_from([(), (order("furosemide"),), (order("sertraline", days=9),)])),
        setting=draw(st.sampled_from(["inpatient", "outpatient"])),
    )


@given(story=offered())
@settings(max_examples=100, deadline=None)
def test_the_patients_of_this_file_are_offered_restriction_so_that_the_tests_below_mean_something(
    story: Story,
) -> None:
    assert story.case().restriction.verdict == "offer"


@pytest.mark.parametrize("concept", FORBIDDING_PROBLEMS)
@given(story=offered(), way=st.sampled_from(["recent", "encounter", "reason", "draft"]))
@settings(max_examples=10, deadline=None)
def test_one_forbidding_problem_withdraws_any_offer(concept: str, story: Story, way: str) -> None:
    changed = {
        "recent": replace(story, problems=(*story.problems, problem(concept, days=0.5))),
        "encounter": replace(
            story, problems=(*story.problems, problem(concept, days=None, encounter=True))
        ),
        "reason": replace(story, reasons=frozenset({concept})),
        "draft": replace(story, drafts=(order("sertraline", status="draft", reasons=(concept,)),)),
    }[way]
    assert changed.case().restriction.verdict in ("text", "never")


@pytest.mark.parametrize("added", FORBIDDING_RESULTS)
@given(story=offered())
@settings(max_examples=10, deadline=None)
def test_one_forbidding_result_withdraws_any_offer(
    added: tuple[LabResult, ...], story: Story
) -> None:
    changed = replace(story, results=story.results + added)
    assert changed.case().restriction.verdict != "offer"


@pytest.mark.parametrize("added", FORBIDDING_ORDERS)
@pytest.mark.parametrize("drafted", [False, True])
@given(story=offered())
@settings(max_examples=10, deadline=None)
def test_one_forbidding_order_withdraws_any_offer(
    added: Order, drafted: bool, story: Story
) -> None:
    if drafted:
        changed = replace(story, drafts=(replace(added, status="draft"),))
    else:
        changed = replace(story, orders=(*story.orders, added))
    assert changed.case().restriction.verdict in ("text", "never")


@given(story=offered(), source=st.sampled_from(REQUIRED), why=st.sampled_from(REASONS_NOT_READ))
@settings(max_examples=60, deadline=None)
def test_one_required_source_that_was_not_read_withdraws_any_offer(
    story: Story, source: str, why: Missing
) -> None:
    assert replace(story, missing={source: why}).case().restriction.verdict == "text"


@given(story=offered())
@settings(max_examples=20, deadline=None)
def test_an_unknown_age_withdraws_any_offer(story: Story) -> None:
    assert replace(story, patient=Patient()).case().restriction.verdict == "text"


def _problems() -> st.SearchStrategy[Problem]:
    names = st.sampled_from(sorted(concepts()))
    return st.builds(
        lambda found, days, active, encounter: problem(
            *found, days=days, active=active, encounter=encounter
        ),
        st.lists(names, min_size=1, max_size=2),
        st.sampled_from([None, 0.2, 3, 10, 20, 60, 400]),
        st.booleans(),
        st.booleans(),
    )


def _results() -> st.SearchStrategy[LabResult]:
    analytes = [
        "systolic",
        "heart-rate",
        "creatinine",
        "bun",
        "glucose",
        "urine-osmolality",
        "urine-sodium",
    ]
    return st.builds(
        result,
        st.sampled_from([*analytes, "weight", "sodium", "gcs"]),
        st.sampled_from(["0.9", "1.4", "25", "60", "95", "115", "124", "130", "310", "600"]),
        st.sampled_from([0.5, 5, 30, 100, 400]),
    )


ORDERS = (
    order("furosemide"),
    order("hydrochlorothiazide", status="stopped"),
    order("tolvaptan", days=2),
    order("tolvaptan", status="on-hold"),
    isotonic("500"),
    isotonic("250"),
    fluid_restriction(),
)


@st.composite
def anybody(draw: st.DrawFn) -> Story:
    """Patients of any kind, most of them ill in several ways."""
    settings_of: list[Setting] = ["inpatient", "outpatient"]
    return Story(
        sodium=draw(st.sampled_from([None, "88", "112", "119", "124", "129", "131", "134", "140"])),
        sodium_hours=draw(st.sampled_from([0.5, 20, 60, 200, 900])),
        problems=tuple(draw(st.lists(_problems(), max_size=4))),
        results=tuple(draw(st.lists(_results(), max_size=5))),
        orders=tuple(draw(st.lists(st.sampled_from(ORDERS), max_size=2))),
        drafts=tuple(draw(st.lists(st.sampled_from(ORDERS), max_size=1))),
        setting=draw(st.sampled_from(settings_of)),
        patient=draw(st.sampled_from([ADULT, Patient()])),
        missing=draw(
            st.dictionaries(
                st.sampled_from([*REQUIRED, "labs"]), st.sampled_from(list(Missing)), max_size=1
            )
        ),
    )


@given(story=anybody(), profile=st.sampled_from(["aasld", "european"]))
@settings(max_examples=300, deadline=None)
def test_whatever_is_recorded_an_offer_has_nothing_against_it(story: Story, profile: str) -> None:
    case = story.case(profile)
    if case.restriction.verdict != "offer":
        return
    assert case.volume.status in (Volume.HYPER, Volume.EUV)
    assert not case.volume.against
    assert not case.symptoms.severe
    assert not case.restriction.red_flags
    assert not case.restriction.reasons
    assert [case.pregnant, case.dialysis, case.comfort_care] == [False, False, False]
    assert case.sodium.low
    assert case.age_years is not None
    assert case.sodium.acute is None
    assert case.rate.rule != "RATE-OVER"
    assert all(story.missing.get(s) in (None, Missing.NOT_APPLICABLE) for s in REQUIRED)
    assert not any(d.cls == "vaptan" for o in (*story.orders, *story.drafts) for d in o.drugs)


@given(story=anybody(), profile=st.sampled_from(["aasld", "european"]))
@settings(max_examples=100, deadline=None)
def test_whatever_is_recorded_a_verdict_without_an_offer_says_why(
    story: Story, profile: str
) -> None:
    found = story.case(profile).restriction
    assert bool(found.reasons) or found.verdict in ("offer", "none", "ordered")
    assert found.verdict not in ("text", "never") or found.reasons[0].keep


@given(story=anybody())
@settings(max_examples=60, deadline=None)
def test_the_order_of_entries_in_the_record_changes_nothing(story: Story) -> None:
    turned = replace(
        story, problems=story.problems[::-1], results=story.results[::-1], orders=story.orders[::-1]
    )
    assert turned.case().restriction.verdict == story.case().restriction.verdict
    assert turned.case().volume.status is story.case().volume.status
    assert turned.case().symptoms == story.case().symptoms
