"""Counts what clinicians would have seen: cards, repeats, bullets and draft orders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct, field

from cds_service.feedback.suppression import Grounds, says_nothing_new
from cds_service.knowledge.limits import Limits

REPEAT = timedelta(hours=24)  # the same topic of the same patient again within this time
INDICATORS = ("critical", "warning", "info")


class SeenCard(Struct, frozen=True, kw_only=True):
    """One card as it would have been shown."""

    topic: str
    indicator: str
    bullets: int  # before "More"
    drafts: int  # orders that its buttons would write
    slot: str
    grounds: Grounds


class Answer(Struct, frozen=True, kw_only=True):
    """One recorded call with its cards."""

    at: datetime
    patient: str
    user: str
    cards: tuple[SeenCard, ...] = ()
    refused: int = 0  # the HTTP status of an answer without cards; 0: answered


class Burden(Struct, kw_only=True):
    """The figures of one profile."""

    calls: int = 0
    with_card: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    cards: Counter[tuple[str, str]] = field(default_factory=Counter)  # topic and indicator
    repeats: Counter[tuple[str, str]] = field(default_factory=Counter)
    unchanged: int = 0  # info cards that a store of answers would not repeat (F51)
    bullets: Counter[int] = field(default_factory=Counter)  # cards by their number of bullets
    drafts: Counter[int] = field(default_factory=Counter)

    def of(self, *indicators: str) -> int:
        """Returns the number of cards of these indicators."""
        return sum(n for (_, indicator), n in self.cards.items() if indicator in indicators)

    def per_100(self, number: int) -> float:
        """Returns a number of cards per 100 calls."""
        return 100 * number / self.calls if self.calls else 0.0

    def as_json(self) -> Mapping[str, Any]:
        """Returns the figures as JSON."""
        shown = self.of(*INDICATORS)
        return {
            "calls": self.calls,
            "callsWithCard": self.with_card,
            "refused": {str(status): n for status, n in sorted(self.refused.items())},
            "cards": shown,
            "cardsPer100": _rounded(self.per_100(shown)),
            "per100ByIndicator": {i: _rounded(self.per_100(self.of(i))) for i in INDICATORS},
            "per100ByTopic": [
                {
                    "topic": topic,
                    "indicator": indicator,
                    "cards": number,
                    "per100": _rounded(self.per_100(number)),
                    "repeatsWithin24h": self.repeats[topic, indicator],
                }
                for (topic, indicator), number in self.cards.most_common()
            ],
            "repeatsWithin24h": sum(self.repeats.values()),
            "unchangedWithin12h": self.unchanged,
            "bullets": _spread(self.bullets),
            "draftOrders": _spread(self.drafts),
        }


def burden(answers: Iterable[Answer], limits: Limits) -> Burden:
    """Counts the answers of one profile; they may come in any order."""
    figures = Burden()
    seen: dict[str, list[tuple[Answer, SeenCard]]] = {}
    for answer in sorted(answers, key=lambda a: a.at):
        figures.calls += 1
        if answer.refused:
            figures.refused[answer.refused] += 1
        figures.with_card += bool(answer.cards)
        before = seen.setdefault(answer.patient, [])
        before[:] = [one for one in before if answer.at - one[0].at <= REPEAT]
        for card in answer.cards:
            _count(figures, answer, card, before, limits)
    return figures


def _count(
    figures: Burden,
    answer: Answer,
    card: SeenCard,
    before: list[tuple[Answer, SeenCard]],
    limits: Limits,
) -> None:
    """Counts one card; an unchanged one is no new showing, as in a service with a store."""
    kind = card.topic, card.indicator
    figures.cards[kind] += 1
    figures.bullets[card.bullets] += 1
    figures.drafts[card.drafts] += 1
    figures.repeats[kind] += any(earlier.topic == card.topic for _, earlier in before)
    if _unchanged(answer, card, before, limits):
        figures.unchanged += 1
    else:
        before.append((answer, card))


def _unchanged(
    answer: Answer, card: SeenCard, before: Sequence[tuple[Answer, SeenCard]], limits: Limits
) -> bool:
    return bool(answer.user) and any(
        then.user == answer.user
        and answer.at - then.at <= limits.suppression_repeat_hours
        and says_nothing_new(earlier.grounds, card.grounds, card.slot, limits)
        for then, earlier in before
    )


def _spread(counts: Counter[int]) -> Mapping[str, float]:
    """Returns mean, median and maximum of a number that each card has."""
    numbers = sorted(counts.elements())
    if not numbers:
        return {}
    mean = sum(numbers) / len(numbers)
    return {"mean": _rounded(mean), "median": numbers[len(numbers) // 2], "most": numbers[-1]}


def _rounded(number: float) -> float:
    return round(number, 2)
