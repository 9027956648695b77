"""No card contradicts itself or its neighbor, and what is in doubt is never told as settled: end to end."""

from __future__ import annotations

import pytest

from tests.fhir_resources import (
    TOLVAPTAN_15,
    Call,
    Card,
    Resource,
    lab,
    problem,
    sodium,
    sodiums,
    taking,
)

HCTZ = "310798", "hydrochlorothiazide 25 MG Oral Tablet"
SIADH = problem("E22.2", 5)
FAILURE = problem("I50.9", 0, visit=True)
ASCITES = problem("K74.60", 400), problem("R18.8", 5)
RISEN = sodiums((0, "110"), (18, "122"), first_hours=1)
POC = "2947-0"


def shown(*record: Resource, **more: object) -> str:
    """Every word of every card."""
    return "\n".join(card.text for card in cards(*record, **more))


def cards(*record: Resource, **more: object) -> list[Card]:
    return Call(record=record, **more).cards()  # type: ignore[arg-type]  # the test's own names


@pytest.mark.parametrize(
    "against",
    [
        problem("N18.6", 900),
        problem("Z33.1", 60),
        problem("N17.9", 0, visit=True),
        lab("systolic", "92", 3),
    ],
    ids=["dialysis", "pregnancy", "kidney injury", "low pressure"],
)
def test_no_vaptan_is_mentioned_to_patients_who_must_not_have_one(against: Resource) -> None:
    assert "Vaptans" in shown(sodium("124"), FAILURE)
    assert "Vaptans" not in shown(sodium("124"), FAILURE, against)


@pytest.mark.parametrize(
    "known",
    [problem("I50.9", 800), problem("K74.60", 800), problem("N18.4", 800), problem("Z99.2", 800)],
    ids=["heart", "liver", "kidney", "dialysis"],
)
def test_no_salt_tablets_in_siadh_beside_heart_failure_or_cirrhosis(known: Resource) -> None:
    assert "salt tablets or urea" in shown(sodium("124"), SIADH)
    assert "salt tablets or urea" not in shown(sodium("124"), SIADH, known)
    assert "Salty food" not in shown(sodium("124"), SIADH, known)


@pytest.mark.parametrize(
    "against",
    [taking(TOLVAPTAN_15, 0.5), problem("I60.9", None), problem("Z33.1", 60)],
    ids=["vaptan", "undated hemorrhage", "pregnancy"],
)
def test_the_step_after_restriction_is_not_named_where_restriction_is_withheld(
    against: Resource,
) -> None:
    assert "If not enough" not in shown(sodium("124"), SIADH, against)


def test_the_step_after_restriction_warns_of_salt_where_restriction_is_offered() -> None:
    assert "no salt tablets" in shown(sodium("124"), SIADH, problem("I50.9", 800))


@pytest.mark.parametrize(
    "against", [(problem("I50.9", 200),), RISEN], ids=["heart failure", "rising"]
)
def test_cramps_are_no_reason_to_stop_a_diuretic_that_must_not_stop(
    against: tuple[Resource, ...],
) -> None:
    cramps = *ASCITES, problem("R25.2", 1), taking("furosemide")
    value = against if against is RISEN else (sodium("127"), *against)
    assert "incapacitating" in shown(sodium("127"), *cramps)
    text = shown(*value, *cramps)
    assert "Cramps in cirrhosis" in text
    assert "incapacitating" not in text


def test_guidance_on_cirrhosis_is_not_cited_as_if_it_were_on_heart_failure() -> None:
    assert "at the bedside (AASLD 2021)" in shown(sodium("123"), *ASCITES)
    assert "at the bedside (figure from cirrhosis, AASLD 2021)" in shown(sodium("123"), FAILURE)


def test_f35_a_restriction_says_what_guidelines_do_not_share() -> None:
    cramps = problem("R25.2", 2)
    mild, moderate = shown(sodium("130"), *ASCITES, cramps), shown(sodium("123"), *ASCITES)
    assert "(source article; guidelines restrict at 125 or below)" in mild
    assert "guidelines restrict at 125 or below" not in moderate
    assert "FRESH-UP 2025" in shown(sodium("123"), FAILURE)
    assert "FRESH-UP 2025" not in moderate
    assert "did not change 30-day outcome (HIT 2025" in moderate


def test_salty_food_is_not_advised_beside_a_vaptan() -> None:
    assert "Salty food" in shown(sodium("124"), SIADH)
    assert "Salty food" not in shown(sodium("124"), SIADH, taking(TOLVAPTAN_15, 0.5))


def test_drinking_less_is_not_advised_while_salt_wasting_is_not_excluded() -> None:
    assert "avoid drinking" in shown(sodium("124"), SIADH)
    assert "avoid drinking" not in shown(sodium("124"), SIADH, problem("I60.9", None))
    assert "avoid drinking" not in shown(sodium("124"), failing=("conditions",))


def test_drinking_less_is_not_advised_above_the_goal_of_a_patient_at_risk() -> None:
    risen = sodiums((0, "112"), (12, "118.5"), first_hours=1)
    assert "avoid drinking" not in shown(*risen, problem("F10.20", 300))


@pytest.mark.parametrize("cause", [(problem("E86.0", 1),), ASCITES], ids=["depletion", "cirrhosis"])
def test_no_drug_is_to_be_stopped_that_may_speed_a_rise_that_is_too_fast(
    cause: tuple[Resource, ...],
) -> None:
    text = shown(*RISEN, *cause, taking("indapamide", 30))
    assert "Consider stopping" not in text
    assert "Stop diuretics" not in text
    assert "Indapamide: stopping may speed a rise that is too fast already" in text


def test_volume_is_not_simply_restored_while_sodium_rises_too_fast() -> None:
    text = shown(*RISEN, problem("E86.0", 1))
    assert "Restore volume" not in text
    assert "only as the circulation needs it" in text
    assert "Replace salt" not in shown(*RISEN, problem("I60.9", 5))


@pytest.mark.parametrize("flag", [problem("N17.9", 0, visit=True), lab("systolic", "92", 3)])
def test_a_reason_against_restriction_stands_once_on_a_card(flag: Resource) -> None:
    card = cards(sodium("124"), FAILURE, flag)[0]
    lines = [line for line in card.detail.split("\n") if line]
    assert len(lines) == len(set(lines))


def test_a_value_in_doubt_is_repeated_now_as_the_card_says() -> None:
    card = cards(sodium("124", 1, status="preliminary"))[0]
    assert "repeat it first" in card.detail
    assert card.labels[0] == "Repeat sodium now"


def test_f12_two_methods_of_one_hour_are_a_disagreement_and_no_change() -> None:
    found = cards(sodium("122", 2), sodium("133", 1.5, code=POC))
    assert [card.head for card in found] == ["pseudohyponatremia info"]
    assert found[0].summary == (
        "Two methods disagree: 133 direct, 122 laboratory: use the direct value, repeat"
    )
    assert "artifact" not in found[0].text
    (lower,) = cards(sodium("133", 2), sodium("122", 1.5, code=POC))
    assert lower.head == "sodiumImplausible warning"
    assert lower.summary == "Two methods disagree: 122 direct, 133 laboratory: repeat now"
    assert lower.labels == ["Repeat sodium now (STAT)"]


def test_a_later_normal_direct_value_does_not_make_a_low_one_disappear() -> None:
    found = cards(sodium("128", 2), sodium("138", 1.5, code=POC))
    assert found[0].summary.startswith("Two methods disagree: 138 direct, 128 laboratory")


def test_dilute_urine_with_little_sodium_is_no_volume_depletion() -> None:
    drinker = lab("urine-osmolality", "70"), lab("urine-sodium", "15")
    text = shown(sodium("122"), *drinker)
    assert "volume-depleted" not in text
    assert "Restore volume" not in text
    assert "address the intake" in text
    concentrated = lab("urine-osmolality", "400"), drinker[1], lab("systolic", "84")
    assert "volume-depleted" in shown(sodium("122"), *concentrated)


def test_severe_symptoms_are_too_mild_a_sodium_to_explain_with_high_glucose_too() -> None:
    card = cards(sodium("131"), lab("glucose", "300"), problem("J96.01", 0, visit=True))[0]
    assert card.head == "sodiumMild info"
    assert "too mild to be the likely" in card.detail


def test_no_severe_symptoms_is_not_said_of_a_patient_with_an_impaired_glasgow_score() -> None:
    text = shown(sodium("124"), lab("gcs", "9"))
    assert "No severe symptoms recorded" not in text
    assert "Glasgow coma scale 9" in text
    assert "No severe symptoms recorded" in shown(sodium("124"), lab("gcs", "15"))


def test_brain_edema_without_a_bolus_is_not_monitored_after_each_bolus() -> None:
    text = shown(sodium("134"), problem("G93.6", 15))
    assert "neurocritical advice now" in text
    assert "bolus" not in text


def test_an_information_on_the_rise_does_not_call_for_urgent_action() -> None:
    card = cards(*sodiums((-30, "138"), (0, "127"), (20, "136"), first_hours=1))[0]
    assert card.head == "overcorrection info"
    assert "Call nephrology" not in card.detail
    assert "Lowering again" not in card.detail


def test_a_drug_on_hold_is_listed_and_not_counted() -> None:
    text = shown(sodium("123"), taking(HCTZ, 20, status="on-hold"))
    assert "On hold: hydrochlorothiazide" in text
    assert "review hydrochlorothiazide" not in text


def test_an_old_unreadable_result_does_not_hide_that_sodium_was_never_checked() -> None:
    old = sodium("300", 24 * 200, unit="mg/dL")
    found = cards(old, taking("sertraline", 20), age=70, inpatient=False)
    assert [card.topic for card in found] == ["sodiumCheckDue"]


@pytest.mark.parametrize("source", ["medications", "conditions"])
def test_long_stable_is_no_silence_where_what_is_new_could_not_be_read(source: str) -> None:
    values = sodium("131", 2), sodium("132", 24 * 35), sodium("131", 24 * 70)
    assert cards(*values, inpatient=False) == []
    assert len(cards(*values, inpatient=False, failing=(source,))) == 1


def test_an_offer_of_restriction_says_that_existing_fluid_orders_were_not_looked_at() -> None:
    card = cards(sodium("124"), SIADH)[0]
    assert card.restricts
    assert "Not checked: existing fluid orders" in card.detail


def test_osmotic_demyelination_in_the_record_makes_the_risk_high() -> None:
    assert "High risk of osmotic demyelination" in shown(sodium("118"), problem("G37.2", 900))
