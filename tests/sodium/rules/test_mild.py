"""Mild low sodium: when a symptom matters, when it does not explain, and when silence is right."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cds_service.engine.finding import DraftLabs, Line
from cds_service.sodium.problems import Symptoms
from cds_service.sodium.restriction import Restriction
from cds_service.sodium.volume import Volume
from tests.sodium.cases import sample
from tests.sodium.rules.cases import (
    a_case,
    detail,
    exposure,
    fall,
    fired,
    keys,
    kinds,
    offer,
    on,
    reason,
    sodium,
    summary,
    volume,
)

CRAMP = Symptoms(mild=("cramp",), cramp=True)


def test_cramps_with_siadh_offer_restriction_and_the_other_causes() -> None:
    case = a_case("131", symptoms=CRAMP, volume=volume(Volume.EUV, "siadh"), restriction=offer())
    found = fired(case)
    assert list(found) == ["PV-MILD-SYMP"]
    card = found["PV-MILD-SYMP"]
    assert card.indicator == "warning"
    assert (
        summary(card)
        == "Mild low sodium 131 mmol/L with muscle cramp: fluid restriction, if not dry at the bedside"
    )
    assert {"fluid-restriction", "cramp-labs", "workup"} <= set(kinds(card))
    assert any("Expert panel 2013, European guideline 2014" in line for line in detail(card))


def test_cramps_are_never_called_proven() -> None:
    text = " ".join(detail(fired(a_case("131", symptoms=CRAMP))["PV-MILD-SYMP"]))
    assert "may contribute" in text
    assert "link is weak" in text


def test_cramps_never_make_a_card_critical() -> None:
    for na in ("121", "127", "134"):
        assert all(f.indicator != "critical" for f in fired(a_case(na, symptoms=CRAMP)).values())


def test_volume_depletion_turns_the_same_case_against_restriction() -> None:
    harm = Restriction(
        verdict="never",
        reasons=(Line("never-hypo", {"evidence": "evidence:hypovolemia"}, keep=True),),
    )
    case = a_case(
        "131", symptoms=CRAMP, volume=volume(Volume.HYPO, "hypovolemia"), restriction=harm
    )
    card = fired(case)["PV-MILD-SYMP"]
    assert not any(k.startswith("fluid-restriction") for k in kinds(card))
    assert detail(card)[0].startswith("**Do not restrict fluids**")
    assert "avoid-water" not in keys(card)


@pytest.mark.parametrize(
    ("na", "indicator"), [("132.9", "warning"), ("133", "info"), ("135", "info")]
)
def test_near_normal_a_symptom_is_information_only(na: str, indicator: str) -> None:
    case = a_case(na, symptoms=Symptoms(moderate=("headache",)), restriction=offer())
    assert fired(case)["PV-MILD-SYMP"].indicator == indicator


def test_near_normal_nothing_is_offered_but_a_repeat() -> None:
    case = a_case("134", symptoms=Symptoms(moderate=("headache",)), restriction=offer())
    assert kinds(fired(case)["PV-MILD-SYMP"]) == ["repeat-sodium"]


def test_near_normal_two_low_values_a_day_apart_earn_a_work_up() -> None:
    twice = sodium("134", samples=(sample(-30, "134"), sample(-2, "134")))
    case = a_case("134", sodium=twice, symptoms=Symptoms(moderate=("headache",)))
    assert "workup" in kinds(fired(case)["PV-MILD-SYMP"])


@pytest.mark.parametrize("other", ["headache", "confusion", "nausea", "vomiting"])
def test_cramps_with_headache_confusion_or_nausea_mean_today(other: str) -> None:
    symptoms = Symptoms(moderate=(other,), mild=("cramp",), cramp=True)
    card = fired(a_case("131", symptoms=symptoms))["PV-MILD-SYMP"]
    assert keys(card)[0] == "same-day"
    draft = card.suggestions[0].actions[0]
    assert isinstance(draft, DraftLabs)
    assert draft.priority == "urgent"


def test_cramps_with_fatigue_mean_today_and_cramps_with_dizziness_do_not() -> None:
    tired = Symptoms(mild=("cramp", "fatigue"), cramp=True)
    dizzy = Symptoms(mild=("cramp", "dizziness"), cramp=True)
    assert "same-day" in keys(fired(a_case("131", symptoms=tired))["PV-MILD-SYMP"])
    assert "same-day" not in keys(fired(a_case("131", symptoms=dizzy))["PV-MILD-SYMP"])


def test_a_fall_counts_without_any_other_symptom() -> None:
    card = fired(a_case("131", symptoms=Symptoms(fall_or_fracture=True, falls_risk=True)))[
        "PV-MILD-SYMP"
    ]
    assert "fall or fracture" in summary(card)
    assert "falls" in keys(card)


@pytest.mark.parametrize(
    ("na", "profile"), [("134", "aasld"), ("127", "aasld"), ("128", "european")]
)
def test_a_severe_symptom_that_sodium_does_not_explain_says_look_further(
    na: str, profile: str
) -> None:
    failing = Symptoms(severe=("respiratory-failure",))
    found = fired(a_case(na, profile=profile, symptoms=failing, restriction=offer()))
    assert list(found) == ["PV-MILD-SYMP"]
    card = found["PV-MILD-SYMP"]
    assert card.indicator == "warning"
    assert summary(card) == (
        f"Sodium {na} mmol/L with acute respiratory failure: too mild to be the likely cause, look further"
    )
    assert not any("3%" in line or "Limit all fluids" in line for line in detail(card))
    assert kinds(card) == ["repeat-sodium-now"]


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ({}, "Mild low sodium 131 mmol/L: look for a cause and repeat"),
        (
            {"exposures": on(exposure("sertraline", "ssri"))},
            "Mild low sodium 131 mmol/L; possible cause: sertraline",
        ),
        (
            {"sodium": sodium("131", falling=fall("6", 70))},
            "Mild low sodium 131 mmol/L, down 6 in 2 d: look for a cause and repeat",
        ),
        (
            {
                "sodium": sodium("131", falling=fall("6", 70)),
                "exposures": on(exposure("sertraline", "ssri")),
            },
            "Mild low sodium 131 mmol/L, down 6 in 2 d; possible cause: sertraline",
        ),
    ],
)
def test_a_silent_mild_value_is_information_with_trend_and_drug(
    parts: dict[str, object], text: str
) -> None:
    card = fired(a_case("131", **parts))["PV-MILD"]
    assert card.indicator == "info"
    assert summary(card) == text


def test_a_long_stable_mild_value_is_silent() -> None:
    stable = sodium("131", stable_chronic=True)
    case = a_case("131", sodium=stable)
    assert fired(case) == {}
    assert reason("PV-MILD", case) == "stable-chronic"


@pytest.mark.parametrize(
    ("days", "tier", "fires"),
    [(13, "T1", True), (13, "T2", True), (15, "T1", False), (13, "T3", False)],
)
def test_a_new_suspect_drug_breaks_the_silence_of_a_stable_value(
    days: float, tier: str, fires: bool
) -> None:
    new = exposure("sertraline", "ssri", days=days, tier=tier)
    case = a_case("131", sodium=sodium("131", stable_chronic=True), exposures=on(new))
    assert bool(fired(case)) is fires


def test_a_symptom_breaks_the_silence_of_a_stable_value() -> None:
    case = a_case("131", sodium=sodium("131", stable_chronic=True), symptoms=CRAMP)
    assert list(fired(case)) == ["PV-MILD-SYMP"]


@pytest.mark.parametrize(("na", "fires"), [("129.9", True), ("130", False), ("134", False)])
def test_in_pregnancy_a_silent_mild_value_counts_only_below_130(na: str, fires: bool) -> None:
    case = a_case(na, pregnant=True)
    assert bool(fired(case)) is fires
    if not fires:
        assert reason("PV-MILD", case) == "pregnancy"


def test_a_recent_osmolality_makes_a_second_work_up_needless() -> None:
    assert "workup" in kinds(fired(a_case("130"))["PV-MILD"])
    known = a_case("130", readings={"serum-osmolality": "262"})
    assert not any(k.startswith("workup") for k in kinds(fired(known)["PV-MILD"]))


@pytest.mark.parametrize(
    ("setting", "symptoms", "line", "hours"),
    [
        ("inpatient", Symptoms(), "monitor-inpatient", 22),
        ("outpatient", Symptoms(), "monitor-silent", 14 * 24 - 2),
        ("outpatient", CRAMP, "monitor-symptom", 3 * 24 - 2),
    ],
)
def test_the_next_sodium_is_due_by_setting_and_symptom(
    setting: str, symptoms: Symptoms, line: str, hours: float
) -> None:
    card = next(iter(fired(a_case("130", setting=setting, symptoms=symptoms)).values()))
    assert line in keys(card)
    draft = card.suggestions[0].actions[0]
    assert isinstance(draft, DraftLabs)
    assert draft.after == timedelta(hours=hours)


def test_an_overdue_repeat_is_suggested_for_now() -> None:
    case = a_case("130", setting="outpatient", sodium=sodium("130", hours=20 * 24))
    assert kinds(fired(case)["PV-MILD"])[0] == "repeat-sodium-now"
