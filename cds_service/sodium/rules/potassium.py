"""What the potassium of the blood says of an order of potassium, at a low sodium (F22)."""

from __future__ import annotations

from cds_service.engine.finding import Finding, Line
from cds_service.engine.rule import card, line
from cds_service.engine.wording import in_hours, joined
from cds_service.knowledge.names import Analyte, DrugClass, Problem, Sign
from cds_service.sodium.case import Case
from cds_service.sodium.results import Reading
from cds_service.sodium.rules.gates import recorded, shown_sodium
from cds_service.sodium.rules.order_helpers import baseline, drug_of, fluid_needed
from cds_service.sodium.rules.plan import adrenal_beside, risk_lines
from cds_service.sodium.snapshot import Order


def is_potassium(order: Order) -> bool:
    """Tells whether the order gives potassium."""
    return drug_of(order, DrugClass.POTASSIUM) is not None


def without_potassium(case: Case, order: Order, drug: str) -> Finding | None:
    """Returns the card against potassium that is high, or may be; None if nothing speaks so.

    In adrenal and in kidney failure it rises, so that there an unknown one is no low one.
    """
    if not is_potassium(order) or not case.sodium.low:
        return None
    limits, measured = case.limits, measured_potassium(case)
    adrenal = adrenal_beside(case)
    kidney = _failing_kidney(case)
    ceiling = limits.raise_potassium_high_above
    may_rise = bool(adrenal or kidney)
    high = measured is not None and measured.above(ceiling)
    if not high and not (may_rise and _may_be_enough(case, measured)):
        return None
    critical = measured is not None and measured.at_least(limits.raise_potassium_critical_from)
    return card(
        "critical" if critical else "warning",
        "potassium-first" if measured is None else "potassium-high",
        drug=drug,
        na=shown_sodium(case),
        more_facts={} if measured is None else {"value": measured.value},
        do=[
            *adrenal,
            line(_instead(case, order), keep=True),
            line("potassium-treat-first" if measured else "potassium-measure-first", keep=True),
            *([line("kidney-holds-potassium", evidence=kidney)] if kidney else []),
        ],
        why=risk_lines(case),
        offer=[baseline(case, again=True)],
    )


def _instead(case: Case, order: Order) -> str:
    """Returns the line on the fluid that carries the potassium: lost volume is replaced."""
    if not carries_fluid(order):
        return "no-potassium"
    return "plain-fluid-needed" if fluid_needed(case) else "plain-fluid"


def potassium_step(case: Case, order: Order) -> Line:
    """Returns what to do with the potassium that is ordered: the reader sets rate and dilution."""
    measured, fluid = measured_potassium(case), "-fluid" if carries_fluid(order) else ""
    if measured is None:
        window = in_hours(case.limits.raise_potassium_hours)
        return line(f"potassium-unmeasured{fluid}", hours=window, keep=True)
    if _may_be_enough(case, measured):
        return line(f"potassium-enough{fluid}", value=measured.value, keep=True)
    return line("potassium-by-protocol", value=measured.value, keep=True)


def measured_potassium(case: Case) -> Reading | None:
    """Returns the potassium that is young enough to give potassium by."""
    return case.readings.latest(Analyte.POTASSIUM, case.limits.raise_potassium_hours)


def carries_fluid(order: Order) -> bool:
    """Tells whether isotonic fluid carries the potassium."""
    isotonic = order.saline is not None and order.saline.kind == "isotonic"
    return order.balanced or isotonic or order.isotonic_carrier_ml is not None


def _may_be_enough(case: Case, measured: Reading | None) -> bool:
    return measured is None or not measured.below(case.limits.raise_potassium_enough_from)


def _failing_kidney(case: Case) -> str:
    """Returns the first recorded failure of the kidney as a fact of a card, or ""."""
    failures = (Problem.ACUTE_KIDNEY_INJURY, Problem.CKD_4_5)
    named: list[str] = [problem for problem in failures if recorded(case, problem)]
    named += [Sign.DIALYSIS] if case.dialysis else []
    return joined("evidence", named[:1]) if named else ""
