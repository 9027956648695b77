"""A drug that can lower sodium is started beside another one, or without a baseline (OS-COMBO, OS-BASE)."""

from __future__ import annotations

from cds_service.engine.finding import Finding, Indicator, Line, Outcome
from cds_service.engine.wording import ago
from cds_service.sodium.blind_spots import MEDICINES_UNREAD
from cds_service.sodium.case import Case
from cds_service.sodium.results import Freshness
from cds_service.sodium.rules.gates import inpatient
from cds_service.sodium.rules.lowering_drugs import step_down
from cds_service.sodium.rules.order_helpers import (
    about,
    baseline,
    beers_lines,
    beside,
    drug_of,
    is_below,
    is_refill,
    older_than,
    recheck_in_weeks,
    silent,
    sodium_unread,
    taken,
)
from cds_service.sodium.snapshot import Order
from cds_service.terminology.match import DrugMatch

COMBINED = {
    "ssri": "serotonin",
    "snri": "serotonin",
    "thiazide": "thiazide",
    "iminostilbene": "iminostilbene",
    "desmopressin": "desmopressin",
}


def combination(case: Case, order: Order) -> Outcome:
    """OS-COMBO: two strong drugs of different kinds, one of them active or drafted beside the order (S17)."""
    rule = "OS-COMBO"
    drug = drug_of(order, *COMBINED)
    if drug is None:
        return silent(rule, order, "no-strong-drug")
    if sodium_unread(case):
        return silent(rule, order, "sodium-unread")
    partner = _partner(case, order, drug)
    if partner is None:
        complete = case.snapshot.complete("medications")
        return silent(rule, order, "no-partner" if complete else MEDICINES_UNREAD, drug=drug.name)
    if is_refill(case, order, drug) and not _low_or_falling(case):
        return silent(rule, order, "refill", drug=drug.name)
    older = older_than(case, case.limits.lowering_age_years)
    level: Indicator = "warning" if older or _sodium_at_risk(case) else "info"
    recent = case.sodium.latest is not None and case.sodium.freshness is Freshness.CURRENT
    found = Finding(
        rule=rule,
        indicator=step_down(case, level),
        variant="low" if case.sodium.low else "main",
        facts={"drug": drug.name, "partner": partner.name},
        do=(Line("sodium-then-again"), Line("watch-for")),
        why=(Line("weeks-after-second"), *beers_lines(case, drug)),
        suggestions=(*(() if recent else (baseline(),)), recheck_in_weeks(case)),
        drugs=(drug.name, partner.name),
    )
    return about(order, found)


def _partner(case: Case, order: Order, drug: DrugMatch) -> DrugMatch | None:
    kind = COMBINED[drug.cls]
    return next((d for d in beside(case, order, *COMBINED) if COMBINED[d.cls] != kind), None)


def _low_or_falling(case: Case) -> bool:
    latest = case.sodium.latest
    low = latest is not None and is_below(latest, case.limits.refill_sodium_below)
    return low or case.sodium.falling is not None


def _sodium_at_risk(case: Case) -> bool:
    """A sodium of the last weeks that leaves little room."""
    latest, limits = case.sodium.latest, case.limits
    if latest is None or case.sodium.age > limits.combination_sodium_days:
        return False
    return latest.value <= limits.combination_warning_to


def no_baseline(case: Case, order: Order) -> Outcome:
    """OS-BASE: a strong drug is started at an older age, and no sodium is young enough for a baseline."""
    rule = "OS-BASE"
    drug = drug_of(order, *COMBINED)
    if drug is None:
        return silent(rule, order, "no-strong-drug")
    if sodium_unread(case):
        return silent(rule, order, "sodium-unread")
    if not older_than(case, case.limits.lowering_age_years):
        return silent(rule, order, "younger")
    if taken(case, drug):
        return silent(rule, order, "already-taken")
    limits, latest = case.limits, case.sodium.latest
    window = limits.baseline_inpatient_days if inpatient(case) else limits.baseline_outpatient_days
    if latest is not None and case.sodium.age <= window:
        return silent(rule, order, "baseline-known", na=latest.shown)
    facts = {"drug": drug.name, "years": str(case.age_years)}
    found = Finding(
        rule=rule,
        indicator="info",
        variant="main" if latest else "none",
        facts={**facts, "age": ago(case.sodium.age)} if latest else facts,
        do=(Line("baseline-then-again"), Line("watch-for")),
        why=beers_lines(case, drug) or (Line("label-baseline"),),
        suggestions=(baseline(), recheck_in_weeks(case)),
        drugs=(drug.name,),
    )
    return about(order, found)
