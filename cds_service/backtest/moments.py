"""The moments of a patient at which a card could come: results, admissions, orders, openings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

from msgspec import Struct

from cds_service.backtest.orders import PastOrder
from cds_service.backtest.rows import MomentKind
from cds_service.backtest.timeline import Timeline
from cds_service.backtest.times import LONG_AGO

CHART, PICKED, SIGNED = "patient-view", "order-select", "order-sign"
DISCHARGE = "encounter-discharge"


class Moment(Struct, frozen=True, kw_only=True):
    """One moment: what happened, which hook is called, and which orders were being written."""

    at: datetime
    kind: MomentKind
    hook: str = CHART
    orders: tuple[PastOrder, ...] = ()
    user: str = ""


class Wanted(Struct, frozen=True, kw_only=True):
    """Which moments are judged."""

    results: bool = False
    admissions: bool = False
    discharges: bool = False
    orders: bool = False
    opens: bool = False
    at: datetime | None = None
    since: date | None = None
    until: date | None = None  # this day is the last one
    measured_from: date | None = None  # first day with a sodium in the whole export

    @property
    def only_results(self) -> bool:
        """Whether the results are the only moments."""
        others = (self.admissions, self.discharges, self.orders, self.opens, self.at)
        return self.results and not any(others)

    def holds(self, at: datetime) -> bool:
        """Whether a moment is in the time that was asked for."""
        day = at.date()
        after = self.since is None or day >= self.since
        return after and (self.until is None or day <= self.until)

    @property
    def begins(self) -> date | None:
        """The first day of moments that are no results; without --since the laboratory's first.

        Before it no order could have a sodium: the cards would say that for years.
        """
        return self.since or self.measured_from

    def holds_moment(self, moment: Moment) -> bool:
        """Whether a moment is in the time that was asked for, and in that of the laboratory."""
        early = self.begins is not None and moment.at.date() < self.begins
        return self.holds(moment.at) and (moment.kind in ("result", "date") or not early)


def moments_of(timeline: Timeline, wanted: Wanted) -> list[Moment]:
    """Returns the moments of a patient, by time; several results of one instant are one moment."""
    found = [*_of_the_chart(timeline, wanted)]
    if wanted.orders:
        found += _of_orders(timeline)
    found = [moment for moment in found if wanted.holds_moment(moment)]
    return sorted(found, key=_place)


def _place(moment: Moment) -> tuple[datetime, str, str, list[str], str]:
    orders = [order.reference for order in moment.orders]
    return moment.at, moment.kind, moment.hook, orders, moment.user


def _of_the_chart(timeline: Timeline, wanted: Wanted) -> Iterator[Moment]:
    if wanted.results:
        times = dict.fromkeys(timeline.series["sodium"].times)
        yield from (Moment(at=at, kind="result") for at in times)
    if wanted.admissions:
        starts = dict.fromkeys(stay.start for stay in timeline.stays if stay.inpatient)
        yield from (Moment(at=at, kind="admission") for at in starts)
    if wanted.discharges:
        ends = [stay.end for stay in timeline.stays if stay.inpatient and not stay.guessed]
        yield from (Moment(at=at, kind="discharge", hook=DISCHARGE) for at in dict.fromkeys(ends))
    if wanted.opens:
        yield from (Moment(at=o.at, kind="open", user=o.user) for o in timeline.openings)
    if wanted.at is not None:
        yield Moment(at=wanted.at, kind="date")


def _of_orders(timeline: Timeline) -> Iterator[Moment]:
    """Yields each order as it is picked, and those of one instant as they are signed together."""
    by_time: dict[datetime, list[PastOrder]] = {}
    for order in timeline.orders:
        if order.since > LONG_AGO:
            yield Moment(at=order.since, kind="order", hook=PICKED, orders=(order,))
            by_time.setdefault(order.since, []).append(order)
    for at, orders in by_time.items():
        yield Moment(at=at, kind="signing", hook=SIGNED, orders=tuple(orders))
