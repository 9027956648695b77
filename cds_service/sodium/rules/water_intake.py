"""A dilute urine beside a drug that may lower sodium: the water drunk is the cause (F27, M12)."""

from __future__ import annotations

from cds_service.engine.finding import Line
from cds_service.engine.rule import line
from cds_service.knowledge.names import Analyte, DrugClass, DrugName
from cds_service.sodium.case import Case
from cds_service.sodium.results import Reading
from cds_service.sodium.rules.gates import drinks_compulsively
from cds_service.sodium.volume import Volume
from cds_service.terminology.types import DrugMatch


def diluting_urine(case: Case, drug: DrugMatch) -> Reading | None:
    """Returns a urine so dilute that no drug that holds water back is the cause; else None.

    Diuretics act otherwise, and drugs against seizures have words of their own (M12). While
    sodium rises, or once lost volume is restored, such a urine is the end of another cause.
    """
    sets, limits = case.sets, case.limits
    other = drug.cls in sets.diuretics or drug.cls in sets.antiepileptics
    other = other or bool(case.exposures.of(DrugClass.THIAZIDE))
    lost = case.volume.status is Volume.HYPO or bool(case.restriction.fluid)
    if other or lost or case.rate.rule:
        return None
    urine = case.readings.latest(Analyte.URINE_OSMOLALITY, limits.dilute_urine_days)
    dilute = urine is not None and urine.below(limits.dilute_urine_below)
    return urine if dilute else None


def intake_lines(case: Case, drug: DrugMatch) -> list[Line]:
    """Returns that the intake is the likely cause and no drug, and what is done about it (F27)."""
    urine = diluting_urine(case, drug)
    if urine is None:
        return []
    told = line("intake-not-drug", value=urine.value, keep=True)
    if drug.name == DrugName.CLOZAPINE and drinks_compulsively(case):
        return [told, line("clozapine-lessens", keep=True)]
    return [told, line("intake-watch", drug=drug.name, keep=True)]
