"""Vomiting that may be the cause: if volume is likely lost, it is hardly of the brain (F7)."""

from __future__ import annotations

from cds_service.engine.finding import Line
from cds_service.engine.rule import line
from cds_service.engine.wording import joined
from cds_service.knowledge.names import Analyte, Problem, Sign
from cds_service.sodium.case import Case
from cds_service.sodium.restriction import little_urine_sodium
from cds_service.sodium.results import Reading
from cds_service.sodium.rules.bolus import bolus_line, is_acute
from cds_service.sodium.rules.gates import adrenal_crisis, obstetric_lines, rises_fast
from cds_service.sodium.rules.plan import VOMITING_ALONE
from cds_service.sodium.volume import Volume
from cds_service.sodium.weak_signs import single_signs

SHOWN = 3  # signs of lost volume that one line names


def dry_by_vomiting(case: Case) -> tuple[str, ...]:
    """Returns the signs of lost volume, if vomiting is the only sign that may be of the brain.

    After an acute fall, in an acute setting and after a brain injury it stays such a sign.
    """
    severe = case.symptoms.severe
    if not severe or not set(severe) <= case.sets.severe_when_profound.names:
        return ()
    if _may_be_of_the_brain(case) or _saline_in_doubt(case):
        return ()
    volume = case.volume
    if volume.status is Volume.HYPO and volume.evidence != VOMITING_ALONE:
        return volume.evidence
    signs = _signs(case)
    return signs if len(signs) >= case.limits.weak_signs_from else ()


def vomiting_lines(case: Case) -> list[Line]:
    """Returns what restores the volume, and when 3 % saline is given all the same."""
    if not dry_by_vomiting(case):
        return []
    potassium = _low_potassium(case)
    dry = line("vomiting-dry", keep=True)
    if potassium is not None:
        dry = line("vomiting-dry-potassium", value=potassium.value, keep=True)
    return [dry, line("only-beside-signs", keep=True).also(bolus_line(case))]


def vomiting_lead(case: Case) -> Line:
    """Returns what is examined first, with the obstetric advice if the patient is pregnant."""
    signs = joined("evidence", dry_by_vomiting(case)[:SHOWN])
    lead = line("vomiting-first", evidence=signs, keep=True)
    for told in obstetric_lines(case):
        lead = lead.also(told)
    return lead


def thiamine_lines(case: Case) -> list[Line]:
    """Returns thiamine for vomiting that lasts, if the risk of demyelination names it not."""
    named = any(reason in case.sets.needs_thiamine for reason in case.risk.reasons)
    return [line("vomiting-thiamine")] if dry_by_vomiting(case) and not named else []


def _may_be_of_the_brain(case: Case) -> bool:
    """Returns whether anything else points to the brain, or onset was likely short."""
    found = case.symptoms
    others = {*found.moderate, *found.recent} - case.sets.sick_stomach.names
    if others or Problem.LETHARGY in found.mild or found.gcs_impaired or found.brain_edema:
        return True
    injured = case.problems.happened(case.sets.brain_injury, case.limits.brain_injury_days)
    return bool(injured) or is_acute(case) or case.sodium.fell_lately


def _saline_in_doubt(case: Case) -> bool:
    """Returns whether isotonic saline may be wrong: overload, kept water, dialysis, a fast rise."""
    volume = case.volume
    by_urine = volume.kept_water == joined("evidence", [Sign.SIADH_PATTERN])
    against = volume.status is Volume.CONFLICT and not by_urine
    other = volume.status in (Volume.HYPER, Volume.ADRENAL, Volume.CSW)
    return bool(against or other or case.dialysis or adrenal_crisis(case) or rises_fast(case))


def _signs(case: Case) -> tuple[str, ...]:
    """Returns the weak signs of lost volume, with a low potassium and a kidney that holds salt."""
    salt = (Sign.URINE_SODIUM_LOW,) if little_urine_sodium(case) is not None else ()
    potassium = (Sign.POTASSIUM_LOW,) if _low_potassium(case) is not None else ()
    return (*single_signs(case), *salt, *potassium)


def _low_potassium(case: Case) -> Reading | None:
    """Returns the newest potassium if it is low."""
    limits = case.limits
    newest = case.readings.latest(Analyte.POTASSIUM, limits.demyelination_potassium_hours)
    low = newest is not None and newest.below(limits.demyelination_potassium_below)
    return newest if low else None
