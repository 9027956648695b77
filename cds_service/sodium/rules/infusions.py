"""A large infusion is selected: isotonic in SIADH or overload, hypotonic in low sodium (S12, S13)."""

from __future__ import annotations

from decimal import Decimal

from cds_service.engine.finding import (
    DraftLabs,
    Finding,
    Indicator,
    Line,
    Outcome,
    Silence,
    Suggestion,
)
from cds_service.engine.wording import ago
from cds_service.sodium.case import Case
from cds_service.sodium.results import Freshness
from cds_service.sodium.rules.gates import direct_reading_normal, na
from cds_service.sodium.rules.order_helpers import (
    about,
    beside,
    first_evidence,
    saline_name,
    silent,
    sodium_today,
)
from cds_service.sodium.snapshot import Order
from cds_service.sodium.volume import Volume

CRISIS = "hyperglycemic-crisis"
OWN_FLAG = "withheld-isotonic-fluid"


def isotonic_in_siadh(case: Case, order: Order) -> Outcome:
    """OS-ISO: isotonic saline may lower sodium further in SIADH; silent where volume may be needed."""
    rule = "OS-ISO"
    blocked = _not_isotonic(rule, case, order)
    if blocked:
        return blocked
    if case.volume.status is not Volume.EUV:
        return silent(rule, order, "not-siadh")
    if _red_flag(case):
        return silent(rule, order, "red-flag")
    certain = "siadh" in case.volume.evidence or _concentrated_urine(case)
    indicator: Indicator = "warning" if certain else "info"
    evidence = "|".join(f"evidence:{e}" for e in case.volume.evidence)
    return about(
        order,
        Finding(
            rule=rule,
            indicator=indicator,
            facts={"drug": saline_name(order)},
            drugs=(saline_name(order),),
            do=(Line("check-urine-first"), Line("if-not-depleted", keep=True)),
            why=(Line("judged-euvolemic", {"evidence": evidence}), Line("salt-leaves-water-stays")),
            suggestions=(_urine_labs(),),
        ),
    )


def isotonic_in_overload(case: Case, order: Order) -> Outcome:
    """OS-ISO-HYPER: isotonic saline adds sodium and water to an overloaded patient."""
    rule = "OS-ISO-HYPER"
    blocked = _not_isotonic(rule, case, order)
    if blocked:
        return blocked
    if case.volume.status is not Volume.HYPER:
        return silent(rule, order, "not-overloaded")
    if _red_flag(case):
        return silent(rule, order, "red-flag")
    return about(
        order,
        Finding(
            rule=rule,
            indicator="info",
            facts={"drug": saline_name(order), "condition": first_evidence(case)},
            drugs=(saline_name(order),),
            do=(Line("examine-volume"), Line("daily-weight")),
            why=(Line("salt-load"),),
        ),
    )


def hypotonic(case: Case, order: Order) -> Outcome:
    """OS-HYPOTONIC: hypotonic fluid may lower a low sodium further; silent where it is re-lowered."""
    rule = "OS-HYPOTONIC"
    if not is_hypotonic(order):
        return silent(rule, order, "not-hypotonic")
    blocked = _small_or_normal(rule, case, order, _hypotonic_ml(order))
    if blocked:
        return blocked
    if case.rate.level is not None or case.rate.rise_now >= case.limits.clamp_rise_from:
        return silent(rule, order, "re-lowering")
    if beside(case, order, "desmopressin"):
        return silent(rule, order, "clamp")
    if _glucose_needs_it(case):
        return silent(rule, order, "glucose")
    drug, shown = saline_name(order), na(case)
    return about(
        order,
        Finding(
            rule=rule,
            indicator="warning",
            variant="main" if drug else "water",
            facts={"na": shown, "drug": drug} if drug else {"na": shown},
            drugs=(drug,) if drug else (),
            do=(Line("choose-isotonic"), Line("deliberate")),
            why=(Line("free-water"),),
            suggestions=(sodium_today(),),
        ),
    )


def is_isotonic(order: Order) -> bool:
    """Whether the order is isotonic saline for infusion."""
    return order.saline is not None and order.saline.kind == "isotonic" and order.route != "local"


def is_hypotonic(order: Order) -> bool:
    """Whether the order is hypotonic fluid: dextrose in water, free water, weak saline."""
    weak = order.saline is not None and order.saline.kind == "hypotonic"
    return (order.hypotonic or weak) and order.route != "local"


def may_be_large(order: Order) -> bool:
    """Whether the order is an infusion that could be large: its volume is known, or it runs into a vein."""
    if not (is_isotonic(order) or is_hypotonic(order)):
        return False
    return _hypotonic_ml(order) is not None or order.route == "iv"


def _large(least: Decimal, order: Order, volume: Decimal | None) -> bool:
    """A known volume decides; without one, an order known to be intravenous is taken as continuous."""
    return volume >= least if volume is not None else order.route == "iv"


def _isotonic_ml(order: Order) -> Decimal | None:
    return order.saline.volume_ml if order.saline else None


def _hypotonic_ml(order: Order) -> Decimal | None:
    if order.hypotonic_volume_ml is not None:
        return order.hypotonic_volume_ml
    return _isotonic_ml(order)


def _not_isotonic(rule: str, case: Case, order: Order) -> Silence | None:
    if not is_isotonic(order):
        return silent(rule, order, "not-isotonic")
    return _small_or_normal(rule, case, order, _isotonic_ml(order))


def _small_or_normal(rule: str, case: Case, order: Order, volume: Decimal | None) -> Silence | None:
    if not _large(case.limits.isotonic_ml_from, order, volume):
        return silent(rule, order, "small-volume")
    if case.sodium.latest is None:
        return silent(rule, order, "no-sodium")
    if case.sodium.freshness is not Freshness.CURRENT:
        return silent(rule, order, "too-old", na=case.sodium.latest.shown, age=ago(case.sodium.age))
    if direct_reading_normal(case):
        return silent(rule, order, "methods-contradict", na=case.sodium.latest.shown)
    if not case.sodium.low:
        return silent(rule, order, "not-low", na=case.sodium.latest.shown)
    return None


def _red_flag(case: Case) -> bool:
    """Signs that volume may be needed (M9); the isotonic fluid selected here is none."""
    return any(line.key != OWN_FLAG for line in case.restriction.red_flags)


def _urine_labs() -> Suggestion:
    """What tells SIADH from volume depletion, today."""
    return Suggestion("urine-labs", (DraftLabs(("urine-osmolality", "urine-sodium"), "urgent"),))


def _concentrated_urine(case: Case) -> bool:
    window = case.limits.urine_labs_hours
    reading = case.readings.latest("urine-osmolality", window)
    return reading is not None and reading.above(case.limits.isotonic_osmolality_above)


def _glucose_needs_it(case: Case) -> bool:
    """Low glucose, or a hyperglycemic crisis whose protocol ends in dextrose and hypotonic fluid."""
    reading = case.readings.latest("glucose", case.limits.low_glucose_hours)
    low = reading is not None and reading.below(case.limits.low_glucose_below)
    return low or _in_crisis(case)


def _in_crisis(case: Case) -> bool:
    """A crisis of this encounter or of the last hours; old codes stay on problem lists for years."""
    window = case.limits.restriction_glucose_hours
    found = (p for p in case.snapshot.problems if p.active and CRISIS in p.concepts)
    return any(
        p.encounter_diagnosis or (p.since and case.snapshot.now - p.since <= window) for p in found
    )
