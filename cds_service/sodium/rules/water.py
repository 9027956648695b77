"""An order moves water: mannitol, irrigation, or an order to drink much (F13, F23)."""

from __future__ import annotations

from cds_service.engine.finding import Finding, Line
from cds_service.engine.rule import card, line
from cds_service.engine.wording import joined
from cds_service.knowledge.names import Analyte, DrugClass
from cds_service.sodium.case import Case
from cds_service.sodium.restriction import CONCENTRATED, HELPED
from cds_service.sodium.rules.book import order_rule
from cds_service.sodium.rules.follow_up import osmolality_suggestion
from cds_service.sodium.rules.gates import (
    at,
    in_use,
    latest_sodium,
    require_actionable,
    require_low,
    require_recorded,
    require_unexplained_by_glucose,
    rises_fast,
    shown_sodium,
)
from cds_service.sodium.rules.order_helpers import is_systemic
from cds_service.sodium.rules.plan import (
    RESTRICTING,
    fluid_orders_unread,
    restriction_suggestions,
    volume_lines,
)
from cds_service.sodium.snapshot import Order
from cds_service.terminology.types import DrugMatch

# The patient is to drink to thirst, or needs a dilute urine.
MAY_DRINK = frozenset({"never-vaptan", CONCENTRATED})
OSMOTIC = (DrugClass.MANNITOL, DrugClass.OSMOTIC_AGENT)


def osmotic_of(order: Order) -> DrugMatch | None:
    """Returns mannitol for a vein, or what rinses a hollow organ without salt."""
    if not is_systemic(order):
        return None
    if order.irrigation:
        return next((drug for drug in order.drugs if drug.cls in OSMOTIC), None)
    by_vein = order.route in ("iv", "unknown")
    return next((d for d in order.drugs if by_vein and d.cls == DrugClass.MANNITOL), None)


@order_rule("OS-OSMOTIC", osmotic_of, otherwise="no-osmotic-agent")
def osmotic(case: Case, order: Order, drug: DrugMatch) -> Finding:
    """Speaks if mannitol or irrigation without salt meets a low sodium (F13)."""
    latest_sodium(case)
    require_unexplained_by_glucose(case)
    require_actionable(case)
    require_low(case)
    if order.irrigation:
        return card(
            "warning",
            "irrigation",
            drug=drug.name,
            na=shown_sodium(case),
            do=[line("saline-instead", keep=True), "sodium-after-irrigation"],
            why=["taken-up"],
        )
    return card(
        "info",
        drug=drug.name,
        na=shown_sodium(case),
        do=[line("do-not-delay", keep=True), line("osmolality-before", keep=True)],
        why=[*_measured(case), "moves-water"],
        offer=[osmolality_suggestion(case)],
    )


def _measured(case: Case) -> list[Line]:
    """Returns the serum osmolality of these hours, if it was measured."""
    window = case.limits.water_shift_osmolality_hours
    reading = case.readings.latest(Analyte.SERUM_OSMOLALITY, window)
    if reading is None:
        return []
    time = at(case, reading.at, reading.day_only)
    return [line("measured-serum-osmolality", value=reading.value, time=time)]


def asks_to_drink(order: Order) -> bool:
    """Tells whether the order asks the patient to drink much."""
    return order.asks_to_drink


@order_rule("OS-DRINK", asks_to_drink, otherwise="no-drinking")
def drinking(case: Case, _order: Order, _drinks: bool) -> Finding:
    """Speaks if a patient is to drink much whose fluid should be limited (F23)."""
    latest_sodium(case)
    require_actionable(case)
    require_low(case)
    require_recorded(case, _water_is_in_excess(case), "water-may-be-needed")
    restriction, ml = case.restriction, case.limits.fluid_ml_day
    limited = restriction.verdict in RESTRICTING
    return card(
        "warning",
        na=shown_sodium(case),
        why_=joined("evidence", case.volume.evidence[:1]),
        do=[
            line("limit-instead", ml=ml, keep=True) if limited else line("no-more", keep=True),
            *restriction.running,
        ],
        why=[*volume_lines(case), *fluid_orders_unread(case)],
        offer=restriction_suggestions(case),
    )


def _water_is_in_excess(case: Case) -> bool:
    """Tells whether more water harms: SIADH or overload, and nothing says that fluid is needed.

    It is so in an acute fall too, where no restriction is offered.
    """
    restriction = case.restriction
    needed = (restriction.fluid, restriction.adrenal, restriction.red_flags)
    if case.volume.status not in HELPED or any(needed) or rises_fast(case):
        return False
    if any(reason.key in MAY_DRINK for reason in restriction.reasons):
        return False
    return in_use(case) < case.limits.restriction_near_normal_from
