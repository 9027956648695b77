"""One snapshot as the clinical inputs read it: with its limits, problems, other results and sodium series."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timezone
from decimal import Decimal

from cds_service.clinical.glucose import GlucoseShift
from cds_service.clinical.problems import Problems
from cds_service.clinical.readings import Readings
from cds_service.clinical.sample import Band, Sample, band_of
from cds_service.clinical.snapshot import Snapshot
from cds_service.clinical.sodium import SodiumView
from cds_service.knowledge.limits import Limits
from cds_service.knowledge.sets import ConceptSets


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What symptoms, volume status, exposure and fluid restriction are worked out from."""

    snapshot: Snapshot
    limits: Limits
    sets: ConceptSets
    problems: Problems
    strict_problems: Problems  # what an action may rest on
    readings: Readings
    sodium: SodiumView
    glucose: GlucoseShift | None = None
    age_years: int | None = None

    @property
    def effective_sodium(self) -> Decimal | None:
        """The sodium that bands and plans use: corrected for glucose where that is high (M5)."""
        if self.sodium.latest is None:
            return None
        return self.glucose.katz if self.glucose else self.sodium.latest.value

    def is_low(self, sample: Sample) -> bool:
        """Whether a measured value is low by the profile."""
        return band_of(sample.value, self.limits, sample.comparator) is not Band.NORMAL


def age_years(snapshot: Snapshot) -> int | None:
    """Whole years on the day of the call; None without a birth date."""
    born = snapshot.patient.birth_date
    if born is None:
        return None
    today = snapshot.now if snapshot.zone is None else snapshot.now.astimezone(timezone(snapshot.zone))
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))
