"""The case: one snapshot with everything that several rules ask of it, worked out once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from msgspec.structs import replace

from cds_service.knowledge.limits import Limits
from cds_service.knowledge.sets import ConceptSets
from cds_service.knowledge.terms import Lab
from cds_service.sodium.correction_rate import RateInput, RateView, rate_view
from cds_service.sodium.exposure import Exposures, exposures
from cds_service.sodium.glucose import (
    GlucosePair,
    GlucoseShift,
    Pseudo,
    PseudoInput,
    corrected_sodium,
    glucose_pairs,
    glucose_shift,
    pseudo,
)
from cds_service.sodium.record import Record, age_years
from cds_service.sodium.restriction import Findings, Restriction, restriction
from cds_service.sodium.results import Readings, Sample, Series, series_of
from cds_service.sodium.snapshot import Snapshot
from cds_service.sodium.sodium import Influence, SodiumView, sodium_view
from cds_service.sodium.symptoms import Symptoms, symptoms
from cds_service.sodium.volume import OdsRisk, VolumeStatus, ods_risk, volume_status


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a rule is given. A rule compares with `limits`, never with a number of its own."""

    snapshot: Snapshot
    limits: Limits
    sets: ConceptSets
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
    readings: Readings = field(default_factory=Readings.none)  # beside sodium


def assess(snapshot: Snapshot, limits: Limits, sets: ConceptSets, labs: Mapping[str, Lab]) -> Case:
    """The case of a snapshot; pure, and neither this nor any part of the case raises on any snapshot."""
    series = series_of(snapshot, limits, labs)
    pairs = glucose_pairs(series.samples, snapshot, labs, limits)
    influence = Influence(corrected=corrected_sodium(pairs, limits))
    record = Record(
        snapshot=snapshot,
        limits=limits,
        sets=sets,
        labs=labs,
        sodium=sodium_view(snapshot, series, limits, influence),
        glucose=glucose_shift(series.latest, pairs, limits),
        age_years=age_years(snapshot),
    )
    case = _Assessed(record, series, pairs)
    if record.sodium.acute is None or not _fall_explained(case):
        return case
    return _Assessed(replace(record, sodium=replace(record.sodium, acute=None)), series, pairs)


def _fall_explained(case: Case) -> bool:
    """A fall by glucose, by artefact, or planned after a rise above the limit, is not acute (M3)."""
    by_glucose = case.glucose is not None and case.glucose.explained
    by_artefact = case.pseudo is not None and case.pseudo.kind != "hint"
    return by_glucose or by_artefact or case.rate.over_recently


class _Assessed(Case):
    """The case of a record. Each part is worked out when a rule first asks for it, and then kept.

    Most sodium is normal, and then nearly every rule stops at its first line. Every part follows from
    the record alone, so that it does not matter who asks first.
    """

    def __init__(self, record: Record, series: Series, pairs: Mapping[Sample, GlucosePair]) -> None:
        # A frozen dataclass lets nothing be assigned, and the parts below are not known yet.
        vars(self).update(
            snapshot=record.snapshot,
            limits=record.limits,
            sets=record.sets,
            age_years=record.age_years,
            sodium=record.sodium,
            glucose=record.glucose,
            _record=record,
            _series=series,
            _pairs=pairs,
        )

    _record: Record
    _series: Series
    _pairs: Mapping[Sample, GlucosePair]

    @cached_property
    def pseudo(self) -> Pseudo | None:
        given = PseudoInput(
            snapshot=self.snapshot, series=self._series, pairs=self._pairs, labs=self._record.labs
        )
        return pseudo(given, self.limits)

    @cached_property
    def symptoms(self) -> Symptoms:
        return symptoms(self._record)

    @cached_property
    def volume(self) -> VolumeStatus:
        return volume_status(self._record)

    @cached_property
    def risk(self) -> OdsRisk:
        return ods_risk(self._record)

    @cached_property
    def exposures(self) -> Exposures:
        return exposures(self._record)

    @cached_property
    def rate(self) -> RateView:
        given = RateInput(
            samples=self._series.samples,
            now=self.snapshot.now,
            high_risk=lambda: self.risk.high,
            dialysis=lambda: self.dialysis,
            glucose={sample: pair.glucose for sample, pair in self._pairs.items()},
            latest=self._series.latest,
        )
        return rate_view(given, self.limits)

    @cached_property
    def restriction(self) -> Restriction:
        findings = Findings(
            symptoms=self.symptoms,
            volume=self.volume,
            rate=self.rate,
            pseudo=self.pseudo,
            pregnant=self.pregnant,
            dialysis=self.dialysis,
            comfort_care=self.comfort_care,
        )
        return restriction(self._record, findings)

    @cached_property
    def pregnant(self) -> bool:
        record = self._record
        return bool(record.problems.current(record.sets.pregnancy, record.limits.pregnancy_days))

    @cached_property
    def dialysis(self) -> bool:
        return bool(self._record.problems.active(self._record.sets.dialysis))

    @cached_property
    def comfort_care(self) -> bool:
        record = self._record  # every patient is asked, and few problems have to be sorted for it
        return record.holds(record.sets.comfort_care) and bool(
            record.strict_problems.active(record.sets.comfort_care)
        )

    @cached_property
    def readings(self) -> Readings:
        return self._record.readings
