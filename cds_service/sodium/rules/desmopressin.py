"""Desmopressin is selected while sodium is low (OS-DDAVP, M13): contraindicated, but a treatment in some."""

from __future__ import annotations

from datetime import timedelta

from cds_service.engine.finding import Finding, Indicator, Line, Outcome, Suggestion
from cds_service.engine.wording import ago
from cds_service.sodium.case import Case
from cds_service.sodium.results import Freshness, Sample
from cds_service.sodium.rules.follow_up import repeat_sodium
from cds_service.sodium.rules.gates import actionable, direct_reading_normal, recorded
from cds_service.sodium.rules.lowering_drugs import LOWER
from cds_service.sodium.rules.order_helpers import (
    about,
    beside,
    drug_of,
    is_below,
    may_remove,
    recheck_in_weeks,
    remove,
    result_doubts,
    saline_beside,
    silent,
    taken,
)
from cds_service.sodium.snapshot import Order
from cds_service.terminology.match import DrugMatch

RULE = "OS-DDAVP"
REPLACEMENT = "diabetes-insipidus"
BLEEDING = "bleeding-disorder"


def desmopressin(case: Case, order: Order) -> Outcome:
    """OS-DDAVP: critical or warning by sodium; info in replacement therapy and single doses for bleeding."""
    drug = drug_of(order, "desmopressin")
    if drug is None:
        return silent(RULE, order, "no-desmopressin")
    latest = case.sodium.latest
    if latest is None:
        return silent(RULE, order, "no-sodium")
    if case.sodium.freshness is Freshness.STALE and not actionable(case):
        return silent(RULE, order, "too-old", na=latest.shown, age=ago(case.sodium.age))
    if case.glucose and case.glucose.explained:
        return silent(RULE, order, "glucose-explains", na=latest.shown)
    if not case.sodium.low:
        return silent(RULE, order, "not-low", na=latest.shown)
    if direct_reading_normal(case):
        return silent(RULE, order, "methods-contradict", na=latest.shown)
    if _clamp(case, order):
        return silent(RULE, order, "clamp")
    purpose = _purpose(case, order)
    level: Indicator = _loud(case, latest)
    aging = not actionable(case)
    found = Finding(
        rule=RULE,
        indicator="info" if purpose else LOWER[level] if aging else level,
        variant=purpose or "main",
        facts={"drug": drug.name, "na": latest.shown},
        do=(*((Line("repeat-first", keep=True),) if aging else ()), *_do(purpose)),
        why=(Line("label-low-sodium"), *_partners(case, order), *result_doubts(case)),
        suggestions=_buttons(case, order, drug, purpose),
        drugs=(drug.name,),
    )
    return about(order, found)


def _loud(case: Case, latest: Sample) -> Indicator:
    return "critical" if is_below(latest, case.limits.desmopressin_critical_below) else "warning"


def _clamp(case: Case, order: Order) -> bool:
    """Desmopressin that brakes a rise of sodium, or goes along with hypertonic saline."""
    rising = case.rate.rise_now >= case.limits.clamp_rise_from or case.rate.level is not None
    window = case.limits.clamp_saline_hours
    return rising or saline_beside(case, order, window) is not None


def _purpose(case: Case, order: Order) -> str:
    """Replacement therapy, a single dose for bleeding, or "" for anything else (nocturia, enuresis)."""
    if REPLACEMENT in order.reasons or recorded(case, REPLACEMENT):
        return "replacement"
    bleeding = BLEEDING in order.reasons or recorded(case, BLEEDING)
    return "bleeding" if bleeding and order.single_dose else ""


def _do(purpose: str) -> tuple[Line, ...]:
    if purpose == "replacement":
        return (Line("replacement-never-stop", keep=True), Line("check-sodium-dose"))
    if purpose == "bleeding":
        return (Line("bleeding-limit-fluid", keep=True), Line("check-sodium-dose"))
    return (
        Line("contraindicated", keep=True),
        Line("replacement-keep", keep=True),
        Line("schedule"),
    )


def _partners(case: Case, order: Order) -> tuple[Line, ...]:
    """Drugs that the label forbids beside desmopressin for nocturia."""
    found = beside(case, order, "loop", "glucocorticoid")
    return (Line("label-partners", {"drugs": ", ".join(d.name for d in found)}),) if found else ()


def _buttons(case: Case, order: Order, drug: DrugMatch, purpose: str) -> tuple[Suggestion, ...]:
    """A removal only of a new start, and never in replacement, bleeding or neurosurgery."""
    now = repeat_sodium(timedelta(0), "urgent")
    if purpose or not actionable(case):
        return (now,)
    unsafe = (
        case.symptoms.neuro_code
        or order.route == "iv"
        or recorded(case, BLEEDING)
        or taken(case, drug)
    )
    removal = () if unsafe or not may_remove(case) else (remove(order, drug.name),)
    return (*removal, now, recheck_in_weeks(case))
