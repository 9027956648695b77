"""Mild low sodium: when a symptom matters, when it does not explain, and when silence is right."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cds_service.engine.finding import DraftLabs, Line
from cds_service.sodium.case import Case
from cds_service.sodium.problems import Symptoms
from cds_service.sodium.restriction import Restriction
from cds_service.sodium.snapshot import Missing
from cds_service.sodium.volume import Volume
from tests.sodium.cases import NOW, sample
from tests.sodium.patients import Story, result
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
    problem,
    reason,
    sodium,
    summary,
    volume,
)

LONG_AGO = NOW - timedelta(days=70)
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
    assert any("figure of the source article and AASLD 2021" in line for line in detail(card))


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
    ("na", "profile", "rule"),
    [
        ("132.9", "aasld", "PV-MILD"),
        ("127", "aasld", "PV-MILD"),
        ("132", "european", "PV-MILD"),
        ("128", "european", "PV-MOD"),
    ],
)
def test_f51_a_severe_symptom_that_sodium_does_not_explain_is_one_line(
    na: str, profile: str, rule: str
) -> None:
    failing = Symptoms(severe=("respiratory-failure",))
    harm = Restriction(
        verdict="never", reasons=(Line("never-severe", {"symptom": "symptom:coma"}),)
    )
    found = fired(a_case(na, profile=profile, symptoms=failing, restriction=harm))
    assert list(found) == [rule]
    lines = detail(found[rule])
    assert "Look for another cause of the acute respiratory failure first" in lines[0]
    assert not any("3%" in line or "Limit all fluids" in line for line in lines)
    if rule == "PV-MILD":
        assert found[rule].indicator == "info"


def test_f51_near_normal_a_severe_symptom_that_sodium_does_not_explain_is_silent() -> None:
    case = a_case("133", symptoms=Symptoms(severe=("respiratory-failure",)))
    assert fired(case) == {}
    assert reason("PV-MILD", case) == "near-normal"


def test_f51_beside_a_severe_symptom_of_another_cause_cramps_are_information() -> None:
    both = Symptoms(severe=("respiratory-failure",), mild=("cramp",), cramp=True)
    card = fired(a_case("131", symptoms=both))["PV-MILD-SYMP"]
    assert card.indicator == "info"
    assert keys(card)[0] == "look-further"


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
            "Mild low sodium 131 mmol/L, down 6 in 70 h: look for a cause and repeat",
        ),
        (
            {
                "sodium": sodium("131", falling=fall("6", 70)),
                "exposures": on(exposure("sertraline", "ssri")),
            },
            "Mild low sodium 131 mmol/L, down 6 in 70 h; possible cause: sertraline",
        ),
    ],
)
def test_a_silent_mild_value_is_information_with_trend_and_drug(
    parts: dict[str, object], text: str
) -> None:
    card = fired(a_case("131", **parts))["PV-MILD"]
    assert card.indicator == "info"
    assert summary(card) == text


@pytest.mark.parametrize(("na", "fires"), [("130", False), ("131", False), ("129.9", True)])
def test_f21_a_long_stable_mild_value_is_silent_from_130_on(na: str, fires: bool) -> None:
    case = a_case(na, sodium=sodium(na, stable_since=LONG_AGO))
    assert bool(fired(case)) is fires
    if not fires:
        assert reason("PV-MILD", case) == "stable-chronic"
        return
    card = fired(case)["PV-MILD"]
    assert card.indicator == "info"
    assert (
        summary(card) == f"Mild low sodium {na} mmol/L, unchanged since Sep: is the cause settled?"
    )


@pytest.mark.parametrize(
    ("days", "tier", "fires"),
    [
        (13, "T1", True),
        (2000, "T1", True),  # F21: a drug that often lowers sodium is told however long it is taken
        (13, "T2", True),
        (15, "T2", False),
        (13, "T3", False),
    ],
)
def test_f21_a_suspect_drug_breaks_the_silence_of_a_stable_value(
    days: float, tier: str, fires: bool
) -> None:
    taken = exposure("sertraline", "ssri", days=days, tier=tier)
    case = a_case("131", sodium=sodium("131", stable_since=LONG_AGO), exposures=on(taken))
    assert bool(fired(case)) is fires
    if fires:
        text = "Mild low sodium 131 mmol/L, unchanged since Sep; possible cause: sertraline"
        assert summary(fired(case)["PV-MILD"]) == text


def long_known(na: str, days: float = 91, **more: Any) -> Case:
    profile = more.pop("profile", "aasld")
    since = NOW - timedelta(hours=2, days=days)
    return a_case(
        na, profile=profile, sodium=sodium(na, profile=profile, stable_since=since), **more
    )


def test_f21_a_moderate_value_that_is_long_known_is_no_reason_for_haste() -> None:
    card = fired(long_known("124", setting="outpatient"))["PV-MOD"]
    assert card.indicator == "info"
    assert (
        summary(card)
        == "Sodium 124 mmol/L, long known (unchanged since Aug): is the cause settled?"
    )
    assert not any("24 h" in text and "Monitor" in text for text in detail(card))
    draft = card.suggestions[0].actions[0]
    assert isinstance(draft, DraftLabs)
    assert draft.after == timedelta(days=14) - timedelta(hours=2)
    drug = on(exposure("citalopram", "ssri", days=900))
    named = fired(long_known("124", exposures=drug))["PV-MOD"]
    assert "long known (unchanged since Aug); possible cause: citalopram" in summary(named)


def test_f21_values_with_months_between_them_are_long_known_too() -> None:
    sparse = sodium("129", profile="european", sparse_since=NOW - timedelta(days=540))
    card = fired(a_case("129", profile="european", sodium=sparse))["PV-MOD"]
    assert card.indicator == "info"
    assert "long known" in summary(card)
    once = sodium("129", profile="european")
    assert fired(a_case("129", profile="european", sodium=once))["PV-MOD"].indicator == "warning"


@pytest.mark.parametrize(("na", "told"), [("129", False), ("125", False), ("124", True)])
def test_f21_a_long_known_sodium_near_normal_has_no_ceiling(na: str, told: bool) -> None:
    earlier = tuple(result("sodium", na, hours=24 * days) for days in (100, 60, 30))
    story = Story(sodium=na, setting="inpatient", results=earlier)
    card = fired(story.case("european"))["PV-MOD"]
    assert card.indicator == "info"
    assert any(key.startswith("ceiling") for key in keys(card)) is told


@pytest.mark.parametrize(
    "news",
    [
        {"days": 90},
        {"symptoms": CRAMP},
        {"symptoms": Symptoms(fall_or_fracture=True)},
        {"exposures": on(exposure("citalopram", "ssri", days=13))},
        {"missing": {"medications": Missing.TRUNCATED}},
        {"missing": {"conditions": Missing.FAILED}},
    ],
)
def test_f21_what_is_new_keeps_a_moderate_value_a_warning(news: dict[str, Any]) -> None:
    assert fired(long_known("124", **news))["PV-MOD"].indicator == "warning"


@pytest.mark.parametrize(
    ("na", "profile", "rule"),
    [
        ("120", "aasld", "PV-MOD info"),
        ("119.9", "aasld", "PV-SEV critical"),
        ("120", "european", "PV-MOD info"),
        ("119.9", "european", "PV-SEV critical"),
        ("128", "european", "PV-MOD info"),
    ],
)
def test_f21_long_known_begins_at_120(na: str, profile: str, rule: str) -> None:
    found = fired(long_known(na, profile=profile))
    assert [f"{f.rule} {f.indicator}" for f in found.values()] == [rule]


STRONG = exposure("sertraline", "ssri", days=400)


@pytest.mark.parametrize(
    ("parts", "fires"),
    [
        ({}, False),
        ({"na": "132.9"}, True),
        # fell by 4 within 48 h
        ({"before": (-50, "137")}, True),
        ({"before": (-50, "136.9")}, False),
        ({"before": (-50.1, "137")}, False),
        # a drug of the first tier is new
        ({"drug": exposure("sertraline", "ssri", days=30)}, True),
        ({"drug": exposure("sertraline", "ssri", days=31)}, False),
        ({"drug": exposure("mirtazapine", "antidepressant-fewer", tier="T2", days=5)}, False),
        # first low value after a normal one within 14 days, with a drug of the first tier
        ({"drug": STRONG, "before": (-2 - 14 * 24, "136")}, True),
        ({"drug": STRONG, "before": (-3 - 14 * 24, "136")}, False),
        ({"drug": STRONG, "before": (-100, "135")}, False),
        ({"before": (-100, "136")}, False),
        ({"missing": {"medications": Missing.FAILED}}, True),
        ({"missing": {"conditions": Missing.FAILED}}, True),
    ],
)
def test_f51_near_normal_only_what_is_new_is_told(parts: dict[str, Any], fires: bool) -> None:
    na = parts.get("na", "133")
    now = sample(-2, na)
    samples = (sample(*parts["before"]), now) if "before" in parts else (now,)
    case = a_case(
        na,
        sodium=sodium(na, samples=samples, latest=now),
        exposures=on(parts["drug"]) if "drug" in parts else on(),
        missing=parts.get("missing", {}),
    )
    assert bool(fired(case)) is fires
    if not fires:
        assert reason("PV-MILD", case) == "near-normal"


@pytest.mark.parametrize(
    ("na", "days", "fires"), [("133", 30, True), ("133", 31, False), ("132.9", 31, True)]
)
def test_f51_near_normal_a_fall_counts_for_a_month(na: str, days: float, fires: bool) -> None:
    fell = problem("fall", since=NOW - timedelta(days=days))
    case = a_case(na, problems=(fell,), symptoms=Symptoms(fall_or_fracture=True))
    assert ("PV-MILD-SYMP" in fired(case)) is fires


def test_a_symptom_breaks_the_silence_of_a_stable_value() -> None:
    case = a_case("131", sodium=sodium("131", stable_since=LONG_AGO), symptoms=CRAMP)
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
        ("outpatient", CRAMP, "monitor-symptom-steady", 3 * 24 - 2),
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


@pytest.mark.parametrize("setting", ["inpatient", "outpatient"])
@pytest.mark.parametrize("systolic", ["78", "86"])
@pytest.mark.parametrize("profile", ["aasld", "european"])
def test_m9_with_a_low_pressure_it_is_a_warning_and_sodium_is_due_the_same_day(
    profile: str, systolic: str, setting: Any
) -> None:
    """At 127 with 78 mmHg the card was information, and sodium due three days later."""
    signs = (result("systolic", systolic, 1), result("heart-rate", "128", 1))
    earlier = (result("sodium", "132", 190), result("sodium", "137", 400))
    story = Story(sodium="127", setting=setting, results=(*signs, *earlier))
    (found,) = [f for f in fired(story.case(profile)).values() if f.rule in ("PV-MILD", "PV-MOD")]
    assert found.indicator == "warning"
    (repeat,) = [s for s in found.suggestions if s.kind.startswith("repeat-sodium")]
    assert repeat.within is not None
    assert repeat.within <= timedelta(hours=4)
