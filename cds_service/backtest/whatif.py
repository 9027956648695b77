"""What moving one number would change: the same patients are judged again, from the spool.

Only patients of whom the rules compared with that number are judged again; who they are is noted
once (`private/reads`). The pieces of a run are groups of patients by chance, so that the first of
them already give an estimate with its interval; all of them give the number itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from decimal import Decimal
from math import sqrt
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from cds_service.backtest.judge import Judge, Task
from cds_service.backtest.outcome import is_seen
from cds_service.backtest.rows import Row, Run, write_whole
from cds_service.errors import BacktestError
from cds_service.knowledge.limits import TIMES, Limits, NotingLimits, Threshold
from cds_service.knowledge.load import Knowledge
from cds_service.pipeline import Pipeline

_Z = 1.959964  # of a 95 % interval
_LEAST_PIECES = 2  # for an interval

# Of a card: rule, indicator, setting, age, month, kind of moment.
Place = tuple[str, str, str, str, str, str]
PLACES = ("rule", "indicator", "setting", "age", "month", "kind")


class Moved(Struct, frozen=True, kw_only=True):
    """One number with another value, under one profile."""

    profile: str
    number: str  # a table of thresholds.toml
    value: float  # in its unit


class Moves(Struct, frozen=True):
    """The cards of one patient by place, before and after."""

    before: dict[str, int]
    after: dict[str, int]


class PieceChange(Struct, frozen=True, kw_only=True):
    """The cards of one piece before and after."""

    piece: int
    patients: int
    again: int  # patients who were judged again
    before: dict[str, int]  # by place, its parts joined by bars
    after: dict[str, int]
    changed: list[Moves]  # of each patient with other cards than before


class Reads(Struct, frozen=True, kw_only=True):
    """Which numbers the rules compared with, for each patient of a piece, in their order."""

    names: list[str]
    patients: list[list[int]]  # places in `names`


def key_of(place: Place) -> str:
    """Returns a place as one text."""
    return "|".join(place)


def places_of(rows: Iterable[Row], profile: str) -> Counter[str]:
    """Counts the cards of rows by place, as clinicians would have seen them."""
    counts: Counter[str] = Counter()
    for row in rows:
        if row.profile != profile or row.knowledge != "new":
            continue
        for card in filter(is_seen, row.cards):
            place = (card.rule, card.indicator, row.setting, row.age_band, row.month, row.kind)
            counts[key_of(place)] += 1
    return counts


# ---- one number with another value


def moved_limits(knowledge: Knowledge, moved: Moved) -> Limits:
    """Returns the limits with the number; BacktestError if it is unknown or not plausible."""
    threshold = knowledge.thresholds.get(moved.number)
    if threshold is None or moved.profile not in knowledge.limits:
        raise BacktestError(f"There is no number '{moved.number}' under '{moved.profile}'.")
    least, most = bounds(knowledge, threshold)
    value = Decimal(str(moved.value))
    if not least <= value <= most:
        between = f"from {least.normalize():f} to {most.normalize():f} {threshold.unit}"
        raise BacktestError(f"{moved.number} is {between}.")
    unit = TIMES.get(threshold.unit)
    limits = replace(
        knowledge.limits[moved.profile],
        **{moved.number: value if unit is None else float(value) * unit},
    )
    if not limits.severe_below < limits.moderate_below < limits.mild_below:
        raise BacktestError("severe_below, moderate_below and mild_below must rise in this order.")
    return limits


def bounds(knowledge: Knowledge, threshold: Threshold) -> tuple[Decimal, Decimal]:
    """Returns from where to where a number is plausible."""
    unit = knowledge.units[threshold.unit]
    least = unit.least if threshold.least is None else threshold.least
    most = unit.most if threshold.most is None else threshold.most
    return least, most


def _with_limits(pipeline: Pipeline, limits: Limits, profile: str) -> Pipeline:
    """Returns the same rules with other numbers under one profile."""
    known = pipeline.knowledge
    changed = copy(pipeline)
    changed.knowledge = replace(known, limits={**known.limits, profile: limits})
    return changed


class Again:
    """Judges the patients of a run again, for one process."""

    def __init__(self, run: Run, task: Task) -> None:
        self._run = run
        self._task = task
        self._pipeline = task.pipelines["new"]

    def change(self, moved: Moved, piece: int) -> PieceChange:
        """Returns what a moved number changes in one piece."""
        limits = moved_limits(self._pipeline.knowledge, moved)
        judge = self._judge(limits, moved.profile)
        rows = self._rows(piece)
        reads = self.read(moved.profile, piece)
        before: Counter[str] = Counter()
        after: Counter[str] = Counter()
        changed: list[Moves] = []
        patients = again = 0
        for place, person in enumerate(self._run.people(piece)):
            old = places_of(rows.get(self._run.key_of(person.id), ()), moved.profile)
            patients += 1
            before += old
            new = old
            if reads is None or _reads(reads, place, moved.number):
                again += 1
                new = places_of(judge.person(person)[0], moved.profile)
            after += new
            if new != old:
                changed.append(Moves(dict(old), dict(new)))
        return PieceChange(
            piece=piece,
            patients=patients,
            again=again,
            before=dict(before),
            after=dict(after),
            changed=changed,
        )

    def _judge(self, limits: Limits, profile: str) -> Judge:
        clients = tuple(one for one in self._task.clients if one.profile == profile)
        pipeline = _with_limits(self._pipeline, limits, profile)
        task = replace(
            self._task, pipelines={"new": pipeline}, clients=clients, with_outcomes=False
        )
        return Judge(task, self._run.spool.medication)

    def _rows(self, piece: int) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = {}
        for row in self._run.rows(piece):
            found.setdefault(row.patient, []).append(row)
        return found

    # ---- which numbers the rules compared with

    def note(self, profile: str, piece: int) -> None:
        """Writes down for each patient of a piece which numbers the rules compared with."""
        path = reads_file(self._run, profile, piece)
        if path.exists():
            return
        noting = NotingLimits(self._pipeline.knowledge.limits[profile])
        judge = self._judge(noting.limits, profile)
        # What decides that a moment cannot get a card is read of every patient.
        always = frozenset(noting.names)
        names: dict[str, int] = {}
        patients = []
        for person in self._run.people(piece):
            noting.names.clear()
            judge.person(person)
            read = always | noting.names
            patients.append(sorted(names.setdefault(name, len(names)) for name in read))
        path.parent.mkdir(exist_ok=True)
        write_whole(path, msgspec.json.encode(Reads(names=list(names), patients=patients)))

    def read(self, profile: str, piece: int) -> Reads | None:
        """Returns what was noted of a piece; None if nothing was yet."""
        try:
            return _decode_reads(reads_file(self._run, profile, piece).read_bytes())
        except FileNotFoundError:
            return None


def reads_file(run: Run, profile: str, piece: int) -> Path:
    """Returns where it is noted which numbers the rules compared with."""
    return run.folder.reads / f"{profile}-{piece:04}.json"


_decode_reads = msgspec.json.Decoder(Reads).decode


def _reads(reads: Reads, place: int, number: str) -> bool:
    if number not in reads.names:
        return False
    return place >= len(reads.patients) or reads.names.index(number) in reads.patients[place]


# ---- together


class Change(Struct, kw_only=True):
    """What a moved number changes, as far as it is known."""

    pieces: int  # of the run
    done: list[PieceChange] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        """Whether every patient was looked at."""
        return len(self.done) == self.pieces

    @property
    def patients(self) -> int:
        """The patients that were looked at."""
        return sum(one.patients for one in self.done)

    @property
    def again(self) -> int:
        """The patients that were judged again."""
        return sum(one.again for one in self.done)

    def counts(self, wanted: Mapping[str, str]) -> tuple[Counter[str], Counter[str]]:
        """Returns the cards by rule before and after, of the places that are wanted."""
        before: Counter[str] = Counter()
        after: Counter[str] = Counter()
        for one in self.done:
            before += by_rule(one.before, wanted)
            after += by_rule(one.after, wanted)
        return before, after

    def moved(self, wanted: Mapping[str, str]) -> dict[str, list[tuple[int, int]]]:
        """Returns by rule the cards of each such patient before and after; under "" of all."""
        found: dict[str, list[tuple[int, int]]] = {}
        for one in self.done:
            for patient in one.changed:
                old, new = by_rule(patient.before, wanted), by_rule(patient.after, wanted)
                for rule in old | new:
                    found.setdefault(rule, []).append((old[rule], new[rule]))
                found.setdefault("", []).append((old.total(), new.total()))
        return found

    def difference(self, wanted: Mapping[str, str]) -> Estimate:
        """Returns how many more cards there are for 100 patients, with the 95 % interval.

        The pieces are clusters: patients are in them by a hash of their ids.
        """
        changes = [
            (by_rule(o.after, wanted).total() - by_rule(o.before, wanted).total(), o.patients)
            for o in self.done
        ]
        patients = sum(number for _, number in changes)
        if not patients:
            return Estimate(0.0, 0.0)
        rate = sum(change for change, _ in changes) / patients
        known, whole = len(changes), self.pieces
        if known == whole or known < _LEAST_PIECES:
            return Estimate(100 * rate, 0.0)
        mean = patients / known
        spread = sum((change - rate * number) ** 2 for change, number in changes) / (known - 1)
        error = sqrt(spread / known * (1 - known / whole)) / mean
        return Estimate(100 * rate, 100 * _Z * error)


class Estimate(Struct, frozen=True):
    """A number of cards for 100 patients, and how far the truth may be from it (95 %)."""

    per_100: float
    give_or_take: float


def by_rule(counts: Mapping[str, int], wanted: Mapping[str, str]) -> Counter[str]:
    """Returns the cards by rule, of the places that are wanted; an empty wish is no wish."""
    found: Counter[str] = Counter()
    for key, number in counts.items():
        place = dict(zip(PLACES, key.split("|"), strict=True))
        if all(not value or place[name] == value for name, value in wanted.items()):
            found[place["rule"]] += number
    return found


def order_of(pieces: Sequence[int]) -> list[int]:
    """Returns the pieces in an order that does not depend on their numbers."""
    return sorted(pieces, key=lambda piece: (piece * 2654435761) % 2**32)


def number_rows(knowledge: Knowledge, profile: str) -> list[dict[str, Any]]:
    """Returns every number that can be moved, with what it says and where it may be."""
    found = []
    for name, threshold in knowledge.thresholds.items():
        least, most = bounds(knowledge, threshold)
        found.append(
            {
                "name": name,
                "value": float(threshold.under(profile)),
                "unit": threshold.unit,
                "least": float(least),
                "most": float(most),
                "why": threshold.cited_under(profile).why,
            }
        )
    return found
