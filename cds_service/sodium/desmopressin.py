"""What desmopressin is taken for, and whether it will wear off, so that water is shed (F1, F25)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from cds_service.knowledge.names import Analyte, DrugClass, Problem
from cds_service.sodium.exposure import Exposure, is_hypertonic
from cds_service.sodium.snapshot import Order

if TYPE_CHECKING:
    from cds_service.sodium.case import Case

Purpose = Literal["", "replacement", "bleeding", "nocturia", "unknown"]


def taken_for(case: Case) -> Purpose:
    """Returns what desmopressin is taken for; "" if the patient takes none.

    A disease of the pituitary gland may mean that it replaces the hormone.
    """
    taken = case.exposures.of(DrugClass.DESMOPRESSIN)
    if not taken:
        return ""
    orders = [order for exposure in taken for order in exposure.orders]
    if _replaces(case, orders):
        return "replacement"
    if _is_for(case, orders, Problem.BLEEDING_DISORDER):
        return "bleeding"
    held = case.sets.desmopressin_held.members
    told = all(o.hemostatic or not o.reasons.isdisjoint(held) for o in orders)
    return "nocturia" if told or case.problems.active(case.sets.desmopressin_held) else "unknown"


def _replaces(case: Case, orders: list[Order]) -> bool:
    """Returns whether the record knows of a lack of the hormone, or of what may cause one."""
    sets = case.sets
    wanted = (
        *sets.insipidus.members,
        *sets.pituitary_disease.members,
        *sets.pituitary_surgery.members,
    )
    recorded = any(not p.concepts.isdisjoint(wanted) for p in case.snapshot.problems)
    return recorded or any(not o.reasons.isdisjoint(sets.insipidus.members) for o in orders)


def _is_for(case: Case, orders: list[Order], problem: Problem) -> bool:
    """Returns whether it is given for this problem: recorded, or the reason of every order."""
    if any(problem in p.concepts and p.active for p in case.snapshot.problems):
        return True
    return all(o.hemostatic or problem in o.reasons for o in orders)


def clamp_runs(case: Case) -> bool:
    """Returns whether desmopressin was begun beside hypertonic saline that runs: a brake (F58)."""
    now, window = case.snapshot.now, case.limits.clamp_saline_hours
    salines = [order for order in case.running_fluids if is_hypertonic(order)]
    doses = case.exposures.of(DrugClass.DESMOPRESSIN)
    begun = [e.since for e in doses if e.since is not None and now - e.since <= window]
    return bool(salines and begun)


def wears_off(case: Case) -> bool:
    """Returns whether low sodium rises by itself once the next dose is left out (F1).

    So it is if desmopressin is taken for nocturia or an unknown purpose. It is not if it may brake
    a rise, if the urine is dilute already, and on dialysis.
    """
    purpose = taken_for(case)
    if purpose not in ("nocturia", "unknown") or not case.sodium.low or case.dialysis:
        return False
    taken = case.exposures.of(DrugClass.DESMOPRESSIN)
    return not (_may_brake(case, purpose, taken) or _sheds_already(case))


def _may_brake(case: Case, purpose: Purpose, taken: tuple[Exposure, ...]) -> bool:
    """Returns whether desmopressin may be there to hold back a rise of sodium (S13, F4)."""
    rate = case.rate
    rises = rate.rule or rate.episode is not None or rate.rise_now >= case.limits.clamp_rise_from
    by_vein = any(order.route == "iv" for exposure in taken for order in exposure.orders)
    return bool(rises) or clamp_runs(case) or (purpose == "unknown" and by_vein)


def _sheds_already(case: Case) -> bool:
    """Returns whether the urine is dilute, so that desmopressin acts no longer (F27)."""
    limits = case.limits
    urine = case.readings.latest(Analyte.URINE_OSMOLALITY, limits.shedding_urine_hours)
    return urine is not None and urine.below(limits.dilute_urine_below)
