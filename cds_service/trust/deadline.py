"""The moment by which an answer is due; it is passed down from the hook to the socket."""

from __future__ import annotations

import time

from msgspec import Struct

from cds_service.errors import OutOfTime


class Deadline(Struct, frozen=True):
    """Two moments of `time.monotonic`; made once for a call, when its request line is read.

    Reads end at `at`, so that what they brought can still be worked out by `answer_by`.
    """

    at: float
    answer_by: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Returns the deadline that is so many seconds from now."""
        moment = time.monotonic() + seconds
        return cls(moment, moment)

    def left(self) -> float:
        """Returns the seconds that are left, never less than 0."""
        return max(0.0, self.at - time.monotonic())

    def keep(self) -> None:
        """Raises OutOfTime if it is too late to go on: its caller no longer waits."""
        if time.monotonic() >= self.answer_by:
            raise OutOfTime

    @property
    def passed(self) -> bool:
        """True if it is too late to begin anything."""
        return time.monotonic() >= self.at
