"""Shows the figures as one HTML page, which prints well and holds no patient data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from cds_service.feedback.arms import Arms
from cds_service.feedback.figures import Figures, RuleFigures, Usage, Week
from cds_service.feedback.plots import Bar, Interval, Line, Part, bars, intervals, trend
from cds_service.feedback.report_table import (
    ARM_COLUMNS,
    ARM_NOTES,
    CHOSEN_COLUMNS,
    CLIENT_COLUMNS,
    COLUMNS,
    INDICATORS,
    NOTES,
    REASONS,
    accepted_of_answered,
    arm_rows,
    chosen_rows,
    client_cells,
    duration,
    knowledge_words,
    percent,
    row_cells,
)

_OUTCOMES = (
    ("accepted", "yes"),
    ("order kept", "kept"),
    ("overridden", "no"),
    ("another outcome", "other"),
    ("no feedback", "none"),
    ("still open", "open"),
)
_MOST_ARM_RULES = 25  # in the plot of both arms; the table has all
_REASONS_AT = COLUMNS.index(REASONS)  # the page shows the reasons in a table of their own


def report_page(
    figures: Figures,
    names: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    client: str = "",
    release: str = "",
) -> str:
    """Returns the whole page.

    `names` says in words what a rule is about, `labels` what a kind of suggestion is called, and
    `client` whose cards these are, if not those of all; `release` counted them.
    """
    names = names or {}
    templates = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    total = figures.total
    weeks = sorted(total.weeks.items())
    reasons = total.reasons.most_common()
    return templates.get_template("report.html").render(
        period=f"{figures.since:%-d %B %Y} to {figures.until:%-d %B %Y, %H:%M} UTC",
        client=f"client {client}" if client else "all clients",
        release=release,
        knowledge=knowledge_words(figures.usage.knowledge),
        tiles=[*_usage_tiles(figures.usage), *_tiles(total, figures.unmatched)],
        outcome_styles=_OUTCOMES,
        outcomes=_outcome_bars(figures, names),
        shown_by_week=_trend_of_showings(weeks),
        overridden_by_week=_trend_of_overrides(weeks),
        reasons=_reason_bars(reasons),
        columns=(*_without_reasons(COLUMNS), "Accepted of answered"),
        rows=[
            (*_without_reasons(row_cells(rule)), accepted_of_answered(rule))
            for rule in (*figures.rules, total)
        ],
        chosen_columns=CHOSEN_COLUMNS,
        chosen_rows=chosen_rows(total, labels or {}),
        names=names,
        reason_columns=["Rule", "Profile", *(reason for reason, _ in reasons)],
        reason_rows=_reason_rows(figures, total),
        client_columns=CLIENT_COLUMNS,
        client_rows=[client_cells(client) for client in figures.clients],
        warnings=[text for client in figures.clients for text in client.warnings],
        arm_columns=ARM_COLUMNS,
        arm_rows=arm_rows(figures.arms) if figures.arms else [],
        arm_differences=_arm_differences(figures.arms) if figures.arms else Markup(),
        notes=NOTES + (ARM_NOTES if figures.arms else ()),
    )


def _usage_tiles(usage: Usage) -> list[tuple[str, str]]:
    rate = usage.cards_per_100_charts
    return [
        (f"{usage.calls:,}", "calls"),
        (f"{usage.shadow:,}", "of them in shadow mode"),
        (f"{usage.charts:,}", "different charts"),
        (f"{usage.users:,}", "different users"),
        ("–" if rate is None else f"{rate:.1f}", "cards per 100 charts"),
        *((f"{usage.indicators[name]:,}", f"{name} cards") for name in INDICATORS),
        (percent(usage.unchecked, usage.calls), "of calls could not be checked"),
    ]


def _tiles(total: RuleFigures, unmatched: int) -> list[tuple[str, str]]:
    answered = total.answered
    settled = total.cards - total.open
    return [
        (f"{total.cards:,}", "different cards shown"),
        (f"{total.returned:,}", "times a card was shown"),
        (percent(total.accepted, answered), "of answered cards accepted"),
        (percent(total.kept, answered), "of answered cards: order kept"),
        (percent(total.overridden, answered), "of answered cards overridden"),
        (percent(total.silent_for_a_day, settled), "without feedback within 24 h"),
        (duration(total.median_seconds), "median time to action"),
        (f"{unmatched:,}", "feedback on unknown cards"),
    ]


def _outcome_bars(figures: Figures, names: Mapping[str, str]) -> Markup:
    """Draws a bar for each rule with cards; the plot is empty without such a rule."""
    rows: list[Bar] = []
    several = len({rule.profile for rule in figures.rules}) > 1
    for rule in figures.rules:
        if rule.cards:
            counts = (
                rule.accepted,
                rule.kept,
                rule.overridden,
                rule.others.total(),
                rule.unanswered,
                rule.open,
            )
            parts = tuple(
                Part(name, count, style)
                for (name, style), count in zip(_OUTCOMES, counts, strict=True)
            )
            about = names.get(rule.rule, "")
            profile = rule.profile if several else ""
            rows.append(Bar(" · ".join(filter(None, (rule.rule, about, profile))), parts))
    return bars("Cards by rule and what became of them", rows) if rows else Markup()


def _arm_differences(both: Arms) -> Markup:
    """Draws for each rule how much more often it fired later in the arm with cards."""
    rows = []
    for rule in both.rules[:_MOST_ARM_RULES]:
        found = both.difference(rule)
        if found is not None:
            rows.append(Interval(f"later: {rule}", found.points, found.least, found.most))
    title = "Fired later: shown minus shadow, in percentage points, with 95 % interval"
    return intervals(title, rows) if rows else Markup()


def _trend_of_showings(weeks: list[tuple[date, Week]]) -> Markup:
    if not weeks:
        return Markup()
    shown = Line("shown", tuple(week.returned for _, week in weeks), "blue")
    return trend("Cards shown by week", _marks(weeks), [shown])


def _trend_of_overrides(weeks: list[tuple[date, Week]]) -> Markup:
    if not weeks:
        return Markup()
    shares: list[float | None] = []
    for _, week in weeks:
        answered = week.accepted + week.overridden
        shares.append(round(100 * week.overridden / answered, 1) if answered else None)
    overridden = Line("overridden, %", tuple(shares), "no")
    title = "Share of answered cards that were overridden, by week"
    return trend(title, _marks(weeks), [overridden], "%")


def _marks(weeks: list[tuple[date, Week]]) -> list[str]:
    return [f"{monday:%-d %b}" for monday, _ in weeks]


def _reason_bars(reasons: list[tuple[str, int]]) -> Markup:
    if not reasons:
        return Markup()
    rows = [Bar(words, (Part("cards", number, "no"),)) for words, number in reasons]
    return bars("Override reasons", rows)


def _reason_rows(figures: Figures, total: RuleFigures) -> list[list[str]]:
    """Returns a row for each rule with overridden cards, and the total; a zero is left blank."""
    overridden = [rule for rule in figures.rules if rule.reasons]
    if not overridden:
        return []
    reasons = [words for words, _ in total.reasons.most_common()]
    return [
        [rule.rule, rule.profile, *(str(rule.reasons[words] or "") for words in reasons)]
        for rule in (*overridden, total)
    ]


def _without_reasons(cells: tuple[str, ...]) -> tuple[str, ...]:
    return cells[:_REASONS_AT] + cells[_REASONS_AT + 1 :]
