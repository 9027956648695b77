"""How awake the patient is, and whether that may be brain edema by low sodium (F1, F43)."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec import Struct

from cds_service.knowledge.names import Analyte, Problem
from cds_service.sodium.acute_setting import known_low_before
from cds_service.sodium.snapshot import Order

if TYPE_CHECKING:
    from cds_service.sodium.case import Case

LOWEST_GCS = 3  # the scale starts here; a smaller number is an error of entry


class ComaScale(Struct, frozen=True, kw_only=True):
    """The newest total of the Glasgow coma scale."""

    points: int
    at: datetime
    sedated: bool  # sedation explains it, so that it is no symptom (F43)
    untestable: bool = False  # "10T": nor is it one if speech could not be tested

    @property
    def is_symptom(self) -> bool:
        """Whether a low scale says something of the patient (F43)."""
        return not (self.sedated or self.untestable)


class Encephalopathy(Struct, frozen=True, kw_only=True):
    """Symptoms below the severe ones that may be brain edema at this sodium (F1)."""

    symptoms: tuple[str, ...]  # problems of conditions.toml, the most telling first
    scale: ComaScale | None  # None: normal, not known, or explained by sedation
    critical: bool
    since: datetime | None  # when the newest symptom was recorded


def coma_scale(case: Case, window: timedelta) -> ComaScale | None:
    """Returns the newest total of the coma scale, if it is young enough."""
    reading = case.readings.latest(Analyte.GCS, window)
    if reading is None or not reading.exact or reading.value < LOWEST_GCS:
        return None
    return ComaScale(
        points=int(reading.value),
        at=reading.at,
        sedated=sedated(case),
        untestable=reading.untestable,
    )


def sedated(case: Case) -> bool:
    """Whether a sedative, an opioid by vein or a muscle relaxant acts now or did lately (F43)."""
    return any(_sedates(case, order) and _acts(case, order) for order in case.listed)


def _sedates(case: Case, order: Order) -> bool:
    sets = case.sets
    if any(drug.name in sets.sedation for drug in order.drugs):
        return True
    by_vein = order.route == "iv" and not order.single_dose
    return by_vein and any(drug.cls in sets.sedation_by_vein for drug in order.drugs)


def _acts(case: Case, order: Order) -> bool:
    """Whether the order is active, or was given within the time for which it dulls."""
    if case.is_active(order):
        return True
    last = order.end or order.begun
    return last is not None and case.snapshot.now - last <= case.limits.sedation_hours


def encephalopathy(case: Case) -> Encephalopathy | None:
    """Returns the symptoms that may be brain edema at a sodium this low, or None (F1)."""
    value = case.effective_sodium
    if value is None or value >= _below(case):
        return None
    symptoms = _symptoms(case)
    scale = impaired_scale(case)
    if not symptoms and scale is None:
        return None
    has_begun_early = case.sodium.acute is not None or case.acute_setting is not None
    very_low = value < case.limits.encephalopathy_critical_below
    active = (problem for problem in case.snapshot.problems if problem.active)
    recorded = [p.since for p in active if not p.concepts.isdisjoint(symptoms)]
    return Encephalopathy(
        symptoms=symptoms,
        scale=scale,
        critical=has_begun_early or very_low or _is_grave(case, symptoms, scale),
        since=max([moment for moment in recorded if moment is not None], default=None),
    )


def _is_grave(case: Case, symptoms: tuple[str, ...], scale: ComaScale | None) -> bool:
    """Whether consciousness is much impaired, or vomiting is beside any impairment (F1)."""
    if scale is not None and scale.points <= case.limits.gcs_critical_to:
        return True
    impaired = scale is not None or Problem.CONFUSION in symptoms
    return impaired and Problem.VOMITING in symptoms


def _below(case: Case) -> Decimal:
    """Returns below which sodium the symptoms may be brain edema: higher in an acute setting (F2).

    There is no earlier value of most patients who come from a race or a party. A low one before it
    shows that the brain has adapted, and an acute fall has a card of its own.
    """
    limits = case.limits
    if case.acute_setting is None or case.sodium.acute is not None:
        return limits.encephalopathy_below
    if known_low_before(case, case.snapshot.now):
        return limits.encephalopathy_below
    return max(limits.encephalopathy_below, limits.encephalopathy_setting_below)


def brain_in_danger(case: Case) -> bool:
    """Returns whether a symptom may be brain edema in an acute setting (F1, F2)."""
    sets, limits, problems = case.sets, case.limits, case.problems
    window = limits.severe_symptom_hours
    if problems.current(sets.brain_symptoms, window) or problems.current(sets.severe, window):
        return True
    if problems.has_current(Problem.HEADACHE, window) or impaired_scale(case) is not None:
        return True
    scale = coma_scale(case, window)
    coma = scale is not None and scale.is_symptom and scale.points <= limits.gcs_coma_to
    return coma or bool(problems.current(sets.brain_edema, limits.icp_days))


def impaired_scale(case: Case) -> ComaScale | None:
    """Returns a coma scale of today from 9 to 14 that no sedation explains, else None."""
    scale = coma_scale(case, case.limits.encephalopathy_gcs_hours)
    if scale is None or not scale.is_symptom:
        return None
    return scale if case.limits.gcs_coma_to < scale.points <= case.limits.gcs_impaired_to else None


def _symptoms(case: Case) -> tuple[str, ...]:
    """Returns confusion and vomiting; headache only with nausea or in an acute setting."""
    recent = case.symptoms.recent
    alone = tuple(name for name in recent if name in case.sets.brain_symptoms)
    headache = Problem.HEADACHE in recent
    if headache and Problem.NAUSEA in recent:
        return (*alone, Problem.HEADACHE, Problem.NAUSEA)
    if headache and case.acute_setting is not None:
        return (*alone, Problem.HEADACHE)
    return alone
