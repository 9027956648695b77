"""The case: one snapshot with everything that several rules ask of it, worked out once."""

from __future__ import annotations

from dataclasses import dataclass

from cds_service.clinical.exposure import Exposures
from cds_service.clinical.fluid import Restriction
from cds_service.clinical.glucose import GlucoseShift, Pseudo
from cds_service.clinical.rate import RateView
from cds_service.clinical.snapshot import Snapshot
from cds_service.clinical.sodium import SodiumView
from cds_service.clinical.symptoms import Symptoms
from cds_service.clinical.volume import OdsRisk, VolumeStatus
from cds_service.knowledge.limits import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a rule is given. A rule compares with `limits`, never with a number of its own."""

    snapshot: Snapshot
    limits: Limits
    age_years: int | None
    sodium: SodiumView
    glucose: GlucoseShift | None
    pseudo: Pseudo | None
    symptoms: Symptoms
    volume: VolumeStatus
    risk: OdsRisk
    exposures: Exposures
    rate: RateView
    restriction: Restriction
    pregnant: bool
    dialysis: bool
    comfort_care: bool


def assess(snapshot: Snapshot, limits: Limits) -> Case:
    """Work out the case; pure, and never raises on any snapshot."""
    raise NotImplementedError
