"""A treatment that raises sodium over days is selected in an emergency of minutes (F1)."""

from __future__ import annotations

from cds_service.engine.finding import Finding, Line
from cds_service.engine.rule import card, line, require
from cds_service.knowledge.names import DrugClass, DrugName
from cds_service.sodium.blind_spots import SODIUM_UNREAD, sodium_missing
from cds_service.sodium.case import Case
from cds_service.sodium.rules.acute_order import acute_state, sodium_now
from cds_service.sodium.rules.also_raising import salt_is_stopped
from cds_service.sodium.rules.book import order_rule
from cds_service.sodium.rules.gates import (
    emergency,
    first_symptom,
    low_glucose_lines,
    require_low_sodium,
    require_recorded,
    rises_fast,
    setting_lines,
    shown_sodium,
    symptom_lines,
)
from cds_service.sodium.rules.order_helpers import drug_of
from cds_service.sodium.rules.treatments import is_fluid_restriction, is_salt_tablet
from cds_service.sodium.snapshot import Order

RESTRICTION = "restriction"  # has no name on a card


def slow_treatment_of(order: Order) -> str:
    """Returns what the order gives that raises sodium over days; "" for every other order."""
    if is_fluid_restriction(order):
        return RESTRICTION
    if is_salt_tablet(order):
        return DrugName.SODIUM_CHLORIDE
    drug = drug_of(order, DrugClass.UREA, DrugClass.DEMECLOCYCLINE)
    return "" if drug is None else drug.name


@order_rule("OS-SLOW", slow_treatment_of, otherwise="no-slow-treatment")
def slow_treatment(case: Case, order: Order, drug: str) -> Finding:
    """Speaks if a seizure, coma or a low coma scale at this sodium is answered too slowly.

    While sodium rises fast the card on that takes a fluid restriction away; and if no room is left
    for salt or urea, the card that says so leads.
    """
    unread = sodium_missing(case.snapshot) and bool(case.symptoms.severe)
    require(not unread, SODIUM_UNREAD)
    require_low_sodium(case)
    require(drug != RESTRICTION or not rises_fast(case), "raise-leads")
    require(not salt_is_stopped(case, order), "limit-leads")
    symptom = first_symptom(case) if emergency(case) else ""
    points = _scale(case)
    require_recorded(case, symptom or points, "no-emergency")
    state = acute_state(case)
    told = state.lines() if state is not None else []
    by_scale = [] if state is not None and state.symptom else [line("order-scale", points=points)]
    variant = "restriction" if drug == RESTRICTION else "main"
    return card(
        "critical",
        variant if symptom else f"{variant}-scale",
        drug="" if drug == RESTRICTION else drug,
        na=shown_sodium(case),
        more_facts={"symptom": symptom} if symptom else {"points": points},
        do=[*by_scale, *told, *_not_now(symptom, drug, order), *low_glucose_lines(case)],
        why=[*symptom_lines(case), *setting_lines(case)],
        offer=[sodium_now(case)],
    )


def _not_now(symptom: str, drug: str, order: Order) -> list[Line]:
    """Returns why the order waits, as the chart says it: too slow, and unsafe by mouth."""
    if drug == RESTRICTION and symptom:
        return [line("never-severe", symptom=symptom, keep=True)]
    by_mouth = drug != RESTRICTION and order.route != "iv"
    safe = [line("nothing-by-mouth", keep=True)] if by_mouth else []
    return [*safe, line("acts-over-days", keep=True)]


def _scale(case: Case) -> str:
    """Returns the coma scale that may be brain edema at this sodium, as a fact; else ""."""
    found = case.encephalopathy
    return str(found.scale.points) if found is not None and found.scale is not None else ""
