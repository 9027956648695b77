"""Whether a sudden stop of a drug harms: by its class, and by how long it was taken (DRUG)."""

from __future__ import annotations

from datetime import timedelta

from cds_service.sodium.case import Case
from cds_service.sodium.exposure import Exposure, ended_at
from cds_service.sodium.snapshot import Order
from cds_service.terminology.types import DrugMatch


def never_abruptly(case: Case, drug: DrugMatch) -> bool:
    """Returns whether the drug must not be stopped at once."""
    return drug.cls in case.sets.never_abruptly and not begun_lately(case, drug)


def begun_lately(case: Case, drug: DrugMatch) -> bool:
    """Returns whether an antidepressant was begun days ago, so that it needs no taper.

    A start that is not known, the day of the admission (it may carry on what was taken at home),
    an antidepressant that was taken before it and a list of medicines that was not read to its end
    leave that in doubt.
    """
    read = case.snapshot.complete("medications")
    if not read or drug.cls not in case.sets.tapered_after_weeks:
        return False
    taken = next((e for e in case.exposures.active if e.drug.name == drug.name), None)
    if taken is None or taken.since is None:
        return False
    age = case.snapshot.now - taken.since
    new = timedelta(0) <= age < case.limits.taper_from_days
    return new and not _carried_over(case, taken) and not _another_before(case, taken)


def _carried_over(case: Case, taken: Exposure) -> bool:
    """Returns whether it was ordered as the patient came, or an order of it tells no start."""
    arrival, since = case.snapshot.stay_since, taken.since
    undated = any(order.begun is None for order in taken.orders)
    if arrival is None or since is None:
        return undated
    return undated or timedelta(0) <= since - arrival < case.limits.carried_over_hours


def _another_before(case: Case, taken: Exposure) -> bool:
    """Returns whether an antidepressant may have been taken up to this start: a switch."""
    return any(
        _reaches(case, order, taken)
        for order in case.listed
        if order not in taken.orders
        and any(drug.cls in case.sets.tapered_after_weeks for drug in order.drugs)
    )


def _reaches(case: Case, order: Order, taken: Exposure) -> bool:
    begun, end = order.begun, ended_at(order)
    if taken.since is None or begun is None or end is None:
        return True
    return begun <= taken.since and taken.since - end <= case.limits.stop_unknown_days
