"""Which findings become cards, in what order, at most two (B.5, M15, M18).

The precedence of rules is their order in hooks/: rules are asked in that order, and what comes
first leads the card that it shares with others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import get_args

from msgspec.structs import replace

from cds_service.engine.finding import (
    URGENCY,
    DraftLabs,
    Finding,
    Indicator,
    Line,
    Outcome,
    Suggestion,
)
from cds_service.knowledge.words import RuleWords, Slot

NOW = timedelta(0)
AT_MOST = 2  # cards per call: B.5 rule 1, a promise of the design
SLOTS: tuple[Slot, ...] = get_args(Slot)  # of two cards of one urgency, the first is shown first

Keep = Callable[[Finding], bool]


def keep_all(finding: Finding) -> bool:
    """Keeps every card: the filter of a call that knows no answered cards (B.5 rule 5)."""
    return True


def triage(
    outcomes: Iterable[Outcome],
    rules: Mapping[str, RuleWords],
    *,
    age_known: bool,
    critical_only: bool = False,
    keep: Keep = keep_all,
) -> list[Finding]:
    """Returns at most two cards, the more urgent first, from outcomes in the order of `rules`.

    Findings about the same order and of the same slot share one card. What finds no place becomes a
    bullet of the last card. `critical_only` is for a patient in comfort care (M15).
    """
    groups: dict[tuple[str, Slot], list[Finding]] = {}
    for outcome in outcomes:
        if isinstance(outcome, Finding) and not (critical_only and outcome.indicator != "critical"):
            groups.setdefault((outcome.order, outcome.slot), []).append(outcome)
    cards = [_merged(groups[key], rules) for key in sorted(groups, key=_slot_place)]
    kept = [card for card in cards if _is_critical(card) or keep(card)]
    kept = _given_way(kept, rules)
    if not age_known:
        kept = [_only_labs(card) for card in kept]
    kept.sort(key=lambda card: -URGENCY[card.indicator])
    return _at_most_two(kept)


def one_time(cards: Iterable[Finding]) -> list[Finding]:
    """Returns the cards with one line and one button that say when to measure again (F31).

    It is the earliest, and of two equal ones that of the first card.
    """
    cards = list(cards)
    if not cards:
        return cards
    lines = [part for card in cards for line in card.do for part in line.parts()]
    lines = [part for part in lines if part.within is not None]
    buttons = [s for card in cards for s in card.suggestions if s.within is not None]
    spare_lines, spare_buttons = _all_but_earliest(lines), _all_but_earliest(buttons)
    return [
        replace(
            card,
            do=tuple(_timeless(card.do, spare_lines)),
            suggestions=tuple(s for s in card.suggestions if id(s) not in spare_buttons),
        )
        for card in cards
    ]


def _timeless(lines: Iterable[Line], spare: Collection[int]) -> Iterator[Line]:
    """Yields the lines without those that are spare; what such a line says then stays."""
    for line in lines:
        left = _left_of(line, spare)
        if left is not None:
            yield left


def _left_of(line: Line, spare: Collection[int]) -> Line | None:
    """Returns a line without those of its parts that are spare; None if nothing is left."""
    then = None if line.then is None else _left_of(line.then, spare)
    if id(line) in spare:
        return then
    return line if then is line.then else replace(line, then=then)


def _all_but_earliest(timed: Sequence[Line | Suggestion]) -> frozenset[int]:
    """Returns the identities of those that are not the first of the earliest."""
    first = min(timed, key=lambda one: one.within or NOW, default=None)
    return frozenset(id(one) for one in timed if one is not first)


def still_shown(
    cards: Iterable[Finding], disabled: Collection[str], min_indicator: Indicator = "info"
) -> list[Finding]:
    """Returns the cards without a client's disabled rules and below no `min_indicator`.

    Rules are switched off after triage, so that one still holds back the advice of another. If a
    card's own rule is disabled, its first bullet becomes the card, without buttons: triage never
    considered the actions of a bullet.
    """
    left = [card for each in cards for card in _without(each, disabled)]
    return [card for card in left if URGENCY[card.indicator] >= URGENCY[min_indicator]]


def _slot_place(group: tuple[str, Slot]) -> int:
    return SLOTS.index(group[1])


def _merged(findings: list[Finding], rules: Mapping[str, RuleWords]) -> Finding:
    """Returns the first of the most urgent findings, with the others as its bullets.

    A card is as urgent as what it tells: an information that comes first in hooks/ leads no
    warning, unless it is the rescue, which nothing but a critical finding delays. What a bullet
    holds back is no bullet beside it either.
    """
    first, lead = findings[0], max(findings, key=lambda finding: URGENCY[finding.indicator])
    if rules[first.rule].keeps_lead and lead.indicator != "critical":
        lead = first
    held_back = set(rules[lead.rule].holds_back)
    others: list[Finding] = []
    for finding in findings:
        if finding is not lead and finding.rule not in held_back:
            others.append(finding)
            held_back.update(rules[finding.rule].holds_back)
    others = [finding for finding in others if finding.rule not in held_back]
    others.sort(key=lambda finding: finding.indicator != "critical")
    return replace(lead, absorbed=(*lead.absorbed, *others))


def _given_way(cards: list[Finding], rules: Mapping[str, RuleWords]) -> list[Finding]:
    """Returns the cards with each that gives way to an equally urgent one as its line (F31)."""
    shown = list(cards)
    for card in cards:
        leading = rules[card.rule].gives_way_to
        lead = next((c for c in shown if c.rule in leading and c.indicator == card.indicator), None)
        if lead is None:
            continue
        taken = replace(lead, absorbed=(*lead.absorbed, replace(card, absorbed=()), *card.absorbed))
        shown = [taken if c is lead else c for c in shown if c is not card]
    return shown


def _at_most_two(cards: list[Finding]) -> list[Finding]:
    if len(cards) <= AT_MOST:
        return cards
    shown = cards[:AT_MOST]
    bullets: list[Finding] = []
    for card in cards[AT_MOST:]:
        bullets += [replace(card, absorbed=()), *card.absorbed]
    last = shown[-1]
    shown[-1] = replace(last, absorbed=(*last.absorbed, *bullets))
    return shown


def _is_critical(card: Finding) -> bool:
    return any(f.indicator == "critical" for f in (card, *card.absorbed))


def _only_labs(card: Finding) -> Finding:
    """Returns the card with laboratory orders as its only buttons (M15)."""
    return replace(card, suggestions=tuple(s for s in card.suggestions if _drafts_labs(s)))


def _drafts_labs(suggestion: Suggestion) -> bool:
    return all(isinstance(action, DraftLabs) for action in suggestion.actions)


def _without(card: Finding, disabled: Collection[str]) -> list[Finding]:
    absorbed = tuple(finding for finding in card.absorbed if finding.rule not in disabled)
    if card.rule not in disabled:
        return [replace(card, absorbed=absorbed)]
    if not absorbed:
        return []
    return [replace(absorbed[0], suggestions=(), absorbed=absorbed[1:])]
