"""How much the first day of an order brings, by its words: "4 x 15 mg", "2 tablets bid" (F19)."""

from __future__ import annotations

import re
from decimal import Decimal

from cds_service.knowledge.words import DoseWords
from cds_service.terminology.text import Words, words
from cds_service.terminology.units import decimal_of

_ONE = Decimal(1)
_SCHEDULE = re.compile(
    r"(?<![\d-])(\d)-(\d)-(\d)(?:-(\d))?(?![\d-])"
)  # morning, noon, evening, night
_MG = "mg"
_REACH = 3  # words between a count of tablets and their strength


class DoseReader:
    """Reads milligrams, counts and times a day; of several doses in a text the first counts."""

    def __init__(self, doses: DoseWords) -> None:
        self._tablets, self._times = frozenset(doses.tablets), frozenset(doses.times)
        self._spans, self._days = frozenset(doses.spans), frozenset(doses.days)
        self._counts, self._daily = doses.counts, doses.daily
        self._in_turn, self._later = _phrases(doses.in_turn), _phrases(doses.later)
        self._resumed, self._not_resumed = _phrases(doses.resumed), _phrases(doses.not_resumed)

    def is_tablet(self, unit: str) -> bool:
        """Whether a unit counts tablets."""
        return unit.strip("{}[] ").lower() in self._tablets

    def is_in_turn(self, text: Words) -> bool:
        """Whether words say that a dose is one of several: once, then, as needed (F38)."""
        return self.begins_later(text) or _names(text, self._in_turn)

    def begins_later(self, text: Words) -> bool:
        """Whether words say that a dose begins on a later day."""
        return _names(text, self._later)

    def carries_on(self, text: Words) -> bool:
        """Whether words say that an order carries on what was taken at home (DISCHARGE)."""
        return _names(text, self._resumed) and not _names(text, self._not_resumed)

    def strength(self, name: Words) -> Decimal | None:
        """Returns the first milligrams of a name, with their count: "Samsca 4 x 15 mg" is 60."""
        at = self._first_mg(name)
        return None if at is None else self._counted_mg(name, at)

    def day(self, text: Words, strength: Decimal | None) -> Decimal | None:
        """Returns what instructions bring in a day; None without an amount."""
        at = self._first_mg(text)
        if at is not None:
            return self._counted_mg(text, at) * self.times(text)
        if strength is None:
            return None
        schedule = _SCHEDULE.search(text.folded)
        if schedule is not None:
            return strength * sum(Decimal(part) for part in schedule.groups("0"))
        tablets = self._tablets_of(text)
        return None if tablets is None else strength * tablets * self.times(text)

    def times(self, text: Words) -> Decimal:
        """Returns how often a day; once, if nothing says more."""
        tokens = text.tokens
        for at, token in enumerate(tokens):
            if token in self._daily:
                return self._daily[token]
            count, behind = self._count(text, at), tokens[at + 1 : at + 4]
            is_times = bool(behind) and behind[0] in self._times
            if count is not None and is_times and not self._days.isdisjoint(behind[1:]):
                return count
        return _ONE

    def _first_mg(self, text: Words) -> int | None:
        """Returns where the first amount in mg begins; an amount for each mL is none."""
        tokens = text.tokens
        for at in range(len(tokens) - 1):
            per_volume = at + 2 < len(tokens) and "/" in text.gap(at + 1, at + 2)
            if tokens[at + 1] == _MG and decimal_of(tokens[at]) is not None and not per_volume:
                return at
        return None

    def _counted_mg(self, text: Words, at: int) -> Decimal:
        return (decimal_of(text.tokens[at]) or Decimal(0)) * self._multiple(text, at)

    def _multiple(self, text: Words, at: int) -> Decimal:
        """Returns how many of these milligrams are taken at once."""
        tokens = text.tokens
        before, after = tokens[at - 1 : at], tokens[at + 2 : at + 3]
        if before and before[0] in self._times:
            return self._count(text, at - 2) or _ONE
        if after and after[0] in self._times:
            lasts = tokens[at + 4 : at + 5]
            return _ONE if self._spans.intersection(lasts) else self._count(text, at + 3) or _ONE
        if after and after[0] in self._tablets:
            return self._count(text, at - 1) or _ONE
        for back in range(max(0, at - _REACH), at):
            if tokens[back] in self._tablets:
                return self._count(text, back - 1) or _ONE
        return _ONE

    def _tablets_of(self, text: Words) -> Decimal | None:
        for at, token in enumerate(text.tokens):
            if token in self._tablets:
                return self._count(text, at - 1) or _ONE
        return None

    def _count(self, text: Words, at: int) -> Decimal | None:
        """Returns the number at a word, in figures or spelled."""
        if not 0 <= at < len(text.tokens):
            return None
        token = text.tokens[at]
        return self._counts.get(token) or decimal_of(token)


def _phrases(listed: list[str]) -> tuple[str, ...]:
    return tuple(f" {' '.join(words(phrase).tokens)} " for phrase in listed)


def _names(text: Words, phrases: tuple[str, ...]) -> bool:
    told = f" {' '.join(text.tokens)} "
    return any(phrase in told for phrase in phrases)
