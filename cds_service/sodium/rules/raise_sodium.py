"""Hypertonic saline is selected: does the record support it, and what keeps the patient safe (M4)?"""

from __future__ import annotations

from msgspec.structs import replace

from cds_service.engine.finding import Finding, Indicator, Line, Outcome, Silence, Suggestion
from cds_service.engine.wording import ago, number
from cds_service.sodium.case import Case
from cds_service.sodium.results import Band, Sample
from cds_service.sodium.rules.follow_up import workup_suggestions
from cds_service.sodium.rules.order_helpers import (
    about,
    emergency_line,
    is_concentrate,
    keep_and_check,
    latest_within,
    may_remove,
    raises_by_saline,
    remove,
    result_doubts,
    saline_name,
    silent,
)
from cds_service.sodium.rules.plan import restriction_suggestions, risk_lines
from cds_service.sodium.snapshot import Order

_EUROPEAN = "european"
_BRAIN_EDEMA = frozenset({"herniation", "cerebral-edema"})


def severe_symptoms(case: Case, order: Order) -> Outcome:
    """OS-HTS-SEV: severe symptoms are recorded; guardrails, nothing that reads as a stop."""
    rule = "OS-HTS-SEV"
    latest = _low_sodium(rule, case, order)
    if isinstance(latest, Silence):
        return latest
    if not case.symptoms.severe:
        return silent(rule, order, "no-severe-symptom")
    if case.symptoms.icp_indication and not _beyond_brain_edema(case):
        return silent(rule, order, "intracranial-pressure")
    further = () if case.symptoms.attributable else (Line("look-further", {"na": latest.shown}),)
    do = (*_guardrails(case, order), *further)
    found = Finding(
        rule=rule, indicator="info", facts={"limit": _limit(case)}, do=do, why=_watch(case)
    )
    return _card(case, order, found)


def no_severe_symptoms(case: Case, order: Order) -> Outcome:
    """OS-HTS-ASX: moderate or severe band, or an acute fall, no severe symptom recorded; no removal."""
    rule = "OS-HTS-ASX"
    latest = _low_sodium(rule, case, order, severe=False)
    if isinstance(latest, Silence):
        return latest
    acute, severe_band = case.sodium.acute is not None, case.sodium.band is Band.SEVERE
    if case.sodium.band is Band.MILD and not acute:
        return silent(rule, order, "mild-band", na=latest.shown)
    telling = _telling_symptom(case)
    do = list(_guardrails(case, order))
    if case.limits.profile == _EUROPEAN and telling and severe_band:
        do.append(Line("single-bolus"))
    if acute:
        do.append(Line("acute-fall"))
    do.append(Line("number-alone"))
    read = _problems_read(case)
    indicator: Indicator = "warning" if read and not (acute or telling or severe_band) else "info"
    found = Finding(
        rule=rule,
        indicator=indicator,
        variant="main" if read else "unread",
        facts={"na": latest.shown},
        do=tuple(do),
        why=_watch(case),
    )
    return _card(case, order, found)


def mild(case: Case, order: Order) -> Outcome:
    """OS-HTS-MILD: mild band, not acute, no severe symptom recorded (S2-21)."""
    rule = "OS-HTS-MILD"
    latest = _low_sodium(rule, case, order, severe=False)
    if isinstance(latest, Silence):
        return latest
    if case.sodium.band is not Band.MILD or case.sodium.acute is not None:
        return silent(rule, order, "not-mild", na=latest.shown)
    removal = () if _telling_symptom(case) else _removal(case, order)
    finding = Finding(
        rule=rule,
        indicator="warning",
        variant="main" if _problems_read(case) else "unread",
        facts={"na": latest.shown},
        do=(Line("find-the-cause"),),
        why=(*_symptoms(case), *risk_lines(case), *result_doubts(case)),
        suggestions=(*removal, *workup_suggestions(case)[:1], *restriction_suggestions(case)),
    )
    return _card(case, order, finding)


def not_low(case: Case, order: Order) -> Outcome:
    """OS-HTS-NONE: a fresh sodium is not low. Concentrates are left to OS-HTS-CONC: most are additives."""
    rule = "OS-HTS-NONE"
    latest = latest_within(case, case.limits.hypertonic_sodium_hours)
    if not raises_by_saline(order):
        return silent(rule, order, "not-hypertonic")
    if is_concentrate(order):
        return silent(rule, order, "concentrate")
    if case.symptoms.icp_indication:
        return silent(rule, order, "intracranial-pressure")
    if latest is None:
        return silent(rule, order, "no-recent-sodium")
    if case.sodium.measured is not Band.NORMAL:
        return silent(rule, order, "low", na=latest.shown)
    neurological = case.symptoms.neuro_code or case.symptoms.severe
    finding = Finding(
        rule=rule,
        indicator="warning",
        facts={"na": latest.shown, "age": ago(case.sodium.age)},
        do=(Line("pressure-keep", keep=True), Line("confirm-indication")),
        why=_symptoms(case),
        suggestions=() if neurological else _removal(case, order),
    )
    return _card(case, order, finding)


def concentrate(case: Case, order: Order) -> Outcome:
    """OS-HTS-CONC: a concentrate that is the only ingredient: dose, dilution and route are the danger."""
    rule = "OS-HTS-CONC"
    if not is_concentrate(order):
        return silent(rule, order, "not-concentrate")
    if order.ingredient_count > 1:
        return silent(rule, order, "additive")
    do = (Line("dilute", keep=True), Line("no-bolus-volume", keep=True))
    return _card(case, order, Finding(rule=rule, indicator="warning", do=do, why=risk_lines(case)))


def _low_sodium(rule: str, case: Case, order: Order, *, severe: bool = True) -> Sample | Silence:
    """The low sodium to judge the order by; without `severe` only where nothing else asks for the order."""
    if not raises_by_saline(order):
        return silent(rule, order, "not-hypertonic")
    if is_concentrate(order):
        return silent(rule, order, "concentrate")
    latest = latest_within(case, case.limits.raising_case_hours)
    if latest is None:
        return silent(rule, order, "no-recent-sodium")
    if not case.sodium.low:
        return silent(rule, order, "not-low", na=latest.shown)
    if not severe and case.symptoms.severe:
        return silent(rule, order, "severe-symptom")
    if not severe and case.symptoms.icp_indication:
        return silent(rule, order, "intracranial-pressure")
    return latest


def _removal(case: Case, order: Order) -> tuple[Suggestion, ...]:
    return (remove(order, saline_name(order)),) if may_remove(case) else ()


def _beyond_brain_edema(case: Case) -> bool:
    """Moderate or severe band with a severe symptom that is not the raised pressure itself (OS-HTS-ICP)."""
    other = [s for s in case.symptoms.severe if s not in _BRAIN_EDEMA]
    return bool(other) and case.sodium.band in (Band.MODERATE, Band.SEVERE)


def _problems_read(case: Case) -> bool:
    """Whether a symptom that was not found may be called not recorded."""
    return case.snapshot.complete("conditions")


def _telling_symptom(case: Case) -> bool:
    return bool(case.symptoms.moderate) or case.symptoms.gcs_impaired


def _limit(case: Case) -> str:
    return number(case.rate.limit or case.limits.rate_limit_day)


def _guardrails(case: Case, order: Order) -> tuple[Line, ...]:
    """How to give it and when to stop, by the profile in use (A.3)."""
    other = order.saline is None or order.saline.percent != case.limits.bolus_percent
    strength = (Line("other-strength", {"drug": saline_name(order)}, keep=True),) if other else ()
    return (
        Line(f"bolus-{case.limits.profile}", keep=True),
        *strength,
        Line(
            "stop-when", {"limit": _limit(case), "goal": number(case.limits.rate_goal)}, keep=True
        ),
        Line("sodium-after-each"),
    )


def _card(case: Case, order: Order, finding: Finding) -> Finding:
    """What all cards on hypertonic saline share: name, opening line, first button (M4)."""
    drug = saline_name(order)
    shared = replace(
        finding,
        facts={"drug": drug, **finding.facts},
        do=(*emergency_line(order), *finding.do),
        suggestions=(keep_and_check(case), *finding.suggestions),
        drugs=(drug,),
    )
    return about(order, shared)


def _symptoms(case: Case) -> tuple[Line, ...]:
    found = (*case.symptoms.severe, *case.symptoms.moderate)
    if found:
        return (Line("symptoms-recorded", {"symptoms": "|".join(f"symptom:{s}" for s in found)}),)
    return (Line("symptoms-none"),) if _problems_read(case) else ()


def _watch(case: Case) -> tuple[Line, ...]:
    """What goes with giving it: symptoms, risk, doubts about the sodium, what else raises it."""
    sources = (Line("count-potassium"), Line("formula-underestimates"))
    return (*_symptoms(case), *risk_lines(case), *result_doubts(case), *sources)
