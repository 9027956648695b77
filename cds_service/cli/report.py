"""`cds-service report` shows how often each rule fired and how users reacted to its cards."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime, timedelta
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
    CLIENT_COLUMNS,
    COLUMNS,
    REASONS,
    arm_rows,
    client_cells,
    leading_reason,
    report_csv,
    row_cells,
    usage_words,
)
from cds_service.knowledge.load import Knowledge, load_knowledge
from cds_service.pipeline import HOOKS
from cds_service.store.figures import FigureTables
from cds_service.telemetry import release

_DAYS = 90
_FILE_WIDTH = 160  # characters
_TEXT_COLUMNS = 2  # at the left


@click.command("report")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    help=f"First day (UTC), as in 2026-11-01. Default: {_DAYS} days ago.",
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
def report(
    since: datetime | None, form: str, output: Path | None, tenant: str | None, as_json: bool
) -> None:
    """Show how often each rule fired, and what users did.

    The report holds no patient data. The HTML page has plots and prints well.

    \b
    Examples:
      cds-service report
      cds-service report --client mercy --json
      cds-service report --since 2026-10-01 --format html --output report.html
    """
    settings, database = open_database()
    knowledge = load_knowledge(settings.hooks_dir)
    now = datetime.now(UTC)
    first = since.date() if since else (now - timedelta(days=_DAYS)).date()
    tables = FigureTables(database)
    tenants = tables.tenants()
    if tenant is not None and tenant not in tenants:
        raise click.BadParameter(
            f"nothing is stored for this client{did_you_mean(tenant, tenants)}",
            param_hint="--client",
        )
    chosen = [tenant] if tenant is not None else tenants
    unreadable = sorted({hook.unreadable for hook in HOOKS.values()})
    counted = figures(tables, chosen, first, now, _reasons(knowledge), unreadable)
    form = "json" if as_json else form
    if form == "table" and output is None:
        _print(counted, Console(highlight=False))
        return
    if form == "html":
        topics = {rule: knowledge.topics[words.topic] for rule, words in knowledge.rules.items()}
        text = report_page(counted, topics)
    elif form == "csv":
        text = report_csv(counted)
    elif form == "json":
        text = _json(counted)
    else:
        plain = io.StringIO()
        _print(counted, Console(file=plain, width=_FILE_WIDTH, highlight=False))
        text = plain.getvalue()
    if output is None:
        sys.stdout.write(text)
        return
    output.write_text(text, encoding="utf-8", newline="")
    click.echo(f"Written: {output}")


def _json(counted: Figures) -> str:
    """Returns the figures as one JSON object; names of members are those of the figures."""
    usage = to_builtins(counted.usage) | {
        "cards_per_100_charts": counted.usage.cards_per_100_charts,
        "knowledge": sorted(counted.usage.knowledge),
    }
    rules = []
    for rule in counted.rules:
        row = to_builtins(rule) | {"median_seconds": rule.median_seconds}
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


def _print(counted: Figures, console: Console) -> None:
    console.print(usage_words(counted.usage), "", sep="\n")
    if not counted.rules:
        console.print(f"No rule has fired since {counted.since:%-d %B %Y}.")
    else:
        console.print(_table(counted), "", _why(counted), "", sep="\n")
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
    title = f"What became of the cards since {counted.since:%-d %B %Y} (UTC)"
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
