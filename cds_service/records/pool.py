"""The threads that read: bounded for the process and for each server; nobody waits past a deadline."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from msgspec import Struct, field

from cds_service.records.limits import ReadLimits
from cds_service.trust.outgoing import OutgoingCall

_T = TypeVar("_T")


class Lane(Struct, eq=False):
    """One server's share of the pool: a slow server fills its own lane and no other (bulkhead)."""

    running: int = 0
    waiting: deque[Callable[[], None]] = field(default_factory=deque)


class Job(Struct, Generic[_T], frozen=True):
    """One read under way: its answer to come, and the errand that can be cut."""

    errand: OutgoingCall
    answer: Future[_T]


class Pool:
    """Runs jobs in the lanes of their servers. Make it in the process that uses it, not before a fork."""

    def __init__(self, limits: ReadLimits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._lanes: deque[Lane] = deque()  # those with someone waiting, longest first
        self._running = 0
        self._threads = ThreadPoolExecutor(limits.threads, thread_name_prefix="fhir-read")

    def start(self, lane: Lane, errand: OutgoingCall, work: Callable[[], _T]) -> Job[_T] | None:
        """Begin `work` now or when its lane is free; None where too many wait already."""
        job: Job[_T] = Job(errand, Future())

        def run() -> None:
            self._threads.submit(work).add_done_callback(done)

        def done(future: Future[_T]) -> None:
            self._finished(lane)
            error = future.exception()
            if error is None:
                job.answer.set_result(future.result())
            else:
                job.answer.set_exception(error)

        with self._lock:
            if self._has_room(lane):
                self._count(lane, 1)
            elif len(lane.waiting) < self._limits.waiting:
                self._line_up(lane, run)
                return job
            else:
                return None
        run()
        return job

    def close(self) -> None:
        """Take no more work; what runs goes on to its end."""
        with self._lock:
            for lane in self._lanes:
                lane.waiting.clear()
            self._lanes.clear()
        self._threads.shutdown(wait=False)

    def _has_room(self, lane: Lane) -> bool:
        return self._running < self._limits.threads and lane.running < self._limits.in_flight

    def _count(self, lane: Lane, change: int) -> None:
        lane.running += change
        self._running += change

    def _line_up(self, lane: Lane, run: Callable[[], None]) -> None:
        lane.waiting.append(run)
        if lane not in self._lanes:
            self._lanes.append(lane)

    def _finished(self, lane: Lane) -> None:
        with self._lock:
            self._count(lane, -1)
            run = self._next()
        # Outside the lock: work that is over at once calls back in this thread.
        if run is not None:
            run()

    def _next(self) -> Callable[[], None] | None:
        """The work whose turn it is, counted as running; lanes take turns."""
        for _ in range(len(self._lanes)):
            lane = self._lanes.popleft()
            if not self._has_room(lane):
                self._lanes.append(lane)
                continue
            run = lane.waiting.popleft()
            if lane.waiting:
                self._lanes.append(lane)
            self._count(lane, 1)
            return run
        return None


def wait_for(jobs: Sequence[Job[_T]]) -> None:
    """Wait until all are done or the first deadline is reached; then cut those that are not."""
    if jobs:
        wait([job.answer for job in jobs], timeout=min(job.errand.deadline.left() for job in jobs))
    for job in jobs:
        if not job.answer.done():
            job.errand.cut()
