"""What was measured beside sodium is told on its card (F26)."""

from __future__ import annotations

from datetime import timedelta

from cds_service.engine.finding import Line
from cds_service.engine.rule import line
from cds_service.engine.wording import number
from cds_service.knowledge.names import Analyte
from cds_service.sodium.case import Case
from cds_service.sodium.results import Reading
from cds_service.sodium.rules.gates import at


def measured_lines(case: Case) -> list[Line]:
    """Returns the results that change what is thought or done, the most telling first."""
    return [*_kidney(case), *potassium_lines(case), *_hormones(case), *_others(case)]


def _kidney(case: Case) -> list[Line]:
    limits = case.limits
    creatinine = case.readings.latest(Analyte.CREATININE, limits.measured_days)
    if creatinine is not None and creatinine.above(limits.creatinine_told_above):
        return [_told(case, "measured-creatinine", creatinine)]
    filtration = case.readings.latest(Analyte.EGFR, limits.measured_days)
    if filtration is not None and filtration.below(limits.egfr_told_below):
        return [_told(case, "measured-egfr", filtration)]
    return []


def potassium_lines(case: Case, *, high: bool = True) -> list[Line]:
    """Returns a low potassium, which is replaced and counted, or, if wanted, a high one."""
    limits = case.limits
    potassium = case.readings.latest(Analyte.POTASSIUM, limits.adrenal_potassium_hours)
    if potassium is None:
        return []
    if potassium.below(limits.potassium_told_below):
        return [_told(case, "measured-potassium-low", potassium)]
    if high and potassium.above(limits.adrenal_potassium_above):
        return [_told(case, "measured-potassium-high", potassium)]
    return []


def _hormones(case: Case) -> list[Line]:
    limits, lines = case.limits, []
    tsh = case.readings.latest(Analyte.TSH, limits.tsh_told_days)
    if tsh is not None and tsh.above(limits.tsh_told_above):
        lines.append(_told(case, "measured-tsh", tsh))
    cortisol = case.readings.latest(Analyte.CORTISOL, limits.adrenal_cortisol_days)
    if cortisol is not None:
        lines.append(_told(case, "measured-cortisol", cortisol))
    return lines


def _others(case: Case) -> list[Line]:
    limits, lines = case.limits, []
    calcium = case.readings.latest(Analyte.CALCIUM, limits.measured_days)
    if calcium is not None and (
        calcium.above(limits.calcium_told_above) or calcium.below(limits.calcium_told_below)
    ):
        lines.append(_told(case, "measured-calcium", calcium))
    plain: dict[Analyte, timedelta] = {
        Analyte.LITHIUM: limits.measured_days,
        Analyte.SERUM_OSMOLALITY: limits.urine_labs_hours,
        Analyte.URINE_OSMOLALITY: limits.urine_labs_hours,
        Analyte.URINE_SODIUM: limits.urine_labs_hours,
    }
    for analyte, window in plain.items():
        reading = case.readings.latest(analyte, window)
        if reading is not None:
            lines.append(_told(case, f"measured-{analyte}", reading, keep=False))
    return lines


def _told(case: Case, key: str, reading: Reading, *, keep: bool = True) -> Line:
    value = reading.comparator + number(reading.value)
    return line(key, keep=keep, value=value, time=at(case, reading.at, reading.day_only))
