"""Does sodium rise too fast? Above the limit, or near it (RATE-OVER, RATE-NEAR; B.0.8 as amended by M10)."""

from __future__ import annotations

from datetime import (
    timedelta,
)
from decimal import (
    Decimal,
)

from cds_service.engine.finding import (
    Finding,
    Line,
    Outcome,
    Silence,
    Suggestion,
)
from cds_service.engine.wording import (
    in_hours,
    number,
)
from cds_service.sodium.case import (
    Case,
)
from cds_service.sodium.correction_rate import (
    RatePair,
)
from cds_service.sodium.rules.follow_up import (
    repeat_sodium,
)
from cds_service.sodium.rules.gates import (
    at,
    limit_line,
    na,
)
from cds_service.sodium.rules.plan import (
    risk_lines,
)

RAISING = ("vaptan", "sodium-chloride", "urea", "bicarbonate")


def over_corrected(case: Case) -> Outcome:
    """RATE-OVER: sodium rose, or is rising, above the limit of the active profile."""
    return _card("RATE-OVER", case)


def near_limit(case: Case) -> Outcome:
    """RATE-NEAR: above the goal at high risk, or near the limit."""
    return _card("RATE-NEAR", case)


def _card(rule: str, case: Case) -> Outcome:
    rate = case.rate
    if rate.level is None or rate.worst is None or rate.rule != rule:
        return _silence(rule, case)
    over = rule == "RATE-OVER"
    after = case.limits.repeat_over_hours if over else case.limits.repeat_near_hours
    return Finding(
        rule=rule,
        indicator=rate.level,
        variant=rate.variant,
        facts=_facts(case, rate.worst),
        do=_over_lines(case) if over else _near_lines(case),
        why=(
            _samples_line(case, rate.worst),
            *(Line(f"note-{note}", keep=True) for note in rate.notes),
            limit_line(case),
            *risk_lines(case),
        ),
        suggestions=_repeat(case, after),
        slot="rate",
    )


def _silence(rule: str, case: Case) -> Silence:
    rate = case.rate
    if rate.rule:
        return Silence(rule, "other-rate-card")
    if rate.average_per_day is not None and not rate.assessable:
        return Silence(rule, "samples-far-apart", {"average": number(rate.average_per_day)})
    if not rate.assessable:
        return Silence(rule, "one-sample")
    return Silence(
        rule, "within-limit", {"rise": number(rate.rise_now), "limit": number(rate.limit)}
    )


def _facts(case: Case, pair: RatePair) -> dict[str, str]:
    """Every fact that one of the summaries may name; a rise is never rounded onto the limit or the goal."""
    limit = case.rate.limit
    return {
        "rise": number(pair.rise, (limit, case.limits.rate_goal)),
        "hours": in_hours(pair.span),
        "limit": number(limit),
        "left": number(max(limit - case.rate.rise_now, Decimal(0))),
        "gap": in_hours(pair.gap),
        "average": number(pair.per_day, (limit,)),
        "na": na(case) or pair.end.shown,
    }


def _over_lines(case: Case) -> tuple[Line, ...]:
    if case.dialysis:
        return (Line("check-dialysate", keep=True), Line("neuro-checks"), Line("monitor-over"))
    if case.rate.variant == "jump":
        return (Line("repeat-first", keep=True), Line("stop-raising"), Line("monitor-over"))
    if case.rate.level == "info":
        return (Line("review-raising", keep=True), *_running_lines(case), Line("monitor-over"))
    stop = Line("keep-down" if case.rate.variant == "was" else "stop-raising", keep=True)
    return (
        stop,
        *_running_lines(case),
        Line("consult"),
        Line("relower"),
        Line("neuro-checks"),
        Line("monitor-over"),
    )


def _near_lines(case: Case) -> tuple[Line, ...]:
    return (Line("slow-down"), *_running_lines(case), Line("count-potassium"), Line("monitor-near"))


def _running_lines(case: Case) -> tuple[Line, ...]:
    """The drugs on the list that raise sodium, by name."""
    running = ", ".join(e.drug.name for e in case.exposures.of(*RAISING))
    return (Line("raising-drugs", {"drugs": running}, keep=True),) if running else ()


def _samples_line(case: Case, pair: RatePair) -> Line:
    """The samples that the rise rests on, oldest first, on one line."""
    shown = " · ".join(f"{s.shown} ({at(case, s.at, s.day_only)})" for s in pair.used)
    return Line("samples" if pair.observed else "samples-estimated", {"samples": shown}, keep=True)


def _repeat(case: Case, after: timedelta) -> tuple[Suggestion, ...]:
    if case.rate.variant == "jump":
        return (repeat_sodium(timedelta(0), "stat"),)
    return (repeat_sodium(after - case.sodium.age, "urgent"),)
