"""Holds which rules a hospital has switched off, for all workers and nodes (`cds-service off`).

Every change is a row that stays, so that the table is the record of who switched what and why.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from datetime import datetime

import sqlalchemy as sa
from msgspec import Struct

from cds_service import metrics
from cds_service.store.engine import Database, RowRefused
from cds_service.store.tables import SWITCH
from cds_service.telemetry import log

ALL = "all"  # in the place of a rule: no card at all
EVERYBODY = ""  # in the place of a client: all of them
_LOOK_EVERY_S = 1.0
_STALE_S = 3.0  # a state that is older is waited for
_WAIT_S = 0.15
_ATTEMPTS = 5  # two people may switch in one moment


class Switched(Struct, frozen=True, kw_only=True):
    """One rule, or all, was switched off or on, for one client or for all."""

    rule: str
    client: str = EVERYBODY
    off: bool = True
    at: datetime
    reason: str = ""
    by: str = ""  # user and machine of the command

    @property
    def words(self) -> str:
        """What is off and since when, without the name of the client: anybody may read it."""
        what = "all cards are" if self.rule == ALL else f"the rule {self.rule} is"
        whom = "for one client" if self.client else "for all clients"
        return f"{what} switched off {whom} since {self.at:%Y-%m-%d %H:%M} UTC"


class SwitchTable:
    """The table of what was switched off and on."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, switched: Switched) -> None:
        """Writes one change; it is in force on every node within seconds."""
        for attempt in range(_ATTEMPTS):
            try:
                self._add(switched)
            except RowRefused:
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                return

    def _add(self, switched: Switched) -> None:
        # A number and not the time decides what came last, because clocks of machines differ.
        number = sa.select(sa.func.coalesce(sa.func.max(SWITCH.c.number), 0) + 1)
        row = {
            "tenant": switched.client,
            "number": number.scalar_subquery(),
            "rule": switched.rule,
            "off": switched.off,
            "at": switched.at,
            "reason": switched.reason,
            "by": switched.by,
        }
        with self._database.transaction() as connection:
            connection.execute(sa.insert(SWITCH).values(row))

    def history(self) -> list[Switched]:
        """Returns every change, oldest first."""
        with self._database.transaction() as connection:
            rows = connection.execute(sa.select(SWITCH).order_by(SWITCH.c.number)).all()
        return [
            Switched(
                rule=row.rule, client=row.tenant, off=row.off, at=row.at, reason=row.reason,
                by=row.by,
            )
            for row in rows
        ]  # fmt: skip

    def off_now(self) -> tuple[Switched, ...]:
        """Returns what is off, in the order in which it was switched."""
        last: dict[tuple[str, str], Switched] = {}
        for one in self.history():
            key = (one.rule, one.client)
            last.pop(key, None)
            last[key] = one
        return tuple(one for one in last.values() if one.off)


class Switches:
    """What is off now, as one worker knows it; an outage of the store keeps the last known state.

    The table is read beside the calls, about once a second while there are calls. After a pause a
    call waits a moment for it, because what was switched meanwhile must count for that call too.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._table = SwitchTable(database)
        self._clock = clock
        self._lock = threading.Lock()
        self._off: tuple[Switched, ...] = ()
        self._read_at = float("-inf")
        self._asked_at = float("-inf")
        self._first_asked = float("inf")
        self._asked: Future[tuple[Switched, ...]] | None = None

    @property
    def known(self) -> bool:
        """False if the table could not be read for some seconds, and never before."""
        return self._read_at > float("-inf") or self._clock() - self._first_asked < _STALE_S

    def current(self) -> tuple[Switched, ...]:
        """Returns what is off now."""
        asked = self._look()
        patience = self._asked_at + _WAIT_S - self._clock()
        if asked is not None and patience > 0 and self._clock() - self._read_at > _STALE_S:
            wait((asked,), patience)
            self._look()
        return self._off

    def rules_off(self, client: str) -> frozenset[str]:
        """Returns the rules that are off for this client; `ALL` is among them if all are."""
        mine = (EVERYBODY, client)
        return frozenset(one.rule for one in self.current() if one.client in mine)

    def _look(self) -> Future[tuple[Switched, ...]] | None:
        """Takes what was read, if that did not fail, and starts to read again once it is time."""
        with self._lock:
            asked = self._asked
            if asked is not None and asked.done():
                self._asked = None
                if asked.exception() is None:
                    self._take(asked.result())
            now = self._clock()
            if self._asked is None and now >= self._asked_at + _LOOK_EVERY_S:
                self._asked_at = now
                self._first_asked = min(self._first_asked, now)
                self._asked = self._database.desk.begin(self._table.off_now)
            return self._asked

    def _take(self, off: tuple[Switched, ...]) -> None:
        # What was read is as old as the question: it may have been taken up only after a pause.
        self._read_at = self._asked_at
        metrics.show("cds_switched_off", len(off))
        if off != self._off:
            self._off = off
            words = _listed([f"{one.rule}{one.client and f' for {one.client}'}" for one in off])
            log().warning("switched", reason=f"Switched off now: {words}.", count=len(off))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "nothing"
