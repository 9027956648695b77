"""Salt tablets, fluid restriction, demeclocycline or lithium selected where they may harm (B.3, M15, N9)."""

from __future__ import annotations

from cds_service.engine.finding import Finding, Indicator, Line, Outcome, RemoveDraft, Suggestion
from cds_service.sodium.blind_spots import PROBLEMS_UNREAD
from cds_service.sodium.case import Case
from cds_service.sodium.results import Freshness
from cds_service.sodium.rules.gates import cirrhosis, recorded
from cds_service.sodium.rules.order_helpers import (
    about,
    drug_of,
    first_evidence,
    for_low_sodium,
    other_drafts,
    silent,
    sodium_today,
    vaptan_of,
)
from cds_service.sodium.snapshot import Order
from cds_service.sodium.volume import Volume

HARMFUL = {Volume.CSW: "csw", Volume.ADRENAL: "adrenal", Volume.HYPO: "hypo", Volume.NEURO: "neuro"}
KIDNEY = "ckd-4-5"


def salt_tablets(case: Case, order: Order) -> Outcome:
    """OS-SALT: salt tablets in an overloaded patient."""
    rule = "OS-SALT"
    if not is_salt_tablet(order):
        return silent(rule, order, "no-salt-tablet")
    if case.volume.status is not Volume.HYPER:
        return silent(rule, order, "not-overloaded")
    condition = first_evidence(case)
    found = Finding(
        rule=rule,
        indicator="warning",
        facts={"condition": condition},
        do=(Line("reconsider-salt"), Line("daily-weight")),
        why=(Line("judged-overloaded", {"evidence": condition}),),
        drugs=("sodium chloride",),
    )
    return about(order, found)


def is_salt_tablet(order: Order) -> bool:
    """Whether the order is oral sodium chloride."""
    return order.saline is not None and order.saline.kind == "salt-tablet"


def restriction(case: Case, order: Order) -> Outcome:
    """OS-FR: restriction in salt wasting, adrenal failure, depletion, brain injury, or beside a vaptan."""
    rule = "OS-FR"
    if not order.fluid_restriction:
        return silent(rule, order, "no-restriction")
    key = HARMFUL.get(case.volume.status, "")
    vaptan = "" if key else _new_vaptan(case, order)
    if not key and not vaptan:
        complete = case.snapshot.complete("conditions")
        return silent(rule, order, "not-harmful" if complete else PROBLEMS_UNREAD)
    critical = case.volume.status in (Volume.CSW, Volume.ADRENAL)
    why = vaptan or first_evidence(case)
    removal: tuple[Suggestion, ...] = ()
    if case.age_years is not None:
        removal = (Suggestion("remove-restriction", (RemoveDraft(order.reference),)),)
    indicator: Indicator = "critical" if critical else "warning"
    found = Finding(
        rule=rule,
        indicator=indicator,
        variant="vaptan" if vaptan else "main",
        facts={"why": why},
        do=(Line(f"do-{key or 'vaptan'}", keep=True), Line("examine-volume")),
        why=(Line(f"because-{key or 'vaptan'}", {"why": why}),),
        suggestions=removal,
    )
    return about(order, found)


def _new_vaptan(case: Case, order: Order) -> str:
    """A vaptan that is drafted beside the restriction, or was started within its first day (N9)."""
    for other in other_drafts(case, order):
        drafted = vaptan_of(other)
        if drafted:
            return drafted.name
    for exposure in case.exposures.of("vaptan"):
        if exposure.since and case.snapshot.now - exposure.since <= case.limits.vaptan_hours:
            return exposure.drug.name
    return ""


def _low_now(case: Case) -> bool:
    return case.sodium.low and case.sodium.freshness is not Freshness.STALE


def demeclocycline(case: Case, order: Order) -> Outcome:
    """OS-DEMECLO: demeclocycline or lithium for low sodium; demeclocycline in pregnancy."""
    rule = "OS-DEMECLO"
    drug = drug_of(order, "demeclocycline", "lithium")
    if drug is None:
        return silent(rule, order, "no-demeclocycline")
    pregnancy = case.pregnant and drug.cls == "demeclocycline"
    if drug.cls == "lithium" and not for_low_sodium(order):
        return silent(rule, order, "other-reason")
    if not pregnancy and not for_low_sodium(order) and not _low_now(case):
        return silent(rule, order, "other-reason")
    risky = cirrhosis(case) or recorded(case, KIDNEY) or case.dialysis
    found = Finding(
        rule=rule,
        indicator="warning" if pregnancy or risky else "info",
        variant="pregnancy" if pregnancy else "main",
        facts={"drug": drug.name},
        do=(Line("avoid-in-pregnancy"),)
        if pregnancy
        else (Line("kidney-function"), Line("other-treatment")),
        why=(Line("fetal-harm" if pregnancy else "liver-or-kidney" if risky else "onset-slow"),),
        suggestions=() if pregnancy else (sodium_today(),),
        drugs=(drug.name,),
    )
    return about(order, found)
