"""`cds-service serve`: the service for a deployment, as its CDS_... variables say."""

from __future__ import annotations

import gc
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click
from granian.constants import HTTPModes, Interfaces, RuntimeModes
from granian.http import HTTP1Settings

from cds_service import metrics
from cds_service.app import Foundation, create_app, foundation, front_for, refuse_wrong
from cds_service.cli.run import bound_socket, tune_collector
from cds_service.cli.stopping import Server, Worker
from cds_service.settings import Settings, settings_from_environment
from cds_service.telemetry import configure_logging

# docs/decisions/0002. Idle connections count too: a proxy keeps its own for less than the header time.
_HEADER_MS = 5000
_HEADER_BYTES = 65536
_BACKLOG = 1024
_CONNECTIONS = 512
STOP_S = 30
_IDLE_S = _HEADER_MS / 1000 + 0.5


# Made before the first fork and shared by all workers; a worker that was spawned makes its own.
_base: list[Foundation] = []


def make_worker(listener: int) -> Worker:
    """One worker's application; called by the server in the worker's process."""
    configure_logging()
    settings = settings_from_environment()
    front = front_for(create_app(settings, base=_base[0] if _base else None), settings)
    tune_collector()
    return Worker(front, listener, settings.drain_seconds, _IDLE_S)


@click.command("serve")
@click.option(
    "--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Worker processes."
)
def command(workers: int) -> None:
    """Serve with the settings of the CDS_... variables (docs/settings.md).

    SIGTERM: /ready says 503 while calls are still answered for CDS_DRAIN_SECONDS, then it stops. SIGINT stops at
    once, after the calls in flight. SIGHUP starts fresh workers and lets the old ones go. No call is lost by either.
    Exit code 78 and one line where the configuration is wrong.
    """
    configure_logging()
    settings = settings_from_environment()
    _base[:] = [foundation(settings)]
    refuse_wrong(
        settings, _base[0]
    )  # a wrong configuration stops here, once, instead of in every worker
    with bound_socket(settings.host, settings.port, "CDS_PORT") as listener, _metrics(settings):
        _serve(settings, workers, listener)


def _serve(settings: Settings, workers: int, listener: socket.socket) -> None:
    load = partial(make_worker, listener.fileno())
    gc.freeze()  # a worker's collector would write to every page that it shares with this process
    Server(
        listener,
        settings.drain_seconds,
        target="cds_service.cli.serve:make_worker",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=_HEADER_MS, max_buffer_size=_HEADER_BYTES),
        websockets=False,
        runtime_mode=RuntimeModes.st,
        backlog=_BACKLOG,
        backpressure=_CONNECTIONS,
        workers=workers,
        workers_kill_timeout=STOP_S,
        log_enabled=False,
        respawn_failed_workers=True,
    ).serve(target_loader=load, wrap_loader=False)  # type: ignore[arg-type]  # an RSGI object need not be callable


@contextmanager
def _metrics(settings: Settings) -> Iterator[None]:
    """The metrics port, served by this process for all workers, while they run."""
    if not settings.metrics_port:
        yield
        return
    bound_socket(settings.metrics_host, settings.metrics_port, "CDS_METRICS_PORT").close()
    with tempfile.TemporaryDirectory(prefix="hyponatremia-metrics-") as temporary:
        folder = Path(settings.metrics_dir or temporary)
        metrics.forget(folder)
        metrics.enable(folder)
        metrics.serve(settings.metrics_host, settings.metrics_port)
        yield
