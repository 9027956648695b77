"""A drug of the group that may be lowering sodium already is selected: no solution (M12)."""

from __future__ import annotations

from cds_service.engine.finding import Line
from cds_service.engine.rule import line
from cds_service.knowledge.names import DrugClass
from cds_service.sodium.case import Case
from cds_service.sodium.exposure import stopped_lately
from cds_service.sodium.rules.order_helpers import taken
from cds_service.sodium.rules.water_intake import diluting_urine
from cds_service.sodium.snapshot import Order
from cds_service.sodium.tapering import never_abruptly
from cds_service.terminology.types import DrugMatch

STOPPED = "stopped"


def same_group_lines(case: Case, drug: DrugMatch) -> list[Line]:
    """Returns that a drug of the same group may be lowering sodium, and how it is left.

    It is empty for a renewal, for a drug that is never held up, and while the urine is so dilute
    that no drug is the cause.
    """
    if taken(case, drug) or drug.cls not in case.sets.one_group:
        return []
    if diluting_urine(case, drug) is not None:
        return []
    classes, antiseizure = _group_of(case, drug), drug.cls == DrugClass.IMINOSTILBENE
    others = running_of_group(case, drug)
    running = [other.name for other in others]
    if not running:
        return _after_a_stop(case, drug, classes, antiseizure=antiseizure)
    names = ", ".join(running)
    if antiseizure:
        return [
            line("same-class-antiseizure", keep=True, drug=drug.name, partner=names),
            line("keep-partner-antiseizure", keep=True, partner=names),
        ]
    key = "same-group" if replaces(case, drug) else "same-group-both"
    told = line(key, keep=True, partner=names)
    gently = [other.name for other in others if never_abruptly(case, other)]
    kept = [line("keep-partner", keep=True, partner=", ".join(gently))] if gently else []
    return [told, *kept]


def replaces(case: Case, drug: DrugMatch) -> bool:
    """Returns whether a drug of another group may take its place; of antipsychotics none does."""
    return drug.cls not in case.sets.needed_now


def running_of_group(case: Case, drug: DrugMatch) -> list[DrugMatch]:
    """Returns the other drugs of this group that are taken and not acquitted by their start."""
    classes = _group_of(case, drug)
    return [
        exposure.drug
        for exposure in case.exposures.active
        if exposure.drug.cls in classes
        and exposure.drug.name != drug.name
        and exposure.attribution != "unlikely"
    ]


def _group_of(case: Case, drug: DrugMatch) -> frozenset[str]:
    """Returns the classes that lower sodium in the same way: SSRI and SNRI are one group."""
    kinds = [frozenset(kind.members) for kind in case.sets.strong_kinds.values()]
    return next((classes for classes in kinds if drug.cls in classes), frozenset({drug.cls}))


def _after_a_stop(
    case: Case, drug: DrugMatch, classes: frozenset[str], *, antiseizure: bool
) -> list[Line]:
    """Returns that a drug of the group was stopped lately, is on hold, or ended undated."""
    lately = stopped_lately(case, case.sets.watched_tiers, case.limits.stopped_days)
    found = [name for name, order in lately if _holds(order, name, classes)]
    found += [held.name for held in case.exposures.on_hold if held.cls in classes]
    for order in case.listed:
        if order.status == STOPPED and order.end is None and order.duration_days is None:
            found += [d.name for d in order.drugs if d.cls in classes]
    names = ", ".join(dict.fromkeys(name for name in found if name != drug.name))
    if not names:
        return []
    told = line("same-group-stopped", keep=True, drug=drug.name, partner=names)
    return [told, *([line("never-untreated", keep=True)] if antiseizure else [])]


def _holds(order: Order, name: str, classes: frozenset[str]) -> bool:
    return any(d.name == name and d.cls in classes for d in order.drugs)
