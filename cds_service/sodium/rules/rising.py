"""Hypertonic saline or a vaptan while sodium rises fast already, or rose too fast lately (M4, B.0.8)."""

from __future__ import annotations

from decimal import Decimal

from cds_service.engine.finding import Finding, Indicator, Line, Outcome, Suggestion
from cds_service.engine.wording import in_hours, number
from cds_service.sodium.case import Case
from cds_service.sodium.correction_rate import RatePair
from cds_service.sodium.rules.order_helpers import (
    about,
    emergency_line,
    is_concentrate,
    keep_and_check,
    may_remove,
    raises_by_saline,
    raising_name,
    remove,
    silent,
    sodium_at_once,
)
from cds_service.sodium.rules.plan import risk_lines
from cds_service.sodium.snapshot import Order

RULE = "OS-HTS-OVER"


def rising_already(case: Case, order: Order) -> Outcome:
    """OS-HTS-OVER: sodium rose so far already that the order may take it past the limit (M4, B.0.8)."""
    drug = raising_name(order)
    if not drug:
        return silent(RULE, order, "not-raising")
    pair = _pair_that_counts(case)
    if pair is None:
        return silent(RULE, order, "not-rising", rise=_rise(case, case.rate.rise_now))
    variant = _variant(case, order, pair)
    indicator = _indicator(case, pair)
    facts = {"drug": drug, "rise": _rise(case, pair.rise)}
    if variant != "severe":
        facts["limit"] = number(_limit(case))
    if variant == "earlier":
        facts["hours"] = in_hours(pair.over)
    found = Finding(
        rule=RULE,
        indicator=indicator,
        variant=variant,
        facts=facts,
        do=(*emergency_line(order), Line(_first_step(variant)), Line("recheck-often")),
        why=_why(case, pair),
        suggestions=_buttons(case, order, removable=indicator == "critical"),
        drugs=(drug,),
    )
    return about(order, found)


def _limit(case: Case) -> Decimal:
    """The 24-hour limit in force."""
    return case.rate.limit or case.limits.rate_limit_day


def _rise(case: Case, rise: Decimal) -> str:
    """A rise that does not seem to reach a limit by rounding."""
    limits = case.limits
    edges = (
        _limit(case),
        limits.rate_goal,
        limits.raise_warning_from,
        limits.raise_warning_risk_from,
    )
    return number(rise, edges)


def _pair_that_counts(case: Case) -> RatePair | None:
    """The rise to the last sample where it is large, else an earlier one that counts as over-correction."""
    now, limits = case.rate.now, case.limits
    least = limits.raise_warning_risk_from if case.risk.high else limits.raise_warning_from
    if now and now.rise >= least and not _recovered(case, now):
        return now
    if case.rate.rule == "RATE-OVER" and case.rate.worst:
        return case.rate.worst
    return None


def _recovered(case: Case, pair: RatePair) -> bool:
    """A rise that began normal, or ended normal from nearly normal, is no over-correction (B.0.8)."""
    limits = case.limits
    nearly = (
        pair.base >= limits.rate_recovered_base_from and pair.end_value > limits.rate_normal_above
    )
    return pair.base > limits.rate_normal_above or nearly


def _variant(case: Case, order: Order, pair: RatePair) -> str:
    if case.symptoms.severe and not is_concentrate(order):
        return "severe"
    if pair is not case.rate.now:
        return "earlier"
    if pair.rise > _limit(case):
        return "over"
    return "goal" if case.risk.high and pair.rise > case.limits.rate_goal else "near"


def _indicator(case: Case, pair: RatePair) -> Indicator:
    """Critical only where the card on the rate is critical too: doubt about a sample lowers both."""
    over = pair.rise > _limit(case) and pair.base < case.limits.rate_danger_base_below
    certain = over and case.rate.level == "critical"
    return "critical" if certain and not case.symptoms.severe else "warning"


def _first_step(variant: str) -> str:
    steps = {"severe": "specialist-now", "goal": "wait-for-sodium", "near": "wait-for-sodium"}
    return steps.get(variant, "no-further-rise")


def _why(case: Case, pair: RatePair) -> tuple[Line, ...]:
    facts = {"base": number(pair.base), "na": pair.end.shown, "hours": in_hours(pair.over)}
    measured = Line("rise-measured" if pair.observed else "rise-estimated", facts, keep=True)
    return (measured, *risk_lines(case), Line("count-potassium"))


def _buttons(case: Case, order: Order, removable: bool) -> tuple[Suggestion, ...]:
    """A removal only above the limit, never of saline that may be for raised intracranial pressure."""
    saline = raises_by_saline(order)
    first = keep_and_check(case) if saline else sodium_at_once(order)
    if not removable or not may_remove(case) or (saline and case.symptoms.icp_indication):
        return (first,)
    return (first, remove(order, raising_name(order)))
