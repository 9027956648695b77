"""Cards by rule, setting, age and month, each with how many patients it is about.

What of it may be told outside of private/ is decided by `tell.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal

from msgspec import Struct, field

from cds_service.backtest.outcome import is_seen
from cds_service.backtest.rows import CardRow, Row, Run
from cds_service.backtest.tell import Sum, Tell

Dimension = Literal["all", "rule", "indicator", "setting", "age", "month", "kind", "unread"]
DIMENSIONS: tuple[Dimension, ...] = (
    "all",
    "rule",
    "indicator",
    "setting",
    "age",
    "month",
    "kind",
    "unread",
)
_PARTS = ("", "critical", "warning", "info")  # of each cell: all cards, and by indicator
_HUNDRED = 100


class Cell(Struct, frozen=True, kw_only=True):
    """The cards of one line of a table; None: hidden, because they are about too few patients."""

    profile: str
    knowledge: str
    dimension: Dimension
    name: str
    indicator: str  # "": all
    cards: int | None
    patients: int | None
    moments: int | None  # at which such cards could come, those that were left out among them
    held: int | None = 0  # cards that are kept back (rule switched off, seen before, quiet days)
    small: bool = False  # hidden because it is small, and not because it would tell a small one

    @property
    def hidden(self) -> bool:
        """Whether it is about too few patients to be told."""
        return self.cards is None

    def per_100(self, whole: int | None) -> float | None:
        """Returns the cards for each 100 of something."""
        if self.cards is None or not whole:
            return None
        return _HUNDRED * self.cards / whole


class _Count(Struct):
    cards: int = 0
    patients: int = 0
    held: int = 0
    held_patients: int = 0


_Key = tuple[str, str, Dimension, str, str]


class _Table(Struct):
    """Counts cards and patients; rows come patient by patient."""

    counts: dict[_Key, _Count] = field(default_factory=dict)
    patient: str = ""
    seen: set[_Key] = field(default_factory=set)
    kept_back: set[_Key] = field(default_factory=set)

    def add(self, row: Row) -> None:
        """Counts the cards of a row."""
        if row.patient != self.patient:
            self.patient = row.patient
            self.seen.clear()
            self.kept_back.clear()
        if row.unread and not row.again:
            self._count((row.profile, row.knowledge, "unread", row.unread, ""), shown=True)
        for card in row.cards:
            if card.held == "picked":
                continue
            for key in _keys(row, card):
                self._count(key, shown=is_seen(card))

    def _count(self, key: _Key, *, shown: bool) -> None:
        count = self.counts.setdefault(key, _Count())
        if not shown:
            count.held += 1
            count.held_patients += key not in self.kept_back
            self.kept_back.add(key)
            return
        count.cards += 1
        if key not in self.seen:
            self.seen.add(key)
            count.patients += 1


def _keys(row: Row, card: CardRow) -> Iterator[_Key]:
    places: tuple[tuple[Dimension, str], ...] = (
        ("all", ""),
        ("rule", card.rule),
        ("indicator", card.indicator),
        ("setting", row.setting),
        ("age", row.age_band),
        ("month", row.month),
        ("kind", row.kind),
    )
    for dimension, name in places:
        yield row.profile, row.knowledge, dimension, name, ""
        if dimension != "indicator":
            yield row.profile, row.knowledge, dimension, name, card.indicator


def cells_of(run: Run, wanted: Callable[[Row], bool] = lambda row: True) -> list[Cell]:
    """Returns every cell of a run, those about too few patients hidden."""
    table = _Table()
    for row in run.rows():
        if wanted(row):
            table.add(row)
    return hide_small(_cells(table, run), run.settings.min_cell)


def _cells(table: _Table, run: Run) -> Iterator[Cell]:
    tell, bases = Tell(run.settings.min_cell), _bases(run)
    moments = told_moments(bases, tell)
    for key in _every_key(table, run, bases):
        profile, knowledge, dimension, name, indicator = key
        count = table.counts.get(key, _Count())
        yield Cell(
            profile=profile,
            knowledge=knowledge,
            dimension=dimension,
            name=name,
            indicator=indicator,
            cards=count.cards,
            patients=count.patients,
            held=tell.number(count.held, count.held_patients),
            moments=moments.get((dimension, name), moments["all", ""]),
        )


def told_moments(
    bases: Mapping[tuple[Dimension, str], int], tell: Tell
) -> dict[tuple[Dimension, str], int | None]:
    """Returns the numbers of moments; None: so small that they may be about few patients."""
    places = list(bases)
    parts: dict[str, list[int]] = {}
    for number, (dimension, _) in enumerate(places):
        if dimension != "all":
            parts.setdefault(dimension, []).append(number)
    total = places.index(("all", ""))
    sums = [Sum(total, tuple(added)) for added in parts.values()]
    hidden = tell.hidden([bases[place] for place in places], sums)
    return {
        place: None if number in hidden else bases[place] for number, place in enumerate(places)
    }


def _every_key(table: _Table, run: Run, bases: Mapping[tuple[Dimension, str], int]) -> list[_Key]:
    """Returns the keys with cards, and those of settings, ages and months without any."""
    keys = set(table.counts)
    for profile in run.settings.profiles:
        keys |= {(profile, "new", *place, part) for place in bases for part in _PARTS}
    return sorted(keys, key=lambda key: (key[0], key[1], DIMENSIONS.index(key[2]), key[3:]))


def _bases(run: Run) -> dict[tuple[Dimension, str], int]:
    """Returns the moments of each cell of a stratum."""
    found: dict[tuple[Dimension, str], int] = {("all", ""): 0}
    for stratum, number in run.strata.items():
        places: tuple[tuple[Dimension, str], ...] = (
            ("all", ""),
            ("setting", stratum.setting),
            ("age", stratum.age_band),
            ("month", stratum.month),
            ("kind", stratum.kind),
        )
        for place in places:
            found[place] = found.get(place, 0) + number
    return found


def hide_small(cells: Iterable[Cell], min_cell: int) -> list[Cell]:
    """Hides the cells about fewer patients than `min_cell`, and what would tell a hidden one."""
    cells, tell = list(cells), Tell(min_cell)
    hidden = tell.hidden([cell.patients or 0 for cell in cells], sums_of(cells))
    return [
        _without_count(cell, tell) if place in hidden else cell for place, cell in enumerate(cells)
    ]


def sums_of(cells: Sequence[Cell]) -> list[Sum]:
    """Returns which cells add up to which: names to all cards, indicators to a name."""
    places = {_key(cell): place for place, cell in enumerate(cells)}
    parts: dict[_Key, dict[str, list[int]]] = {}
    for place, cell in enumerate(cells):
        for total, kind in _totals_of(cell):
            parts.setdefault(total, {}).setdefault(kind, []).append(place)
    return [
        Sum(places.get(total), tuple(added))
        for total, kinds in parts.items()
        for added in kinds.values()
        if total in places or len(added) > 1
    ]


def _key(cell: Cell) -> _Key:
    return cell.profile, cell.knowledge, cell.dimension, cell.name, cell.indicator


def _totals_of(cell: Cell) -> Iterator[tuple[_Key, str]]:
    """Yields the cells that a cell is a part of, and by what they are cut into such parts."""
    head = cell.profile, cell.knowledge
    if cell.dimension != "all":
        whole: Dimension = "unread" if cell.dimension == "unread" else "all"
        yield (*head, whole, "", cell.indicator), cell.dimension
    if cell.indicator:
        yield (*head, cell.dimension, cell.name, ""), "indicator by name"


def _without_count(cell: Cell, tell: Tell) -> Cell:
    return Cell(
        profile=cell.profile,
        knowledge=cell.knowledge,
        dimension=cell.dimension,
        name=cell.name,
        indicator=cell.indicator,
        cards=None,
        patients=None,
        moments=cell.moments,
        small=tell.is_small(cell.patients or 0),
    )
