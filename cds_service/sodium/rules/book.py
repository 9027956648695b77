"""The rules about sodium: each is declared by its kind, and `BOOK` holds them all."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal

from msgspec.structs import replace

from cds_service.engine.finding import Finding, Line
from cds_service.engine.rule import RuleBook
from cds_service.engine.wording import saline_of
from cds_service.sodium.case import Case
from cds_service.sodium.snapshot import Order, repeats, same_order

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
    told = _beside_the_same(case, order)
    finding = finding if told is None else replace(finding, do=(*finding.do, told))
    return matched_by_name(order, finding)


def _beside_the_same(case: Case, order: Order) -> Line | None:
    """Returns that a draft came twice, or that the same drug is ordered in two ways (F38).

    A loading dose and its maintenance are two orders that are both meant: none is to be removed. Of
    a drug whose lack harms at once no card says that one of two alike goes.
    """
    if is_doubled(case, order):
        return Line("ordered-twice", keep=True)
    if not any(same_order(order, other) for other in _others(case, order)):
        return None
    return Line("ordered-in-parts", {"drug": _called(order)})


def is_doubled(case: Case, order: Order) -> bool:
    """Tells whether the same dose by the same route and times is drafted again, by mistake."""
    doubled = any(repeats(order, other) for other in _others(case, order))
    return doubled and not _kept(case, order)


def _others(case: Case, order: Order) -> list[Order]:
    return [d for d in case.snapshot.drafts if d.reference != order.reference]


def _kept(case: Case, order: Order) -> bool:
    """Tells whether one of two such orders is never called one too many."""
    raises = order.saline is not None and order.saline.kind in ("hypertonic", "concentrate")
    return raises or any(drug.cls in case.sets.kept_doubles for drug in order.drugs)


def _called(order: Order) -> str:
    """Returns what a card calls the drugs of an order."""
    if order.saline is not None and order.saline.percent is not None:
        return saline_of(order.saline.percent, mixed=bool(order.saline.mixture))
    return ", ".join(drug.name for drug in order.drugs)


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
