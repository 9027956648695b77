"""Everything that the report of a run says, before its layout and as a table of numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct, field

from cds_service.backtest.cells import Cell, Dimension, cells_of
from cds_service.backtest.outcome import (
    ANY,
    REJECTED,
    Followed,
    Outcomes,
    Preceded,
    RuleOutcome,
    read_outcomes,
)
from cds_service.backtest.reviewed import Reviewed
from cds_service.backtest.rows import Run
from cds_service.backtest.unknown import Unknown

HAPPENED = ("repeated", "over", "fell", "stopped", "restricted", "saline", "died", "transferred")
_HUNDRED = 100
_NEW, _OLD = "new", "old"


class Base(Struct, frozen=True, kw_only=True):
    """Something that cards are counted against."""

    name: str
    number: int
    dimension: Dimension = "all"  # which cards are counted against it
    cell: str = ""
    missing: str = ""  # why the run cannot say it


class Changed(Struct, frozen=True, kw_only=True):
    """The cards of one rule with the old and with the new knowledge."""

    rule: str
    old: int | None
    new: int | None

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
    reviewed: Reviewed | None = None
    rejected: Mapping[str, int] = field(default_factory=dict)  # results that rules cannot use

    @property
    def profiles(self) -> tuple[str, ...]:
        """The profiles that were judged."""
        return self.run.settings.profiles

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

    def noisiest(self, profile: str, most: int = 3) -> list[Cell]:
        """Returns the rules with the most cards."""
        told = [cell for cell in self.table(profile, "rule") if cell.cards]
        return sorted(told, key=lambda cell: -(cell.cards or 0))[:most]

    def changed(self, profile: str) -> list[Changed]:
        """Returns what another version of the knowledge changes, the largest change first."""
        new = {cell.name: cell.cards for cell in self.table(profile, "rule")}
        old = {cell.name: cell.cards for cell in self.table(profile, "rule", knowledge=_OLD)}
        both = [
            Changed(rule=rule, old=old.get(rule, 0), new=new.get(rule, 0))
            for rule in sorted(new.keys() | old.keys())
        ]
        return sorted(both, key=lambda one: (-abs(one.difference or 0), one.rule))

    def rule_outcomes(self, profile: str) -> list[RuleOutcome]:
        """Returns the outcomes of the rules, without those about too few patients."""
        least = self.run.settings.min_cell
        return [
            rule
            for rule in self.outcomes.rules
            if rule.profile == profile and rule.knowledge == _NEW and rule.patients >= least
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

    def small(self, number: int) -> bool:
        """Whether a number may be about too few patients to be told."""
        return 0 < number < self.run.settings.min_cell


def report_of(
    run: Run, unknown: Sequence[Unknown] = (), reviewed: Reviewed | None = None
) -> Report:
    """Returns the figures of a run."""
    counts = run.counts.outcomes
    head = f"{REJECTED}|"
    rejected = {
        key.removeprefix(head): number for key, number in counts.items() if key.startswith(head)
    }
    least = run.settings.min_cell
    return Report(
        run=run,
        cells=tuple(cells_of(run)),
        outcomes=read_outcomes(counts),
        unknown=tuple(one for one in unknown if one.times >= least),
        reviewed=reviewed,
        rejected=rejected,
    )


def bases_of(run: Run) -> list[Base]:
    """Returns what cards can be counted against, and why the run cannot say some of it."""
    totals, counts = run.totals, run.counts
    moments = totals.moments
    opens = "give --moments openings.csv"
    days = len(counts.users)
    return [
        Base(name="patients", number=totals.patients),
        Base(name="patients with a sodium", number=totals.with_sodium),
        _of_kind("sodium results", "result", moments, "give --moments results"),
        _of_kind("admissions", "admission", moments, "give --moments admissions"),
        _of_kind("discharges", "discharge", moments, "give --moments discharges"),
        _of_kind("orders that a rule is about", "order", moments, "give --moments orders"),
        _of_kind("chart opens", "open", moments, opens),
        Base(
            name="clinician days",
            number=days,
            dimension="kind",
            cell="open",
            missing="" if days else f"{opens}, with the column user",
        ),
    ]


def _of_kind(name: str, kind: str, moments: Mapping[str, int], missing: str) -> Base:
    number = moments.get(kind, 0)
    return Base(
        name=name, number=number, dimension="kind", cell=kind, missing="" if number else missing
    )


# ---- a table of numbers

COLUMNS = (
    "profile", "knowledge", "table", "name", "indicator", "what", "number", "of", "per 100",
)  # fmt: skip
Line = tuple[str, str, str, str, str, str, int | None, int | None]


def figures_csv(report: Report) -> str:
    """Returns every figure of the page, one on each line; a hidden one says how small it is."""
    hidden = f"<{report.run.settings.min_cell}"
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for line in _lines(report):
        *names, number, whole = line
        share = "" if number is None or not whole else f"{_HUNDRED * number / whole:.2f}"
        told = hidden if number is None else number
        writer.writerow((*names, told, "" if whole is None else whole, share))
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
    for one in report.unknown:
        name = f"{one.kind} {one.code or one.name}"
        yield ("", "", "not understood", name, "", "times", one.times, None)


def _cell_lines(report: Report, cell: Cell) -> Iterator[Line]:
    head = (cell.profile, cell.knowledge, cell.dimension, cell.name, cell.indicator)
    yield (*head, "cards", cell.cards, cell.moments)
    yield (*head, "patients", cell.patients, report.run.totals.patients)
    if cell.held:
        yield (*head, "cards kept back", None if report.small(cell.held) else cell.held, None)


def _burden_lines(report: Report, profile: str) -> Iterator[Line]:
    for base in bases_of(report.run):
        if not base.missing:
            cards = report.cards(profile, base)
            yield (profile, _NEW, "burden", base.name, "", "cards", cards, base.number)


def _by_rule(report: Report, profile: str) -> Iterable[Preceded]:
    for event in report.events(profile):
        yield from report.preceded_by(profile, event.kind)


def _outcome_lines(report: Report, rule: RuleOutcome) -> Iterator[Line]:
    head = (rule.profile, rule.knowledge, "outcome", rule.rule, "")
    yield (*head, "first cards", rule.first, None)
    yield (*head, "repeats", None if report.small(rule.repeats) else rule.repeats, None)
    for window in rule.windows:
        for what in HAPPENED:
            number, whole = happened(window, what)
            few = report.small(number) or report.small(whole)
            told = (None, None) if few else (number, whole)
            yield (*head, f"{what} within {window.hours} h", *told)


def happened(window: Followed, what: str) -> tuple[int, int]:
    """Returns after how many first cards something happened, and of how many it could."""
    whole = window.happened.get("named", 0) if what == "stopped" else window.cards
    return window.happened.get(what, 0), whole


def _event_lines(report: Report, event: Preceded) -> Iterator[Line]:
    head = (event.profile, event.knowledge, event.kind, event.rule, "")
    hide = report.small(event.preceded) or report.small(event.events)
    told = None if report.small(event.events) else event.events
    yield (*head, "preceded by a card", None if hide else event.preceded, told)
