"""Threads that take calls from an event loop and give it their answers.

concurrent.futures needs a lock, a condition and a second future for each call. Here a call costs
a queue and one wake-up of the loop (docs/decisions/0002).
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

_T = TypeVar("_T")


class WorkerThreads(Generic[_T]):
    """A few threads with a bound on how many calls may run or wait.

    Make them in the process that uses them, because threads do not survive a fork.
    """

    def __init__(self, name: str, threads: int, waiting: int) -> None:
        self._room = threads + waiting
        self._jobs: queue.SimpleQueue[_Job[_T] | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    async def run(self, call: Callable[..., _T], *request: object) -> _T | None:
        """Runs `call(*request)` in a thread; returns None if there is no room."""
        if self._room <= 0:
            return None
        self._room -= 1
        loop = asyncio.get_running_loop()
        job: _Job[_T] = _Job(loop, loop.create_future(), call, request)
        self._jobs.put(job)
        try:
            return await job.future
        finally:
            self._room += 1

    def close(self) -> None:
        """Drops the calls that wait and ends each thread after its call; call it in the loop."""
        with contextlib.suppress(queue.Empty):
            while job := self._jobs.get_nowait():
                job.future.cancel()
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self) -> None:
        while job := self._jobs.get():
            if not job.future.cancelled():
                with job:
                    job.answer = job.call(*job.request)


class _Job(Generic[_T]):
    """One call, on its way to a thread and back."""

    __slots__ = ("answer", "call", "future", "loop", "request")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        future: asyncio.Future[_T],
        call: Callable[..., _T],
        request: tuple[object, ...],
    ) -> None:
        self.loop, self.future, self.call, self.request = loop, future, call, request
        self.answer: _T

    def __enter__(self) -> None:
        """Begins nothing."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> bool:
        """Gives the result or the exception to the waiting coroutine; the thread goes on."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self.loop.call_soon_threadsafe(self._settle, error)
        return True

    def _settle(self, error: BaseException | None) -> None:
        if self.future.done():
            return  # cancelled meanwhile
        if error is None:
            self.future.set_result(self.answer)
        else:
            self.future.set_exception(error)
