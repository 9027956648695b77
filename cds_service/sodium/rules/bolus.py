"""Which bolus of hypertonic saline a card of the chart names, and how firmly (F1, F3, F9, M6)."""

from __future__ import annotations

from cds_service.engine.finding import Line
from cds_service.engine.rule import line
from cds_service.engine.wording import saline_of
from cds_service.knowledge.names import Problem
from cds_service.sodium.acute_setting import known_low_before
from cds_service.sodium.case import Case
from cds_service.sodium.rules.gates import (
    adrenal_crisis,
    bolus_risen,
    cause_lines,
    circulation_fails,
    low_glucose_lines,
    names_bolus,
    obstetric_lines,
    osmolality_normal,
    osmole_unmeasured,
    undiluted,
)
from cds_service.sodium.rules.measured import lithium_lines
from cds_service.sodium.rules.ordered_amount import small_bolus


def is_acute(case: Case) -> bool:
    """Returns whether the brain has hardly adapted: after an acute fall or in a setting (F2, F3).

    A setting alone does not tell it if it lasts for years, if sodium was low before, or if sodium
    has risen since by as much as a bolus raises it.
    """
    if case.sodium.acute is not None:
        return True
    setting = case.acute_setting
    if setting is None or setting.lasts or case.rate.rule:
        return False
    risen = case.rate.rise_now >= case.limits.clamp_rise_from
    return not (risen or known_low_before(case, case.snapshot.now))


def bolus_line(case: Case) -> Line:
    """Returns the bolus of the profile, by weight if the patient is light (F9)."""
    small = small_bolus(case, saline_of(case.limits.bolus_percent))
    return small or line(f"bolus-{case.limits.profile}", keep=True)


def emergency_bolus(case: Case) -> Line:
    """Returns the bolus beside a severe symptom: at once if sodium fell lately (F1, F3)."""
    return _bolus_now(case) if is_acute(case) and not _in_doubt(case) else bolus_line(case)


def symptom_bolus(case: Case) -> list[Line]:
    """Returns the bolus beside symptoms that may be brain edema, never weaker than without (F1).

    It is an option for a senior if low sodium may be older than two days. It is left out if sodium
    rises too fast or did within the week (F4), or if osmolality speaks against low sodium.
    """
    risen = bool(bolus_risen(case)) or case.rate.episode is not None
    if not names_bolus(case) or risen or osmolality_normal(case) or undiluted(case):
        return []
    if is_acute(case) and _is_telling(case) and not _in_doubt(case):
        return [_bolus_now(case)]
    vomits = Problem.VOMITING in case.symptoms.recent
    if case.sodium.acute is not None and (case.drip is None or vomits):
        return [bolus_line(case)]
    drug = saline_of(case.limits.bolus_percent)
    small = small_bolus(case, drug, key="single-bolus-by-weight")
    return [small or line(f"single-bolus-{case.limits.profile}", keep=True)]


def osmolality_first(case: Case) -> bool:
    """Returns whether a normal osmolality comes before any bolus: not beside a seizure (M6)."""
    telling = case.sets.severe_at_higher_sodium
    deep = case.symptoms.brain_edema or any(c in telling for c in case.symptoms.severe)
    return osmolality_normal(case) and not deep


def osmolality_first_lines(case: Case) -> list[Line]:
    """Returns that a normal osmolality makes the number doubtful: a direct sodium first (M6)."""
    if not osmolality_normal(case) or case.pseudo is None:
        return []
    key = "osmolality-is-normal" if osmolality_first(case) else "osmolality-is-normal-now"
    return [line(key, value=case.pseudo.shown, keep=True)]


def _bolus_now(case: Case) -> Line:
    drug = saline_of(case.limits.bolus_percent)
    small = small_bolus(case, drug, key="bolus-now-by-weight")
    return small or line(f"bolus-now-{case.limits.profile}", keep=True)


def _is_telling(case: Case) -> bool:
    """Returns whether more than a headache is recorded: confusion, vomiting or a coma scale."""
    found = case.encephalopathy
    if found is None:
        return False
    return found.scale is not None or any(s in case.sets.brain_symptoms for s in found.symptoms)


def _in_doubt(case: Case) -> bool:
    """Returns whether something else may make the symptoms or the number, and is treated first."""
    other_cause = low_glucose_lines(case) or lithium_lines(case) or cause_lines(case)
    seizure_at_birth = case.symptoms.seizure_recent and obstetric_lines(case)
    number = case.drip is not None or case.glucose is not None or osmole_unmeasured(case)
    body = case.dialysis or adrenal_crisis(case) or circulation_fails(case)
    return bool(other_cause or seizure_at_birth or number or body or undiluted(case))
