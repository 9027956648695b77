"""What the sodium series says now: the latest value, its band, its age and its trend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

from msgspec import Struct

from cds_service.knowledge.limits import Limits
from cds_service.sodium.implausible import doubtful, unbelieved_change
from cds_service.sodium.results import (
    Band,
    Freshness,
    Rejected,
    Sample,
    Series,
    band_of,
    drawn,
)
from cds_service.sodium.snapshot import Setting, Snapshot

SHOWN = ("unit", "implausible")  # the reasons that a card names; the others are left out silently


class Fall(Struct, frozen=True, kw_only=True):
    """Sodium fell: `amount` mmol/L within `over`."""

    amount: Decimal
    over: timedelta
    start: Sample


class SodiumView(Struct, frozen=True, kw_only=True):
    """The series as rules see it."""

    samples: tuple[Sample, ...] = ()  # usable, oldest first
    latest: Sample | None = None
    measured: Band = Band.NORMAL  # band of the measured value
    band: Band = Band.NORMAL  # band that rules use: of the Katz value where glucose is high (M5)
    age: timedelta = timedelta(0)
    freshness: Freshness = Freshness.STALE
    rejected: tuple[Rejected, ...] = ()
    newest_rejected: Rejected | None = (
        None  # newer than `latest`, or alone, for unit or plausibility
    )
    other_method: Sample | None = None  # lab and point of care disagree by more than the limit (S3)
    falling: Fall | None = None  # B.0.8 "Falling"
    acute: Fall | None = None  # M3
    stable_chronic: bool = False  # B.5 rule 6 as far as samples go

    @property
    def low(self) -> bool:
        """Whether the latest usable value is low by the profile (band in use)."""
        return self.latest is not None and self.band is not Band.NORMAL


def sodium_view(
    snapshot: Snapshot, series: Series, limits: Limits, corrected: Mapping[Sample, Decimal]
) -> SodiumView:
    """The series with band, age and trend (A.3, B.0.1, B.0.2, M3, M5, M17); empty where nothing is usable."""
    rejected = _newest_rejected(series)
    latest = series.latest
    if latest is None:
        return SodiumView(rejected=series.rejected, newest_rejected=rejected)
    age = max(snapshot.now - latest.at, timedelta(0))
    plain = _freshness(age, snapshot.setting, limits)
    unrepeated = _unrepeated_freshness(latest, age, snapshot.setting, limits)
    return SodiumView(
        samples=series.samples,
        latest=latest,
        measured=band_of(latest.value, limits, latest.comparator),
        band=band_of(corrected.get(latest, latest.value), limits, latest.comparator),
        age=age,
        freshness=unrepeated or plain,
        rejected=series.rejected,
        newest_rejected=rejected,
        other_method=series.other_method,
        falling=falling(series.samples, latest, limits),
        acute=acute_fall(series.samples, latest, corrected, limits),
        stable_chronic=stable_chronic(series.samples, limits),
    )


def _newest_rejected(series: Series) -> Rejected | None:
    """The newest result that was left out for its unit or value, if nothing usable is as new."""
    told = [r for r in series.rejected if r.why in SHOWN and r.at is not None]
    newest = told[-1] if told else None
    if newest is None or series.latest is None:
        return newest
    return newest if newest.at is not None and newest.at > series.latest.at else None


def _freshness(age: timedelta, setting: Setting, limits: Limits) -> Freshness:
    if setting == "inpatient":
        return _step(age, limits.current_inpatient_hours, limits.stale_inpatient_hours)
    return _step(age, limits.current_outpatient_days, limits.stale_outpatient_days)


def _unrepeated_freshness(
    latest: Sample, age: timedelta, setting: Setting, limits: Limits
) -> Freshness | None:
    """A very low last value was never repeated and lapses by times of its own (M17); None: not that low."""
    reached = latest.value == limits.unrepeated_below and latest.comparator == "<"
    if latest.value >= limits.unrepeated_below and not reached:
        return None
    inpatient = setting == "inpatient"
    current = limits.unrepeated_inpatient_days if inpatient else limits.unrepeated_outpatient_days
    return _step(age, current, limits.unrepeated_stale_days)


def _step(age: timedelta, current: timedelta, stale: timedelta) -> Freshness:
    if age <= current:
        return Freshness.CURRENT
    return Freshness.AGING if age <= stale else Freshness.STALE


def falling(samples: Sequence[Sample], latest: Sample, limits: Limits) -> Fall | None:
    """The drop to `latest` from the highest value of the last days, else of the last months (B.0.8)."""
    if latest.comparator or latest.value > limits.falling_newest_to:
        return None
    windows = (
        (limits.falling_recent_hours, limits.falling_recent_from),
        (limits.falling_long_days, limits.falling_long_from),
    )
    starts = [s for s in samples if not s.comparator]
    for window, least in windows:
        fall = _largest_fall(starts, latest, window, {})
        if fall and fall.amount >= least:
            return fall
    return None


def acute_fall(
    samples: Sequence[Sample], latest: Sample, corrected: Mapping[Sample, Decimal], limits: Limits
) -> Fall | None:
    """A fall to a low `latest` that makes it acute (M3); one method, glucose-corrected where that is known.

    Values that are not believed without a repeat are no ground for it. Whether a shift of glucose, an
    artefact or a planned re-lowering explains the fall is for the caller to say.
    """
    if band_of(corrected.get(latest, latest.value), limits) is Band.NORMAL:
        return None
    window, least = limits.acute_fall_hours, limits.acute_fall_from
    exact = [s for s in samples if s.exact and s.at <= latest.at]
    starts = [s for s in exact if s.method == latest.method]
    fall = _largest_fall(starts, latest, window, corrected) if latest.exact else None
    if fall is None or fall.amount < least:
        return None  # without doubtful values it is no larger
    doubted = doubtful(exact, limits)
    if latest in doubted or unbelieved_change(exact, limits):
        return None
    believed = _largest_fall([s for s in starts if s not in doubted], latest, window, corrected)
    return believed if believed and believed.amount >= least else None


def _largest_fall(
    starts: Sequence[Sample], latest: Sample, window: timedelta, corrected: Mapping[Sample, Decimal]
) -> Fall | None:
    """The fall from the highest value inside the window, the newest of equals; None: it did not fall."""
    inside = [s for s in starts if timedelta(0) < latest.at - s.at <= window]
    if not inside:
        return None
    values = [corrected.get(s, s.value) for s in inside] if corrected else [s.value for s in inside]
    highest = max(values)
    if highest <= corrected.get(latest, latest.value):
        return None
    start = max((s for s, value in zip(inside, values, strict=True) if value == highest), key=drawn)
    amount = corrected.get(start, start.value) - corrected.get(latest, latest.value)
    return Fall(amount=amount, over=latest.at - start.at, start=start)


def stable_chronic(samples: Sequence[Sample], limits: Limits) -> bool:
    """Whether the newest values have been mild, close together and many for long (B.5 rule 6)."""
    run: list[Sample] = []
    for sample in reversed(samples):
        values = [sample.value, *(s.value for s in run)]
        mild = not sample.comparator and band_of(sample.value, limits) is Band.MILD
        if not mild or max(values) - min(values) > limits.stable_range:
            break
        run.append(sample)
    long = bool(run) and run[0].at - run[-1].at >= limits.stable_days
    return long and len(run) >= limits.stable_values
