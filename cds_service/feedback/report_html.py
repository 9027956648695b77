"""The figures as one HTML page: prints well, needs no network and no script, holds no patient data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from cds_service.feedback.figures import Figures, RuleFigures, Week
from cds_service.feedback.plots import Bar, Line, Part, bars, trend
from cds_service.feedback.report_table import (
    COLUMNS,
    NOTES,
    REASONS,
    duration,
    percent,
    row_cells,
)

_STYLE = """
:root { --ink: #1b2530; --soft: #5b6875; --line: #d5dce3; --yes: #2a7f62; --no: #c2571a; --none: #b8c2cc;
  --open: #e4e9ee; --blue: #235a97; }
* { box-sizing: border-box; }
body { font: 14px/1.45 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; color: var(--ink); margin: 0 auto;
  max-width: 1080px; padding: 28px 24px 48px; background: #fff; }
h1 { font-size: 24px; margin: 0 0 2px; } h2 { font-size: 17px; margin: 34px 0 6px; }
p { margin: 4px 0; } .soft { color: var(--soft); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(118px, 1fr)); gap: 10px; margin: 20px 0; }
.tile { border: 1px solid var(--line); border-radius: 8px; padding: 10px 12px; }
.tile b { display: block; font-size: 22px; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: 12.5px; }
svg { width: 100%; height: auto; display: block; } svg text { font-size: 12px; fill: var(--ink);
  dominant-baseline: central; }
.name, .scale { text-anchor: end; } .mark { text-anchor: middle; } .scale, .mark { fill: var(--soft) !important; }
.number { font-variant-numeric: tabular-nums; }
.yes { fill: var(--yes); } .no { fill: var(--no); } .none { fill: var(--none); } .open { fill: var(--open); }
.blue { fill: var(--blue); } .grid { stroke: var(--line); } .line { fill: none; stroke-width: 2; }
.line.blue { stroke: var(--blue); } .line.no { stroke: var(--no); } .line.yes { stroke: var(--yes); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 4px 0 8px; font-size: 12.5px; color: var(--soft); }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin-right: 6px; }
table { border-collapse: collapse; width: 100%; font-size: 12.5px; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 6px; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; }
th { font-weight: 600; vertical-align: bottom; } td:nth-child(-n+2), th:nth-child(-n+2) { text-align: left; }
td:first-child { white-space: nowrap; } td div { white-space: normal; }
tbody tr.total td { font-weight: 600; border-top: 2px solid var(--ink); }
ul { margin: 6px 0; padding-left: 20px; color: var(--soft); }
@page { size: A4; margin: 13mm; }
@media print { body { padding: 0; max-width: none; font-size: 10px; print-color-adjust: exact;
  -webkit-print-color-adjust: exact; } h2, .legend { break-after: avoid; } svg, tr, .tiles { break-inside: avoid; }
  table { font-size: 9px; } th, td { padding: 3px 4px; } h2 { margin-top: 22px; }
  thead { display: table-header-group; } }
"""
_COLORS = {
    "yes": "var(--yes)",
    "no": "var(--no)",
    "none": "var(--none)",
    "open": "var(--open)",
    "blue": "var(--blue)",
}
_FATES = (
    ("accepted", "yes"),
    ("overridden", "no"),
    ("no feedback", "none"),
    ("still open", "open"),
)
_MOST_RULES = 25  # in the plot; the table has all


def report_page(figures: Figures, names: Mapping[str, str] | None = None) -> str:
    """The whole page; `names` says in words what a rule is about."""
    total = figures.total
    period = f"{figures.since:%-d %B %Y} to {figures.until:%-d %B %Y, %H:%M} UTC"
    sections = (
        _tiles(total, figures),
        _fates(figures),
        _weeks(total),
        _reasons(total),
        _table(figures, total, names or {}),
        _why(figures, total),
        _notes(),
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Hyponatremia CDS: what became of the cards</title><style>{_STYLE}</style></head><body>"
        f'<h1>What became of the cards</h1><p class="soft">Hyponatremia CDS, {period}</p>'
        f"{''.join(sections)}</body></html>\n"
    )


def _tiles(total: RuleFigures, figures: Figures) -> str:
    answered = total.accepted + total.overridden
    tiles = (
        (f"{total.cards:,}", "different cards shown"),
        (f"{total.returned:,}", "times a card was shown"),
        (percent(total.accepted, answered), "of answered cards accepted"),
        (percent(total.overridden, answered), "of answered cards overridden"),
        (percent(total.silent_for_a_day, total.cards - total.open), "without feedback within 24 h"),
        (duration(total.median_seconds), "median time to action"),
        (f"{figures.unmatched:,}", "feedback on unknown cards"),
    )
    drawn = "".join(
        f'<div class="tile"><b>{value}</b><span>{name}</span></div>' for value, name in tiles
    )
    return f'<div class="tiles">{drawn}</div>'


def _fates(figures: Figures) -> str:
    shown = [rule for rule in figures.rules if rule.cards][:_MOST_RULES]
    if not shown:
        return '<p class="soft">No card was shown in this period.</p>'
    rows = []
    for rule in shown:
        values = (rule.accepted, rule.overridden, rule.unanswered, rule.open)
        parts = [
            Part(name, value, style) for (name, style), value in zip(_FATES, values, strict=True)
        ]
        rows.append(Bar(f"{rule.rule} · {rule.profile}", tuple(parts)))
    plot = bars("Cards by rule and what became of them", rows)
    return f"<h2>Cards by rule</h2>{_legend(_FATES)}{plot}"


def _weeks(total: RuleFigures) -> str:
    mondays = sorted(total.weeks)
    if not mondays:
        return ""
    weeks = [total.weeks[monday] for monday in mondays]
    marks = [f"{monday:%-d %b}" for monday in mondays]
    shown = trend(
        "Cards shown by week", marks, [Line("shown", tuple(w.returned for w in weeks), "blue")]
    )
    rate = trend(
        "Share of answered cards that were overridden, by week",
        marks,
        [Line("overridden, %", tuple(_override_rate(w) for w in weeks), "no")],
        "%",
    )
    counted = _legend(
        [("times a card was shown; the first and the last week may be incomplete", "blue")]
    )
    shares = _legend([("overridden, share of answered cards", "no")])
    return f"<h2>Trend by week</h2>{counted}{shown}{shares}{rate}"


def _override_rate(week: Week) -> float | None:
    answered = week.accepted + week.overridden
    return round(100 * week.overridden / answered, 1) if answered else None


def _reasons(total: RuleFigures) -> str:
    if not total.reasons:
        return ""
    rows = [Bar(words, (Part("cards", n, "no"),)) for words, n in total.reasons.most_common()]
    return f"<h2>Why cards were overridden</h2>{bars('Override reasons', rows)}"


def _table(figures: Figures, total: RuleFigures, names: Mapping[str, str]) -> str:
    columns = [name for name in COLUMNS if name != REASONS]
    rows = []
    for rule in (*figures.rules, total):
        cells = [
            cell for name, cell in zip(COLUMNS, row_cells(rule), strict=True) if name != REASONS
        ]
        about = f'<div class="soft">{escape(names[rule.rule])}</div>' if rule.rule in names else ""
        rows.append([f"{escape(cells[0])}{about}", *map(escape, cells[1:])])
    return "<h2>Every rule and profile</h2>" + _grid(columns, rows)


def _why(figures: Figures, total: RuleFigures) -> str:
    """The reasons by rule: a number for each, nothing where there was none."""
    reasons = [words for words, _ in total.reasons.most_common()]
    overridden = [rule for rule in figures.rules if rule.reasons]
    if not overridden:
        return ""
    rows = [
        [escape(rule.rule), escape(rule.profile), *(str(rule.reasons[r] or "") for r in reasons)]
        for rule in (*overridden, total)
    ]
    return "<h2>Override reasons by rule</h2>" + _grid(["Rule", "Profile", *reasons], rows)


def _grid(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose last row is the total; cells are HTML already."""
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    lines = ["".join(f"<td>{cell}</td>" for cell in row) for row in rows]
    body = (
        "".join(f"<tr>{line}</tr>" for line in lines[:-1]) + f'<tr class="total">{lines[-1]}</tr>'
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _notes() -> str:
    return (
        "<h2>How to read this</h2><ul>"
        + "".join(f"<li>{escape(note)}</li>" for note in NOTES)
        + "</ul>"
    )


def _legend(entries: Sequence[tuple[str, str]]) -> str:
    marks = (
        f'<span><i style="background:{_COLORS[style]}"></i>{escape(name)}</span>'
        for name, style in entries
    )
    return f'<div class="legend">{"".join(marks)}</div>'
