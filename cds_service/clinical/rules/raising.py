"""Hypertonic saline or a vaptan: is the sodium fresh, is it true, and does it rise fast already?"""

from __future__ import annotations

from decimal import Decimal

from cds_service.clinical.case import Case
from cds_service.clinical.finding import Finding, Indicator, Line, Outcome, Silence, Suggestion
from cds_service.clinical.glucose import GlucoseShift, Pseudo
from cds_service.clinical.rate import RatePair
from cds_service.clinical.rules.ordered import (
    about,
    beside,
    for_polycystic_kidney,
    keep_and_check,
    latest_within,
    may_remove,
    raises_by_saline,
    raising_name,
    remove,
    saline_beside,
    saline_name,
    silent,
    sodium_now,
    sodium_unread,
    vaptan_of,
)
from cds_service.clinical.rules.plan import risk_lines
from cds_service.clinical.sample import Band
from cds_service.clinical.snapshot import Order
from cds_service.clinical.spans import hours
from cds_service.clinical.wording import ago, number
from cds_service.clinical.wording import hours as in_hours

TREAT_FIRST = Line("treat-first", keep=True)


def emergency_line(order: Order) -> tuple[Line, ...]:
    """The line that opens every card on hypertonic saline (M4): no card may delay a rescue."""
    return (TREAT_FIRST,) if raises_by_saline(order) else ()


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
    if latest_within(case, hours(limit)):
        return silent(rule, order, "fresh", hours=number(limit))
    unread = sodium_unread(case)
    facts = {"drug": drug} if unread else {"drug": drug, "hours": number(limit)}
    found = Finding(
        rule=rule,
        indicator="warning",
        variant=("saline" if saline else "vaptan") + ("-unread" if unread else ""),
        facts=facts,
        do=(*emergency_line(order), Line("send-now")),
        why=_what_is_known(case, unread),
        suggestions=(sodium_now(),),
        drugs=(drug,),
    )
    return about(order, found)


def _what_is_known(case: Case, unread: bool) -> tuple[Line, ...]:
    latest = case.sodium.latest
    if unread:
        return (Line("unread-is-not-absent"),)
    if latest is None:
        return (Line("none-on-record"),)
    return (Line("last-known", {"na": latest.shown, "age": ago(case.sodium.age)}),)


def rising_already(case: Case, order: Order) -> Outcome:
    """OS-HTS-OVER: sodium rose so far already that the order may take it past the limit (M4, B.0.8)."""
    rule = "OS-HTS-OVER"
    drug = raising_name(order)
    if not drug:
        return silent(rule, order, "not-raising")
    pair = _pair_that_counts(case)
    if pair is None:
        return silent(rule, order, "not-rising", rise=number(case.rate.rise_now))
    severe = bool(case.symptoms.severe)
    variant = "severe" if severe else _over_variant(case, pair)
    indicator = _over_indicator(case, pair, severe)
    facts = {"drug": drug, "rise": number(pair.rise)}
    if variant != "severe":
        facts["limit"] = number(_limit(case))
    if variant == "earlier":
        facts["hours"] = in_hours(pair.over)
    found = Finding(
        rule=rule,
        indicator=indicator,
        variant=variant,
        facts=facts,
        do=_over_do(case, order, severe),
        why=_over_why(case, pair),
        suggestions=_over_buttons(case, order, removable=indicator == "critical"),
        drugs=(drug,),
    )
    return about(order, found)


def _limit(case: Case) -> Decimal:
    """The 24-hour limit in force."""
    return case.rate.limit or case.limits.rate_limit_day


def _pair_that_counts(case: Case) -> RatePair | None:
    """The rise to the last sample where it is large, else an earlier one that counts as over-correction."""
    now, limits = case.rate.now, case.limits
    least = limits.raise_warning_risk_from if case.risk.high else limits.raise_warning_from
    if now and now.rise >= least and now.base <= limits.rate_normal_above:
        return now
    if case.rate.rule == "RATE-OVER" and case.rate.worst:
        return case.rate.worst
    return None


def _over_variant(case: Case, pair: RatePair) -> str:
    if pair is not case.rate.now:
        return "earlier"
    if pair.rise > _limit(case):
        return "over"
    if case.risk.high and pair.rise > case.limits.rate_goal:
        return "goal"
    return "near"


def _over_indicator(case: Case, pair: RatePair, severe: bool) -> Indicator:
    """Critical only where the card on the rate is critical too: doubt about a sample lowers both."""
    over = pair.rise > _limit(case) and pair.base < case.limits.rate_danger_base_below
    return "critical" if over and case.rate.level == "critical" and not severe else "warning"


def _over_do(case: Case, order: Order, severe: bool) -> tuple[Line, ...]:
    lines = [*emergency_line(order)]
    lines.append(Line("specialist-now" if severe else "no-further-rise"))
    lines.append(Line("recheck-often"))
    return tuple(lines)


def _over_why(case: Case, pair: RatePair) -> tuple[Line, ...]:
    facts = {"base": number(pair.base), "na": pair.end.shown, "hours": in_hours(pair.over)}
    lines = [Line("rise-measured" if pair.observed else "rise-estimated", facts, keep=True)]
    lines.extend(risk_lines(case))
    lines.append(Line("count-potassium"))
    return tuple(lines)


def _over_buttons(case: Case, order: Order, removable: bool) -> tuple[Suggestion, ...]:
    buttons = [keep_and_check(case)] if raises_by_saline(order) else [sodium_now()]
    if removable and may_remove(case):
        buttons.append(remove(order, raising_name(order)))
    return tuple(buttons)


def explained_by_glucose(case: Case, order: Order) -> Outcome:
    """OS-HTS-GLU: glucose explains the low value, so the number is no reason for the order (M5)."""
    rule = "OS-HTS-GLU"
    blocked = _not_for_the_number(rule, case, order)
    if blocked:
        return blocked
    shift, latest = case.glucose, case.sodium.latest
    if latest is None or shift is None or not shift.explained or case.sodium.measured is Band.NORMAL:
        return silent(rule, order, "no-glucose-shift")
    drug = raising_name(order)
    found = Finding(
        rule=rule,
        indicator="warning",
        facts={"drug": drug, "na": latest.shown, "glucose": number(shift.glucose)},
        do=(*emergency_line(order), Line("lower-glucose-first")),
        why=(_corrected_line(shift),),
        suggestions=(keep_and_check(case),) if raises_by_saline(order) else (sodium_now(),),
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
    found = Finding(
        rule=rule,
        indicator="warning",
        facts={"drug": drug, "na": latest.shown},
        do=(*emergency_line(order), Line("confirm-direct")),
        why=(_artefact_line(pseudo),),
        suggestions=(keep_and_check(case),) if raises_by_saline(order) else (sodium_now(),),
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
    if latest_within(case, hours(case.limits.raising_case_hours)) is None:
        return silent(rule, order, "no-recent-sodium")
    return None


def _corrected_line(shift: GlucoseShift) -> Line:
    """Glucose and the corrected sodium, by both formulas."""
    facts = {"glucose": number(shift.glucose), "katz": number(shift.katz), "hillier": number(shift.hillier)}
    return Line("glucose-corrected", facts)


def _artefact_line(pseudo: Pseudo) -> Line:
    key = "artefact-direct" if pseudo.kind == "direct-ise" else "artefact-osmolality"
    return Line(key, {"value": pseudo.shown})


def raised_twice(case: Case, order: Order) -> Outcome:
    """OS-VAP-HTS: a vaptan together with hypertonic saline, whichever of the two is the selected one."""
    rule = "OS-VAP-HTS"
    if raises_by_saline(order):
        vaptans = beside(case, order, "vaptan")
        partner = vaptans[0].name if vaptans else ""
    elif vaptan_of(order):
        saline = saline_beside(case, order)
        partner = saline_name(saline) if saline else ""
    else:
        return silent(rule, order, "not-raising")
    if not partner:
        return silent(rule, order, "no-second-raising-drug")
    drug = raising_name(order)
    rescue = raises_by_saline(order) and bool(case.symptoms.severe)
    buttons = [keep_and_check(case)] if raises_by_saline(order) else []
    if not rescue and case.age_years is not None and (not raises_by_saline(order) or may_remove(case)):
        buttons.append(remove(order, drug))
    found = Finding(
        rule=rule,
        indicator="warning" if rescue else "critical",
        variant="rescue" if rescue else "main",
        facts={"drug": drug, "partner": partner},
        do=(*emergency_line(order), Line("stop-the-vaptan" if raises_by_saline(order) else "one-of-two")),
        why=(Line("label-no-combination"), Line("count-potassium")),
        suggestions=tuple(buttons),
        drugs=(drug, partner),
    )
    return about(order, found)
