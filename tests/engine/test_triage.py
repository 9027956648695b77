"""Which findings become cards: at most two, the urgent first, nothing critical lost, gates closed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.engine.finding import (
    DraftLabs,
    DraftOrder,
    Finding,
    Indicator,
    Outcome,
    RemoveDraft,
    Silence,
    StopOrder,
    Suggestion,
)
from cds_service.engine.triage import still_shown, triage
from cds_service.knowledge.load import default_hooks_dir, load_knowledge
from cds_service.knowledge.names import OrderTemplate
from cds_service.pipeline import HOOKS
from cds_service.sodium.rules.book import closed
from tests.sodium.rules.cases import a_case

RULES = load_knowledge(default_hooks_dir()).rules
ORDER_RULES = {name: words for name, words in RULES.items() if name.startswith("OS-")}
PLACES = list(RULES)
LABS = Suggestion(kind="labs", actions=(DraftLabs(analytes=("sodium",)),))
MILD = Finding(rule="PV-MILD", indicator="info", suggestions=(LABS,))
DRUG = Finding(rule="PV-DRUGCHK", indicator="warning", suggestions=(LABS,))
LEAD = Finding(rule="PV-SYMP", indicator="critical", absorbed=(DRUG, MILD))


def found(rule: str, indicator: Indicator = "warning", **more: Any) -> Finding:
    """A finding in the slot that hooks/ gives its rule."""
    slot = RULES[rule].slot_of(more.get("variant", "main"))
    return Finding(rule=rule, indicator=indicator, **({"slot": slot} | more))


def on_orders(**outcomes: list[Outcome]) -> list[Outcome]:
    """The outcomes of several selected orders, each given by its id."""
    return [replace(o, order=order) for order, group in outcomes.items() for o in group]


def cards_of(outcomes: Iterable[Outcome], *, age_known: bool = True, **more: Any) -> list[Finding]:
    """The cards of outcomes, which rules give in the order of hooks/."""
    asked = sorted(outcomes, key=lambda o: (o.order, PLACES.index(o.rule)))
    return triage(asked, RULES, age_known=age_known, **more)


def shown(cards: list[Finding]) -> list[tuple[str, list[str]]]:
    return [(c.rule, [a.rule for a in c.absorbed]) for c in cards]


def test_one_card_on_sodium_and_one_on_its_rise() -> None:
    cards = cards_of([found("PV-SEV", "critical"), found("RATE-OVER")])
    assert shown(cards) == [("PV-SEV", []), ("RATE-OVER", [])]


def test_silence_makes_no_card() -> None:
    assert cards_of([Silence("PV-MILD", "not-low")]) == []


def test_the_more_urgent_card_comes_first() -> None:
    cards = cards_of([found("PV-MILD", "info"), found("RATE-OVER", "critical")])
    assert [c.rule for c in cards] == ["RATE-OVER", "PV-MILD"]


@pytest.mark.parametrize(
    ("fired", "lead"),
    [
        ([("PV-ENC", "critical"), ("PV-SYMP", "critical")], "PV-SYMP"),
        ([("DQ-PLAUS", "warning"), ("PV-SYMP", "critical")], "PV-SYMP"),
        ([("PV-SYMP", "warning"), ("PV-ACUTE", "critical")], "PV-ACUTE"),
        ([("PV-DRUGCHK", "info"), ("PV-AGE", "info")], "PV-AGE"),
    ],
)
def test_one_finding_leads_the_sodium_card_and_takes_in_the_other(
    fired: list[tuple[str, Indicator]], lead: str
) -> None:
    findings = [found(rule, indicator, slot="sodium") for rule, indicator in fired]
    cards = cards_of(findings)
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
    cards = cards_of([found(rule, indicator) for rule, indicator in fired])
    assert [c.rule for c in cards] == [lead]
    assert len(cards[0].absorbed) == len(fired) - 1


@pytest.mark.parametrize(
    ("first", "second", "lead"),
    [
        (("OS-RAISE", "info"), ("OS-SALTS", "warning"), "OS-SALTS"),
        (("OS-RAISE", "warning"), ("OS-SALTS", "warning"), "OS-RAISE"),
        (("OS-HTS-SEV", "info"), ("OS-HTS-PSEUDO", "warning"), "OS-HTS-SEV"),
    ],
)
def test_an_information_leads_no_warning_unless_it_is_the_rescue(
    first: tuple[str, Indicator], second: tuple[str, Indicator], lead: str
) -> None:
    findings = [found(rule, indicator, slot="order") for rule, indicator in (first, second)]
    assert cards_of(findings)[0].rule == lead


PAIRS = [
    ("OS-HTS-OVER", "OS-HTS-OLD"),
    ("OS-VAP-HTS", "OS-VAP-HYPO"),
    ("OS-VAP-HYPO", "OS-VAP-LIVER"),
    ("OS-VAP-CONTRA", "OS-VAP-LIVER"),
    ("OS-HTS-SEV", "OS-HTS-OLD"),
    ("OS-HTS-OLD", "OS-VAP-LIVER"),
    ("OS-HTS-GLU", "OS-HTS-NONE"),
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
    outcomes = on_orders(o1=[found(bullet), found(lead)])
    assert shown(cards_of(outcomes)) == [(lead, [bullet])]


@pytest.mark.parametrize(
    ("lead", "bullet"), [(a, b) for a, words in ORDER_RULES.items() for b in words.holds_back]
)
def test_a_card_that_says_not_now_has_no_bullet_that_says_how(lead: str, bullet: str) -> None:
    outcomes = on_orders(o1=[found(bullet), found("OS-VAP-LIVER"), found(lead)])
    assert shown(cards_of(outcomes)) == [(lead, ["OS-VAP-LIVER"])]


def test_a_critical_finding_is_never_a_bullet_of_a_weaker_card() -> None:
    outcomes = on_orders(o1=[found("OS-DIUR-CRAMP"), found("OS-LOW", "critical")])
    assert shown(cards_of(outcomes)) == [("OS-LOW", ["OS-DIUR-CRAMP"])]


def test_two_orders_make_two_cards_the_more_urgent_first() -> None:
    outcomes = on_orders(o1=[found("OS-BASE", "info")], o2=[found("OS-LOW")])
    assert [c.rule for c in cards_of(outcomes)] == ["OS-LOW", "OS-BASE"]


def test_a_third_card_becomes_a_bullet_and_the_critical_ones_keep_their_place() -> None:
    outcomes = on_orders(
        o1=[found("OS-BASE", "info"), found("OS-DEMECLO", "info")],
        o2=[found("OS-LOW", "critical")],
        o3=[found("OS-FR", "critical")],
    )
    assert shown(cards_of(outcomes)) == [("OS-LOW", []), ("OS-FR", ["OS-BASE", "OS-DEMECLO"])]


def test_even_a_third_critical_finding_is_shown() -> None:
    outcomes = [found("OS-LOW", "critical", order=f"MedicationRequest/{i}") for i in range(3)]
    assert [len(c.absorbed) for c in cards_of(outcomes)] == [0, 1]


def test_an_order_without_findings_makes_no_card() -> None:
    assert cards_of([Silence("OS-LOW", "not-watched", order="MedicationRequest/1")]) == []


@pytest.mark.parametrize(
    ("parts", "why"), [({"age_years": 17}, "under-age"), ({"deceased": True}, "deceased")]
)
def test_the_young_and_the_dead_get_no_cards(parts: dict[str, Any], why: str) -> None:
    case = a_case("110", **parts)
    for hook in HOOKS.values():
        assert closed(case, hook.gates) == why
    assert closed(case, ()) is None


def test_at_eighteen_the_service_speaks() -> None:
    for hook in HOOKS.values():
        assert closed(a_case("110", age_years=18), hook.gates) is None


def test_comfort_care_silences_patient_view_and_all_but_critical_orders() -> None:
    case = a_case("110", comfort_care=True)
    assert closed(case, HOOKS["patient-view"].gates) == "comfort-care"
    assert closed(case, HOOKS["order-select"].gates) is None
    outcomes = on_orders(o1=[found("OS-LOW"), found("OS-VAP-HTS", "critical")])
    assert shown(cards_of(outcomes, critical_only=True)) == [("OS-VAP-HTS", [])]


def test_with_unknown_age_only_laboratory_orders_are_suggested() -> None:
    buttons = (
        Suggestion("workup", (DraftLabs(("sodium",)),)),
        Suggestion("fluid-restriction", (DraftOrder(OrderTemplate.FLUID_RESTRICTION, "1000"),)),
        Suggestion("stop-drug", (StopOrder("MedicationRequest/9", "indapamide"),)),
        Suggestion("remove-draft", (RemoveDraft("MedicationRequest/1"),)),
    )
    for rule in ("PV-MOD", "OS-LOW"):
        (card,) = cards_of([found(rule, suggestions=buttons)], age_known=False)
        assert [s.kind for s in card.suggestions] == ["workup"]


def test_suppressed_cards_are_left_out_but_critical_ones_never() -> None:
    fired = [found("PV-SEV", "critical"), found("RATE-OVER")]
    assert shown(cards_of(fired, keep=lambda _: False)) == [("PV-SEV", [])]


def test_a_suppressed_card_with_a_critical_bullet_is_shown() -> None:
    lead = replace(found("PV-MOD"), absorbed=(found("PV-SEV", "critical"),))
    assert cards_of([lead], keep=lambda _: False)


def test_a_disabled_bullet_goes_and_the_card_stays() -> None:
    (card,) = still_shown([LEAD], {"PV-DRUGCHK"})
    assert (card.rule, [a.rule for a in card.absorbed]) == ("PV-SYMP", ["PV-MILD"])


def test_a_bullet_takes_the_place_of_its_disabled_card_and_offers_no_action() -> None:
    (card,) = still_shown([LEAD], {"PV-SYMP"})
    assert (card.rule, card.indicator, card.suggestions) == ("PV-DRUGCHK", "warning", ())
    assert [a.rule for a in card.absorbed] == ["PV-MILD"]


def test_a_card_of_disabled_rules_only_is_not_shown() -> None:
    assert still_shown([LEAD], {"PV-SYMP", "PV-DRUGCHK", "PV-MILD"}) == []


def test_cards_below_the_least_indicator_are_not_shown() -> None:
    assert still_shown([DRUG, MILD], (), "warning") == [DRUG]
    assert still_shown([DRUG, MILD], (), "critical") == []


def test_nothing_switched_off_changes_nothing() -> None:
    assert still_shown([LEAD, MILD], ()) == [LEAD, MILD]
