"""Hypertonic saline or a vaptan: is the sodium fresh, is it true, and does it rise fast already?"""

from __future__ import annotations

from cds_service.engine.finding import Finding, Line, Outcome, Silence
from cds_service.engine.wording import ago, in_hours, number
from cds_service.sodium.case import Case
from cds_service.sodium.glucose import GlucoseShift, Pseudo
from cds_service.sodium.results import Band
from cds_service.sodium.rules.order_helpers import (
    about,
    beside,
    emergency_line,
    for_polycystic_kidney,
    is_concentrate,
    keep_and_check,
    latest_within,
    raises_by_saline,
    raising_name,
    remove,
    saline_beside,
    saline_name,
    silent,
    sodium_at_once,
    sodium_unread,
)
from cds_service.sodium.snapshot import Order


def no_fresh_sodium(case: Case, order: Order) -> Outcome:
    """OS-HTS-OLD: no sodium young enough for this order, or none could be read (M4, M16)."""
    rule = "OS-HTS-OLD"
    drug = raising_name(order)
    if not drug:
        return silent(rule, order, "not-raising")
    if for_polycystic_kidney(case, order):
        return silent(rule, order, "polycystic")
    saline = raises_by_saline(order)
    limit = case.limits.hypertonic_sodium_hours if saline else case.limits.vaptan_sodium_hours
    if latest_within(case, limit):
        return silent(rule, order, "fresh", hours=in_hours(limit))
    unread = sodium_unread(case)
    facts = {"drug": drug} if unread else {"drug": drug, "hours": in_hours(limit)}
    found = Finding(
        rule=rule,
        indicator="warning",
        variant=_missing_variant(order, unread),
        facts=facts,
        do=(*emergency_line(order), Line("send-now")),
        why=_what_is_known(case, unread),
        suggestions=(sodium_at_once(order),),
        drugs=(drug,),
    )
    return about(order, found)


def _missing_variant(order: Order, unread: bool) -> str:
    """A bolus is spoken of only where the order can be one: never for a vaptan or a concentrate."""
    bolus = raises_by_saline(order) and not is_concentrate(order)
    return ("bolus" if bolus else "other") + ("-unread" if unread else "")


def _what_is_known(case: Case, unread: bool) -> tuple[Line, ...]:
    latest = case.sodium.latest
    if unread:
        return (Line("unread-is-not-absent"),)
    if latest is None:
        return (Line("none-on-record"),)
    return (Line("last-known", {"na": latest.shown, "age": ago(case.sodium.age)}),)


def explained_by_glucose(case: Case, order: Order) -> Outcome:
    """OS-HTS-GLU: glucose explains the low value, so the number is no reason for the order (M5)."""
    rule = "OS-HTS-GLU"
    blocked = _not_for_the_number(rule, case, order)
    if blocked:
        return blocked
    shift, latest = case.glucose, case.sodium.latest
    if (
        latest is None
        or shift is None
        or not shift.explained
        or case.sodium.measured is Band.NORMAL
    ):
        return silent(rule, order, "no-glucose-shift")
    drug = raising_name(order)
    found = Finding(
        rule=rule,
        indicator="warning",
        facts={"drug": drug, "na": latest.shown, "glucose": number(shift.glucose)},
        do=(*emergency_line(order), Line("lower-glucose-first")),
        why=(_corrected_line(shift),),
        suggestions=(keep_and_check(case) if raises_by_saline(order) else sodium_at_once(order),),
        drugs=(drug,),
    )
    return about(order, found)


def may_be_artefact(case: Case, order: Order) -> Outcome:
    """OS-HTS-PSEUDO: the low value may be a laboratory artefact (M6)."""
    rule = "OS-HTS-PSEUDO"
    blocked = _not_for_the_number(rule, case, order)
    if blocked:
        return blocked
    pseudo, latest = case.pseudo, case.sodium.latest
    if latest is None or pseudo is None or pseudo.kind == "hint":
        return silent(rule, order, "no-artefact")
    drug = raising_name(order)
    rescue = raises_by_saline(order) and not is_concentrate(order) and bool(case.symptoms.severe)
    found = Finding(
        rule=rule,
        indicator="warning",
        variant="rescue" if rescue else "main",
        facts={"drug": drug, "na": latest.shown},
        do=(*emergency_line(order), Line("confirm-direct")),
        why=(_artefact_line(pseudo),),
        suggestions=(keep_and_check(case) if raises_by_saline(order) else sodium_at_once(order),),
        drugs=(drug,),
    )
    return about(order, found)


def _not_for_the_number(rule: str, case: Case, order: Order) -> Silence | None:
    """Orders that are not judged by whether the number is true."""
    if not raising_name(order):
        return silent(rule, order, "not-raising")
    if for_polycystic_kidney(case, order):
        return silent(rule, order, "polycystic")
    if raises_by_saline(order) and case.symptoms.icp_indication:
        return silent(rule, order, "intracranial-pressure")
    if latest_within(case, case.limits.raising_case_hours) is None:
        return silent(rule, order, "no-recent-sodium")
    return None


def _corrected_line(shift: GlucoseShift) -> Line:
    """Glucose and the corrected sodium, by both formulas."""
    facts = {
        "glucose": number(shift.glucose),
        "katz": number(shift.katz),
        "hillier": number(shift.hillier),
    }
    return Line("glucose-corrected", facts)


def _artefact_line(pseudo: Pseudo) -> Line:
    key = "artefact-direct" if pseudo.kind == "direct-ise" else "artefact-osmolality"
    return Line(key, {"value": pseudo.shown})


def raised_twice(case: Case, order: Order) -> Outcome:
    """OS-VAP-HTS: a vaptan with hypertonic saline, whichever is selected; only a vaptan may be removed."""
    rule = "OS-VAP-HTS"
    drug = raising_name(order)
    if not drug:
        return silent(rule, order, "not-raising")
    partner = _second(case, order)
    if not partner:
        return silent(rule, order, "no-second-raising-drug")
    saline = raises_by_saline(order)
    severe = saline and bool(case.symptoms.severe)
    rescue = severe and not is_concentrate(order)
    key = "rescue-first" if rescue else "stop-the-vaptan" if saline else "one-of-two"
    removal = (remove(order, drug),) if case.age_years is not None else ()
    found = Finding(
        rule=rule,
        indicator="warning" if severe else "critical",
        variant="rescue" if rescue else "main",
        facts={"drug": drug, "partner": partner},
        do=(*emergency_line(order), Line(key)),
        why=(Line("label-no-combination"), Line("count-potassium")),
        suggestions=(keep_and_check(case),) if saline else removal,
        drugs=(drug, partner),
    )
    return about(order, found)


def _second(case: Case, order: Order) -> str:
    """The other of the two, active or drafted; "" where there is none."""
    if raises_by_saline(order):
        vaptans = beside(case, order, "vaptan")
        return vaptans[0].name if vaptans else ""
    saline = saline_beside(case, order)
    return saline_name(saline) if saline else ""
