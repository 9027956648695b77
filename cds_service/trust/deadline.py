"""One point in monotonic time by which an answer is due, handed down from the hook to the socket."""

from __future__ import annotations

import time

from msgspec import Struct


class Deadline(Struct, frozen=True):
    """A moment on `time.monotonic`; made once for a hook call, when its request line is read."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The deadline that many seconds from now."""
        return cls(time.monotonic() + seconds)

    def earlier(self, seconds: float) -> Deadline:
        """A deadline for a part of the work, which leaves that many seconds for the rest."""
        return Deadline(self.at - seconds)

    def left(self) -> float:
        """Seconds until then, never below 0."""
        return max(0.0, self.at - time.monotonic())

    @property
    def passed(self) -> bool:
        """Whether it is too late to begin anything."""
        return time.monotonic() >= self.at
