"""Cards by rule, setting, age and month, each with how many patients it is about.

Nothing about fewer patients than `min_cell` leaves the folder of a run. If a single cell of a
table is hidden, the next smallest is hidden too, or the total would tell it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import Literal

from msgspec import Struct, field

from cds_service.backtest.outcome import is_seen
from cds_service.backtest.rows import CardRow, Row, Run

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
    held: int = 0  # cards that would be kept back (rule switched off, seen before, quiet days)

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


_Key = tuple[str, str, Dimension, str, str]


class _Table(Struct):
    """Counts cards and patients; rows come patient by patient."""

    counts: dict[_Key, _Count] = field(default_factory=dict)
    patient: str = ""
    seen: set[_Key] = field(default_factory=set)

    def add(self, row: Row) -> None:
        """Counts the cards of a row."""
        if row.patient != self.patient:
            self.patient = row.patient
            self.seen.clear()
        if row.unread:
            self._count((row.profile, row.knowledge, "unread", row.unread, ""), shown=True)
        for card in row.cards:
            for key in _keys(row, card):
                self._count(key, shown=is_seen(card))

    def _count(self, key: _Key, *, shown: bool) -> None:
        count = self.counts.setdefault(key, _Count())
        if not shown:
            count.held += 1
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
    bases = _bases(run)
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
            held=count.held,
            moments=_told(bases.get((dimension, name), bases["all", ""]), run),
        )


def _told(moments: int, run: Run) -> int | None:
    """Returns a number of moments, if it is not so small that it may be about few patients."""
    return moments if moments >= run.settings.min_cell else None


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
    cells = list(cells)
    tables: dict[tuple[str, ...], list[int]] = {}
    for place, cell in enumerate(cells):
        table = (cell.profile, cell.knowledge, cell.dimension, cell.indicator)
        tables.setdefault(table, []).append(place)
    # A total and all its parts but one tell that one: so tables, then lines of indicators.
    lines: dict[tuple[str, ...], list[int]] = {}
    for place, cell in enumerate(cells):
        if cell.indicator:
            line = (cell.profile, cell.knowledge, cell.dimension, cell.name)
            lines.setdefault(line, []).append(place)
    hidden: set[int] = set()
    known = -1
    while known < len(hidden):  # what one table hides, another may tell
        known = len(hidden)
        for places in (*tables.values(), *lines.values()):
            hidden |= _hidden(cells, places, hidden, min_cell)
    return [_without_count(cell) if n in hidden else cell for n, cell in enumerate(cells)]


def _hidden(
    cells: Sequence[Cell], places: Iterable[int], hidden: Set[int], min_cell: int
) -> set[int]:
    filled = sorted((cells[place].patients or 0, place) for place in places)
    filled = [(patients, place) for patients, place in filled if patients]
    small = {place for patients, place in filled if patients < min_cell or place in hidden}
    rest = [place for _, place in filled if place not in small]
    if len(small) == 1 and rest:
        small.add(rest[0])
    return small


def _without_count(cell: Cell) -> Cell:
    return Cell(
        profile=cell.profile,
        knowledge=cell.knowledge,
        dimension=cell.dimension,
        name=cell.name,
        indicator=cell.indicator,
        cards=None,
        patients=None,
        moments=cell.moments,
    )
