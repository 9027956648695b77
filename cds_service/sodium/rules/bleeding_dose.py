"""Desmopressin against a bleeding while sodium is low: its label forbids it there too (M13)."""

from __future__ import annotations

from cds_service.engine.finding import Indicator, Line
from cds_service.engine.rule import line
from cds_service.knowledge.names import Analyte, Problem
from cds_service.sodium.case import Case
from cds_service.sodium.rules.gates import kidneys_fail
from cds_service.sodium.rules.order_helpers import recorded_or_reason, sodium_below
from cds_service.sodium.rules.plan import egfr
from cds_service.sodium.snapshot import Order

PLANNED = "bleeding-hold"  # the variant of a dose before a procedure, at a clearly low sodium


def bleeds_now(case: Case, order: Order) -> bool:
    """Returns whether a bleeding is recorded as active, or as the reason of the order."""
    bleedings = (Problem.GI_BLEED, Problem.HEMORRHAGE)
    return any(recorded_or_reason(case, order, bleeding) for bleeding in bleedings)


def bleeding_variant(case: Case, order: Order) -> str:
    """Returns the variant of the card: hold it, unless a bleeding is recorded now."""
    low = sodium_below(case, case.limits.desmopressin_critical_below)
    return PLANNED if low and not bleeds_now(case, order) else "bleeding"


def bleeding_level(case: Case, order: Order) -> Indicator:
    """Returns the level: critical at a very low sodium, unless a bleeding is recorded now."""
    very_low = sodium_below(case, case.limits.desmopressin_bleeding_critical_below)
    return "critical" if very_low and not bleeds_now(case, order) else "warning"


def bleeding_advice(case: Case, order: Order) -> list[Line]:
    """Returns what the label forbids, and how water and sodium are watched after the dose."""
    hold = [] if bleeds_now(case, order) else [line("bleeding-hold", keep=True)]
    return [
        _forbidden(case),
        *hold,
        line("bleeding-limit-fluid", keep=True),
        line("bleeding-check", keep=True),
        line("bleeding-means-kidney" if _weak_kidneys(case) else "bleeding-other-means"),
    ]


def bleeding_kidney_lines(case: Case) -> list[Line]:
    """Returns, for a sodium that is not low, that the label forbids it with weak kidneys."""
    limit = case.limits.desmopressin_egfr_below
    weak = _weak_kidneys(case)
    return [line("label-bleeding-kidney", limit=limit, keep=True)] if weak else []


def _forbidden(case: Case) -> Line:
    """Returns both contraindications of the label, with the kidney value that is known."""
    limits, kidney = case.limits, egfr(case)
    limit = limits.desmopressin_egfr_below
    if kidney is not None:
        return line("label-bleeding-egfr", limit=limit, value=kidney.value, keep=True)
    creatinine = case.readings.latest(Analyte.CREATININE, limits.measured_days)
    if creatinine is not None:
        value = case.as_sent(Analyte.CREATININE, creatinine.value)
        return line("label-bleeding-creatinine", limit=limit, value=value, keep=True)
    return line("label-bleeding", limit=limit, keep=True)


def _weak_kidneys(case: Case) -> bool:
    """Returns whether the kidneys fail, or filter less than the label allows."""
    kidney = egfr(case)
    weak = kidney is not None and kidney.below(case.limits.desmopressin_egfr_below)
    return weak or case.dialysis or kidneys_fail(case)
