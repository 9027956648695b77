"""A thiazide is ordered beside a loop diuretic by vein, or in acute heart failure (F48)."""

from __future__ import annotations

from cds_service.engine.finding import Line
from cds_service.engine.rule import line
from cds_service.engine.wording import in_hours
from cds_service.knowledge.names import Analyte, DrugClass
from cds_service.sodium.case import Case
from cds_service.sodium.rules.gates import (
    actionable,
    cirrhosis,
    decongesting,
    drains_the_heart,
    heart_failure,
    liver_forbids_diuretics,
)
from cds_service.sodium.rules.order_helpers import sodium_below, taken
from cds_service.terminology.types import DrugMatch


def decongests(case: Case, drug: DrugMatch) -> bool:
    """Returns whether the drug is a thiazide in acute heart failure: it is not removed (F48)."""
    return drug.cls == DrugClass.THIAZIDE and drains_the_heart(case)


def beside_loop_lines(case: Case, drug: DrugMatch) -> list[Line]:
    """Returns what to do in the first lines; [] if the order is told as any other thiazide is.

    Below the limit the loop diuretic is raised first; in cirrhosis diuretics are held.
    """
    heart = decongests(case, drug)
    if not heart and _is_held_in_cirrhosis(case, drug):
        held = line("cirrhosis-holds", keep=True, drug=drug.name)
        return [held, *low_potassium_lines(case, drug, measure=True)]
    if not heart and not _is_added_to_a_loop(case, drug):
        return []
    low = sodium_below(case, case.limits.lowering_warning_below)
    first = [] if taken(case, drug) or not low else [_loop_first(drug)]
    close = [line("thiazide-close", keep=True, drug=drug.name)]
    if heart:
        key = "decongestion-close" if low else "decongestion"
        close = [line(key, keep=True, drug=drug.name)]
    return [*first, *low_potassium_lines(case, drug, measure=low), *close]


def _is_held_in_cirrhosis(case: Case, drug: DrugMatch) -> bool:
    """Returns whether a thiazide is begun in cirrhosis at a sodium at which diuretics are held."""
    begun = drug.cls == DrugClass.THIAZIDE and not taken(case, drug) and actionable(case)
    return begun and liver_forbids_diuretics(case) and not heart_failure(case)


def _loop_first(drug: DrugMatch) -> Line:
    return line("loop-first", keep=True, drug=drug.name)


def _is_added_to_a_loop(case: Case, drug: DrugMatch) -> bool:
    """Returns whether a thiazide is begun beside a loop diuretic by vein at a low sodium."""
    low = sodium_below(case, case.limits.lowering_warning_below)
    begun = drug.cls == DrugClass.THIAZIDE and not taken(case, drug)
    return begun and low and decongesting(case) and not cirrhosis(case)


def low_potassium_lines(case: Case, drug: DrugMatch, *, measure: bool) -> list[Line]:
    """Returns that a low potassium comes before the thiazide; if wanted, that it is measured."""
    limits = case.limits
    if drug.cls != DrugClass.THIAZIDE:
        return []
    diluted = case.drip is not None and Analyte.POTASSIUM in case.drip.diluted
    potassium = case.readings.latest(Analyte.POTASSIUM, limits.raise_potassium_hours)
    if potassium is None or diluted:
        hours = in_hours(limits.raise_potassium_hours)
        unmeasured = line("thiazide-potassium-unmeasured", hours=hours, drug=drug.name, keep=True)
        return [unmeasured] if measure else []
    if not potassium.below(limits.thiazide_potassium_below):
        return []
    return [line("thiazide-potassium", value=potassium.value, drug=drug.name, keep=True)]
