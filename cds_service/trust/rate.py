"""How often each client may call: a moving window for each client and worker (T-50)."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

BURST_S = 2.0  # the window: a client may use two seconds' worth of calls at once


class RateLimit:
    """Counts the calls of each client within the last `BURST_S` seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: dict[str, deque[float]] = {}

    def admits(self, who: str, per_second: int) -> bool:
        """Whether this call is within the client's rate, and counts it if so; 0 means no limit.

        `who` is a name of the registry, so that the number of windows stays as small as that.
        """
        if per_second == 0:
            return True
        now = self._clock()
        with self._lock:
            calls = self._calls.setdefault(who, deque())
            while calls and calls[0] <= now - BURST_S:
                calls.popleft()
            if len(calls) >= per_second * BURST_S:
                return False
            calls.append(now)
            return True
