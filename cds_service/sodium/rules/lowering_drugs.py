"""A drug that can lower sodium is selected: sodium is low, a second drug, or no baseline."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from cds_service.engine.finding import Finding, Indicator, Line, Suggestion
from cds_service.engine.rule import card, line, require, skip
from cds_service.engine.wording import ago
from cds_service.knowledge.names import DrugClass, DrugName, Problem
from cds_service.sodium.blind_spots import MEDICINES_UNREAD
from cds_service.sodium.case import Case
from cds_service.sodium.correction_rate import ONE_LOWER
from cds_service.sodium.results import Freshness, Sample
from cds_service.sodium.rules.book import order_rule
from cds_service.sodium.rules.follow_up import has_symptom, repeat_sodium
from cds_service.sodium.rules.gates import (
    actionable,
    inpatient,
    latest_sodium,
    recorded,
    require_low,
    require_methods_agree,
    require_not_stale,
    require_unexplained_by_glucose,
)
from cds_service.sodium.rules.order_helpers import (
    baseline,
    beers_lines,
    beside,
    drug_of,
    is_below,
    is_refill,
    is_systemic,
    may_remove,
    older_than,
    recheck_in_weeks,
    remove,
    result_doubts,
    saline_beside,
    sodium_unread,
    taken,
    watched_drugs_of,
)
from cds_service.sodium.snapshot import Order
from cds_service.sodium.volume import Volume
from cds_service.terminology.types import DrugMatch


def aging_sodium(case: Case) -> bool:
    """Tells whether the latest sodium is too old to act on, but not too old to speak of (M17)."""
    return case.sodium.freshness is Freshness.AGING


def lower_if_aging(case: Case, indicator: Indicator) -> Indicator:
    """Returns the indicator one step lower while the latest sodium is too old to act on (M17)."""
    return ONE_LOWER[indicator] if aging_sodium(case) else indicator


# Sodium is low or falling (OS-LOW, M12, B.5 rule 3)


def lowering_drugs_of(order: Order) -> tuple[DrugMatch, ...]:
    """Returns the drugs of the order that belong to an alert group (M12)."""
    return tuple(drug for drug in order.drugs if drug.group) if is_systemic(order) else ()


@order_rule("OS-LOW", lowering_drugs_of, otherwise="no-lowering-drug")
def lowering(case: Case, order: Order, drugs: tuple[DrugMatch, ...]) -> Finding:
    """Speaks if sodium is low or falling; how loud depends on drug, sodium and patient (M12)."""
    drug = min(drugs, key=lambda d: (alert_group(case, order, d), d.tier))
    latest = _sodium_it_may_lower(case, order, drug)
    group = alert_group(case, order, drug)
    indicator = _indicator(case, group, drug, latest)
    return card(
        lower_if_aging(case, indicator),
        _variant(case, group, drug),
        drug=drug.name,
        na=latest.shown,
        more_facts={"age": ago(case.sodium.age)} if aging_sodium(case) else {},
        do=_what_to_do(case, group, drug, latest),
        why=_why(case, order, drug, latest),
        offer=_buttons(case, order, drug, removable=group == "A" and indicator != "info"),
    )


def alert_group(case: Case, order: Order, drug: DrugMatch) -> str:
    """Returns the alert group: what is given in an emergency is never held up (M12)."""
    into_a_vein = order.route == "iv"
    if drug.cls in case.sets.antiepileptics and (into_a_vein or case.symptoms.seizure_recent):
        return "C"
    if drug.cls == DrugClass.ANTIPSYCHOTIC and into_a_vein:
        return "C"
    return drug.group


def _sodium_it_may_lower(case: Case, order: Order, drug: DrugMatch) -> Sample:
    """Returns the low or falling sodium that the drug may make worse."""
    latest = latest_sodium(case)
    require_not_stale(case)
    require_unexplained_by_glucose(case)
    require_methods_agree(case)
    if not case.sodium.falling:
        require_low(case)
    require(not (drug.cls == DrugClass.LOOP and _loop_diuretic_treats(case)), "loop-treats")
    if not case.sodium.falling and not is_below(latest, case.limits.refill_sodium_below):
        require(not is_refill(case, order, drug), "refill", drug=drug.name)
    return latest


def _loop_diuretic_treats(case: Case) -> bool:
    """Tells whether a loop diuretic is a treatment: overload, SIADH, pulmonary edema."""
    treated = case.volume.status in (Volume.HYPER, Volume.EUV)
    return treated or recorded(case, Problem.ACUTE_HEART_FAILURE)


def _indicator(case: Case, group: str, drug: DrugMatch, latest: Sample) -> Indicator:
    limits = case.limits
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
    """Tells whether a mildly low sodium counts with a strong drug."""
    if older_than(case, case.limits.lowering_age_years) or has_symptom(case):
        return True
    return case.sodium.falling is not None or bool(_other_strong_drugs(case, drug))


def _other_strong_drugs(case: Case, drug: DrugMatch) -> list[str]:
    others = [exposure.drug for exposure in case.exposures.active if exposure.drug.tier == "T1"]
    return [other.name for other in others if other.name != drug.name]


def _variant(case: Case, group: str, drug: DrugMatch) -> str:
    if aging_sodium(case):
        return "aging"
    if group == "C" and not _seizures_by_bupropion(case, drug):
        return "check"
    return "falling" if case.sodium.falling else "main"


def _what_to_do(case: Case, group: str, drug: DrugMatch, latest: Sample) -> list[Line]:
    lines = [line("repeat-first", keep=True)] if aging_sodium(case) else []
    if _seizures_by_bupropion(case, drug):
        return [*lines, line("bupropion-seizures", keep=True)]
    if group == "C":
        return [*lines, line("check-not-delay", keep=True)]
    if taken(case, drug) and drug.cls in case.sets.never_abruptly:
        lines.append(line("not-abruptly", keep=True, drug=drug.name))
    elif is_below(latest, case.limits.lowering_warning_below):
        lines.append(line("another-drug-or-wait", drug=drug.name))
    else:  # only then one may wait a week for the next sodium
        lines.append(line("another-drug", drug=drug.name))
    if drug.cls in case.sets.antidepressants:
        harmful = _bupropion_harms(case)
        lines.append(line("no-bupropion" if harmful else "antidepressant-options"))
    return [*lines, line("watch-for")]


def _bupropion_harms(case: Case) -> bool:
    return case.symptoms.seizure or recorded(case, *case.sets.seizures_by_bupropion.members)


def _seizures_by_bupropion(case: Case, drug: DrugMatch) -> bool:
    return drug.name == DrugName.BUPROPION and _bupropion_harms(case)


def _why(case: Case, order: Order, drug: DrugMatch, latest: Sample) -> list[Line]:
    lines = []
    fall, others = case.sodium.falling, _other_strong_drugs(case, drug)
    if fall:
        lines.append(line("sodium-falls", amount=fall.amount, over=ago(fall.over)))
    if others:
        lines.append(line("other-lowering", drugs=", ".join(others)))
    if order.partners:
        lines.append(line("contains", drug=drug.name, partners=", ".join(order.partners)))
    lines.extend(result_doubts(case))
    older = older_than(case, case.limits.lowering_age_years)
    if (
        drug.cls in case.sets.stopp
        and older
        and is_below(latest, case.limits.lowering_warning_below)
    ):
        return [*lines, line(f"stopp-{drug.cls}")]
    return [*lines, *beers_lines(case, drug)]


def _buttons(case: Case, order: Order, drug: DrugMatch, *, removable: bool) -> list[Suggestion]:
    """Returns a removal only for a new start, and never with a seizure code (M12)."""
    now, buttons = repeat_sodium(timedelta(0), "urgent"), []
    if not actionable(case):
        return [now]
    if removable and not taken(case, drug) and may_remove(case) and not case.symptoms.seizure:
        buttons.append(remove(order, drug.name))
    if is_below(latest_sodium(case), case.limits.lowering_warning_below):
        buttons.append(now)
    return [*buttons, recheck_in_weeks(case)]


# Desmopressin while sodium is low: contraindicated, but a treatment in some (OS-DDAVP, M13)


def desmopressin_of(order: Order) -> DrugMatch | None:
    """Returns the desmopressin of the order."""
    return drug_of(order, DrugClass.DESMOPRESSIN)


@order_rule("OS-DDAVP", desmopressin_of, otherwise="no-desmopressin")
def desmopressin(case: Case, order: Order, drug: DrugMatch) -> Finding:
    """Speaks if sodium is low; as info in replacement therapy and in single doses for bleeding."""
    latest = latest_sodium(case)
    require_not_stale(case)
    require_unexplained_by_glucose(case)
    require_low(case)
    require_methods_agree(case)
    require(not _brakes_a_rise(case, order), "clamp")
    purpose = _purpose(case, order)
    indicator: Indicator = "info"
    if not purpose:
        profound = is_below(latest, case.limits.desmopressin_critical_below)
        indicator = lower_if_aging(case, "critical" if profound else "warning")
    do = [line("repeat-first", keep=True)] if aging_sodium(case) else []
    partners = beside(case, order, *case.sets.forbidden_with_desmopressin.members)
    names = ", ".join(partner.name for partner in partners)
    forbidden = [line("label-partners", drugs=names)] if partners else []
    return card(
        indicator,
        purpose or "main",
        drug=drug.name,
        na=latest.shown,
        do=[*do, *_desmopressin_advice(purpose)],
        why=["label-low-sodium", *forbidden, *result_doubts(case)],
        offer=_desmopressin_buttons(case, order, drug, purpose),
    )


def _brakes_a_rise(case: Case, order: Order) -> bool:
    """Tells whether desmopressin slows a rise of sodium, or goes along with hypertonic saline."""
    if case.rate.rise_now >= case.limits.clamp_rise_from or case.rate.level is not None:
        return True
    return saline_beside(case, order, case.limits.clamp_saline_hours) is not None


def _purpose(case: Case, order: Order) -> str:
    """Returns "replacement", "bleeding" (a single dose), or "" for nocturia and others."""
    insipidus = Problem.DIABETES_INSIPIDUS
    if insipidus in order.reasons or recorded(case, insipidus):
        return "replacement"
    bleeding = Problem.BLEEDING_DISORDER in order.reasons or recorded(
        case, Problem.BLEEDING_DISORDER
    )
    return "bleeding" if bleeding and order.single_dose else ""


def _desmopressin_advice(purpose: str) -> list[Line]:
    if purpose == "replacement":
        return [line("replacement-never-stop", keep=True), line("check-sodium-dose")]
    if purpose == "bleeding":
        return [line("bleeding-limit-fluid", keep=True), line("check-sodium-dose")]
    return [
        line("contraindicated", keep=True),
        line("replacement-keep", keep=True),
        line("schedule"),
    ]


def _desmopressin_buttons(
    case: Case, order: Order, drug: DrugMatch, purpose: str
) -> list[Suggestion]:
    """Returns a removal only for a new start, never in replacement, bleeding, neurosurgery."""
    now = repeat_sodium(timedelta(0), "urgent")
    if purpose or not actionable(case):
        return [now]
    neurosurgery = case.symptoms.neuro_code or order.route == "iv"
    keep = neurosurgery or recorded(case, Problem.BLEEDING_DISORDER) or taken(case, drug)
    removal = [] if keep or not may_remove(case) else [remove(order, drug.name)]
    return [*removal, now, recheck_in_weeks(case)]


# A strong drug is started beside another one, or without a baseline (OS-COMBO, OS-BASE)


@order_rule("OS-COMBO", watched_drugs_of, otherwise="no-strong-drug")
def combination(case: Case, order: Order, drugs: tuple[DrugMatch, ...]) -> Finding:
    """Speaks if a strong drug of another kind is active or drafted beside the order (S17)."""
    kinds = _strong_kinds(case)
    drug = _strong_drug(case, drugs)
    require(not sodium_unread(case), "sodium-unread")
    others = beside(case, order, *kinds)
    partners = [other for other in others if kinds[other.cls] != kinds[drug.cls]]
    if not partners:
        medicines_read = case.snapshot.complete("medications")
        skip("no-partner" if medicines_read else MEDICINES_UNREAD, drug=drug.name)
    if is_refill(case, order, drug):
        require(_low_or_falling(case), "refill", drug=drug.name)
    older = older_than(case, case.limits.lowering_age_years)
    offer = [] if case.sodium.latest and actionable(case) else [baseline()]
    return card(
        lower_if_aging(case, "warning" if older or _little_room(case) else "info"),
        "low" if case.sodium.low else "main",
        drugs=[drug.name, partners[0].name],
        drug_=drug.name,
        partner=partners[0].name,
        do=["sodium-then-again", "watch-for"],
        why=["weeks-after-second", *beers_lines(case, drug)],
        offer=[*offer, recheck_in_weeks(case)],
    )


def _strong_kinds(case: Case) -> dict[str, str]:
    """Returns what each strong drug class does: two of one kind are no combination."""
    kinds = case.sets.strong_kinds.items()
    return {drug_class: kind for kind, classes in kinds for drug_class in classes.members}


def _strong_drug(case: Case, drugs: Iterable[DrugMatch]) -> DrugMatch:
    """Returns the first drug that lowers sodium often."""
    kinds = _strong_kinds(case)
    return next((drug for drug in drugs if drug.cls in kinds), None) or skip("no-strong-drug")


def _low_or_falling(case: Case) -> bool:
    latest = case.sodium.latest
    low = latest is not None and is_below(latest, case.limits.refill_sodium_below)
    return low or case.sodium.falling is not None


def _little_room(case: Case) -> bool:
    """Tells whether a sodium of the last weeks leaves little room for a fall."""
    latest, limits = case.sodium.latest, case.limits
    if latest is None or case.sodium.age > limits.combination_sodium_days:
        return False
    return latest.value <= limits.combination_warning_to


@order_rule("OS-BASE", watched_drugs_of, otherwise="no-strong-drug")
def no_baseline(case: Case, _order: Order, drugs: tuple[DrugMatch, ...]) -> Finding:
    """Speaks if an older patient starts a strong drug, and no recent sodium is a baseline."""
    limits, latest = case.limits, case.sodium.latest
    drug = _strong_drug(case, drugs)
    require(not sodium_unread(case), "sodium-unread")
    require(older_than(case, limits.lowering_age_years), "younger")
    require(not taken(case, drug), "already-taken")
    window = limits.baseline_inpatient_days if inpatient(case) else limits.baseline_outpatient_days
    if latest and case.sodium.age <= window:
        skip("baseline-known", na=latest.shown)
    return card(
        "info",
        "main" if latest else "none",
        drug=drug.name,
        years=str(case.age_years),
        more_facts={"age": ago(case.sodium.age)} if latest else {},
        do=["baseline-then-again", "watch-for"],
        why=beers_lines(case, drug) or ["label-baseline"],
        offer=[baseline(), recheck_in_weeks(case)],
    )
