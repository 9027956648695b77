"""The threads that read, bounded for the process and for each server."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from typing import Generic, TypeVar

from msgspec import Struct, field

from cds_service.records.searches import LONGEST_SEARCH
from cds_service.trust.outgoing import OutgoingCall


class ReadLimits(Struct, frozen=True, kw_only=True):
    """Bounds of live reads (security.md T-07, T-13, T-52, T-53, section 4); tests override them.

    * per search: `pages` followed; none follows once `resources` are held (a page is kept whole)
    * per key: `bytes_per_key` of decoded bodies in each part of it, `requests` in plainer forms
    * per URL: `query_chars`; a longer list of codes is split
    * per process: `threads`
    * per server: `in_flight` reads, and `waiting` behind them until their deadline; not more than
      `in_flight_of_one` for one patient, which is enough for a call, so that a slow chart that
      several people open leaves room for the others
    * breaker: `failures` failed calls of `failed_patients` patients within `failure_window_s`,
      without one answer between them, stop reads; a wait shorter than `fair_wait_s` says nothing
      about the server. Then it is asked in the background after `probe_s` (up to `longest_probe_s`
      if it fails again), and each `open_s` one call of each of `failed_patients` patients is let
      through. If no call wants it for `forgotten_s`, the pause ends
    * `calls_waiting` calls may wait for their FHIR servers at once, `calls_waiting_of_one` for one
      server: each holds a thread, and calls with prefetch need the others
    * `references`: single resources read for one call beyond its prefetch keys
    """

    pages: int = 5
    resources: int = 500
    bytes_per_key: int = 5_000_000
    requests: int = 24
    query_chars: int = LONGEST_SEARCH
    threads: int = 64
    in_flight: int = 16
    in_flight_of_one: int = 12
    waiting: int = 64
    failures: int = 5
    failed_patients: int = 3
    failure_window_s: float = 60.0
    open_s: float = 15.0
    probe_s: float = 1.0
    longest_probe_s: float = 60.0
    forgotten_s: float = 600.0
    fair_wait_s: float = 0.2
    references: int = 50
    calls_waiting: int = 12
    calls_waiting_of_one: int = 8


_T = TypeVar("_T")


class WaitingCalls:
    """Counts the calls that wait for FHIR servers, so that those for one never take all threads."""

    def __init__(self, limits: ReadLimits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._by_server: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def one(self, client: str, base: str) -> Iterator[bool]:
        """Counts one call to a client's server while the block runs; False if there is no room."""
        server = (client, base)
        with self._lock:
            room = self._by_server.total() < self._limits.calls_waiting
            room = room and self._by_server[server] < self._limits.calls_waiting_of_one
            self._by_server[server] += room
        try:
            yield room
        finally:
            with self._lock:
                self._by_server[server] -= room


class ServerQueue(Struct, eq=False):
    """One server's share of the pool: a slow server fills its own queue and no other (bulkhead)."""

    running: int = 0
    patients: Counter[int] = field(default_factory=Counter)  # their running reads
    waiting: deque[tuple[int, Callable[[], bool]]] = field(default_factory=deque)


class Job(Struct, Generic[_T], frozen=True):
    """One read under way: its answer to come, and the call that can be cut."""

    call: OutgoingCall
    answer: Future[_T]


class ReadPool:
    """Runs jobs in the queues of their servers; a fork needs a pool of its own."""

    def __init__(self, limits: ReadLimits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._queues: deque[ServerQueue] = deque()  # those with someone waiting, longest first
        self._running = 0
        self._threads = ThreadPoolExecutor(limits.threads, thread_name_prefix="fhir-read")

    def start(
        self, queue: ServerQueue, call: OutgoingCall, work: Callable[[], _T], patient: int = 0
    ) -> Job[_T] | None:
        """Begin `work` now or when its queue is free; None if too many wait or no thread starts."""
        job: Job[_T] = Job(call, Future())

        about = copy_context()  # whose call it is, for the lines of the log

        def run() -> bool:
            try:
                self._threads.submit(about.run, work).add_done_callback(done)
            except RuntimeError:  # no more threads can be started now
                self._finished(queue, patient)
                return False
            return True

        def done(future: Future[_T]) -> None:
            self._finished(queue, patient)
            error = future.exception()
            if error is None:
                job.answer.set_result(future.result())
            else:
                job.answer.set_exception(error)

        with self._lock:
            if self._has_room(queue, patient):
                self._count(queue, patient, 1)
            elif len(queue.waiting) < self._limits.waiting:
                self._line_up(queue, patient, run)
                return job
            else:
                return None
        return job if run() else None

    def close(self) -> None:
        """Take no more work; what runs goes on to its end."""
        with self._lock:
            for queue in self._queues:
                queue.waiting.clear()
            self._queues.clear()
        self._threads.shutdown(wait=False)

    def _has_room(self, queue: ServerQueue, patient: int) -> bool:
        limits = self._limits
        free = self._running < limits.threads and queue.running < limits.in_flight
        return free and queue.patients[patient] < limits.in_flight_of_one

    def _count(self, queue: ServerQueue, patient: int, change: int) -> None:
        queue.running += change
        self._running += change
        queue.patients[patient] += change
        if not queue.patients[patient]:
            del queue.patients[patient]

    def _line_up(self, queue: ServerQueue, patient: int, run: Callable[[], bool]) -> None:
        queue.waiting.append((patient, run))
        if queue not in self._queues:
            self._queues.append(queue)

    def _finished(self, queue: ServerQueue, patient: int) -> None:
        with self._lock:
            self._count(queue, patient, -1)
            run = self._next()
        # Outside the lock: work that is over at once calls back in this thread.
        if run is not None:
            run()

    def _next(self) -> Callable[[], bool] | None:
        """The work whose turn it is, counted as running; queues take turns."""
        for _ in range(len(self._queues)):
            queue = self._queues.popleft()
            turn = next((one for one in queue.waiting if self._has_room(queue, one[0])), None)
            if turn is not None:
                queue.waiting.remove(turn)
            if queue.waiting:
                self._queues.append(queue)
            if turn is not None:
                self._count(queue, turn[0], 1)
                return turn[1]
        return None


def wait_for(jobs: Sequence[Job[_T]]) -> None:
    """Wait until all are done or the first deadline is reached; then cut those that are not."""
    if jobs:
        wait([job.answer for job in jobs], timeout=min(job.call.deadline.left() for job in jobs))
    for job in jobs:
        if not job.answer.done():
            job.call.cut()
