"""`cds-service backtest` runs the rules over the history of a hospital."""

from __future__ import annotations

import hashlib
import importlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

import click
import msgspec
from msgspec import Struct
from msgspec.structs import replace
from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table

from cds_service.backtest.export import Export, find_export
from cds_service.backtest.local import Progress, Work, pieces_for, prepared, run
from cds_service.backtest.moments import Wanted
from cds_service.backtest.notes import loud_lines
from cds_service.backtest.recipe import Recipe
from cds_service.backtest.results import write_results
from cds_service.backtest.rows import (
    GUESSES,
    Folder,
    RunFile,
    Settings,
    Totals,
    read_run,
    told_file,
)
from cds_service.cli import EX_INTERRUPTED
from cds_service.cli.backtest_client import CLIENTS, entry_hash, named_client
from cds_service.cli.backtest_report import ROWS, report, show_files
from cds_service.cli.backtest_serve import serve
from cds_service.cli.backtest_worklist import worklist
from cds_service.cli.manners import Group
from cds_service.cli.replay import HOOKS_FOLDER, print_json
from cds_service.knowledge.limits import PROFILES
from cds_service.settings import Settings as Environment
from cds_service.settings import settings_from_environment
from cds_service.trust.client import Client

EX_USAGE = 64  # sysexits.h
_SOURCES = ("results", "admissions", "discharges", "orders")
_GUESSED = {
    "known-since": "when a result was known (no `issued`, or one that is a later load)",
    "order-status": "whether an order was still current (its end is not in the export)",
    "condition-date": "when a problem was noted (no recordedDate)",
    "encounter": "when an encounter ended (no period.end)",
}


class _Group(Group):
    """`backtest EXPORT` is `backtest run EXPORT`: a name that is no command is an export."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts "run" before an export."""
        helps = {"-h", "--help"}
        if args and args[0] not in self.commands and not (args[0] in helps and len(args) == 1):
            args = ["run", *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; what was typed wrong ends with the exit code of sysexits.h."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            error.show()
            ctx.exit(EX_USAGE)


@click.group("backtest", cls=_Group)
def backtest() -> None:
    """Run the rules over a hospital's own history.

    `cds-service backtest EXPORT --output FOLDER` says how many cards there would have been, at
    which moments, and for whom. EXPORT is what sites have: FHIR Bulk Data (NDJSON, also .gz), a
    folder of Bundles, or Parquet. No FHIR server is called, and nothing leaves this machine.

    \b
    Examples:
      cds-service backtest export/ --output run1
      cds-service backtest export/ --output run2 --moments orders,admissions --since 2025-01-01
      cds-service backtest run --help
    """


def _moments(_: click.Context, __: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the kinds of moments; "results,orders" may be given in one word."""
    given = tuple(dict.fromkeys(part for one in value for part in one.split(",") if part))
    for one in given:
        if one not in _SOURCES and not one.lower().endswith(".csv"):
            raise click.BadParameter(
                f"'{one}' is neither one of {', '.join(_SOURCES)} nor a .csv of chart openings."
            )
    return given


@backtest.command("run")
@click.argument("export", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the run; an empty or a new one, or one to go on with.",
)
@click.option(
    "--moments",
    multiple=True,
    callback=_moments,
    help="results (default), admissions, discharges, orders, or a .csv of chart openings with the "
    "columns patient, at, user; several with commas.",
)
@click.option("--at", metavar="INSTANT", help="One moment for all patients: 2026-11-20T09:00:00Z.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="First day of the moments.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Last day of the moments.")
@click.option(
    "--profile",
    "profiles",
    type=click.Choice(PROFILES),
    multiple=True,
    help="Guideline profile; may be given twice. Default: all, or the client's own.",
)
@HOOKS_FOLDER
@click.option(
    "--against",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Another hooks/ folder to compare with: the old knowledge.",
)
@click.option(
    "--client",
    "client_name",
    help="A client of clients.toml: its profile, disabled rules and suppression count.",
)
@CLIENTS
@click.option(
    "--local-codes",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="CSV of the site's own codes. Default: CDS_LOCAL_CODES.",
)
@click.option(
    "--quiet-days",
    type=click.FloatRange(0, 366),
    default=0,
    help="After a card, its rule rests so many days for its patient (critical cards never do).",
)
@click.option(
    "--all",
    "every",
    is_flag=True,
    help="Let the rules look at moments too that numbers leave out; the figures are the same.",
)
@click.option("--jobs", type=click.IntRange(1, 256), help="Processes. Default: one for each core.")
@click.option(
    "--min-cell",
    type=click.IntRange(1, 1000),
    default=10,
    show_default=True,
    help="No figure about fewer patients is in the report or its tables.",
)
@click.option(
    "--spark",
    "master",
    metavar="MASTER",
    help="Run on Spark: local[4], spark://host:7077, yarn. Needs the extra [spark]; see "
    "docs/backtest.md, from when it pays.",
)
@ROWS
@click.option("--json", "as_json", is_flag=True, help="Print what the run came to as JSON.")
def run_backtest(
    export: Path,
    output: Path,
    as_json: bool,
    jobs: int | None,
    rows: bool,
    master: str | None,
    **given: Any,
) -> None:
    """Judge every moment of EXPORT, and write the report.

    Only what was known at a moment is seen: results by `issued`, problems by `recordedDate`, orders
    with the status that they had. What had to be guessed is counted and printed. After Ctrl-C the
    same command goes on where it was; another choice of moments or rules needs no second sift.

    \b
    Exit codes: 0 done, 64 usage, 65 the export cannot be used, 73 the folder cannot be written, 75
    another process uses it, 78 configuration, 130 interrupted.

    \b
    Examples:
      cds-service backtest export/ --output run1 --moments results,orders
      cds-service backtest export/ --output run1 --hooks hooks-new/ --against hooks/
      cds-service backtest export/ --output run1 --moments openings.csv --client ward-ehr
    """
    asked = _Asked(**given)
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        asked.check()
        work = _work(find_export(export), Folder(output), asked, jobs or os.cpu_count() or 1)
        with prepared(work):
            file = _made(work, master)
            new = work.known.pipelines["new"]
            results = write_results(read_run(output), new.knowledge, new.vocabulary, rows=rows)
    except KeyboardInterrupt:
        click.echo("Interrupted. The same command goes on where it was.", err=True)
        sys.exit(EX_INTERRUPTED)
    if as_json:
        told = told_file(file, work.folder.key_file.read_bytes())
        print_json(
            {"run": str(output), **msgspec.to_builtins(told), "files": [*map(str, results.files)]}
        )
    else:
        _print(file, output)
        show_files(results.files, results.report, new.knowledge)


class _Asked(Struct, frozen=True, kw_only=True):
    """The options of a run."""

    moments: tuple[str, ...]
    at: str | None
    since: datetime | None
    until: datetime | None
    profiles: tuple[str, ...]
    hooks: Path | None
    against: Path | None
    client_name: str | None
    clients_file: Path | None
    local_codes: Path | None
    quiet_days: float
    every: bool
    min_cell: int

    def check(self) -> None:
        """Raises BadParameter if no day is left between --since and --until."""
        if self.since is not None and self.until is not None and self.until < self.since:
            raise click.BadParameter(
                f"it is before --since {self.since:%Y-%m-%d}, so that no moment is left",
                param_hint="--until",
            )

    @property
    def sources(self) -> tuple[str, ...]:
        """The kinds of moments; results if nothing else is asked for."""
        named = tuple(one for one in self.moments if one in _SOURCES)
        return named if named or self.opens or self.at else ("results",)

    @property
    def named(self) -> tuple[str, ...]:
        """What is judged, as run.json says it."""
        others = (("opens", self.opens), ("at", self.at))
        return (*self.sources, *(name for name, given in others if given))

    @property
    def opens(self) -> Path | None:
        """The list of chart openings."""
        listed = [Path(one) for one in self.moments if one not in _SOURCES]
        if len(listed) > 1:
            raise click.BadParameter("give one list of openings", param_hint="--moments")
        if listed and not listed[0].is_file():
            raise click.BadParameter(f"there is no file {listed[0]}", param_hint="--moments")
        return listed[0] if listed else None

    @property
    def instant(self) -> datetime | None:
        """The moment of --at."""
        if self.at is None:
            return None
        try:
            at = datetime.fromisoformat(self.at)
        except ValueError:
            at = None
        if at is None or at.tzinfo is None:
            raise click.BadParameter(
                "give an instant with its zone, as in 2026-11-20T09:00:00Z", param_hint="--at"
            )
        return at.astimezone(UTC)


def _made(work: Work, master: str | None) -> RunFile:
    with _progress() as progress:
        return run(work, progress) if master is None else _on_spark(work, master, progress)


def _on_spark(work: Work, master: str, progress: Progress) -> RunFile:
    """Makes the run on Spark, of which nothing is loaded otherwise."""
    spark = importlib.import_module("cds_service.backtest.spark")
    file: RunFile = spark.write_run(work, master, progress)
    return file


def _interrupted(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


def _work(export: Export, folder: Folder, asked: _Asked, jobs: int) -> Work:
    """Returns the run that is asked for, with knowledge and clients that were checked."""
    environment = settings_from_environment()
    export = replace(export, opens=asked.opens)
    recipe = _recipe(asked, environment, export.made)
    known = recipe.loaded()
    wanted, client = recipe.wanted, asked.client_name
    settings = Settings(
        export=str(export.root),
        moments=asked.named,
        profiles=tuple(one.profile for one in recipe.clients),
        since=wanted.since,
        until=wanted.until,
        at=wanted.at,
        opens=_hash(asked.opens),
        client=client or "",
        client_entry=entry_hash(recipe.client) if client is not None else "",
        quiet_days=asked.quiet_days,
        suppression=recipe.suppression,
        every=asked.every,
        hooks=known.hash("new"),
        against=known.hash("old"),
        local_codes=recipe.codes,
        min_cell=asked.min_cell,
        made=export.made,
        pieces=pieces_for(export),
        version=version("hyponatremia-cds"),
    )
    return Work(export=export, folder=folder, settings=settings, known=known, jobs=jobs)


def _recipe(asked: _Asked, environment: Environment, made: datetime | None) -> Recipe:
    client = _client(asked, environment)
    profiles = asked.profiles or ((client.profile,) if asked.client_name else PROFILES)
    wanted = Wanted(
        results="results" in asked.sources,
        admissions="admissions" in asked.sources,
        discharges="discharges" in asked.sources,
        orders="orders" in asked.sources,
        opens=asked.opens is not None,
        at=asked.instant,
        since=asked.since.date() if asked.since else None,
        until=asked.until.date() if asked.until else None,
    )
    return Recipe(
        wanted=wanted,
        profiles=profiles,
        client=client,
        hooks=asked.hooks,
        against=asked.against,
        local_codes=asked.local_codes or environment.local_codes,
        rxnorm_index=environment.rxnorm_index,
        quiet_days=asked.quiet_days,
        # The rest of unchanged cards is simulated if a client is named that wants it.
        suppression=asked.client_name is not None and client.suppression,
        every=asked.every,
        until=made,
    )


def _client(asked: _Asked, environment: Environment) -> Client:
    if asked.client_name is None:
        return Client()
    path = asked.clients_file or environment.clients_file
    return named_client(asked.client_name, path, asked.hooks)


def _hash(path: Path | None) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path is not None else ""


_STEPS = {"sift": "1/2 Sifting", "judge": "2/2 Judging"}
_MEGA = 1_000_000


@contextmanager
def _progress() -> Iterator[Progress]:
    """Yields what shows how far a run is: bars in a terminal, else a line for each tenth."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield _Lines()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[shown]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=console) as bars:
        tasks: dict[str, TaskID] = {}
        rate = _Rate()

        def progress(step: str, done: int, total: int, counted: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(_STEPS[step], total=total, completed=done, shown="")
            shown = rate.shown(step, counted)
            bars.update(tasks[step], completed=done, total=total, shown=shown)

        yield progress


class _Rate:
    """How many lines or moments a second each step has done so far."""

    def __init__(self) -> None:
        self._begun: dict[str, float] = {}

    def seconds(self, step: str) -> float:
        """Returns how long a step has been going on."""
        return time.monotonic() - self._begun.setdefault(step, time.monotonic())

    def shown(self, step: str, counted: int) -> str:
        """Returns what was counted, and how much of it in a second."""
        seconds = self.seconds(step)
        rate = f", {counted / seconds:,.0f} a second" if seconds >= 1 else ""
        return f"{counted:,} {'lines' if step == 'sift' else 'moments'}{rate}"


class _Lines:
    """Writes a line to standard error after each tenth of a step, as a log file wants it."""

    def __init__(self) -> None:
        self._rate = _Rate()
        self._told: dict[str, int] = {}
        self._from: dict[str, int] = {}

    def __call__(self, step: str, done: int, total: int, counted: int) -> None:
        """Tells how far a step is, if that is news."""
        tenth = 10 * done // total if total else 10
        begun = self._from.setdefault(step, done)
        if self._told.setdefault(step, tenth) == tenth:
            self._rate.seconds(step)
            return
        self._told[step] = tenth
        seconds = self._rate.seconds(step)
        left = seconds * (total - done) / max(1, done - begun)
        told = f"{_STEPS[step]}: {10 * tenth} %, {self._rate.shown(step, counted)}"
        click.echo(f"{told}, {left:,.0f} s left" if done < total else told, err=True)


def _print(file: RunFile, output: Path) -> None:
    """Prints what a run came to."""
    console, totals = Console(highlight=False), file.totals
    read = f"{totals.lines:,} lines of {totals.files:,} files ({totals.bytes_read / _MEGA:,.0f} MB)"
    console.print(f"\n[bold]Read[/bold]  {read}; {totals.kept:,} kept")
    for name, number in (
        ("broken", totals.broken),
        ("duplicate", totals.duplicate),
        ("of a test at which no rule looks", totals.unknown),
        ("sodium? of a code that is not known", totals.maybe_sodium),
        ("sodium without any time", totals.undated_sodium),
        ("other results without any time", totals.undated),
        ("without a patient", totals.ownerless),
    ):
        if number:
            console.print(f"  {name}: {number:,}")
    for place in file.broken:
        console.print(f"    broken: {place}", markup=False)
    console.print(
        f"[bold]Patients[/bold]  {totals.patients:,}; with a sodium {totals.with_sodium:,}; "
        f"with a moment {totals.with_moment:,}"
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Moments")
    for name in ("All", "A card is possible", "Cannot get a card (by numbers alone)"):
        table.add_column(name, justify="right")
    for kind, number in sorted(totals.moments.items()):
        possible = totals.possible.get(kind, 0)
        table.add_row(kind, f"{number:,}", f"{possible:,}", f"{number - possible:,}")
    console.print(table)
    for sentence in loud_lines(totals, file.settings):
        console.print(f"[bold]Note[/bold]  {sentence}", soft_wrap=True)
    _print_guesses(console, totals)
    console.print(f"\nRows and spool: {output}/private (about patients). Totals: {output}/run.json")


def _print_guesses(console: Console, totals: Totals) -> None:
    console.print("[bold]Guessed[/bold] (share of the moments at which a card is possible)")
    for guess in GUESSES:
        console.print(f"  {_GUESSED[guess]}: {100 * totals.guessed_share(guess):.1f} %")


backtest.add_command(report)
backtest.add_command(serve)
backtest.add_command(worklist)
