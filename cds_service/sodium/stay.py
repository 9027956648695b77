"""The hospital stay: when it began, how sodium went in it, and what was begun in it (DISCHARGE)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec import Struct

from cds_service.knowledge.names import SalineName
from cds_service.lazy import cached_property
from cds_service.sodium.correction_rate import believed
from cds_service.sodium.exposure import Exposure, is_hypertonic
from cds_service.sodium.results import Rejected, Sample

if TYPE_CHECKING:
    from cds_service.sodium.case import Case


class Stay(Struct, frozen=True, dict=True):
    """One stay. If the record does not say when it began, the days in which a drug is new count."""

    case: Case

    @property
    def known(self) -> bool:
        """Whether the record says when the stay began."""
        return self.case.snapshot.stay_since is not None

    @cached_property
    def since(self) -> datetime:
        """When the stay began, or is taken to have begun."""
        begun = self.case.snapshot.stay_since
        return begun or self.case.snapshot.now - self.case.limits.drugcheck_started_days

    @cached_property
    def samples(self) -> tuple[Sample, ...]:
        """The sodium values of the stay that both neighbors allow, oldest first."""
        exact = [s for s in self.case.sodium.samples if not s.comparator and s.at >= self.since]
        return believed(exact, self.case.limits)

    @property
    def unread(self) -> Rejected | None:
        """The newest sodium of the stay that may have a value and was not read: it hides a fall."""
        return self.case.sodium.unread_since(self.since)

    @property
    def gave_no_value(self) -> bool:
        """Whether a sample of the stay gave no value."""
        return bool(self.case.sodium.unused_since(self.since))

    def value(self, sample: Sample) -> Decimal:
        """The sodium of a sample, corrected if glucose is high."""
        return self.case.corrected.get(sample, sample.value)

    @cached_property
    def lowest(self) -> Sample | None:
        """The sample with the lowest sodium of the stay."""
        return min(self.samples, key=self.value, default=None)

    @cached_property
    def highest(self) -> Sample | None:
        """The sample with the highest sodium of the stay, the newest of equals."""
        return max(reversed(self.samples), key=self.value, default=None)

    @property
    def fall(self) -> Decimal:
        """By how much the newest sodium is below the highest of the stay; never less than zero.

        A fall from high sodium counts from the upper edge of normal: that sodium was lowered.
        """
        latest, highest = self.case.sodium.latest, self.highest
        if latest is None or highest is None or highest.at >= latest.at:
            return Decimal(0)
        start = min(self.value(highest), self.case.limits.acute_fall_start_to)
        return max(start - self.value(latest), Decimal(0))

    @property
    def fell(self) -> bool:
        """Whether sodium fell far in the stay, and not on purpose after an over-correction."""
        limits, latest = self.case.limits, self.case.sodium.latest
        if latest is None or self.case.relowered or self.value(latest) > limits.falling_newest_to:
            return False
        return self.fall >= limits.discharge_fall_from

    @property
    def falls_on(self) -> bool:
        """Whether sodium fell far in the stay, and is still below the value of a day before."""
        if not self.fell or not self.samples:
            return False
        limits, newest = self.case.limits, self.samples[-1]
        before = [s for s in self.samples if newest.at - s.at >= limits.discharge_steady_hours]
        if not before:
            return False
        return self.value(before[-1]) - self.value(newest) > limits.discharge_steady_within

    @property
    def was_low(self) -> bool:
        """Whether a sodium of the stay was below the limit for discharge."""
        lowest = self.lowest
        return lowest is not None and self.value(lowest) < self.case.limits.discharge_low_below

    @property
    def steady(self) -> bool:
        """Whether the newest sodium agrees with that of a day before: correction is finished."""
        if not self.samples:
            return False
        limits, newest = self.case.limits, self.samples[-1]
        apart = limits.discharge_steady_hours
        before = [s for s in self.samples if newest.at - s.at >= apart]
        if not before:
            return False
        change = abs(self.value(newest) - self.value(before[-1]))
        return change <= limits.discharge_steady_within

    @cached_property
    def new_drugs(self) -> tuple[Exposure, ...]:
        """The drugs that often lower sodium, were begun in the stay, and are meant to go on."""
        return tuple(e for e in self._begun if self._often_lowers(e))

    @property
    def undated_drugs(self) -> tuple[Exposure, ...]:
        """The drugs of that kind of which the record does not say when they were begun."""
        active = self.case.exposures.active
        return tuple(e for e in active if e.since is None and self._often_lowers(e))

    def _often_lowers(self, taken: Exposure) -> bool:
        """Whether a drug often lowers sodium, and is not meant for the stay only."""
        sets, drug = self.case.sets, taken.drug
        return drug.tier in sets.check_tiers and drug.cls not in sets.stay_only

    @cached_property
    def treatments(self) -> tuple[str, ...]:
        """The drugs and infusions that were begun in the stay and are meant for the stay only.

        They are names, or facts of a card. A hormone that replaces one's own is left out.
        """
        case = self.case
        replaced = case.sets.antidiuretics.members if case.replaces_hormone else ()
        named = [
            e.drug.name
            for e in self._begun
            if e.drug.cls in case.sets.stay_only and e.drug.cls not in replaced
        ]
        strong = any(is_hypertonic(order) for order in case.running_fluids)
        return (*named, *([f"drugclass:{SalineName.HYPERTONIC}"] if strong else []))

    @property
    def _begun(self) -> list[Exposure]:
        """The drugs that are taken now and were begun in the stay."""
        active = self.case.exposures.active
        return [e for e in active if e.since is not None and e.since >= self.since]
