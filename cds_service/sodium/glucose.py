"""Glucose-corrected sodium (Katz, Hillier) and suspected pseudohyponatremia (B.0.3, M5, M6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from msgspec import Struct
from msgspec.structs import replace

from cds_service.engine.wording import number
from cds_service.knowledge.limits import Limits
from cds_service.knowledge.names import Analyte, Problem
from cds_service.sodium.acute_setting import irrigated_before
from cds_service.sodium.exposure import given_within
from cds_service.sodium.results import Band, Reading, Sample, band_of, drawn
from cds_service.terminology.types import DrugMatch

if TYPE_CHECKING:
    from cds_service.sodium.case import Case
    from cds_service.sodium.snapshot import Order

SODIUM_AND_ANION = 2  # each sodium ion comes with a negative one: both are osmoles


class GlucoseShift(Struct, frozen=True, kw_only=True):
    """A glucose at or above the limit that belongs to the latest sodium."""

    glucose: Decimal  # mg/dL
    at: datetime
    katz: Decimal  # mmol/L
    hillier: Decimal
    explained: bool  # GLU: the Katz value is not low
    loose_pair: bool  # paired within 4 h instead of 60 min
    hillier_fits: bool = False  # glucose so high that the Hillier value fits better


class Pseudo(Struct, frozen=True, kw_only=True):
    """Why the measured sodium may be an artefact, or no sign of too much water.

    Above the normal osmolality the sodium is no artefact. Then it is "shift" with a drug that draws
    water out of the cells (F13), else "gap": something unknown is in the blood (F49). With such a
    drug and a normal osmolality it is "isotonic". After irrigation it is "irrigant": its water and
    its solute are taken up together, and the brain is in danger at any osmolality. It is
    "unproven" if the osmolality is not low, and urea or glucose is not known: it may be an artefact
    or a solute (M6).
    """

    kind: Literal[
        "osmolality", "direct-ise", "hint", "shift", "isotonic", "irrigant", "gap", "unproven"
    ]
    shown: str  # the value it rests on: an osmolality or the direct sodium, which is in use (F12)
    hints: tuple[str, ...] = ()  # "triglyceride", "protein", "myeloma": one bullet each
    drugs: tuple[str, ...] = ()  # what shifts water
    no_urea: bool = False  # urea was not measured with the osmolality
    at: datetime | None = None  # when the osmolality beside a drug or an irrigation was measured
    day_only: bool = False

    @property
    def explains(self) -> bool:
        """Whether the sodium in use then says nothing of too much water (M6, F13)."""
        return self.kind in ("osmolality", "shift", "isotonic")

    @property
    def is_normal(self) -> bool:
        """Whether a normal osmolality speaks against low sodium (M6 a, F13)."""
        return self.kind in ("osmolality", "isotonic")

    @property
    def by_lipids(self) -> bool:
        """Whether triglycerides alone can make the number wrong (F12)."""
        return self.kind in ("hint", "unproven") and "triglyceride" in self.hints

    @property
    def speaks_against_water(self) -> bool:
        """Whether an osmolality says that too much water is not, or not surely, the cause."""
        return self.explains or self.is_undiluted

    @property
    def is_undiluted(self) -> bool:
        """Whether the measured osmolality is not low, for a reason that is not proven (M6)."""
        return self.kind == "unproven"

    @property
    def is_hypertonic(self) -> bool:
        """Whether the osmolality is above normal."""
        return self.kind in ("shift", "gap")

    @property
    def not_dilute(self) -> bool:
        """Whether the blood is not dilute, so that no water is in excess for certain (F13)."""
        return self.kind in ("shift", "gap", "isotonic", "irrigant")


class GlucosePair(Struct, frozen=True, kw_only=True):
    """The glucose that belongs to one sodium sample, mg/dL."""

    glucose: Decimal
    at: datetime
    loose: bool  # not the same specimen, and further than 60 min


def katz(sodium: Decimal, glucose: Decimal, limits: Limits) -> Decimal:
    """Sodium corrected for glucose (mg/dL) by Katz 1973."""
    return sodium + limits.katz_factor * (glucose - limits.glucose_reference)


def hillier(sodium: Decimal, glucose: Decimal, limits: Limits) -> Decimal:
    """Sodium corrected for glucose (mg/dL) by Hillier 1999."""
    return sodium + limits.hillier_factor * (glucose - limits.glucose_reference)


def glucose_pairs(
    samples: Iterable[Sample], glucose: Iterable[Reading], limits: Limits
) -> dict[Sample, GlucosePair]:
    """Returns the glucose of each sodium that has one.

    It is of the same specimen, else within 60 min, else within 4 h (a loose pair). A lower bound
    ("> 600") is used as the value, because the true shift is larger. A contaminated glucose
    corrects nothing (F41).
    """
    readings = [reading for reading in glucose if not reading.comparator.startswith("<")]
    known = [r for r in readings if not contaminated(r, readings, limits)]
    if not known:
        return {}
    pairs = {}
    for sample in samples:
        best = _nearest(sample, known, limits.glucose_loose_hours)
        if best is not None:
            loose = not _close(sample, best, limits.glucose_pair_minutes)
            pairs[sample] = GlucosePair(glucose=best.value, at=best.at, loose=loose)
    return pairs


def contaminated(reading: Reading, readings: Iterable[Reading], limits: Limits) -> bool:
    """Returns whether a glucose is far above those before and after, as by an infusion (F41)."""
    if reading.day_only:
        return False
    others = [r for r in readings if not r.day_only]

    def neighbors(window: timedelta) -> list[Decimal]:
        before = [r for r in others if timedelta(0) < reading.at - r.at <= window]
        after = [r for r in others if timedelta(0) < r.at - reading.at <= window]
        if not before or not after:
            return []
        at = [max(before, key=drawn).at, min(after, key=drawn).at]
        return [r.value for r in others if r.at in at]

    near = neighbors(limits.glucose_neighbor_hours)
    if near and reading.value > limits.glucose_spike_ratio * max(near):
        return True
    around = neighbors(limits.glucose_spike_hours)
    if not around or reading.value <= limits.glucose_spike_above:
        return False
    return max(around) < limits.glucose_spike_neighbors_below


def corrected_sodium(pairs: Mapping[Sample, GlucosePair], limits: Limits) -> dict[Sample, Decimal]:
    """Returns the Katz value of each sample with a glucose high enough to matter, but no bounds."""
    return {
        sample: katz(sample.value, pair.glucose, limits)
        for sample, pair in pairs.items()
        if pair.glucose >= limits.glucose_shift_from and not sample.comparator
    }


def glucose_shift(
    latest: Sample | None, pairs: Mapping[Sample, GlucosePair], limits: Limits
) -> GlucoseShift | None:
    """Returns what high glucose does to the latest sodium, if it is known (B.0.3, M5)."""
    if latest is None or latest.comparator:
        return None
    pair = pairs.get(latest)
    if pair is None or pair.glucose < limits.glucose_shift_from:
        return None
    by_katz = katz(latest.value, pair.glucose, limits)
    return GlucoseShift(
        glucose=pair.glucose,
        at=pair.at,
        katz=by_katz,
        hillier=hillier(latest.value, pair.glucose, limits),
        explained=band_of(by_katz, limits) is Band.NORMAL,
        loose_pair=pair.loose,
        hillier_fits=pair.glucose > limits.hillier_above,
    )


def pseudo(case: Case) -> Pseudo | None:
    """Returns why a low sodium may be an artefact (M6).

    A direct measurement counts first, then the osmolality, then hints alone.
    """
    latest, hints = case.series.latest, _hints(case)
    if latest is not None and case.series.other_method in case.series.falsely_low:
        return Pseudo(kind="direct-ise", shown=latest.shown, hints=hints)
    if latest is None or not case.is_low(latest):
        return None
    found = _by_osmolality(latest, case)
    if found is not None:
        return replace(found, hints=hints)
    return Pseudo(kind="hint", shown="", hints=hints) if hints else None


def _by_osmolality(latest: Sample, case: Case) -> Pseudo | None:
    """Returns what the measured osmolality near a low sodium says of it (M6, F13, F49)."""
    limits = case.limits
    exact = [r for r in case.readings.all(Analyte.SERUM_OSMOLALITY) if r.exact]
    if not exact:
        return None  # the usual case: medicines and procedures need not be read for it
    irrigated = irrigated_before(case, latest.at)
    agents = () if irrigated else osmotic_agents(case)
    known = bool(agents or irrigated)
    window = limits.water_shift_osmolality_hours if known else limits.osmolality_near_hours
    measured = _nearest(latest, exact, window)
    if measured is None:
        return None
    own = _own_sodium(measured, case)
    if known:
        return _beside_solute(latest, measured, agents, case)
    if own is None:
        return None
    effective = _effective_osmolality(measured, own, case)
    if effective is None:
        return _unproven(measured, own, case)
    is_artifact = own == latest and latest.method == "lab"
    return _by_effective(measured, effective, own, limits, is_artifact=is_artifact)


def _by_effective(
    measured: Reading, effective: Decimal, own: Sample, limits: Limits, *, is_artifact: bool
) -> Pseudo | None:
    """Returns an osmolal gap, or that low sodium may be an artefact of the laboratory's method."""
    if effective > limits.hypertonic_from:
        unexplained = effective - SODIUM_AND_ANION * own.value > limits.osmolal_gap_above
        return Pseudo(kind="gap", shown=number(measured.value)) if unexplained else None
    if not is_artifact or effective < limits.pseudo_osmolality_from:
        return None
    edges = (limits.pseudo_osmolality_from, limits.hypertonic_from)
    return Pseudo(kind="osmolality", shown=number(effective, edges))


def osmotic_agents(case: Case) -> tuple[str, ...]:
    """Returns what was given and draws water out of the cells, or makes sodium read low (F13)."""
    sets, limits = case.sets, case.limits

    def counts(drug: DrugMatch, order: Order) -> bool:
        in_blood = order.route in ("iv", "unknown") or drug.name in sets.water_shift_any_route
        return drug.cls in sets.water_shift and in_blood and not order.irrigation

    def stays(drug: DrugMatch, order: Order) -> bool:
        return drug.name in sets.water_shift_slow and counts(drug, order)

    lately = given_within(case, counts, limits.water_shift_hours)
    slow = given_within(case, stays, limits.water_shift_slow_days)
    return tuple(dict.fromkeys((*lately, *slow)))


def _beside_solute(
    latest: Sample, measured: Reading, agents: tuple[str, ...], case: Case
) -> Pseudo | None:
    """Returns what an osmolality says of a low sodium beside a drug or an irrigation (F13).

    Nothing, if it is low without urea, or if sodium fell since: then the drug is not all of it.
    """
    limits, own = case.limits, _own_sodium(measured, case) or latest
    if own.value - latest.value > limits.water_shift_fall_to:
        return None
    effective = _effective_osmolality(measured, own, case)
    hypertonic = measured.value >= limits.hypertonic_from
    if effective is None and not hypertonic and agents:
        unproven = _unproven(measured, own, case)
        return None if unproven is None else replace(unproven, drugs=agents)
    if effective is None and measured.value < limits.pseudo_osmolality_from:
        return None
    if effective is not None and effective < limits.pseudo_osmolality_from:
        return None
    kind: Literal["shift", "isotonic", "irrigant"] = "shift" if hypertonic else "isotonic"
    return Pseudo(
        kind=kind if agents else "irrigant",
        shown=number(measured.value),
        drugs=agents,
        at=measured.at,
        day_only=measured.day_only,
    )


def _unproven(measured: Reading, own: Sample, case: Case) -> Pseudo | None:
    """Returns what an osmolality says that is not low, while urea or glucose is not known.

    Near a normal sodium usual urea and glucose explain it, so that it has to be far above.
    """
    limits, pair = case.limits, case.glucose_pairs.get(own)
    if pair is not None and pair.glucose >= limits.glucose_shift_from:
        return None  # glucose is the solute
    left = measured.value - _known_osmoles(own, case)
    far = left - SODIUM_AND_ANION * own.value > limits.osmolal_gap_above
    if left < limits.pseudo_osmolality_from or not far or not case.is_low(own):
        return None
    return Pseudo(
        kind="unproven",
        shown=number(measured.value, (limits.pseudo_osmolality_from,)),
        no_urea=_measured_with(own, Analyte.BUN, case) is None,
    )


def _own_sodium(osmolality: Reading, case: Case) -> Sample | None:
    """Returns the sodium of the specimen of an osmolality, or else of its hour."""
    window = case.limits.pseudo_osmolality_hours
    near = [s for s in case.series.samples if s.exact and _together(s, osmolality, window)]

    def distance(sample: Sample) -> tuple[bool, timedelta, bool]:
        other = not _same_specimen(sample, osmolality)
        return (other, abs(sample.at - osmolality.at), sample != case.series.latest)

    return min(near, key=distance, default=None)


def _effective_osmolality(measured: Reading, own: Sample, case: Case) -> Decimal | None:
    """Measured osmolality less urea and ethanol, mOsm/kg.

    None if urea is unknown, or if glucose is unknown or high.
    """
    limits, pair = case.limits, case.glucose_pairs.get(own)
    if pair is None or pair.glucose >= limits.glucose_shift_from:
        return None

    if _measured_with(own, Analyte.BUN, case) is None:
        return None
    return measured.value - _known_osmoles(own, case)


def _known_osmoles(own: Sample, case: Case) -> Decimal:
    """What urea and ethanol add to the osmolality, as far as they were measured with it."""
    limits = case.limits
    urea = _measured_with(own, Analyte.BUN, case) or Decimal(0)
    ethanol = _measured_with(own, Analyte.ETHANOL, case) or Decimal(0)
    return urea / limits.bun_per_osmole + ethanol / limits.ethanol_per_osmole


def _measured_with(own: Sample, analyte: Analyte, case: Case) -> Decimal | None:
    exact = [reading for reading in case.readings.all(analyte) if reading.exact]
    reading = _nearest(own, exact, case.limits.osmolality_near_hours)
    return None if reading is None else reading.value


def _hints(case: Case) -> tuple[str, ...]:
    """Returns what can make an indirect measurement read low (M6)."""
    latest, limits = case.series.latest, case.limits
    if latest is None or _is_truly_low(latest, case):
        return ()

    def reached(analyte: Analyte, limit: Decimal) -> bool:
        return any(
            reading.at_least(limit) and _together(latest, reading, limits.pseudo_hint_hours)
            for reading in case.readings.all(analyte)
        )

    problems = case.snapshot.problems
    hints = {
        "triglyceride": reached(Analyte.TRIGLYCERIDE, limits.triglyceride_from),
        "protein": reached(Analyte.TOTAL_PROTEIN, limits.protein_from),
        "myeloma": any(p.active and Problem.MYELOMA in p.concepts for p in problems),
    }
    found = [hint for hint, present in hints.items() if present]
    return tuple(hint for hint in found if hint != "myeloma" or "protein" not in found)


def _is_truly_low(latest: Sample, case: Case) -> bool:
    """Whether a low osmolality of the day, or a direct method of the hour, confirms it (F12)."""
    limits, hour = case.limits, case.limits.lab_wins_minutes
    for reading in case.readings.all(Analyte.SERUM_OSMOLALITY):
        of_the_day = _together(latest, reading, limits.pseudo_hint_hours)
        if of_the_day and reading.below(limits.pseudo_osmolality_from):
            return True
    direct = [s for s in case.series.samples if s.method == "poc" and abs(s.at - latest.at) <= hour]
    return bool(direct) and case.series.other_method is None


# ---- whether a reading belongs to a sodium


def drawn_together(sample: Sample, reading: Reading) -> bool:
    """Returns whether a sodium and a reading are of one specimen, or of one instant."""
    if _same_specimen(sample, reading):
        return True
    return sample.at == reading.at and not (sample.day_only or reading.day_only)


def _nearest(sample: Sample, readings: Iterable[Reading], window: timedelta) -> Reading | None:
    """Of the same specimen, else the nearest in time; of equals the earlier and lower one."""
    near = [reading for reading in readings if _together(sample, reading, window)]

    def distance(reading: Reading) -> tuple[bool, timedelta, datetime, Decimal]:
        other = not _same_specimen(sample, reading)
        return (other, abs(sample.at - reading.at), reading.at, reading.value)

    return min(near, key=distance, default=None)


def _same_specimen(sample: Sample, reading: Reading) -> bool:
    return bool(sample.specimen) and sample.specimen == reading.specimen


def _together(sample: Sample, reading: Reading, window: timedelta) -> bool:
    """Of one specimen, or near in time; two results with only a date are near on the same day."""
    if _same_specimen(sample, reading):
        return True
    if sample.day_only != reading.day_only:
        return False
    return abs(sample.at - reading.at) <= window


def _close(sample: Sample, reading: Reading, window: timedelta) -> bool:
    """Of one specimen, or certainly near in time; days alone are never close."""
    if _same_specimen(sample, reading):
        return True
    if sample.day_only or reading.day_only:
        return False
    return abs(sample.at - reading.at) <= window
