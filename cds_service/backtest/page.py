"""The report of a run as one HTML page, which loads nothing, prints on A4, and names no patient."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from msgspec import Struct

from cds_service.backtest.cells import Cell, Dimension
from cds_service.backtest.figures import (
    Base,
    Changed,
    LeftOut,
    Report,
    bases_of,
    happened,
    is_guess_told,
    is_preceded_told,
)
from cds_service.backtest.notes import loud_lines
from cds_service.backtest.outcome import (
    REJECTED,
    SHAPE,
    UNDATED,
    Followed,
    Preceded,
    RuleOutcome,
)
from cds_service.backtest.reviewed import AGREEMENTS, USES, Reviewed, Share
from cds_service.backtest.rows import AGE_BANDS, GUESSES, INDICATORS, NO_AGE, Guess
from cds_service.backtest.tell import HIDDEN
from cds_service.backtest.unknown import UnknownKind
from cds_service.feedback.plots import Bar, Line, Part, bars, trend
from cds_service.knowledge.load import Knowledge

_HUNDRED = 100
_DAYS_OF_A_MONTH = 30.4
_MOST_RULES = 16  # in a plot; the table has all
_MOST_UNKNOWN = 40  # in the table; the file has all
_STYLES = ("blue", "other", "yes", "no")
HAPPENED_WORDS: Mapping[str, str] = {
    "repeated": "sodium repeated",
    "over": "rose over the limit",
    "fell": "fell below {fall}",
    "stopped": "named drug stopped",
    "restricted": "fluid restricted",
    "saline": "saline ordered (0.9 % or stronger)",
    "died": "died",
    "transferred": "transferred",
}
EVENT_WORDS: Mapping[str, str] = {
    "over-correction": "Sodium rose faster than the limit",
    "fall": "Sodium fell below {fall} mmol/L",
    "low-at-discharge": "Left hospital with a sodium {low} mmol/L",
}
UNREAD_WORDS: Mapping[str, str] = {
    "sodium": "a sodium was there and could not be used",
    "medications": "the current medicines could not be read",
    "conditions": "the problem list could not be read",
    "order": "the order could not be read",
    "unidentified": "the drug of the order has no code and no name that means anything here",
    "orders": "there was no order",
}
PROFILE_WORDS: Mapping[str, str] = {
    "aasld": "the US profile, after the guidance of the AASLD of 2021",
    "european": "after the European guideline of 2014",
}
# Of a sodium result that no rule saw or used.
REJECTED_WORDS: Mapping[str, str] = {
    UNDATED: "without any time, so that no moment sees it",
    "maybe-sodium": "its code is not known (below)",
    "status": "withdrawn, or without a value yet",
    "no-value": "the sample gave no result",
    "hemolyzed": "the sample gave no result (hemolyzed)",
}
SHAPE_WORDS: Mapping[str, str] = {
    "unitless": "without a unit: a plausible number is taken as mmol/L",
    "text": "as text: used if it is a number",
}
LEFT_OUT_WORDS: Mapping[str, str] = {
    "broken": "lines that are no resource",
    "duplicate": "resources that came twice",
    "ownerless": "resources that name no patient",
    "undated": "results of other tests without any time, which no moment sees",
    "unknown": "Observations of other tests, at which no rule looks",
}
UNKNOWN_WORDS: Mapping[UnknownKind, str] = {
    "sodium": (
        "Results that no rule sees. Ask the laboratory whether the code is sodium of blood; if so, "
        "take the # of its line in local-codes.csv away."
    ),
    "unit": (
        "Results that are not used. Ask the laboratory: a wrong unit is mended there, and there is "
        "no setting for it."
    ),
    "drug": (
        "Ask the pharmacy for the ingredient, and write it into the line of the code in "
        "local-codes.csv. A drug without a code has no line there, and one that is no ingredient "
        "of hooks/knowledge/sodium-drugs.toml needs none."
    ),
    "problem": (
        "They count as missing. Write the problem that a code means into its line in "
        "local-codes.csv (a name of hooks/knowledge/conditions.toml; one that is not there needs "
        "no line), or let the FHIR server give ICD-10, SNOMED CT or ICD-9-CM beside it."
    ),
}
GUESSED_WORDS: Mapping[Guess, str] = {
    "known-since": "when a result was known: no time of issue beside its draw, or that of a load",
    "order-status": "whether an order was still current: the export does not say when it ended",
    "condition-date": "when a problem was noted: no recordedDate",
    "encounter": "when an encounter ended: no end of its period",
}


class Table(Struct, frozen=True, kw_only=True):
    """A table; the first column is of names, the others of numbers."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    about: Mapping[str, str] = {}  # in words, what a name in the first column is

    @property
    def names(self) -> tuple[str, ...]:
        """The first column."""
        return tuple(row[0] for row in self.rows)


class Profile(Struct, frozen=True, kw_only=True):
    """What the page says of one profile."""

    name: str
    about: str
    tiles: tuple[tuple[str, str], ...]
    noisiest: tuple[tuple[str, str, str], ...]  # rule, what it is about, how many
    by_rule: Markup
    rules: Table
    burden: Table
    by_setting: Markup
    by_age: Markup
    outcomes: tuple[Table, ...]
    events: Table
    foretold: tuple[tuple[str, Table], ...]
    changed: Table | None


def report_page(report: Report, knowledge: Knowledge) -> str:
    """Returns the whole page."""
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True
    )
    run, words = report.run, _Words(report, knowledge)
    return templates.get_template("report.html").render(
        settings=run.settings,
        totals=run.totals,
        shown=lambda number: report.tell.shown(report.tell.number(number)),
        min_cell=run.settings.min_cell,
        period=_period(report),
        profiles=[words.profile(name) for name in report.profiles],
        months=_months(report),
        month_styles=list(zip(report.profiles, _STYLES, strict=False)),
        indicators=INDICATORS,
        fall=words.fall,
        reviewed=_reviewed(report.reviewed, run.settings.min_cell),
        unknown=_unknown(report),
        unknown_more=max(0, len(report.unknown) - _MOST_UNKNOWN),
        unknown_words=[(kind, UNKNOWN_WORDS[kind]) for kind in _kinds(report)],
        unknown_rare=list(report.unknown_rare.items()),
        trust=_trust(report, knowledge),
        few=report.tell.few,
        guessed=[(GUESSED_WORDS[g], _guessed(report, g)) for g in GUESSES],
        possible=sum(run.totals.possible.values()),
        compared=words.compared() if len(report.profiles) > 1 else None,
        purposes=words.purposes(),
        unread=_unread(report),
        signed=knowledge.reviews.complete,
        days=knowledge.history.numbers,
        loud=loud_lines(run.totals, run.settings),
        compares=report.compares,
    )


class _Words(Struct, frozen=True):
    """Puts the figures of a profile into words and plots."""

    report: Report
    knowledge: Knowledge

    @property
    def fall(self) -> str:
        """The sodium below which a fall counts."""
        return f"{self.knowledge.history.numbers.fall_below.value.normalize():f}"

    @property
    def _windows(self) -> list[int]:
        """How many hours after a card it is looked at what happened."""
        return self.knowledge.history.windows.hours

    def profile(self, name: str) -> Profile:
        """Returns everything about a profile."""
        report = self.report
        return Profile(
            name=name,
            about=self._about_profile(name),
            tiles=tuple(self._tiles(name)),
            noisiest=tuple(self._noisy(cell) for cell in report.noisiest(name)),
            by_rule=self._by_rule(name),
            rules=self._rules(name),
            burden=self._burden(name),
            by_setting=self._by(name, "setting", ("inpatient", "outpatient")),
            by_age=self._by(name, "age", [*(band for band, _ in AGE_BANDS), NO_AGE]),
            outcomes=tuple(self._outcomes(name, hours) for hours in self._windows),
            events=self._events(name),
            foretold=tuple(self._foretold(name)),
            changed=self._changed(name) if report.compares else None,
        )

    def about(self, rule: str) -> str:
        """Returns in words what a rule is about."""
        words = self.knowledge.rules.get(rule)
        return self.knowledge.topics[words.topic] if words is not None else ""

    def purpose(self, rule: str) -> str:
        """Returns the first sentence of when a rule speaks; hooks/ has the whole."""
        words = self.knowledge.rules.get(rule)
        return f"{words.when.partition('. ')[0].rstrip('.')}." if words is not None else ""

    def purposes(self) -> list[tuple[str, str, str]]:
        """Returns every rule that had a card: what it is about, and when it speaks."""
        rules = {c.name for name in self.report.profiles for c in self.report.table(name, "rule")}
        return [(rule, self.about(rule), self.purpose(rule)) for rule in sorted(rules)]

    def _about_profile(self, profile: str) -> str:
        """Returns what a profile follows, and where its bands begin."""
        limits = self.knowledge.limits[profile]
        low, moderate, severe = (
            f"{one.normalize():f}"
            for one in (limits.mild_below, limits.moderate_below, limits.severe_below)
        )
        edge = f"if {low} mmol/L or less" if limits.mild_includes else f"below {low} mmol/L"
        words = PROFILE_WORDS.get(profile, "")
        return (
            f"{words[:1].upper()}{words[1:]}: sodium is low {edge}, moderately below "
            f"{moderate}, severely below {severe}."
        )

    def compared(self) -> Table:
        """Returns the profiles beside one another, and how far the last is from the first."""
        report, patients = self.report, self.report.run.totals.patients
        base = Base(name="patients", number=report.tell.number(patients))
        lines: list[tuple[str, list[float | None]]] = []
        for name, about in (("Cards", ""), *((f"{i.capitalize()} cards", i) for i in INDICATORS)):
            cells = [report.cell(profile, indicator=about) for profile in report.profiles]
            lines.append((name, [_plain_rate(c.cards if c else 0, base.number) for c in cells]))
        people = [report.cell(profile) for profile in report.profiles]
        shares = [_plain_rate(c.patients if c else 0, base.number) for c in people]
        lines.insert(0, ("Patients with a card", shares))
        for rule in self._rules_of_all():
            found = [report.cell(profile, "rule", rule) for profile in report.profiles]
            rates = [_plain_rate(c.cards if c else 0, base.number) for c in found]
            lines.append((rule, rates))
        return Table(
            columns=("For each 100 patients", *report.profiles, "Difference"),
            rows=tuple((name, *map(_rate_words, v), _apart(v)) for name, v in lines),
            about={rule: self.about(rule) for rule in self._rules_of_all()},
        )

    def _rules_of_all(self) -> list[str]:
        """Returns the rules that are among the noisiest of any profile."""
        report = self.report
        found = [cell.name for name in report.profiles for cell in report.noisiest(name)]
        return list(dict.fromkeys(found))

    def _tiles(self, profile: str) -> Iterable[tuple[str, str]]:
        report, totals = self.report, self.report.run.totals
        whole = report.cell(profile)
        of = f"of 100 patients (of all {totals.patients:,}) get"
        yield _rate(whole.patients if whole else 0, totals.patients), f"{of} a card"
        yield _rate(whole.cards if whole else 0, totals.patients), "cards for each 100 patients"
        base = next((one for one in bases_of(report.run)[2:] if not one.missing), None)
        if base is not None:
            cards = report.cards(profile, base)
            yield _rate(cards, base.number), f"cards for each 100 {base.name}"
        if whole is not None and whole.cards is not None:
            yield _a_day(whole.cards, report), "cards a day, all moments of this run together"
        inpatient = report.cell(profile, "setting", "inpatient")
        if inpatient is not None and totals.admissions:
            stays = report.tell.number(totals.admissions)
            of = f"of all {report.tell.shown(stays)} hospital stays"
            yield _rate(inpatient.cards, stays), f"cards in hospital for each 100 {of}"
        for indicator in INDICATORS[:2]:
            cell = report.cell(profile, indicator=indicator)
            about = cell.patients if cell else 0
            yield _rate(about, totals.patients), f"of 100 patients get a {indicator} one"
        yield from self._tiles_of_repeats(profile)

    def _tiles_of_repeats(self, profile: str) -> Iterable[tuple[str, str]]:
        rules = self.report.rule_outcomes(profile)
        first, again = sum(r.first for r in rules), sum(r.repeats for r in rules)
        repeats = self._share(again, first + again, sum(r.repeats_people for r in rules))
        week = self.knowledge.history.numbers.again_days.value
        yield repeats, f"of the cards repeat one of the same rule within {week} days"
        soon = self._share(
            sum(r.soon for r in rules), first + again, sum(r.soon_people for r in rules)
        )
        hours = self.knowledge.history.numbers.soon_hours.value
        yield soon, f"repeat one within {hours} h"

    def _named(self, rule: str) -> str:
        """Returns a rule with what it is about."""
        return f"{rule} · {self.about(rule)}" if self.about(rule) else rule

    def _event_words(self, event: Preceded) -> str:
        limits = self.knowledge.limits[event.profile]
        edge = "of at most" if limits.mild_includes else "below"
        low = f"{edge} {limits.mild_below.normalize():f}"
        return EVENT_WORDS[event.kind].format(fall=self.fall, low=low)

    def _noisy(self, cell: Cell) -> tuple[str, str, str]:
        rate = _rate(cell.cards, self.report.run.totals.patients)
        about = f"{self.about(cell.name)}: {rate} cards for each 100 patients."
        return cell.name, about, self.purpose(cell.name)

    def _by_rule(self, profile: str) -> Markup:
        report = self.report
        rows = []
        for cell in report.noisiest(profile, _MOST_RULES):
            parts = self._parts(profile, "rule", cell)
            rate = _rate(cell.cards, report.run.totals.patients)
            rows.append(Bar(self._named(cell.name), parts, rate))
        return bars("Cards for each 100 patients, by rule", rows) if rows else Markup()

    def _parts(self, profile: str, dimension: Dimension, cell: Cell) -> tuple[Part, ...]:
        """Returns the cards of a bar by indicator; what is hidden is drawn as one part."""
        levels = self.report.levels(profile, dimension, cell.name)
        parts = [Part(name, one.cards, name) for name, one in levels if one.cards]
        told = sum(part.value for part in parts)
        rest = (cell.cards or 0) - told
        return (*parts, Part("not told apart", rest, "none")) if rest > 0 else tuple(parts)

    def _rules(self, profile: str) -> Table:
        report, totals = self.report, self.report.run.totals
        told = {rule.rule: rule for rule in report.rule_outcomes(profile)}
        cells = sorted(
            report.table(profile, "rule"), key=lambda c: (c.cards is None, -(c.cards or 0), c.name)
        )
        moments = sum(totals.moments.values())
        rows = []
        for cell in cells:
            rule = told.get(cell.name)
            levels = dict(report.levels(profile, "rule", cell.name))
            rows.append(
                (
                    cell.name,
                    self._cards(cell),
                    *(self._cards(levels[i]) if i in levels else "0" for i in INDICATORS),
                    self._patients(cell),
                    _rate(cell.cards, totals.patients),
                    _rate(cell.cards, moments),
                    *self._repeats(rule),
                    report.tell.few if cell.held is None else f"{cell.held:,}",
                )
            )
        return Table(
            columns=(
                "Rule", "Cards", "Critical", "Warning", "Info", "Patients", "per 100 patients",
                "per 100 moments", *self._repeat_columns, "Kept back",
            ),
            rows=tuple(rows),
            about={cell.name: self.about(cell.name) for cell in cells},
        )  # fmt: skip

    @property
    def _repeat_columns(self) -> tuple[str, str]:
        numbers = self.knowledge.history.numbers
        soon, again = numbers.soon_hours.value, numbers.again_days.value
        return f"Repeats in {soon} h", f"in {again} days"

    def _repeats(self, rule: RuleOutcome | None) -> tuple[str, str]:
        if rule is None:
            return HIDDEN, HIDDEN
        whole = rule.first + rule.repeats
        soon = self._share(rule.soon, whole, rule.soon_people)
        return soon, self._share(rule.repeats, whole, rule.repeats_people)

    def _cards(self, cell: Cell) -> str:
        """Returns the cards of a cell, or why they are not told."""
        if cell.hidden:
            return self.report.tell.few if cell.small else HIDDEN
        return f"{cell.cards:,}"

    def _patients(self, cell: Cell) -> str:
        """Returns the patients of a cell, or why they are not told."""
        return self.report.tell.shown(cell.patients, small=cell.small)

    def _burden(self, profile: str) -> Table:
        report = self.report
        return Table(
            columns=("For each 100", "Number", "Cards", "Cards per 100", "Critical or warning"),
            rows=tuple(self._burden_row(profile, base) for base in bases_of(report.run)),
            about={base.name: base.missing for base in bases_of(report.run) if base.missing},
        )

    def _burden_row(self, profile: str, base: Base) -> tuple[str, ...]:
        if base.missing:
            return base.name, "–", "–", "–", "–"
        report = self.report
        cards = report.cards(profile, base)
        loud = [report.cell(profile, base.dimension, base.cell, i) for i in INDICATORS[:2]]
        hidden = any(cell is not None and cell.hidden for cell in loud)
        number = None if hidden else sum(cell.cards or 0 for cell in loud if cell is not None)
        return (
            base.name,
            report.tell.shown(base.number),
            self._cards_of(profile, base),
            _rate(cards, base.number),
            _rate(number, base.number),
        )

    def _cards_of(self, profile: str, base: Base) -> str:
        cell = self.report.cell(profile, base.dimension, base.cell)
        return self._cards(cell) if cell is not None else "0"

    def _by(self, profile: str, dimension: Dimension, names: Sequence[str]) -> Markup:
        """Draws cards for each 100 moments of each setting or age."""
        rows = []
        for name in names:
            cell = self.report.cell(profile, dimension, name)
            if cell is None or not cell.moments:
                continue
            scale = _HUNDRED / cell.moments
            parts = tuple(
                Part(part.name, round(part.value * scale, 2), part.style)
                for part in self._parts(profile, dimension, cell)
            )
            rows.append(Bar(name, parts, _rate(cell.cards, cell.moments)))
        return bars(f"Cards for each 100 moments, by {dimension}", rows) if rows else Markup()

    # ---- outcomes

    def _outcomes(self, profile: str, hours: int) -> Table:
        rules = sorted(self.report.rule_outcomes(profile), key=lambda one: (-one.first, one.rule))
        rows = [self._outcome_row(one, hours) for one in rules]
        words = [text.format(fall=self.fall) for text in HAPPENED_WORDS.values()]
        return Table(
            columns=(f"Within {hours} h", "First cards", *words, "Lowest", "Highest"),
            rows=tuple(row for row in rows if row),
            about={rule.rule: self.about(rule.rule) for rule in rules},
        )

    def _outcome_row(self, rule: RuleOutcome, hours: int) -> tuple[str, ...]:
        window = next((one for one in rule.windows if one.hours == hours), None)
        if window is None or self.report.tell.is_small(window.people or window.cards):
            return ()
        shares = [self._happened(window, what) for what in HAPPENED_WORDS]
        repeated = happened(window, "repeated")
        few = self.report.tell.number(repeated.number, repeated.people) is None
        values = (HIDDEN, HIDDEN) if few else (_value(window.lowest), _value(window.highest))
        return (rule.rule, f"{window.cards:,}", *shares, *values)

    def _happened(self, window: Followed | None, what: str) -> str:
        one = happened(window, what)
        return self._share(one.number, one.whole, one.people)

    def _share(self, number: int, whole: int, people: int) -> str:
        """Returns a share; neither it nor what is left may be about a few patients."""
        if not whole:
            return "–"
        if not self.report.tell.is_part_told(number, whole, people):
            return HIDDEN
        return f"{_HUNDRED * number / whole:.1f}%"

    def _events(self, profile: str) -> Table:
        rows = [self._event_row(one) for one in self.report.events(profile)]
        return Table(
            columns=(
                "What happened", "How often", "A card came before", "No card before",
                "Median lead time",
            ),
            rows=tuple(rows),
        )  # fmt: skip

    def _event_row(self, event: Preceded) -> tuple[str, ...]:
        name, tell = self._event_words(event), self.report.tell
        events = tell.number(event.events, event.events_people)
        if events is None:
            return name, tell.few, HIDDEN, HIDDEN, HIDDEN
        told = is_preceded_told(event, tell)
        return (
            name,
            f"{events:,}",
            self._share(event.preceded, events, event.preceded_people),
            f"{event.missed:,}" if told else HIDDEN,
            _hours(event.lead_hours) if told else HIDDEN,
        )

    def _foretold(self, profile: str) -> Iterable[tuple[str, Table]]:
        """Yields for each kind of event the rules that came before it, and what they foretell."""
        followed = {"over-correction": "over", "fall": "fell"}
        for event in self.report.events(profile):
            if event.kind not in followed or self.report.tell.is_small(event.events_people):
                continue
            rules = {rule.rule: rule for rule in self.report.rule_outcomes(profile)}
            rows = [
                self._foretold_row(one, rules[one.rule], followed[event.kind])
                for one in self.report.preceded_by(profile, event.kind)
                if one.rule in rules
            ]
            if rows:
                yield self._event_words(event), Table(
                    columns=(
                        "Rule", "Came before it", "Median lead time",
                        *(f"First cards followed by it within {h} h" for h in self._windows),
                    ),
                    rows=tuple(rows),
                    about={row[0]: self.about(row[0]) for row in rows},
                )  # fmt: skip

    def _foretold_row(self, one: Preceded, rule: RuleOutcome, what: str) -> tuple[str, ...]:
        windows = {window.hours: window for window in rule.windows}
        shares = [self._happened(windows.get(hours), what) for hours in self._windows]
        lead = _hours(one.lead_hours) if is_preceded_told(one, self.report.tell) else HIDDEN
        before = self._share(one.preceded, one.events, one.preceded_people)
        return (one.rule, before, lead, *shares)

    # ---- another version of the knowledge

    def _changed(self, profile: str) -> Table:
        changed = self.report.changed(profile)
        return Table(
            columns=("Rule", "Cards before", "Cards now", "Difference"),
            rows=tuple(self._changed_row(one) for one in changed),
            about={one.rule: self.about(one.rule) for one in changed},
        )

    def _changed_row(self, one: Changed) -> tuple[str, ...]:
        difference, tell = one.difference, self.report.tell
        if one.alike:
            return one.rule, HIDDEN, tell.shown(one.new), tell.few
        shown = "–" if difference is None else f"{difference:+,}" if difference else "0"
        return one.rule, *(tell.shown(n, small=False) for n in (one.old, one.new)), shown


# ---- the parts that are the same for all profiles


def _period(report: Report) -> str:
    months = sorted({stratum.month for stratum in report.run.strata})
    if not months:
        return "no moment"
    return months[0] if len(months) == 1 else f"{months[0]} to {months[-1]}"


def _months(report: Report) -> Markup:
    """Draws cards for each 100 moments by month, a line for each profile."""
    names = sorted({stratum.month for stratum in report.run.strata})
    lines = []
    for profile, style in zip(report.profiles, _STYLES, strict=False):
        cells = {cell.name: cell for cell in report.table(profile, "month")}
        values = [_plotted(cells.get(name)) for name in names]
        lines.append(Line(profile, tuple(values), style))
    has_values = any(value is not None for line in lines for value in line.values)
    if len(names) <= 1 or not has_values:
        return Markup()
    return trend("Cards for each 100 moments, by month", names, lines, each="in")


def _plotted(cell: Cell | None) -> float | None:
    rate = cell.per_100(cell.moments) if cell is not None else None
    return round(rate, 1) if rate is not None else None


def _reviewed(found: Reviewed | None, min_cell: int) -> dict[str, Any] | None:
    if found is None:
        return None
    agreements = [
        (words, found.agreements.get(name, 0)) for name, words in AGREEMENTS.items() if name
    ]
    uses = [(words, found.uses.get(name, 0)) for name, words in USES.items() if name]
    styles = ("yes", "no", "none"), ("yes", "blue", "none", "no")
    drawn = [
        bars(title, [_answer_bar(words, n, s) for (words, n), s in zip(rows, style, strict=True)])
        for title, rows, style in (
            ("Was the card right? Answers of all reviewers", agreements, styles[0]),
            ("What use would it have been? Answers of all reviewers", uses, styles[1]),
        )
    ]
    by_rule = [
        (rule, _interval(share)) for rule, share in found.by_rule.items() if share.whole >= min_cell
    ]
    return {
        "found": found,
        "agreed": _interval(found.agreed),
        "useful": _interval(found.useful),
        "plots": drawn,
        "by_rule": by_rule,
        "kappa": f"{found.kappa:.2f}" if found.kappa is not None else "",
    }


def _answer_bar(words: str, number: int, style: str) -> Bar:
    return Bar(words, (Part("answers", number, style),))


def _interval(share: Share) -> str:
    if not share.whole:
        return "no answer"
    low, high = share.interval
    cards = f"{share.number:.1f}".removesuffix(".0")
    of = f"{cards} of {share.whole} {'card' if share.whole == 1 else 'cards'}"
    return f"{of}, {share.percent:.0f}% (95 % interval {low:.0f} to {high:.0f}%)"


def _unknown(report: Report) -> list[tuple[str, str, str, str, str]]:
    return [
        (one.kind, one.name or "–", one.code or "–", one.system or "–", f"{one.times:,}")
        for one in report.unknown[:_MOST_UNKNOWN]
    ]


def _kinds(report: Report) -> list[UnknownKind]:
    """Returns the kinds of what was not understood, in the order of the table."""
    rare = [kind for kind in UNKNOWN_WORDS if kind in report.unknown_rare]
    return list(dict.fromkeys((*(one.kind for one in report.unknown), *rare)))


def _trust(report: Report, knowledge: Knowledge) -> list[tuple[str, str]]:
    """Returns what a reader must know before relying on a figure: what, and how often."""
    tell = report.tell
    return [
        (_left_out_words(one, knowledge), tell.few if one.few else tell.shown(one.number))
        for one in report.left_out
    ]


def _left_out_words(one: LeftOut, knowledge: Knowledge) -> str:
    if one.what == REJECTED:
        told = knowledge.words.unused.get(one.detail, one.detail)
        told = told.removeprefix("A sodium result was not used: ").rstrip(".")
        return f"sodium results not used: {REJECTED_WORDS.get(one.detail, told)}"
    if one.what == SHAPE:
        return f"sodium results {SHAPE_WORDS[one.detail]}"
    if one.what == "gated":
        why = knowledge.words.silence.get(one.detail, one.detail)
        return f"moments without cards under any profile: {why}"
    return LEFT_OUT_WORDS[one.what]


def _unread(report: Report) -> Table | None:
    """Returns the moments with an error in place of a card, by profile."""
    names = {cell.name for name in report.profiles for cell in report.table(name, "unread")}
    rows = []
    for name in sorted(names):
        cells = [report.cell(profile, "unread", name) for profile in report.profiles]
        told = ["0" if c is None else report.tell.shown(c.cards, small=c.small) for c in cells]
        rows.append((UNREAD_WORDS.get(name, name), *told))
    columns = ("Moments with an error (412)", *report.profiles)
    return Table(columns=columns, rows=tuple(rows)) if rows else None


# ---- numbers as words


def _a_day(cards: int, report: Report) -> str:
    """Returns the cards for each day from the first month with a moment to the last one."""
    months = sorted({stratum.month for stratum in report.run.strata})
    if not months:
        return "–"
    first, last = (int(m[:4]) * 12 + int(m[5:]) for m in (months[0], months[-1]))
    days = (last - first + 1) * _DAYS_OF_A_MONTH
    return _rate(cards, round(days * _HUNDRED))


def _rate(number: int | None, whole: int | None) -> str:
    if number is None or whole is None:
        return HIDDEN
    if not whole:
        return "–"
    return _rate_words(_HUNDRED * number / whole)


def _plain_rate(number: int | None, whole: int | None) -> float | None:
    return None if number is None or not whole else _HUNDRED * number / whole


def _rate_words(rate: float | None) -> str:
    if rate is None:
        return HIDDEN
    return f"{rate:.1f}" if rate >= 1 or not rate else f"{rate:.2f}"


def _apart(rates: Sequence[float | None]) -> str:
    """Returns how much more the last of these is than the first."""
    first, last = rates[0], rates[-1]
    if first is None or last is None:
        return HIDDEN
    return f"{last - first:+.1f}".replace("+0.0", "0.0").replace("-0.0", "0.0")


def _guessed(report: Report, guess: Guess) -> str:
    """Returns in which share of the moments something was guessed, if neither side is small."""
    totals = report.run.totals
    if not is_guess_told(report, totals.guessed.get(guess, 0)):
        return HIDDEN
    return f"{_HUNDRED * totals.guessed_share(guess):.1f}%"


def _value(number: float | None) -> str:
    return f"{number:.1f}".removesuffix(".0") if number is not None else "–"


def _hours(number: float | None) -> str:
    return f"{number:.0f} h" if number is not None else "–"
