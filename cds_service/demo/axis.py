"""The time axis of the plot, with a break if the past is long and the last days are busy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# The last 72 hours get a scale of their own if they hold two values and the first is 10 days old.
_RECENT = timedelta(hours=72)
_LONG = timedelta(days=10)
_BUSY = 2
_RECENT_SHARE, _GAP_SHARE = 0.62, 0.04
_SHORTEST = timedelta(hours=12)
_MARGIN = 0.04
_MONTH, _YEAR = timedelta(days=30), timedelta(days=365)
_STEPS: tuple[tuple[timedelta, str, timedelta], ...] = tuple(
    (unit * n, name, unit)
    for unit, name, counts in (
        (HOUR, "h", (1, 2, 3, 4, 6, 12)),
        (DAY, "d", (1, 2, 3, 5, 7, 14)),
        (_MONTH, "mo", (1, 2, 3, 6)),
        (_YEAR, "y", (1, 2, 5, 10, 20, 50)),
    )
    for n in counts
)


class Segment(Struct, frozen=True):
    """A stretch of time that is drawn to one scale."""

    start: datetime
    end: datetime
    left: float
    right: float

    def place(self, at: datetime) -> float:
        """Returns the place of an instant, which may be outside the segment."""
        share = (at - self.start) / (self.end - self.start)
        return self.left + share * (self.right - self.left)


class Axis(Struct, frozen=True):
    """One or two segments, oldest first; the last one ends shortly after now."""

    segments: tuple[Segment, ...]
    now: datetime

    @property
    def broken(self) -> bool:
        """Returns True if time between two segments is left out."""
        return len(self.segments) > 1

    @property
    def start(self) -> datetime:
        """Returns the oldest instant that is drawn."""
        return self.segments[0].start

    def place(self, at: datetime) -> float:
        """Returns the place of an instant, moved to an end of the axis if it is outside."""
        segment = next((s for s in reversed(self.segments) if at >= s.start), self.segments[0])
        return min(max(segment.place(at), segment.left), segment.right)

    def ticks(self, room: float) -> Iterator[tuple[float, str]]:
        """Yields places and words ("24 h ago") that are at least `room` apart, in no order."""
        for segment in self.segments:
            step, name, unit = self._step(segment, room)
            first = -(-(self.now - segment.end) // step)
            last = (self.now - segment.start) // step
            for n in range(max(first, 0), last + 1):
                yield segment.place(self.now - n * step), _words(n * step, name, unit)

    def _step(self, segment: Segment, room: float) -> tuple[timedelta, str, timedelta]:
        """Returns the smallest step between two ticks that leaves this room."""
        scale = (segment.right - segment.left) / ((segment.end - segment.start) / HOUR)
        # Hours are counted for a few days only; a segment that ended before counts in days.
        finest = HOUR if self.now - segment.end < _RECENT else DAY
        for step in _STEPS:
            length, _, unit = step
            if unit >= finest and length / HOUR * scale >= room:
                return step
        return _STEPS[-1]


def axis(instants: Sequence[datetime], now: datetime, left: float, right: float) -> Axis:
    """Returns an axis for values at these instants, between two places."""
    first = min([*instants, now - _SHORTEST])
    recent = [at for at in instants if now - at <= _RECENT]
    older = [at for at in instants if now - at > _RECENT]
    if not older or now - first < _LONG or len(recent) < _BUSY:
        return Axis((_segment(first, now, left, right),), now)
    split = right - (right - left) * _RECENT_SHARE
    gap = (right - left) * _GAP_SHARE
    past = _segment(first, max(max(older), first + DAY), left, split - gap)
    return Axis((past, _segment(min([*recent, now - DAY]), now, split, right)), now)


def _segment(start: datetime, end: datetime, left: float, right: float) -> Segment:
    margin = (end - start) * _MARGIN
    return Segment(start - margin, end + margin, left, right)


def _words(age: timedelta, name: str, unit: timedelta) -> str:
    return f"{round(age / unit)} {name} ago" if age else "now"
