"""Is the low sodium dangerous now? Emergency, acute fall, severe and moderate band (B.1, M2, M3, S5)."""

from __future__ import annotations

from datetime import (
    timedelta,
)
from decimal import (
    Decimal,
)

from cds_service.engine.finding import (
    Finding,
    Line,
    Outcome,
    Silence,
    Suggestion,
)
from cds_service.engine.wording import (
    ago,
    in_hours,
    number,
)
from cds_service.sodium.case import (
    Case,
)
from cds_service.sodium.correction_rate import (
    RatePair,
)
from cds_service.sodium.results import (
    Band,
)
from cds_service.sodium.rules.background import (
    doubt_lines,
)
from cds_service.sodium.rules.follow_up import (
    emergency_workup,
    fall_lines,
    monitor_lines,
    repeat_sodium,
    repeat_suggestions,
    same_day,
    workup_due,
    workup_suggestions,
)
from cds_service.sodium.rules.gates import (
    at,
    below_plausible,
    emergency,
    in_use,
    inpatient,
    led,
    limit_line,
    na,
    osmolality_normal,
    rising_too_fast,
    too_mild,
    unfit,
)
from cds_service.sodium.rules.plan import (
    WATCHED,
    cramp_advice,
    cramp_background,
    cramp_lines,
    cramp_suggestions,
    culprit,
    drug_lines,
    names,
    plan_advice,
    plan_background,
    plan_lines,
    plan_suggestions,
    restriction_lines,
    review_lines,
    stops,
)

NOW = timedelta(0)


def sodium_emergency(case: Case) -> Outcome:
    """PV-SYMP: severe symptoms that the low sodium explains, or brain edema with any low sodium (M2)."""
    rule = "PV-SYMP"
    silent = unfit(rule, case)
    if silent:
        return silent
    if not emergency(case):
        return Silence(
            rule, "severe-not-attributable" if case.symptoms.severe else "no-severe-symptom"
        )
    edema = case.symptoms.brain_edema
    critical = not edema or in_use(case) < case.limits.brain_edema_critical_below
    return Finding(
        rule=rule,
        indicator="critical" if critical else "warning",
        variant="brain-edema" if edema else "main",
        facts={"na": na(case)} if edema else {"na": na(case), "symptom": _first_symptom(case)},
        do=(*_emergency_lines(case), *_withheld_restriction(case), Line("cause-later")),
        why=(
            *symptom_lines(case),
            limit_line(case),
            *acute_lines(case),
            *doubt_lines(case),
            *plan_background(case),
            *drug_lines(case),
        ),
        suggestions=(repeat_sodium(NOW, "stat"), *emergency_workup(case)),
        drugs=names(case),
    )


def acute_fall(case: Case) -> Outcome:
    """PV-ACUTE: sodium fell far within two days; the brain has not adapted (M3)."""
    rule = "PV-ACUTE"
    silent = unfit(rule, case)
    if silent:
        return silent
    if below_plausible(case):
        return Silence(rule, "implausible-leads", {"na": na(case)})
    fall = case.sodium.acute
    if fall is None:
        return Silence(rule, "no-acute-fall")
    critical = in_use(case) < case.limits.acute_critical_below
    return Finding(
        rule=rule,
        indicator="critical" if critical else "warning",
        facts={"fall": number(fall.amount), "hours": in_hours(fall.over), "na": na(case)},
        do=(
            Line("acute-danger", keep=True),
            Line(f"bolus-{case.limits.profile}", keep=True),
            Line("acute-stop"),
            Line("monitor-acute"),
            *_withheld_restriction(case),
            *review_lines(case),
        ),
        why=(
            *symptom_lines(case),
            limit_line(case),
            *doubt_lines(case),
            *plan_background(case),
            *drug_lines(case),
        ),
        suggestions=(repeat_sodium(NOW, "stat"), *emergency_workup(case)),
        drugs=names(case),
    )


def severe(case: Case) -> Outcome:
    """PV-SEV: the severe band without severe symptoms; a warning while it rises as planned (S5)."""
    rule = "PV-SEV"
    silent = unfit(rule, case) or led(rule, case)
    if silent:
        return silent
    if case.sodium.measured is not Band.SEVERE:
        return Silence(rule, "not-severe", {"na": na(case)})
    if too_mild(case):
        return Silence(rule, "severe-not-attributable")
    pair = rising(case)
    facts = {"na": na(case), "age": ago(case.sodium.age)}
    if pair:
        facts = {
            "na": na(case),
            "rise": number(pair.rise),
            "hours": in_hours(pair.over),
            "time": _next_due(case),
        }
    return Finding(
        rule=rule,
        indicator="warning" if pair else "critical",
        variant=f"{'rising' if pair else 'main'}-{case.limits.profile}",
        facts=facts,
        do=(
            Line("check-symptoms", keep=True),
            *((Line("severe-advice"),) if inpatient(case) else ()),
            *monitor_lines(case),
            *plan_lines(case),
            *cramp_lines(case),
        ),
        why=_band_background(case),
        suggestions=(
            *_severe_repeat(case, pair),
            *workup_suggestions(case, "urgent"),
            *_plan_drafts(case),
        ),
        drugs=names(case),
    )


def moderate(case: Case) -> Outcome:
    """PV-MOD: the moderate band without emergency, acute fall, or normal osmolality (M6 a)."""
    rule = "PV-MOD"
    silent = unfit(rule, case) or led(rule, case)
    if silent:
        return silent
    if case.sodium.measured is not Band.MODERATE:
        return Silence(rule, "not-moderate", {"na": na(case)})
    if too_mild(case):
        return Silence(rule, "severe-not-attributable")
    if osmolality_normal(case):
        return Silence(rule, "osmolality-normal")
    drug = culprit(case)
    return Finding(
        rule=rule,
        indicator="warning",
        variant="drug" if drug else "main",
        facts={"na": na(case), "drug": drug} if drug else {"na": na(case)},
        do=(*plan_lines(case), *cramp_lines(case), *monitor_lines(case)),
        why=_band_background(case),
        suggestions=(*repeat_suggestions(case), *workup_suggestions(case), *_plan_drafts(case)),
        drugs=names(case),
    )


def rising(case: Case) -> RatePair | None:
    """The planned rise under treatment that turns the severe card into a warning, or None (S5)."""
    pair, limits = case.rate.now, case.limits
    if pair is None or not pair.observed or rising_too_fast(case):
        return None
    fresh = case.sodium.age <= limits.rising_fresh_hours
    return pair if fresh and limits.rising_from <= pair.rise <= limits.rising_to else None


def symptom_lines(case: Case) -> tuple[Line, ...]:
    """The symptoms that are recorded, severe ones first, and the coma scale; or that no severe symptom is."""
    s = case.symptoms
    scale = (Line("symptoms-scale", {"points": str(s.gcs)}, keep=True),) if s.gcs_impaired else ()
    found = "|".join(f"symptom:{c}" for c in (*s.severe, *s.moderate, *s.mild))
    if found:
        return (Line("symptoms-recorded", {"symptoms": found}, keep=True), *scale)
    none = (Line("symptoms-none"),) if case.snapshot.complete("conditions") else ()
    return scale or none


def acute_lines(case: Case) -> tuple[Line, ...]:
    """That the fall is acute, on a card that something else leads."""
    fall = case.sodium.acute
    if fall is None:
        return ()
    return (
        Line("acute-too", {"fall": number(fall.amount), "hours": in_hours(fall.over)}, keep=True),
    )


def _first_symptom(case: Case) -> str:
    return f"symptom:{case.symptoms.severe[0]}"


def _emergency_lines(case: Case) -> tuple[Line, ...]:
    """Bolus text only where sodium is the likely cause, and not where it has already risen too fast."""
    lead = Line("edema-advice" if case.symptoms.brain_edema else "emergency", keep=True)
    if not case.symptoms.attributable:
        return (lead, Line("monitor-severe"))
    if rising_too_fast(case):
        return (
            lead,
            Line("bolus-risen", {"rise": number(_risen(case))}, keep=True),
            Line("monitor-emergency"),
        )
    profile = case.limits.profile
    return (
        lead,
        Line(f"bolus-{profile}", keep=True),
        Line(f"goal-{profile}", keep=True),
        Line("monitor-emergency"),
    )


def _risen(case: Case) -> Decimal:
    return case.rate.worst.rise if case.rate.worst else case.rate.rise_now


def _withheld_restriction(case: Case) -> tuple[Line, ...]:
    """Where restriction harms, or is already ordered; its conditions do not belong beside an emergency."""
    return restriction_lines(case) if case.restriction.verdict in ("never", "ordered") else ()


def _next_due(case: Case) -> str:
    latest = case.sodium.latest
    after = case.limits.rising_fresh_hours
    return at(case, latest.at + after) if latest else ""


def _severe_repeat(case: Case, pair: RatePair | None) -> tuple[Suggestion, ...]:
    if pair is None:
        return (repeat_sodium(NOW, "stat"),)
    return (repeat_sodium(case.limits.rising_fresh_hours - case.sodium.age, "urgent"),)


def _plan_drafts(case: Case) -> tuple[Suggestion, ...]:
    return (*plan_suggestions(case), *cramp_suggestions(case))


def _band_background(case: Case) -> tuple[Line, ...]:
    return (
        *symptom_lines(case),
        *doubt_lines(case),
        *plan_background(case),
        *drug_lines(case),
        *cramp_background(case),
        limit_line(case),
        *fall_lines(case),
        *plan_advice(case),
    )


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
