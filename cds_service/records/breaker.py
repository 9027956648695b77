"""Leaves a FHIR server alone after it failed for several patients, and tries it again (T-53).

It counts calls, and not their reads: one call makes seven reads at once, and a chart that is slow
for one patient says nothing about the server. While a server is left alone, it is asked in the
background for its CapabilityStatement, without a token; and from time to time a whole call is let
through, for a few patients. The first answer ends the pause.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

from msgspec import Struct

from cds_service import metrics
from cds_service.records.pool import ReadLimits
from cds_service.telemetry import log

_LONGER = 4  # a pause that was ended too early is followed by one of so many times its length

Later = Callable[[float, Callable[[], None]], None]


class Pause(Struct, frozen=True):
    """Since when a server has been left alone, and how many failed calls were the reason."""

    since: datetime
    calls: int

    def words(self) -> str:
        """Returns the pause in our own words, without a name."""
        return f"left alone since {self.since:%H:%M} UTC after {self.calls} failed calls"


class Probe(Struct, frozen=True, kw_only=True):
    """How a breaker asks its server in the background, and what it is called in the log."""

    client: str
    server: str  # host and port
    answers: Callable[[], bool]
    later: Later  # runs something after so many seconds, in a thread of its own


def after(seconds: float, work: Callable[[], None]) -> None:
    """Runs `work` after so many seconds, in a thread that does not keep the process alive."""
    timer = threading.Timer(seconds, work)
    timer.daemon = True
    timer.start()


class Breaker:
    """Closed until enough calls of enough patients fail in a row; then open until one answer.

    Patients are kept as numbers that mean nothing outside this process.
    """

    def __init__(self, limits: ReadLimits, clock: Callable[[], float], probe: Probe) -> None:
        self._limits = limits
        self._clock = clock
        self._probe = probe
        self._lock = threading.Lock()
        self._failed: deque[tuple[float, int]] = deque(maxlen=limits.failures)
        self._pause: Pause | None = None
        self._tried: dict[int, float] = {}  # patients whose calls were let through, and when
        self._wait_s = limits.probe_s
        self._asked_at = 0.0
        self._closed_to_all_until = 0.0

    @property
    def pause(self) -> Pause | None:
        """Since when the server has been left alone; None if it is read."""
        return self._pause

    def admits(self, patient: int) -> bool:
        """Returns True if a call about this patient may read, with all its reads."""
        with self._lock:
            now = self._asked_at = self._clock()
            if self._pause is None:
                return True
            if now < self._closed_to_all_until:
                return False
            recent = {who: at for who, at in self._tried.items() if now - at < self._limits.open_s}
            self._tried = recent
            if patient in recent or len(recent) >= self._limits.failed_patients:
                return False
            recent[patient] = now
            return True

    def answered(self) -> None:
        """Notes that the server answered, with an error of the call's own or without."""
        with self._lock:
            self._failed.clear()
            if self._pause is None:
                self._wait_s = self._limits.probe_s
                return
            self._close()
        self._tell("answers again")

    def failed(self, patient: int) -> None:
        """Notes a call to which the server gave no answer at all, or only that it cannot."""
        with self._lock:
            now = self._asked_at = self._clock()
            self._failed.append((now, patient))
            if self._pause is not None or not self._keeps_failing(now):
                return
            self._pause = Pause(datetime.now(UTC), len(self._failed))
            self._closed_to_all_until = now + self._limits.open_s
            self._failed.clear()
            pause, wait = self._pause, self._wait_s
            self._wait_s = min(wait * _LONGER, self._limits.longest_probe_s)
        metrics.count("cds_breaker_opened")
        metrics.move("cds_breakers_open", 1)
        log().warning(
            "breaker-opened",
            client=self._probe.client,
            server=self._probe.server,
            reason=pause.words(),
        )
        self._probe.later(wait, lambda: self._try(pause, wait))

    def _keeps_failing(self, now: float) -> bool:
        if len(self._failed) < self._limits.failures:
            return False
        patients = {patient for _, patient in self._failed}
        soon = now - self._failed[0][0] <= self._limits.failure_window_s
        return soon and len(patients) >= self._limits.failed_patients

    def _try(self, pause: Pause, wait: float) -> None:
        """Asks the server in the background; if it does not answer, it is asked again later."""
        if self._pause is not pause:
            return
        if self._clock() - self._asked_at > self._limits.forgotten_s:
            self._end("not asked for any more")
        elif self._probe.answers():
            self._end("answers again")
        else:
            self._probe.later(wait, lambda: self._try(pause, wait))

    def forget(self) -> None:
        """Ends a pause without a word, because this process does not read any more."""
        with self._lock:
            if self._pause is not None:
                metrics.move("cds_breakers_open", -1)
            self._close()

    def _end(self, why: str) -> None:
        with self._lock:
            if self._pause is None:
                return
            self._close()
        self._tell(why)

    def _close(self) -> None:
        self._pause = None
        self._tried = {}
        self._failed.clear()

    def _tell(self, why: str) -> None:
        metrics.count("cds_breaker_closed")
        metrics.move("cds_breakers_open", -1)
        log().info(
            "breaker-closed", client=self._probe.client, server=self._probe.server, reason=why
        )
