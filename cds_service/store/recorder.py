"""Writes issued-card and audit rows: one bounded queue and one thread, so that no call waits."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import sqlalchemy as sa
from msgspec import Struct, field

from cds_service import metrics
from cds_service.errors import StoreUnavailable
from cds_service.store.engine import Database, RowRefused
from cds_service.store.statements import insert_adding, insert_new
from cds_service.store.tables import AUDIT, CENSUS, ISSUED, TALLY
from cds_service.telemetry import log

DEFAULT_ROOM = 10_000
_BATCH = 200
_GATHER_S = 0.25  # rows of so long are written together; a transaction costs as much as 20 calls
_IDLE_S = 5.0  # between pings of an idle database, so that /health knows of an outage
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0
_END_S = 1.0
_SUMS = ("fired", "returned", "suppressed")
CENSUS_SUMS = (
    "sodium_none", "sodium_unreadable", "sodium_read", "orders_recognised", "orders_unrecognised",
)  # fmt: skip
_RECENT_S = 300.0  # /health is degraded for so long after rows were dropped


class Tally(NamedTuple):
    """One event that a call adds to the count of one rule on one day."""

    tenant: str
    day: date
    service: str
    rule: str
    profile: str
    kind: str  # fired, returned or suppressed


class Count(NamedTuple):
    """What a call adds to the census of its client on one day."""

    tenant: str
    day: date
    client: str
    service: str
    column: str  # one of CENSUS_SUMS
    number: int


class CallRecord(Struct, frozen=True, kw_only=True):
    """The rows of one hook call: one of `AUDIT`, those of `ISSUED`, and what it adds to counts."""

    audit: Mapping[str, Any]
    issued: Sequence[Mapping[str, Any]] = ()
    tallies: Sequence[Tally] = field(default=())
    census: Sequence[Count] = ()


class Recorder:
    """Takes the rows of calls and never makes a call wait; rows that do not fit are dropped.

    A batch that could not be written is kept and tried again, so an outage loses no rows until the
    queue is full. A process that is killed loses its queue; feedback does not use it.
    """

    def __init__(self, database: Database, room: int = DEFAULT_ROOM) -> None:
        self._database = database
        # None wakes the thread at the stop.
        self._queue: queue.Queue[CallRecord | None] = queue.Queue(room)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._hurry = threading.Event()  # a thread waits until the queue is written
        self._thread: threading.Thread | None = None
        self._pid = 0
        self._pending: list[CallRecord] = []
        self._threadless = False
        self._written = 0  # calls whose rows are written, since the start
        self._dropped_at = float("-inf")
        self.dropped = 0

    def put(self, record: CallRecord) -> None:
        """Takes the rows of one call, or drops them if the queue is full."""
        self.start()
        try:
            self._queue.put_nowait(record)
        except queue.Full:
            self._count_dropped(1, "cds_queue_overflow")

    def start(self) -> None:
        """Starts the thread in the process that uses it, because threads do not survive a fork."""
        if self._pid == os.getpid():
            return
        with self._lock:
            if self._pid == os.getpid():
                return
            if self._pid:
                self._database.reopen()
            thread = threading.Thread(target=self._run, name="recorder", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads can be started now; the next call tries again
                self._threadless = True
                metrics.count("cds_queue_failures")
                return
            self._thread, self._threadless = thread, False
            self._pid = os.getpid()

    @property
    def closed(self) -> bool:
        """True if this worker is being stopped."""
        return self._stop.is_set()

    @property
    def waiting(self) -> int:
        """The number of calls whose rows are not written yet."""
        return self._queue.unfinished_tasks

    @property
    def problem(self) -> str:
        """The reason why the record of calls is not complete; empty if it is."""
        if time.monotonic() - self._dropped_at < _RECENT_S:
            return "rows of calls were dropped"
        return "rows wait, because no thread can be started" if self._threadless else ""

    def flush(self, seconds: float) -> bool:
        """Waits at most so long until everything is written; returns True if it is."""
        self._hurried(lambda: not self.waiting, seconds)
        return not self.waiting

    def catch_up(self, seconds: float) -> None:
        """Waits at most so long until the rows of the calls up to now are written.

        Later calls are not waited for, so that this ends while calls keep coming. It ends at once
        if nothing can be written now.
        """
        mine = self.waiting + self._written  # in this order it is never too low

        def done() -> bool:
            if self._threadless or self._database.problem:
                return True
            return self._written >= mine or not self.waiting

        self._hurried(done, seconds)

    def _hurried(self, done: Callable[[], bool], seconds: float) -> None:
        until = time.monotonic() + seconds
        while not done() and time.monotonic() < until:
            self._hurry.set()  # another thread that waited may have cleared it
            time.sleep(0.01)
        self._hurry.clear()

    def close(self, seconds: float = 5.0) -> None:
        """Waits at most so long for the rows that are left, and ends the thread."""
        thread = self._thread if self._pid == os.getpid() else None
        written = self.flush(seconds) if thread is not None else not self.waiting
        left = self.waiting
        self._stop.set()
        if thread is not None and thread.is_alive():
            with contextlib.suppress(queue.Full):
                self._queue.put_nowait(None)
            thread.join(min(_END_S, seconds))
        if not written:
            log().error("queue", reason="rows of calls were lost at the stop", count=left)

    def _run(self) -> None:
        pause = _FIRST_PAUSE_S
        metrics.show("cds_store_up", 0 if self._database.problem else 1)
        while not self._stop.is_set():
            metrics.show("cds_queue_depth", self.waiting)
            if not self._pending and not self._take():
                if not self._stop.is_set():
                    self._database.ping()
            elif self._write(self._pending):
                self._forget_written()
                pause = _FIRST_PAUSE_S
            else:
                metrics.count("cds_queue_failures")
                self._stop.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
            metrics.show("cds_store_up", 0 if self._database.problem else 1)

    def _forget_written(self) -> None:
        self._written += len(self._pending)  # before `waiting` falls: see `catch_up`
        for _ in self._pending:
            self._queue.task_done()
        self._pending = []

    def _take(self) -> bool:
        """Fills the batch from the queue; returns False if no row came within the idle time."""
        try:
            record = self._queue.get(timeout=_IDLE_S)
            while record is not None:
                self._pending.append(record)
                if len(self._pending) == 1 and self._queue.qsize() < _BATCH:
                    self._hurry.wait(_GATHER_S)
                record = self._queue.get_nowait() if len(self._pending) < _BATCH else None
        except queue.Empty:
            pass
        return bool(self._pending)

    def _write(self, records: Sequence[CallRecord]) -> bool:
        """Returns True if these rows are written, or refused for good one by one."""
        try:
            self._write_once(records)
        except StoreUnavailable:
            return False
        except RowRefused:
            if len(records) > 1:
                return all(self._write([record]) for record in records)
            self._count_dropped(1, "cds_queue_lost")
        return True

    def _write_once(self, records: Sequence[CallRecord]) -> None:
        """Writes all rows of these calls in one transaction; calls that are there add no rows."""
        try:
            with self._database.transaction() as connection:
                insert_calls(connection, records)
        except _Repeated:
            with self._database.transaction() as connection:
                insert = insert_new(connection, AUDIT)
                new = [r for r in records if connection.execute(insert, dict(r.audit)).rowcount]
                _insert_cards_and_counts(connection, new)

    def _count_dropped(self, number: int, metric: str) -> None:
        with self._lock:
            self.dropped += number
            self._dropped_at = time.monotonic()
        metrics.count(metric, times=number)


class _Repeated(Exception):
    """Some of these calls are in the database: they were committed, but the answer was lost."""


def insert_calls(connection: sa.Connection, records: Sequence[CallRecord]) -> None:
    """Writes all rows of these calls; raises an error if one of them is in the database already."""
    audit = [dict(record.audit) for record in records]
    if connection.execute(insert_new(connection, AUDIT), audit).rowcount != len(audit):
        raise _Repeated
    _insert_cards_and_counts(connection, records)


def _insert_cards_and_counts(connection: sa.Connection, records: Sequence[CallRecord]) -> None:
    """Writes the rows that belong to calls whose audit rows are written."""
    issued = [dict(row) for record in records for row in record.issued]
    if issued:
        connection.execute(insert_new(connection, ISSUED), issued)
    counts = Counter(tally for record in records for tally in record.tallies)
    rows = []
    # All workers use the same order, so that two of them never wait for each other.
    for tally, number in sorted(counts.items()):
        row = {**tally._asdict(), **dict.fromkeys(_SUMS, 0)}
        row[row.pop("kind")] = number
        rows.append(row)
    if rows:
        connection.execute(insert_adding(connection, TALLY, _SUMS), rows)
    _add_to_census(connection, [count for record in records for count in record.census])


def _add_to_census(connection: sa.Connection, counts: Sequence[Count]) -> None:
    sums: dict[tuple[str, date, str, str], dict[str, int]] = {}
    for count in counts:
        key = (count.tenant, count.day, count.client, count.service)
        row = sums.setdefault(key, dict.fromkeys(CENSUS_SUMS, 0))
        row[count.column] += count.number
    names = ("tenant", "day", "client", "service")
    rows = [dict(zip(names, key, strict=True)) | sums[key] for key in sorted(sums)]
    if rows:
        connection.execute(insert_adding(connection, CENSUS, CENSUS_SUMS), rows)
