"""A drug that strengthens desmopressin is ordered beside it, or the other way round (F25)."""

from __future__ import annotations

from cds_service.engine.finding import Finding, Line
from cds_service.engine.rule import card, line, require
from cds_service.knowledge.names import DrugClass
from cds_service.sodium.blind_spots import MEDICINES_UNREAD
from cds_service.sodium.case import Case
from cds_service.sodium.desmopressin import clamp_runs
from cds_service.sodium.exposure import taken_within
from cds_service.sodium.rules.acute_order import acute_state, sodium_now
from cds_service.sodium.rules.book import order_rule
from cds_service.sodium.rules.gates import (
    require_not_stale,
    require_unexplained_by_glucose,
    rises_fast,
    shown_sodium,
)
from cds_service.sodium.rules.order_helpers import (
    beside,
    drug_of,
    other_drafts,
    result_doubts,
    sodium_today,
)
from cds_service.sodium.snapshot import Order
from cds_service.terminology.types import DrugMatch


def one_of_the_pair(order: Order) -> DrugMatch | None:
    """Returns the desmopressin of the order, or what may strengthen it."""
    return drug_of(order, DrugClass.DESMOPRESSIN, DrugClass.NSAID, DrugClass.ANTIDIARRHEAL)


@order_rule("OS-NSAID-DDAVP", one_of_the_pair, otherwise="no-pair")
def strengthened_desmopressin(case: Case, order: Order, drug: DrugMatch) -> Finding:
    """Speaks if both are given while sodium is low or falls, for every use of desmopressin."""
    partner = _partner(case, order, drug)
    require(partner, "no-partner" if case.medicines_known else MEDICINES_UNREAD)
    strengthens = partner if drug.cls == DrugClass.DESMOPRESSIN else drug.name
    hindered = strengthens in _named(case, order, DrugClass.ANTIDIARRHEAL)
    require(not hindered or _by_mouth(case, order), "not-by-mouth")
    require_not_stale(case)
    require_unexplained_by_glucose(case)
    require(case.sodium.low or case.sodium.falling, "not-low", na=shown_sodium(case))
    brakes = case.rate.rise_now >= case.limits.clamp_rise_from or rises_fast(case)
    require(not (brakes or clamp_runs(case)), "re-lowering")
    acute = acute_state(case)
    return card(
        "warning",
        drug=drug.name,
        partner=partner,
        na=shown_sodium(case),
        do=[
            *(acute.lines() if acute else []),
            *_about_desmopressin(case),
            line("less-diarrhea" if hindered else "paracetamol-instead", drug=strengthens),
        ],
        why=[line("raises-desmopressin" if hindered else "strengthens"), *result_doubts(case)],
        offer=[sodium_now(case) if acute else sodium_today()],
    )


def _partner(case: Case, order: Order, drug: DrugMatch) -> str:
    """Returns the name of the other drug of the pair, or "" without one."""
    sets = case.sets
    if drug.cls == DrugClass.DESMOPRESSIN:
        others = beside(case, order, *sets.potentiates_desmopressin.members)
        return others[0].name if others else ""
    others = beside(case, order, DrugClass.DESMOPRESSIN)
    if others:
        return others[0].name
    kind = sets.strong_kinds[DrugClass.DESMOPRESSIN]
    return next(iter(taken_within(case, kind, case.limits.desmopressin_acts_hours)), "")


def _named(case: Case, order: Order, drug_class: str) -> set[str]:
    """Returns the names of the drugs of this class in the order and beside it."""
    own = drug_of(order, drug_class)
    return {d.name for d in (*beside(case, order, drug_class), *([own] if own else []))}


def _by_mouth(case: Case, order: Order) -> bool:
    """Tells whether desmopressin may be swallowed: it is not known to be by vein or spray."""
    active = [o for e in case.exposures.of(DrugClass.DESMOPRESSIN) for o in e.orders]
    given = [*active, *(d for d in (order, *other_drafts(case, order)) if _is_desmopressin(d))]
    return any(not (one.route == "iv" or one.hemostatic) for one in given)


def _is_desmopressin(order: Order) -> bool:
    return drug_of(order, DrugClass.DESMOPRESSIN) is not None


def _about_desmopressin(case: Case) -> list[Line]:
    """Returns what to do with water and the next dose; in diabetes insipidus it goes on."""
    if case.problems.active(case.sets.insipidus):
        return [line("insipidus-goes-on", keep=True)]
    return [line("water-after-dose", keep=True), line("before-next-dose", keep=True)]
