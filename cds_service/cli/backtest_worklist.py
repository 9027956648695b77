"""`cds-service backtest worklist` lists patients for a quality team, as of one day."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import click
from msgspec import Struct
from rich.console import Console
from rich.progress import track
from rich.table import Table

from cds_service.backtest.held import opened
from cds_service.backtest.rows import Run, write_for_owner
from cds_service.backtest.worklist import (
    LISTS,
    Entry,
    Lister,
    counts_if,
    stale,
    worklist_csv,
    worklist_of,
)
from cds_service.cli.backtest_report import FOLDER, LOCAL_CODES, pipeline_of
from cds_service.cli.replay import HOOKS_FOLDER, print_json
from cds_service.knowledge.load import Knowledge
from cds_service.pipeline import Pipeline

WORKLIST = "worklist.csv"


@click.command("worklist")
@FOLDER
@click.option(
    "--at",
    "moment",
    default="export",
    show_default=True,
    metavar="MOMENT",
    help="'export' (when it was made), 'now', or an instant such as 2026-11-20T09:00:00Z.",
)
@click.option("--profile", default="", help="Guideline profile. Default: the run's first.")
@HOOKS_FOLDER
@LOCAL_CODES
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
def worklist(
    folder: Path,
    moment: str,
    profile: str,
    hooks: Path | None,
    local_codes: Path | None,
    as_json: bool,
) -> None:
    """List patients whom a quality team should look at.

    It reads the spool of a run, so that the export is not read again: an SSRI or SNRI with a
    thiazide and no sodium for long, low sodium that was not repeated, low sodium at discharge
    without another one, sodium that rises too fast today. What counts is in
    hooks/knowledge/history.toml. The list names patients by their FHIR ids: it is
    private/worklist.csv, and only numbers are printed. An earlier list stays beside it.

    \b
    Examples:
      cds-service backtest worklist run1
      cds-service backtest worklist run1 --at 2026-11-20T09:00:00Z
    """
    with opened(folder, "backtest worklist") as run:
        _list(run, moment, profile, pipeline_of(run, hooks, local_codes), as_json=as_json)


def _list(run: Run, moment: str, profile: str, pipeline: Pipeline, *, as_json: bool) -> None:
    at = _instant(moment, run.settings.made)
    chosen = profile or run.settings.profiles[0]
    if chosen not in pipeline.knowledge.limits:
        known = ", ".join(pipeline.knowledge.limits)
        raise click.BadParameter(f"there are {known}", param_hint="--profile")
    lister = Lister(pipeline, chosen, at)
    console = Console(stderr=True)
    pieces = track(
        run.pieces, "Looking", console=console, disable=as_json or not console.is_terminal
    )
    entries = worklist_of(run, lister, pieces)
    path, words = run.folder.private / WORKLIST, pipeline.knowledge.history.worklist
    kept = write_for_owner(path, worklist_csv(entries, words).encode())
    warning = stale(at, lister.newest, words)
    if warning:
        click.echo(f"Warning: {warning}", err=True)
    told = _Told(at=at, path=path, kept=kept, warning=warning)
    _show(entries, pipeline.knowledge, told, as_json=as_json)


class _Told(Struct, frozen=True, kw_only=True):
    """What is said beside the numbers."""

    at: datetime
    path: Path
    kept: Path | None  # the lists that were there before
    warning: str


def _instant(moment: str, made: datetime | None) -> datetime:
    """Returns the moment of the list."""
    if moment == "export" and made is not None:
        return made
    if moment == "now":
        return datetime.now(UTC)
    hint = "give 'now', or an instant with its zone, as in 2026-11-20T09:00:00Z"
    if moment == "export":
        raise click.BadParameter(
            f"the export does not say when it was made: {hint}", param_hint="--at"
        )
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        raise click.BadParameter(hint, param_hint="--at") from None
    if at.tzinfo is None:
        raise click.BadParameter(hint, param_hint="--at")
    return at


def _show(entries: list[Entry], knowledge: Knowledge, told: _Told, *, as_json: bool) -> None:
    counts = Counter(entry.listed for entry in entries)
    if as_json:
        listed = {name: counts[name] for name in LISTS}
        found = {"at": told.at.isoformat(), "patients": listed, "file": str(told.path)}
        kept = {"kept": str(told.kept)} if told.kept is not None else {}
        print_json(found | {"warning": told.warning} | kept)
        return
    table = Table(box=None, pad_edge=False, header_style="bold", caption=told.warning or None)
    table.caption_justify = "left"
    table.add_column(f"On {told.at:%-d %B %Y, %H:%M %Z}")
    table.add_column("Patients", justify="right")
    table.add_column("Counts if")
    table.add_column("To do")
    for name in LISTS:
        words = knowledge.history.worklist[name]
        table.add_row(words.title, f"{counts[name]:,}", counts_if(name, words), words.todo)
    Console(highlight=False).print(table)
    click.echo(
        "Drugs and results that were not understood are on no list: private/not-understood.csv."
    )
    if told.kept is not None:
        click.echo(f"The lists that were there are now {told.kept}.")
    click.echo(f"Written: {told.path}. It names patients by their FHIR ids.")
