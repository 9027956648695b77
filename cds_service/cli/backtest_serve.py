"""`cds-service backtest serve` opens the what-if page of a run, on this machine only."""

from __future__ import annotations

import logging
import os
import signal
from multiprocessing import get_context
from pathlib import Path

import click

from cds_service.backtest.held import opened
from cds_service.backtest.judge import Task
from cds_service.backtest.moments import Wanted
from cds_service.backtest.recipe import Recipe
from cds_service.backtest.rows import Run
from cds_service.backtest.whatif import Again, Moved, PieceChange
from cds_service.cli.backtest_client import CLIENTS, entry_hash, named_client
from cds_service.cli.backtest_report import FOLDER, LOCAL_CODES
from cds_service.cli.replay import HOOKS_FOLDER
from cds_service.errors import BacktestError
from cds_service.settings import settings_from_environment
from cds_service.trust.client import Client

_LOOPBACK = "127.0.0.1"


@click.command("serve")
@FOLDER
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8650,
    show_default=True,
    help="Port on 127.0.0.1; 0: any free one.",
)
@click.option("--jobs", type=click.IntRange(1, 256), help="Processes. Default: one for each core.")
@HOOKS_FOLDER
@LOCAL_CODES
@CLIENTS
def serve(
    folder: Path,
    port: int,
    jobs: int | None,
    hooks: Path | None,
    local_codes: Path | None,
    clients_file: Path | None,
) -> None:
    """Open the what-if page of a run, for a browser on this machine.

    Filters answer at once. If one number of thresholds.toml is moved, the patients whom it concerns
    are judged again from the spool: after seconds there is an estimate with its interval, and then
    the number itself. Nothing in hooks/ is changed. Only this machine can open the page, and no
    patient is in it, in an address or in a log. Ctrl-C ends it. A run of one client is explored as
    that client, whose entry must be as it was.

    \b
    Example:
      cds-service backtest serve run1
    """
    with opened(folder, "backtest serve") as run:
        task = task_of(run, hooks, local_codes, clients_file)
        _serve(run, task, port, jobs or os.cpu_count() or 1)


def _serve(run: Run, task: Task, port: int, number: int) -> None:
    from werkzeug.serving import make_server

    from cds_service.backtest.explorer import Explorer, Jobs, create_app

    global _AGAIN  # forked processes find it here
    _AGAIN = Again(run, task)
    # The processes are made before any thread is.
    quiet = (signal.SIGINT, signal.SIG_IGN)
    with get_context("fork").Pool(number, initializer=signal.signal, initargs=quiet) as pool:
        held = Jobs(pool, change_piece, note_piece, number)
        explorer = Explorer(run, task.pipelines["new"].knowledge, held)
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # requests are written nowhere
        server = make_server(_LOOPBACK, port, create_app(explorer), threaded=True)
        explorer.start()
        click.echo(f"What-if page: http://{_LOOPBACK}:{server.server_port}/  (Ctrl-C ends it)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            explorer.close()
            server.server_close()


_AGAIN: Again | None = None


def _again() -> Again:
    assert _AGAIN is not None  # noqa: S101  # set before any process is made
    return _AGAIN


def change_piece(job: tuple[Moved, int]) -> PieceChange:
    """Judges one piece again, in a process of its own."""
    return _again().change(*job)


def note_piece(job: tuple[str, int]) -> None:
    """Notes which numbers are compared with in one piece, in a process of its own."""
    _again().note(*job)


def task_of(
    run: Run, hooks: Path | None, local_codes: Path | None, clients_file: Path | None = None
) -> Task:
    """Returns what the run was judged by; BacktestError if it is not at hand any more."""
    settings, environment = run.settings, settings_from_environment()
    client = _client_of(run, clients_file or environment.clients_file, hooks)
    moments = frozenset(settings.moments)
    recipe = Recipe(
        wanted=Wanted(
            results="results" in moments,
            admissions="admissions" in moments,
            discharges="discharges" in moments,
            orders="orders" in moments,
            opens="opens" in moments,
            at=settings.at,
            since=settings.since,
            until=settings.until,
            measured_from=run.totals.measured_from,
        ),
        profiles=settings.profiles,
        client=client,
        hooks=hooks,
        local_codes=local_codes or environment.local_codes,
        rxnorm_index=environment.rxnorm_index,
        quiet_days=settings.quiet_days,
        suppression=settings.suppression,
        every=settings.every,
    )
    known = recipe.loaded()
    if known.hash("new") != settings.hooks:
        raise BacktestError(
            f"{run.folder.root}: hooks/ has changed since the run: name its folder with --hooks, "
            "or run it anew."
        )
    if recipe.codes != settings.local_codes:
        raise BacktestError(
            f"{run.folder.root}: the run had other local codes: name them with --local-codes (and "
            "the RxNorm index with CDS_RXNORM_INDEX), or run it anew."
        )
    return known.task(run.folder.key_file.read_bytes())


def _client_of(run: Run, registry: Path | None, hooks: Path | None) -> Client:
    """Returns the client of a run, with the entry that it had then."""
    name = run.settings.client
    if not name:
        return Client()
    if registry is None:
        raise BacktestError(
            f"{run.folder.root}: this run is that of the client '{name}': name its registry with "
            "--clients (or CDS_CLIENTS_FILE)."
        )
    client = named_client(name, registry, hooks)
    if entry_hash(client) != run.settings.client_entry:
        raise BacktestError(
            f"{run.folder.root}: the entry of the client '{name}' has changed since the run: name "
            "the registry that it had with --clients, or run it anew."
        )
    return client
