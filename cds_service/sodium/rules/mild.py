"""Mild low sodium: with symptoms, with one it is too mild to explain, or without (B.1, M2, S4, S8, S18)."""

from __future__ import annotations

from datetime import timedelta

from cds_service.engine.finding import Finding, Line, Outcome, Silence, Suggestion
from cds_service.engine.wording import ago, number
from cds_service.sodium.case import Case
from cds_service.sodium.results import Band
from cds_service.sodium.rules.cramps import (
    cramp_advice,
    cramp_background,
    cramp_lines,
    cramp_suggestions,
)
from cds_service.sodium.rules.doubts import doubt_lines
from cds_service.sodium.rules.drugs import WATCHED, culprit, drug_lines, names
from cds_service.sodium.rules.gates import (
    in_use,
    led,
    limit_line,
    na,
    osmolality_normal,
    too_mild,
    unfit,
)
from cds_service.sodium.rules.monitoring import (
    fall_lines,
    monitor_lines,
    repeat_sodium,
    repeat_suggestions,
    same_day,
)
from cds_service.sodium.rules.plan import (
    plan_advice,
    plan_background,
    plan_lines,
    plan_suggestions,
    restriction_lines,
)
from cds_service.sodium.rules.severity import symptom_lines
from cds_service.sodium.rules.stops import stops
from cds_service.sodium.rules.workup import workup_due, workup_suggestions

NOW = timedelta(0)


def mild_with_symptoms(case: Case) -> Outcome:
    """PV-MILD-SYMP: mild with a symptom, fall or fracture; or a severe symptom it does not explain (M2)."""
    rule = "PV-MILD-SYMP"
    silent = unfit(rule, case) or led(rule, case)
    if silent:
        return silent
    if too_mild(case):
        return _too_mild(rule, case)
    if case.sodium.measured is not Band.MILD:
        return Silence(rule, "not-mild", {"na": na(case)})
    symptom = _symptom(case)
    if not symptom and not case.symptoms.fall_or_fracture:
        return Silence(rule, "no-symptom")
    near_normal = in_use(case) >= case.limits.mild_workup_below
    return Finding(
        rule=rule,
        indicator="info" if near_normal else "warning",
        variant=_symptom_variant(case, symptom, near_normal),
        facts={"na": na(case), "symptom": symptom} if symptom else {"na": na(case)},
        do=(*_same_day_lines(case), *plan_lines(case), *cramp_lines(case), *monitor_lines(case)),
        why=(
            *symptom_lines(case),
            *doubt_lines(case),
            *plan_background(case),
            *drug_lines(case),
            *cramp_background(case),
            limit_line(case),
            *fall_lines(case),
            Line("no-hypertonic"),
            *plan_advice(case),
            *cramp_advice(case),
        ),
        suggestions=_symptom_drafts(case, near_normal),
        drugs=names(case),
    )


def mild(case: Case) -> Outcome:
    """PV-MILD: mild and nothing recorded; silent where it has long been stable (B.5 rule 6, S18)."""
    rule = "PV-MILD"
    silent = unfit(rule, case) or led(rule, case)
    if silent:
        return silent
    if case.sodium.measured is not Band.MILD:
        return Silence(rule, "not-mild", {"na": na(case)})
    if _symptom(case) or case.symptoms.fall_or_fracture:
        return Silence(rule, "symptoms-lead")
    if osmolality_normal(case):
        return Silence(rule, "osmolality-normal")
    if case.pregnant and in_use(case) >= case.limits.pregnancy_mild_below:
        return Silence(rule, "pregnancy", {"na": na(case)})
    if case.sodium.stable_chronic and not _may_be_news(case):
        return Silence(rule, "stable-chronic", {"na": na(case)})
    workup = workup_suggestions(case) if workup_due(case) else ()
    return Finding(
        rule=rule,
        indicator="info",
        variant=_mild_variant(case),
        facts=_mild_facts(case),
        do=(*plan_lines(case), *monitor_lines(case)),
        why=(
            *symptom_lines(case),
            *doubt_lines(case),
            *plan_background(case),
            *drug_lines(case),
            *fall_lines(case),
            *plan_advice(case),
        ),
        suggestions=(*repeat_suggestions(case), *workup, *plan_suggestions(case)),
        drugs=names(case),
    )


def _too_mild(rule: str, case: Case) -> Finding:
    """Severe symptoms at a sodium that does not explain them: look further, no bolus, no restriction (M2)."""
    return Finding(
        rule=rule,
        indicator="warning",
        variant="too-mild",
        facts={"na": na(case), "symptom": f"symptom:{case.symptoms.severe[0]}"},
        do=(Line("look-further", keep=True), *_no_offer(case), *monitor_lines(case)),
        why=(*symptom_lines(case), *doubt_lines(case), *plan_background(case), *drug_lines(case)),
        suggestions=(repeat_sodium(NOW, "urgent"),),
        drugs=names(case),
    )


def _no_offer(case: Case) -> tuple[Line, ...]:
    return () if case.restriction.verdict == "offer" else restriction_lines(case)


def _symptom(case: Case) -> str:
    """The leading symptom; cramps lead where they are recorded, for the card answers them."""
    if case.symptoms.cramp and not case.symptoms.severe:
        return "symptom:cramp"
    found = (*case.symptoms.severe, *case.symptoms.moderate, *case.symptoms.mild)
    return f"symptom:{found[0]}" if found else ""


def _same_day_lines(case: Case) -> tuple[Line, ...]:
    return (Line("same-day", keep=True),) if same_day(case) else ()


def _symptom_drafts(case: Case, near_normal: bool) -> tuple[Suggestion, ...]:
    """Near normal: no restriction, and tests only where the low value is no chance finding (S4)."""
    repeat = (repeat_sodium(NOW, "urgent"),) if same_day(case) else repeat_suggestions(case)
    tests = workup_suggestions(case) if not near_normal or workup_due(case) else ()
    plan = stops(case).suggestions if near_normal else plan_suggestions(case)
    return (*repeat, *tests, *plan, *cramp_suggestions(case))


def _symptom_variant(case: Case, symptom: str, near_normal: bool) -> str:
    """The headline names what to do where the plan is plain."""
    if not symptom:
        return "fall"
    if case.restriction.verdict == "offer" and not near_normal:
        return "restrict"
    return "never" if case.restriction.verdict == "never" else "main"


def _may_be_news(case: Case) -> bool:
    """Whether a watched drug was started within the days that make it news, or nobody could look."""
    if not case.snapshot.complete("medications", "conditions"):
        return True
    window = case.limits.new_drug_days
    return any(
        e.drug.tier in WATCHED and e.since is not None and case.snapshot.now - e.since <= window
        for e in case.exposures.active
    )


def _mild_variant(case: Case) -> str:
    if case.restriction.verdict == "never":
        return "never"
    parts = ("falling" if case.sodium.falling else "", "drug" if culprit(case) else "")
    return "-".join(p for p in parts if p) or "main"


def _mild_facts(case: Case) -> dict[str, str]:
    facts = {"na": na(case)}
    if case.restriction.verdict == "never":
        return facts
    fall = case.sodium.falling
    if fall:
        facts |= {"fall": number(fall.amount), "over": ago(fall.over)}
    drug = culprit(case)
    return facts | {"drug": drug} if drug else facts
