"""Draws sodium over time as SVG, with the bands of the profile, orders, doses and the limit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal

from markupsafe import Markup
from msgspec import Struct

from cds_service import svg
from cds_service.knowledge.limits import Limits

_GRID = 5  # mmol/L between two lines
_AIR = 3  # mmol/L above and below the values
_TOP_AT_LEAST = 140
_CHARACTER = 6.6  # width of a character of the labels
_MARK_ROW = 16
_SHORTEST_LIMIT = 30  # a day may be a hair on an axis of months, and the limit must still be seen
_LABEL_ROOM = 30
_TICK_ROOM = 66
_HALF_LABEL = 13
_DOT = 4.5
_MOST_MARKS = 5
_KINDS = {"start": "medicine started", "dose": "dose given", "draft": "draft order"}
_SIGNS = {"start": "▴", "dose": "◆", "draft": "▴"}
_BEFORE = "◂"
NOT_LOW = "not low"


class Point(Struct, frozen=True):
    """One sodium result that can be drawn, mmol/L."""

    at: datetime
    value: float


class Mark(Struct, frozen=True):
    """A row below the plot, for a medicine that was started, a draft order, or the doses given."""

    at: datetime  # of doses: when the last one was given
    label: str
    kind: Literal["start", "draft", "dose"] = "start"
    earlier: tuple[datetime, ...] = ()  # doses before it


class Shape(Struct, frozen=True):
    """Width and height of the drawing, in its own units."""

    name: str
    width: int
    height: int


WIDE = Shape("wide", 760, 330)
NARROW = Shape("narrow", 330, 290)
_LEFT, _RIGHT, _TOP, _BOTTOM = 30, 66, 14, 28


class Plot(Struct, frozen=True, kw_only=True):
    """What is drawn; there is at least one point, and the oldest comes first."""

    points: Sequence[Point]
    marks: Sequence[Mark] = ()
    now: datetime
    limits: Limits

    @property
    def allowed(self) -> tuple[Point, float] | None:
        """Returns the lowest value of the last 24 h, and what sodium may reach from it.

        None if the last result is older than that, or if the lowest value is not low.
        """
        last = self.points[-1].at
        if self.now - last > self.window:
            return None
        recent = [point for point in self.points if last - point.at <= self.window]
        lowest = min(recent, key=lambda point: point.value)
        if band_name(lowest.value, self.limits) == NOT_LOW:
            return None
        return lowest, lowest.value + float(self.limits.rate_limit_day)

    @property
    def floor(self) -> float:
        """Returns the lowest value on the scale, which is a line of the grid."""
        values = [point.value for point in self.points]
        lowest = min([*values, float(self.limits.moderate_below)])
        return (lowest - _AIR) // _GRID * _GRID

    @property
    def window(self) -> timedelta:
        """Returns the time in which a rise counts."""
        return self.limits.rate_window_hours

    @property
    def shown_marks(self) -> list[Mark]:
        """Returns the latest marks, oldest first; there is room for a few rows."""
        return sorted(self.marks, key=lambda mark: mark.at)[-_MOST_MARKS:]


def bands(limits: Limits) -> tuple[tuple[str, float, float], ...]:
    """Returns name, lower and upper edge of each band of a profile, lowest first."""
    severe, moderate = float(limits.severe_below), float(limits.moderate_below)
    mild = float(limits.mild_below)
    return ("severe", 0.0, severe), ("moderate", severe, moderate), ("mild", moderate, mild)


def band_name(value: float, limits: Limits) -> str:
    """Returns the band that a value falls into, or NOT_LOW."""
    if value == limits.mild_below and limits.mild_includes:
        return "mild"
    return next((name for name, _, upper in bands(limits) if value < upper), NOT_LOW)


def legend(plot: Plot) -> list[tuple[str, str]]:
    """Returns style and words of each thing that this plot shows."""
    keys = [(name, name) for name, _, upper in reversed(bands(plot.limits)) if upper > plot.floor]
    if plot.allowed:
        keys.append(("limit", "rise allowed in 24 h"))
    drawn = {mark.kind for mark in plot.shown_marks}
    keys += [(kind, words) for kind, words in _KINDS.items() if kind in drawn]
    hidden = len(plot.marks) - _MOST_MARKS
    if hidden > 0:
        keys.append(("more", f"{hidden} earlier ones not marked"))
    return keys


def draw(plot: Plot, shape: Shape) -> Markup:
    """Returns the drawing in one shape; words from records are escaped."""
    last = plot.points[-1].value
    title = f"Sodium over time: {len(plot.points)} results, the last {last:g} mmol/L"
    parts = _Picture(plot, shape).parts()
    return svg.drawing(f"plot {shape.name}", title, shape.width, shape.height, parts)


class _Picture:
    """One plot in one shape."""

    def __init__(self, plot: Plot, shape: Shape) -> None:
        self._plot = plot
        self._shape = shape
        self._allowed = plot.allowed
        values = [point.value for point in plot.points]
        if self._allowed:
            values.append(self._allowed[1])
        self._floor = plot.floor
        self._ceiling = max([*values, _TOP_AT_LEAST]) + _AIR
        self._left, self._right = float(_LEFT), float(shape.width - _RIGHT)
        self._marks = plot.shown_marks
        self._base = float(shape.height - _BOTTOM - len(self._marks) * _MARK_ROW)
        # Areas in which no label may start: left, right, top, bottom.
        self._taken: list[tuple[float, float, float, float]] = []
        instants = [point.at for point in plot.points]
        self._axis: Axis = axis(instants, plot.now, self._left, self._right)

    def parts(self) -> Iterator[Markup]:
        """Yields the drawing from back to front."""
        for name, lower, upper in bands(self._plot.limits):
            bottom, top = self._y(max(lower, self._floor)), self._y(max(upper, self._floor))
            height = bottom - top
            if height > 0:
                yield svg.rect(f"band {name}", self._left, top, self._right - self._left, height)
            if height >= _MARK_ROW:
                yield svg.text("band-name", self._right + 6, (top + bottom) / 2 + 4, name)
        yield from self._grid()
        yield from self._time()
        yield from self._limit()
        for row, mark in enumerate(self._marks, 1):
            yield from self._mark(mark, self._base + row * _MARK_ROW)
        places = [(self._axis.place(p.at), self._y(p.value), p) for p in self._plot.points]
        yield svg.polyline("series", [(x, y) for x, y, _ in places])
        labels = []
        last = float("inf")  # where the label to the right of this value is
        for x, y, point in reversed(places):
            band = band_name(point.value, self._plot.limits).replace(" ", "-")
            words = f"{point.value:g} mmol/L, {point.at:%d %b %H:%M}"
            yield svg.dot(f"dot {band}", x, y, _DOT, words)
            if last - x >= _LABEL_ROOM:
                labels.append(self._label(x, y, f"{point.value:g}"))
                last = x
        yield from labels

    def _y(self, value: float) -> float:
        share = (value - self._floor) / (self._ceiling - self._floor)
        return self._base - share * (self._base - _TOP)

    def _grid(self) -> Iterator[Markup]:
        value = self._floor
        while value <= self._ceiling:
            y = self._y(value)
            yield svg.line("grid", self._left, y, self._right, y)
            yield svg.text("tick end", self._left - 6, y + 4, f"{value:g}")
            value += _GRID

    def _time(self) -> Iterator[Markup]:
        y = self._shape.height - 8.0
        last = float("inf")  # where the words to the right of this tick are
        for x, words in sorted(self._axis.ticks(_TICK_ROOM), reverse=True):
            yield svg.line("tick-mark", x, self._base, x, self._base + 4)
            if last - x >= _TICK_ROOM:
                yield svg.text("tick middle", x, y, words)
                last = x
        if self._axis.broken:
            left, right = self._axis.segments[0].right, self._axis.segments[1].left
            yield svg.rect("break", left, _TOP, right - left, self._base - _TOP)
            for x in (left, right):
                yield svg.line("tick-mark", x - 3, self._base + 5, x + 3, self._base - 5)

    def _limit(self) -> Iterator[Markup]:
        if self._allowed is None:
            return
        lowest, limit = self._allowed
        right = self._axis.place(self._plot.now)
        window_start = self._plot.points[-1].at - self._plot.window
        left = min(self._axis.place(window_start), right - _SHORTEST_LIMIT)
        y = self._y(limit)
        yield svg.line("limit", left, y, right, y)
        rise = self._plot.limits.rate_limit_day
        words = f"limit {limit:g} ({lowest.value:g} + {rise} in 24 h)"
        width = len(words) * _CHARACTER
        start = max(min(left, self._right - width), self._left + 4)
        yield svg.text("limit-name", start, y - 6, words)
        # Baselines at which a label of 11 units would touch the line, or the words above it.
        self._taken = [(left, right, y - 4, y + 13), (start, start + width, y - 20, y + 13)]

    def _mark(self, mark: Mark, y: float) -> Iterator[Markup]:
        """Yields a sign for each instant, and the words beside the last or the first of them."""
        places = {}  # where each sign is, and whether the axis reaches back to its instant
        for at in sorted([*mark.earlier, mark.at], reverse=True):
            places[self._axis.place(at)] = at >= self._axis.start
        for x, inside in places.items():
            if inside:
                yield svg.line(f"mark-line {mark.kind}", x, _TOP, x, y - 5)
            sign = _SIGNS[mark.kind] if inside else _BEFORE
            yield svg.text(f"mark {mark.kind} middle", x, y, sign)
        right, left = max(places) + 8, min(places) - 8
        room = self._shape.width - right
        if len(mark.label) * _CHARACTER <= room or room >= left:
            yield svg.text(f"mark {mark.kind}", right, y, _fitted(mark.label, room))
        else:
            yield svg.text(f"mark {mark.kind} end", left, y, _fitted(mark.label, left))

    def _label(self, x: float, y: float, words: str) -> Markup:
        """Returns a value above its dot, or below it if the limit is written there."""
        place = y - 10
        for left, right, top, bottom in self._taken:
            beside = x <= left - _HALF_LABEL or x >= right + _HALF_LABEL
            if not beside and top < y - 10 < bottom:
                place = y + 20
        return svg.text("value middle", max(x, self._left + _HALF_LABEL), place, words)


def _fitted(words: str, width: float) -> str:
    most = int(width / _CHARACTER)
    return words if len(words) <= most else words[: most - 1] + "…"


# ---- the axis of times and values


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
    """An axis has one or two segments, oldest first; the last one ends shortly after now."""

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
