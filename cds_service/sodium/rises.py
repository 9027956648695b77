"""The rises that sodium samples show: measured, estimated between two samples, averaged (B.0.8, M10)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Literal

from msgspec import Struct

from cds_service.engine.spans import HOUR, ratio
from cds_service.knowledge.limits import Limits
from cds_service.sodium.glucose import katz
from cds_service.sodium.sample import Sample, drawn

THOUSANDTH = Decimal("0.001")  # M10 a
DAY_HOURS = Decimal(24)

Window = Literal["day", "two-days", "average"]
GlucoseUse = Literal["", "corrected", "one-end"]


class RatePair(Struct, frozen=True, kw_only=True):
    """The rise to one endpoint, from a measured or an interpolated base."""

    base: Decimal  # mmol/L
    rise: Decimal
    end: Sample
    over: timedelta  # from the base (or the sample before the interpolated base) to the end
    observed: bool  # False: base interpolated at end - 24 h
    gap: timedelta  # between the samples that bracket an interpolated base; zero where it was measured
    used: tuple[Sample, ...]  # oldest first; the first is the base, or the sample before it
    window: Window = "day"
    base_at: datetime | None = None
    glucose: GlucoseUse = ""  # Katz values used, or glucose known to be high at one end only

    @property
    def start(self) -> Sample:
        """The measured base, or the sample before an interpolated base."""
        return self.used[0]

    @property
    def end_value(self) -> Decimal:
        """The sodium that the rise ends with, glucose-corrected where the base is."""
        return self.base + self.rise

    @property
    def span(self) -> timedelta:
        """The time in which the rise took place: from the base, measured or estimated, to the end."""
        return self.end.at - self.base_at if self.base_at else self.over

    @property
    def per_day(self) -> Decimal:
        """The rise as an average over 24 h, mmol/L."""
        return (self.rise * DAY_HOURS / ratio(self.over, HOUR)).quantize(THOUSANDTH)


class Ladder(Struct, frozen=True, dict=True):
    """Exact samples, oldest first, with the glucose (mg/dL) of those that have one."""

    samples: tuple[Sample, ...]
    glucose: Mapping[Sample, Decimal]
    limits: Limits

    @cached_property
    def times(self) -> tuple[datetime, ...]:
        """When each sample was drawn."""
        return tuple(map(drawn, self.samples))

    def may_rise_by(self, least: Decimal, end: Sample, window: Literal["day", "two-days"]) -> bool:
        """Whether a rise to `end` can reach `least`, by the values alone: most sodium hardly moves.

        An estimated base lies between two samples, so no base is below the lowest of those in reach.
        """
        if self.glucose:
            return True
        begins = end.at - self._length(window) - self.limits.rate_bridge_hours
        in_reach = self.samples[bisect_left(self.times, begins) : bisect_right(self.times, end.at)]
        lowest = min([s.value for s in in_reach], default=end.value)
        return end.value - lowest + THOUSANDTH >= least  # rises are rounded to a thousandth

    def rises(self, end: Sample, window: Literal["day", "two-days"]) -> Iterator[RatePair]:
        """Every rise or fall to `end` within the window: from each sample, and from its estimated start."""
        length = self._length(window)
        inside = slice(bisect_left(self.times, end.at - length), bisect_left(self.times, end.at))
        for start in self.samples[inside]:
            yield self._pair((start, end), start.at, window)
        for before, after in self._brackets(end, end.at - length):
            used = (before, end) if after == end else (before, after, end)
            yield self._pair(used, end.at - length, window)

    def average(self, end: Sample) -> RatePair | None:
        """The rise from the sample before `end`, too long ago for an estimate and not for an average."""
        place = bisect_left(self.times, end.at)
        before = self.samples[place - 1] if place else None
        shortest, longest = (
            self.limits.rate_bridge_hours,
            self.limits.rate_average_hours,
        )
        if before is None or not shortest < end.at - before.at <= longest:
            return None
        return self._pair((before, end), before.at, "average")

    def change(self, start: Sample, end: Sample) -> RatePair:
        """The measured change between two samples."""
        rise = (end.value - start.value).quantize(THOUSANDTH)
        return RatePair(
            base=start.value,
            rise=rise,
            end=end,
            over=end.at - start.at,
            observed=True,
            gap=timedelta(0),
            used=(start, end),
            base_at=start.at,
        )

    def _brackets(self, end: Sample, moment: datetime) -> list[tuple[Sample, Sample]]:
        """Neighbors around a moment, near enough for an estimate: of all samples, and of the end's method.

        Looking at one method alone keeps a sample of the other from hiding a rise within one method.
        """
        place = bisect_left(self.times, moment)
        if place in (0, len(self.times)):
            return []
        pairs = [(self.samples[place - 1], self.samples[place])]
        if not all(s.method == end.method for s in pairs[0]):
            before = _of_method(end.method, reversed(self.samples[:place]))
            after = _of_method(end.method, self.samples[place:])
            pairs += [(before, after)] if before and after else []
        longest = self.limits.rate_bridge_hours
        return [(a, b) for a, b in pairs if moment < b.at <= end.at and b.at - a.at <= longest]

    def _length(self, window: Literal["day", "two-days"]) -> timedelta:
        return (
            self.limits.rate_window_hours if window == "day" else self.limits.rate_long_window_hours
        )

    def _pair(self, used: tuple[Sample, ...], base_at: datetime, window: Window) -> RatePair:
        start, end = used[0], used[-1]
        glucose = self._glucose_use(used)
        values = [self._corrected(s) if glucose == "corrected" else s.value for s in used]
        base = _at(base_at, used, values)
        return RatePair(
            base=base.quantize(THOUSANDTH),
            rise=(values[-1] - base).quantize(THOUSANDTH),
            end=end,
            over=end.at - start.at,
            observed=base_at == start.at,
            gap=timedelta(0) if base_at == start.at else used[1].at - start.at,
            used=used,
            window=window,
            base_at=base_at,
            glucose=glucose,
        )

    def _glucose_use(self, used: tuple[Sample, ...]) -> GlucoseUse:
        """Katz values where glucose is known to have fallen from high; else whether a shift may hide."""
        if not self.glucose:
            return ""
        known = [self.glucose.get(s) for s in used]
        first, last, high = known[0], known[-1], self.limits.glucose_shift_from
        if first is None or last is None:
            return "one-end" if any(g is not None and g >= high for g in (first, last)) else ""
        if first < high or first - last < self.limits.glucose_fall_from:
            return ""
        return "one-end" if None in known else "corrected"

    def _corrected(self, sample: Sample) -> Decimal:
        """The Katz value; below the limit glucose counts too, so that both ends stand on one scale."""
        return katz(sample.value, self.glucose[sample], self.limits)


def _of_method(method: str, samples: Iterable[Sample]) -> Sample | None:
    return next((s for s in samples if s.method == method), None)


def _at(moment: datetime, used: tuple[Sample, ...], values: Sequence[Decimal]) -> Decimal:
    """The first value, or the value on the straight line from the first to the second at this moment."""
    if moment == used[0].at:
        return values[0]
    share = ratio(moment - used[0].at, used[1].at - used[0].at)
    return values[0] + (values[1] - values[0]) * share
