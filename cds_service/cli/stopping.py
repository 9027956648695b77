"""How `cds-service serve` stops, and replaces its workers, without losing a call.

Granian closes its listener and its idle connections in one moment, and gives each worker a listener of its own,
whose queue dies with it: what a client sends in that moment gets no answer. So here (Linux):

1. SIGTERM. Every worker is told by SIGUSR1: /ready says 503 and each answer closes its connection, while new calls
   are still taken, for CDS_DRAIN_SECONDS: a balancer looks, and sends its calls elsewhere.
2. Then each worker gets its SIGTERM. It takes no more connections, answers on those that it has until nobody can
   mean to use them again, and stops. SIGHUP begins here, for one worker after the other, with a new one in place.

All workers accept from one socket that belongs to this process, so a queued connection goes to another worker.
SIGINT (Ctrl-C), a second SIGTERM, and SIGTERM where CDS_DRAIN_SECONDS is 0 stop at once, after the calls in flight:
the workers hear of that by SIGUSR2.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from types import FrameType
from typing import Any

from granian._granian import SocketHolder
from granian.server.mp import MPServer

from cds_service.cli.run import load_later
from cds_service.web.front import Front

_UNUSED_S = 1.0  # for a connection that was just taken to bring its request
_LOOK_S = 0.5


class _Attentive(threading.Event):
    """Two signals in one moment may both be taken by another thread, and wake nobody who only waits."""

    def wait(self, timeout: float | None = None) -> bool:
        while not super().wait(_LOOK_S):
            pass
        return True


class Server(MPServer):
    """Granian with one listening socket for all workers, and a warning before it stops."""

    def __init__(self, listener: socket.socket, drain_s: float, **options: Any) -> None:
        super().__init__(**options)
        self._listener = listener
        self._drain_s = drain_s
        self._main = os.getpid()
        self._announced = False
        self.main_loop_interrupt = _Attentive()
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(
                number, signal.SIG_IGN
            )  # inherited: neither kills a worker that is still starting

    def _init_shared_socket(self) -> None:
        if sys.platform != "linux":
            super()._init_shared_socket()
            return
        self._shd = SocketHolder(self._listener.fileno(), False, self.backlog)  # type: ignore[call-arg, assignment]
        self._sso = self._listener  # under 'spawn' it carries the descriptor over

    def signal_handler_interrupt(self, signum: int, _: FrameType | None = None) -> None:
        """SIGTERM waits until balancers have looked; anything else stops at once."""
        if os.getpid() != self._main:
            os._exit(0)  # a worker that has not begun to serve
        if signum != signal.SIGTERM or self._announced or not self._drain_s:
            self._signal_workers(signal.SIGUSR2)
            self._stop_now()
            return
        self._announced = True
        self._signal_workers(signal.SIGUSR1)
        waiting = threading.Timer(self._drain_s, self._stop_now)
        waiting.daemon = True
        waiting.start()

    def _signal_workers(self, number: signal.Signals) -> None:
        for worker in self.wrks:
            with suppress(ProcessLookupError):
                os.kill(worker.inner.pid, number)

    def _stop_now(self) -> None:
        super().signal_handler_interrupt()  # type: ignore[no-untyped-call]


class Worker:
    """A front in a worker process, with its part of the stop."""

    def __init__(self, front: Front, listener: int, drain_s: float, idle_s: float) -> None:
        """`listener` is a descriptor; a connection that says nothing for `idle_s` is closed anyhow."""
        self.__rsgi__ = front.__rsgi__
        self._front = front
        self._listener = listener
        self._drain_s = drain_s
        self._idle_s = idle_s
        self._told = 0.0
        self._leaving = False

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take over SIGTERM from granian, which keeps SIGINT."""
        self._front.__rsgi_init__(loop)
        load_later(loop)
        if not self._drain_s or sys.platform != "linux":
            return
        loop.add_signal_handler(signal.SIGUSR1, self._tell)
        loop.add_signal_handler(signal.SIGUSR2, self._stop)
        loop.add_signal_handler(signal.SIGTERM, self._leave, loop)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Runs when the last request has its answer."""
        self._front.__rsgi_del__(loop)

    def _tell(self) -> None:
        """The whole service is about to stop."""
        self._front.ready = False
        self._close_after_answers()

    def _close_after_answers(self) -> None:
        self._told = self._told or time.monotonic()
        self._front.closing_connections = True

    def _leave(self, loop: asyncio.AbstractEventLoop) -> None:
        """Leave new connections to others; stop when those we have were answered or fell silent."""
        if self._leaving:
            self._stop()
            return
        self._leaving = True
        self._close_after_answers()
        _accept_no_more(self._listener)
        loop.call_later(max(_UNUSED_S, self._told + self._idle_s - time.monotonic()), self._stop)

    def _stop(self) -> None:
        self._leaving = True  # from here on the listener is granian's to close
        os.kill(os.getpid(), signal.SIGINT)  # granian's own way


def _accept_no_more(listener: int) -> None:
    """Put a socket that nobody knows in place of the shared one; closing it would let its number be used again."""
    with socket.socket(socket.AF_UNIX) as silent:
        silent.setblocking(False)
        silent.bind("")  # a name that the kernel makes up
        silent.listen(1)
        os.dup2(silent.fileno(), listener)
