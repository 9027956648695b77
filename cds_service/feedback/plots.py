"""Plots as inline SVG, drawn here: no script, no font and no address of anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from msgspec import Struct

WIDTH = 900
_ROW, _BAR, _LABELS, _NUMBERS = 26, 16, 250, 60  # pixels
_TREND_HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 240, 52, 34, 14, 16
_MOST_MARKS = 12  # week labels under a trend
_STEPS = (1, 2, 2.5, 5, 10)
_TICKS = 4


class Part(Struct, frozen=True):
    """A part of a bar: what it is, how much, and the class that colors it."""

    name: str
    value: float
    style: str


class Bar(Struct, frozen=True):
    """One row: its name and its parts, drawn one after the other."""

    name: str
    parts: tuple[Part, ...]

    @property
    def total(self) -> float:
        """Length of the whole bar."""
        return sum(part.value for part in self.parts)


class Line(Struct, frozen=True):
    """One line of a trend; None where there is nothing to draw."""

    name: str
    values: tuple[float | None, ...]
    style: str


def bars(title: str, rows: Sequence[Bar]) -> str:
    """Horizontal bars on one scale, each with its total; the same numbers stand in its tooltip."""
    longest = max((row.total for row in rows), default=0) or 1
    room = WIDTH - _LABELS - _NUMBERS
    drawn = [_bar(row, n * _ROW, room / longest) for n, row in enumerate(rows)]
    return _svg(title, _ROW * len(rows), "".join(drawn))


def _bar(row: Bar, top: float, scale: float) -> str:
    middle = top + _ROW / 2
    text = f'<text x="{_LABELS - 10}" y="{middle:.1f}" class="name">{escape(row.name)}</text>'
    at = float(_LABELS)
    for part in row.parts:
        width = part.value * scale
        tip = escape(f"{row.name}: {part.name} {part.value:g}")
        text += (
            f'<rect x="{at:.1f}" y="{top + (_ROW - _BAR) / 2:.1f}" width="{width:.1f}" height="{_BAR}" '
            f'class="{part.style}"><title>{tip}</title></rect>'
        )
        at += width
    return text + f'<text x="{at + 6:.1f}" y="{middle:.1f}" class="number">{row.total:,.0f}</text>'


def trend(title: str, marks: Sequence[str], lines: Sequence[Line], unit: str = "") -> str:
    """Lines over the same marks (weeks), from zero up."""
    highest = max((v for line in lines for v in line.values if v is not None), default=0)
    step = _step(highest)
    top = max(step, -(-highest // step) * step)
    frame = _Frame(len(marks), top)
    grid = "".join(_grid(frame, step * n, unit) for n in range(round(top / step) + 1))
    every = max(1, -(-len(marks) // _MOST_MARKS))
    under = "".join(
        f'<text x="{frame.x(n):.1f}" y="{_TREND_HEIGHT - 10}" class="mark">{escape(mark)}</text>'
        for n, mark in enumerate(marks)
        if n % every == 0
    )
    return _svg(
        title, _TREND_HEIGHT, grid + under + "".join(_line(frame, line, marks) for line in lines)
    )


class _Frame(Struct, frozen=True):
    marks: int
    top: float

    def x(self, n: int) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * (n + 0.5) / max(1, self.marks)

    def y(self, value: float) -> float:
        return _TREND_HEIGHT - _BOTTOM - (_TREND_HEIGHT - _BOTTOM - _TOP) * value / self.top


def _grid(frame: _Frame, value: float, unit: str) -> str:
    y = frame.y(value)
    return (
        f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>'
        f'<text x="{_LEFT - 8}" y="{y:.1f}" class="scale">{value:g}{escape(unit)}</text>'
    )


def _line(frame: _Frame, line: Line, marks: Sequence[str]) -> str:
    points = [
        (frame.x(n), frame.y(v), marks[n], v) for n, v in enumerate(line.values) if v is not None
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _, _ in points)
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" class="dot {line.style}">'
        f"<title>{escape(f'{line.name}, week of {mark}: {value:g}')}</title></circle>"
        for x, y, mark, value in points
    )
    return f'<polyline points="{path}" class="line {line.style}"/>{dots}'


def _step(highest: float) -> float:
    """A round distance of grid lines, so that there are about four."""
    if highest <= 0:
        return 1.0
    power = 10.0 ** (len(str(int(highest / _TICKS))) - 1)
    return next(power * s for s in _STEPS if power * s * _TICKS >= highest)


def _svg(title: str, height: float, body: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{body}</svg>"
    )
