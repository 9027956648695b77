"""Questions to the store that a hook call asks but does not wait for longer than it can afford."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")
DEFAULT_THREADS = 4


class Asking:
    """A few threads; a question that finds them all busy is not asked, so that none queues behind an outage."""

    def __init__(self, threads: int = DEFAULT_THREADS) -> None:
        self._threads = threads
        self._lock = threading.Lock()
        self._pid = 0
        self._pool: ThreadPoolExecutor | None = None
        self._free = threading.Semaphore(threads)

    def begin(
        self, ask: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> Future[_T] | None:
        """Ask in a thread; None where none is free."""
        pool, free = self._mine()
        if not free.acquire(blocking=False):
            return None
        answer = pool.submit(ask, *args, **kwargs)
        answer.add_done_callback(lambda _: free.release())
        return answer

    def _mine(self) -> tuple[ThreadPoolExecutor, threading.Semaphore]:
        """The threads of this process: none survives a fork."""
        with self._lock:
            if self._pool is None or self._pid != os.getpid():
                self._pid = os.getpid()
                self._pool = ThreadPoolExecutor(self._threads, "asking")
                self._free = threading.Semaphore(self._threads)
            return self._pool, self._free
