"""Parenteral nutrition is selected: a bag without sodium is free water once it is used (F28)."""

from __future__ import annotations

from cds_service.engine.finding import Finding, Indicator
from cds_service.engine.rule import card, line, require
from cds_service.sodium.case import Case
from cds_service.sodium.exposure import lacks_sodium
from cds_service.sodium.rules.acute_order import acute_state, sodium_now
from cds_service.sodium.rules.book import order_rule
from cds_service.sodium.rules.gates import (
    latest_sodium,
    require_actionable,
    require_unexplained_by_glucose,
    rises_fast,
    shown_sodium,
)
from cds_service.sodium.rules.order_helpers import sodium_today
from cds_service.sodium.snapshot import Order
from cds_service.terminology.types import Nutrition


def nutrition_of(order: Order) -> Nutrition | None:
    """Returns the parenteral nutrition of the order."""
    return order.nutrition


@order_rule("OS-NUTRITION", nutrition_of, otherwise="no-nutrition")
def nutrition(case: Case, order: Order, bag: Nutrition) -> Finding:
    """Speaks if little or no sodium, or an unknown one, is in nutrition at a low or falling sodium.

    The nutrition itself goes on: no button takes it away.
    """
    latest_sodium(case)
    require_actionable(case)
    require_unexplained_by_glucose(case)
    falling = bool(case.sodium.falling or case.sodium.acute)
    require(case.sodium.low or falling, "not-low", na=shown_sodium(case))
    require(not rises_fast(case) and not case.relowered, "raise-leads")
    require(lacks_sodium(case, order), "holds-sodium")
    told, acute = bag.sodium_mmol_l, acute_state(case)
    little = told is not None and told < case.limits.nutrition_sodium_from
    urgent: Indicator = "warning" if acute is None else acute.indicator
    return card(
        urgent if little else "info",
        "unknown" if told is None else "main" if told == 0 else "told",
        na=shown_sodium(case),
        more_facts={} if not told else {"value": told},
        do=[
            *(acute.lines() if acute is not None else []),
            line("read-the-bag" if told is None else "ask-for-sodium", keep=True),
        ],
        why=["nutrition-is-water"],
        offer=[sodium_now(case) if acute is not None else sodium_today()],
    )
