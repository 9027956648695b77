"""How much water an order gives by a feeding tube in a day (F23)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from msgspec import Struct

from cds_service.knowledge.words import Fluids
from cds_service.terminology.doses import DoseReader
from cds_service.terminology.endings import Endings
from cds_service.terminology.text import Hit, Words, flat, words
from cds_service.terminology.units import decimal_of, volume_after

_HOURS = Decimal(24)
_ONCE = Decimal(1)
_PARTS = re.compile(r"[.;,]")
_REACH = 4  # words between a number and what it counts: "250 mL of free water"


class TubeWater(Struct, frozen=True):
    """Water by a feeding tube."""

    daily_ml: Decimal | None  # None: the words name no amount


class TubeWaterReader:
    """Reads the free water of a tube: its amount and how often, by the words of one order."""

    def __init__(self, fluids: Fluids) -> None:
        known = fluids.tube_water
        self._sure, self._water = flat(known.sure), flat([*known.sure, *known.water])
        self._tube, self._never = flat(known.tube), flat(known.never)
        self._every, self._hours = frozenset(known.every), frozenset(known.hours)
        self._joining = frozenset(known.joining)
        self._before = flat(fluids.restriction.before)
        self._endings, self._doses = Endings(fluids.ending), DoseReader(fluids.doses)

    def read(self, texts: tuple[str, ...], by_tube: bool) -> TubeWater | None:
        """Returns the water by a tube of which the words of an order speak; None without it."""
        hits = [*self._hits(texts, by_tube)]
        found = [ml for text, hit in hits if (ml := self._amount(text, hit)) is not None]
        return TubeWater(max(found, default=None)) if hits else None

    def _hits(self, texts: tuple[str, ...], by_tube: bool) -> Iterator[tuple[Words, Hit[bool]]]:
        said = [words(text) for text in texts]
        beside = by_tube or any(self._tube.find(text) for text in said)
        for text in said:
            if self._never.find(text) or self._endings.is_end(text):
                continue
            for hit in (self._water if beside else self._sure).find(text):
                ended = self._endings.ends(text, hit)
                if not (ended or self._before.ends_before(text, hit.start)):
                    yield text, hit

    def _amount(self, text: Words, hit: Hit[bool]) -> Decimal | None:
        """Returns the sum of the amounts that have a time; without any the first amount, once."""
        end = self._end(text, hit.end)
        at = [*self._volume_before(text, hit.start), *self._volumes(text, hit.end, end)]
        if not at:
            return None
        stops = [*at[1:], end]
        given = [self._given(text, one, stop) for one, stop in zip(at, stops, strict=True)]
        timed = [ml for ml in given if ml is not None]
        return sum(timed, Decimal(0)) if timed else volume_after(text, at[0])

    def _volumes(self, text: Words, start: int, end: int) -> list[int]:
        return [at for at in range(start, end) if volume_after(text, at) is not None]

    def _volume_before(self, text: Words, start: int) -> list[int]:
        """Returns where "250 mL of" begins directly before the water."""
        for at in range(max(0, start - _REACH), start - 1):
            rest = text.tokens[at + 2 : start]
            parted = _PARTS.search(text.gap(at + 1, start))
            if volume_after(text, at) is not None and not parted and self._joining.issuperset(rest):
                return [at]
        return []

    def _given(self, text: Words, at: int, stop: int) -> Decimal | None:
        """Returns what an amount brings in a day by the time behind it; None without one."""
        volume = volume_after(text, at)
        times = self._times(text, at + 2, stop)
        return None if volume is None or times is None else volume * times

    def _times(self, text: Words, start: int, stop: int) -> Decimal | None:
        """Returns how often a day: "every 4 h", "q6h", "4 hourly", "/h"; None if not said."""
        tokens = text.tokens
        if start < stop and tokens[start] in self._hours and self._is_rate(text, start):
            return _HOURS
        for at in range(start, stop):
            if at + 1 < stop and tokens[at + 1] in self._hours:
                every = decimal_of(tokens[at])
                if every is not None and every > 0 and self._is_interval(text, at):
                    return _HOURS / every
        if start >= stop:
            return None
        rest = words(text.folded[text.spans[start][0] : text.spans[stop - 1][1]])
        often = self._doses.times(rest)
        return often if often > _ONCE else None

    def _is_rate(self, text: Words, at: int) -> bool:
        return "/" in text.gap(at - 1, at) or text.tokens[at - 1] == "per"

    def _is_interval(self, text: Words, at: int) -> bool:
        """Whether a number of hours is an interval, and no duration: "for 24 h" is none."""
        return text.tokens[at - 1] in self._every or text.tokens[at + 1].endswith("hourly")

    def _end(self, text: Words, start: int) -> int:
        """Returns the word where a sentence ends, or a part that begins with another thing."""
        for at in range(start, len(text.tokens)):
            if at == start:
                continue
            sign = _PARTS.search(text.gap(at - 1, at))
            if sign and (sign.group() != "," or not self._goes_on(text.tokens[at])):
                return at
        return len(text.tokens)

    def _goes_on(self, token: str) -> bool:
        """Whether a part after a comma still says how much and how often."""
        return token[0].isdigit() or token in self._every or token in self._joining
