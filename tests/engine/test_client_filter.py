"""What a client switches off disappears; what another rule held back stays held back."""

from __future__ import annotations

from cds_service.engine.client_filter import still_shown
from cds_service.engine.finding import DraftLabs, Finding, Suggestion

LABS = Suggestion(kind="labs", actions=(DraftLabs(analytes=("sodium",)),))
MILD = Finding(rule="PV-MILD", indicator="info", suggestions=(LABS,))
DRUG = Finding(rule="PV-DRUGCHK", indicator="warning", suggestions=(LABS,))
LEAD = Finding(rule="PV-SYMP", indicator="critical", absorbed=(DRUG, MILD))


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
