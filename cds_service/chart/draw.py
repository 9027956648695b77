"""Draws a view as SVG: sodium with bands and corridor; medicines, doses and events below."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from markupsafe import Markup
from msgspec import Struct

from cds_service import svg
from cds_service.chart.labels import Box, Crowd, Label
from cds_service.chart.view import Bar, Corridor, Event, Point, View
from cds_service.engine.cards import Phrases
from cds_service.engine.wording import MONTHS, local_time, number, room_left, when

_GRID = 5  # mmol/L between two lines
_AIR = 2  # mmol/L above and below what is drawn
_ROW = 26  # a name, and below it what it names: letters on a dark bar are hard to read
_LEAST_BAND = 18  # a band has its name beside it from this height on
_CHARACTER = 6.4
_STEP = 12.0  # between two places that are tried for the words of the limit
_DOT = 4.5
_SHORTEST = timedelta(hours=24)
_AHEAD = 0.06  # of the time shown, beyond now, if no corridor reaches further
_MOST_ROWS = 8
_METHODS = ("lab", "poc")
_SURE = ("final", "amended", "corrected")


class Shape(Struct, frozen=True):
    """Width and height of the drawing without its rows, in its own units."""

    name: str
    width: int
    height: int
    ticks: int  # at most so many on the axis of time


WIDE, NARROW = Shape("wide", 860, 330, 9), Shape("narrow", 340, 300, 4)
_LEFT, _RIGHT, _TOP, _AXIS = 34, 72, 16, 26


class Marked(Struct, frozen=True):
    """One row below the plot."""

    name: str
    kind: str
    bars: tuple[Bar, ...] = ()
    events: tuple[Event, ...] = ()


def draw(
    view: View, span: timedelta | None, shape: Shape, rows: Sequence[Marked], phrases: Phrases
) -> Markup:
    """Returns the drawing of one stretch of time; words from records are escaped."""
    return _Picture(view, span, shape, rows, phrases).markup()


def rows_of(
    view: View, events: Sequence[Event], phrases: Phrases, drafts: Sequence[str] = ()
) -> list[Marked]:
    """Returns the rows below the plot: each medicine once, doses by name, events, draft orders."""
    named: dict[tuple[str, str], list[Bar]] = {}
    for bar in view.bars:
        named.setdefault((bar.name, bar.kind), []).append(bar)
    rows = [
        Marked(_row_name(view, bars, phrases), kind, tuple(bars))
        for (_, kind), bars in named.items()
    ]
    if events:
        # A sign without words would have to be looked up; the newest is named first.
        told = (f"{e.words} ({when(e.at, view.now, view.zone, False)})" for e in reversed(events))
        names = phrases.said("; ".join(dict.fromkeys(told)))
        rows.append(Marked(names, "event", events=tuple(events)))
    now = view.now
    rows += [Marked(name, "draft", events=(Event(now, name, "draft"),)) for name in drafts]
    return rows[-_MOST_ROWS:]


def _row_name(view: View, bars: Sequence[Bar], phrases: Phrases) -> str:
    """Returns the name of a row; each dose in it has its amount and its time."""
    name = name_of(bars[0], phrases)
    if bars[0].kind != "dose":
        return name
    doses = sorted((bar.start, bar.amount) for bar in bars if bar.start is not None)
    times = [f"{amount} {when(at, view.now, view.zone, False)}".strip() for at, amount in doses]
    return f"{name}: {phrases.said('; '.join(times))}"


class _Picture:
    """One stretch of time in one shape."""

    def __init__(
        self,
        view: View,
        span: timedelta | None,
        shape: Shape,
        rows: Sequence[Marked],
        phrases: Phrases,
    ) -> None:
        self._view, self._shape, self._rows, self._phrases = view, shape, rows, phrases
        self._end = self._last_moment(span)
        self._start = self._first_shown(span)
        inside = [p for p in view.points if p.at >= self._start]
        before = [p for p in view.points if p.at < self._start][-1:]
        self._points, self._line = inside, [*before, *inside]
        self._floor, self._top = self._scale()
        self._right = float(shape.width - _RIGHT)
        self._base = float(shape.height - _AXIS)
        self._curves = self._drawn_curves()

    def _first_moment(self) -> datetime:
        now = self._view.now
        return min([p.at for p in self._view.points] + [now - _SHORTEST])

    def _first_shown(self, span: timedelta | None) -> datetime:
        """Returns where the stretch begins: a corridor that began shortly before is seen whole."""
        start = self._view.now - span if span else self._first_moment()
        corridor = self._view.corridor
        if span is None or corridor is None or corridor.since < start - span:
            return start
        return min(start, corridor.since - span * _AHEAD)

    def _last_moment(self, span: timedelta | None) -> datetime:
        view = self._view
        shown = span or view.now - self._first_moment()
        ends = [view.now + shown * _AHEAD]
        if view.corridor is not None:
            ends.append(view.corridor.until + shown * _AHEAD)
        return max(ends)

    def _scale(self) -> tuple[int, int]:
        """Returns the lowest and the highest value of the scale."""
        values = [float(v) for p in self._line for v in (p.value, p.corrected) if v is not None]
        corridor, edges = self._view.corridor, dict(self._view.edges)
        if corridor is not None:
            values += [float(corridor.base), float(corridor.limit)]
        values += [float(edges["moderate"]), float(edges["mild"])]
        low, high = min(values) - _AIR, max(values) + _AIR
        return int(low // _GRID * _GRID), int(-(-high // _GRID) * _GRID)

    def markup(self) -> Markup:
        """Returns the whole drawing."""
        height = self._shape.height + len(self._rows) * _ROW
        title = self._phrases.plot("title", count=str(len(self._points)))
        drawing = svg.drawing(
            f"plot {self._shape.name}", title, self._shape.width, height, self._parts()
        )
        # The dots can be reached, so that this is a group and not one picture.
        return Markup(str(drawing).replace('role="img"', 'role="group"', 1))  # noqa: S704  # ours

    def _parts(self) -> Iterator[Markup]:
        yield from self._bands()
        yield from self._corridor_area()
        yield from self._grid()
        yield from self._times()
        yield from self._corridor_lines()
        yield from self._now()
        for number_of_row, row in enumerate(self._rows, 1):
            yield from self._row(row, self._base + _AXIS + number_of_row * _ROW - _ROW / 2)
        yield from self._series()

    def _x(self, at: datetime) -> float:
        share = (at - self._start) / (self._end - self._start)
        return _LEFT + max(0.0, min(1.0, share)) * (self._right - _LEFT)

    def _y(self, value: Decimal | float) -> float:
        share = (float(value) - self._floor) / (self._top - self._floor)
        return self._base - max(0.0, min(1.0, share)) * (self._base - _TOP)

    def _bands(self) -> Iterator[Markup]:
        lower = float(self._floor)
        for name, edge in self._view.edges:
            upper = float(edge)
            if upper > lower:
                top, bottom = self._y(upper), self._y(lower)
                yield svg.rect(f"band {name}", _LEFT, top, self._right - _LEFT, bottom - top)
                if bottom - top >= _LEAST_BAND:
                    words = self._phrases.plot(name)
                    yield svg.text("band-name", self._right + 5, (top + bottom) / 2 + 4, words)
                lower = upper

    def _grid(self) -> Iterator[Markup]:
        for value in range(self._floor, self._top + 1, _GRID):
            y = self._y(value)
            yield svg.line("grid", _LEFT, y, self._right, y)
            yield svg.text("tick end", _LEFT - 5, y + 4, str(value))

    def _times(self) -> Iterator[Markup]:
        for at, words in ticks(self._start, self._end, self._view.zone, self._shape.ticks):
            x = self._x(at)
            yield svg.line("tick-mark", x, self._base, x, self._base + 4)
            yield svg.text("tick middle", x, self._base + 17, self._phrases.said(words))

    def _now(self) -> Iterator[Markup]:
        x = self._x(self._view.now)
        yield svg.line("now", x, _TOP, x, self._base)
        yield svg.text("now-name middle", x, _TOP - 4, self._phrases.plot("now"))

    def _corridor_area(self) -> Iterator[Markup]:
        corridor = self._view.corridor
        if corridor is not None:
            left, right = self._x(corridor.since), self._x(corridor.until)
            top, bottom = self._y(corridor.goal), self._y(corridor.base)
            low, high = number(corridor.base), number(corridor.goal)
            words = self._phrases.plot("goal", low=low, high=high)
            yield svg.rect("goal", left, top, right - left, bottom - top, words)
            yield from self._room_area(corridor)

    def _room_area(self, corridor: Corridor) -> Iterator[Markup]:
        """Yields what is left of the rise: from the newest value to the limit, until its end."""
        box = self._room_box(corridor)
        if box is not None:
            words = room_words(corridor, self._phrases)
            size = box.right - box.left, box.bottom - box.top
            yield svg.rect("room-left", box.left, box.top, *size, words)

    def _room_box(self, corridor: Corridor) -> Box | None:
        latest = self._view.latest
        if not corridor.left or latest is None or corridor.until <= self._view.now:
            return None
        left, right = self._x(max(latest.at, corridor.since)), self._x(corridor.until)
        return Box(left, self._y(corridor.limit), right, self._y(latest.value))

    def _corridor_lines(self) -> Iterator[Markup]:
        corridor = self._view.corridor
        if corridor is None:
            return
        left, right = self._x(corridor.since), self._x(corridor.until)
        base, limit = self._y(corridor.base), self._y(corridor.limit)
        yield svg.line("base-line", left, base, right, base)
        yield svg.line("limit", left, limit, right, limit)
        yield svg.line("until", right, limit, right, self._base)

    def _series(self) -> Iterator[Markup]:
        for style, places in self._curves.items():
            yield svg.polyline(f"series {style}", places)
        for point in self._points:
            if point.exact and point.corrected is not None:
                place = self._x(point.at), self._y(point.corrected)
                yield svg.dot("dot corrected", *place, _DOT - 1, self._phrases.plot("corrected"))
        last = self._points[-1] if self._points else None
        for point in self._points:
            yield self._dot(point, reached=point is last)
        yield from self._labels()

    def _drawn_curves(self) -> Mapping[str, list[tuple[float, float]]]:
        """Returns the corners of each curve: one a method, and the corrected values."""
        exact = [point for point in self._view.points if point.exact]
        values = {name: [(p.at, p.value) for p in exact if p.method == name] for name in _METHODS}
        values["corrected"] = [(p.at, p.corrected) for p in exact if p.corrected is not None]
        curves = {style: self._inside(found) for style, found in values.items()}
        return {style: places for style, places in curves.items() if places}

    def _inside(self, values: Sequence[tuple[datetime, Decimal]]) -> list[tuple[float, float]]:
        """Returns the corners in this stretch, and where the curve enters it."""
        inside = [(at, value) for at, value in values if at >= self._start]
        before = [(at, value) for at, value in values if at < self._start][-1:]
        if before and inside:
            (begun, first), (ended, last) = before[0], inside[0]
            share = Decimal((self._start - begun) / (ended - begun))
            inside = [(self._start, first + (last - first) * share), *inside]
        return [(self._x(at), self._y(value)) for at, value in inside]

    def _dot(self, point: Point, *, reached: bool) -> Markup:
        """Returns a value that the pointer and the keyboard reach."""
        return Markup(
            '<circle class="dot {} {}" cx="{:.1f}" cy="{:.1f}" r="{:g}" role="img" tabindex="{}" '
            'aria-label="{}"><title>{}</title></circle>'
        ).format(
            point.method,
            point.band,
            self._x(point.at),
            self._y(point.value),
            _DOT,
            0 if reached else -1,
            words_of(point, self._phrases),
            words_of(point, self._phrases),
        )

    def _labels(self) -> Iterator[Markup]:
        """Yields values and limit where no curve, point or other words are; the newest first."""
        crowd = self._crowd()
        newest_first = self._points[::-1]
        for point in newest_first[:1]:
            yield from self._value(point, crowd)
        yield from self._limit_name(crowd)
        for point in newest_first[1:]:
            yield from self._value(point, crowd)
        yield from self._room_name(crowd)

    def _crowd(self) -> Crowd:
        """Returns what words must not cover; names of bands are beside the plot."""
        within = Box(_LEFT, 0.0, self._right + _DOT, self._base)
        crowd = Crowd(self._curves.values(), within)
        for point in self._points:
            crowd.add_point((self._x(point.at), self._y(point.value)), _DOT + 1)
            if point.corrected is not None:
                crowd.add_point((self._x(point.at), self._y(point.corrected)), _DOT)
        crowd.add(Label(self._phrases.plot("now"), self._x(self._view.now), _TOP - 4))
        corridor = self._view.corridor
        if corridor is not None:
            left, right = self._x(corridor.since), self._x(corridor.until)
            limit, base = self._y(corridor.limit), self._y(corridor.base)
            crowd.add_line((left, limit), (right, limit))
            crowd.add_line((left, base), (right, base))
            crowd.add_line((right, limit), (right, self._base))
        return crowd

    def _value(self, point: Point, crowd: Crowd) -> Iterator[Markup]:
        x, y = self._x(point.at), self._y(point.value)
        shown = self._phrases.said(point.shown)
        aside = len(shown) * _CHARACTER / 2 + _DOT + 5
        above, below = [(x, y - 9), (x + aside, y - 6)], [(x, y + 19), (x + aside, y + 15)]
        beside = [(x - aside, y - 6), (x - aside, y + 15), (x + aside, y + 4)]
        places = [*above, *below, *beside]
        placed = crowd.first_free(Label(shown, *place) for place in places)
        if placed is not None:
            yield svg.text("value middle", placed.x, placed.y, placed.words)

    def _limit_name(self, crowd: Crowd) -> Iterator[Markup]:
        corridor = self._view.corridor
        if corridor is None:
            return
        ceiling, until = number(corridor.limit), corridor.until_words
        limit = self._phrases.plot("limit", ceiling=ceiling)
        whole = self._phrases.plot("limit_until", ceiling=ceiling, until=until)
        placed = crowd.first_free(
            Label(words, x, y)
            for words in (whole, limit)
            for y in self._beside(corridor.limit)
            for x in self._along(corridor, words)
        )
        if placed is not None:
            yield svg.text("limit-name middle", placed.x, placed.y, placed.words)

    def _room_name(self, crowd: Crowd) -> Iterator[Markup]:
        """Yields how much is left, inside of its area if the words fit there."""
        corridor = self._view.corridor
        box = self._room_box(corridor) if corridor is not None else None
        if corridor is None or box is None:
            return
        words = room_words(corridor, self._phrases)
        label = Label(words, (box.left + box.right) / 2, (box.top + box.bottom) / 2 + 4)
        fits = label.box.left > box.left and label.box.right < box.right
        if fits and box.bottom - box.top >= _LEAST_BAND and crowd.first_free([label]) is not None:
            yield svg.text("room-name middle", label.x, label.y, words)

    def _beside(self, limit: Decimal) -> tuple[float, ...]:
        """Returns the lines of writing that a reader takes for those of the limit."""
        y = self._y(limit)
        return (y - 6, y + 16, y - 20, y + 30)

    def _along(self, corridor: Corridor, words: str) -> Iterator[float]:
        """Yields middles of the words from the end of the limit to its beginning, then further."""
        left, right = self._x(corridor.since), self._x(corridor.until)
        half = Label(words, 0, 0).box.right
        x = right - half
        while x - half >= left - 2 * half:
            yield x
            x -= _STEP
        yield right + half + 4

    def _row(self, row: Marked, y: float) -> Iterator[Markup]:
        """Yields a name, and below it its bars and signs; `y` is between the two."""
        for bar in row.bars:
            yield from self._bar(bar, row, y)
        for event in row.events:
            if event.at >= self._start:
                yield svg.text(f"event {event.kind} middle", self._x(event.at), y + 11, "◆")
        label = _fitted(row.name, self._shape.width - _LEFT)
        yield svg.text(f"row-name {row.kind}", _LEFT, y - 2, label)

    def _bar(self, bar: Bar, row: Marked, y: float) -> Iterator[Markup]:
        if row.kind == "dose":
            if bar.start is not None and bar.start >= self._start:
                yield svg.text("event dose middle", self._x(bar.start), y + 11, "▲")
            return
        left = self._x(bar.start) if bar.start is not None else float(_LEFT)
        right = self._x(bar.end if bar.end is not None else self._view.now)
        if (bar.end or self._view.now) >= self._start:
            style = f"bar {row.kind}{' suspect' if bar.suspect else ''}"
            words = f"{name_of(bar, self._phrases)}, {time_of(bar, self._view, self._phrases)}"
            yield svg.rect(style, left, y + 2, max(right - left, 3.0), 8, words)


def room_words(corridor: Corridor | None, phrases: Phrases) -> str:
    """Returns how much room is left, "" if none is."""
    left = corridor.left if corridor is not None else None
    return phrases.plot("room", left=room_left(left)) if left else ""


def words_of(point: Point, phrases: Phrases) -> str:
    """Returns a value as it is read out: value, band, time, method, and what was corrected."""
    value, time = phrases.said(f"{point.shown} mmol/L"), phrases.said(point.time)
    parts = [value, phrases.plot(point.band), time, phrases.plot(point.method)]
    if point.corrected is not None:
        parts.append(phrases.plot("corrected_value", value=number(point.corrected)))
    status = status_of(point, phrases)
    return ", ".join([*parts, status] if status else parts)


def status_of(point: Point, phrases: Phrases) -> str:
    """Returns what a reader must know of how sure a result is, or ""."""
    if point.status in _SURE:
        return ""
    return phrases.plot("preliminary" if point.status == "preliminary" else "status_unknown")


def name_of(bar: Bar, phrases: Phrases) -> str:
    """Returns what a medicine or an infusion is called."""
    return phrases.said(bar.name) or phrases.plot("fluid")


def time_of(bar: Bar, view: View, phrases: Phrases) -> str:
    """Returns since when a medicine is taken and until when, or when a dose was given."""
    if bar.kind == "dose" and bar.start is not None:
        given = phrases.plot("given", time=when(bar.start, view.now, view.zone, False))
        return f"{phrases.said(bar.amount)}, {given}" if bar.amount else given
    since = phrases.plot("start_unknown")
    if bar.start is not None:
        since = phrases.plot("since", date=_day(bar.start, view))
    return f"{since}, {phrases.plot('until', date=_day(bar.end, view))}" if bar.end else since


def _fitted(words: str, width: float) -> str:
    most = int(width / _CHARACTER)
    return words if len(words) <= most else words[: most - 1] + "…"


def _day(at: datetime, view: View) -> str:
    local, today = local_time(at, view.zone), local_time(view.now, view.zone)
    day = f"{local.day} {MONTHS[local.month - 1]}"
    return day if local.year == today.year else f"{day} {local.year}"


# ---- the axis of time

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_STEPS = (
    *(_HOUR * n for n in (1, 2, 3, 4, 6, 12)),
    *(_DAY * n for n in (1, 2, 3, 5, 10, 15, 30, 60, 120, 180, 365, 730, 1825, 3650)),
)


def ticks(
    start: datetime, end: datetime, zone: timedelta | None, most: int
) -> Iterator[tuple[datetime, str]]:
    """Yields moments on full hours or days by the clocks of the patient, and their words."""
    step = next((s for s in _STEPS if (end - start) / s <= most), _STEPS[-1])
    local = local_time(start, zone)
    at = local.replace(hour=0, minute=0, second=0, microsecond=0)
    while at <= local_time(end, zone):
        if at >= local:
            yield at, _tick(at, step)
        at += step


def _tick(at: datetime, step: timedelta) -> str:
    if step >= _DAY * 365:
        return str(at.year)
    if step >= _DAY or (at.hour, at.minute) == (0, 0):
        return f"{at.day} {MONTHS[at.month - 1]}"
    return f"{at:%H:%M}"
