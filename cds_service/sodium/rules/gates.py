"""What every card about the latest sodium asks first: whether that sodium is low, real and recent."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from cds_service.engine.finding import Line, Silence
from cds_service.engine.rule import require, skip
from cds_service.engine.wording import ago, number, when
from cds_service.sodium.case import Case
from cds_service.sodium.results import Band, Freshness, Rejected, Sample


def inpatient(case: Case) -> bool:
    """Whether the limits for patients in hospital apply."""
    return case.snapshot.setting == "inpatient"


def recorded(case: Case, *concepts: str) -> bool:
    """Whether one of these problems is active, at any date (keys of conditions.toml)."""
    return any(p.active and not p.concepts.isdisjoint(concepts) for p in case.snapshot.problems)


def ever_recorded(case: Case, *concepts: str) -> bool:
    """Whether one of these problems stands in the record, resolved ones too."""
    return any(not p.concepts.isdisjoint(concepts) for p in case.snapshot.problems)


def cirrhosis(case: Case) -> bool:
    """Whether cirrhosis is an active problem; primary biliary cholangitis only with its signs (S16)."""
    signs = recorded(case, "portal-hypertension", "ascites")
    return recorded(case, "cirrhosis", "decompensated-cirrhosis") or (
        recorded(case, "pbc") and signs
    )


def heart_failure(case: Case) -> bool:
    """Whether heart failure is an active problem, at any date."""
    return recorded(case, "heart-failure", "acute-heart-failure")


def at(case: Case, moment: datetime, day_only: bool = False) -> str:
    """A time as the cards of this call write it."""
    return when(moment, case.snapshot.now, case.snapshot.zone, day_only)


def measured_low(case: Case) -> bool:
    """Whether the measured value is low by the profile, whatever glucose makes of it."""
    return case.sodium.latest is not None and case.sodium.measured is not Band.NORMAL


def na(case: Case) -> str:
    """The latest sodium as a card writes it; empty where there is none."""
    return case.sodium.latest.shown if case.sodium.latest else ""


def in_use(case: Case) -> Decimal:
    """The sodium that rules compare: corrected where glucose is high (M5); there must be a latest sample."""
    if case.glucose:
        return case.glucose.katz
    return case.sodium.latest.value if case.sodium.latest else Decimal("Infinity")


def actionable(case: Case) -> bool:
    """Whether the latest sodium is recent enough to act on (B.0.2, M17)."""
    return case.sodium.freshness is Freshness.CURRENT


def direct_reading_normal(case: Case) -> bool:
    """Whether a direct measurement contradicts the low value: it replaces every card on its band (M6 b)."""
    return case.pseudo is not None and case.pseudo.kind == "direct-ise"


def osmolality_normal(case: Case) -> bool:
    """Whether the effective osmolality speaks against true low sodium (M6 a)."""
    return case.pseudo is not None and case.pseudo.kind == "osmolality"


def emergency(case: Case) -> bool:
    """Whether PV-SYMP leads: severe symptoms that low sodium explains, or brain edema (M2)."""
    return case.symptoms.attributable or case.symptoms.brain_edema


def too_mild(case: Case) -> bool:
    """Whether severe symptoms are recorded that this sodium does not explain (M2).

    A sodium below mild that only looks low for its glucose keeps the card of its band (M5).
    """
    as_measured = case.glucose is None or case.sodium.measured is Band.MILD
    return bool(case.symptoms.severe) and not emergency(case) and as_measured


def below_plausible(case: Case) -> bool:
    """Whether the latest value lies just below the plausible range: DQ-PLAUS leads (S2)."""
    return case.sodium.latest is not None and case.sodium.latest.below_plausible


def rising_too_fast(case: Case) -> bool:
    """Whether sodium rises, or rose lately, faster than the limit: nothing may push it further."""
    return case.rate.rule == "RATE-OVER"


def rises_fast(case: Case) -> bool:
    """The same, or above the goal of a patient at high risk: no advice that raises sodium further."""
    return rising_too_fast(case) or case.rate.level in ("warning", "critical")


def doubtful(case: Case) -> bool:
    """Whether the latest sodium is to be repeated before an order rests on it."""
    sodium = case.sodium
    preliminary = sodium.latest is not None and sodium.latest.status == "preliminary"
    contradicted = sodium.other_method is not None or sodium.newest_rejected is not None
    return preliminary or contradicted or below_plausible(case) or case.rate.jump is not None


def told_as_unusable(case: Case, result: Rejected) -> bool:
    """Whether a result that cannot be used is recent enough for a card of its own (DQ-UNIT, DQ-PLAUS)."""
    limits = case.limits
    window = limits.current_inpatient_hours if inpatient(case) else limits.current_outpatient_days
    return result.at is not None and case.snapshot.now - result.at <= window


def unfit(rule: str, case: Case) -> Silence | None:
    """The first reason why no card may rest on the latest sodium being low, or None."""
    sodium = case.sodium
    if sodium.latest is None:
        return Silence(rule, "no-sodium")
    if not measured_low(case):
        return Silence(rule, "not-low", {"na": na(case)})
    if case.glucose and case.glucose.explained:
        return Silence(rule, "glucose-explains", {"na": na(case)})
    if not sodium.low:
        return Silence(rule, "not-low", {"na": na(case)})
    if direct_reading_normal(case):
        return Silence(rule, "methods-contradict", {"na": na(case)})
    if not actionable(case):
        return Silence(rule, "too-old", {"na": na(case), "age": ago(sodium.age)})
    return None


def led(rule: str, case: Case) -> Silence | None:
    """Silence of a band card while a more urgent one leads: emergency, acute fall, implausibly low value."""
    if emergency(case):
        return Silence(rule, "emergency-leads")
    if below_plausible(case):
        return Silence(rule, "implausible-leads", {"na": na(case)})
    if case.sodium.acute:
        return Silence(rule, "acute-leads")
    return None


def limit_line(case: Case) -> Line:
    """The correction limit, named as the active profile's (N1)."""
    day, first = case.limits.rate_limit_day, case.limits.rate_limit_first_day
    if day == first:
        return Line("limit", {"limit": number(day)})
    return Line("limit-first-day", {"limit": number(day), "first": number(first)})


# The gates of rules that skip; each rule passes them in its own order, so that the reason stays true.


def latest_sodium(case: Case) -> Sample:
    """Return the latest sodium; skip if the record holds none that rules may use."""
    return case.sodium.latest or skip("no-sodium")


def require_actionable(case: Case) -> None:
    """Skip if the latest sodium is not recent enough to act on (B.0.2, M17)."""
    require(actionable(case), "too-old", na=na(case), age=ago(case.sodium.age))


def require_not_stale(case: Case) -> None:
    """Skip if the latest sodium is so old that even a repeat of it would be no news (M17)."""
    stale = case.sodium.freshness is Freshness.STALE
    require(not stale, "too-old", na=na(case), age=ago(case.sodium.age))


def require_unexplained_by_glucose(case: Case) -> None:
    """Skip if high glucose explains the low sodium: PV-GLU is its card (M5)."""
    explained = case.glucose is not None and case.glucose.explained
    require(not explained, "glucose-explains", na=na(case))


def require_methods_agree(case: Case) -> None:
    """Skip if a direct measurement contradicts the low value: PV-PSEUDO is its card (M6 b)."""
    require(not direct_reading_normal(case), "methods-contradict", na=na(case))


def require_low(case: Case) -> None:
    """Skip unless the sodium in use, corrected for glucose, is low by the profile."""
    require(case.sodium.low, "not-low", na=na(case))


def require_low_sodium(case: Case) -> None:
    """Skip unless a card may rest on the latest sodium being low: measured, real and recent."""
    latest_sodium(case)
    require(measured_low(case), "not-low", na=na(case))
    require_unexplained_by_glucose(case)
    require_low(case)
    require_methods_agree(case)
    require_actionable(case)


def require_not_outranked(case: Case) -> None:
    """Skip if a card more urgent than that of the band leads."""
    require(not emergency(case), "emergency-leads")
    require(not below_plausible(case), "implausible-leads", na=na(case))
    require(case.sodium.acute is None, "acute-leads")
