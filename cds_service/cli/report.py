"""`cds-service report` shows how often each rule fired and how users reacted to its cards."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import click
from msgspec import to_builtins
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cds_service.cli.db import open_database
from cds_service.cli.manners import did_you_mean
from cds_service.feedback.arms import Arms
from cds_service.feedback.figures import Figures, Reasons, RuleFigures, figures
from cds_service.feedback.report_html import report_page
from cds_service.feedback.report_table import (
    ARM_COLUMNS,
    CHOSEN_COLUMNS,
    CLIENT_COLUMNS,
    COLUMNS,
    NARROW_COLUMNS,
    NARROW_NOTE,
    REASONS,
    arm_rows,
    as_text,
    chosen_rows,
    client_cells,
    leading_reason,
    narrow_cells,
    origin_words,
    period_words,
    report_csv,
    row_cells,
    usage_words,
)
from cds_service.knowledge.load import Knowledge, load_knowledge
from cds_service.pipeline import HOOKS
from cds_service.store.feedback import COMMENT
from cds_service.store.figures import ALWAYS, FigureTables
from cds_service.telemetry import release

_DAYS = 90
_FILE_WIDTH = 160  # characters
_WIDE = 150  # from here on the table with all columns is readable
_TEXT_COLUMNS = 2  # at the left


@click.command("report")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    help=f"First day (UTC), as in 2026-11-01. Default: {_DAYS} days ago.",
)
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Last day (UTC), as in 2026-12-31; feedback that came later counts. Default: today.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "html", "json"]),
    default="table",
    show_default=True,
)
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file."
)
@click.option(
    "--client",
    "--tenant",
    "tenant",
    help="One client only, by its name in clients.toml; default: all together.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option(
    "--comments",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the comments of users to this CSV file, which only its owner can read: they may "
    "name patients. The report itself never holds one.",
)
def report(
    since: datetime | None,
    until: datetime | None,
    form: str,
    output: Path | None,
    tenant: str | None,
    as_json: bool,
    comments: Path | None,
) -> None:
    """Show how often each rule fired, and what users did.

    The report holds no patient data. The HTML page has plots and prints well.

    \b
    Examples:
      cds-service report
      cds-service report --client mercy --json
      cds-service report --since 2026-10-01 --until 2026-12-31 --format html --output q4.html
      cds-service report --since 2026-10-01 --comments comments.csv
    """
    settings, database = open_database()
    knowledge = load_knowledge(settings.hooks_dir)
    now = datetime.now(UTC)
    first = since.date() if since else (now - timedelta(days=_DAYS)).date()
    tables = FigureTables(database)
    tenants = tables.tenants()
    chosen = tenants if tenant is None else [_stored(tenant, tenants)]
    unreadable = sorted({hook.unreadable for hook in HOOKS.values()})
    last = until.date() if until else None
    if last is not None and last < first:
        raise click.BadParameter(f"it is before {first:%Y-%m-%d}", param_hint="--until")
    if comments is not None:
        _write_comments(tables, chosen, (first, last), comments)
        return
    counted = figures(
        tables,
        chosen,
        first,
        now,
        _reasons(knowledge),
        unreadable,
        until=last,
        keeping=knowledge.words.keeping,
    )
    labels = _labels(knowledge)
    form = "json" if as_json else form
    if form == "table" and output is None:
        show_figures(counted, Console(highlight=False), labels)
        return
    text = _text(counted, form, knowledge, tenant or "")
    if output is None:
        sys.stdout.write(text)
        return
    output.write_text(text, encoding="utf-8", newline="")
    click.echo(f"Written: {output}")


def _stored(tenant: str, tenants: list[str]) -> str:
    """Returns the client that was asked for; BadParameter if nothing is stored for it."""
    if not tenants:
        raise click.BadParameter("no call is stored yet", param_hint="--client")
    if tenant not in tenants:
        near = did_you_mean(tenant, tenants)
        raise click.BadParameter(f"nothing is stored for this client{near}", param_hint="--client")
    return tenant


def _text(counted: Figures, form: str, knowledge: Knowledge, client: str) -> str:
    """Returns the report in one of its forms."""
    labels = _labels(knowledge)
    if form == "html":
        topics = {rule: knowledge.topics[words.topic] for rule, words in knowledge.rules.items()}
        return report_page(counted, topics, labels, client, release())
    if form == "csv":
        return report_csv(counted)
    if form == "json":
        return _json(counted)
    plain = io.StringIO()
    show_figures(counted, Console(file=plain, width=_FILE_WIDTH, highlight=False), labels)
    return plain.getvalue()


def _labels(knowledge: Knowledge) -> dict[str, str]:
    """Returns what each kind of suggestion is called, with "..." for what a card fills in."""
    words = knowledge.words.suggestions.items()
    return {kind: re.sub(r"\$\w+", "...", one.label) for kind, one in words}


def _write_comments(
    tables: FigureTables, tenants: Sequence[str], days: tuple[date, date | None], path: Path
) -> None:
    """Writes every comment of the period that is still kept, with its rule and outcome."""
    first, last = (datetime.combine(day, time(), UTC) if day else None for day in days)
    end = last + timedelta(days=1) if last else ALWAYS
    text, number = io.StringIO(), 0
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(("Client", "Day", "Rule", "Outcome", "Reason", "Comment"))
    for tenant in tenants:
        for answer, rule in tables.comments(tenant, first or ALWAYS, end):
            if COMMENT in answer.content:
                reason = (answer.content.get("reason") or {}).get("code", "")
                cells = (tenant, f"{answer.outcome_at:%Y-%m-%d}", rule, answer.outcome, reason)
                writer.writerow(map(as_text, (*cells, answer.content[COMMENT])))
                number += 1
    private = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(private, "w", encoding="utf-8", newline="") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(text.getvalue())
    click.echo(f"Written: {path}, {number} comments. They may name patients.")


def _json(counted: Figures) -> str:
    """Returns the figures as one JSON object; names of members are those of the figures."""
    usage = to_builtins(counted.usage) | {
        "cards_per_100_charts": counted.usage.cards_per_100_charts,
        "knowledge": sorted(counted.usage.knowledge),
    }
    rules = []
    for rule in counted.rules:
        row = to_builtins(rule) | {"median_seconds": rule.median_seconds}
        row["accepted_interval"] = rule.accepted_interval
        rules.append({name: row[name] for name in row if name not in ("seconds", "weeks")})
    found = {
        "release": release(),
        "since": counted.since.isoformat(),
        "until": counted.until.isoformat(),
        "usage": usage,
        "rules": rules,
        "clients": [to_builtins(client) for client in counted.clients],
        "unmatched": counted.unmatched,
        "earlier": counted.earlier,
    }
    return json.dumps(found, indent=1) + "\n"


def _reasons(knowledge: Knowledge) -> Reasons:
    """Returns the words of every override reason that our cards offer.

    Some clients send the code without its system.
    """
    words: dict[tuple[str, str], str] = {}
    for code, reason in knowledge.overrides.items():
        words[reason.system, code] = words["", code] = reason.display
    return words


def show_figures(counted: Figures, console: Console, labels: Mapping[str, str]) -> None:
    """Prints the report; `labels` by kind of suggestion. Below 150 columns it has fewer columns."""
    console.print(origin_words(counted, release()))
    console.print(usage_words(counted.usage), "", sep="\n")
    if not counted.rules:
        console.print(f"No rule has fired {period_words(counted)}.")
    else:
        _print_rules(counted, console, labels)
    if counted.unmatched:
        console.print(
            f"{counted.unmatched} feedback on cards that are not known here: not counted above."
        )
    if counted.clients:
        console.print("", _clients(counted), sep="\n")
    if counted.arms:
        console.print("", _arms(counted.arms), sep="\n")
    for client in counted.clients:
        for warning in client.warnings:
            console.print(f"[bold]Warning:[/bold] {escape(warning)}")


def _table(counted: Figures) -> Table:
    title = f"What became of the cards {period_words(counted)}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in COLUMNS[:_TEXT_COLUMNS]:
        table.add_column(name, no_wrap=True)
    for name in COLUMNS[_TEXT_COLUMNS:]:
        table.add_column(name, justify="left" if name == REASONS else "right")
    for rule in counted.rules:
        table.add_row(*_short(rule))
    table.add_section()
    table.add_row(*_short(counted.total), style="bold")
    return table


def _print_rules(counted: Figures, console: Console, labels: Mapping[str, str]) -> None:
    if console.width < _WIDE:
        console.print(_narrow(counted), "", NARROW_NOTE, "", sep="\n")
    else:
        console.print(_table(counted), "", sep="\n")
    if counted.total.chosen:
        console.print(_chosen(counted, labels), "", sep="\n")
    if counted.total.reasons:
        console.print(_why(counted), "", sep="\n")


def _narrow(counted: Figures) -> Table:
    """Returns the table for 80 columns: fewer columns, and no heading over several lines."""
    title = f"What became of the cards {period_words(counted)}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in NARROW_COLUMNS:
        table.add_column(
            name, no_wrap=name != "Rule", justify="left" if name == "Rule" else "right"
        )
    for rule in counted.rules:
        table.add_row(*narrow_cells(rule))
    table.add_section()
    table.add_row(*narrow_cells(counted.total), style="bold")
    return table


def _chosen(counted: Figures, labels: Mapping[str, str]) -> Table:
    table = Table(*CHOSEN_COLUMNS, box=None, pad_edge=False, header_style="bold")
    for row in chosen_rows(counted.total, labels):
        table.add_row(*row)
    return table


def _clients(counted: Figures) -> Table:
    table = Table(
        title="What clients deliver",
        title_justify="left",
        box=None,
        pad_edge=False,
        header_style="bold",
    )
    for name in CLIENT_COLUMNS:
        table.add_column(name, justify="left" if name == CLIENT_COLUMNS[0] else "right")
    for client in counted.clients:
        table.add_row(*client_cells(client))
    return table


def _arms(both: Arms) -> Table:
    table = Table(
        title="Shown and shadow",
        title_justify="left",
        box=None,
        pad_edge=False,
        header_style="bold",
    )
    for name in ARM_COLUMNS:
        table.add_column(name, justify="left" if name == ARM_COLUMNS[0] else "right")
    for row in arm_rows(both):
        table.add_row(*row)
    return table


def _short(rule: RuleFigures) -> list[str]:
    """Returns a row that fits a terminal, with the most frequent override reason only."""
    cells = list(row_cells(rule))
    cells[COLUMNS.index(REASONS)] = leading_reason(rule)
    return cells


def _why(counted: Figures) -> Table:
    table = Table(
        "Why cards were overridden", "Cards", box=None, pad_edge=False, header_style="bold"
    )
    for words, number in counted.total.reasons.most_common():
        table.add_row(words, str(number))
    return table
