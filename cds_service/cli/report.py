"""`cds-service report`: what became of the cards."""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from cds_service.cli.store import the_database
from cds_service.engine.cards import OVERRIDE_PATH
from cds_service.feedback.figures import Figures, Reasons, RuleFigures, figures
from cds_service.feedback.report_html import report_page
from cds_service.feedback.report_table import (
    COLUMNS,
    REASONS,
    leading_reason,
    report_csv,
    row_cells,
)
from cds_service.knowledge.load import Knowledge, load_knowledge
from cds_service.settings import Settings
from cds_service.store.figures import FigureTables

_DAYS = 90
_WIDE = 160  # characters, in a file
_WORDS = 2  # columns of text at the left


@click.command("report")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    help=f"First day (UTC), as in 2026-11-01. Default: {_DAYS} days ago.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "html"]),
    default="table",
    show_default=True,
)
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file."
)
@click.option(
    "--tenant", help="One client only, by its name in clients.toml; default: all together."
)
def command(since: datetime | None, form: str, output: Path | None, tenant: str | None) -> None:
    """Say of each rule how often it fired, and how its cards were taken.

    It holds no patient data. The HTML page has plots and prints well.

    \b
    Examples:
      cds-service report
      cds-service report --since 2026-10-01 --format html --output report.html
    """
    settings, database = the_database()
    knowledge = load_knowledge(settings.hooks_dir)
    now = datetime.now(UTC)
    first = since.date() if since else (now - timedelta(days=_DAYS)).date()
    tables = FigureTables(database)
    tenants = tables.tenants()
    if tenant is not None and tenant not in tenants:
        raise click.BadParameter("nothing is stored for this client", param_hint="--tenant")
    found = figures(
        tables,
        [tenant] if tenant is not None else tenants,
        first,
        now,
        _reasons(settings, knowledge),
    )
    if form == "table" and output is None:
        _print(found, Console(highlight=False))
        return
    if form == "html":
        text = report_page(found, _names(knowledge))
    else:
        text = report_csv(found) if form == "csv" else _plain(found)
    if output is None:
        sys.stdout.write(text)
        return
    output.write_text(text, encoding="utf-8", newline="")
    click.echo(f"Written: {output}")


def _names(knowledge: Knowledge) -> dict[str, str]:
    """What each rule is about, as its cards say."""
    return {name: knowledge.topics[words.topic] for name, words in knowledge.rules.items()}


def _reasons(settings: Settings, knowledge: Knowledge) -> Reasons:
    """The words of every reason that our cards offer; some clients send the code without its system."""
    own = settings.fhir_terminology + OVERRIDE_PATH
    words: dict[tuple[str, str], str] = {}
    for code, reason in knowledge.overrides.items():
        words[reason.system or own, code] = words["", code] = reason.display
    return words


def _plain(found: Figures) -> str:
    text = io.StringIO()
    _print(found, Console(file=text, width=_WIDE, highlight=False))
    return text.getvalue()


def _print(found: Figures, console: Console) -> None:
    if not found.rules:
        console.print(f"No rule has fired since {found.since:%-d %B %Y}.")
    else:
        console.print(_table(found), "", _why(found), "", sep="\n")
    if found.unmatched:
        console.print(
            f"{found.unmatched} feedback on cards that are not known here: not counted above."
        )


def _table(found: Figures) -> Table:
    title = f"What became of the cards since {found.since:%-d %B %Y} (UTC)"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for n, name in enumerate(COLUMNS):
        is_text = n < _WORDS or name == REASONS
        table.add_column(name, justify="left" if is_text else "right", no_wrap=n < _WORDS)
    for rule in found.rules:
        table.add_row(*_short(rule))
    table.add_section()
    table.add_row(*_short(found.total), style="bold")
    return table


def _short(rule: RuleFigures) -> list[str]:
    """A row that fits a terminal: of the reasons only the leading one."""
    cells = list(row_cells(rule))
    cells[COLUMNS.index(REASONS)] = leading_reason(rule)
    return cells


def _why(found: Figures) -> Table:
    table = Table(
        "Why cards were overridden", "Cards", box=None, pad_edge=False, header_style="bold"
    )
    for words, number in found.total.reasons.most_common():
        table.add_row(words, str(number))
    return table
