"""Writes log lines from a thread of its own, so that a full disk or a slow reader costs no call."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable

from cds_service import metrics

_ROOM = 2000  # lines that may wait
_BATCH = 200
_GATHER_S = 0.02  # lines of so long are written together; a thread's wake-up costs more than a line
_STUCK_S = 3.0
_RECENT_S = 300.0  # /health is degraded for so long after lines were lost
_POLL_S = 0.01


class LogWriter:
    """A text file that neither blocks nor raises an error: what it cannot write, it counts.

    A line is lost if too many lines wait, because the reader of a pipe does not read, or if writing
    fails. The next line that can be written is preceded by one that says how many were lost.
    """

    def __init__(
        self, descriptor: int | None, lost_line: Callable[[int], str], *, room: int = _ROOM
    ) -> None:
        """Without a descriptor every line is lost; `lost_line` makes the line about lost ones."""
        self._descriptor = descriptor
        self._lost_line = lost_line
        self._room = room
        self._lock = threading.Lock()
        self._pid = 0
        self._lost_at = float("-inf")
        self._begin()

    def _begin(self) -> None:
        """Makes everything that belongs to one process, because threads do not survive a fork."""
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._hurry = threading.Event()
        self._waiting = 0
        self._writing_since: float | None = None
        self._torn = False
        self._unsaid = 0
        self.lost = 0

    @property
    def problem(self) -> str:
        """What is wrong with the log now, in fixed words; empty if nothing is."""
        if time.monotonic() - self._lost_at < _RECENT_S:
            return f"{self.lost} lines were lost"
        since = self._writing_since
        if since is not None and time.monotonic() - since > _STUCK_S:
            return "lines wait, because its reader does not read or its disk does not write"
        return ""

    def write(self, text: str) -> None:
        """Takes one line that ends with a line break."""
        if self._descriptor is None or self._waiting >= self._room or not self._started():
            self._lose(1)
            return
        with self._lock:
            self._waiting += 1
        self._lines.put(text)

    def flush(self) -> None:
        """Does nothing: lines are written soon."""

    def close(self, seconds: float) -> None:
        """Waits at most so long until all lines are written; later ones are still taken."""
        if self._pid != os.getpid():
            return
        until = time.monotonic() + seconds
        self._hurry.set()
        while self._waiting and time.monotonic() < until:
            time.sleep(_POLL_S)
        self._hurry.clear()

    def _started(self) -> bool:
        """Starts the thread if this process has none; returns False if it cannot."""
        if self._pid == os.getpid():
            return True
        if not self._lock.acquire(blocking=False):
            return False  # another thread is at it
        try:
            if self._pid:  # this process was forked from the one that wrote so far
                self._begin()
            threading.Thread(target=self._run, name="log", daemon=True).start()
            self._pid = os.getpid()
        except RuntimeError:  # no more threads can be started now
            return False
        finally:
            self._lock.release()
        return True

    def _run(self) -> None:
        while True:
            lines = [self._lines.get()]
            self._hurry.wait(_GATHER_S)
            with contextlib.suppress(queue.Empty):
                while len(lines) < _BATCH:
                    lines.append(self._lines.get_nowait())
            self._put("".join(lines).encode("utf-8", "backslashreplace"))
            with self._lock:
                self._waiting -= len(lines)

    def _put(self, lines: bytes) -> None:
        """Writes these lines, or counts those that were not written."""
        self._writing_since = time.monotonic()
        left = self._written(lines) if self._resumed() else lines
        if left:
            self._lose(left.count(b"\n"))
        self._writing_since = None

    def _resumed(self) -> bool:
        """Ends a line that was cut, and says how many were lost; returns False if that fails."""
        unsaid = self._unsaid
        if self._torn and self._written(b"\n"):
            return False
        if unsaid and self._written(self._lost_line(unsaid).encode()):
            return False
        with self._lock:
            self._unsaid -= unsaid
        return True

    def _written(self, data: bytes) -> bytes:
        """Writes, and returns what could not be written."""
        assert self._descriptor is not None  # noqa: S101  # `write` takes no line without one
        try:
            while data:
                done = os.write(self._descriptor, data)
                self._torn = not data[:done].endswith(b"\n")
                data = data[done:]
        except OSError:  # a full disk (ENOSPC), a pipe without reader (EPIPE), a limit (EFBIG)
            return data
        return b""

    def _lose(self, number: int) -> None:
        with self._lock:
            self.lost += number
            self._unsaid += number
            self._lost_at = time.monotonic()
        metrics.count("cds_log_lost", times=number)
