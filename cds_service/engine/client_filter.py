"""What a client has switched off is taken out of the cards that triage chose, and nothing else changes."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec.structs import replace

from cds_service.engine.finding import URGENCY, Finding, Indicator


def still_shown(
    cards: Iterable[Finding], disabled: Collection[str], min_indicator: Indicator = "info"
) -> list[Finding]:
    """The cards without disabled rules and below no `min_indicator`.

    Rules are switched off after triage, so that one still holds back the advice of another. A bullet that
    takes the place of its disabled card offers no action: none was weighed for it.
    """
    left = [card for found in cards for card in _without(found, disabled)]
    return [card for card in left if URGENCY[card.indicator] >= URGENCY[min_indicator]]


def _without(card: Finding, disabled: Collection[str]) -> list[Finding]:
    if not disabled:
        return [card]
    absorbed = tuple(finding for finding in card.absorbed if finding.rule not in disabled)
    if card.rule not in disabled:
        return [replace(card, absorbed=absorbed)]
    if not absorbed:
        return []
    return [replace(absorbed[0], suggestions=(), absorbed=absorbed[1:])]
