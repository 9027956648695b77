"""Orders that are given for another purpose and harm in some patients (F29)."""

from __future__ import annotations

from cds_service.engine.finding import Finding
from cds_service.engine.rule import card, line, require
from cds_service.knowledge.names import DrugClass, DrugName, Problem
from cds_service.sodium.case import Case
from cds_service.sodium.rules.book import order_rule
from cds_service.sodium.rules.gates import actionable, recorded, require_recorded, shown_sodium
from cds_service.sodium.rules.order_helpers import (
    baseline,
    drug_of,
    is_older,
    is_systemic,
    sodium_today,
)
from cds_service.sodium.snapshot import Order
from cds_service.terminology.types import DrugMatch


def picosulfate_of(order: Order) -> DrugMatch | None:
    """Returns the picosulfate of the order: with it water alone is drunk, and salt is lost."""
    drugs = order.drugs if is_systemic(order) else ()
    return next((drug for drug in drugs if drug.name == DrugName.PICOSULFATE), None)


@order_rule("OS-BOWEL", picosulfate_of, otherwise="no-picosulfate")
def bowel_preparation(case: Case, order: Order, drug: DrugMatch) -> Finding:
    """Speaks if sodium is low, a strong drug is taken, or the patient is older."""
    strong = [e.drug.name for e in case.exposures.active if e.drug.tier == "T1"]
    low = case.sodium.low and actionable(case)
    require(low or strong or is_older(case), "no-risk")
    return card(
        "warning" if low else "info",
        "low" if low else "main",
        drug=drug.name,
        more_facts={"na": shown_sodium(case)} if low else {},
        do=["peg-electrolyte", "salty-fluids"],
        why=[line("also-lowering", drugs=", ".join(strong))] if strong else [],
        offer=[sodium_today() if low else baseline()],
    )


def urea_of(order: Order) -> DrugMatch | None:
    """Returns the urea of the order."""
    return drug_of(order, DrugClass.UREA)


@order_rule("OS-UREA", urea_of, otherwise="no-urea")
def urea_in_encephalopathy(case: Case, order: Order, drug: DrugMatch) -> Finding:
    """Speaks if hepatic encephalopathy is recorded, of which urea is a source of ammonia."""
    require_recorded(case, recorded(case, Problem.ENCEPHALOPATHY), "no-encephalopathy")
    return card(
        "warning",
        "main",
        drug=drug.name,
        do=[line("avoid-urea", keep=True)],
        why=["ammonia"],
        offer=[],
    )
