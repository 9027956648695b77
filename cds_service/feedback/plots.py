"""The plots of the report as inline SVG, without script, font or address."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from markupsafe import Markup
from msgspec import Struct

from cds_service import svg

WIDTH = 900
_ROW, _BAR, _LABELS, _NUMBERS = 26, 16, 350, 60  # pixels
_LETTER = 9  # of a number behind a bar
_LETTERS = 50  # of a label; more would leave the drawing
_TREND_HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 240, 52, 34, 14, 16
_COURSE_WIDTH, _COURSE_HEIGHT, _EDGE = 460, 130, 26
_LEAST_SPAN = 6  # of a course, so that a small change looks small
_MOST_MARKS = 12  # week labels under a trend
_STEPS = (1, 2, 2.5, 5, 10)
_TICKS = 4


class Part(Struct, frozen=True):
    """A part of a bar, with the style class that colors it."""

    name: str
    value: float
    style: str


class Bar(Struct, frozen=True):
    """One row of a bar chart; its parts are drawn one after the other."""

    name: str
    parts: tuple[Part, ...]
    shown: str = ""  # what is written behind the bar; "": its total

    @property
    def total(self) -> float:
        """Returns the length of the whole bar."""
        return sum(part.value for part in self.parts)


class Line(Struct, frozen=True):
    """One line of a trend; None is a gap."""

    name: str
    values: tuple[float | None, ...]
    style: str


class Interval(Struct, frozen=True):
    """One row of a chart of differences, with the interval in which the truth may be."""

    name: str
    value: float
    least: float
    most: float


def intervals(title: str, rows: Sequence[Interval]) -> Markup:
    """Returns differences on one scale around zero, each as a dot with its interval."""
    reach = max((abs(end) for row in rows for end in (row.least, row.most)), default=0) or 1
    middle = _LABELS + (WIDTH - _LABELS - _NUMBERS) / 2
    scale = (WIDTH - _LABELS - _NUMBERS) / 2 / reach
    drawn = [svg.line("grid", middle, 0, middle, _ROW * len(rows))]
    for number, row in enumerate(rows):
        height = _ROW * (number + 0.5)
        words = f"{row.name}: {row.value:+.1f} ({row.least:+.1f} to {row.most:+.1f})"
        drawn.append(svg.text("name", _LABELS - 10, height, _fitting(row.name)))
        ends = [(middle + scale * end, height) for end in (row.least, row.most)]
        drawn.append(svg.polyline("line blue", ends))
        drawn.append(svg.dot("dot blue", middle + scale * row.value, height, 4, words))
        drawn.append(svg.text("number", WIDTH - _NUMBERS + 6, height, f"{row.value:+.1f}"))
    return _drawing(title, _ROW * len(rows), drawn)


def bars(title: str, rows: Sequence[Bar]) -> Markup:
    """Returns horizontal bars on one scale, each with its total; tooltips show the parts."""
    longest = max((row.total for row in rows), default=0) or 1
    numbers = max((_LETTER * len(row.shown) + 6 for row in rows), default=0)
    scale = (WIDTH - _LABELS - max(_NUMBERS, numbers)) / longest
    drawn = [part for n, row in enumerate(rows) for part in _bar(row, n * _ROW, scale)]
    return _drawing(title, _ROW * len(rows), drawn)


def _bar(row: Bar, top: float, scale: float) -> Iterator[Markup]:
    middle = top + _ROW / 2
    yield svg.text("name", _LABELS - 10, middle, _fitting(row.name))
    left = float(_LABELS)
    for part in row.parts:
        width = part.value * scale
        words = f"{row.name}: {part.name} {part.value:g}"
        yield svg.rect(part.style, left, top + (_ROW - _BAR) / 2, width, _BAR, words)
        left += width
    yield svg.text("number", left + 6, middle, row.shown or f"{row.total:,.0f}")


def _fitting(label: str) -> str:
    return label if len(label) <= _LETTERS else f"{label[: _LETTERS - 1].rstrip()}…"


def trend(
    title: str,
    marks: Sequence[str],
    lines: Sequence[Line],
    unit: str = "",
    each: str = "week of",
) -> Markup:
    """Returns lines over the same marks (by default weeks), on a scale from zero."""
    highest = max((v for line in lines for v in line.values if v is not None), default=0)
    step = _step(highest)
    top = max(step, -(-highest // step) * step)
    width = (WIDTH - _LEFT - _RIGHT) / max(1, len(marks))
    height = _TREND_HEIGHT - _BOTTOM - _TOP

    def place(n: int, value: float) -> tuple[float, float]:
        return _LEFT + width * (n + 0.5), _TREND_HEIGHT - _BOTTOM - height * value / top

    drawn = []
    for value in (step * n for n in range(round(top / step) + 1)):
        _, y = place(0, value)
        drawn.append(svg.line("grid", _LEFT, y, WIDTH - _RIGHT, y))
        drawn.append(svg.text("scale", _LEFT - 8, y, f"{value:g}{unit}"))
    for n in range(0, len(marks), max(1, -(-len(marks) // _MOST_MARKS))):
        x, _ = place(n, 0)
        drawn.append(svg.text("mark", x, _TREND_HEIGHT - 10, marks[n]))
    for line in lines:
        known = [(n, value) for n, value in enumerate(line.values) if value is not None]
        for run in _runs(known):
            ends = [place(n, value) for n, value in run]
            drawn.append(svg.polyline(f"line {line.style}", ends))
        for n, value in known:
            words = f"{line.name}, {each} {marks[n]}: {value:g}"
            drawn.append(svg.dot(f"dot {line.style}", *place(n, value), 3, words))
    return _drawing(title, _TREND_HEIGHT, drawn)


def _runs(known: Sequence[tuple[int, float]]) -> Iterator[list[tuple[int, float]]]:
    """Yields the parts of a line without a gap: nothing is drawn where nothing is known."""
    run: list[tuple[int, float]] = []
    for n, value in known:
        if run and n != run[-1][0] + 1:
            yield run
            run = []
        run.append((n, value))
    if run:
        yield run


class Measured(Struct, frozen=True):
    """A value at a time, and how it is written."""

    at: datetime
    value: float
    shown: str


def course(title: str, points: Sequence[Measured], until: datetime) -> Markup:
    """Returns a value over time up to a moment, which is a dashed line at the right edge."""
    if not points:
        return Markup()
    values = [point.value for point in points]
    middle = (max(values) + min(values)) / 2
    span = max(_LEAST_SPAN, max(values) - min(values))
    whole = max((until - points[0].at).total_seconds(), 1.0)
    right = _COURSE_WIDTH - _EDGE

    def place(point: Measured) -> tuple[float, float]:
        passed = (point.at - points[0].at).total_seconds() / whole
        share = (point.value - middle) / span + 0.5
        height = _COURSE_HEIGHT - _EDGE - (_COURSE_HEIGHT - 2 * _EDGE) * share
        return _EDGE + (right - _EDGE) * passed, height

    places = [place(point) for point in points]
    drawn = [svg.line("now", right, 8, right, _COURSE_HEIGHT - 8)]
    drawn.append(svg.polyline("line", places))
    for point, (x, y) in zip(points, places, strict=True):
        drawn.append(svg.dot("dot", x, y, 3.5, f"{point.shown}, {point.at:%-d %B %Y, %H:%M}"))
    x, y = places[-1]
    at_the_edge = x < 2 * _EDGE  # to its left there is no room
    if at_the_edge:
        drawn.append(svg.text("first", x, y - 13, points[-1].shown))
    else:
        drawn.append(svg.text("last", x - 6, y - 13, points[-1].shown))
        x, y = places[0]
    if len(points) > 1 and not at_the_edge:
        drawn.append(svg.text("first", x, y - 13, points[0].shown))
    drawn.append(svg.text("day", _EDGE, _COURSE_HEIGHT - 8, f"{points[0].at:%-d %b}"))
    return svg.drawing("plot", title, _COURSE_WIDTH, _COURSE_HEIGHT, drawn)


def _step(highest: float) -> float:
    """Returns a round distance for about four grid lines."""
    if highest <= 0:
        return 1.0
    power = 10.0 ** (len(str(int(highest / _TICKS))) - 1)
    return next(power * s for s in _STEPS if power * s * _TICKS >= highest)


def _drawing(title: str, height: float, parts: Sequence[Markup]) -> Markup:
    return svg.drawing("plot", title, WIDTH, height, [svg.tooltip(title), *parts])
