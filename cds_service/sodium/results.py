"""Laboratory results become readings, and sodium results the series that rules use (B.0.1)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from operator import attrgetter, lt, sub
from typing import Literal

from msgspec import Struct, field

from cds_service.engine.wording import number
from cds_service.knowledge.limits import Limits
from cds_service.knowledge.terms import Lab
from cds_service.sodium.snapshot import LabResult, Moment, Snapshot
from cds_service.terminology.units import factor, unit_key


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
        # Samples are looked up in sets and mappings again and again; time and value all but tell them apart.
        return hash((self.at, self.value))

    @property
    def exact(self) -> bool:
        """Whether it is a number at an instant, not a bound or a day: fit for differences over time."""
        return not self.comparator and not self.day_only


class Rejected(Struct, frozen=True, kw_only=True):
    """A sodium that no rule may use, and why (DQ cards). `unit` is text out of the record."""

    why: Literal["unit", "implausible", "status", "comparator", "time", "specimen"]
    shown: str  # number as recorded
    unit: str
    at: datetime | None


class Fall(Struct, frozen=True, kw_only=True):
    """Sodium fell: `amount` mmol/L within `over`."""

    amount: Decimal
    over: timedelta
    start: Sample


drawn = attrgetter("at")


def band_of(value: Decimal, limits: Limits, comparator: str = "") -> Band:
    """The band of an unrounded sodium; after "<" the value itself is not reached (A.3, B.0.1)."""
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


def in_time(sample: Sample) -> tuple[datetime, bool, bool, Decimal, str, str]:
    """Order in time; at one instant the laboratory comes last, so that it stands for both."""
    return (
        sample.at,
        not sample.day_only,
        sample.method == "lab",
        -sample.value,
        sample.status,
        sample.reference,
    )


def ordered(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """Each sample once, oldest first (`in_time`)."""
    given = tuple(samples)
    times = [*map(drawn, given)]
    if all(map(lt, times, times[1:])):
        return given  # the usual case, and much cheaper than the key of every sample
    return tuple(sorted(dict.fromkeys(given), key=in_time))


def band_edges(limits: Limits) -> tuple[Decimal, ...]:
    """The numbers that a shown sodium must not seem to reach by rounding."""
    return (limits.severe_below, limits.moderate_below, limits.mild_below)


SODIUM = "sodium"
WITHDRAWN = frozenset({"entered-in-error", "cancelled", "registered"})
TRUST = (
    "preliminary",
    "unknown",
    "final",
    "amended",
    "corrected",
)  # the later one replaces the earlier

_USABLE: Mapping[str, str | None] = {
    **dict.fromkeys(WITHDRAWN),
    **{status: status for status in TRUST},
}


class Series(Struct, frozen=True, kw_only=True):
    """The usable samples, oldest first, and the one that stands for now."""

    samples: tuple[Sample, ...] = ()
    latest: Sample | None = None
    other_method: Sample | None = (
        None  # disagrees with `latest` although drawn at nearly the same time
    )
    rejected: tuple[Rejected, ...] = ()


class _Units(dict[str, str]):
    """Recorded units as labs.toml spells them: a series has one or two, and each is spelled once."""

    def __missing__(self, recorded: str) -> str:
        self[recorded] = spelled = unit_key(recorded)
        return spelled


class _Number(Struct, frozen=True):
    """What a recorded number is by itself."""

    shown: str  # as a card writes it
    plausible: bool  # fits a sodium in mmol/L whatever its unit says
    possible: bool
    below_plausible: bool


class _Numbers(dict[Decimal, _Number]):
    """What each recorded number is: a series repeats a few, and each is looked at once."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self._limits = limits

    def __missing__(self, value: Decimal) -> _Number:
        limits = self._limits
        self[value] = found = _Number(
            shown=_shown(value, band_edges(limits)),
            plausible=limits.plausible_from <= value <= limits.plausible_to,
            possible=limits.implausible_below <= value <= limits.plausible_to,
            below_plausible=value < limits.plausible_from,
        )
        return found


@lru_cache(maxsize=1024)
def _shown(value: Decimal, edges: tuple[Decimal, ...]) -> str:
    # Laboratories report the same few hundred plausible values; equal ones are written alike.
    return number(value, edges)


class _Look(Struct, frozen=True, kw_only=True):
    """What every result is judged by, worked out once for all."""

    snapshot: Snapshot
    limits: Limits
    sodium: Lab
    oldest: datetime
    newest: datetime
    numbers: _Numbers
    units: _Units = field(default_factory=_Units)


def series_of(snapshot: Snapshot, limits: Limits, labs: Mapping[str, Lab]) -> Series:
    """The sodium series of a snapshot (B.0.1, S2, S3); the order of its results does not matter."""
    rejected: list[Rejected] = []
    usable: list[tuple[LabResult, Sample]] = []
    look = _Look(
        snapshot=snapshot,
        limits=limits,
        sodium=labs[SODIUM],
        oldest=snapshot.now - limits.lookback_days,
        newest=_newest(snapshot, limits),
        numbers=_Numbers(limits),
    )
    for result in snapshot.labs:
        if result.analyte != SODIUM:
            continue
        verdict = _judge(result, look)
        if isinstance(verdict, Sample):
            usable.append((result, verdict))
        else:
            rejected.append(verdict)
    single = _one_per_draw(usable, limits)
    samples = _without_old_preliminary(single, snapshot.now, limits)
    if len(samples) < len(single):
        kept = frozenset(samples)
        rejected += [_reject("status", s) for s in single if s not in kept]
    latest, other = _latest(samples, limits)
    in_order = tuple(sorted(rejected, key=_newest_last))
    return Series(samples=samples, latest=latest, other_method=other, rejected=in_order)


def usable_status(status: str) -> str | None:
    """The status as rules know it, "unknown" for a missing or foreign one; None: withdrawn or not there."""
    return _USABLE.get(status, "unknown")


def in_future(time: Moment, snapshot: Snapshot, limits: Limits) -> bool:
    """Whether a result is ahead of the hook's clock by more than clocks differ; days compare as days."""
    if not time.day_only:
        return time.at > _newest(snapshot, limits)
    here = timezone(snapshot.zone) if snapshot.zone is not None else time.at.tzinfo
    return time.at.date() > snapshot.now.astimezone(here).date()


def _newest(snapshot: Snapshot, limits: Limits) -> datetime:
    """The latest moment that a result may carry."""
    return snapshot.now + limits.future_minutes


def _judge(result: LabResult, look: _Look) -> Sample | Rejected:
    status, time, value = usable_status(result.status), result.time, result.value
    if status is None:
        return _reject("status", result)
    if result.urine:
        return _reject("specimen", result)
    if time is None or time.at < look.oldest or _ahead(time, look):
        return _reject("time", result)
    if not value.is_finite():
        return _reject("implausible", result)
    unit, recorded = look.units[result.unit], look.numbers[value]
    if not (
        unit in look.sodium.units if unit else recorded.plausible
    ):  # every unit listed has the factor 1 (B.0.1)
        return _reject("unit", result)
    if not recorded.possible:
        return _reject("implausible", result)
    if result.comparator and not _bound_tells(value, result.comparator, look.limits):
        return _reject("comparator", result)
    return Sample(
        value=value,
        shown=result.comparator + recorded.shown,
        at=time.at,
        method=result.method,
        status=status,
        comparator=result.comparator,
        day_only=time.day_only,
        result_time=time.result_time,
        unit_missing=not unit,
        below_plausible=recorded.below_plausible,
        reference=result.reference,
        specimen=result.specimen,
    )


def _ahead(time: Moment, look: _Look) -> bool:
    if time.at <= look.newest and not time.day_only:  # by far the most
        return False
    return in_future(time, look.snapshot, look.limits)


def _bound_tells(value: Decimal, comparator: str, limits: Limits) -> bool:
    """An upper bound tells if it is low itself, a lower bound if it is above the low range (S3)."""
    if comparator.startswith(">"):
        return value > limits.mild_below
    return comparator.startswith("<") and band_of(value, limits, comparator) is not Band.NORMAL


def _reject(
    why: Literal["unit", "implausible", "status", "comparator", "time", "specimen"],
    what: LabResult | Sample,
) -> Rejected:
    if isinstance(what, Sample):
        return Rejected(why=why, shown=what.shown, unit="", at=what.at)
    at = what.time.at if what.time else None
    return Rejected(why=why, shown=what.comparator + number(what.value), unit=what.unit, at=at)


def _newest_last(rejected: Rejected) -> tuple[datetime, str, str, str]:
    at = rejected.at or datetime.min.replace(tzinfo=UTC)
    return (at, rejected.why, rejected.shown, rejected.unit)


def _one_per_draw(usable: Sequence[tuple[LabResult, Sample]], limits: Limits) -> tuple[Sample, ...]:
    """One sample for each identifier, then one for each minute of one method; oldest first."""
    in_time = sorted((sample for _, sample in usable), key=drawn)
    if _apart(usable, in_time, limits):
        return tuple(in_time)
    identities: set[str] = set()
    taken: dict[tuple[str, bool], list[datetime]] = {}
    kept: list[Sample] = []
    for result, sample in sorted(usable, key=_preference, reverse=True):
        if result.identity and result.identity in identities:
            continue
        identities.add(result.identity)
        times = taken.setdefault((sample.method, sample.day_only), [])
        place = bisect_left(times, sample.at)
        near = times[max(place - 1, 0) : place + 1]
        if all(abs(sample.at - other) > limits.same_sample_minutes for other in near):
            times.insert(place, sample.at)
            kept.append(sample)
    return ordered(kept)


def _apart(
    usable: Sequence[tuple[LabResult, Sample]], in_time: Sequence[Sample], limits: Limits
) -> bool:
    """Whether no two results can be of one draw: the usual series, in which none has to be preferred."""
    identities = [result.identity for result, _ in usable if result.identity]
    if len(set(identities)) < len(identities):
        return False
    least = limits.same_sample_minutes
    times = [*map(drawn, in_time)]
    return all(gap > least for gap in map(sub, times[1:], times))


def _preference(pair: tuple[LabResult, Sample]) -> tuple[object, ...]:
    """Ranks duplicates: status, method, last update; if nothing tells, the lower sodium, then the surer."""
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


def _latest(samples: Sequence[Sample], limits: Limits) -> tuple[Sample | None, Sample | None]:
    """The sample that stands for now, and the one of the other method that contradicts it (S3)."""
    if not samples:
        return None, None
    last = samples[-1]
    other = _of_other_method(last, samples, limits.lab_wins_minutes)
    if other is None:
        return last, None
    agree = abs(last.value - other.value) <= limits.methods_agree_within
    if last.method == "lab":
        return last, None if agree else other
    return (other, None) if agree else (last, other)


def _of_other_method(last: Sample, samples: Sequence[Sample], near: timedelta) -> Sample | None:
    """The newest sample of the other method that was drawn at nearly the time of the last."""
    for sample in reversed(samples):
        if last.at - sample.at > near:
            return None
        if sample.method != last.method and sample.day_only == last.day_only:
            return sample
    return None


_DAY = timedelta(days=1)
_URINE = "urine-"
_LARGEST_EXPONENT = (
    12  # no measurement has more digits on either side; arithmetic on such numbers overflows
)


class Reading(Struct, frozen=True, kw_only=True):
    """One usable value; `until` is the latest moment it may stand for (the end of a day without a clock)."""

    value: Decimal
    at: datetime
    until: datetime
    comparator: str = ""

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
    """The values of one snapshot by analyte (keys of labs.toml), oldest first."""

    def __init__(self, now: datetime, found: Mapping[str, Iterable[Reading]]) -> None:
        self._now = now
        self._found = {
            analyte: tuple(sorted(readings, key=_in_time)) for analyte, readings in found.items()
        }

    @classmethod
    def of(cls, snapshot: Snapshot, limits: Limits, labs: Mapping[str, Lab]) -> Readings:
        """What is usable beside sodium (see `Series`): of now or earlier, not withdrawn, in a unit of labs.toml."""
        found: dict[str, list[Reading]] = {}
        for result in snapshot.labs:
            if result.analyte == SODIUM:
                continue
            late = result.time is not None and in_future(result.time, snapshot, limits)
            reading = None if late else _reading(result, labs.get(result.analyte))
            if reading:
                found.setdefault(result.analyte, []).append(reading)
        return cls(snapshot.now, found)

    def all(self, analyte: str) -> tuple[Reading, ...]:
        """Every value of this analyte, oldest first."""
        return self._found.get(analyte, ())

    def within(self, analyte: str, window: timedelta) -> tuple[Reading, ...]:
        """The values that may be younger than the window, oldest first."""
        found = self._found.get(analyte)
        return tuple([r for r in found if self._now - r.until <= window]) if found else ()

    def latest(self, analyte: str, window: timedelta) -> Reading | None:
        """The newest value that may be younger than the window."""
        found = self.within(analyte, window)
        return found[-1] if found else None


def measurable(value: Decimal) -> bool:
    """Whether a recorded number can be a measurement: finite, and of no absurd size."""
    return value.is_finite() and (value == 0 or abs(value.adjusted()) <= _LARGEST_EXPONENT)


def _reading(result: LabResult, lab: Lab | None) -> Reading | None:
    by = factor(lab, result.unit) if lab is not None else None
    if result.time is None or by is None or usable_status(result.status) is None:
        return None
    if not measurable(result.value) or (result.urine and not result.analyte.startswith(_URINE)):
        return None
    at = result.time.at
    return Reading(
        value=result.value * by,
        at=at,
        until=at + _DAY if result.time.day_only else at,
        comparator=result.comparator,
    )


def _in_time(reading: Reading) -> tuple[datetime, Decimal, str]:
    """Order in time; of two values of one moment the lower one counts as the newer."""
    return (reading.at, -reading.value, reading.comparator)


def paired(reading: Reading, partners: Iterable[Reading], near: timedelta) -> Reading | None:
    """The partner nearest in time, not further than `near`; bounds are no partners."""
    close = [p for p in partners if p.exact and abs(p.at - reading.at) <= near]
    return min(close, key=lambda p: abs(p.at - reading.at), default=None)
