"""The threads that read: bounded for the process, bounded for each server, and nobody waits past a deadline."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from cds_service.fhir.limits import ReadLimits
from cds_service.trust.outgoing import Errand

_T = TypeVar("_T")


@dataclass(slots=True)
class Lane:
    """One server's share of the pool: a slow server fills its own lane and no other (bulkhead)."""

    running: int = 0
    waiting: deque[Callable[[], None]] = field(default_factory=deque)


@dataclass(frozen=True, slots=True)
class Job(Generic[_T]):
    """One read under way: its answer to come, and the errand that can be cut."""

    errand: Errand
    answer: Future[_T]


class Pool:
    """Runs jobs in the lanes of their servers. Make it in the process that uses it, not before a fork."""

    def __init__(self, limits: ReadLimits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._lanes: deque[Lane] = deque()  # those with someone waiting, longest first
        self._running = 0
        self._threads = ThreadPoolExecutor(limits.threads, thread_name_prefix="fhir-read")

    def start(self, lane: Lane, errand: Errand, work: Callable[[], _T]) -> Job[_T] | None:
        """Begin `work` now or when its lane is free; None where too many wait already."""
        job: Job[_T] = Job(errand, Future())

        def run() -> None:
            try:
                job.answer.set_result(work())
            except BaseException as error:
                job.answer.set_exception(error)
            finally:
                self._finished(lane)

        with self._lock:
            if self._running < self._limits.threads and lane.running < self._limits.in_flight:
                self._begin(lane, run)
            elif len(lane.waiting) < self._limits.waiting:
                lane.waiting.append(run)
                if lane not in self._lanes:
                    self._lanes.append(lane)
            else:
                return None
        return job

    def _begin(self, lane: Lane, run: Callable[[], None]) -> None:
        lane.running += 1
        self._running += 1
        self._threads.submit(run)

    def _finished(self, lane: Lane) -> None:
        with self._lock:
            lane.running -= 1
            self._running -= 1
            for _ in range(len(self._lanes)):
                ready = self._lanes.popleft()
                if ready.running < self._limits.in_flight:
                    self._begin(ready, ready.waiting.popleft())
                    if ready.waiting:
                        self._lanes.append(ready)
                    return
                self._lanes.append(ready)


def wait_for(jobs: Sequence[Job[_T]]) -> None:
    """Wait until all are done or the first deadline is reached; then cut those that are not."""
    if jobs:
        wait([job.answer for job in jobs], timeout=min(job.errand.deadline.left() for job in jobs))
    for job in jobs:
        if not job.answer.done():
            job.errand.cut()
