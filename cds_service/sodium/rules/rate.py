"""Does sodium rise too fast? Above the limit, or near it (B.0.8, M10)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from cds_service.engine.finding import Finding, Line
from cds_service.engine.rule import card, line, require, skip
from cds_service.engine.wording import in_hours, number
from cds_service.sodium.case import Case
from cds_service.sodium.correction_rate import RatePair
from cds_service.sodium.rules.background import limit_line
from cds_service.sodium.rules.book import chart_rule
from cds_service.sodium.rules.follow_up import repeat_sodium
from cds_service.sodium.rules.gates import at, shown_sodium
from cds_service.sodium.rules.plan import risk_lines


@chart_rule("RATE-OVER")
def over_corrected(case: Case) -> Finding:
    """The card comes if sodium rose, or is rising, above the limit of the active profile."""
    worst = _worst_rise("RATE-OVER", case)
    return _card(case, worst, _over_lines(case), case.limits.repeat_over_hours)


@chart_rule("RATE-NEAR")
def near_limit(case: Case) -> Finding:
    """The card comes if sodium rose above the goal at high risk, or near the limit."""
    worst = _worst_rise("RATE-NEAR", case)
    do: list[str | Line] = ["slow-down", *_raising_drugs(case), "count-potassium", "monitor-near"]
    return _card(case, worst, do, case.limits.repeat_near_hours)


def _worst_rise(rule: str, case: Case) -> RatePair:
    """Return the rise that the card of this rule is about; skip if its card does not come."""
    rate = case.rate
    if rate.rule == rule and rate.worst:
        return rate.worst
    require(not rate.rule, "other-rate-card")
    if rate.assessable:
        skip("within-limit", rise=rate.rise_now, limit=rate.limit)
    if rate.average_per_day is None:
        skip("one-sample")
    return skip("samples-far-apart", average=rate.average_per_day)


def _card(case: Case, worst: RatePair, do: list[str | Line], repeat_after: timedelta) -> Finding:
    """Return the card with every fact that one of the summaries may name."""
    rate, limit = case.rate, case.rate.limit
    repeat = repeat_sodium(repeat_after - case.sodium.age, "urgent")
    if rate.variant == "jump":
        repeat = repeat_sodium(priority="stat")
    return card(
        rate.level or skip("other-rate-card"),
        rate.variant,
        # A rise is never rounded onto the limit or the goal.
        rise=number(worst.rise, (limit, case.limits.rate_goal)),
        average=number(worst.per_day, (limit,)),
        hours=in_hours(worst.span),
        gap=in_hours(worst.gap),
        limit=limit,
        left=max(limit - rate.rise_now, Decimal(0)),
        na=shown_sodium(case) or worst.end.shown,
        do=do,
        why=[
            _samples_line(case, worst),
            *(line(f"note-{note}", keep=True) for note in rate.notes),
            limit_line(case),
            *risk_lines(case),
        ],
        offer=[repeat],
    )


def _over_lines(case: Case) -> list[str | Line]:
    """Return what to do above the limit; a rise by dialysis or by a wrong sample comes first."""
    rate = case.rate
    if case.dialysis:
        return [line("check-dialysate", keep=True), "neuro-checks", "monitor-over"]
    if rate.variant == "jump":
        return [line("repeat-first", keep=True), "stop-raising", "monitor-over"]
    if rate.level == "info":
        return [line("review-raising", keep=True), *_raising_drugs(case), "monitor-over"]
    stop = line("keep-down" if rate.variant == "was" else "stop-raising", keep=True)
    return [stop, *_raising_drugs(case), "consult", "relower", "neuro-checks", "monitor-over"]


def _raising_drugs(case: Case) -> list[Line]:
    """Return the drugs of the patient that raise sodium, by name."""
    taken = case.exposures.of(*case.sets.raising_drugs.members)
    if not taken:
        return []
    return [line("raising-drugs", drugs=", ".join(e.drug.name for e in taken), keep=True)]


def _samples_line(case: Case, pair: RatePair) -> Line:
    """Return the samples that the rise rests on, oldest first."""
    samples = " · ".join(f"{s.shown} ({at(case, s.at, s.day_only)})" for s in pair.used)
    return line("samples" if pair.observed else "samples-estimated", samples=samples, keep=True)
