"""Everything that the report of a run says, before its layout and as a table of numbers."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct, field

from cds_service.backtest.cells import Cell, Dimension, cells_of
from cds_service.backtest.outcome import (
    ANY,
    PEOPLE,
    REJECTED,
    SHAPE,
    Followed,
    Outcomes,
    Preceded,
    RuleOutcome,
    read_outcomes,
)
from cds_service.backtest.reviewed import Reviewed
from cds_service.backtest.rows import GUESSES, INDICATORS, Run
from cds_service.backtest.tell import HIDDEN, Tell
from cds_service.backtest.unknown import Unknown

HAPPENED = ("repeated", "over", "fell", "stopped", "restricted", "saline", "died", "transferred")
_HUNDRED = 100
_NEW, _OLD = "new", "old"
ALIKE = "alike"  # an old figure which differs from the new one by a few
SIGNED_TOGETHER = "signings, beyond what was shown when the order was picked"


class Base(Struct, frozen=True, kw_only=True):
    """Something that cards are counted against."""

    name: str
    number: int | None  # None: too small to be told
    dimension: Dimension = "all"  # which cards are counted against it
    cell: str = ""
    missing: str = ""  # why the run cannot say it


class LeftOut(Struct, frozen=True, kw_only=True):
    """Something that a reader must know before relying on a figure, and how often it came."""

    what: str  # a key of the words of the page
    detail: str = ""
    number: int | None  # None: too few
    few: bool = False  # it is hidden because it is about few patients


class Changed(Struct, frozen=True, kw_only=True):
    """The cards of one rule with the old and with the new knowledge."""

    rule: str
    old: int | None
    new: int | None
    alike: bool = False  # they differ, by fewer cards than may be told

    @property
    def difference(self) -> int | None:
        """How many more there are with the new knowledge."""
        if self.old is None or self.new is None:
            return None
        return self.new - self.old


class Report(Struct, frozen=True, kw_only=True):
    """The figures of one run."""

    run: Run
    cells: tuple[Cell, ...]
    outcomes: Outcomes
    unknown: tuple[Unknown, ...] = ()
    unknown_rare: Mapping[str, int] = field(default_factory=dict)  # codes by kind, too rare to list
    reviewed: Reviewed | None = None
    left_out: tuple[LeftOut, ...] = ()

    @property
    def profiles(self) -> tuple[str, ...]:
        """The profiles that were judged."""
        return self.run.settings.profiles

    @property
    def tell(self) -> Tell:
        """What decides about every figure."""
        return Tell(self.run.settings.min_cell)

    @property
    def compares(self) -> bool:
        """Whether two versions of the knowledge were judged."""
        return bool(self.run.settings.against)

    def table(
        self, profile: str, dimension: Dimension, indicator: str = "", knowledge: str = _NEW
    ) -> list[Cell]:
        """Returns the cells of one table."""
        wanted = (profile, knowledge, dimension, indicator)
        return [
            c for c in self.cells if (c.profile, c.knowledge, c.dimension, c.indicator) == wanted
        ]

    def cell(
        self,
        profile: str,
        dimension: Dimension = "all",
        name: str = "",
        indicator: str = "",
        knowledge: str = _NEW,
    ) -> Cell | None:
        """Returns one cell; None if there are no such cards."""
        cells = self.table(profile, dimension, indicator, knowledge)
        return next((cell for cell in cells if cell.name == name), None)

    def cards(self, profile: str, base: Base) -> int | None:
        """Returns the cards that are counted against a base; None if they are hidden."""
        found = self.cell(profile, base.dimension, base.cell)
        return found.cards if found is not None else 0

    def levels(self, profile: str, dimension: Dimension, name: str) -> list[tuple[str, Cell]]:
        """Returns the cards of a name by indicator, without those that there are not."""
        found = [(i, self.cell(profile, dimension, name, i)) for i in INDICATORS]
        return [(indicator, cell) for indicator, cell in found if cell is not None]

    def noisiest(self, profile: str, most: int = 3) -> list[Cell]:
        """Returns the rules with the most cards."""
        told = [cell for cell in self.table(profile, "rule") if cell.cards]
        return sorted(told, key=lambda cell: -(cell.cards or 0))[:most]

    def changed(self, profile: str) -> list[Changed]:
        """Returns what another version of the knowledge changes, the largest change first."""
        new = {cell.name: cell.cards for cell in self.table(profile, "rule")}
        old = {cell.name: cell.cards for cell in self.table(profile, "rule", knowledge=_OLD)}
        both = [
            self._told_change(rule, old.get(rule, 0), new.get(rule, 0))
            for rule in sorted(new.keys() | old.keys())
        ]
        return sorted(both, key=lambda one: (-abs(one.difference or 0), one.rule))

    def _told_change(self, rule: str, old: int | None, new: int | None) -> Changed:
        """Returns both numbers; of two that differ by a few the old one is not told."""
        few = old is not None and new is not None and self.tell.is_small(abs(new - old))
        return Changed(rule=rule, old=None if few else old, new=new, alike=few)

    def rule_outcomes(self, profile: str) -> list[RuleOutcome]:
        """Returns the outcomes of the rules whose cards are told: they would tell the others."""
        told = {cell.name for cell in self.table(profile, "rule") if not cell.hidden}
        return [
            rule
            for rule in self.outcomes.rules
            if rule.profile == profile and rule.knowledge == _NEW and rule.rule in told
        ]

    def events(self, profile: str) -> list[Preceded]:
        """Returns what should not have happened, and how much of it any card preceded."""
        return [one for one in self._events(profile) if one.rule == ANY]

    def preceded_by(self, profile: str, kind: str) -> list[Preceded]:
        """Returns by rule how many events of a kind its cards preceded, the most first."""
        found = [o for o in self._events(profile) if o.kind == kind and o.rule != ANY]
        return sorted(found, key=lambda one: (-one.preceded, one.rule))

    def _events(self, profile: str) -> Iterator[Preceded]:
        for one in self.outcomes.events:
            if one.profile == profile and one.knowledge == _NEW:
                yield one


def report_of(
    run: Run, unknown: Sequence[Unknown] = (), reviewed: Reviewed | None = None
) -> Report:
    """Returns the figures of a run."""
    least = run.settings.min_cell
    return Report(
        run=run,
        cells=tuple(cells_of(run)),
        outcomes=read_outcomes(run.counts.outcomes),
        unknown=tuple(one for one in unknown if one.times >= least),
        unknown_rare=Counter(one.kind for one in unknown if one.times < least),
        reviewed=reviewed,
        left_out=tuple(_left_out(run)),
    )


def _left_out(run: Run) -> Iterator[LeftOut]:
    """Yields what of the record was not used or only in part: sodium results first."""
    totals, tell = run.totals, Tell(run.settings.min_cell)
    lines = (
        ("broken", totals.broken),
        ("duplicate", totals.duplicate),
        ("ownerless", totals.ownerless),
        ("undated", totals.undated),
        ("unknown", totals.unknown),
    )
    odd = [*_odd_results(run, REJECTED, tell)]
    if totals.maybe_sodium:
        number = tell.number(totals.maybe_sodium)
        odd.append(LeftOut(what=REJECTED, detail="maybe-sodium", number=number))
    yield from sorted(odd, key=lambda one: (-(one.number or 0), one.detail))
    yield from _odd_results(run, SHAPE, tell)
    for why, number in sorted(run.counts.gated.items()):
        yield LeftOut(what="gated", detail=why, number=tell.number(number))
    for what, number in lines:
        if number:
            yield LeftOut(what=what, number=tell.number(number))


def _odd_results(run: Run, what: str, tell: Tell) -> Iterator[LeftOut]:
    """Yields the sodium results of one kind of keys of the outcomes."""
    counts = run.counts.outcomes
    for key, number in sorted(counts.items()):
        if key.startswith(f"{what}|") and not key.endswith(PEOPLE):
            told = tell.number(number, counts.get(f"{key}{PEOPLE}"))
            detail = key.removeprefix(f"{what}|")
            yield LeftOut(what=what, detail=detail, number=told, few=told is None)


def bases_of(run: Run) -> list[Base]:
    """Returns what cards can be counted against, and why the run cannot say some of it."""
    totals, counts = run.totals, run.counts
    moments, tell = totals.moments, Tell(run.settings.min_cell)
    opens = "give --moments openings.csv"
    days = len(counts.users)
    return [
        Base(name="patients", number=tell.number(totals.patients)),
        Base(name="patients with a dated sodium", number=tell.number(totals.with_sodium)),
        _of_kind("sodium results", "result", moments, "give --moments results", tell),
        _of_kind("admissions", "admission", moments, "give --moments admissions", tell),
        _of_kind("discharges", "discharge", moments, "give --moments discharges", tell),
        _of_kind("orders that a rule is about", "order", moments, "give --moments orders", tell),
        _of_kind(SIGNED_TOGETHER, "signing", moments, "give --moments orders", tell),
        _of_kind("chart opens", "open", moments, opens, tell),
        Base(name="all moments", number=tell.number(sum(moments.values()))),
        Base(
            name="clinician days",
            number=days,
            dimension="kind",
            cell="open",
            missing="" if days else f"{opens}, with the column user",
        ),
        Base(
            name="hospital stays",
            number=tell.number(totals.admissions),
            dimension="setting",
            cell="inpatient",
            missing="" if totals.admissions else "the export has none",
        ),
    ]


def _of_kind(name: str, kind: str, moments: Mapping[str, int], missing: str, tell: Tell) -> Base:
    number = moments.get(kind, 0)
    return Base(
        name=name,
        number=tell.number(number),
        dimension="kind",
        cell=kind,
        missing="" if number or (kind == "signing" and moments.get("order")) else missing,
    )


# ---- a table of numbers

COLUMNS = (
    "profile", "knowledge", "table", "name", "indicator", "what", "number", "of", "per 100",
)  # fmt: skip

# "<10", "<10 patients" or "hidden" if it is not told; None if nothing was counted
Number = int | str | None
Line = tuple[str, str, str, str, str, str, Number, Number]


def figures_csv(report: Report) -> str:
    """Returns every figure of the page, one on each line; one that is not told says why."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for line in _lines(report):
        *names, number, whole = line
        share = ""
        if isinstance(number, int) and isinstance(whole, int) and whole:
            share = f"{_HUNDRED * number / whole:.2f}"
        writer.writerow((*names, number, "" if whole is None else whole, share))
    return text.getvalue()


def _lines(report: Report) -> Iterator[Line]:
    for cell in report.cells:
        yield from _cell_lines(report, cell)
    for profile in report.profiles:
        yield from _burden_lines(report, profile)
        for rule in report.rule_outcomes(profile):
            yield from _outcome_lines(report, rule)
        for event in (*report.events(profile), *_by_rule(report, profile)):
            yield from _event_lines(report, event)
    for left in report.left_out:
        number = _or_small(report, left.number, few=left.few)
        yield ("", "", "left out", left.what, left.detail, "times", number, None)
    yield from _guess_lines(report)
    for one in report.unknown:
        name = f"{one.kind} {one.code or one.name}"
        yield ("", "", "not understood", name, "", "times", one.times, None)


def _cell_lines(report: Report, cell: Cell) -> Iterator[Line]:
    head = (cell.profile, cell.knowledge, cell.dimension, cell.name, cell.indicator)
    tell = report.tell
    whys = (tell.few, tell.small) if cell.small else (HIDDEN, HIDDEN)
    cards, patients = (
        why if n is None else n for why, n in zip(whys, (cell.cards, cell.patients), strict=True)
    )
    if _is_like_the_new(report, cell):
        cards = patients = ALIKE
    yield (*head, "cards", cards, _or_small(report, cell.moments))
    yield (*head, "patients", patients, _or_small(report, report.run.totals.patients))
    if cell.held != 0:
        yield (*head, "cards kept back", _or_small(report, cell.held, few=True), None)


def _is_like_the_new(report: Report, cell: Cell) -> bool:
    """Whether the same cell of the new knowledge would tell a few cards by the difference."""
    if cell.knowledge == _NEW or cell.cards is None:
        return False
    new = report.cell(cell.profile, cell.dimension, cell.name, cell.indicator)
    numbers = new.cards if new is not None else 0, new.patients if new is not None else 0
    both = zip(numbers, (cell.cards, cell.patients), strict=True)
    return any(report.tell.is_small(abs((one or 0) - (other or 0))) for one, other in both)


def _or_small(
    report: Report, number: int | None, people: int | None = None, *, few: bool = False
) -> int | str:
    """Returns a number, or how one is written that is too small, or about few patients."""
    told = report.tell.number(number, people) if number is not None else None
    if told is not None:
        return told
    return report.tell.few if few or people is not None else report.tell.small


def _guess_lines(report: Report) -> Iterator[Line]:
    totals = report.run.totals
    whole = sum(totals.possible.values())
    for guess in GUESSES:
        number = totals.guessed.get(guess, 0)
        told: Number = number if is_guess_told(report, number) else HIDDEN
        yield ("", "", "guessed", guess, "", "moments", told, _or_small(report, whole))


def is_guess_told(report: Report, number: int) -> bool:
    """Whether it may be told in which share of the moments something was guessed."""
    return not number or report.tell.is_part_told(number, sum(report.run.totals.possible.values()))


def _burden_lines(report: Report, profile: str) -> Iterator[Line]:
    for base in bases_of(report.run):
        if not base.missing:
            cards = report.cards(profile, base)
            told = HIDDEN if cards is None else cards
            number = report.tell.small if base.number is None else base.number
            yield (profile, _NEW, "burden", base.name, "", "cards", told, number)


def _by_rule(report: Report, profile: str) -> Iterable[Preceded]:
    for event in report.events(profile):
        yield from report.preceded_by(profile, event.kind)


def _outcome_lines(report: Report, rule: RuleOutcome) -> Iterator[Line]:
    head = (rule.profile, rule.knowledge, "outcome", rule.rule, "")
    whole = rule.first + rule.repeats
    apart = report.tell.is_part_told(rule.repeats, whole, rule.repeats_people)
    yield (*head, "first cards", rule.first if apart else HIDDEN, None)
    yield (*head, "repeats", rule.repeats if apart else HIDDEN, None)
    for window in rule.windows:
        for what in HAPPENED:
            one = happened(window, what)
            name = f"{what} within {window.hours} h"
            if one.is_told(report.tell):
                yield (*head, name, one.number, one.whole)
            else:
                yield (*head, name, HIDDEN, _or_small(report, one.whole, window.people))


class Happened(Struct, frozen=True, kw_only=True):
    """After how many first cards something happened, and of how many it could."""

    number: int
    whole: int
    people: int  # the patients of the cards after which it happened

    def is_told(self, tell: Tell) -> bool:
        """Whether neither the cards after which it happened nor the others are too few."""
        return tell.is_part_told(self.number, self.whole, self.people)


def happened(window: Followed | None, what: str) -> Happened:
    """Returns after how many first cards something happened, and of how many it could."""
    if window is None:
        return Happened(number=0, whole=0, people=0)
    whole = window.happened.get("named", 0) if what == "stopped" else window.cards
    people = window.happened.get(f"{what}{PEOPLE}", 0)
    return Happened(number=window.happened.get(what, 0), whole=whole, people=people)


def _event_lines(report: Report, event: Preceded) -> Iterator[Line]:
    head = (event.profile, event.knowledge, event.kind, event.rule, "")
    told: Number = event.preceded if is_preceded_told(event, report.tell) else HIDDEN
    events = _or_small(report, event.events, event.events_people)
    yield (*head, "preceded by a card", told, events)


def is_preceded_told(event: Preceded, tell: Tell) -> bool:
    """Whether it may be told how many of these events a card preceded, and how many none."""
    few = tell.is_small(event.events_people)
    return not few and tell.is_part_told(event.preceded, event.events, event.preceded_people)
