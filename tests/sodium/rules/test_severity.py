"""Emergency, acute fall, severe and moderate band: what fires, how strongly, and what it must not say."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cds_service.engine.finding import DraftLabs, Line
from cds_service.sodium.correction_rate import RateView
from cds_service.sodium.glucose import Pseudo
from cds_service.sodium.problems import Symptoms
from cds_service.sodium.restriction import Restriction
from cds_service.sodium.results import Freshness
from tests.sodium.cases import NOW, limits
from tests.sodium.rules.cases import (
    a_case,
    detail,
    exposure,
    fall,
    fired,
    glucose,
    keys,
    kinds,
    on,
    part_keys,
    problem,
    reason,
    rise,
    sodium,
    summary,
)

SEIZURE = Symptoms(severe=("seizure",), attributable=True, seizure=True)
NO_RESTRICTION = Restriction(
    verdict="never", reasons=(Line("never-severe", {"symptom": "symptom:seizure"}, keep=True),)
)


def rising(amount: str, **more: Any) -> RateView:
    return RateView(assessable=True, now=rise(amount, 4), limit=limits().rate_limit_day, **more)


def test_a_seizure_with_sodium_118_is_an_emergency_and_nothing_else() -> None:
    found = fired(a_case("118", symptoms=SEIZURE, restriction=NO_RESTRICTION))
    assert list(found) == ["PV-SYMP"]
    card = found["PV-SYMP"]
    assert card.indicator == "critical"
    assert (
        summary(card) == "Sodium 118 mmol/L with seizure recorded: possible emergency, assess now"
    )
    assert "bolus-aasld" in keys(card)
    assert "never-severe" in keys(card)
    assert kinds(card) == ["repeat-sodium-stat", "workup-stat"]


def test_an_emergency_offers_no_fluid_restriction_even_if_the_verdict_would() -> None:
    card = fired(a_case("118", symptoms=SEIZURE, restriction=Restriction(verdict="offer")))[
        "PV-SYMP"
    ]
    assert not any("restriction" in k for k in (*keys(card), *kinds(card)))


def test_the_european_profile_gives_its_own_bolus_and_goal() -> None:
    card = fired(a_case("118", profile="european", symptoms=SEIZURE))["PV-SYMP"]
    assert "bolus-european" in keys(card)
    (bolus,) = (line for line in detail(card) if "150 mL over 20 min" in line)
    assert "sodium is up 5 mmol/L" in bolus


def test_no_further_bolus_is_advised_where_sodium_already_rose_too_fast() -> None:
    over = RateView(level="critical", rule="RATE-OVER", variant="fast", worst=rise("10"))
    card = fired(a_case("120", symptoms=SEIZURE, rate=over))["PV-SYMP"]
    assert "bolus-risen" in keys(card)
    assert "bolus-aasld" not in keys(card)


@pytest.mark.parametrize(
    ("na", "indicator"), [("129.9", "critical"), ("130", "warning"), ("134", "warning")]
)
def test_brain_edema_with_any_low_sodium_needs_neurocritical_advice(
    na: str, indicator: str
) -> None:
    edema = Symptoms(severe=("cerebral-edema",), brain_edema=True)
    card = fired(a_case(na, symptoms=edema))["PV-SYMP"]
    assert card.indicator == indicator
    assert summary(card).endswith("low sodium worsens it, neurocritical advice now")
    assert not any(k.startswith("bolus") for k in keys(card))


def test_brain_edema_with_normal_sodium_is_silent() -> None:
    edema = Symptoms(severe=("cerebral-edema",), brain_edema=True)
    assert fired(a_case("136", symptoms=edema)) == {}


def test_a_severe_symptom_at_sodium_131_is_no_sodium_emergency() -> None:
    mild = a_case("131", symptoms=Symptoms(severe=("respiratory-failure",)))
    assert reason("PV-SYMP", mild) == "severe-not-attributable"


@pytest.mark.parametrize(
    ("na", "indicator"), [("125.9", "critical"), ("126", "warning"), ("128", "warning")]
)
def test_an_acute_fall_leads_in_every_band(na: str, indicator: str) -> None:
    found = fired(a_case(na, sodium=sodium(na, acute=fall("14", 20))))
    assert list(found) == ["PV-ACUTE"]
    card = found["PV-ACUTE"]
    assert card.indicator == indicator
    assert summary(card) == f"Sodium fell 14 mmol/L in 20 h to {na}: acute, check for symptoms now"
    assert kinds(card) == ["repeat-sodium-stat", "workup-stat"]


def test_an_acute_fall_with_a_seizure_is_shown_by_both_rules() -> None:
    both = fired(a_case("128", sodium=sodium("128", acute=fall("14", 20)), symptoms=SEIZURE))
    assert list(both) == ["PV-SYMP", "PV-ACUTE"]
    assert "acute-too" in keys(both["PV-SYMP"])


@pytest.mark.parametrize(
    ("na", "profile", "rule"),
    [
        ("119.9", "aasld", "PV-SEV"),
        ("<110", "aasld", "PV-SEV"),
        ("120", "aasld", "PV-MOD"),
        ("125", "aasld", "PV-MOD"),
        ("125.5", "aasld", "PV-MOD"),
        ("126", "aasld", "PV-MILD"),
        ("132.9", "aasld", "PV-MILD"),
        ("124.9", "european", "PV-SEV"),
        ("125", "european", "PV-MOD"),
        ("129.9", "european", "PV-MOD"),
        ("130", "european", "PV-MILD"),
    ],
)
def test_each_value_falls_into_one_band(na: str, profile: str, rule: str) -> None:
    assert list(fired(a_case(na, profile=profile))) == [rule]


@pytest.mark.parametrize(
    ("na", "profile"), [("135.4", "aasld"), ("136", "aasld"), ("135", "european")]
)
def test_normal_sodium_is_silent_and_every_rule_says_why(na: str, profile: str) -> None:
    case = a_case(na, profile=profile)
    assert fired(case) == {}
    assert reason("PV-MILD", case) == "not-low"


def test_a_severe_value_is_checked_repeated_and_worked_up() -> None:
    card = fired(a_case("115"))["PV-SEV"]
    assert card.indicator == "critical"
    assert summary(card) == (
        "Severe low sodium 115 mmol/L (2 h ago): check symptoms, repeat now, work up cause"
    )
    assert kinds(card) == ["repeat-sodium-stat", "workup", "workup-second"]
    assert keys(card)[0] == "check-symptoms"


def test_the_european_profile_says_profound() -> None:
    assert summary(fired(a_case("124", profile="european"))["PV-SEV"]).startswith(
        "Profound low sodium 124"
    )


@pytest.mark.parametrize(
    ("amount", "hours", "rule", "indicator"),
    [
        ("1.9", 2, "", "critical"),
        ("2", 2, "", "warning"),
        ("6", 2, "", "warning"),
        ("6.1", 2, "", "critical"),
        ("4", 4, "", "warning"),
        ("4", 4.1, "", "critical"),
        ("4", 2, "RATE-OVER", "critical"),
    ],
)
def test_a_planned_rise_under_treatment_turns_the_severe_card_into_a_warning(
    amount: str, hours: float, rule: Any, indicator: str
) -> None:
    case = a_case("117", sodium=sodium("117", hours=hours), rate=rising(amount, rule=rule))
    assert fired(case)["PV-SEV"].indicator == indicator


def test_the_next_sodium_is_due_from_now_if_the_clock_of_the_draw_is_ahead() -> None:
    drawn = sodium("117", hours=-1, age=timedelta(0))
    case = a_case("117", sodium=drawn, rate=rising("4"))
    assert "Monitor: sodium today 16:00, then every 2-4 h." in detail(fired(case)["PV-SEV"])[0]


def test_the_rising_card_names_the_time_of_the_next_sodium() -> None:
    case = a_case("117", sodium=sodium("117", hours=1), rate=rising("4"))
    card = fired(case)["PV-SEV"]
    assert summary(card) == "Severe low sodium 117 mmol/L, rising 4 in 4 h: keep the pace"
    assert "Monitor: sodium today 15:00, then every 2-4 h." in detail(card)[0]
    assert card.suggestions[0].facts == {"when": "today 15:00"}
    draft = card.suggestions[0].actions[0]
    assert isinstance(draft, DraftLabs)
    assert draft.after == timedelta(hours=3)


def test_an_estimated_rise_is_not_taken_for_treatment() -> None:
    rate = RateView(assessable=True, now=rise("4", observed=False))
    assert fired(a_case("117", rate=rate))["PV-SEV"].indicator == "critical"


def test_outside_hospital_a_severe_value_is_assessed_the_same_day() -> None:
    card = fired(a_case("115", setting="outpatient"))["PV-SEV"]
    assert "monitor-severe-outpatient" in part_keys(card)
    assert "monitor-severe" not in part_keys(card)


def test_a_moderate_card_names_the_likely_drug() -> None:
    found = fired(a_case("123", exposures=on(exposure("sertraline", "ssri", "probable"))))
    card = found["PV-MOD"]
    assert card.indicator == "warning"
    assert summary(card) == "Moderate low sodium 123 mmol/L: find the cause, review sertraline"
    assert card.drugs == ("sertraline",)
    assert "review-gently" in keys(card)


def test_a_moderate_card_without_a_drug_names_none() -> None:
    card = fired(a_case("123"))["PV-MOD"]
    assert summary(card) == "Moderate low sodium 123 mmol/L: find the cause"


def test_a_preliminary_result_is_called_so_on_the_card() -> None:
    case = a_case("122", sodium=sodium("122", hours=1, sample={"status": "preliminary"}))
    assert "This sodium is preliminary." in detail(fired(case)["PV-MOD"])


def test_a_bound_is_shown_as_a_bound() -> None:
    card = fired(a_case("<110"))["PV-SEV"]
    assert "<110" in summary(card)
    assert "doubt-bound" in keys(card)


@pytest.mark.parametrize("na", ["118", "123", "131"])
def test_old_results_make_no_band_card(na: str) -> None:
    old = a_case(na, sodium=sodium(na, hours=30, freshness=Freshness.AGING))
    assert list(fired(old)) == ["PV-AGE"]


def test_without_any_sodium_all_band_rules_say_so() -> None:
    case = a_case("")
    rules = (
        "PV-SYMP",
        "PV-ACUTE",
        "PV-SEV",
        "PV-MOD",
        "PV-MILD-SYMP",
        "PV-MILD",
        "PV-AGE",
        "PV-GLU",
    )
    assert {reason(rule, case) for rule in rules} == {"no-sodium"}
    assert fired(case) == {}


def test_no_severe_symptoms_recorded_is_not_claimed_when_the_problem_list_was_not_read() -> None:
    unread = a_case("115", missing={"conditions": "timeout"})
    assert "symptoms-none" not in keys(fired(unread)["PV-SEV"])
    assert "symptoms-none" in keys(fired(a_case("115"))["PV-SEV"])


def test_myeloma_leaves_the_severe_card_and_adds_a_line() -> None:
    found = fired(a_case("115", pseudo=Pseudo(kind="hint", shown="", hints=("myeloma",))))
    assert list(found) == ["PV-SEV"]
    assert found["PV-SEV"].indicator == "critical"
    assert any("direct ISE" in line for line in detail(found["PV-SEV"]))


def test_f14_with_high_glucose_the_card_of_a_severe_symptom_is_about_glucose() -> None:
    shift = glucose("800", "129.2", "134.8", explained=False)
    case = a_case(
        "118",
        sodium=sodium("118", katz="129.2"),
        glucose=shift,
        symptoms=Symptoms(severe=("respiratory-failure",)),
    )
    found = fired(case)
    assert list(found) == ["PV-GLU"]
    assert found["PV-GLU"].indicator == "warning"


def test_beside_a_card_on_the_rise_the_sodium_card_orders_no_repeat_of_its_own() -> None:
    rate = RateView(
        level="critical", rule="RATE-OVER", variant="fast", worst=rise("9"), now=rise("9")
    )
    found = fired(a_case("123", rate=rate))
    assert not any(k.startswith("repeat") for k in kinds(found["PV-MOD"]))
    assert "monitor-over" in keys(found["PV-MOD"])
    assert any(k.startswith("repeat") for k in kinds(found["RATE-OVER"]))


def test_beside_an_acute_fall_no_conditional_restriction_is_shown() -> None:
    unknown = Restriction(
        verdict="text", reasons=(Line("withheld-volume-unknown", {"ml": "1000"}),)
    )
    case = a_case("128", sodium=sodium("128", acute=fall("14", 20)), restriction=unknown)
    assert "withheld-volume-unknown" not in keys(fired(case)["PV-ACUTE"])


FILLER = {"falls", "falls-cramp", "avoid-water", "treat-cause", "treat-cause-cirrhosis"}


def test_f37_a_critical_card_holds_nothing_that_is_true_of_everybody() -> None:
    at_risk = Symptoms(falls_risk=True)
    critical = fired(a_case("118", symptoms=at_risk))["PV-SEV"]
    assert critical.indicator == "critical"
    assert FILLER.isdisjoint(keys(critical))
    warning = fired(a_case("123", symptoms=at_risk))["PV-MOD"]
    assert {"falls", "avoid-water", "treat-cause"} <= set(keys(warning))


@pytest.mark.parametrize(
    ("profile", "text"),
    [
        ("aasld", "Rise at most 8 mmol/L in 24 h (AASLD 2021)."),
        ("european", "then 8 in each 24 h (European guideline 2014)."),
    ],
)
def test_f37_the_limit_names_its_guideline(profile: str, text: str) -> None:
    lines = detail(fired(a_case("118", profile=profile))["PV-SEV"])
    assert any(text in line for line in lines)


def test_f37_an_acutely_ill_patient_is_not_told_of_falls() -> None:
    old = Symptoms(falls_risk=True)
    assert "falls" in keys(fired(a_case("124", symptoms=old))["PV-MOD"])
    shock = Restriction(red_flags=(Line("withheld-red-flag"),))
    assert "falls" not in keys(fired(a_case("124", symptoms=old, restriction=shock))["PV-MOD"])
    acute = (problem("acute-congestion", since=NOW),)
    assert "falls" not in keys(fired(a_case("124", symptoms=old, problems=acute))["PV-MOD"])
