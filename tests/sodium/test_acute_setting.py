"""F2: after which situations low sodium is taken for acute, and for how long."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from cds_service.sodium.acute_setting import acute_setting_before
from cds_service.terminology.concepts import ConceptMatcher
from cds_service.terminology.types import Coded, Coding
from tests.fhir_resources import pipeline
from tests.sodium.patients import Story, ago, order, problem, result

MINUTE = 1 / 60 / 24
EVENTS = ["stimulant-poisoning", "prolonged-exercise", "labor", "bowel-preparation"]
EVENTS += ["recent-surgery"]
ICD10, SNOMED = "http://hl7.org/fhir/sid/icd-10-cm", "http://snomed.info/sct"


def meant(coded: Coded) -> frozenset[str]:
    """Returns the problems that a code or words mean."""
    knowledge = pipeline().knowledge
    return ConceptMatcher(knowledge.terms.concepts, knowledge.fluids.text).match(coded)


def setting_of(story: Story) -> str:
    """Returns the name of the acute setting, or nothing."""
    found = story.case().acute_setting
    return found.name if found else ""


def with_problem(
    *names: str, days: float | None, active: bool = True, encounter: bool = False
) -> str:
    entry = problem(*names, days=days, active=active, encounter=encounter)
    return setting_of(Story(problems=(entry,)))


def with_order(drug: str, days: float | None, **more: object) -> str:
    return setting_of(Story(orders=(order(drug, days=days, **more),)))  # type: ignore[arg-type]


def test_f2_a_record_without_such_a_situation_names_none() -> None:
    assert setting_of(Story()) == ""


@pytest.mark.parametrize("event", EVENTS)
def test_f2_poisoning_exercise_labor_and_surgery_count_for_two_days(event: str) -> None:
    assert with_problem(event, days=2) == event
    assert with_problem(event, days=2 + MINUTE) == ""


def test_f2_irrigation_counts_for_one_day() -> None:
    assert with_problem("irrigation", days=1) == "irrigation"
    assert with_problem("irrigation", days=1 + MINUTE) == ""


@pytest.mark.parametrize("event", [*EVENTS, "irrigation"])
def test_f2_what_is_over_still_counts_and_what_lies_ahead_does_not(event: str) -> None:
    assert with_problem(event, days=0.5, active=False) == event
    assert with_problem(event, days=-MINUTE) == ""


def test_f2_without_a_date_only_a_diagnosis_or_reason_of_this_visit_counts() -> None:
    assert with_problem("stimulant-poisoning", days=None) == ""
    assert with_problem("stimulant-poisoning", days=None, encounter=True) != ""
    assert with_problem("stimulant-poisoning", days=None, encounter=True, active=False) == ""
    assert with_problem("stimulant-poisoning", days=9, encounter=True) == ""
    assert setting_of(Story(reasons=frozenset({"labor"}))) == "labor"


@pytest.mark.parametrize("drug", ["oxytocin", "picosulfate", "macrogol bowel prep"])
def test_f2_oxytocin_and_bowel_preparation_count_for_two_days(drug: str) -> None:
    assert with_order(drug, 2) == drug
    assert with_order(drug, 2 + MINUTE) == ""
    assert with_order(drug, 1, status="completed", ended=0.5) == drug
    assert with_order(drug, -MINUTE) == ""
    assert with_order(drug, None) == ""
    assert with_order(drug, 1, status="cancelled") == ""


@pytest.mark.parametrize("drug", ["cyclophosphamide", "ifosfamide"])
def test_f2_cyclophosphamide_counts_unless_it_comes_as_tablets(drug: str) -> None:
    assert with_order(drug, 1, route="iv") == drug
    assert with_order(drug, 1, route="unknown") == drug
    assert with_order(drug, 1, route="systemic") == ""


def test_f2_other_cytotoxic_drugs_do_not_count() -> None:
    assert with_order("vincristine", 1, route="iv") == ""


@pytest.mark.parametrize("cause", ["schizophrenia", "psychological-factors"])
def test_f2_polydipsia_counts_only_beside_its_cause(cause: str) -> None:
    thirst, reason = problem("polydipsia", days=300), problem(cause, days=4000)
    assert setting_of(Story(problems=(thirst, reason))) == "polydipsia"
    assert setting_of(Story(problems=(thirst,))) == ""
    assert setting_of(Story(problems=(reason,))) == ""


def test_f2_compulsive_drinking_counts_at_any_date_unless_sodium_has_long_been_low() -> None:
    drinks = (problem("psychogenic-polydipsia", days=900),)
    assert setting_of(Story(problems=drinks)) == "psychogenic-polydipsia"
    for hours, counts in ((48, True), (48.1, False)):
        low = result("sodium", 128, hours)
        assert bool(setting_of(Story(problems=drinks, results=(low,)))) is counts


def test_f2_the_newest_setting_is_named_with_its_start() -> None:
    story = Story(
        problems=(problem("stimulant-poisoning", days=1.5), problem("labor", days=None)),
        orders=(order("oxytocin", days=0.5),),
    )
    found = story.case().acute_setting
    assert found is not None
    assert (found.name, found.since) == ("oxytocin", ago(days=0.5))


def test_f2_an_earlier_moment_is_asked_for_what_came_before_it() -> None:
    case = Story(problems=(problem("labor", days=3),)).case()
    assert case.acute_setting is None
    assert acute_setting_before(case, ago(days=2.5)) is not None
    assert acute_setting_before(case, ago(days=3.5)) is None


@pytest.mark.parametrize(
    ("code", "concept"),
    [
        ("T43.621A", "stimulant-poisoning"),
        ("T43.641A", "stimulant-poisoning"),
        ("T43.6", "stimulant-poisoning"),
        ("Y93.02", "prolonged-exercise"),
        ("O63.1", "labor"),
        ("O80", "labor"),
        ("Z37.0", "labor"),
        ("G89.18", "recent-surgery"),
        ("F54", "psychological-factors"),
        ("F20.0", "schizophrenia"),
    ],
)
def test_f2_codes(code: str, concept: str) -> None:
    assert concept in meant(Coded((Coding(ICD10, code),)))


@pytest.mark.parametrize("code", ["T43.626A", "T43.636A", "O72.1", "O90.0", "O26.9", "G89.28"])
def test_f2_codes_that_only_look_alike(code: str) -> None:
    settings = {*EVENTS, "irrigation"}
    assert not settings & meant(Coded((Coding(ICD10, code),)))


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("Ecstasy (MDMA) ingestion", "stimulant-poisoning"),
        ("Collapsed after a marathon", "prolonged-exercise"),
        ("Ultramarathon runner, confusion", "prolonged-exercise"),
        ("In active labour", "labor"),
        ("TURP today", "irrigation"),
        ("Hysteroscopic myomectomy", "irrigation"),
        ("Post-operative day 1", "recent-surgery"),
        ("Bowel prep for colonoscopy", "bowel-preparation"),
        ("Water intoxication", "psychogenic-polydipsia"),
    ],
)
def test_f2_words(text: str, concept: str) -> None:
    assert concept in meant(Coded(text=text))


def test_f2_a_procedure_is_known_by_its_snomed_code() -> None:
    assert "irrigation" in meant(Coded((Coding(SNOMED, "90199006"),)))


def test_f2_a_draft_is_no_setting() -> None:
    drafted = replace(order("oxytocin", days=0.1), status="draft")
    assert setting_of(Story(drafts=(drafted,))) == ""
