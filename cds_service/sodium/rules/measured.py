"""What was measured beside sodium is told on its card (F26)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from cds_service.engine.finding import Line
from cds_service.engine.rule import line
from cds_service.engine.wording import number
from cds_service.knowledge.names import Analyte, Problem
from cds_service.sodium.adrenal import potassium_drugs
from cds_service.sodium.case import Case
from cds_service.sodium.depletion import creatinine_rise, low_systolic, red_flag_window
from cds_service.sodium.results import Reading, paired
from cds_service.sodium.rules.gates import at


def measured_lines(case: Case) -> list[Line]:
    """Returns the results that change what is thought or done, the most telling first."""
    return [
        *_pressure(case),
        *kidney_lines(case),
        *potassium_lines(case),
        *_hormones(case),
        *_others(case),
    ]


def kidney_lines(case: Case) -> list[Line]:
    """Returns a creatinine or a filtration of kidney failure; on dialysis it is known."""
    limits = case.limits
    if case.dialysis:
        return []
    creatinine = case.readings.latest(Analyte.CREATININE, limits.measured_days)
    if creatinine is not None and creatinine.above(limits.creatinine_told_above):
        return [told(case, "measured-creatinine", creatinine)]
    filtration = case.readings.latest(Analyte.EGFR, limits.measured_days)
    if filtration is not None and filtration.below(limits.egfr_told_below):
        return [told(case, "measured-egfr", filtration)]
    return []


def potassium_lines(case: Case, *, high: bool = True) -> list[Line]:
    """Returns a low potassium, which is replaced and counted, or, if wanted, a high one."""
    limits = case.limits
    potassium = case.readings.latest(Analyte.POTASSIUM, limits.adrenal_potassium_hours)
    if potassium is None or (case.drip is not None and Analyte.POTASSIUM in case.drip.diluted):
        return []  # nothing rests on a value that an infusion diluted (F41)
    if potassium.below(limits.potassium_told_below):
        return [told(case, "measured-potassium-low", potassium)]
    raised = potassium_by_drug(case)
    if high and (raised is not None or potassium.above(limits.adrenal_potassium_above)):
        return _high_potassium(case, potassium)
    return []


def potassium_by_drug(case: Case) -> Reading | None:
    """Returns a potassium of the limit or more, if a drug that raises it is taken (F26)."""
    limits = case.limits
    potassium = case.readings.latest(Analyte.POTASSIUM, limits.adrenal_potassium_hours)
    if potassium is None or not potassium.at_least(limits.adrenal_potassium_above):
        return None
    diluted = case.drip is not None and Analyte.POTASSIUM in case.drip.diluted
    return potassium if potassium_drugs(case) and not diluted else None


def _high_potassium(case: Case, potassium: Reading) -> list[Line]:
    """Returns a high potassium; before dialysis it is usual, and an urgent one is in the plan."""
    if case.dialysis:
        by_plan = urgent_potassium(case) is None
        return [told(case, "measured-potassium-dialysis", potassium)] if by_plan else []
    drugs = potassium_drugs(case)
    if drugs:
        return [told(case, "measured-potassium-drug", potassium, drug=drugs[0])]
    return [told(case, "measured-potassium-high", potassium)]


def urgent_potassium(case: Case) -> Reading | None:
    """Returns a potassium that does not wait for the next planned dialysis."""
    limits = case.limits
    potassium = case.readings.latest(Analyte.POTASSIUM, limits.adrenal_potassium_hours)
    if potassium is None or not potassium.at_least(limits.dialysis_potassium_from):
        return None
    return potassium


def _hormones(case: Case) -> list[Line]:
    limits, lines = case.limits, []
    tsh = case.readings.latest(Analyte.TSH, limits.tsh_told_days)
    if tsh is not None and tsh.above(limits.tsh_told_above):
        lines.append(told(case, "measured-tsh", tsh))
    cortisol = case.readings.latest(Analyte.CORTISOL, limits.adrenal_cortisol_days)
    if cortisol is not None:
        lines.append(told(case, "measured-cortisol", cortisol))
    return lines


def lithium_lines(case: Case) -> list[Line]:
    """Returns a toxic level of lithium, or that it is to be measured in kidney injury (F6).

    What makes the kidney keep it is named with it.
    """
    limits = case.limits
    level = case.readings.latest(Analyte.LITHIUM, limits.measured_days)
    taken = case.exposures.of(*case.sets.lithium.members)
    kept_by = case.exposures.of(*case.sets.lithium_raising.members)
    drugs = ", ".join([e.drug.name for e in kept_by][: int(limits.suspects_to)])
    if level is not None and level.at_least(limits.lithium_toxic_from):
        key = "lithium-toxic-drugs" if drugs else "lithium-toxic"
        return [told(case, key, level, drug=drugs)]
    if level is not None or not (taken and drugs) or not _kidney_injured(case):
        return []
    return [line("lithium-unmeasured", drug=taken[0].drug.name, partner=drugs, keep=True)]


def _kidney_injured(case: Case) -> bool:
    window = red_flag_window(case)
    recorded = case.problems.has_current(Problem.ACUTE_KIDNEY_INJURY, window)
    return recorded or creatinine_rise(case, window) is not None


def _others(case: Case) -> list[Line]:
    limits, lines = case.limits, []
    calcium = case.readings.latest(Analyte.CALCIUM, limits.measured_days)
    if calcium is not None and (
        calcium.above(limits.calcium_told_above) or calcium.below(limits.calcium_told_below)
    ):
        lines.append(told(case, "measured-calcium", calcium))
    plain: dict[Analyte, timedelta] = {
        Analyte.LITHIUM: limits.measured_days,
        Analyte.SERUM_OSMOLALITY: limits.urine_labs_hours,
        Analyte.URINE_OSMOLALITY: limits.urine_labs_hours,
        Analyte.URINE_SODIUM: limits.urine_labs_hours,
    }
    for analyte, window in plain.items():
        reading = case.readings.latest(analyte, window)
        said = analyte == Analyte.LITHIUM and lithium_lines(case)  # a toxic one is among the first
        if reading is not None and not said:
            plainly = told(case, f"measured-{analyte}", reading, keep=False)
            is_serum = analyte == Analyte.SERUM_OSMOLALITY
            lines.append((_explained_osmolality(case, reading) if is_serum else None) or plainly)
    return lines


def _explained_osmolality(case: Case, osmolality: Reading) -> Line | None:
    """Returns that ethanol or urea makes the osmolality not low, if one of them does."""
    return _by_ethanol(case, osmolality) or _by_urea(case, osmolality)


def _by_urea(case: Case, osmolality: Reading) -> Line | None:
    """Returns that a high urea explains an osmolality that is not low: it holds no water (M6)."""
    limits = case.limits
    urea = paired(osmolality, case.readings.all(Analyte.BUN), limits.osmolality_near_hours)
    if urea is None or not urea.at_least(limits.bun_high_from):
        return None
    if osmolality.below(limits.pseudo_osmolality_from):
        return None
    share = urea.value / limits.bun_per_osmole
    if osmolality.value - share >= limits.pseudo_osmolality_from:
        return None
    return line(
        "measured-serum-osmolality-urea",
        value=osmolality.value,
        time=at(case, osmolality.at, osmolality.day_only),
        share=number(share.quantize(Decimal(1))),
        keep=True,
    )


def _by_ethanol(case: Case, osmolality: Reading) -> Line | None:
    """Returns that ethanol explains an osmolality that is not low: the blood is dilute (M6)."""
    limits = case.limits
    drawn = case.readings.all(Analyte.ETHANOL)
    ethanol = paired(osmolality, drawn, limits.osmolality_near_hours)
    if ethanol is None or osmolality.below(limits.pseudo_osmolality_from):
        return None
    share = ethanol.value / limits.ethanol_per_osmole
    if osmolality.value - share >= limits.pseudo_osmolality_from:
        return None
    return line(
        "measured-serum-osmolality-ethanol",
        value=osmolality.value,
        time=at(case, osmolality.at, osmolality.day_only),
        ethanol=ethanol.value,
        share=number(share.quantize(Decimal(1))),
        keep=True,
    )


def _pressure(case: Case) -> list[Line]:
    """Returns a low pressure that no reason against restriction tells of already (M9)."""
    systolic = low_systolic(case, red_flag_window(case))
    if systolic is None or case.restriction.verdict != "never":
        return []
    return [line("measured-systolic", value=systolic, keep=True)]


def told(case: Case, key: str, reading: Reading, *, keep: bool = True, drug: str = "") -> Line:
    """Returns the line with a result and its time, and the drug that explains it, if given."""
    analyte = key.removeprefix("measured-")
    sent = case.as_sent(analyte, reading.value)
    value = reading.comparator + (number(sent) if isinstance(sent, Decimal) else sent)
    facts = {"value": value, "time": at(case, reading.at, reading.day_only)}
    return Line(key, {**facts, "drug": drug} if drug else facts, keep=keep)
