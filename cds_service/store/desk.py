"""Asks a database in a few threads, so that a call can stop waiting for one that is frozen."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from typing import TypeVar

from cds_service import metrics
from cds_service.errors import StoreUnavailable

CALL_S = 0.3  # what a database may cost a hook call
FEEDBACK_S = 1.5  # the EHR waits for this answer, and its user does not
_REST_AFTER_S = 1.0
_THREADS = 4
_PUNCTUAL_S = 0.1
_ATTEMPTS = 3
_T = TypeVar("_T")


class Desk:
    """Takes work for one database; who asks waits for so long and no longer.

    A thread that hangs is left to itself until its work ends. As long as there is one, nothing more
    is begun, so that an outage costs a few calls a wait and all others nothing (a breaker).
    """

    def __init__(self, on_late: Callable[[], object] = lambda: None) -> None:
        """Calls `on_late` if work is not done in time."""
        self._on_late = on_late
        self._lock = threading.Lock()
        self._pid = 0
        self._pool: ThreadPoolExecutor | None = None
        self._began: dict[int, float] = {}  # thread, and the time at which its work began

    @property
    def resting(self) -> bool:
        """True while the database is left alone, because a thread hangs in it."""
        earliest = time.monotonic() - _REST_AFTER_S
        return any(began < earliest for began in tuple(self._began.values()))

    def ask(self, work: Callable[[], _T], seconds: float = CALL_S) -> _T:
        """Returns what `work` returns, or raises StoreUnavailable if that takes longer."""
        answer = self.begin(work)
        if answer is None:
            raise StoreUnavailable("LeftAlone")
        for _ in range(_ATTEMPTS):
            until = time.monotonic() + seconds
            try:
                return answer.result(seconds)
            except NotInTime:
                # If this thread itself was woken late, the machine is busy, and not the database.
                if time.monotonic() - until < _PUNCTUAL_S:
                    break
        answer.cancel()
        metrics.count("cds_store_late")
        self._on_late()
        raise StoreUnavailable("NotInTime")

    def begin(self, work: Callable[[], _T]) -> Future[_T] | None:
        """Starts this work, or returns None if the database is left alone."""
        if self.resting:
            return None
        try:
            return self._threads().submit(self._timed, work)
        except RuntimeError:  # no thread can be started now
            return None

    def _timed(self, work: Callable[[], _T]) -> _T:
        me = threading.get_ident()
        self._began[me] = time.monotonic()
        try:
            return work()
        finally:
            del self._began[me]

    def _threads(self) -> ThreadPoolExecutor:
        """Returns the threads of this process, because threads do not survive a fork."""
        if self._pool is not None and self._pid == os.getpid():
            return self._pool
        with self._lock:
            if self._pool is None or self._pid != os.getpid():
                self._pool = ThreadPoolExecutor(_THREADS, "store")
                self._began = {}
                self._pid = os.getpid()
            return self._pool
