"""What the sodium series says now: the latest value, its band, its age and its trend."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from cds_service.engine.wording import DAY
from cds_service.knowledge.limits import Limits
from cds_service.knowledge.names import Unused
from cds_service.sodium.correction_rate import believed, doubtful, unbelieved_change
from cds_service.sodium.results import (
    HIDES_NOTHING,
    NEVER_A_VALUE,
    Band,
    Freshness,
    Rejected,
    Sample,
    Series,
    band_of,
)
from cds_service.sodium.snapshot import Setting, Snapshot

# The reasons that have a card of their own, and its rule.
SHOWN: Mapping[Unused, str] = {Unused.UNIT: "DQ-UNIT", Unused.IMPLAUSIBLE: "DQ-PLAUS"}


class Fall(Struct, frozen=True, kw_only=True):
    """A fall of sodium by `amount` mmol/L within `over`."""

    amount: Decimal
    over: timedelta
    start: Sample
    unbelieved: bool = False  # so large that a wrong sample is to be excluded at once (F3)
    from_normal: bool = False  # it began normal, with no low value in the weeks before (M10 c)
    risen_again: bool = False  # sodium has regained as much since its lowest as is left of the fall
    since_setting: bool = False  # its start is older than two days, before an acute setting (F2)
    goes_on: bool = True  # the newest value is lower than the one before: "down", "falling" (F33)


class SodiumView(Struct, frozen=True, kw_only=True):
    """The series as rules see it."""

    samples: tuple[Sample, ...] = ()  # usable, oldest first
    latest: Sample | None = None
    measured: Band = Band.NORMAL  # band of the measured value
    band: Band = Band.NORMAL  # band that rules use: of the Katz value if glucose is high (M5)
    age: timedelta = timedelta(0)
    freshness: Freshness = Freshness.STALE
    rejected: tuple[Rejected, ...] = ()
    newest_rejected: Rejected | None = None  # for a reason of SHOWN, and newer than `latest`
    unusable: Rejected | None = None  # the newest of any reason that may be newer than `latest`
    other_method: Sample | None = None  # laboratory and point of care disagree (S3)
    falling: Fall | None = None  # B.0.8 "Falling"
    acute: Fall | None = None  # M3
    regained: Fall | None = None  # it was acute, and sodium has risen again since (F2)
    stable_since: datetime | None = None  # F46: since when low and unchanged; None if it is not
    sparse_since: datetime | None = None  # F21: the same of values that lie further apart

    @property
    def fell_lately(self) -> bool:
        """Whether sodium fell within two days, also if it has risen since (F2)."""
        return self.acute is not None or self.regained is not None

    @property
    def down(self) -> Fall | None:
        """The fall that may be called one: the newest value is lower than the one before (F33)."""
        return self.falling if self.falling and self.falling.goes_on else None

    def unused_since(self, moment: datetime) -> tuple[Rejected, ...]:
        """Returns the results that may be of this time and that no rule uses, oldest first."""
        return tuple(
            result
            for result in self.rejected
            if result.why not in HIDES_NOTHING and (result.until is None or result.until >= moment)
        )

    def unread_since(self, moment: datetime) -> Rejected | None:
        """Returns the newest of them that may have a value, which a person can read."""
        unused = reversed(self.unused_since(moment))
        return next((result for result in unused if result.why not in NEVER_A_VALUE), None)

    @property
    def low(self) -> bool:
        """Whether the latest usable value is low by the profile (band in use)."""
        return self.latest is not None and self.band is not Band.NORMAL


def sodium_view(
    snapshot: Snapshot, series: Series, limits: Limits, corrected: Mapping[Sample, Decimal]
) -> SodiumView:
    """Returns the series with band, age and trend (A.3, B.0.1, B.0.2, M3, M5, M17).

    `corrected` are the Katz values of the samples with high glucose.
    """
    rejected = _newest_rejected(series)
    latest = series.latest
    unusable = _unusable(series, snapshot.now, limits)
    if latest is None:
        return SodiumView(rejected=series.rejected, newest_rejected=rejected, unusable=unusable)
    age = max(snapshot.now - latest.at, timedelta(0))
    fall = acute_fall(series.samples, latest, corrected, limits)
    regained = fall is not None and fall.risen_again
    return SodiumView(
        samples=series.samples,
        latest=latest,
        measured=band_of(latest.value, limits, latest.comparator),
        band=band_of(corrected.get(latest, latest.value), limits, latest.comparator),
        age=age,
        freshness=_freshness(latest, age, snapshot.setting, limits),
        rejected=series.rejected,
        newest_rejected=rejected,
        unusable=unusable,
        other_method=series.other_method,
        falling=falling(series.samples, latest, limits),
        acute=None if regained else fall,
        regained=fall if regained else None,
        stable_since=stable_since(series.samples, limits),
        sparse_since=sparse_since(series.samples, limits),
    )


def _newest_rejected(series: Series) -> Rejected | None:
    """The newest result that was left out for its unit or value, if nothing usable is as new."""
    since = None if series.latest is None else series.latest.at
    for result in reversed(series.rejected):
        if result.why in SHOWN and result.at is not None:
            return result if since is None or result.at > since else None
    return None


def _unusable(series: Series, now: datetime, limits: Limits) -> Rejected | None:
    """The newest result that is or may be sodium, is not used, and hides what is newest.

    It hides nothing if it was certainly drawn before the newest result that is used, or so long ago
    that no rule would speak of it. Before a direct measurement of nearly the same time it may be
    the laboratory's, which disagrees (F12).
    """
    latest = series.latest
    oldest = now - max(limits.stale_outpatient_days, limits.unrepeated_stale_days)
    if latest is not None:
        # A day without a clock began up to a day earlier in another zone.
        near = limits.lab_wins_minutes if latest.method == "poc" else timedelta(0)
        oldest = max(oldest, latest.at - (DAY if latest.day_only else near))
    hiding = [
        result
        for result in series.rejected
        if result.why not in HIDES_NOTHING and (result.until is None or result.until >= oldest)
    ]
    timeless = [result for result in hiding if result.until is None]
    return timeless[-1] if timeless else max(hiding, key=_until, default=None)


def _until(result: Rejected) -> datetime:
    return result.until or datetime.min.replace(tzinfo=UTC)


def _freshness(latest: Sample, age: timedelta, setting: Setting, limits: Limits) -> Freshness:
    """How far the age of the latest sodium lets rules act on it, by setting (B.0.2, M17)."""
    current, stale = limits.current_outpatient_days, limits.stale_outpatient_days
    if setting == "inpatient":
        current, stale = limits.current_inpatient_hours, limits.stale_inpatient_hours
    if _very_low(latest, limits):
        # A value that low was never repeated, and lapses by times of its own.
        current, stale = limits.unrepeated_outpatient_days, limits.unrepeated_stale_days
        if setting == "inpatient":
            current = limits.unrepeated_inpatient_days
    if age <= current:
        return Freshness.CURRENT
    return Freshness.AGING if age <= stale else Freshness.STALE


def _very_low(sample: Sample, limits: Limits) -> bool:
    if sample.comparator == "<" and sample.value == limits.unrepeated_below:
        return True
    return sample.value < limits.unrepeated_below


def falling(samples: Sequence[Sample], latest: Sample, limits: Limits) -> Fall | None:
    """Returns the drop to `latest` since the highest value of the last days or months (B.0.8)."""
    if latest.comparator or latest.value > limits.falling_newest_to:
        return None
    windows = (
        (limits.falling_recent_hours, limits.falling_recent_from),
        (limits.falling_long_days, limits.falling_long_from),
    )
    starts = believed([s for s in samples if not s.comparator], limits)  # F33
    before = [s for s in starts if s.at < latest.at]
    goes_on = not before or before[-1].value - latest.value >= limits.falling_step_from
    for window, least in windows:
        fall = _largest_fall(starts, latest, window, {})
        if fall and fall.amount >= least:
            return replace(fall, goes_on=goes_on)
    return None


def acute_fall(
    samples: Sequence[Sample], latest: Sample, corrected: Mapping[Sample, Decimal], limits: Limits
) -> Fall | None:
    """Returns a fall to a low `latest` that makes it acute (M3), by one method.

    It is as far as measured and as corrected for glucose (F41), and the smaller of both is told. A
    fall too large to believe is acute all the same, and marked (F3); it does not count from a value
    that itself needs a repeat, nor from high sodium (F42).
    The caller knows whether glucose, an artefact or a planned re-lowering explains the fall.
    """
    value = corrected.get(latest, latest.value)
    if not latest.exact or band_of(value, limits) is Band.NORMAL:
        return None
    least = limits.acute_fall_from
    exact = [s for s in samples if s.exact and s.at <= latest.at]
    comparable = [s for s in exact if s.method == latest.method]
    starts = [s for s in comparable if s.value - latest.value >= least]
    if _fall_of_two_days(starts, latest, corrected, limits) is None:
        return None  # without doubtful values it is no larger
    doubted = doubtful(exact, limits)
    believed = [s for s in starts if s not in doubted]
    fall = _fall_of_two_days(believed, latest, corrected, limits)
    if fall is None:
        return None
    unbelieved = _needs_repeat(latest, exact, doubted, limits)
    ends_low = value < limits.acute_after_hypernatremia_below and not unbelieved
    if _was_high(believed, fall.start, limits) and not ends_low:
        return None
    return replace(
        fall,
        amount=_amount_told(fall.start, latest, corrected, limits),
        unbelieved=unbelieved,
        from_normal=_began_normal(exact, fall.start, limits),
        risen_again=_risen_again([s for s in comparable if s not in doubted], latest, fall),
    )


def _needs_repeat(
    latest: Sample, exact: Sequence[Sample], doubted: Collection[Sample], limits: Limits
) -> bool:
    """Whether the newest value is in doubt, or its change too large to believe (F3)."""
    return latest in doubted or unbelieved_change(exact, limits) is not None


def _fall_of_two_days(
    starts: Sequence[Sample], latest: Sample, corrected: Mapping[Sample, Decimal], limits: Limits
) -> Fall | None:
    """Returns the largest fall of the window of an acute fall, if it is large enough for one."""
    fall = _largest_fall(starts, latest, limits.acute_fall_hours, corrected)
    return fall if fall is not None and fall.amount >= limits.acute_fall_from else None


def _amount_told(
    start: Sample, latest: Sample, corrected: Mapping[Sample, Decimal], limits: Limits
) -> Decimal:
    """Returns how far sodium fell, as measured or as corrected for glucose: the smaller of both.

    What it fell from a high value down to a normal one does not count.
    """
    highest = limits.acute_fall_start_to
    begun, ended = corrected.get(start, start.value), corrected.get(latest, latest.value)
    return min(min(start.value, highest) - latest.value, min(begun, highest) - ended)


def fall_since(
    samples: Sequence[Sample],
    latest: Sample,
    corrected: Mapping[Sample, Decimal],
    limits: Limits,
    begun: datetime,
) -> Fall | None:
    """Returns a fall to a low `latest` since the last value before an acute setting began (F2).

    A sodium before surgery is days or weeks old, and the fall is as young as the setting. It is as
    far as an acute fall, and by one method; a value that itself needs a repeat is no start.
    """
    value = corrected.get(latest, latest.value)
    if not latest.exact or latest.at <= begun or band_of(value, limits) is Band.NORMAL:
        return None
    exact = [s for s in samples if s.exact and s.at <= latest.at]
    doubted = doubtful(exact, limits)
    trusted = [s for s in exact if s not in doubted and s.method == latest.method]
    earliest = begun - limits.acute_setting_before_days
    start = max([s for s in trusted if earliest <= s.at <= begun], key=_time, default=None)
    if start is None:
        return None
    was_high = corrected.get(start, start.value) > limits.acute_fall_start_to
    if was_high and value >= limits.acute_after_hypernatremia_below:
        return None
    amount = _amount_told(start, latest, corrected, limits)
    if amount < limits.acute_fall_from:
        return None
    unbelieved = _needs_repeat(latest, exact, doubted, limits)
    fall = Fall(amount=amount, over=latest.at - start.at, start=start, since_setting=True)
    risen_again = _risen_again(trusted, latest, fall)
    return replace(fall, unbelieved=unbelieved, risen_again=risen_again)


def _time(sample: Sample) -> datetime:
    return sample.at


def _risen_again(samples: Sequence[Sample], latest: Sample, fall: Fall) -> bool:
    """Whether sodium has regained as much since its lowest value as is left of the fall (F2).

    It rises then, and what is left is no new fall: no card says that it "fell".
    """
    lowest = min((s.value for s in samples if s.at > fall.start.at), default=latest.value)
    return latest.value - lowest >= fall.start.value - latest.value


def _began_normal(samples: Sequence[Sample], start: Sample, limits: Limits) -> bool:
    """Whether the fall began at a normal value, with no low one in the weeks before (M10 c)."""
    return start.value >= limits.acute_normal_from and not any(
        s.value <= limits.rate_normal_above
        and timedelta(0) < start.at - s.at <= limits.acute_clean_days
        for s in samples
    )


def _was_high(samples: Sequence[Sample], start: Sample, limits: Limits) -> bool:
    """Whether sodium was high where the fall began, or within two days before (F42)."""
    return any(
        s.value > limits.acute_fall_start_to
        and timedelta(0) <= start.at - s.at <= limits.acute_fall_hours
        for s in samples
    )


def _largest_fall(
    starts: Sequence[Sample], latest: Sample, window: timedelta, corrected: Mapping[Sample, Decimal]
) -> Fall | None:
    """The fall from the highest value inside the window, the newest of equals; None if it rose."""
    start, highest = None, corrected.get(latest, latest.value)
    for sample in starts:
        if not timedelta(0) < latest.at - sample.at <= window:
            continue
        value = corrected.get(sample, sample.value)
        newer = start is not None and value == highest and sample.at > start.at
        if value > highest or newer:
            start, highest = sample, value
    if start is None:
        return None
    amount = highest - corrected.get(latest, latest.value)
    return Fall(amount=amount, over=latest.at - start.at, start=start)


def fall_within(
    samples: Sequence[Sample], latest: Sample, window: timedelta, least: Decimal
) -> Fall | None:
    """Returns the drop to `latest` since the highest value of the window, if it is large enough."""
    fall = _largest_fall([s for s in samples if not s.comparator], latest, window, {})
    return fall if fall is not None and fall.amount >= least else None


def stable_since(samples: Sequence[Sample], limits: Limits) -> datetime | None:
    """Returns since when sodium has been low and unchanged; None if it is not (F46, B.5 rule 6).

    The values are close together and without a long gap. The newest is not the lowest of the year,
    and it did not fall from a higher value of the last months.
    """
    return _unchanged_since(samples, limits, limits.stable_gap_days, limits.stable_values)


def sparse_since(samples: Sequence[Sample], limits: Limits) -> datetime | None:
    """Returns the same of more values, between which months may lie (F21)."""
    return _unchanged_since(samples, limits, limits.sparse_gap_days, limits.sparse_values)


def _unchanged_since(
    samples: Sequence[Sample], limits: Limits, gap: timedelta, values: Decimal
) -> datetime | None:
    if not samples or samples[-1].comparator:
        return None
    newest, run = samples[-1], _like_values(samples, limits, gap)
    begun = run[-1].at
    if len(run) < values or newest.at - begun < limits.stable_days:
        return None
    for sample in samples[:-1]:
        age, higher = newest.at - sample.at, sample.value - newest.value
        if age <= limits.stable_higher_days and higher >= limits.stable_higher_from:
            return None
    year = [s.value for s in samples[:-1] if newest.at - s.at <= limits.stable_lowest_days]
    return begun if newest.value >= min(year) else None


def _like_values(samples: Sequence[Sample], limits: Limits, gap: timedelta) -> list[Sample]:
    """Returns the low values like the newest, newest first, until a long gap or another value."""
    run = [samples[-1]]
    for sample in reversed(samples[:-1]):
        if sample.comparator or band_of(sample.value, limits) is Band.NORMAL:
            break
        values = [sample.value, *(s.value for s in run)]
        too_long = run[-1].at - sample.at > gap
        if too_long or max(values) - min(values) > limits.stable_range:
            break
        run.append(sample)
    return run
