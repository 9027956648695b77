"""`cds-service serve` runs the service for a deployment, and stops it without losing a call.

Granian closes its listener and its idle connections in one moment, and gives each worker a listener
of its own, whose queue is lost with it: a call that arrives in that moment gets no answer. So on
Linux:

1. On SIGTERM, every worker gets SIGUSR1. For CDS_DRAIN_SECONDS, /ready says 503 and each answer
   closes its connection, while new calls are still taken: a balancer sees this and sends its calls
   elsewhere.
2. Then each worker gets SIGTERM. It takes no more connections, but for those that the kernel has
   made already (`listener`), answers on those that it has until no client can still want to use
   them, and stops. On SIGHUP this second step runs for one worker after the other, each after its
   successor has started.

All workers accept from one socket that belongs to the main process, so a queued connection goes to
another worker. SIGINT (Ctrl-C), a second SIGTERM, and SIGTERM if CDS_DRAIN_SECONDS is 0 stop at
once, after the calls in flight: the workers then get SIGUSR2.

However it stops, all processes have ended STOP_S after the drain (or after SIGINT), whatever is
under way: a call that hangs is cut.

`Server` sets two private members of granian and overrides one private method (see
`_init_shared_socket`), because granian has no public way to pass it a socket. So pyproject.toml
allows only the minor release of granian that this was tested with, and tests/cli/test_granian.py
names a member that a new release lacks.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import click
from granian.constants import HTTPModes, Interfaces, RuntimeModes
from granian.http import HTTP1Settings
from granian.net import SocketHolder  # type: ignore[attr-defined]  # not in its __all__
from granian.server.mp import MPServer

from cds_service import metrics, otlp
from cds_service.app import Foundation, Pages, create_app, foundation, front_for, refuse_wrong
from cds_service.cli.listener import Listener
from cds_service.cli.process import (
    Lifeline,
    allow_connections,
    end_within,
    forbid_core_dumps,
    share_arenas,
)
from cds_service.cli.run import HEADER_MS, bound_socket, load_later, tune_collector
from cds_service.settings import Settings, folder_of, settings_from_environment
from cds_service.telemetry import configure_logging, flush_log, log_from, release
from cds_service.web.front import Front
from cds_service.web.pages import start_page

# docs/decisions/0002 and 0009 give the reasons.
_HEADER_BYTES = 65536
_BACKLOG = 4096
_CONNECTIONS = 4096
STOP_S = 2  # from the end of the drain, or from SIGINT, to the end of the last process
_REPLACED_S = 30  # a worker that is replaced may take so long for the calls that it has begun
_CALLS_S = 1.5  # what calls in flight get of STOP_S; rows and lines of the log get the next two
_ROWS_S = 0.1
_LINES_S = 0.1
_SPANS_S = 0.1
_IDLE_S = HEADER_MS / 1000 + 0.5  # an idle connection is closed after this time
_FIRST_REQUEST_S = 0.5  # a connection that was just accepted gets this time to bring its request
_HANDSHAKE_S = 0.005  # a connection that was just begun gets this time to come into the queue
_QUEUE_S = 0.4  # the longest wait for the queue to be empty; with the one above, less than _CALLS_S
_LOOK_S = 0.002
_POLL_S = 0.1


# Made before the first fork and shared by all workers; a worker that was spawned makes its own.
_base: list[Foundation] = []


@click.command("serve")
@click.option(
    "--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Worker processes."
)
def serve(workers: int) -> None:
    """Serve with the CDS_... settings (docs/settings.md).

    After SIGTERM, /ready answers 503 and calls are still answered for CDS_DRAIN_SECONDS; then the
    service stops. After SIGINT it takes no new call, finishes those it has begun, and stops. SIGHUP
    replaces the workers by fresh ones. None of these loses a call. If the configuration is wrong,
    it prints one line and ends with exit code 78.
    """
    configure_logging()
    forbid_core_dumps()
    allow_connections(_CONNECTIONS)
    share_arenas()
    settings = settings_from_environment()
    log_from(settings.log_level)
    _base[:] = [foundation(settings)]
    # A wrong configuration stops here, once, instead of in every worker.
    if settings.otlp_url:
        otlp.refuse_missing()
    refuse_wrong(settings, _base[0])
    listening = bound_socket(settings.host, settings.port, "CDS_PORT", "CDS_HOST")
    with listening as listener, _metrics(settings):
        _serve(settings, workers, listener)


@contextmanager
def _metrics(settings: Settings) -> Iterator[None]:
    """Serves the metrics port, by this process for all workers, while they run."""
    if not settings.metrics_port:
        yield
        return
    host, port = settings.metrics_host, settings.metrics_port
    bound_socket(host, port, "CDS_METRICS_PORT", "CDS_METRICS_HOST").close()
    with tempfile.TemporaryDirectory(prefix="hyponatremia-metrics-") as temporary:
        folder = Path(settings.metrics_dir or temporary)
        with folder_of("metrics_dir", folder):
            metrics.forget(folder)
            metrics.enable(folder)
        metrics.serve(host, port)
        yield


def _serve(settings: Settings, workers: int, listener: socket.socket) -> None:
    # A worker that was spawned would not inherit the pipe.
    lifeline = Lifeline() if sys.platform == "linux" else None
    load = partial(make_worker, listener.fileno(), lifeline)
    gc.freeze()  # a worker's collector would write to every page that it shares with this process
    Server(
        listener,
        settings.drain_seconds,
        target="cds_service.cli.serve:make_worker",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_MS, max_buffer_size=_HEADER_BYTES),
        websockets=False,
        runtime_mode=RuntimeModes.st,
        backlog=_BACKLOG,
        backpressure=_CONNECTIONS,
        workers=workers,
        workers_kill_timeout=_REPLACED_S,
        log_enabled=False,
        respawn_failed_workers=True,
    ).serve(
        target_loader=load,  # type: ignore[arg-type]  # an RSGI object need not be callable
        wrap_loader=False,
    )


def make_worker(listener: int, lifeline: Lifeline | None = None) -> Worker:
    """Returns one worker's application; the server calls it in the worker's process."""
    configure_logging()
    settings = settings_from_environment()
    log_from(settings.log_level)
    _send_to_collector(settings)
    base = _base[0] if _base else None
    front = front_for(create_app(settings, base=base, pages=_pages(settings)), settings)
    tune_collector()
    return Worker(front, listener, settings.drain_seconds, _IDLE_S, lifeline)


def _pages(settings: Settings) -> Pages:
    """Returns the pages at `/` and around it; the workbench is among them in development only."""
    if settings.mode != "development":
        return (start_page,)
    from cds_service.demo.pages import development_pages  # production never imports the demo

    return development_pages()


def _send_to_collector(settings: Settings) -> None:
    """Begins to send traces and metrics, in each worker, because its threads survive no fork."""
    if settings.otlp_url:
        bundle = str(settings.ca_bundle) if settings.ca_bundle else None
        otlp.enable(settings.otlp_url, release(), bundle)


class _PolledEvent(threading.Event):
    """An event that polls while it waits.

    A signal handled in another thread does not wake a thread that is blocked in wait().
    """

    def wait(self, timeout: float | None = None) -> bool:
        while not super().wait(_POLL_S):
            pass
        return True


class Server(MPServer):
    """The server is granian with one socket for all workers, and a warning before it stops."""

    def __init__(self, listener: socket.socket, drain_s: float, **options: Any) -> None:
        super().__init__(**options)
        self._listener = listener
        self._drain_s = drain_s
        self._main = os.getpid()
        self._announced = False
        self.main_loop_interrupt = _PolledEvent()
        # Workers inherit this, so neither signal kills a worker that is still starting.
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)

    def _init_shared_socket(self) -> None:
        if sys.platform != "linux":
            super()._init_shared_socket()
            return
        fileno, backlog = self._listener.fileno(), self.backlog
        self._shd = SocketHolder(fileno, False, backlog)  # type: ignore[call-arg, assignment]
        self._sso = self._listener  # under 'spawn' it carries the descriptor over

    def signal_handler_interrupt(self, signum: int, _: FrameType | None = None) -> None:
        """Delays a SIGTERM until balancers have seen /ready; any other signal stops at once."""
        if os.getpid() != self._main:
            os._exit(0)  # a worker that has not begun to serve
        if signum != signal.SIGTERM or self._announced or not self._drain_s:
            self._expect_exits()
            self._signal_workers(signal.SIGUSR2)
            self._stop_now()
            return
        self._announced = True
        self._signal_workers(signal.SIGUSR1)
        waiting = threading.Timer(self._drain_s, self._stop_now)
        waiting.daemon = True
        waiting.start()

    def _expect_exits(self) -> None:
        """Tells granian that its workers stop by our will; else the first exit is a failure (1)."""
        for worker in self.wrks:
            worker.interrupt_by_parent = True

    def _signal_workers(self, number: signal.Signals) -> None:
        for worker in self.wrks:
            with suppress(ProcessLookupError):
                os.kill(worker.inner.pid, number)

    def _stop_now(self) -> None:
        self.workers_kill_timeout = STOP_S
        end_within(STOP_S, self._kill_workers)  # if this process waits for one that it replaces
        super().signal_handler_interrupt()  # type: ignore[no-untyped-call]

    def _kill_workers(self) -> None:
        for child in multiprocessing.active_children():
            child.kill()


class Worker:
    """A worker is a front in a process of its own that answers the signals of `Server`."""

    def __init__(
        self,
        front: Front,
        listener: int,
        drain_s: float,
        idle_s: float,
        lifeline: Lifeline | None = None,
    ) -> None:
        """`listener` is a descriptor; granian closes a connection that is silent for `idle_s`.

        The worker stops when the other end of the lifeline is gone.
        """
        self.__rsgi__ = front.__rsgi__
        self._front = front
        self._listener = Listener(listener)
        self._drain_s = drain_s
        self._idle_s = idle_s
        self._lifeline = lifeline
        self._closing_since = 0.0
        self._leaving = False
        self._stopping = False

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Takes SIGTERM over from granian, which keeps SIGINT."""
        self._front.__rsgi_init__(loop)
        load_later(loop)
        if self._lifeline is not None:
            self._lifeline.watch(loop, self._stop_at_once)
        if sys.platform != "linux":
            return
        loop.add_signal_handler(signal.SIGUSR2, self._stop_at_once)
        if not self._drain_s:
            return
        loop.add_signal_handler(signal.SIGUSR1, self._announce)
        loop.add_signal_handler(signal.SIGTERM, self._leave, loop)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Runs when the last request has its answer."""
        self._front.__rsgi_del__(loop)
        otlp.close(_SPANS_S)
        flush_log()

    def _announce(self) -> None:
        """Shows on /ready that the whole service is about to stop."""
        self._front.ready = False
        self._close_after_answers()

    def _close_after_answers(self) -> None:
        self._closing_since = self._closing_since or time.monotonic()
        self._front.closing_connections = True

    def _leave(self, loop: asyncio.AbstractEventLoop) -> None:
        """Leaves new connections to other workers, and stops when its own are done or idle.

        If the whole service stops, balancers have had the drain to leave, and this gets no more
        time than a request needs that is on its way.
        """
        if self._leaving:
            self._stop()
            return
        self._leaving = True
        if not self._front.ready:
            end_within(_CALLS_S, self._last)
            self._listener.refuse_new()
            until = time.monotonic() + _QUEUE_S
            loop.call_later(_HANDSHAKE_S, self._close_if_empty, loop, until)
            return
        # Only this worker is replaced: others take what waits in the queue.
        self._close_after_answers()
        unused_s = self._closing_since + self._idle_s - time.monotonic()
        self._close(loop, max(_FIRST_REQUEST_S, unused_s))

    def _close_if_empty(self, loop: asyncio.AbstractEventLoop, until: float) -> None:
        """Closes the listener when no connection waits in its queue, but at this time at last."""
        if self._stopping:
            return  # from here on the listener is granian's to close
        if self._listener.queued and time.monotonic() < until:
            loop.call_later(_LOOK_S, self._close_if_empty, loop, until)
        else:
            self._close(loop, _FIRST_REQUEST_S)

    def _close(self, loop: asyncio.AbstractEventLoop, rest_s: float) -> None:
        self._listener.close()
        loop.call_later(rest_s, self._stop)

    def _stop_at_once(self) -> None:
        """Stops after the calls in flight, and does not wait for one that hangs."""
        end_within(_CALLS_S, self._last)
        self._stop()

    def _last(self) -> None:
        """Writes what waits to be written, while calls that are not answered hang."""
        self._front.close(_ROWS_S)
        otlp.close(_SPANS_S)
        flush_log(_LINES_S)

    def _stop(self) -> None:
        self._leaving = self._stopping = True
        os.kill(os.getpid(), signal.SIGINT)  # granian's own way
