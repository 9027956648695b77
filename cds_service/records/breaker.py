"""Stops reads from a FHIR server that keeps failing, and tries it again by a single read (T-53)."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from cds_service import metrics
from cds_service.records.pool import ReadLimits


class Breaker:
    """Closed until `failures` in a row fall into the window; then open; then one probe decides."""

    def __init__(self, limits: ReadLimits, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: deque[float] = deque(maxlen=limits.failures)
        self._open_until: float | None = None

    def allows(self) -> bool:
        """Whether a read may begin now."""
        with self._lock:
            if self._open_until is None:
                return True
            now = self._clock()
            if now < self._open_until:
                return False
            # One read goes ahead as a probe. The others wait for its result, at most so long.
            self._open_until = now + self._limits.open_s
            return True

    def succeeded(self) -> None:
        """The server answered, with an error or without."""
        with self._lock:
            self._failures.clear()
            if self._open_until is not None:
                metrics.move("cds_breakers_open", -1)
            self._open_until = None

    def failed(self) -> None:
        """The server did not answer, or answered that it cannot."""
        with self._lock:
            now = self._clock()
            self._failures.append(now)
            full = len(self._failures) == self._limits.failures
            soon = full and now - self._failures[0] <= self._limits.failure_window_s
            if soon and self._open_until is None:
                metrics.count("cds_breaker_opened")
                metrics.move("cds_breakers_open", 1)
            if soon or self._open_until is not None:
                self._open_until = now + self._limits.open_s
                self._failures.clear()
