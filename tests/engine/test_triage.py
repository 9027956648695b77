"""Which findings become cards: at most two, the urgent first, nothing critical lost, gates closed."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.engine.finding import (
    DraftFluidRestriction,
    DraftLabs,
    Finding,
    Indicator,
    RemoveDraft,
    Silence,
    StopOrder,
    Suggestion,
)
from cds_service.engine.triage import (
    HELD_BACK,
    ORDER_ORDER,
    SODIUM_ORDER,
    closed,
    closed_patient_view,
    triage_order_select,
    triage_patient_view,
)
from cds_service.sodium.rules.patient_view import RULES
from tests.sodium.rules.cases import a_case

CASE = a_case("123")


def found(rule: str, indicator: Indicator = "warning", **more: Any) -> Finding:
    slot = (
        "rate"
        if rule.startswith(("RATE", "DQ"))
        else "order"
        if rule.startswith("OS")
        else "sodium"
    )
    return Finding(rule=rule, indicator=indicator, **({"slot": slot} | more))


def shown(cards: list[Finding]) -> list[tuple[str, list[str]]]:
    return [(c.rule, [a.rule for a in c.absorbed]) for c in cards]


def test_one_card_on_sodium_and_one_on_its_rise() -> None:
    cards = triage_patient_view([found("PV-SEV", "critical"), found("RATE-OVER")], CASE)
    assert shown(cards) == [("PV-SEV", []), ("RATE-OVER", [])]


def test_silence_makes_no_card() -> None:
    assert triage_patient_view([Silence("PV-MILD", "not-low")], CASE) == []


def test_the_more_urgent_card_comes_first() -> None:
    cards = triage_patient_view([found("PV-MILD", "info"), found("RATE-OVER", "critical")], CASE)
    assert [c.rule for c in cards] == ["RATE-OVER", "PV-MILD"]


@pytest.mark.parametrize(
    ("fired", "lead"),
    [
        ([("PV-ACUTE", "critical"), ("PV-SYMP", "critical")], "PV-SYMP"),
        ([("DQ-PLAUS", "warning"), ("PV-SYMP", "critical")], "PV-SYMP"),
        ([("PV-SYMP", "warning"), ("PV-ACUTE", "critical")], "PV-ACUTE"),
        ([("PV-DRUGCHK", "info"), ("PV-AGE", "info")], "PV-AGE"),
    ],
)
def test_one_finding_leads_the_sodium_card_and_takes_in_the_other(
    fired: list[tuple[str, Indicator]], lead: str
) -> None:
    findings = [found(rule, indicator, slot="sodium") for rule, indicator in fired]
    cards = triage_patient_view(findings, CASE)
    assert [c.rule for c in cards] == [lead]
    assert len(cards[0].absorbed) == 1


@pytest.mark.parametrize(
    ("fired", "lead"),
    [
        ([("DQ-DELTA", "warning"), ("RATE-OVER", "critical"), ("DQ-UNIT", "info")], "RATE-OVER"),
        ([("DQ-DELTA", "warning"), ("RATE-OVER", "warning")], "DQ-DELTA"),
        ([("DQ-UNIT", "info"), ("RATE-NEAR", "info")], "RATE-NEAR"),
        ([("DQ-UNIT", "info")], "DQ-UNIT"),
    ],
)
def test_the_second_place_goes_to_the_rise_or_the_doubt_by_weight(
    fired: list[tuple[str, Indicator]], lead: str
) -> None:
    cards = triage_patient_view([found(rule, indicator) for rule, indicator in fired], CASE)
    assert [c.rule for c in cards] == [lead]
    assert len(cards[0].absorbed) == len(fired) - 1


PAIRS = [
    ("OS-HTS-OVER", "OS-HTS-SEV"),
    ("OS-VAP-HTS", "OS-VAP-HYPO"),
    ("OS-VAP-HYPO", "OS-VAP-LIVER"),
    ("OS-VAP-CONTRA", "OS-VAP-LIVER"),
    ("OS-HTS-SEV", "OS-HTS-OLD"),
    ("OS-HTS-OLD", "OS-VAP-LIVER"),
    ("OS-HTS-GLU", "OS-HTS-MILD"),
    ("OS-HTS-PSEUDO", "OS-HTS-NONE"),
    ("OS-HTS-NONE", "OS-HTS-MILD"),
    ("OS-HTS-MILD", "OS-HTS-ASX"),
    ("OS-VAP-SEV", "OS-VAP-LIVER"),
    ("OS-VAP-LIVER", "OS-VAP-DUR"),
    ("OS-HTS-CONC", "OS-VAP-GEN"),
    ("OS-DIUR-CRAMP", "OS-LOW"),
    ("OS-DDAVP", "OS-COMBO"),
    ("OS-LOW", "OS-COMBO"),
    ("OS-COMBO", "OS-BASE"),
]


@pytest.mark.parametrize(("lead", "bullet"), PAIRS)
def test_precedence_among_the_findings_of_one_order(lead: str, bullet: str) -> None:
    outcomes = {"MedicationRequest/1": [found(bullet), found(lead)]}
    assert shown(triage_order_select(outcomes, CASE)) == [(lead, [bullet])]


@pytest.mark.parametrize(
    ("lead", "bullet"), sorted((a, b) for a, held in HELD_BACK.items() for b in held)
)
def test_a_card_that_says_not_now_has_no_bullet_that_says_how(lead: str, bullet: str) -> None:
    outcomes = {"MedicationRequest/1": [found(bullet), found("OS-VAP-LIVER"), found(lead)]}
    assert shown(triage_order_select(outcomes, CASE)) == [(lead, ["OS-VAP-LIVER"])]


def test_a_critical_finding_is_never_a_bullet_of_a_weaker_card() -> None:
    outcomes = {"MedicationRequest/1": [found("OS-DIUR-CRAMP"), found("OS-LOW", "critical")]}
    assert shown(triage_order_select(outcomes, CASE)) == [("OS-LOW", ["OS-DIUR-CRAMP"])]


def test_two_orders_make_two_cards_the_more_urgent_first() -> None:
    outcomes = {
        "MedicationRequest/1": [found("OS-BASE", "info")],
        "MedicationRequest/2": [found("OS-LOW")],
    }
    assert [c.rule for c in triage_order_select(outcomes, CASE)] == ["OS-LOW", "OS-BASE"]


def test_a_third_card_becomes_a_bullet_and_the_critical_ones_keep_their_place() -> None:
    outcomes = {
        "MedicationRequest/1": [found("OS-BASE", "info"), found("OS-DEMECLO", "info")],
        "MedicationRequest/2": [found("OS-LOW", "critical")],
        "MedicationRequest/3": [found("OS-FR", "critical")],
    }
    cards = triage_order_select(outcomes, CASE)
    assert shown(cards) == [("OS-LOW", []), ("OS-FR", ["OS-BASE", "OS-DEMECLO"])]


def test_even_a_third_critical_finding_is_told() -> None:
    outcomes = {f"MedicationRequest/{i}": [found("OS-LOW", "critical")] for i in range(3)}
    cards = triage_order_select(outcomes, CASE)
    assert [len(c.absorbed) for c in cards] == [0, 1]


def test_an_order_without_findings_makes_no_card() -> None:
    assert (
        triage_order_select({"MedicationRequest/1": [Silence("OS-LOW", "not-watched")]}, CASE) == []
    )


@pytest.mark.parametrize(
    ("parts", "why"), [({"age_years": 17}, "under-age"), ({"deceased": True}, "deceased")]
)
def test_the_young_and_the_dead_get_no_cards(parts: dict[str, Any], why: str) -> None:
    case = a_case("110", **parts)
    assert closed(case) == why
    assert triage_patient_view([found("PV-SEV", "critical")], case) == []
    assert triage_order_select({"MedicationRequest/1": [found("OS-LOW", "critical")]}, case) == []


def test_at_eighteen_the_service_speaks() -> None:
    assert closed(a_case("110", age_years=18)) == ""


def test_comfort_care_silences_patient_view_and_all_but_critical_orders() -> None:
    case = a_case("110", comfort_care=True)
    assert closed(case) == ""
    assert closed_patient_view(case) == "comfort-care"
    assert triage_patient_view([found("PV-SEV", "critical")], case) == []
    outcomes = {"MedicationRequest/1": [found("OS-LOW"), found("OS-VAP-HTS", "critical")]}
    assert shown(triage_order_select(outcomes, case)) == [("OS-VAP-HTS", [])]


def test_with_unknown_age_only_laboratory_orders_are_suggested() -> None:
    buttons = (
        Suggestion("workup", (DraftLabs(("sodium",)),)),
        Suggestion("fluid-restriction", (DraftFluidRestriction("1000"),)),
        Suggestion("stop-drug", (StopOrder("MedicationRequest/9", "indapamide"),)),
        Suggestion("remove-draft", (RemoveDraft("MedicationRequest/1"),)),
    )
    case = a_case("123", age_years=None)
    cards = triage_patient_view([found("PV-MOD", suggestions=buttons)], case)
    assert [s.kind for s in cards[0].suggestions] == ["workup"]
    orders = triage_order_select({"x": [found("OS-LOW", suggestions=buttons)]}, case)
    assert [s.kind for s in orders[0].suggestions] == ["workup"]


def test_suppressed_cards_are_left_out_but_critical_ones_never() -> None:
    fired = [found("PV-SEV", "critical"), found("RATE-OVER")]
    assert shown(triage_patient_view(fired, CASE, keep=lambda _: False)) == [("PV-SEV", [])]


def test_a_suppressed_card_with_a_critical_bullet_is_shown() -> None:
    lead = replace(found("PV-MOD"), absorbed=(found("PV-SEV", "critical"),))
    assert triage_patient_view([lead], CASE, keep=lambda _: False)


def test_every_patient_view_rule_has_its_place() -> None:
    sodium_rules = {r for r in RULES if not r.startswith(("RATE", "DQ"))} | {"DQ-PLAUS"}
    assert sodium_rules == set(SODIUM_ORDER)


def test_every_order_select_rule_has_its_place() -> None:
    from cds_service.sodium.rules.order_select import RULES as ORDER_RULES

    assert set(ORDER_RULES) == set(ORDER_ORDER)
