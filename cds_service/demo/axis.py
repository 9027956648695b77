"""The time axis of the plot: instants to places, with a break where the past is long and today is busy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
_RECENT = timedelta(hours=72)  # this much of the past gets a scale of its own ...
_LONG = timedelta(days=10)  # ... where the first value is older than this
_BUSY = 2  # values in it
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
    """A stretch of time drawn to one scale."""

    start: datetime
    end: datetime
    left: float
    right: float

    def place(self, at: datetime) -> float:
        """Where an instant stands; an instant outside is outside."""
        return self.left + (at - self.start) / (self.end - self.start) * (self.right - self.left)


class Axis(Struct, frozen=True):
    """One or two segments, oldest first; the last one ends a little after now."""

    segments: tuple[Segment, ...]
    now: datetime

    @property
    def broken(self) -> bool:
        """Whether time between the segments is left out."""
        return len(self.segments) > 1

    @property
    def start(self) -> datetime:
        """The oldest instant that is drawn."""
        return self.segments[0].start

    def place(self, at: datetime) -> float:
        """Where an instant stands, held inside the axis."""
        segment = next((s for s in reversed(self.segments) if at >= s.start), self.segments[0])
        return min(max(segment.place(at), segment.left), segment.right)

    def ticks(self, room: float) -> Iterator[tuple[float, str]]:
        """Places and words ("24 h ago"), in each segment no closer than `room`; in no order."""
        for segment in self.segments:
            scale = (segment.right - segment.left) / ((segment.end - segment.start) / HOUR)
            # Nobody counts hours beyond a few days: what ended long ago is told in days at least.
            finest = HOUR if self.now - segment.end < _RECENT else DAY
            fitting = (s for s in _STEPS if s[0] / HOUR * scale >= room and s[2] >= finest)
            step, name, unit = next(fitting, _STEPS[-1])
            first = -(-(self.now - segment.end) // step)
            last = (self.now - segment.start) // step
            for n in range(max(first, 0), last + 1):
                yield segment.place(self.now - n * step), _words(n * step, name, unit)


def axis(instants: Sequence[datetime], now: datetime, left: float, right: float) -> Axis:
    """An axis for values at these instants, between two places."""
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
