"""A drug with which sodium fell in the stay, stopped since, and written anew to go home (F24)."""

from __future__ import annotations

from datetime import datetime

from cds_service.knowledge.names import DrugClass
from cds_service.sodium.case import Case
from cds_service.sodium.exposure import ON_HOLD, Exposure, ended_at
from cds_service.sodium.results import Sample
from cds_service.sodium.rules.gates import in_use
from cds_service.sodium.snapshot import Order
from cds_service.sodium.stay import Stay


def written_anew(case: Case, stay: Stay) -> dict[str, Exposure]:
    """Returns these drugs by name: the stop and the new order are two courses, and not one.

    Sodium was low with such a drug in this stay, and has risen far since it was stopped.
    """
    lowest, limits, sets = stay.lowest, case.limits, case.sets
    if lowest is None or not stay.was_low or case.sodium.stable_since is not None:
        return {}
    if in_use(case) - stay.value(lowest) < limits.discharge_fall_from:
        return {}
    often = [e for e in case.exposures.active if e.drug.tier in sets.check_tiers]
    return {e.drug.name: e for e in often if goes_home(case, stay, e) and _was_off(case, e, lowest)}


def goes_home(case: Case, stay: Stay, taken: Exposure) -> bool:
    """Returns whether a drug is meant to go on at home.

    Desmopressin is if it was taken before the stay, unless it replaces a hormone: then it is no
    culprit.
    """
    if taken.drug.cls not in case.sets.stay_only:
        return True
    before = taken.since is not None and taken.since < stay.since
    of_home = taken.drug.cls == DrugClass.DESMOPRESSIN and before
    return of_home and not case.problems.active(case.sets.insipidus)


def carried_home(case: Case, taken: Exposure) -> bool:
    """Returns whether an order that runs says that the drug was taken at home."""
    return any(order.carries_on for order in taken.orders if case.is_active(order))


def _was_off(case: Case, taken: Exposure, lowest: Sample) -> bool:
    """Whether each order that runs is later than the lowest sodium, and one before it had ended."""
    begun = [order.begun for order in taken.orders if case.is_active(order)]
    dated = [at for at in begun if at is not None]
    if not dated or len(dated) < len(begun) or min(dated) <= lowest.at:
        return False
    if carried_home(case, taken) and min(dated) - lowest.at >= case.limits.discharge_off_hours:
        return True
    return any(
        _ended_before(case, order, lowest, min(dated))
        for order in case.listed
        if not case.is_active(order) and any(d.cls == taken.drug.cls for d in order.drugs)
    )


def _ended_before(case: Case, order: Order, lowest: Sample, anew: datetime) -> bool:
    """Whether the order may have made this sodium, and was off for a while before the new one.

    A prescription that replaces that of the ward on the same day goes on with the drug.
    """
    if order.begun is None or order.begun > lowest.at:
        return False
    ended = order.changed if order.status == ON_HOLD else ended_at(order) or order.changed
    if ended is None:
        return order.status in case.sets.stopped_statuses
    limits = case.limits
    acted = ended + limits.harm_near_days >= lowest.at
    return acted and anew - ended >= limits.discharge_off_hours
