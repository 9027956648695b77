"""Glucose-corrected sodium (Katz, Hillier) and suspected pseudohyponatremia (B.0.3, M5, M6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from cds_service.engine.wording import number
from cds_service.knowledge.limits import Limits
from cds_service.sodium.results import Band, Reading, Sample, band_of
from cds_service.sodium.snapshot import Snapshot

if TYPE_CHECKING:
    from cds_service.sodium.case import Case

GLUCOSE = "glucose"


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
    """Why the measured sodium may be an artefact."""

    kind: Literal["osmolality", "direct-ise", "hint"]
    shown: str  # the value it rests on: effective osmolality or the direct ISE sodium
    hints: tuple[
        str, ...
    ] = ()  # "triglyceride", "protein", "myeloma": one bullet, nothing suppressed


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
    """The glucose of each sodium that has one: same specimen, else within 60 min, else within 4 h (loose).

    A lower bound ("> 600") stands for itself: the true shift is larger.
    """
    known = [v for v in glucose if not v.comparator.startswith("<")]
    pairs = {}
    for sample in samples if known else ():
        near = [v for v in known if _together(sample, v, limits.glucose_loose_hours)]
        if near:
            best = min(near, key=lambda v: _distance(sample, v))
            apart = _further(sample, best, limits.glucose_pair_minutes)
            loose = apart and not _same_specimen(sample, best)
            pairs[sample] = GlucosePair(glucose=best.value, at=best.at, loose=loose)
    return pairs


def corrected_sodium(pairs: Mapping[Sample, GlucosePair], limits: Limits) -> dict[Sample, Decimal]:
    """The Katz value of each sample whose glucose is high enough to matter; bounds are left out."""
    return {
        sample: katz(sample.value, pair.glucose, limits)
        for sample, pair in pairs.items()
        if pair.glucose >= limits.glucose_shift_from and not sample.comparator
    }


def glucose_shift(
    latest: Sample | None, pairs: Mapping[Sample, GlucosePair], limits: Limits
) -> GlucoseShift | None:
    """What high glucose does to the latest sodium (B.0.3, M5); None: no glucose known, or not high."""
    pair = pairs.get(latest) if latest else None
    if (
        latest is None
        or pair is None
        or latest.comparator
        or pair.glucose < limits.glucose_shift_from
    ):
        return None
    by_katz = katz(latest.value, pair.glucose, limits)
    by_hillier = hillier(latest.value, pair.glucose, limits)
    explained = band_of(by_katz, limits) is Band.NORMAL
    return GlucoseShift(
        glucose=pair.glucose,
        at=pair.at,
        katz=by_katz,
        hillier=by_hillier,
        explained=explained,
        loose_pair=pair.loose,
        hillier_fits=pair.glucose > limits.hillier_above,
    )


def pseudo(case: Case) -> Pseudo | None:
    """Whether a low sodium may be an artefact (M6): direct measurement, else osmolality, else hints alone."""
    limits = case.limits
    candidates = (case.series.latest, case.series.other_method)
    low = next((s for s in candidates if s and _low_lab(s, limits)), None)
    hints = _hints(case)
    direct = _direct(low, case.series.samples, limits) if low else None
    if direct:
        return Pseudo(kind="direct-ise", shown=direct.shown, hints=hints)
    latest = case.series.latest
    if latest is None or band_of(latest.value, limits, latest.comparator) is Band.NORMAL:
        return None
    osmolality = _effective_osmolality(latest, case)
    if osmolality is not None and osmolality >= limits.pseudo_osmolality_from:
        shown = number(osmolality, (limits.pseudo_osmolality_from,))
        return Pseudo(kind="osmolality", shown=shown, hints=hints)
    return Pseudo(kind="hint", shown="", hints=hints) if hints else None


def _low_lab(sample: Sample, limits: Limits) -> bool:
    return (
        sample.method == "lab"
        and band_of(sample.value, limits, sample.comparator) is not Band.NORMAL
    )


def _direct(low: Sample, samples: Sequence[Sample], limits: Limits) -> Sample | None:
    """The nearest whole-blood sodium that is not low, close in time to the low laboratory value."""
    window = limits.direct_ise_minutes
    direct = [s for s in samples if s.method == "poc" and s.exact and low.exact]
    near = [s for s in direct if abs(s.at - low.at) <= window]
    nearest = min(near, key=lambda s: abs(s.at - low.at), default=None)
    return nearest if nearest and nearest.value >= limits.direct_ise_from else None


def _effective_osmolality(latest: Sample, case: Case) -> Decimal | None:
    """Measured osmolality less urea and ethanol, mOsm/kg.

    None where osmolality or urea is not known, where glucose is high or not known, or on mannitol.
    """
    limits = case.limits
    pair = case.glucose_pairs.get(latest)
    if pair is None or pair.glucose >= limits.glucose_shift_from or _on_mannitol(case.snapshot):
        return None

    def nearest(analyte: str) -> Decimal | None:
        values = case.readings.all(analyte)
        window = limits.pseudo_osmolality_hours
        near = [v for v in values if not v.comparator and _together(latest, v, window)]
        return min(near, key=lambda v: _distance(latest, v)).value if near else None

    measured, nitrogen = nearest("serum-osmolality"), nearest("bun")  # "bun": urea too, converted
    if measured is None or nitrogen is None:
        return None
    return (
        measured
        - nitrogen / limits.bun_per_osmole
        - (nearest("ethanol") or Decimal(0)) / limits.ethanol_per_osmole
    )


def _on_mannitol(snapshot: Snapshot) -> bool:
    return any(
        d.name == "mannitol" for o in snapshot.exposures if o.status == "active" for d in o.drugs
    )


def _hints(case: Case) -> tuple[str, ...]:
    """What can make an indirect measurement read low (M6: one bullet, nothing more)."""
    latest, limits = case.series.latest, case.limits
    if latest is None:
        return ()
    window = limits.pseudo_hint_hours

    def reached(analyte: str, limit: Decimal) -> bool:
        values = case.readings.all(analyte)
        high = (v for v in values if v.value >= limit and not v.comparator.startswith("<"))
        return any(_together(latest, v, window) for v in high)

    found = {
        "triglyceride": reached("triglyceride", limits.triglyceride_from),
        "protein": reached("total-protein", limits.protein_from),
        "myeloma": any(p.active and "myeloma" in p.concepts for p in case.snapshot.problems),
    }
    return tuple(name for name, present in found.items() if present)


def _same_specimen(sample: Sample, value: Reading) -> bool:
    return bool(sample.specimen) and sample.specimen == value.specimen


def _further(sample: Sample, value: Reading, window: timedelta) -> bool:
    """Whether they are further apart, as far as their times tell: days alone are never close."""
    return sample.day_only or value.day_only or abs(sample.at - value.at) > window


def _together(sample: Sample, value: Reading, window: timedelta) -> bool:
    """Of one specimen, or near in time; two results that carry only a date are near on the same day."""
    if _same_specimen(sample, value):
        return True
    if sample.day_only != value.day_only:
        return False
    return abs(sample.at - value.at) <= window


def _distance(sample: Sample, value: Reading) -> tuple[bool, timedelta, datetime, Decimal]:
    """The same specimen first, then the nearest; the earlier and lower of equals."""
    return (not _same_specimen(sample, value), abs(sample.at - value.at), value.at, value.value)
