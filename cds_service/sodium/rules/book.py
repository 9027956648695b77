"""The rules about sodium: each is declared by its kind, and `BOOK` holds them all."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal

from msgspec.structs import replace

from cds_service.engine.finding import Finding, Line
from cds_service.engine.rule import RuleBook
from cds_service.sodium.case import Case
from cds_service.sodium.snapshot import Order, same_order

BY_WORDS = ("text", "brand")
Gate = Literal["deceased", "under-age", "comfort-care"]  # keys of `silence` in words.toml


def closed(case: Case, gates: Collection[Gate]) -> Gate | None:
    """Returns why this patient gets no cards at all, or None (M15)."""
    return next((gate for gate in gates if _holds(case, gate)), None)


def _holds(case: Case, gate: Gate) -> bool:
    if gate == "deceased":
        return case.snapshot.patient.deceased
    if gate == "under-age":
        return case.age_years is not None and case.age_years < case.limits.adult_years
    return case.comfort_care


def finished(case: Case, order: Order, finding: Finding) -> Finding:
    """Returns the finding with what is said of every order: its recorded names, and its double."""
    twice = [d for d in case.snapshot.drafts if d.reference != order.reference]
    if any(same_order(order, other) for other in twice):
        finding = replace(finding, do=(*finding.do, Line("ordered-twice", keep=True)))
    return matched_by_name(order, finding)


def matched_by_name(order: Order, finding: Finding) -> Finding:
    """Returns the finding with the recorded words of each drug known by its name (D.4)."""
    words = [
        Line("matched-by-name", {"words": drug.matched})
        for drug in order.drugs
        if drug.name in finding.drugs and drug.evidence in BY_WORDS and drug.matched
    ]
    return replace(finding, why=(*finding.why, *words))


BOOK: RuleBook[Case, Order] = RuleBook(finish=finished)
chart_rule, order_rule = BOOK.chart_rule, BOOK.order_rule
discharge_rule = BOOK.discharge_rule


def can_judge_without_sodium(orders: Iterable[Order]) -> bool:
    """Tells whether the rules about these orders can speak although no sodium could be read.

    Each order that concerns a rule needs one that speaks without sodium. If a card says that the
    sodium could not be read, as that on hypertonic saline does, it says so for all orders.
    """
    needing_sodium, speaking = [], []
    for order in orders:
        rules = BOOK.concerning(order)
        if any(rule.names_missing_sodium for rule in rules):
            return True
        if any(rule.without_sodium(order) for rule in rules):
            speaking.append(order)
        elif rules:
            needing_sodium.append(order)
    return bool(speaking) and not needing_sodium
