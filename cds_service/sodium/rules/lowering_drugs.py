"""A drug that can lower sodium is selected while sodium is low or falling (OS-LOW, M12, M17, B.5 rule 3)."""

from __future__ import annotations

from datetime import timedelta

from cds_service.engine.finding import Finding, Indicator, Line, Outcome, Silence, Suggestion
from cds_service.engine.wording import ago, number
from cds_service.sodium.case import Case
from cds_service.sodium.results import Freshness, Sample
from cds_service.sodium.rules.follow_up import has_symptom, repeat_sodium
from cds_service.sodium.rules.gates import actionable, direct_reading_normal, recorded
from cds_service.sodium.rules.order_helpers import (
    about,
    beers_lines,
    is_below,
    is_refill,
    may_remove,
    older_than,
    recheck_in_weeks,
    remove,
    result_doubts,
    silent,
    taken,
)
from cds_service.sodium.rules.plan import GENTLY
from cds_service.sodium.snapshot import Order
from cds_service.sodium.volume import Volume
from cds_service.terminology.match import DrugMatch

RULE = "OS-LOW"
GROUPS = ("A", "B", "C")
ANTIEPILEPTICS = ("iminostilbene", "valproate")
BUPROPION = "bupropion"
ANTIDEPRESSANTS = ("ssri", "snri", "tca", "antidepressant-other")
STOPP = ("ssri", "thiazide")  # D4, B8
LOWER: dict[Indicator, Indicator] = {"critical": "warning", "warning": "info", "info": "info"}


def lowering(case: Case, order: Order) -> Outcome:
    """OS-LOW: how loud the card is depends on the group of the drug, the sodium, and the patient (M12)."""
    drug = culprit(case, order)
    if drug is None:
        return silent(RULE, order, "no-lowering-drug")
    latest = _sodium_that_counts(case, order, drug)
    if isinstance(latest, Silence):
        return latest
    aging = not actionable(case)
    level = _indicator(case, order, drug, latest)
    found = Finding(
        rule=RULE,
        indicator=LOWER[level] if aging else level,
        variant=_variant(case, order, drug, aging),
        facts=_facts(case, drug, latest, aging),
        do=_do(case, order, drug, aging),
        why=_why(case, order, drug, latest),
        suggestions=_buttons(case, order, drug, level),
        drugs=(drug.name,),
    )
    return about(order, found)


def group_of(case: Case, order: Order, drug: DrugMatch) -> str:
    """The alert group: what is given in an emergency, or against seizures, is never held up (M12)."""
    parenteral = order.route == "iv"
    if drug.cls in ANTIEPILEPTICS and (parenteral or case.symptoms.seizure_recent):
        return "C"
    return "C" if drug.cls == "antipsychotic" and parenteral else drug.group


def culprit(case: Case, order: Order) -> DrugMatch | None:
    """The ingredient that the card names: the strongest group, then the strongest link."""
    if order.kind != "medication" or order.route == "local":
        return None
    found = [d for d in order.drugs if group_of(case, order, d) in GROUPS]
    return min(found, key=lambda d: (group_of(case, order, d), d.tier), default=None)


def step_down(case: Case, level: Indicator) -> Indicator:
    """One step lower while the latest sodium is too old to act on (M17)."""
    aging = case.sodium.freshness is Freshness.AGING and not actionable(case)
    return LOWER[level] if aging else level


def _sodium_that_counts(case: Case, order: Order, drug: DrugMatch) -> Sample | Silence:
    """The low or falling sodium that the drug may make worse."""
    latest, falling = case.sodium.latest, case.sodium.falling is not None
    if latest is None:
        return silent(RULE, order, "no-sodium")
    if case.sodium.freshness is Freshness.STALE and not actionable(case):
        return silent(RULE, order, "too-old", na=latest.shown, age=ago(case.sodium.age))
    if case.glucose and case.glucose.explained:
        return silent(RULE, order, "glucose-explains", na=latest.shown)
    if direct_reading_normal(case):
        return silent(RULE, order, "methods-contradict", na=latest.shown)
    if not case.sodium.low and not falling:
        return silent(RULE, order, "not-low", na=latest.shown)
    if drug.cls == "loop" and _loop_treats(case):
        return silent(RULE, order, "loop-treats")
    if is_refill(case, order, drug) and not (
        falling or is_below(latest, case.limits.refill_sodium_below)
    ):
        return silent(RULE, order, "refill", drug=drug.name)
    return latest


def _loop_treats(case: Case) -> bool:
    """Overload, SIADH and pulmonary edema: there a loop diuretic is part of the treatment."""
    return case.volume.status in (Volume.HYPER, Volume.EUV) or recorded(case, "acute-heart-failure")


def _indicator(case: Case, order: Order, drug: DrugMatch, latest: Sample) -> Indicator:
    limits, group = case.limits, group_of(case, order, drug)
    if group == "C":
        return "info"
    if group == "B":
        return "warning" if is_below(latest, limits.lowering_b_warning_below) else "info"
    if is_below(latest, limits.lowering_critical_below):
        return "critical"
    if is_below(latest, limits.lowering_warning_below):
        return "warning"
    return "warning" if case.sodium.low and _at_risk(case, drug) else "info"


def _at_risk(case: Case, drug: DrugMatch) -> bool:
    """What makes a mildly low sodium count with a strong drug."""
    old = older_than(case, case.limits.lowering_age_years)
    return (
        old
        or has_symptom(case)
        or case.sodium.falling is not None
        or bool(_other_strong(case, drug))
    )


def _other_strong(case: Case, drug: DrugMatch) -> tuple[str, ...]:
    active = (e.drug for e in case.exposures.active)
    return tuple(d.name for d in active if d.tier == "T1" and d.name != drug.name)


def _variant(case: Case, order: Order, drug: DrugMatch, aging: bool) -> str:
    if aging:
        return "aging"
    if group_of(case, order, drug) == "C" and not (
        drug.name == BUPROPION and _bupropion_harms(case)
    ):
        return "check"
    return "falling" if case.sodium.falling else "main"


def _facts(case: Case, drug: DrugMatch, latest: Sample, aging: bool) -> dict[str, str]:
    facts = {"drug": drug.name, "na": latest.shown}
    return {**facts, "age": ago(case.sodium.age)} if aging else facts


def _do(case: Case, order: Order, drug: DrugMatch, aging: bool) -> tuple[Line, ...]:
    lines = [Line("repeat-first", keep=True)] if aging else []
    if drug.name == BUPROPION and _bupropion_harms(case):
        return (*lines, Line("bupropion-seizures", keep=True))
    if group_of(case, order, drug) == "C":
        return (*lines, Line("check-not-delay", keep=True))
    if taken(case, drug) and drug.cls in GENTLY:
        lines.append(Line("not-abruptly", {"drug": drug.name}, keep=True))
    else:
        lines.append(Line(_alternative(case), {"drug": drug.name}))
    if drug.cls in ANTIDEPRESSANTS:
        lines.append(Line("no-bupropion" if _bupropion_harms(case) else "antidepressant-options"))
    lines.append(Line("watch-for"))
    return tuple(lines)


def _alternative(case: Case) -> str:
    """Below the limit one does not wait a week for the next sodium."""
    latest = case.sodium.latest
    clearly_low = latest is not None and is_below(latest, case.limits.lowering_warning_below)
    return "another-drug-or-wait" if clearly_low else "another-drug"


def _bupropion_harms(case: Case) -> bool:
    return case.symptoms.seizure or recorded(case, "eating-disorder", "withdrawal")


def _why(case: Case, order: Order, drug: DrugMatch, latest: Sample) -> tuple[Line, ...]:
    lines = []
    if case.sodium.falling:
        fall = case.sodium.falling
        lines.append(Line("sodium-falls", {"amount": number(fall.amount), "over": ago(fall.over)}))
    others = _other_strong(case, drug)
    if others:
        lines.append(Line("other-lowering", {"drugs": ", ".join(others)}))
    if order.partners:
        lines.append(Line("contains", {"drug": drug.name, "partners": ", ".join(order.partners)}))
    lines.extend(result_doubts(case))
    older = older_than(case, case.limits.lowering_age_years)
    if older and drug.cls in STOPP and is_below(latest, case.limits.lowering_warning_below):
        return (*lines, Line(f"stopp-{drug.cls}"))
    return (*lines, *beers_lines(case, drug))


def _buttons(case: Case, order: Order, drug: DrugMatch, level: Indicator) -> tuple[Suggestion, ...]:
    """A removal only in group A, for a new start, and never with a seizure code (M12)."""
    now = repeat_sodium(timedelta(0), "urgent")
    if not actionable(case):
        return (now,)
    removable = group_of(case, order, drug) == "A" and level != "info" and taken(case, drug) is None
    buttons = []
    if removable and may_remove(case) and not case.symptoms.seizure:
        buttons.append(remove(order, drug.name))
    if case.sodium.latest and is_below(case.sodium.latest, case.limits.lowering_warning_below):
        buttons.append(now)
    return (*buttons, recheck_in_weeks(case))
