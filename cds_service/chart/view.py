"""What a chart of sodium shows, taken from the case that the rules judged: so both say the same.

Base, limit and goal are those of the rule on the correction rate (F32), under the client's profile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from cds_service.engine.cards import defuse
from cds_service.engine.finding import Line
from cds_service.engine.wording import in_hours, number, when
from cds_service.knowledge.names import Analyte
from cds_service.sodium.case import ADMINISTRATION, Case
from cds_service.sodium.exposure import Exposure, ended_at, is_hypertonic
from cds_service.sodium.results import Band, Sample, band_of, drawn
from cds_service.sodium.rules.room import NoLimit, ceiling_fact, limit_line, room_of
from cds_service.sodium.snapshot import Order

# What is shown beside sodium, in this order.
OTHER_RESULTS = (
    Analyte.SERUM_OSMOLALITY,
    Analyte.URINE_OSMOLALITY,
    Analyte.URINE_SODIUM,
    Analyte.URINE_POTASSIUM,
    Analyte.POTASSIUM,
    Analyte.GLUCOSE,
)
_NEWEST = 6  # values of each other result

BarKind = Literal["lowers", "treats", "fluid", "dose"]


class Point(Struct, frozen=True, kw_only=True):
    """One sodium that rules use."""

    at: datetime
    value: Decimal
    shown: str
    time: str  # in words
    method: Literal["lab", "poc"]
    band: str
    status: str
    exact: bool
    corrected: Decimal | None = None  # by Katz, if glucose is high
    reference: str = ""  # "Observation/7"


class Corridor(Struct, frozen=True, kw_only=True):
    """How far sodium may rise until a moment, as the card on the rate counts it."""

    base: Decimal  # the lowest value of the last 24 h
    since: datetime
    until: datetime
    until_words: str
    goal: Decimal  # the most of the goal
    limit: Decimal  # the most of the limit
    limit_words: str  # as a card writes it, with what was done to it under a high glucose
    left: Decimal | None  # from the newest value to the limit; None: sodium is not to rise
    over: Decimal  # how far the newest value is above the limit


class Bar(Struct, frozen=True, kw_only=True):
    """A medicine or an infusion over its time, or one dose that was given."""

    name: str  # "": a fluid without a name
    kind: BarKind
    start: datetime | None  # None: not known
    end: datetime | None  # None: goes on
    suspect: bool = False  # a possible cause of the low sodium
    amount: str = ""  # of a dose, if it is known: "100 mL"


class Event(Struct, frozen=True):
    """Something that happened at a moment: a symptom, or the end of a fast rise."""

    at: datetime
    words: str  # words, or keys of words.toml as a fact of a card has them
    kind: Literal["symptom", "rise", "draft"]
    facts: Mapping[str, str] = {}  # of a rise


class Row(Struct, frozen=True):
    """The newest values of one other result."""

    analyte: str
    unit: str
    values: tuple[tuple[str, str], ...]  # value and time, newest first


class View(Struct, frozen=True, kw_only=True):
    """Everything that the chart of one patient shows."""

    now: datetime
    zone: timedelta | None
    profile: str
    edges: tuple[tuple[str, Decimal], ...]  # name and upper edge of each band, lowest first
    points: tuple[Point, ...] = ()
    left_out: int = 0  # results that no rule may use
    corridor: Corridor | None = None
    corrected_now: bool = False  # how sodium rises in these 24 h matters more than the days before
    no_rise: bool = False  # sodium is not to rise, whether or not a corridor can be drawn
    no_limit: NoLimit = ""  # why no limit of hours is under way
    limit: Line | None = None  # the words that the cards have for it
    bars: tuple[Bar, ...] = ()
    events: tuple[Event, ...] = ()
    others: tuple[Row, ...] = ()

    @property
    def latest(self) -> Point | None:
        """The newest sodium."""
        return self.points[-1] if self.points else None


def view_of(case: Case) -> View:
    """Returns what the chart of this case shows."""
    snapshot, limits = case.snapshot, case.limits
    zone = snapshot.zone
    if zone is None and case.sodium.latest is not None:
        zone = case.sodium.latest.at.utcoffset()
    samples, room = sorted(case.sodium.samples, key=drawn), room_of(case)
    return View(
        now=snapshot.now,
        zone=zone,
        profile=limits.profile,
        edges=(
            ("severe", limits.severe_below),
            ("moderate", limits.moderate_below),
            ("mild", limits.mild_below),
        ),
        points=tuple([_point(case, sample, zone) for sample in samples]),
        left_out=len(case.sodium.rejected),
        corridor=_corridor(case, zone),
        corrected_now=_is_corrected_now(case),
        no_rise=room is not None and room.left is None and not room.no_limit,
        no_limit=room.no_limit if room is not None else "",
        limit=limit_line(case) if case.sodium.low else None,
        bars=tuple(_bars(case)),
        events=tuple(sorted(_events(case), key=lambda event: event.at)),
        others=tuple(_others(case, zone)),
    )


def _is_corrected_now(case: Case) -> bool:
    """Returns whether a correction is under way or due: sodium rises fast, or is below mild."""
    mild = case.sodium.band in (Band.MILD, Band.NORMAL)
    room = room_of(case)
    return room is not None and not room.no_limit and (bool(case.rate.rule) or not mild)


def _point(case: Case, sample: Sample, zone: timedelta | None) -> Point:
    return Point(
        at=sample.at,
        value=sample.value,
        shown=sample.shown,
        time=when(sample.at, case.snapshot.now, zone, sample.day_only),
        method=sample.method,
        band=band_of(sample.value, case.limits, sample.comparator).value,
        status=sample.status,
        exact=sample.exact,
        corrected=case.corrected.get(sample),
        reference=sample.reference,
    )


def _corridor(case: Case, zone: timedelta | None) -> Corridor | None:
    """Returns the corridor that the cards speak of; after too fast a rise that of the rise."""
    room = room_of(case)
    ceiling = (room.ceiling or room.past) if room is not None else None
    if room is None or ceiling is None:
        return None
    return Corridor(
        base=ceiling.base,
        since=ceiling.since,
        until=ceiling.until,
        until_words=when(ceiling.until, case.snapshot.now, zone, False),
        goal=ceiling.base + min(case.limits.rate_goal, ceiling.limit),
        limit=ceiling.value,
        limit_words=ceiling_fact(ceiling),
        left=room.left,
        over=room.over,
    )


# ---- medicines, infusions and doses


def _bars(case: Case) -> Iterator[Bar]:
    sets = case.sets
    suspected = {e.drug.name for e in (*case.exposures.suspects, *case.exposures.more_suspects)}
    for exposure in case.exposures.active:
        kind = _kind(case, exposure)
        if kind is not None and not _only_given(exposure.orders):
            name = exposure.drug.name
            yield Bar(
                name=name, kind=kind, start=exposure.since, end=None, suspect=name in suspected
            )
    active = {exposure.drug.name for exposure in case.exposures.active}
    for order in case.listed:
        ended = ended_at(order)
        for drug in order.drugs:
            if drug.tier in sets.watched_tiers and drug.name not in active and ended is not None:
                yield Bar(name=drug.name, kind="lowers", start=order.begun, end=ended)
    for order in case.running_fluids:
        if order.reference.startswith(ADMINISTRATION):
            continue  # it is a dose
        yield Bar(name=_fluid_name(order), kind="fluid", start=order.begun, end=order.end)
    yield from _doses(case)


def _kind(case: Case, exposure: Exposure) -> BarKind | None:
    if exposure.drug.tier in case.sets.watched_tiers:
        return "lowers"
    return "treats" if exposure.drug.cls in case.sets.raising_drugs else None


def _only_given(orders: tuple[Order, ...]) -> bool:
    return all(order.reference.startswith(ADMINISTRATION) for order in orders)


def _doses(case: Case) -> Iterator[Bar]:
    for order in case.snapshot.exposures:
        shown = is_hypertonic(order) or order.hypotonic or _concerns(case, order)
        if order.reference.startswith(ADMINISTRATION) and order.begun is not None and shown:
            yield Bar(
                name=_fluid_name(order),
                kind="dose",
                start=order.begun,
                end=order.begun,
                amount=_amount(order),
            )


def _amount(order: Order) -> str:
    volume = order.saline.volume_ml if order.saline is not None else None
    return f"{number(volume)} mL" if volume else ""


def _concerns(case: Case, order: Order) -> bool:
    tiers, raising = case.sets.watched_tiers, case.sets.raising_drugs
    return any(drug.tier in tiers or drug.cls in raising for drug in order.drugs)


def _fluid_name(order: Order) -> str:
    """Returns what an order is called, saline by its strength; "" if it has no name."""
    if order.saline is not None and order.saline.percent is not None:
        return f"{number(order.saline.percent)}% saline"
    if order.drugs:
        return order.drugs[0].name
    return defuse(order.fluid_name.value) if order.fluid_name is not None else ""


# ---- events and other results


def _events(case: Case) -> Iterator[Event]:
    sets = case.sets
    wanted = (*sets.severe.members, *sets.moderate.members, *sets.mild.members)
    for problem in case.snapshot.problems:
        known = [concept for concept in wanted if concept in problem.concepts]
        if known and problem.active and problem.since is not None:
            yield Event(problem.since, f"symptom:{known[0]}", "symptom")
    episode = case.rate.episode
    if episode is not None:
        facts = {"rise": number(episode.rise), "hours": in_hours(episode.span)}
        yield Event(episode.end.at, "rise", "rise", facts)


def _others(case: Case, zone: timedelta | None) -> Iterator[Row]:
    for analyte in OTHER_RESULTS:
        readings = case.readings.all(analyte)[-_NEWEST:]
        if readings:
            values = tuple(
                (
                    f"{reading.comparator}{number(reading.value)}",
                    when(reading.at, case.snapshot.now, zone, reading.day_only),
                )
                for reading in reversed(readings)
            )
            yield Row(analyte, case.labs[analyte].unit, values)


def spans(view: View) -> Mapping[str, timedelta | None]:
    """Returns the stretches of time that the chart can show, the shortest first; None: all.

    They are named by their keys in words.toml.
    """
    return {
        "span_1": timedelta(hours=24),
        "span_7": timedelta(days=7),
        "span_90": timedelta(days=90),
        "span_all": None,
    }
