"""The case: one snapshot with everything that several rules ask of it, worked out once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cds_service.clinical.exposure import Exposures, exposures
from cds_service.clinical.fluid import Findings, Restriction, restriction
from cds_service.clinical.glucose import (
    GlucosePair,
    GlucoseShift,
    Pseudo,
    PseudoInput,
    corrected_sodium,
    glucose_pairs,
    glucose_shift,
    pseudo,
)
from cds_service.clinical.problems import Problems
from cds_service.clinical.rate import RateInput, RateView, rate_view
from cds_service.clinical.readings import Readings
from cds_service.clinical.record import Record, age_years
from cds_service.clinical.sample import Sample
from cds_service.clinical.series import Series, series_of
from cds_service.clinical.snapshot import Snapshot
from cds_service.clinical.sodium import Influence, SodiumView, sodium_view
from cds_service.clinical.spans import days
from cds_service.clinical.symptoms import Symptoms, symptoms
from cds_service.clinical.volume import OdsRisk, VolumeStatus, ods_risk, volume_status
from cds_service.knowledge.limits import Limits
from cds_service.knowledge.sets import ConceptSets
from cds_service.knowledge.terms import Lab


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
    readings: Readings = field(default_factory=Readings.none)  # beside sodium


def assess(snapshot: Snapshot, limits: Limits, sets: ConceptSets, labs: Mapping[str, Lab]) -> Case:
    """Work out the case; pure, and never raises on any snapshot."""
    series = series_of(snapshot, limits, labs)
    pairs = glucose_pairs(series.samples, snapshot, labs, limits)
    artefact = pseudo(PseudoInput(snapshot=snapshot, series=series, pairs=pairs, labs=labs), limits)
    first_look = Record(
        snapshot=snapshot,
        limits=limits,
        sets=sets,
        problems=Problems.of(snapshot),
        strict_problems=Problems.strict(snapshot, sets.no_overload.members),
        readings=Readings.of(snapshot, limits, labs),
        sodium=sodium_view(snapshot, series, limits),
        glucose=glucose_shift(series.latest, pairs, limits),
        age_years=age_years(snapshot),
    )
    risk = ods_risk(first_look)
    rate = _rate(first_look, series, pairs, risk)
    explained = _fall_explained(first_look.glucose, artefact, rate)
    influence = Influence(corrected=corrected_sodium(pairs, limits), fall_explained=explained)
    if influence == Influence():
        return _case(first_look, risk, rate, artefact)
    record = replace(first_look, sodium=sodium_view(snapshot, series, limits, influence))
    return _case(record, risk, rate, artefact)


def _rate(record: Record, series: Series, pairs: Mapping[Sample, GlucosePair], risk: OdsRisk) -> RateView:
    given = RateInput(
        samples=series.samples,
        now=record.snapshot.now,
        high_risk=risk.high,
        dialysis=_dialysis(record),
        glucose={sample: pair.glucose for sample, pair in pairs.items()},
        latest=series.latest,
    )
    return rate_view(given, record.limits)


def _fall_explained(shift: GlucoseShift | None, artefact: Pseudo | None, rate: RateView) -> bool:
    """A fall by glucose, by artefact, or planned after a rise above the limit, is not acute (M3)."""
    by_glucose = shift is not None and shift.explained
    by_artefact = artefact is not None and artefact.kind != "hint"
    return by_glucose or by_artefact or rate.over_recently


def _case(record: Record, risk: OdsRisk, rate: RateView, artefact: Pseudo | None) -> Case:
    findings = Findings(
        symptoms=symptoms(record),
        volume=volume_status(record),
        rate=rate,
        pseudo=artefact,
        pregnant=bool(record.problems.current(record.sets.pregnancy, days(record.limits.pregnancy_days))),
        dialysis=_dialysis(record),
        comfort_care=bool(record.strict_problems.active(record.sets.comfort_care)),
    )
    return Case(
        snapshot=record.snapshot,
        limits=record.limits,
        age_years=record.age_years,
        sodium=record.sodium,
        glucose=record.glucose,
        pseudo=artefact,
        symptoms=findings.symptoms,
        volume=findings.volume,
        risk=risk,
        exposures=exposures(record),
        rate=rate,
        restriction=restriction(record, findings),
        pregnant=findings.pregnant,
        dialysis=findings.dialysis,
        comfort_care=findings.comfort_care,
        readings=record.readings,
    )


def _dialysis(record: Record) -> bool:
    return bool(record.problems.active(record.sets.dialysis))
