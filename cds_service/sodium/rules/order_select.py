"""All order-select rules by their id, and which orders they concern."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from cds_service.engine.finding import Outcome
from cds_service.sodium.case import Case
from cds_service.sodium.rules import (
    infusions,
    lowering_drugs,
    raise_sodium,
    treatments,
    vaptans,
)
from cds_service.sodium.rules.book import BOOK
from cds_service.sodium.rules.order_helpers import drug_of, for_low_sodium, raising_name
from cds_service.sodium.snapshot import Order

RULES: Mapping[str, Callable[[Case, Order], Outcome]] = {
    "OS-HTS-OVER": raise_sodium.rising_already,
    "OS-VAP-HTS": raise_sodium.raised_twice,
    "OS-VAP-HYPO": vaptans.volume_depleted,
    "OS-VAP-CONTRA": vaptans.contraindicated,
    "OS-HTS-SEV": raise_sodium.severe_symptoms,
    "OS-HTS-OLD": raise_sodium.no_fresh_sodium,
    "OS-HTS-GLU": raise_sodium.explained_by_glucose,
    "OS-HTS-PSEUDO": raise_sodium.may_be_artefact,
    "OS-HTS-NONE": raise_sodium.not_low,
    "OS-HTS-MILD": raise_sodium.mild,
    "OS-HTS-ASX": raise_sodium.no_severe_symptoms,
    "OS-VAP-SEV": vaptans.severe_symptoms,
    "OS-VAP-LIVER": vaptans.liver,
    "OS-VAP-DUR": vaptans.duration,
    "OS-VAP-NONE": vaptans.not_low,
    "OS-HTS-CONC": raise_sodium.concentrate,
    "OS-VAP-GEN": vaptans.start,
    "OS-FR": treatments.restriction,
    "OS-SALT": treatments.salt_tablets,
    "OS-HYPOTONIC": infusions.hypotonic,
    "OS-ISO": infusions.isotonic_in_siadh,
    "OS-ISO-HYPER": infusions.isotonic_in_overload,
    "OS-DIUR-CRAMP": treatments.diuretic,
    "OS-LOW": lowering_drugs.lowering,
    "OS-DDAVP": lowering_drugs.desmopressin,
    "OS-COMBO": lowering_drugs.combination,
    "OS-BASE": lowering_drugs.no_baseline,
    "OS-DEMECLO": treatments.demeclocycline,
    "OS-BACLO": treatments.baclofen,
}
CONCERNED = frozenset({"demeclocycline", "desmopressin"})
Concern = Literal["saline-or-vaptan", "without-sodium", "relevant", ""]


def concern(order: Order) -> Concern:
    """Whether any rule can have something to say of the order; "without-sodium": whatever sodium is."""
    if raising_name(order):
        return "saline-or-vaptan"
    if order.fluid_restriction or treatments.is_salt_tablet(order) or drug_of(order, "baclofen"):
        return "without-sodium"
    if any(BOOK.order[r].concerns(order) for r in ("OS-ISO", "OS-HYPOTONIC")):
        return "relevant"
    if order.kind != "medication" or order.route == "local":
        return ""
    watched = any(d.group or d.cls in CONCERNED for d in order.drugs)
    lithium = any(d.cls == "lithium" for d in order.drugs) and for_low_sodium(order)
    return "relevant" if watched or lithium else ""
