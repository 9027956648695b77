"""Symptoms and their recency (B.0.4, M1, M2).

A symptom that is not recorded is "not documented"; no card calls the patient "asymptomatic".
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from msgspec import Struct

from cds_service.knowledge.names import Analyte, Problem

if TYPE_CHECKING:
    from cds_service.sodium.case import Case


LOWEST_GCS = 3  # the scale starts here; a smaller number is an error of entry


class Symptoms(Struct, frozen=True, kw_only=True):
    """Concepts of conditions.toml, the most telling first."""

    severe: tuple[str, ...] = ()  # SEV
    attributable: bool = False  # SEV-A
    brain_edema: bool = False  # cerebral edema, herniation or raised ICP, recent
    moderate: tuple[str, ...] = ()  # MODS
    mild: tuple[str, ...] = ()  # MILDS
    cramp: bool = False
    fall_or_fracture: bool = False  # within 90 d
    falls_risk: bool = False  # age >= 65, or a fall, gait or osteoporosis code (FALL line)
    seizure: bool = False  # any seizure or epilepsy code that forbids a delete (M12)
    seizure_recent: bool = False  # <= 72 h
    icp_indication: bool = False  # OS-HTS-ICP codes with their recency (M4)
    neuro_code: bool = False  # any neurological code: no delete on OS-HTS-NONE
    gcs: int | None = None
    gcs_impaired: bool = False  # 9 to 14: counts as a symptom for hypertonic saline (M4)


def symptoms(case: Case) -> Symptoms:
    """Returns the symptoms that are recorded now (B.0.4, M1, M2, M4, M12, S15, S20)."""
    limits, sets, problems = case.limits, case.sets, case.problems
    severe = _severe(case)
    edema = bool(problems.current(sets.brain_edema, limits.icp_days))
    cramp = bool(problems.current(sets.cramp, limits.cramp_days))
    fell = problems.happened(sets.fall_or_fracture, limits.fall_days)
    old = case.age_years is not None and case.age_years >= limits.falls_age_years
    gcs = _gcs(case)
    return Symptoms(
        severe=severe,
        attributable=_attributable(case, severe),
        brain_edema=edema,
        moderate=tuple(
            c for c in problems.current(sets.moderate, limits.symptom_days) if c not in severe
        ),
        mild=_mild(case),
        cramp=cramp,
        fall_or_fracture=bool(fell),
        falls_risk=old or bool(fell) or bool(problems.active(sets.falls_risk)),
        seizure=bool(problems.active(sets.seizure)),
        seizure_recent=any(c in sets.seizure for c in severe),
        icp_indication=edema or bool(problems.dated(sets.icp_injury, limits.icp_days)),
        neuro_code=bool(severe) or bool(problems.active(sets.neurological)),
        gcs=gcs,
        gcs_impaired=gcs is not None and limits.gcs_coma_to < gcs <= limits.gcs_impaired_to,
    )


def _severe(case: Case) -> tuple[str, ...]:
    """SEV: recent, or a diagnosis of this encounter; epilepsy only as both (B.0.4)."""
    limits, sets, problems = case.limits, case.sets, case.problems
    window = limits.severe_symptom_hours
    recent = {c for c in problems.current(sets.severe, window) if c not in sets.only_as_diagnosis}
    recent.update(problems.diagnosed(sets.only_as_diagnosis, window))
    gcs = _gcs(case)
    if gcs is not None and gcs <= limits.gcs_coma_to:
        recent.add(Problem.COMA)
    return sets.severe.among(frozenset(recent)) + _severe_vomiting(case, window)


def _severe_vomiting(case: Case, window: timedelta) -> tuple[str, ...]:
    """Vomiting, which the European profile calls severe if sodium is profoundly low (S20)."""
    value = case.effective_sodium
    if value is None or value >= case.limits.vomiting_severe_below:
        return ()
    return case.problems.current(case.sets.severe_when_profound, window)


def _attributable(case: Case, severe: tuple[str, ...]) -> bool:
    """Whether sodium is low enough, or fell fast enough, to cause the symptoms (SEV-A, M2)."""
    value = case.effective_sodium
    if not severe or value is None:
        return False
    if case.sodium.acute is not None or value < case.limits.severe_attributable_below:
        return True
    telling = any(c in case.sets.severe_at_higher_sodium for c in severe)
    return telling and value < case.limits.severe_attributable_higher_below


def _mild(case: Case) -> tuple[str, ...]:
    limits, sets, problems = case.limits, case.sets, case.problems
    recent = {c for c in problems.current(sets.mild, limits.symptom_days) if c not in sets.cramp}
    recent.update(problems.current(sets.cramp, limits.cramp_days))
    return sets.mild.among(frozenset(recent))


def _gcs(case: Case) -> int | None:
    """The newest Glasgow coma scale total, if it is young enough."""
    reading = case.readings.latest(Analyte.GCS, case.limits.severe_symptom_hours)
    if reading is None or not reading.exact or reading.value < LOWEST_GCS:
        return None
    return int(reading.value)
