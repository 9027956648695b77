"""What may be told outside of private/: nothing about fewer patients than the smallest cell.

Every figure of the report, its plots, its table of numbers and the what-if page is asked about
here. A small figure is shown as "<10"; of something else than patients, of which there may be many,
as "<10 patients". Where it would follow from a total and the other parts,
another figure is hidden too, which may be large, and shows as "hidden".

That is decided for a table that is known as a whole. Where figures can be asked for by ever other
filters, or stand beside one another without a plan (run.json), they are rounded: `Rounding`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from heapq import nlargest

from msgspec import Struct

from cds_service.feedback.pseudonyms import Pseudonyms

HIDDEN = "hidden"
_PRIME = (1 << 61) - 1
_LEAST_PARTS = 2  # of which neither follows from their sum
_DRAWN = 12  # hex digits of a draw
_EXACT = 100  # a figure without any word of its patients is exact to this part of it


class Sum(Struct, frozen=True):
    """Figures that add up to another one; None: to one that is known in any case."""

    total: int | None
    parts: tuple[int, ...]


class Tell(Struct, frozen=True):
    """Decides by the smallest cell."""

    least: int

    def is_small(self, people: int) -> bool:
        """Whether a figure is about some patients, and about too few."""
        return 0 < people < self.least

    def number(self, number: int, people: int | None = None) -> int | None:
        """Returns a number; None if it, or the patients whom it is about, are too few."""
        few = self.is_small(number) or (people is not None and self.is_small(people))
        return None if few else number

    def is_part_told(self, part: int, whole: int, people: int | None = None) -> bool:
        """Whether a share may be told: neither the part nor the rest is about too few."""
        if not whole or whole < self.least:
            return False
        return self.number(part, people) is not None and not self.is_small(whole - part)

    @property
    def small(self) -> str:
        """How a small figure is shown."""
        return f"<{self.least}"

    @property
    def few(self) -> str:
        """How a figure is shown that is about few patients, and may itself be large."""
        return f"<{self.least} patients"

    def shown(self, number: int | None, *, small: bool = True) -> str:
        """Returns a number in words; None is one that is not told."""
        if number is None:
            return self.small if small else HIDDEN
        return f"{number:,}"

    def hidden(self, people: Sequence[int], sums: Iterable[Sum]) -> frozenset[int]:
        """Returns the places of the figures that are not told, small ones and those for them."""
        sums = list(sums)
        hidden = {place for place, number in enumerate(people) if self.is_small(number)}
        if not hidden:
            return frozenset()
        known = -1
        while known < len(hidden):  # what one sum hides, another may tell
            known = len(hidden)
            for one in sums:
                hidden |= self._also(one, people, hidden)
            if known == len(hidden):
                hidden |= _still_told(people, sums, hidden)
        return frozenset(hidden)

    def _also(self, one: Sum, people: Sequence[int], hidden: Set[int]) -> set[int]:
        """Returns what is to be hidden of one sum, so that it tells nothing."""
        filled = sorted((part for part in one.parts if people[part]), key=lambda p: (people[p], p))
        covered = [part for part in filled if part in hidden]
        rest = [part for part in filled if part not in hidden]
        if one.total in hidden:
            return set(rest[:1]) if rest and not covered else set()
        enough = sum(people[part] for part in covered) >= self.least
        if not covered or (enough and len(covered) >= _LEAST_PARTS):
            return set()
        if rest:
            return {rest[0]}
        alone = len(covered) < _LEAST_PARTS and one.total is not None
        return {one.total} if alone and one.total is not None else set()


def _still_told(people: Sequence[int], sums: Sequence[Sum], hidden: Set[int]) -> set[int]:
    """Returns a figure more to hide, if several sums together still tell a hidden one."""
    told = next(iter(_derived(sums, hidden)), None)
    if told is None:
        return set()
    beside = [
        place
        for one in sums
        if told in (one.total, *one.parts)
        for place in (one.total, *one.parts)
        if place is not None and people[place] and place not in hidden
    ]
    return {min(beside, key=lambda place: (people[place], place))} if beside else set()


def _derived(sums: Iterable[Sum], hidden: Set[int]) -> Iterator[int]:
    """Yields the hidden figures that follow from the others: their columns are solved alone."""
    solved: dict[int, dict[int, int]] = {}  # by its first unknown
    for one in sums:
        row = {part: 1 for part in one.parts if part in hidden}
        if one.total is not None and one.total in hidden:
            row[one.total] = _PRIME - 1
        for first, known in solved.items():
            _take(row, known, first)
        if not row:
            continue
        first = min(row)
        inverse = pow(row[first], -1, _PRIME)
        row = {place: number * inverse % _PRIME for place, number in row.items()}
        for known in solved.values():
            _take(known, row, first)
        solved[first] = row
    yield from (first for first, row in sorted(solved.items()) if len(row) == 1)


def _take(row: dict[int, int], known: Mapping[int, int], first: int) -> None:
    """Takes one unknown out of a row."""
    times = row.get(first, 0)
    if not times:
        return
    for place, number in known.items():
        left = (row.get(place, 0) - times * number) % _PRIME
        if left:
            row[place] = left
        else:
            row.pop(place, None)


class Rounding(Struct, frozen=True, kw_only=True):
    """Rounds figures so that no difference of two tells what a few patients make of it.

    A step is at least what the patients who add most make together, as many of them as the
    smallest cell: whoever leaves so few of them out moves a figure by less than a step. Whether it
    is rounded up or down is drawn with the secret of the run, by the number and its step: asking
    again gives the same, and sums of rounded figures do not tell how they were rounded.
    """

    least: int
    names: Pseudonyms

    def sum(self, parts: Collection[int]) -> int | None:
        """Returns the sum of what each patient adds; None if those who add any are too few."""
        added = [part for part in parts if part]
        if Tell(self.least).is_small(len(added)):
            return None
        return self.number(sum(added), self.step_of(added))

    def step_of(self, parts: Iterable[int]) -> int:
        """Returns the step for a sum of what each patient adds."""
        return self.step(sum(nlargest(self.least, map(abs, parts))))

    def step(self, least: int) -> int:
        """Returns the first step that is not less: the smallest cell, twice, five times, ten."""
        whole = self.least
        while True:
            for step in (whole, 2 * whole, 5 * whole):
                if step >= least:
                    return step
            whole *= 10

    def number(self, number: int, step: int) -> int:
        """Returns one of the two multiples of the step around a number, by chance the nearer."""
        whole, rest = divmod(abs(number), step)
        drawn = int(self.names.of("rounding", str(step), str(abs(number)))[:_DRAWN], 16)
        up = int(drawn * step < rest << 4 * _DRAWN)
        return (whole + up) * step * (-1 if number < 0 else 1)

    def rough(self, number: int) -> int:
        """Returns a figure of which it is not known what each patient adds to it."""
        return self.number(number, self.step(number // _EXACT))
