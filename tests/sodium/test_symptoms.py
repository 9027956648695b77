"""Which recorded symptoms count, and for how long (B.0.4, M1, M2, M4, M12, S15, S20)."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.sodium.problems import Symptoms
from cds_service.sodium.snapshot import Order, Patient, Problem
from tests.sodium.patients import Story, order, problem, result

SEVERE = [
    "herniation",
    "cerebral-edema",
    "arrest",
    "respiratory-failure",
    "status-epilepticus",
    "seizure",
]
SEVERE += ["coma", "stupor", "somnolence"]
MODERATE = ["confusion", "headache", "nausea", "vomiting"]
MILD = ["weakness", "fatigue", "lethargy", "gait", "fall", "dizziness", "poor-concentration"]
HOUR = 1 / 24


def symptoms_of(story: Story, profile: str = "aasld") -> Symptoms:
    return story.case(profile).symptoms


def with_problem(
    *names: str, days: float | None = 1, active: bool = True, encounter: bool = False
) -> Symptoms:
    return symptoms_of(
        Story(problems=(problem(*names, days=days, active=active, encounter=encounter),))
    )


def test_a_record_without_symptoms_names_none() -> None:
    assert symptoms_of(Story()) == Symptoms()


@pytest.mark.parametrize("concept", SEVERE)
def test_a_severe_symptom_counts_for_three_days(concept: str) -> None:
    assert with_problem(concept, days=3).severe == (concept,)
    assert with_problem(concept, days=3 + HOUR).severe == ()


@pytest.mark.parametrize("concept", SEVERE)
def test_a_severe_symptom_counts_as_a_diagnosis_of_this_encounter_at_any_date(concept: str) -> None:
    assert with_problem(concept, days=20, encounter=True).severe == (concept,)
    assert with_problem(concept, days=None, encounter=True).severe == (concept,)
    assert with_problem(concept, days=None).severe == ()


@pytest.mark.parametrize("concept", MODERATE)
def test_a_moderate_symptom_counts_for_two_weeks(concept: str) -> None:
    assert with_problem(concept, days=14).moderate == (concept,)
    assert with_problem(concept, days=14 + HOUR).moderate == ()


@pytest.mark.parametrize("concept", MILD)
def test_a_mild_symptom_counts_for_two_weeks(concept: str) -> None:
    assert with_problem(concept, days=14).mild == (concept,)
    assert with_problem(concept, days=14 + HOUR).mild == ()


def test_a_cramp_counts_for_thirty_days() -> None:
    inside, outside = with_problem("cramp", days=30), with_problem("cramp", days=30 + HOUR)
    assert (inside.mild, inside.cramp) == (("cramp",), True)
    assert (outside.mild, outside.cramp) == ((), False)


def test_a_resolved_symptom_does_not_count() -> None:
    found = with_problem("seizure", "headache", "cramp", active=False)
    assert (found.severe, found.moderate, found.mild) == ((), (), ())


@pytest.mark.parametrize("concept", ["fall", "fracture"])
def test_a_fall_or_fracture_of_the_last_three_months_counts_even_when_resolved(
    concept: str,
) -> None:
    assert with_problem(concept, days=90, active=False).fall_or_fracture
    assert not with_problem(concept, days=91).fall_or_fracture


def test_epilepsy_on_the_problem_list_is_no_severe_symptom() -> None:
    found = with_problem("epilepsy", days=4000)
    assert found.severe == ()
    assert found.seizure
    assert not found.seizure_recent


@pytest.mark.parametrize(
    ("days", "encounter", "severe"),
    [(1, True, True), (1, False, False), (10, True, False), (None, True, False)],
)
def test_epilepsy_is_severe_only_as_a_recent_diagnosis_of_this_encounter(
    days: float | None, encounter: bool, severe: bool
) -> None:
    assert bool(with_problem("epilepsy", days=days, encounter=encounter).severe) is severe


def test_epilepsy_as_the_reason_of_a_draft_is_no_seizure_of_today() -> None:
    drafted = Story(drafts=(order("carbamazepine", status="draft", reasons=("epilepsy",)),))
    assert symptoms_of(drafted).severe == ()


def test_reasons_of_the_visit_and_of_a_draft_count_as_recorded_now() -> None:
    assert symptoms_of(Story(reasons=frozenset({"coma"}))).severe == ("coma",)
    drafted = Story(drafts=(order("baclofen", status="draft", reasons=("cramp",)),))
    assert symptoms_of(drafted).cramp


@pytest.mark.parametrize(
    ("score", "severe", "impaired"),
    [("8", ("coma",), False), ("9", (), True), ("14", (), True), ("15", (), False)],
)
def test_a_glasgow_score_of_eight_or_less_is_coma_and_up_to_fourteen_is_noted(
    score: str, severe: tuple[str, ...], impaired: bool
) -> None:
    found = symptoms_of(Story(results=(result("gcs", score),)))
    assert (found.gcs, found.severe, found.gcs_impaired) == (int(score), severe, impaired)


def test_an_old_or_impossible_glasgow_score_is_left_out() -> None:
    assert symptoms_of(Story(results=(result("gcs", "5", hours=73),))).gcs is None
    assert symptoms_of(Story(results=(result("gcs", "0"),))).gcs is None


def test_the_newest_glasgow_score_counts() -> None:
    found = symptoms_of(Story(results=(result("gcs", "6", hours=20), result("gcs", "15", hours=1))))
    assert found.severe == ()


@pytest.mark.parametrize(
    ("sodium", "concept", "attributable"),
    [
        ("125.9", "respiratory-failure", True),
        ("126", "respiratory-failure", False),
        ("126", "seizure", True),
        ("129.9", "coma", True),
        ("129.9", "stupor", True),
        ("129.9", "cerebral-edema", True),
        ("129.9", "herniation", True),
        ("129.9", "somnolence", False),
        ("130", "seizure", False),
    ],
)
def test_a_severe_symptom_is_blamed_on_sodium_only_where_it_is_low_enough(
    sodium: str, concept: str, attributable: bool
) -> None:
    found = symptoms_of(Story(sodium=sodium, problems=(problem(concept),)))
    assert found.severe == (concept,)
    assert found.attributable is attributable


def test_an_acute_fall_makes_any_severe_symptom_attributable() -> None:
    fell = Story(
        sodium=133, problems=(problem("respiratory-failure"),), results=(result("sodium", 143, 20),)
    )
    assert fell.case().sodium.acute is not None
    assert symptoms_of(fell).attributable
    assert not symptoms_of(replace(fell, results=())).attributable


def test_high_glucose_is_taken_out_before_a_symptom_is_blamed_on_sodium() -> None:
    story = Story(sodium=124, problems=(problem("coma"),), results=(result("glucose", 600),))
    assert not symptoms_of(story).attributable
    assert symptoms_of(replace(story, results=())).attributable


@pytest.mark.parametrize(
    ("profile", "sodium", "severe"),
    [("aasld", 118, False), ("european", "124.9", True), ("european", 125, False)],
)
def test_vomiting_is_severe_only_in_the_european_profile_with_profound_low_sodium(
    profile: str, sodium: str | int, severe: bool
) -> None:
    found = symptoms_of(Story(sodium=sodium, problems=(problem("vomiting"),)), profile)
    assert ("vomiting" in found.severe) is severe
    assert ("vomiting" in found.moderate) is not severe


@pytest.mark.parametrize("concept", ["cerebral-edema", "herniation"])
def test_brain_edema_counts_for_thirty_days_or_as_a_diagnosis_of_this_encounter(
    concept: str,
) -> None:
    assert with_problem(concept, days=30).brain_edema
    assert with_problem(concept, days=None, encounter=True).icp_indication
    assert not with_problem(concept, days=31).brain_edema
    assert not with_problem(concept, days=None).brain_edema


@pytest.mark.parametrize("concept", ["tbi", "intracranial-bleed", "sah", "traumatic-sah"])
def test_a_brain_injury_is_an_indication_only_while_dated_within_thirty_days(concept: str) -> None:
    assert with_problem(concept, days=30).icp_indication
    assert not with_problem(concept, days=31).icp_indication
    assert not with_problem(concept, days=None, encounter=True).icp_indication


@pytest.mark.parametrize(
    ("born", "risk"), [(date(1961, 11, 15), True), (date(1961, 11, 16), False)]
)
def test_the_falls_line_is_for_everybody_from_sixty_five(born: date, risk: bool) -> None:
    assert symptoms_of(Story(patient=Patient(birth_date=born))).falls_risk is risk


@pytest.mark.parametrize("concept", ["fall", "gait", "osteoporosis", "fracture"])
def test_the_falls_line_is_for_younger_people_with_such_a_problem(concept: str) -> None:
    assert with_problem(concept, days=400).falls_risk


def test_any_neurological_code_is_kept_in_view_at_any_date() -> None:
    assert with_problem("meningitis-encephalitis", days=None).neuro_code
    assert not with_problem("headache").neuro_code


def test_the_most_telling_symptom_comes_first() -> None:
    assert with_problem("somnolence", "seizure", "herniation").severe == (
        "herniation",
        "seizure",
        "somnolence",
    )


# ---- F15: respiratory failure, arrest and seizures that have another cause

RECENT = ["cardiac-arrest", "aspiration", "pneumonia", "pulmonary-edema", "pulmonary-embolism"]
RECENT += ["sepsis", "overdose", "acute-heart-failure"]
LASTING = ["heart-failure", "copd", "asthma"]


def blamed(*problems: Problem, sodium: str = "118", **more: Any) -> bool:
    return symptoms_of(Story(sodium=sodium, problems=problems, **more)).attributable


@pytest.mark.parametrize("symptom", ["respiratory-failure", "arrest"])
@pytest.mark.parametrize("cause", [*RECENT, *LASTING])
def test_f15_respiratory_failure_with_another_cause_is_not_blamed_on_sodium(
    symptom: str, cause: str
) -> None:
    assert blamed(problem(symptom))
    assert not blamed(problem(symptom), problem(cause))
    assert blamed(problem(symptom), problem(cause, active=False))
    assert blamed(problem("coma"), problem(cause))


@pytest.mark.parametrize("cause", RECENT)
def test_f15_an_old_pneumonia_explains_nothing(cause: str) -> None:
    assert not blamed(problem("respiratory-failure"), problem(cause, days=14))
    assert blamed(problem("respiratory-failure"), problem(cause, days=14 + HOUR))


@pytest.mark.parametrize("cause", LASTING)
def test_f15_a_lasting_disease_explains_at_any_date(cause: str) -> None:
    assert not blamed(problem("respiratory-failure"), problem(cause, days=4000))
    assert not blamed(problem("respiratory-failure"), problem(cause, days=None))


@pytest.mark.parametrize(("cause", "days"), [("withdrawal", 1), ("epilepsy", 4000)])
def test_f15_a_seizure_with_another_cause_is_blamed_on_sodium_only_below_126(
    cause: str, days: float
) -> None:
    fits = problem("seizure"), problem(cause, days=days)
    assert blamed(*fits, sodium="125.9")
    assert not blamed(*fits, sodium="126")
    assert blamed(fits[0], sodium="126")
    assert blamed(problem("coma"), fits[1], sodium="126")
    fell = (result("sodium", "136", 20),)
    assert blamed(*fits, sodium="126", results=fell)


def test_f15_old_withdrawal_explains_nothing() -> None:
    assert blamed(problem("seizure"), problem("withdrawal", days=14 + HOUR), sodium="126")


def test_f15_what_has_another_cause_comes_last_and_the_cause_is_named() -> None:
    found = symptoms_of(
        Story(
            sodium=118,
            problems=(problem("arrest"), problem("seizure"), problem("cardiac-arrest")),
        )
    )
    assert found.severe == ("seizure", "arrest")
    assert (found.explained, found.better_cause) == (("arrest",), "cardiac-arrest")


# ---- F43: the coma scale under sedation

ANESTHETICS = ["propofol", "midazolam", "ketamine", "dexmedetomidine", "thiopental", "rocuronium"]


def scaled(points: int, *orders: Order) -> Symptoms:
    return symptoms_of(Story(sodium=118, results=(result("gcs", points),), orders=orders))


@pytest.mark.parametrize("drug", ANESTHETICS)
@pytest.mark.parametrize("points", [3, 8, 12])
def test_f43_under_sedation_a_low_coma_scale_is_no_symptom(drug: str, points: int) -> None:
    found = scaled(points, order(drug, days=0.2))
    assert (found.severe, found.gcs_impaired) == ((), False)
    assert (found.gcs, found.gcs_sedated) == (points, True)
    awake = scaled(points)
    assert bool(awake.severe) or awake.gcs_impaired
    assert not awake.gcs_sedated


@pytest.mark.parametrize("points", [3, 8, 10, 11])
def test_f43_a_coma_scale_without_speech_is_no_symptom_and_is_told(points: int) -> None:
    under_tube = replace(result("gcs", points), untestable=True)
    found = symptoms_of(Story(sodium=118, results=(under_tube,)))
    assert (found.severe, found.gcs_impaired) == ((), False)
    assert (found.gcs, found.gcs_untestable) == (points, True)
    assert not scaled(points).gcs_untestable


def test_f43_sedation_counts_while_active_and_for_one_day_after() -> None:
    def ended(hours: float) -> bool:
        given = order("propofol", days=3, status="completed", ended=hours / 24)
        return scaled(10, given).gcs_sedated

    assert ended(24)
    assert not ended(24.1)
    assert scaled(10, order("propofol", days=9)).gcs_sedated
    assert not scaled(10, order("propofol", days=9, status="completed")).gcs_sedated
    assert not scaled(10, order("propofol", days=0.1, status="cancelled")).gcs_sedated
    assert not scaled(10, order("propofol", days=None, status="completed")).gcs_sedated


@pytest.mark.parametrize("drug", ["fentanyl", "morphine", "tramadol", "phenobarbital"])
def test_f43_opioids_and_phenobarbital_count_only_by_vein(drug: str) -> None:
    assert scaled(10, order(drug, days=0.1, route="iv")).gcs_sedated
    assert not scaled(10, order(drug, days=0.1, route="systemic")).gcs_sedated
    assert not scaled(10, order(drug, days=0.1, route="unknown")).gcs_sedated
    once = replace(order(drug, days=0.1, route="iv"), single_dose=True)
    assert not scaled(10, once).gcs_sedated


def test_f43_a_code_of_a_coma_scale_counts_as_its_number() -> None:
    coded = Story(sodium=118, problems=(problem("coma", "coma-scale"),))
    sedated = replace(coded, orders=(order("propofol", days=0.1),))
    assert symptoms_of(coded).severe == ("coma",)
    assert symptoms_of(sedated).severe == ()
    said = replace(sedated, problems=(problem("coma"),))
    assert symptoms_of(said).severe == ("coma",)
    reason = replace(sedated, problems=(), reasons=frozenset({"confusion", "coma-scale"}))
    assert symptoms_of(reason).recent == ("confusion",)


@pytest.mark.parametrize("drug", ["lorazepam", "haloperidol", "sertraline"])
def test_f43_other_drugs_leave_the_scale_as_it_is(drug: str) -> None:
    assert not scaled(10, order(drug, days=0.1, route="iv")).gcs_sedated
