"""One snapshot as the clinical inputs read it: with its limits, problems, other results and sodium series."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from decimal import Decimal
from functools import cached_property

from msgspec import Struct

from cds_service.knowledge.limits import Limits
from cds_service.knowledge.sets import ConceptSet, ConceptSets
from cds_service.knowledge.terms import Lab
from cds_service.sodium.glucose import GlucoseShift
from cds_service.sodium.problems import Problems
from cds_service.sodium.results import Band, Readings, Sample, band_of
from cds_service.sodium.snapshot import Order, Snapshot
from cds_service.sodium.sodium import SodiumView

ADMINISTRATION = "MedicationAdministration/"


class Record(Struct, frozen=True, kw_only=True, dict=True):
    """What symptoms, volume status, exposure and fluid restriction are worked out from.

    Nothing but its fields decides; what several ask for is worked out once, when first asked for.
    """

    snapshot: Snapshot
    limits: Limits
    sets: ConceptSets
    labs: Mapping[str, Lab]
    sodium: SodiumView
    glucose: GlucoseShift | None = None
    age_years: int | None = None

    @cached_property
    def problems(self) -> Problems:
        """Everything that is recorded."""
        return Problems.of(self.snapshot)

    @cached_property
    def strict_problems(self) -> Problems:
        """What an action may rest on."""
        return Problems.strict(self.snapshot, self.sets.no_overload.members)

    def holds(self, wanted: ConceptSet) -> bool:
        """Whether any of these stands in the record at all, active or not: a look that costs next to nothing."""
        if not self.snapshot.encounter_reasons.isdisjoint(wanted.members):
            return True
        return any(
            not problem.concepts.isdisjoint(wanted.members) for problem in self.snapshot.problems
        )

    @cached_property
    def readings(self) -> Readings:
        """Results beside sodium."""
        return Readings.of(self.snapshot, self.limits, self.labs)

    @cached_property
    def listed(self) -> tuple[Order, ...]:
        """Systemic medication that is or was really taken: no proposals, no cancelled orders.

        An order without a drug of ours concerns nobody who asks for these.
        """
        sets = self.sets
        given = (*sets.active_statuses.members, *sets.stopped_statuses.members)
        return tuple(
            order
            for order in self.snapshot.exposures
            if order.drugs
            and order.kind == "medication"
            and order.route != "local"
            and order.status in given
            and order.intent in sets.given_intents.members
        )

    @cached_property
    def blamed(self) -> frozenset[str]:
        """The drug classes of which a clinician recorded an adverse effect."""
        window = self.limits.recent_start_days
        effects = self.sets.adverse_effects.items()
        current = (
            classes.members
            for concept, classes in effects
            if self.problems.has_current(concept, window)
        )
        return frozenset(cls for members in current for cls in members)

    @cached_property
    def normal_times(self) -> tuple[datetime, ...]:
        """When each value that was not low was drawn, oldest first."""
        return tuple([s.at for s in self.sodium.samples if not self.is_low(s)])

    @cached_property
    def first_low(self) -> datetime | None:
        """The first value of the present run of low sodium."""
        if not self.sodium.low or self.sodium.latest is None:
            return None
        first = self.sodium.latest.at
        for sample in reversed(self.sodium.samples):
            if not self.is_low(sample):
                break
            first = min(first, sample.at)
        return first

    def is_active(self, order: Order) -> bool:
        """Whether an order of the medication list is taken now."""
        now, limits = self.snapshot.now, self.limits
        if order.reference.startswith(ADMINISTRATION):
            begin = begun(order)
            return begin is not None and now - begin <= limits.administration_hours
        if order.status not in self.sets.active_statuses.members:
            return False
        return order.end is None or now - order.end <= limits.order_end_grace_days

    @property
    def effective_sodium(self) -> Decimal | None:
        """The sodium that bands and plans use: corrected for glucose where that is high (M5)."""
        if self.sodium.latest is None:
            return None
        return self.glucose.katz if self.glucose else self.sodium.latest.value

    def is_low(self, sample: Sample) -> bool:
        """Whether a measured value is low by the profile."""
        return band_of(sample.value, self.limits, sample.comparator) is not Band.NORMAL


def begun(order: Order) -> datetime | None:
    """The earliest moment that the order names as its start."""
    start, authored = order.start, order.authored
    if start is None or authored is None:
        return authored if start is None else start
    return min(start, authored)


def age_years(snapshot: Snapshot) -> int | None:
    """Whole years on the day of the call; None without a birth date."""
    born = snapshot.patient.birth_date
    if born is None:
        return None
    today = (
        snapshot.now if snapshot.zone is None else snapshot.now.astimezone(timezone(snapshot.zone))
    )
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))
