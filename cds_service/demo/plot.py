"""Sodium over time as SVG: bands of the profile, orders and doses, the rise allowed in the last 24 h. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal

from markupsafe import Markup, escape
from msgspec import Struct

from cds_service.demo.axis import Axis, axis
from cds_service.knowledge.limits import Limits

_GRID = 5  # mmol/L between two lines
_AIR = 3  # mmol/L above and below the values
_TOP_AT_LEAST = 140
_CHARACTER = 6.6  # width of a character of the labels
_MARK_ROW = 16
_SHORTEST_LIMIT = 30  # a day may be a hair on an axis of months: the limit is still to be seen
_LABEL_ROOM = 30
_TICK_ROOM = 66
_HALF_LABEL = 13
_MOST_MARKS = 5
_KINDS = {"start": "medicine started", "dose": "dose given", "draft": "draft order"}
_DOSE, _START, _BEFORE = "◆", "▴", "◂"
NOT_LOW = "not low"


class Point(Struct, frozen=True):
    """One sodium result that can be drawn, mmol/L."""

    at: datetime
    value: float


class Mark(Struct, frozen=True):
    """A medicine that was started, a draft order, or the doses of one medicine: what has a row below the plot."""

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
    """What is drawn; points oldest first, at least one."""

    points: Sequence[Point]
    marks: Sequence[Mark] = ()
    now: datetime
    limits: Limits

    @property
    def allowed(self) -> tuple[Point, float] | None:
        """The lowest value of the last 24 h before a fresh result, and what sodium may reach from it.

        None where the last result is older than that, or the lowest is not low.
        """
        last = self.points[-1].at
        if self.now - last > self.window:
            return None
        lowest = min((p for p in self.points if last - p.at <= self.window), key=lambda p: p.value)
        if band_name(lowest.value, self.limits) == NOT_LOW:
            return None
        return lowest, lowest.value + float(self.limits.rate_limit_day)

    @property
    def floor(self) -> float:
        """The lowest value on the scale: a line of the grid."""
        lowest = min([*(p.value for p in self.points), float(self.limits.moderate_below)])
        return (lowest - _AIR) // _GRID * _GRID

    @property
    def window(self) -> timedelta:
        """The time in which a rise counts."""
        return self.limits.rate_window_hours


def bands(limits: Limits) -> tuple[tuple[str, float, float], ...]:
    """Name, lower and upper edge of each band of a profile, lowest first."""
    severe, moderate, mild = (
        float(edge) for edge in (limits.severe_below, limits.moderate_below, limits.mild_below)
    )
    return ("severe", 0.0, severe), ("moderate", severe, moderate), ("mild", moderate, mild)


def band_name(value: float, limits: Limits) -> str:
    """The band that a value falls into, or NOT_LOW."""
    if value == limits.mild_below and limits.mild_includes:
        return "mild"
    return next((name for name, _, upper in bands(limits) if value < upper), NOT_LOW)


def legend(plot: Plot) -> list[tuple[str, str]]:
    """Style and words of what this plot shows, and of nothing else."""
    keys = [(name, name) for name, _, upper in reversed(bands(plot.limits)) if upper > plot.floor]
    if plot.allowed:
        keys.append(("limit", "rise allowed in 24 h"))
    drawn = {mark.kind for mark in _shown(plot.marks)}
    keys += [(kind, words) for kind, words in _KINDS.items() if kind in drawn]
    if len(plot.marks) > _MOST_MARKS:
        keys.append(("more", f"{len(plot.marks) - _MOST_MARKS} earlier ones not marked"))
    return keys


def svg(plot: Plot, shape: Shape) -> Markup:
    """The drawing. Colors and fonts come from the page's style sheet; text from records is escaped."""
    picture = _Picture(plot, shape)
    title = (
        f"Sodium over time: {len(plot.points)} results, the last {plot.points[-1].value:g} mmol/L"
    )
    return Markup(
        '<svg class="plot {}" viewBox="0 0 {} {}" role="img" aria-label="{}" focusable="false">{}</svg>'
    ).format(shape.name, shape.width, shape.height, title, Markup("").join(picture.parts()))


class _Picture:
    """One plot in one shape."""

    def __init__(self, plot: Plot, shape: Shape) -> None:
        self._plot = plot
        self._shape = shape
        values = [p.value for p in plot.points]
        self._allowed = plot.allowed
        highest = max([*values, _TOP_AT_LEAST] + ([self._allowed[1]] if self._allowed else []))
        self._floor = plot.floor
        self._ceiling = highest + _AIR
        self._left, self._right = float(_LEFT), float(shape.width - _RIGHT)
        rows = min(len(plot.marks), _MOST_MARKS)
        self._base = float(shape.height - _BOTTOM - rows * _MARK_ROW)
        self._taken: list[
            tuple[float, float, float, float]
        ] = []  # where no label may start: x, x, y, y
        self._axis: Axis = axis([p.at for p in plot.points], plot.now, self._left, self._right)

    def parts(self) -> Iterator[Markup]:
        """The drawing from back to front."""
        yield from self._bands()
        yield from self._grid()
        yield from self._time()
        yield from self._limit()
        yield from self._marks()
        yield from self._values()

    def _y(self, value: float) -> float:
        share = (value - self._floor) / (self._ceiling - self._floor)
        return self._base - share * (self._base - _TOP)

    def _bands(self) -> Iterator[Markup]:
        for name, lower, upper in bands(self._plot.limits):
            bottom, top = self._y(max(lower, self._floor)), self._y(max(upper, self._floor))
            if bottom - top <= 0:
                continue
            yield _rect(f"band {name}", self._left, top, self._right - self._left, bottom - top)
            if bottom - top >= _MARK_ROW:
                yield _text("band-name", self._right + 6, (top + bottom) / 2 + 4, name)

    def _grid(self) -> Iterator[Markup]:
        value = self._floor
        while value <= self._ceiling:
            y = self._y(value)
            yield _line("grid", self._left, y, self._right, y)
            yield _text("tick end", self._left - 6, y + 4, f"{value:g}")
            value += _GRID

    def _time(self) -> Iterator[Markup]:
        y = self._shape.height - 8.0
        free = float("inf")
        for x, words in sorted(self._axis.ticks(_TICK_ROOM), reverse=True):
            yield _line("tick-mark", x, self._base, x, self._base + 4)
            if free - x >= _TICK_ROOM:
                yield _text("tick middle", x, y, words)
                free = x
        if self._axis.broken:
            left, right = self._axis.segments[0].right, self._axis.segments[1].left
            yield _rect("break", left, _TOP, right - left, self._base - _TOP)
            for x in (left, right):
                yield _line("tick-mark", x - 3, self._base + 5, x + 3, self._base - 5)

    def _limit(self) -> Iterator[Markup]:
        if self._allowed is None:
            return
        base, limit = self._allowed
        right = self._axis.place(self._plot.now)
        left = min(
            self._axis.place(self._plot.points[-1].at - self._plot.window), right - _SHORTEST_LIMIT
        )
        y = self._y(limit)
        yield _line("limit", left, y, right, y)
        words = f"limit {limit:g} ({base.value:g} + {self._plot.limits.rate_limit_day} in 24 h)"
        width = len(words) * _CHARACTER
        start = max(min(left, self._right - width), self._left + 4)
        yield _text("limit-name", start, y - 6, words)
        # Baselines at which a label of 11 units would touch the line, or the words above it.
        self._taken = [(left, right, y - 4, y + 13), (start, start + width, y - 20, y + 13)]

    def _marks(self) -> Iterator[Markup]:
        for row, mark in enumerate(_shown(self._plot.marks)):
            yield from self._mark(mark, self._base + 16 + row * _MARK_ROW)

    def _mark(self, mark: Mark, y: float) -> Iterator[Markup]:
        """A row: a sign for each instant, and the words to the right of the last or to the left of the first."""
        sign = _DOSE if mark.kind == "dose" else _START
        instants = sorted((at for at in (*mark.earlier, mark.at)), reverse=True)
        places = {self._axis.place(at): at >= self._axis.start for at in instants}
        for x, inside in places.items():
            if inside:
                yield _line(f"mark-line {mark.kind}", x, _TOP, x, y - 5)
            yield _text(f"mark {mark.kind} middle", x, y, sign if inside else _BEFORE)
        right, left = max(places) + 8, min(places) - 8
        room = self._shape.width - right
        if len(mark.label) * _CHARACTER <= room or room >= left:
            yield _text(f"mark {mark.kind}", right, y, _fitted(mark.label, room))
        else:
            yield _text(f"mark {mark.kind} end", left, y, _fitted(mark.label, left))

    def _values(self) -> Iterator[Markup]:
        places = [(self._axis.place(p.at), self._y(p.value), p) for p in self._plot.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in places)
        yield Markup('<polyline class="series" points="{}"/>').format(path)
        labelled = float("inf")
        labels: list[Markup] = []
        for x, y, point in reversed(places):
            name = band_name(point.value, self._plot.limits).replace(" ", "-")
            yield Markup(
                '<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="4.5"><title>{}</title></circle>'
            ).format(name, x, y, f"{point.value:g} mmol/L, {point.at:%d %b %H:%M}")
            if labelled - x >= _LABEL_ROOM:
                labelled = x
                labels.append(self._label(x, y, f"{point.value:g}"))
        yield from labels

    def _label(self, x: float, y: float, words: str) -> Markup:
        """A value beside its dot: above, or below where the limit is written; never over the scale."""
        above, below = y - 10, y + 20
        hit = any(
            left - _HALF_LABEL < x < right + _HALF_LABEL and top < above < bottom
            for left, right, top, bottom in self._taken
        )
        return _text(
            "value middle", max(x, self._left + _HALF_LABEL), below if hit else above, words
        )


def _shown(marks: Sequence[Mark]) -> list[Mark]:
    """The latest of the marks, oldest first: there is room for a few rows."""
    return sorted(marks, key=lambda m: m.at)[-_MOST_MARKS:]


def _fitted(words: str, width: float) -> str:
    most = int(width / _CHARACTER)
    return words if len(words) <= most else words[: most - 1] + "…"


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    return Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(
        kind, x1, y1, x2, y2
    )


def _rect(kind: str, x: float, y: float, width: float, height: float) -> Markup:
    return Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
        kind, x, y, width, height
    )


def _text(kind: str, x: float, y: float, words: str) -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}">{}</text>').format(
        kind, x, y, escape(words)
    )
