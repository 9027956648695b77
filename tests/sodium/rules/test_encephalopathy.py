"""F1: symptoms that may be brain edema below 126, both sides of each edge; F2, F3, F4, F15, F42."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.engine.finding import Finding
from cds_service.engine.triage import SLOTS
from cds_service.sodium.case import Case, assess
from cds_service.sodium.rules.gates import in_use
from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.cases import detail, fired, keys, kinds, reason, slot, summary
from tests.sodium.rules.test_any_record import knowledge, snapshots

CONFUSED, VOMITING = problem("confusion"), problem("vomiting")
HEADACHE, NAUSEA = problem("headache"), problem("nausea")
PROFILES = ("aasld", "european")
MINUTE = 1 / 60


def case_of(*problems: Any, sodium: str = "122", profile: str = "aasld", **more: Any) -> Case:
    return Story(sodium=sodium, problems=problems, setting="inpatient", **more).case(profile)


def card_of(*problems: Any, **more: Any) -> Finding | None:
    return fired(case_of(*problems, **more)).get("PV-ENC")


def level(*problems: Any, **more: Any) -> str:
    card = card_of(*problems, **more)
    return card.indicator if card else ""


def scale(points: int, hours: float = 2) -> dict[str, Any]:
    return {"results": (result("gcs", points, hours),)}


@pytest.mark.parametrize(("profile", "edge", "below"), [("aasld", "126", "125.9"),
                                                        ("european", "125", "124.9")])  # fmt: skip
def test_f1_confusion_speaks_below_the_edge_of_the_profile(
    profile: str, edge: str, below: str
) -> None:
    assert level(CONFUSED, sodium=below, profile=profile) == "warning"
    assert level(CONFUSED, sodium=edge, profile=profile) == ""


def test_f1_the_card_leads_and_no_card_of_the_band_contradicts_it() -> None:
    found = fired(case_of(CONFUSED))
    assert list(found) == ["PV-ENC"]
    card = found["PV-ENC"]
    assert summary(card) == "Sodium 122 mmol/L with confusion: may be brain edema, examine now"
    assert [line.key for line in card.do] == [
        "examine-now",
        "single-bolus-aasld",
        "sodium-now",
        "symptoms-recorded-at",
    ]
    assert kinds(card) == ["repeat-sodium-stat", "workup-stat"]
    text = " ".join(detail(card))
    assert "find cause" not in text
    assert "beyond thirst" not in text
    assert reason("PV-MOD", case_of(CONFUSED)) == "encephalopathy-leads"
    assert reason("PV-SEV", case_of(CONFUSED, sodium="118")) == "encephalopathy-leads"


@pytest.mark.parametrize(
    ("profile", "amount"), [("aasld", "100 mL over 10 min"), ("european", "150 mL over 20 min")]
)
def test_f1_one_bolus_is_an_option_with_the_volume_of_the_profile(
    profile: str, amount: str
) -> None:
    card = card_of(CONFUSED, profile=profile)
    assert card is not None
    bolus = f"One bolus of 3% saline, {amount}, is an option: senior decision, local protocol."
    assert any(told.startswith(bolus) for told in detail(card))


@pytest.mark.parametrize("symptom", ["confusion", "vomiting"])
def test_f1_a_symptom_counts_for_three_days_or_as_a_diagnosis_of_this_encounter(
    symptom: str,
) -> None:
    assert level(problem(symptom, days=3)) == "warning"
    assert level(problem(symptom, days=3 + MINUTE / 24)) == ""
    assert level(problem(symptom, days=30, encounter=True)) == "warning"
    assert level(problem(symptom, days=None, encounter=True)) == "warning"
    assert level(problem(symptom, days=None)) == ""
    assert level(problem(symptom, active=False)) == ""


def test_f1_headache_speaks_only_with_nausea_or_in_an_acute_setting() -> None:
    assert level(HEADACHE) == level(NAUSEA) == ""
    assert level(HEADACHE, NAUSEA) == "warning"
    assert level(HEADACHE, problem("labor", days=0.5)) == "critical"
    assert level(NAUSEA, problem("labor", days=0.5)) == ""


@pytest.mark.parametrize(
    ("points", "wanted"),
    [(15, ""), (14, "warning"), (13, "warning"), (12, "critical"), (9, "critical"), (8, "")],
)
def test_f1_a_coma_scale_of_9_to_14_speaks_and_12_or_less_is_critical(
    points: int, wanted: str
) -> None:
    assert level(**scale(points)) == wanted


def test_f1_a_coma_scale_of_8_is_an_emergency() -> None:
    assert "PV-SYMP" in fired(case_of(**scale(8)))


def test_f1_a_coma_scale_counts_for_one_day() -> None:
    assert level(**scale(13, 24)) == "warning"
    assert level(**scale(13, 24 + MINUTE)) == ""


def test_f1_the_coma_scale_is_named_if_it_is_all_or_if_it_is_low() -> None:
    alone, low = card_of(**scale(14)), card_of(CONFUSED, **scale(12))
    assert alone is not None
    assert low is not None
    assert "Glasgow coma scale 14" in summary(alone)
    assert "Glasgow coma scale 12" in summary(low)
    beside = card_of(CONFUSED, **scale(13))
    assert beside is not None
    assert "with confusion:" in summary(beside)
    assert "symptoms-scale-at" in keys(beside)


def test_f1_vomiting_with_confusion_or_with_a_lowered_scale_is_critical() -> None:
    assert level(VOMITING) == level(CONFUSED) == "warning"
    assert level(VOMITING, CONFUSED) == "critical"
    assert level(VOMITING, **scale(14)) == "critical"
    assert level(VOMITING, **scale(15)) == "warning"


@pytest.mark.parametrize(("sodium", "wanted"), [("119.9", "critical"), ("120", "warning")])
def test_f1_below_120_it_is_critical(sodium: str, wanted: str) -> None:
    assert level(CONFUSED, sodium=sodium) == wanted


@pytest.mark.parametrize(("before", "wanted"), [("130", "critical"), ("129.9", "warning")])
def test_f1_an_acute_fall_makes_it_critical_and_is_told_once(before: str, wanted: str) -> None:
    fell: dict[str, Any] = {"results": (result("sodium", before, 30),)}
    assert level(CONFUSED, **fell) == wanted
    card = card_of(CONFUSED, **fell)
    assert card is not None
    assert ("acute-too" in keys(card)) is (wanted == "critical")
    assert ("stop-hypotonic" in keys(card)) is (wanted == "critical")


@pytest.mark.parametrize("setting", ["stimulant-poisoning", "prolonged-exercise", "labor",
                                     "recent-surgery", "bowel-preparation"])  # fmt: skip
def test_f2_an_acute_setting_makes_it_critical_and_names_the_setting(setting: str) -> None:
    card = card_of(CONFUSED, problem(setting, days=1.9))
    assert card is not None
    assert card.indicator == "critical"
    assert "acute-setting-at" in keys(card)
    assert level(CONFUSED, problem(setting, days=2.1)) == "warning"


def test_f2_in_an_acute_setting_no_limit_and_no_goal_holds_unless_the_risk_is_high() -> None:
    labor, drinker = problem("labor", days=0.5), problem("alcohol-use-disorder", days=900)
    plain, acute = card_of(CONFUSED), card_of(CONFUSED, labor)
    risky = card_of(CONFUSED, labor, drinker)
    low = card_of(CONFUSED, labor, sodium="104")
    assert plain is not None
    assert acute is not None
    assert risky is not None
    assert low is not None
    assert "ceiling-aasld" in keys(plain)
    assert not any(key.startswith(("limit", "ceiling")) for key in keys(acute))
    assert {"ceiling-aasld", "risk-aasld"} <= set(keys(risky))
    assert "risk-aasld" not in keys(low)  # in an acute setting a low value is no risk by itself


def test_f2_an_undated_setting_is_named_without_a_time() -> None:
    card = card_of(CONFUSED, problem("labor", days=None, encounter=True))
    assert card is not None
    assert "acute-setting" in keys(card)


@pytest.mark.parametrize("profile", PROFILES)
def test_f1_while_sodium_rises_too_fast_no_bolus_is_an_option(profile: str) -> None:
    risen = {"results": (result("sodium", "106", 20),)}
    card = card_of(problem("confusion", days=0.1), sodium="119", profile=profile, **risen)
    assert card is not None
    assert "bolus" not in " ".join(detail(card))
    assert card.do[0].key == "examine-risen"
    assert (card.indicator, card.variant) == ("warning", "risen")


def test_f4_a_symptom_during_a_slower_rise_asks_for_demyelination_and_comes_second() -> None:
    """On dialysis the rise is a warning: the card of brain edema came before it (cold review)."""
    session, confused = problem("dialysis", days=900), problem("confusion", days=0.04)
    risen = (result("sodium", "112", 14), result("potassium", "6.9"))
    found = fired(case_of(session, confused, sodium="123", results=risen))
    card, rate = found["PV-ENC"], found["RATE-OVER"]
    assert (rate.indicator, card.indicator, card.variant) == ("warning", "warning", "risen")
    assert [line.key for line in card.do[:2]] == [
        "examine-risen-dialysis",
        "dialysis-potassium",
    ]
    assert SLOTS.index(slot(card)) > SLOTS.index(slot(rate))
    assert keys(rate).count("check-dialysate") == 1
    assert "note-dialysis" not in keys(rate)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", ["confusion", "seizure"])
def test_f26_the_cards_of_danger_tell_how_a_dialysis_patient_is_dialyzed(
    name: str, profile: str
) -> None:
    """They had one line on potassium under "More", and nothing on the dialysate (cold review)."""
    symptom, session = problem(name, days=0.04, encounter=True), problem("dialysis", days=900)
    high = {"results": (result("potassium", "6.9"),)}
    found = fired(case_of(session, symptom, sodium="112", profile=profile, **high))
    card = found["PV-SYMP" if name == "seizure" else "PV-ENC"]
    assert "dialysis-team-potassium" in [line.key for line in card.do[:4]]
    assert not any(key.startswith("measured-potassium") for key in keys(card))
    fell = {"results": (result("sodium", "126", 30), result("potassium", "6.9"))}
    acute = fired(case_of(session, sodium="112", profile=profile, **fell))["PV-ACUTE"]
    assert "dialysis-team-potassium" in [line.key for line in acute.do[:4]]


@pytest.mark.parametrize(
    ("sodium", "potassium", "plan", "measured"),
    [
        ("128", "5.6", "", "measured-potassium-dialysis"),
        ("128", "5.9", "", "measured-potassium-dialysis"),
        ("128", "6", "dialysis-potassium", ""),
        ("125", "5.6", "", "measured-potassium-dialysis"),
        ("124.9", "5.6", "dialysis-team", "measured-potassium-dialysis"),
        ("124.9", "6", "dialysis-team-potassium", ""),
    ],
)
@pytest.mark.parametrize("profile", PROFILES)
def test_f26_before_a_planned_dialysis_a_usual_sodium_and_potassium_wait_for_the_plan(
    sodium: str, potassium: str, plan: str, measured: str, profile: str
) -> None:
    session, drunk = problem("dialysis", days=900), problem("fluid-overload", days=0.1)
    high = (result("potassium", potassium),)
    case = case_of(session, drunk, sodium=sodium, results=high, profile=profile)
    (card,) = fired(case).values()
    said = [line.key for line in (*card.do, *card.why)]
    told = [key for key in said if key.startswith(("dialysis-", "measured-potassium"))]
    assert told == [key for key in (plan, measured) if key]
    assert "text-hyper-mild" not in said
    assert "withheld-dialysis" in said


@pytest.mark.parametrize(("before", "nearly"), [("116", True), ("116.1", False)])
def test_f31_near_the_allowance_of_the_day_it_says_that_it_is_nearly_used(
    before: str, nearly: bool
) -> None:
    card = card_of(CONFUSED, sodium="122", results=(result("sodium", before, 20),))
    assert card is not None
    assert ("bolus-nearly-risen" in keys(card)) is nearly
    assert ("single-bolus-aasld" in keys(card)) is not nearly


def test_f31_above_the_limit_the_card_on_the_rate_says_what_to_do() -> None:
    newly = problem("confusion", days=0.1)
    card = card_of(newly, sodium="119", results=(result("sodium", "106", 20),))
    assert card is not None
    assert "bolus-risen" not in keys(card)


@pytest.mark.parametrize(("hours", "speaks"), [(22, False), (21, False), (20, True), (1, True)])
@pytest.mark.parametrize("name", ["confusion", "vomiting"])
def test_f4_what_was_recorded_before_a_rise_that_is_too_fast_is_no_brain_edema(
    name: str, hours: float, speaks: bool
) -> None:
    recorded, risen = problem(name, days=hours / 24), (result("sodium", "112", 21),)
    found = fired(case_of(recorded, results=risen, sodium="122", sodium_hours=0))
    assert found["RATE-OVER"].indicator == "critical"
    assert ("PV-ENC" in found) is speaks


def test_f4_a_coma_scale_of_today_speaks_beside_such_a_rise() -> None:
    recorded, risen = problem("confusion", days=22 / 24), result("sodium", "112", 21)
    again = (risen, result("gcs", 13, 1))
    assert "PV-ENC" in fired(case_of(recorded, results=again, sodium="122", sodium_hours=0))


@pytest.mark.parametrize("days", [3.0, 6.0])
def test_f4_after_an_over_correction_symptoms_may_be_demyelination_and_no_bolus_is_named(
    days: float,
) -> None:
    ended = days * 24
    risen = (result("sodium", "107", ended + 12), result("sodium", "128", ended))
    card = card_of(CONFUSED, sodium="118", results=risen)
    assert card is not None
    assert "over-corrected" in keys(card)
    assert "bolus" not in " ".join(detail(card))
    assert "stop-hypotonic" not in keys(card)
    labor = problem("labor", days=0.1)
    setting = card_of(CONFUSED, labor, sodium="118", results=risen)
    assert setting is not None
    assert "stop-hypotonic" not in keys(setting)


def test_f1_with_adrenal_failure_the_crisis_is_named_right_after_the_examination() -> None:
    addison = card_of(VOMITING, problem("adrenal", days=900))
    plain = card_of(VOMITING)
    assert addison is not None
    assert plain is not None
    assert [line.key for line in addison.do[:2]] == ["examine-now", "adrenal-crisis"]
    assert "adrenal-crisis" not in keys(plain)


def test_f2_an_emergency_in_an_acute_setting_stops_hypotonic_fluid() -> None:
    fit, labor = problem("seizure"), problem("labor", days=0.5)
    assert "stop-hypotonic" in keys(fired(case_of(fit, labor))["PV-SYMP"])
    assert "stop-hypotonic" not in keys(fired(case_of(fit))["PV-SYMP"])


def test_f1_a_severe_symptom_leads() -> None:
    found = fired(case_of(CONFUSED, problem("seizure")))
    assert "PV-ENC" not in found
    assert "PV-SYMP" in found
    assert reason("PV-ENC", case_of(CONFUSED, problem("seizure"))) == "emergency-leads"


def test_f1_a_value_below_the_plausible_range_is_repeated_first() -> None:
    assert reason("PV-ENC", case_of(CONFUSED, sodium="88")) == "implausible-leads"


@pytest.mark.parametrize("verdict", [problem("vomiting"), problem("siadh", days=5)])
def test_f1_no_button_restricts_fluid_or_stops_a_drug(verdict: Any) -> None:
    card = card_of(CONFUSED, verdict, orders=(order("hydrochlorothiazide", days=20),))
    assert card is not None
    assert set(kinds(card)) <= {"repeat-sodium-stat", "workup-stat"}


# ---- F3: a fall too large to believe


def test_f3_a_fall_too_large_to_believe_is_acute_and_repeated_and_no_card_calls_it_wrong() -> None:
    for before, hours in (("140", 20), ("133", 3.9)):
        found = fired(case_of(sodium="119.5", results=(result("sodium", before, hours + 2),)))
        assert list(found) == ["PV-ACUTE"]
        assert found["PV-ACUTE"].indicator == "critical"
        assert "acute-unbelieved" in keys(found["PV-ACUTE"])


def test_f3_a_fall_that_is_believed_needs_no_such_line() -> None:
    card = fired(case_of(results=(result("sodium", "134", 20),)))["PV-ACUTE"]
    assert "acute-unbelieved" not in keys(card)


def test_f3_with_symptoms_the_unbelieved_fall_is_told_on_their_card() -> None:
    fell: dict[str, Any] = {"results": (result("sodium", "140", 20),), "sodium": "118"}
    found = fired(case_of(CONFUSED, **fell))
    assert "DQ-DELTA" not in found
    assert "acute-unbelieved" in keys(found["PV-ENC"])
    assert "acute-unbelieved" in keys(fired(case_of(problem("seizure"), **fell))["PV-SYMP"])


def test_f3_an_unbelieved_fall_to_a_normal_value_or_a_rise_keeps_its_own_card() -> None:
    assert "DQ-DELTA" in fired(case_of(sodium="137", results=(result("sodium", "151", 4),)))
    assert "DQ-DELTA" in fired(case_of(sodium="133", results=(result("sodium", "119", 4),)))


@pytest.mark.parametrize("symptom", ["headache", "nausea", "vomiting", "confusion", "seizure"])
def test_f3_a_symptom_makes_an_acute_fall_critical_at_any_low_value(symptom: str) -> None:
    fell: dict[str, Any] = {"sodium": "133", "results": (result("sodium", "142", 20),)}
    assert fired(case_of(**fell))["PV-ACUTE"].indicator == "warning"
    assert fired(case_of(problem(symptom), **fell))["PV-ACUTE"].indicator == "critical"
    old = problem(symptom, days=4)
    assert fired(case_of(old, **fell))["PV-ACUTE"].indicator == "warning"


def test_f3_a_lowered_coma_scale_makes_an_acute_fall_critical() -> None:
    fell = (result("sodium", "142", 20), result("gcs", 14))
    assert fired(case_of(sodium="133", results=fell))["PV-ACUTE"].indicator == "critical"


def test_f3_a_symptom_with_another_cause_does_not() -> None:
    fell: dict[str, Any] = {"sodium": "133", "results": (result("sodium", "142", 20),)}
    lungs = problem("respiratory-failure"), problem("pneumonia")
    assert fired(case_of(*lungs, **fell))["PV-ACUTE"].indicator == "warning"


# ---- F15: what explains a severe symptom better


def test_f15_respiratory_failure_with_pneumonia_keeps_the_card_of_the_band() -> None:
    lungs = problem("respiratory-failure"), problem("pneumonia")
    found = fired(case_of(*lungs))
    assert list(found) == ["PV-MOD"]
    assert (
        "For acute respiratory failure the record holds a better explanation: pneumonia."
        in detail(found["PV-MOD"])
    )
    assert "bolus" not in " ".join(detail(found["PV-MOD"]))
    assert "PV-SEV" in fired(case_of(*lungs, sodium="118"))
    assert "PV-SYMP" in fired(case_of(lungs[0]))


def test_f15_the_symptom_without_another_cause_leads_the_card() -> None:
    both = problem("respiratory-failure"), problem("pneumonia"), problem("seizure")
    card = fired(case_of(*both))["PV-SYMP"]
    assert "with seizure recorded" in summary(card)


@pytest.mark.parametrize("cause", ["withdrawal", "epilepsy"])
def test_f15_a_seizure_at_126_or_more_has_its_cause_first(cause: str) -> None:
    fits = problem("seizure"), problem(cause)
    card = fired(case_of(*fits, problem("alcohol-use-disorder", days=900), sodium="126"))
    assert list(card) == ["PV-MILD"]
    lines = keys(card["PV-MILD"])
    assert lines[:2] == ["better-cause", "risk-aasld"]
    assert len(lines) == len(set(lines))
    assert "PV-SYMP" in fired(case_of(*fits, sodium="125.9"))
    assert "PV-SYMP" in fired(case_of(fits[0], sodium="126"))


# ---- F42: where no text names a bolus


def texts(case: Case) -> list[str]:
    """Returns every text that a card about the chart shows."""
    found = fired(case).values()
    return [text for card in found for text in (summary(card), *detail(card))]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("sodium", "named"), [("129.9", True), ("130", False)])
def test_f42_no_bolus_is_named_from_130_on(profile: str, sodium: str, named: bool) -> None:
    fell: dict[str, Any] = {
        "sodium": sodium,
        "profile": profile,
        "results": (result("sodium", "141", 20),),
    }
    for case in (case_of(**fell), case_of(problem("seizure"), **fell)):
        assert any("3% saline" in text for text in texts(case)) is named


def test_f42_with_brain_edema_a_bolus_is_named_at_any_low_value() -> None:
    fell: dict[str, Any] = {"sodium": "133", "results": (result("sodium", "142", 20),)}
    for edema in ("herniation", "cerebral-edema"):
        assert any("3% saline" in text for text in texts(case_of(problem(edema), **fell)))


@settings(max_examples=400, deadline=None)
@given(snapshot=snapshots, profile=st.sampled_from(PROFILES))
def test_f42_no_record_gets_a_bolus_text_from_130_on_without_brain_edema(
    snapshot: Any, profile: str
) -> None:
    known = knowledge()
    case = assess(snapshot, known.limits[profile], known.sets, known.terms.labs)
    if case.symptoms.brain_edema or in_use(case) < case.limits.bolus_below:
        return
    assert [text for text in texts(case) if re.search(r"bolus|3 ?% saline", text)] == []
