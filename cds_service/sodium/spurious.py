"""Sodium results that another result of their own tube disproves are left out (F12, F41).

A sample whose glucose came from an infusion came from it too, and a low indirect value beside a
normal osmolality and a normal direct value is falsely low.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from cds_service.knowledge.names import Analyte
from cds_service.sodium.glucose import contaminated, drawn_together
from cds_service.sodium.results import Band, Sample, Series, band_of, paired

if TYPE_CHECKING:
    from cds_service.sodium.case import Case


def without_spurious(series: Series, case: Case) -> Series:
    """Returns the series without what a result of the same tube disproves.

    The newest value always stays: a card asks to repeat it.
    """
    disproved = _from_infusion(series, case)
    false = frozenset(_falsely_low(series, case))
    if not (disproved or false):
        return series
    kept = tuple(s for s in series.samples if s not in disproved and s not in false)
    latest = series.latest
    other = series.other_method
    if latest is not None and latest.method == "poc" and false and other is None:
        other = max(false, key=lambda s: s.at)
    return replace(series, samples=kept, other_method=other, falsely_low=series.falsely_low | false)


def _from_infusion(series: Series, case: Case) -> frozenset[Sample]:
    """Returns the low samples before the newest whose glucose came from an infusion (F41)."""
    limits, readings = case.limits, case.readings.all(Analyte.GLUCOSE)
    spikes = [r for r in readings if contaminated(r, readings, limits)]
    return frozenset(
        sample
        for sample in series.samples
        if sample != series.latest
        and band_of(sample.value, limits, sample.comparator) is not Band.NORMAL
        and any(drawn_together(sample, spike) for spike in spikes)
    )


def _falsely_low(series: Series, case: Case) -> list[Sample]:
    """Returns low laboratory values that a normal osmolality and a later direct value deny (F12).

    The direct value is normal and hours away; within the hour the series knows it already.
    """
    limits, latest = case.limits, series.latest
    if latest is None or latest.method != "poc" or latest.value < limits.direct_ise_from:
        return []
    return [
        sample
        for sample in series.samples
        if sample.method == "lab"
        and sample.exact
        and abs(latest.at - sample.at) <= limits.methods_osmolality_hours
        and latest.value - sample.value >= limits.methods_apart_from
        and _osmolality_normal(sample, case)
    ]


def _osmolality_normal(sample: Sample, case: Case) -> bool:
    """Whether a measured osmolality of the hour, less urea and ethanol, is not low."""
    limits = case.limits
    for measured in case.readings.all(Analyte.SERUM_OSMOLALITY):
        near = abs(measured.at - sample.at) <= limits.pseudo_osmolality_hours
        if not (near and measured.exact) or measured.day_only:
            continue
        window = limits.osmolality_near_hours
        urea = paired(measured, case.readings.all(Analyte.BUN), window)
        ethanol = paired(measured, case.readings.all(Analyte.ETHANOL), window)
        by_urea = urea.value / limits.bun_per_osmole if urea else 0
        by_ethanol = ethanol.value / limits.ethanol_per_osmole if ethanol else 0
        if measured.value - by_urea - by_ethanol >= limits.pseudo_osmolality_from:
            return True
    return False
