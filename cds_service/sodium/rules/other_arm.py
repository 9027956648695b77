"""Potassium is selected by a value of a sample that was drawn beside an infusion (F41)."""

from __future__ import annotations

from cds_service.engine.finding import Finding
from cds_service.engine.rule import card, line, skip
from cds_service.knowledge.names import Analyte, DrugClass
from cds_service.sodium.case import Case
from cds_service.sodium.rules.acute_order import sodium_now
from cds_service.sodium.rules.book import order_rule
from cds_service.sodium.rules.gates import drip_lines
from cds_service.sodium.rules.order_helpers import drug_of
from cds_service.sodium.snapshot import Order
from cds_service.terminology.types import DrugMatch


def potassium_of(order: Order) -> DrugMatch | None:
    """Returns the potassium of the order."""
    return drug_of(order, DrugClass.POTASSIUM)


@order_rule("OS-DRIP", potassium_of, otherwise="no-potassium-ordered")
def potassium_beside_a_drip(case: Case, _order: Order, drug: DrugMatch) -> Finding:
    """Speaks if the low potassium is of a sample that glucose of an infusion seems to dilute."""
    drip = case.drip or skip("no-drip")
    diluted = drip.diluted.get(Analyte.POTASSIUM)
    value = diluted.now if diluted is not None else skip("potassium-not-of-it")
    return card(
        "warning",
        drug=drug.name,
        value=value,
        do=[*drip_lines(case), line("potassium-by-new-value", keep=True)],
        why=["diluted-alike"],
        offer=[sodium_now(case)],
    )
