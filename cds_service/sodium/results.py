"""Laboratory results become readings, and sodium readings become the series that rules use (B.0.1).

Each result is judged once, by `rejection`: rules may use it, or it is left out for a named reason.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from operator import attrgetter, lt, sub
from typing import Literal

from msgspec import Struct

from cds_service.engine.wording import DAY, number
from cds_service.knowledge.limits import Limits
from cds_service.knowledge.names import Analyte, Unused
from cds_service.knowledge.words import Lab
from cds_service.sodium.snapshot import DroppedResult, LabResult, Moment, Snapshot
from cds_service.terminology.units import factor, unit_key

URINE = "urine-"  # how the analytes that are measured in urine begin
MOST_DIGITS = 12  # no measurement has more on either side; arithmetic on such numbers overflows
WITHDRAWN = frozenset({"entered-in-error", "cancelled", "registered"})
TRUST = (
    "preliminary",
    "unknown",
    "final",
    "amended",
    "corrected",
)  # later ones replace earlier ones

# Results that are not used for these reasons hide nothing: any other may be the newest and low.
HIDES_NOTHING = frozenset({Unused.STATUS, Unused.OLD})
# Of these the record itself has no other value, or a later one in its place.
NEVER_A_VALUE = frozenset(
    {
        Unused.HEMOLYZED,
        Unused.NO_VALUE,
        Unused.IMPLAUSIBLE,
        Unused.PRELIMINARY,
        Unused.IDENTIFIER,
    }
)
_BOUNDS = frozenset({"", "<", "<=", ">", ">="})


class Band(StrEnum):
    """Severity by the active profile."""

    NORMAL = "normal"
    MILD = "mild"
    MODERATE = "moderate"
    SEVERE = "severe"


class Freshness(StrEnum):
    """How far the age of a result lets us act on it (B.0.2)."""

    CURRENT = "current"
    AGING = "aging"
    STALE = "stale"


class Sample(Struct, frozen=True, kw_only=True):
    """One usable sodium, mmol/L."""

    value: Decimal
    shown: str  # as a card writes it: "128", "<110"
    at: datetime
    method: Literal["lab", "poc"] = "lab"
    status: str = "final"
    comparator: str = ""
    day_only: bool = False
    result_time: bool = False
    unit_missing: bool = False
    below_plausible: bool = False  # 70 to 89.9 (S2)
    reference: str = ""
    specimen: str = ""

    def __hash__(self) -> int:
        # Samples are often looked up in sets; time and value nearly always differ.
        return hash((self.at, self.value))

    @property
    def exact(self) -> bool:
        """Whether it is a number at an instant, so that differences over time can be taken."""
        return not self.comparator and not self.day_only


class Rejected(Struct, frozen=True, kw_only=True):
    """A result that no rule may use, and why (DQ cards). `unit` is text out of the record."""

    analyte: str = Analyte.SODIUM
    why: Unused
    shown: str  # number as recorded
    unit: str
    at: datetime | None
    day_only: bool = False
    before: datetime | None = None  # without a time: it was drawn before this moment for certain

    @property
    def until(self) -> datetime | None:
        """The latest moment at which it may have been drawn; None if that is not known."""
        if self.at is None:
            return self.before
        return self.at + DAY if self.day_only else self.at


drawn = attrgetter("at")


def band_of(value: Decimal, limits: Limits, comparator: str = "") -> Band:
    """Returns the band of an unrounded sodium; after "<" the value is not reached (A.3, B.0.1)."""
    if value > limits.mild_below or comparator.startswith(">"):
        return Band.NORMAL
    reached = comparator != "<"  # the value itself may be the sodium
    if value < limits.severe_below or (value == limits.severe_below and not reached):
        return Band.SEVERE
    if value < limits.moderate_below or (value == limits.moderate_below and not reached):
        return Band.MODERATE
    if value < limits.mild_below or limits.mild_includes or not reached:
        return Band.MILD
    return Band.NORMAL


def band_edges(limits: Limits) -> tuple[Decimal, ...]:
    """Returns the numbers that a shown sodium must not seem to reach by rounding."""
    return (limits.severe_below, limits.moderate_below, limits.mild_below)


def ordered(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """Returns each sample once, oldest first.

    Of one instant the laboratory comes last, so that it counts as the latest.
    """
    given = tuple(samples)
    times = [*map(drawn, given)]
    if all(map(lt, times, times[1:])):
        return given  # the usual case, and much cheaper than the key of every sample
    return tuple(sorted(dict.fromkeys(given), key=_time_order))


def _time_order(sample: Sample) -> tuple[datetime, bool, bool, Decimal, str, str]:
    return (
        sample.at,
        not sample.day_only,
        sample.method == "lab",
        -sample.value,
        sample.status,
        sample.reference,
    )


# ---- which results rules may use


def rejection(
    result: LabResult, lab: Lab | None, snapshot: Snapshot, limits: Limits
) -> Unused | None:
    """Returns why no rule may use a result, or None if rules may use it (S2, S3)."""
    time = result.time
    if usable_status(result.status) is None:
        return Unused.STATUS
    if time is not None and in_future(time, snapshot, limits):
        return Unused.FUTURE
    if result.urine and not result.analyte.startswith(URINE):
        return Unused.SPECIMEN
    if time is None:
        return Unused.TIME
    if lab is None:
        return Unused.UNIT
    if result.analyte == Analyte.SODIUM:
        return _sodium_rejection(result, lab, time.at < snapshot.now - limits.lookback_days, limits)
    return _other_rejection(result, lab)


def _other_rejection(result: LabResult, lab: Lab) -> Unused | None:
    if not measurable(result.value):
        return Unused.IMPLAUSIBLE
    if result.comparator not in _BOUNDS:
        return Unused.COMPARATOR
    return Unused.UNIT if factor(lab, result.unit) is None else None


def _sodium_rejection(result: LabResult, lab: Lab, too_old: bool, limits: Limits) -> Unused | None:
    value, unit = result.value, _unit(result.unit)
    if too_old:
        return Unused.OLD
    if not value.is_finite():
        return Unused.IMPLAUSIBLE
    # Every unit listed has the factor 1; without one the number alone must fit a sodium (B.0.1).
    plausible = limits.plausible_from <= value <= limits.plausible_to
    if not (unit in lab.units if unit else plausible):
        return Unused.UNIT
    if not limits.implausible_below <= value <= limits.plausible_to:
        return Unused.IMPLAUSIBLE
    if result.comparator and not _bound_is_certain(value, result.comparator, limits):
        return Unused.COMPARATOR
    return None


def usable_status(status: str) -> str | None:
    """Returns the status as rules know it: "unknown" for a foreign one, None if withdrawn."""
    if status in WITHDRAWN:
        return None
    return status if status in TRUST else "unknown"


def in_future(time: Moment, snapshot: Snapshot, limits: Limits) -> bool:
    """Whether a result is ahead of the call by more than clocks differ; days compare as days."""
    if not time.day_only:
        return time.at > snapshot.now + limits.future_minutes
    here = timezone(snapshot.zone) if snapshot.zone is not None else time.at.tzinfo
    return time.at.date() > snapshot.now.astimezone(here).date()


def measurable(value: Decimal) -> bool:
    """Whether a recorded number can be a measurement: finite, and of no absurd size."""
    return value.is_finite() and (value == 0 or abs(value.adjusted()) <= MOST_DIGITS)


def _bound_is_certain(value: Decimal, comparator: str, limits: Limits) -> bool:
    """Whether an upper bound is low itself, or a lower bound is above the low range (S3)."""
    if comparator not in _BOUNDS:
        return False
    if comparator.startswith(">"):
        return value > limits.mild_below
    return comparator.startswith("<") and band_of(value, limits, comparator) is not Band.NORMAL


# A record repeats a few units and a few hundred plausible values; equal ones are written alike.
@lru_cache(maxsize=256)
def _unit(recorded: str) -> str:
    return unit_key(recorded)


@lru_cache(maxsize=1024)
def _shown(value: Decimal, edges: tuple[Decimal, ...]) -> str:
    return number(value, edges)


# ---- results beside sodium


class Reading(Struct, frozen=True, kw_only=True):
    """One usable value in the unit of labs.toml."""

    value: Decimal
    at: datetime
    day_only: bool = False
    comparator: str = ""
    specimen: str = ""
    untestable: bool = False  # a coma scale whose verbal part could not be tested (F43)

    @property
    def until(self) -> datetime:
        """The latest moment at which it may have been measured."""
        return self.at + DAY if self.day_only else self.at

    @property
    def exact(self) -> bool:
        """Whether the value is a number and not a bound."""
        return not self.comparator

    def below(self, limit: Decimal) -> bool:
        """Whether the true value is certainly below the limit."""
        if self.comparator.startswith(">"):
            return False
        return self.value < limit or (self.comparator == "<" and self.value == limit)

    def above(self, limit: Decimal) -> bool:
        """Whether the true value is certainly above the limit."""
        if self.comparator.startswith("<"):
            return False
        return self.value > limit or (self.comparator == ">" and self.value == limit)

    def at_least(self, limit: Decimal) -> bool:
        """Whether the true value is certainly at the limit or above."""
        return not self.comparator.startswith("<") and self.value >= limit


class Readings:
    """The usable results beside sodium by analyte (keys of labs.toml), oldest first.

    The results of an analyte are judged when a rule first needs it.
    """

    def __init__(self, snapshot: Snapshot, limits: Limits, labs: Mapping[str, Lab]) -> None:
        self._snapshot, self._limits, self._labs = snapshot, limits, labs
        self._recorded: dict[str, list[LabResult]] = {}
        for result in snapshot.labs:
            self._recorded.setdefault(result.analyte, []).append(result)
        self._used: dict[str, tuple[Reading, ...]] = {}

    def all(self, analyte: str) -> tuple[Reading, ...]:
        """Returns every value of this analyte, oldest first."""
        if analyte not in self._recorded:
            return ()
        if analyte not in self._used:
            lab = self._labs.get(analyte)
            usable = [r for r in self._recorded[analyte] if self._rejection(r) is None]
            readings = [r for r in (_reading(result, lab) for result in usable) if r is not None]
            self._used[analyte] = tuple(sorted(readings, key=_by_time_and_value))
        return self._used[analyte]

    def within(self, analyte: str, window: timedelta) -> tuple[Reading, ...]:
        """Returns the values that may be younger than the window, oldest first."""
        if analyte not in self._recorded:
            return ()
        now = self._snapshot.now
        return tuple([r for r in self.all(analyte) if now - r.until <= window])

    def latest(self, analyte: str, window: timedelta) -> Reading | None:
        """Returns the newest value that may be younger than the window."""
        if analyte not in self._recorded:
            return None
        young = self.within(analyte, window)
        return young[-1] if young else None

    def left_out(self) -> tuple[Rejected, ...]:
        """Returns the results beside sodium that no rule may use, with the reason of each."""
        return tuple(
            _rejected(result, why)
            for analyte, results in self._recorded.items()
            if analyte != Analyte.SODIUM
            for result in results
            if (why := self._rejection(result)) is not None
        )

    def _rejection(self, result: LabResult) -> Unused | None:
        lab = self._labs.get(result.analyte)
        return rejection(result, lab, self._snapshot, self._limits)


def _reading(result: LabResult, lab: Lab | None) -> Reading | None:
    by = None if lab is None else factor(lab, result.unit)
    if result.time is None or by is None:
        return None
    return Reading(
        value=result.value * by,
        at=result.time.at,
        day_only=result.time.day_only,
        comparator=result.comparator,
        specimen=result.specimen,
        untestable=result.untestable,
    )


def _by_time_and_value(reading: Reading) -> tuple[datetime, Decimal, str]:
    """Of two values of one moment the lower one counts as the newer."""
    return (reading.at, -reading.value, reading.comparator)


def _rejected(result: LabResult, why: Unused) -> Rejected:
    time = result.time
    return Rejected(
        analyte=result.analyte,
        why=why,
        shown=result.comparator + number(result.value),
        unit=result.unit,
        at=time.at if time else None,
        day_only=time is not None and time.day_only,
        before=result.before,
    )


def _lost(result: DroppedResult, snapshot: Snapshot, limits: Limits) -> Rejected:
    """A result that the reader could not make, with the reason that decides whether it matters."""
    time, why = result.time, result.why
    if usable_status(result.status) is None:
        why = Unused.STATUS
    elif time is not None and time.at < snapshot.now - limits.lookback_days:
        why = Unused.OLD
    return Rejected(
        why=why,
        shown=result.shown,
        unit="",
        at=time.at if time else None,
        day_only=time is not None and time.day_only,
        before=result.before,
    )


def paired(reading: Reading, partners: Iterable[Reading], near: timedelta) -> Reading | None:
    """Returns the partner nearest in time, not further than `near`; bounds are no partners."""
    close = [p for p in partners if p.exact and abs(p.at - reading.at) <= near]
    return min(close, key=lambda p: abs(p.at - reading.at), default=None)


# ---- the sodium series


class Series(Struct, frozen=True, kw_only=True):
    """The usable samples, oldest first, and the one that counts as the latest."""

    samples: tuple[Sample, ...] = ()
    latest: Sample | None = None
    other_method: Sample | None = None  # of nearly the same time, and disagrees with `latest`
    falsely_low: frozenset[Sample] = frozenset()  # left out of `samples`: a direct one is higher
    rejected: tuple[Rejected, ...] = ()


def series_of(snapshot: Snapshot, limits: Limits, labs: Mapping[str, Lab]) -> Series:
    """Returns the sodium series (B.0.1, S2, S3); the order of the results does not matter."""
    rejected = [_lost(result, snapshot, limits) for result in snapshot.dropped]
    edges = band_edges(limits)
    usable: list[tuple[LabResult, Sample]] = []
    for result in snapshot.labs:
        if result.analyte != Analyte.SODIUM:
            continue
        why = rejection(result, labs[Analyte.SODIUM], snapshot, limits)
        if why is None and result.time is not None:
            usable.append((result, _sample(result, result.time, edges, limits)))
        elif why is not None:
            rejected.append(_rejected(result, why))
    single, same = _one_per_draw(usable, limits)
    samples = _without_old_preliminary(single, snapshot.now, limits)
    rejected += [_unkept(sample, Unused.IDENTIFIER) for sample in same]
    if len(samples) < len(single):
        kept = frozenset(samples)
        rejected += [_unkept(s, Unused.PRELIMINARY) for s in single if s not in kept]
    falsely_low = _falsely_low(samples, limits)
    used = tuple([s for s in samples if s not in falsely_low]) if falsely_low else samples
    latest, other = _latest(used, sorted(falsely_low, key=_time_order), limits)
    return Series(
        samples=used,
        latest=latest,
        other_method=other,
        falsely_low=falsely_low,
        rejected=tuple(sorted(rejected, key=_newest_last)),
    )


def _unkept(sample: Sample, why: Unused) -> Rejected:
    return Rejected(why=why, shown=sample.shown, unit="", at=sample.at, day_only=sample.day_only)


def _sample(result: LabResult, time: Moment, edges: tuple[Decimal, ...], limits: Limits) -> Sample:
    return Sample(
        value=result.value,
        shown=result.comparator + _shown(result.value, edges),
        at=time.at,
        method=result.method,
        status=usable_status(result.status) or "",
        comparator=result.comparator,
        day_only=time.day_only,
        result_time=time.result_time,
        unit_missing=not _unit(result.unit),
        below_plausible=result.value < limits.plausible_from,
        reference=result.reference,
        specimen=result.specimen,
    )


def _newest_last(rejected: Rejected) -> tuple[datetime, datetime, str, str, str, bool]:
    never = datetime.min.replace(tzinfo=UTC)
    return (
        rejected.at or never,
        rejected.before or never,
        rejected.why,
        rejected.shown,
        rejected.unit,
        rejected.day_only,
    )


def _one_per_draw(
    usable: Sequence[tuple[LabResult, Sample]], limits: Limits
) -> tuple[tuple[Sample, ...], list[Sample]]:
    """One sample for each identifier, then one for each minute of one method; oldest first.

    The second are those that share an identifier with a sample of another time: no repeats.
    """
    in_time = sorted((sample for _, sample in usable), key=drawn)
    if _apart(usable, in_time, limits):
        return tuple(in_time), []
    identities: dict[str, datetime] = {}
    taken: dict[tuple[str, bool], list[datetime]] = {}
    kept: list[Sample] = []
    elsewhere: list[Sample] = []
    for result, sample in sorted(usable, key=_preference, reverse=True):
        first = identities.get(result.identity) if result.identity else None
        if first is not None:
            elsewhere += [sample] if abs(sample.at - first) > limits.same_sample_minutes else []
            continue
        identities[result.identity] = sample.at
        times = taken.setdefault((sample.method, sample.day_only), [])
        place = bisect_left(times, sample.at)
        near = times[max(place - 1, 0) : place + 1]
        if all(abs(sample.at - other) > limits.same_sample_minutes for other in near):
            times.insert(place, sample.at)
            kept.append(sample)
    return ordered(kept), elsewhere


def _apart(
    usable: Sequence[tuple[LabResult, Sample]], in_time: Sequence[Sample], limits: Limits
) -> bool:
    """Whether no two results can be of one draw, as in the usual series."""
    identities = [result.identity for result, _ in usable if result.identity]
    if len(set(identities)) < len(identities):
        return False
    least = limits.same_sample_minutes
    times = [*map(drawn, in_time)]
    return all(gap > least for gap in map(sub, times[1:], times))


def _preference(pair: tuple[LabResult, Sample]) -> tuple[object, ...]:
    """The rank among duplicates: status, method, last update, then the lower value."""
    result, sample = pair
    return (
        TRUST.index(sample.status),
        sample.method == "lab",
        result.updated or datetime.min.replace(tzinfo=UTC),
        -sample.value,
        sample.at,
        not sample.day_only,
        not sample.result_time,
        not sample.unit_missing,
        sample.comparator,
        sample.reference,
        sample.specimen,
    )


def _without_old_preliminary(
    samples: Sequence[Sample], now: datetime, limits: Limits
) -> tuple[Sample, ...]:
    """A preliminary result counts only while it is the newest and young."""
    if "preliminary" not in [s.status for s in samples]:
        return tuple(samples)
    newest = max((s.at for s in samples), default=now)
    oldest_used = now - limits.preliminary_hours
    return tuple(
        s for s in samples if s.status != "preliminary" or (s.at == newest and s.at > oldest_used)
    )


def _falsely_low(samples: Sequence[Sample], limits: Limits) -> frozenset[Sample]:
    """Returns the laboratory values that the nearest direct value of the hour contradicts (F12).

    Lipids and proteins make an indirect measurement read low, and a direct one not.
    """
    direct = [s for s in samples if s.method == "poc" and s.exact]
    if not direct:
        return frozenset()
    found = []
    for sample in samples:
        if sample.method != "lab" or not sample.exact:
            continue
        nearest = min(direct, key=lambda s: (abs(s.at - sample.at), s.value))
        is_normal = nearest.value >= limits.direct_ise_from
        is_low = band_of(sample.value, limits) is not Band.NORMAL
        apart = nearest.value - sample.value >= limits.methods_apart_from
        near = abs(nearest.at - sample.at) <= limits.lab_wins_minutes
        if near and (apart or (is_normal and is_low)):
            found.append(sample)
    return frozenset(found)


def _latest(
    samples: Sequence[Sample], falsely_low: Sequence[Sample], limits: Limits
) -> tuple[Sample | None, Sample | None]:
    """The latest sample, and the one of the other method that contradicts it (S3, F12)."""
    if not samples:
        return None, None
    last, near = samples[-1], limits.lab_wins_minutes
    denied = [s for s in falsely_low if abs(s.at - last.at) <= near]
    if last.method == "poc" and denied:
        return last, denied[-1]
    other = _of_other_method(last, samples, near)
    if other is None:
        return last, None
    lab, direct = (last, other) if last.method == "lab" else (other, last)
    # A direct value that is far lower counts until the two are repeated: the greater danger.
    is_lower = lab.value - direct.value >= limits.methods_apart_from
    return (direct, lab) if is_lower else (lab, None)


def _of_other_method(last: Sample, samples: Sequence[Sample], near: timedelta) -> Sample | None:
    """The newest sample of the other method that was drawn at nearly the time of the last."""
    for sample in reversed(samples):
        if last.at - sample.at > near:
            return None
        if sample.method != last.method and sample.day_only == last.day_only:
            return sample
    return None
