"""What rules ask first about the latest sodium: whether it is low, real and recent.

Each rule passes its gates in an order of its own: the first that does not hold is the reason that
`explain` shows.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from cds_service.engine.rule import require, skip
from cds_service.engine.wording import ago, when
from cds_service.sodium.case import Case
from cds_service.sodium.results import Band, Freshness, Rejected, Sample

# ---- the gates ----


def latest_sodium(case: Case) -> Sample:
    """Return the latest sodium; skip if the record holds none that rules may use."""
    return case.sodium.latest or skip("no-sodium")


def require_actionable(case: Case) -> None:
    """Skip if the latest sodium is not recent enough to act on (B.0.2, M17)."""
    require(actionable(case), "too-old", na=shown_sodium(case), age=ago(case.sodium.age))


def require_not_stale(case: Case) -> None:
    """Skip if the latest sodium is so old that even a repeat of it would be no news (M17)."""
    stale = case.sodium.freshness is Freshness.STALE
    require(not stale, "too-old", na=shown_sodium(case), age=ago(case.sodium.age))


def require_unexplained_by_glucose(case: Case) -> None:
    """Skip if high glucose explains the low sodium: PV-GLU is its card (M5)."""
    require(not explained_by_glucose(case), "glucose-explains", na=shown_sodium(case))


def require_methods_agree(case: Case) -> None:
    """Skip if a direct measurement contradicts the low value: PV-PSEUDO is its card (M6 b)."""
    require(not direct_reading_normal(case), "methods-contradict", na=shown_sodium(case))


def require_low(case: Case) -> None:
    """Skip unless the sodium in use, corrected for glucose, is low by the profile."""
    require(case.sodium.low, "not-low", na=shown_sodium(case))


def require_low_sodium(case: Case) -> None:
    """Skip unless a card may rest on the latest sodium being low: measured, real and recent."""
    latest_sodium(case)
    require(measured_low(case), "not-low", na=shown_sodium(case))
    require_unexplained_by_glucose(case)
    require_low(case)
    require_methods_agree(case)
    require_actionable(case)


def require_not_outranked(case: Case) -> None:
    """Skip if a card more urgent than that of the band leads."""
    require(not emergency(case), "emergency-leads")
    require(not below_plausible(case), "implausible-leads", na=shown_sodium(case))
    require(case.sodium.acute is None, "acute-leads")


# ---- the questions ----


def inpatient(case: Case) -> bool:
    """Return whether the limits for patients in hospital apply."""
    return case.snapshot.setting == "inpatient"


def recorded(case: Case, *problems: str) -> bool:
    """Return whether one of these problems is active, at any date."""
    return any(p.active and not p.concepts.isdisjoint(problems) for p in case.snapshot.problems)


def ever_recorded(case: Case, *problems: str) -> bool:
    """Return whether one of these problems is in the record, resolved or not."""
    return any(not p.concepts.isdisjoint(problems) for p in case.snapshot.problems)


def cirrhosis(case: Case) -> bool:
    """Return whether cirrhosis is active; biliary cholangitis counts only with its signs (S16)."""
    sets = case.sets
    if recorded(case, *sets.cirrhosis.members):
        return True
    if not recorded(case, *sets.cirrhosis_by_signs.members):
        return False
    return recorded(case, *sets.cirrhosis_signs.members)


def heart_failure(case: Case) -> bool:
    """Return whether heart failure is an active problem, at any date."""
    return recorded(case, *case.sets.heart_failure.members)


def at(case: Case, moment: datetime, day_only: bool = False) -> str:
    """Return a time as the cards of this call write it."""
    return when(moment, case.snapshot.now, case.snapshot.zone, day_only)


def measured_low(case: Case) -> bool:
    """Return whether the measured value is low by the profile, before glucose is considered."""
    return case.sodium.latest is not None and case.sodium.measured is not Band.NORMAL


def shown_sodium(case: Case) -> str:
    """Return the latest sodium as a card writes it; empty without one."""
    return case.sodium.latest.shown if case.sodium.latest else ""


def in_use(case: Case) -> Decimal:
    """Return the sodium that rules compare: corrected if glucose is high (M5)."""
    sodium = case.effective_sodium
    return Decimal("Infinity") if sodium is None else sodium


def actionable(case: Case) -> bool:
    """Return whether the latest sodium is recent enough to act on (B.0.2, M17)."""
    return case.sodium.freshness is Freshness.CURRENT


def explained_by_glucose(case: Case) -> bool:
    """Return whether high glucose alone explains the low sodium (M5)."""
    return case.glucose is not None and case.glucose.explained


def direct_reading_normal(case: Case) -> bool:
    """Return whether a direct measurement contradicts the low value: no band has a card (M6 b)."""
    return case.pseudo is not None and case.pseudo.kind == "direct-ise"


def osmolality_normal(case: Case) -> bool:
    """Return whether the effective osmolality speaks against low sodium (M6 a)."""
    return case.pseudo is not None and case.pseudo.kind == "osmolality"


def emergency(case: Case) -> bool:
    """Return whether PV-SYMP leads: low sodium explains severe symptoms, or brain edema (M2)."""
    return case.symptoms.attributable or case.symptoms.brain_edema


def too_mild(case: Case) -> bool:
    """Return whether severe symptoms are recorded that this sodium does not explain (M2).

    A sodium below mild that only looks low for its glucose keeps the card of its band (M5).
    """
    if not case.symptoms.severe or emergency(case):
        return False
    return case.glucose is None or case.sodium.measured is Band.MILD


def below_plausible(case: Case) -> bool:
    """Return whether the latest value is just below the plausible range: DQ-PLAUS leads (S2)."""
    return case.sodium.latest is not None and case.sodium.latest.below_plausible


def rising_too_fast(case: Case) -> bool:
    """Return whether sodium rises, or rose lately, faster than the limit."""
    return case.rate.rule == "RATE-OVER"


def rises_fast(case: Case) -> bool:
    """Return whether sodium rises above the limit, or above the goal of a patient at high risk.

    No advice may then raise it further.
    """
    return rising_too_fast(case) or case.rate.level in ("warning", "critical")


def shown_as_unusable(case: Case, result: Rejected) -> bool:
    """Return whether an unusable result is recent enough for a card (DQ-UNIT, DQ-PLAUS)."""
    limits = case.limits
    window = limits.current_inpatient_hours if inpatient(case) else limits.current_outpatient_days
    return result.at is not None and case.snapshot.now - result.at <= window
