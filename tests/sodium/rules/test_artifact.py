"""Values that are not what they seem: glucose, artifact, units, plausibility, jumps."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.engine.finding import Line
from cds_service.sodium.correction_rate import RateView
from cds_service.sodium.glucose import Pseudo
from cds_service.sodium.problems import Symptoms
from cds_service.sodium.restriction import Restriction
from cds_service.sodium.results import Freshness, Rejected
from cds_service.sodium.sodium import SodiumView
from cds_service.sodium.volume import Volume
from tests.sodium.cases import NOW
from tests.sodium.rules.cases import (
    a_case,
    detail,
    fall,
    fired,
    glucose,
    keys,
    kinds,
    offer,
    problem,
    reason,
    rise,
    slot,
    sodium,
    summary,
    volume,
)

OSMOLALITY = Pseudo(kind="osmolality", shown="289")
HYPO = volume(Volume.HYPO, "vomiting")
DIRECT = Pseudo(kind="direct-ise", shown="138")


def shifted(explained: bool = True) -> Any:
    if explained:
        return {
            "sodium": sodium("128", katz="136"),
            "glucose": glucose("600", "136", "140", explained=True, hillier_fits=True),
        }
    return {
        "sodium": sodium("124", katz="128.8"),
        "glucose": glucose("400", "128.8", "131.2", explained=False),
    }


def test_glucose_600_explains_sodium_128_and_nothing_else_is_shown() -> None:
    found = fired(a_case("128", **shifted()))
    assert list(found) == ["PV-GLU"]
    assert (
        summary(found["PV-GLU"])
        == "Sodium 128 is explained by glucose 600 mg/dL (glucose-corrected 136-140)"
    )
    assert "hillier-fits" in keys(found["PV-GLU"])


def test_f14_a_sodium_that_is_only_mild_once_corrected_is_a_card_about_glucose() -> None:
    found = fired(a_case("124", **shifted(explained=False)))
    assert list(found) == ["PV-GLU"]
    card = found["PV-GLU"]
    assert card.indicator == "warning"
    assert summary(card) == (
        "Sodium 124 at glucose 400 mg/dL: 128.8-131.2 glucose-corrected, treat the glucose first"
    )
    assert any("128.8" in line and "131.2" in line for line in detail(card))
    assert reason("PV-MILD", a_case("124", **shifted(explained=False))) == "glucose-leads"


@pytest.mark.parametrize(
    ("measured", "katz", "rule", "headline"),
    [
        ("110", "118", "PV-SEV", "Severe low sodium 118 (glucose-corrected, measured 110) mmol/L"),
        ("118", "122", "PV-MOD", "Moderate low sodium 122 (glucose-corrected, measured 118)"),
        ("128", "131", "PV-MILD", "Mild low sodium 131 (glucose-corrected, measured 128) mmol/L"),
    ],
)
def test_f14_band_indicator_and_headline_follow_the_corrected_value(
    measured: str, katz: str, rule: str, headline: str
) -> None:
    shift = glucose("400", katz, "133", explained=False)
    found = fired(a_case(measured, sodium=sodium(measured, katz=katz), glucose=shift))
    assert list(found) == [rule]
    assert summary(found[rule]).startswith(headline)


def test_f14_a_severe_symptom_that_the_corrected_sodium_hardly_explains_is_said_first() -> None:
    symptoms = Symptoms(severe=("coma",))
    card = fired(a_case("124", **shifted(explained=False), symptoms=symptoms))["PV-GLU"]
    assert keys(card)[:2] == ["not-by-sodium", "treat-glucose-first"]
    explained = Symptoms(severe=("coma",), attributable=True)
    found = fired(a_case("124", **shifted(explained=False), symptoms=explained))
    assert "not-by-sodium" not in keys(found["PV-GLU"])
    assert found["PV-SYMP"].indicator == "critical"


@pytest.mark.parametrize(("level", "is_crisis"), [("599.9", False), ("600", True)])
def test_f14_in_a_hyperosmolar_state_sodium_is_due_soon_and_no_card_speaks_of_salt(
    level: str, is_crisis: bool
) -> None:
    shift = glucose(level, "118", "122", explained=False)
    case = a_case(
        "114",
        sodium=sodium("114", katz="122"),
        glucose=shift,
        volume=volume(Volume.EUV, "siadh"),
    )
    card = fired(case)["PV-MOD"]
    assert ("monitor-crisis" in keys(card)) is is_crisis
    assert ("salty-food" in keys(card)) is not is_crisis
    assert card.suggestions[0].within == timedelta(hours=0 if is_crisis else 22)


@pytest.mark.parametrize("na", ["124", "131"])
def test_f14_a_recorded_diabetic_crisis_is_one_at_any_glucose(na: str) -> None:
    crisis = problem("hyperglycemic-crisis", since=NOW)
    card = next(iter(fired(a_case(na, problems=(crisis,))).values()))
    assert "monitor-crisis" in keys(card)
    assert "salty-food" not in keys(card)


def test_an_old_glucose_shift_is_silent() -> None:
    parts = shifted()
    parts["sodium"] = replace(parts["sodium"], freshness=Freshness.STALE)
    assert reason("PV-GLU", a_case("128", **parts)) == "too-old"


@pytest.mark.parametrize("na", ["123", "131"])
def test_normal_osmolality_replaces_plain_moderate_and_mild_cards(na: str) -> None:
    found = fired(a_case(na, pseudo=OSMOLALITY))
    assert list(found) == ["PV-PSEUDO"]
    assert found["PV-PSEUDO"].indicator == "info"
    assert kinds(found["PV-PSEUDO"]) == ["osmolality"]


@pytest.mark.parametrize(
    ("na", "parts", "rule"),
    [
        ("115", {}, "PV-SEV"),
        ("131", {"symptoms": Symptoms(mild=("cramp",), cramp=True)}, "PV-MILD-SYMP"),
        ("123", {"sodium": sodium("123", acute=fall("12", 20))}, "PV-ACUTE"),
        ("123", {"symptoms": Symptoms(severe=("seizure",), attributable=True)}, "PV-SYMP"),
    ],
)
def test_normal_osmolality_is_only_a_line_where_it_matters_more(
    na: str, parts: dict[str, Any], rule: str
) -> None:
    found = fired(a_case(na, pseudo=OSMOLALITY, restriction=offer(), **parts))
    assert list(found) == [rule]
    assert "doubt-osmolality" in keys(found[rule])
    if rule == "PV-SEV":
        assert "osmolality 289 is not low" in summary(found[rule])
    assert not any(k.startswith("fluid-restriction") for k in kinds(found[rule]))


OTHER = sodium("112").samples[0]


@pytest.mark.parametrize(
    ("direct", "symptoms", "indicator"),
    [
        ("138", Symptoms(), "info"),
        ("131", Symptoms(), "info"),
        ("131", Symptoms(moderate=("nausea",)), "warning"),
        ("138", Symptoms(severe=("seizure",)), "warning"),
        ("123", Symptoms(), "warning"),
    ],
)
def test_f12_a_higher_direct_value_is_the_only_card_and_the_value_in_use(
    direct: str, symptoms: Symptoms, indicator: str
) -> None:
    view = sodium(direct, other_method=OTHER)
    found = fired(a_case(direct, sodium=view, pseudo=DIRECT, symptoms=symptoms))
    assert list(found) == ["PV-METHODS"]
    card = found["PV-METHODS"]
    assert card.indicator == indicator
    assert summary(card) == (
        f"Two methods disagree: {direct} direct, 112 laboratory: use the direct value, repeat"
    )
    assert any("112" in text and "may be falsely low" in text for text in detail(card))
    stat = "repeat-sodium-stat" if symptoms.severe else "repeat-sodium-now"
    assert kinds(card) == [stat]


def test_f12_a_severe_direct_value_has_the_card_of_its_band() -> None:
    view = sodium("117", other_method=OTHER)
    found = fired(a_case("117", sodium=view, pseudo=DIRECT))
    assert list(found) == ["PV-SEV", "PV-METHODS"]
    assert found["PV-SEV"].indicator == "critical"


@pytest.mark.parametrize("direct", ["115", "123", "131"])
def test_f12_a_lower_direct_value_makes_one_conditional_card(direct: str) -> None:
    view = sodium(direct, other_method=sodium("137").samples[0])
    found = fired(a_case(direct, sodium=view, restriction=offer()))
    assert list(found) == ["DQ-METHODS"]
    card = found["DQ-METHODS"]
    assert summary(card) == f"Two methods disagree: {direct} direct, 137 laboratory: repeat now"
    assert kinds(card) == ["repeat-sodium-stat"]
    seizure = Symptoms(severe=("seizure",), attributable=True)
    emergency = fired(a_case(direct, sodium=view, symptoms=seizure))
    assert list(emergency) == ["PV-SYMP", "DQ-METHODS"]


@pytest.mark.parametrize(("na", "rule"), [("115", "PV-SEV"), ("123", "PV-MOD"), ("131", "PV-MILD")])
def test_f12_very_high_triglycerides_lead_the_card_of_the_band(na: str, rule: str) -> None:
    hint = Pseudo(kind="hint", shown="", hints=("triglyceride",))
    card = fired(a_case(na, pseudo=hint))[rule]
    assert f"{na} (lipids: direct ISE first)" in summary(card)
    assert any("May be an artifact" in line and "before 3%" in line for line in detail(card))
    protein = Pseudo(kind="hint", shown="", hints=("protein",))
    assert "lipids" not in summary(fired(a_case(na, pseudo=protein))[rule])


SHIFT = Pseudo(kind="shift", shown="315", drugs=("mannitol",), at=NOW - timedelta(hours=5))
ISOTONIC = Pseudo(kind="isotonic", shown="285", drugs=("icodextrin",), at=NOW - timedelta(hours=5))
IRRIGANT = Pseudo(kind="irrigant", shown="285", at=NOW - timedelta(hours=5))
GAP = Pseudo(kind="gap", shown="325")
CONDITIONAL = Restriction(
    verdict="text", reasons=(Line("withheld-volume-unknown", {"ml": "1000"}),)
)


@pytest.mark.parametrize(
    ("na", "indicator"), [("110", "warning"), ("120", "warning"), ("131", "info")]
)
def test_f13_a_water_shift_replaces_the_card_of_the_band(na: str, indicator: str) -> None:
    found = fired(a_case(na, pseudo=SHIFT))
    assert list(found) == ["PV-PSEUDO"]
    card = found["PV-PSEUDO"]
    assert card.indicator == indicator
    assert summary(card) == (
        f"Sodium {na} with osmolality 315 (today 07:00): mannitol, not water excess"
    )
    assert not any("artifact" in line for line in detail(card))
    assert "meters" not in keys(card)


@pytest.mark.parametrize(("na", "told"), [("131", True), ("124", True), ("118", False)])
def test_f13_a_normal_osmolality_beside_such_a_drug_names_the_drug_and_the_time(
    na: str, told: bool
) -> None:
    found = fired(a_case(na, pseudo=ISOTONIC))
    assert ("PV-PSEUDO" in found) is told
    card = next(iter(found.values()))
    words = " ".join([summary(card), *detail(card)])
    assert "285" in words
    assert "today 07:00" in words
    assert "icodextrin" in words
    if told:
        assert list(found) == ["PV-PSEUDO"]
        assert "confirm by direct ISE" in summary(card)
        assert "meters" in keys(card)


@pytest.mark.parametrize(("na", "rule"), [("131", "PV-MILD"), ("124", "PV-MOD"), ("118", "PV-SEV")])
def test_f13_after_irrigation_no_card_calls_the_low_sodium_an_artefact(na: str, rule: str) -> None:
    found = fired(a_case(na, pseudo=IRRIGANT))
    assert list(found) == [rule]
    words = " ".join(detail(found[rule]))
    assert "the danger is real" in words
    assert "285 (today 07:00)" in words
    assert "artifact" not in words


@pytest.mark.parametrize("edema", [False, True])
def test_f13_under_a_water_shift_3_percent_is_only_for_brain_edema_and_aims_at_no_sodium(
    edema: bool,
) -> None:
    symptoms = Symptoms(
        severe=("cerebral-edema",) if edema else ("coma",), attributable=True, brain_edema=edema
    )
    found = fired(a_case("118", pseudo=SHIFT, symptoms=symptoms))
    assert list(found) == ["PV-SYMP", "PV-PSEUDO"]
    assert ("edema-no-sodium-target" in keys(found["PV-SYMP"])) is edema
    assert "bolus-aasld" not in keys(found["PV-SYMP"])


@pytest.mark.parametrize(("na", "rule"), [("115", "PV-SEV"), ("123", "PV-MOD"), ("131", "PV-MILD")])
def test_m6_an_osmolality_that_is_not_low_leads_the_plan(na: str, rule: str) -> None:
    words = "**Measured osmolality 292 is not low**: urea, ethanol and a direct sodium"
    case = a_case(na, pseudo=Pseudo(kind="unproven", shown="292"), restriction=CONDITIONAL)
    found = fired(case)
    assert list(found) == [rule]
    lines = detail(found[rule])
    assert sum(told.startswith(words) for told in lines) == 1
    assert not any("limit all fluids" in told for told in lines)
    assert "osmolality 292 is not low" in summary(found[rule]), "the headline doubts the number"


@pytest.mark.parametrize(("na", "rule"), [("115", "PV-SEV"), ("123", "PV-MOD"), ("131", "PV-MILD")])
def test_f49_an_osmolal_gap_is_told_beside_the_card_of_the_band(na: str, rule: str) -> None:
    found = fired(a_case(na, pseudo=GAP))
    assert set(found) == {rule, "PV-PSEUDO"}
    card = found["PV-PSEUDO"]
    assert card.indicator == "info"
    assert summary(card) == (
        f"Sodium {na}: osmolality 325 unexplained, look for alcohols or mannitol"
    )
    assert "artifact" not in " ".join(detail(card))


def rejected(why: Any, shown: str, unit: str, *, hours: float = 1, na: str = "138") -> SodiumView:
    result = Rejected(why=why, shown=shown, unit=unit, at=NOW - timedelta(hours=hours))
    view = sodium(na) if na else SodiumView()
    return replace(view, newest_rejected=result, rejected=(result,))


def test_a_wrong_unit_is_named_and_the_value_used_instead_too() -> None:
    found = fired(a_case("138", sodium=rejected("unit", "135", "mg/dL")))
    assert list(found) == ["DQ-UNIT"]
    card = found["DQ-UNIT"]
    assert card.indicator == "info"
    assert summary(card).startswith("Sodium 135 mg/dL looks wrong")
    assert "Used instead: 138 mmol/L (today 10:00)." in detail(card)


def test_a_wrong_unit_without_another_value_shows_that_no_value_was_used() -> None:
    card = fired(a_case("", sodium=rejected("unit", "135", "mg/dL", na="")))["DQ-UNIT"]
    assert "none-used" in keys(card)


@pytest.mark.parametrize(
    ("na", "cards", "indicator"),
    [
        ("115", {"PV-SEV", "DQ-PLAUS"}, "warning"),
        ("123", {"DQ-PLAUS"}, "warning"),
        ("131", {"DQ-PLAUS"}, "info"),
        ("138", {"DQ-PLAUS"}, "info"),
    ],
)
def test_f44_beside_an_implausible_value_no_card_holds_a_plan(
    na: str, cards: set[str], indicator: str
) -> None:
    view = rejected("implausible", "12.8", "mmol/L", na=na)
    found = fired(a_case(na, sodium=view, restriction=offer(), volume=HYPO))
    assert set(found) == cards
    assert found["DQ-PLAUS"].indicator == indicator
    assert slot(found["DQ-PLAUS"]) == "rate"
    for card in found.values():
        assert "isotonic" not in " ".join(detail(card))
        assert not any(kind.startswith("fluid-restriction") for kind in kinds(card))
    assert (na == "138") is ("plan-unconfirmed" not in keys(found["DQ-PLAUS"]))


def test_f44_an_old_implausible_value_holds_no_card_back() -> None:
    view = rejected("implausible", "12.8", "mmol/L", hours=25, na="123")
    assert set(fired(a_case("123", sodium=view))) == {"PV-MOD"}


def test_f44_a_severe_value_keeps_its_card_until_it_is_disproved() -> None:
    jumped = RateView(jump=rise("-38", 4, "153"))
    found = fired(a_case("115", rate=jumped, restriction=offer(), volume=HYPO))
    assert list(found) == ["PV-SEV", "DQ-DELTA"]
    assert found["PV-SEV"].indicator == "critical"
    for card in found.values():
        assert "isotonic" not in " ".join(detail(card))
        assert not any(kind.startswith("fluid-restriction") for kind in kinds(card))


@pytest.mark.parametrize("na", ["123", "131"])
def test_f44_a_jump_that_is_not_confirmed_makes_one_card_without_a_plan(na: str) -> None:
    jumped = RateView(jump=rise("-38", 4, "160"))
    found = fired(a_case(na, rate=jumped, restriction=offer(), volume=HYPO))
    assert list(found) == ["DQ-DELTA"]
    card = found["DQ-DELTA"]
    assert "plan-unconfirmed" in keys(card)
    assert kinds(card) == ["repeat-sodium-stat"]
    assert "isotonic" not in " ".join(detail(card))
    assert set(fired(a_case(na))) <= {"PV-MOD", "PV-MILD"}


@pytest.mark.parametrize("explained", [True, False])
def test_f44_a_jump_with_high_glucose_may_come_from_the_arm_of_an_infusion(explained: bool) -> None:
    parts = shifted(explained)
    na = parts["sodium"].latest.shown
    found = fired(a_case(na, **parts, rate=RateView(jump=rise("-21", 3, "149"))))
    assert list(found) == ["DQ-DELTA"]
    assert "jump-glucose" in keys(found["DQ-DELTA"])
    assert list(fired(a_case(na, **parts))) == ["PV-GLU"]


def test_f44_an_emergency_keeps_its_card_beside_a_jump() -> None:
    symptoms = Symptoms(severe=("seizure",), attributable=True)
    found = fired(a_case("115", rate=RateView(jump=rise("-38", 4, "153")), symptoms=symptoms))
    assert "PV-SYMP" in found


@pytest.mark.parametrize(("setting", "hours"), [("inpatient", 25), ("outpatient", 31 * 24)])
def test_an_old_unusable_result_is_no_news(setting: str, hours: float) -> None:
    case = a_case("138", setting=setting, sodium=rejected("unit", "135", "mg/dL", hours=hours))
    assert reason("DQ-UNIT", case) == "rejected-old"


def test_a_missing_unit_is_shown_in_words() -> None:
    card = fired(a_case("138", sodium=rejected("unit", "310", "")))["DQ-UNIT"]
    assert card.variant == "no-unit"
    assert "without unit" in summary(card)


def test_a_hostile_unit_cannot_stretch_the_summary() -> None:
    card = fired(a_case("138", sodium=rejected("unit", "1" * 60, "x" * 300)))["DQ-UNIT"]
    assert len(summary(card)) < 140


def test_sodium_88_is_used_as_severe_until_disproved() -> None:
    low = sodium("88", sample={"below_plausible": True})
    found = fired(a_case("88", sodium=low))
    assert list(found) == ["DQ-PLAUS"]
    card = found["DQ-PLAUS"]
    assert card.indicator == "warning"
    assert slot(card) == "sodium"
    assert summary(card) == (
        "Sodium 88 mmol/L is below the plausible range: repeat at once, treat as severe until disproved"
    )
    assert kinds(card)[0] == "repeat-sodium-stat"


def test_sodium_88_after_128_is_a_doubtful_value_before_it_is_an_acute_fall() -> None:
    view = sodium("88", sample={"below_plausible": True}, acute=fall("40", 38))
    found = fired(a_case("88", sodium=view))
    assert list(found) == ["DQ-PLAUS"]
    assert "acute-too" in keys(found["DQ-PLAUS"])


def test_sodium_88_with_a_seizure_is_an_emergency_too() -> None:
    low = sodium("88", sample={"below_plausible": True})
    found = fired(
        a_case("88", sodium=low, symptoms=Symptoms(severe=("seizure",), attributable=True))
    )
    assert set(found) == {"PV-SYMP", "DQ-PLAUS"}


@pytest.mark.parametrize(
    ("amount", "base", "word"), [("14", "118", "up 14"), ("-14", "140", "down 14")]
)
def test_a_jump_leads_to_a_repeat_of_the_sample(amount: str, base: str, word: str) -> None:
    pair = rise(amount, 3, base)
    card = fired(a_case("136", rate=RateView(jump=pair)))["DQ-DELTA"]
    assert card.indicator == "warning"
    assert slot(card) == "rate"
    assert f"Sodium {word} mmol/L in 3 h" in summary(card)
