"""What happened to one patient: sodium, orders, stays and death, over the whole of the record.

The same reader and the same judgement of results as in a hook call read it, only that nothing is
hidden for being later or older. It says what a card was followed by, and what no card preceded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from cds_service.backtest.orders import PastOrder
from cds_service.backtest.stays import Stay
from cds_service.backtest.timeline import Timeline
from cds_service.backtest.times import DAY, LATER, LONG_AGO, when
from cds_service.knowledge.limits import Limits
from cds_service.knowledge.load import Knowledge
from cds_service.knowledge.words import EventKind, History
from cds_service.lazy import cached_property
from cds_service.records.fhir_types import Resource
from cds_service.records.prefetch import Source
from cds_service.records.read_context import identity
from cds_service.records.reader import CallRecords, read_snapshot
from cds_service.sodium.case import Case, assess
from cds_service.sodium.correction_rate import over_corrections
from cds_service.sodium.results import Band, Sample, Series, band_of
from cds_service.sodium.snapshot import Order, Snapshot
from cds_service.terminology.vocabulary import Vocabulary

_ALL_TIME = timedelta(days=200 * 365)
_FLUIDS = ("hypertonic", "isotonic", "concentrate")
_EXTRA = ("NutritionOrder", "ServiceRequest")


class Event(Struct, frozen=True, kw_only=True):
    """Something that a card should have come before."""

    kind: EventKind
    at: datetime
    since: datetime  # a card from here on, and before `at`, preceded it
    base: Sample | None = None  # of an over-correction: from where sodium rose
    end: Sample | None = None


class Ending(Struct, frozen=True):
    """How a stay ended, if the export says it."""

    at: datetime
    how: Literal["died", "transferred"]


class Stop(Struct, frozen=True):
    """A drug that was ended and not ordered anew."""

    drug: str
    at: datetime


class _Hospitalization(Struct, rename="camel"):
    discharge_disposition: dict[str, object] = {}


class _Encounter(Struct):
    hospitalization: _Hospitalization | None = None


_encounter = msgspec.json.Decoder(_Encounter).decode


class Course(Struct, frozen=True, kw_only=True, dict=True):
    """The whole record of one patient, as far as outcomes need it."""

    timeline: Timeline
    knowledge: Knowledge
    vocabulary: Vocabulary

    @cached_property
    def snapshot(self) -> Snapshot:
        """Everything of the patient at once, as the service reads it."""
        timeline = self.timeline
        orders = [order.resource for order in timeline.orders]
        for kind in _EXTRA:
            series = timeline.extra.get(kind)
            orders += [known.resource for known in series.known] if series else []
        sources = {
            key: _source(known.resource for known in series.known)
            for key, series in timeline.series.items()
        }
        sources["medications"] = _source([*orders, *timeline.medications])
        records = CallRecords(
            patient_id=timeline.id,
            now=self._now,
            sources=sources,
            remembered=timeline.remembered,
        )
        return read_snapshot(records, self.vocabulary)

    @property
    def _now(self) -> datetime:
        """A moment after everything that was measured."""
        times = [k.at for series in self.timeline.series.values() for k in series.known]
        return max(times, default=LONG_AGO) + DAY

    def limits(self, profile: str) -> Limits:
        """Returns the numbers of a profile, with results of every age among the usable ones."""
        return replace(self.knowledge.limits[profile], lookback_days=_ALL_TIME)

    @cached_property
    def _series(self) -> Series:
        """The sodium results; which are usable is the same under all profiles."""
        return next(iter(self._cases.values())).series

    @cached_property
    def _cases(self) -> Mapping[str, Case]:
        """Everything of the patient as the rules read it under each profile, nothing too old."""
        known = self.knowledge
        return {
            profile: assess(self.snapshot, self.limits(profile), known.sets, known.terms.labs)
            for profile in known.limits
        }

    @property
    def rejected(self) -> list[str]:
        """Why each result of sodium that no rule can use is not used."""
        return [result.why.value for result in self._series.rejected]

    @property
    def samples(self) -> tuple[Sample, ...]:
        """Every usable sodium, oldest first."""
        return self._series.samples

    @cached_property
    def exact(self) -> tuple[Sample, ...]:
        """The samples that are numbers at an instant."""
        return tuple([sample for sample in self.samples if sample.exact])

    def known_since(self, sample: Sample) -> datetime:
        """Returns when a sample became known."""
        return self._since.get(sample.reference, sample.at)

    @cached_property
    def _since(self) -> Mapping[str, datetime]:
        known = self.timeline.series["sodium"].known
        return {identity(one.resource): one.since for one in known}

    def between(self, after: datetime, until: datetime) -> list[Sample]:
        """Returns the samples that were drawn after a moment, up to another one."""
        return [sample for sample in self.exact if after < sample.at <= until]

    # ---- what should not have happened

    def events(self, profile: str) -> Iterator[Event]:
        """Yields the events of each kind, by time."""
        yield from self.over_corrections(profile)
        yield from self.falls()
        yield from self.low_at_discharge(profile)

    def over_corrections(self, profile: str) -> list[Event]:
        """Returns the rises of which RATE-OVER would warn, each episode once."""
        found: list[Event] = []
        apart = _days(self._history.numbers.episode_days.value)
        for verdict in over_corrections(self._cases[profile]):
            base, end = verdict.pair.start, verdict.pair.end
            if found and end.at - found[-1].at <= apart:
                continue
            found.append(
                Event(kind="over-correction", at=end.at, since=base.at, base=base, end=end)
            )
        return found

    def falls(self) -> list[Event]:
        """Returns the values below the limit that follow one which was not, within some days."""
        numbers = self._history.numbers
        below, within = numbers.fall_below.value, _days(numbers.fall_within_days.value)
        found = []
        for before, sample in zip(self.exact, self.exact[1:], strict=False):
            low = sample.value < below <= before.value
            if low and sample.at - before.at <= within:
                since = sample.at - self._before
                found.append(Event(kind="fall", at=sample.at, since=since, end=sample))
        return found

    def low_at_discharge(self, profile: str) -> Iterator[Event]:
        """Yields the ends of hospital stays whose last value was low."""
        limits = self.limits(profile)
        for stay in self.timeline.stays:
            if not stay.inpatient or stay.guessed or self._died_by(stay.end):
                continue
            during = [s for s in self.samples if stay.start <= s.at <= stay.end]
            low = during and band_of(during[-1].value, limits, during[-1].comparator)
            if during and low is not Band.NORMAL:
                yield Event(kind="low-at-discharge", at=stay.end, since=stay.start, end=during[-1])

    # ---- what was done, and how it ended

    @cached_property
    def stops(self) -> list[Stop]:
        """Every drug of ours that was ended, if no other order of it went on."""
        return [
            Stop(drug, order.ends)
            for order in self.timeline.orders
            if order.ends is not None
            for drug in self._drugs(order)
            if not self._goes_on(drug, order)
        ]

    def _drugs(self, order: PastOrder) -> tuple[str, ...]:
        read = self._read.get(order.reference)
        return tuple(drug.name for drug in read.drugs) if read is not None else ()

    @cached_property
    def _read(self) -> Mapping[str, Order]:
        return {order.reference: order for order in self.snapshot.exposures}

    def _goes_on(self, drug: str, ended: PastOrder) -> bool:
        assert ended.ends is not None  # noqa: S101  # asked of ended orders only
        return any(
            other is not ended
            and drug in self._drugs(other)
            and other.since <= ended.ends + DAY
            and (other.ends is None or other.ends > ended.ends)
            for other in self.timeline.orders
        )

    @cached_property
    def restrictions(self) -> list[datetime]:
        """When fluid restrictions were ordered."""
        return self._ordered(lambda order: order.fluid_restriction)

    @cached_property
    def salines(self) -> list[datetime]:
        """When saline into a vein was ordered."""
        return self._ordered(lambda o: o.saline is not None and o.saline.kind in _FLUIDS)

    def _ordered(self, wanted: Callable[[Order], bool]) -> list[datetime]:
        times = [order.authored for order in self.snapshot.exposures if wanted(order)]
        return sorted(at for at in times if at is not None)

    @cached_property
    def died(self) -> datetime | None:
        """When the patient died, if the export says it."""
        patient = self.timeline.patient
        told = when(patient.deceased_date_time) if patient is not None else None
        ended = [ending.at for ending in self.endings if ending.how == "died"]
        return told.at if told is not None else min(ended, default=None)

    def _died_by(self, at: datetime) -> bool:
        return self.died is not None and self.died <= at

    @cached_property
    def endings(self) -> list[Ending]:
        """How stays ended, if their Encounters say it."""
        words = self._history.disposition
        found = []
        for stay in self.timeline.stays:
            codes = _disposition(stay)
            if codes & set(words.died):
                found.append(Ending(stay.end, "died"))
            elif codes & set(words.transferred):
                found.append(Ending(stay.end, "transferred"))
        return [ending for ending in found if ending.at < LATER]

    @property
    def _history(self) -> History:
        return self.knowledge.history

    @property
    def _before(self) -> timedelta:
        return _days(self._history.numbers.before_days.value)


def _source(resources: Iterable[Resource]) -> Source:
    held = tuple(resources)
    return Source(state="satisfied" if held else "empty", origin="prefetch", resources=held)


def _days(number: object) -> timedelta:
    return timedelta(days=float(str(number)))


def _disposition(stay: Stay) -> set[str]:
    """Returns the codes with which an Encounter says how it ended."""
    try:
        read = _encounter(stay.line).hospitalization
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return set()
    coded = read.discharge_disposition.get("coding") if read is not None else None
    codings: Sequence[object] = coded if isinstance(coded, list) else ()
    return {
        str(coding.get("code", "")).strip().lower()
        for coding in codings
        if isinstance(coding, dict)
    }
