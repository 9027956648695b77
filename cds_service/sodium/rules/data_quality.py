"""Is the sodium too old, or missing after a new drug? (PV-AGE as amended by M17, PV-DRUGCHK)."""

from __future__ import annotations

from datetime import (
    timedelta,
)

from cds_service.engine.finding import (
    Fact,
    Finding,
    Line,
    Outcome,
    Silence,
)
from cds_service.engine.wording import (
    ago,
    in_hours,
    number,
)
from cds_service.sodium.case import (
    Case,
)
from cds_service.sodium.exposure import (
    Exposure,
)
from cds_service.sodium.results import (
    Band,
    Freshness,
    Rejected,
)
from cds_service.sodium.rules.background import (
    doubt_lines,
    result_lines,
)
from cds_service.sodium.rules.danger import (
    acute_lines,
    symptom_lines,
)
from cds_service.sodium.rules.follow_up import (
    monitor_lines,
    osmolality_suggestion,
    repeat_sodium,
    workup_suggestions,
)
from cds_service.sodium.rules.gates import (
    actionable,
    at,
    below_plausible,
    direct_reading_normal,
    measured_low,
    na,
    osmolality_normal,
    told_as_unusable,
    unfit,
)
from cds_service.sodium.rules.plan import (
    drug_lines,
    names,
    plan_background,
    plan_lines,
)
from cds_service.terminology.match import (
    RecordText,
)

NOW = timedelta(0)
LEADING = "T1"


def outdated(case: Case) -> Outcome:
    """PV-AGE: a low sodium too old to act on; it replaces the band card, and asks only for a repeat."""
    rule = "PV-AGE"
    sodium = case.sodium
    if sodium.latest is None:
        return Silence(rule, "no-sodium")
    if not measured_low(case) or not sodium.low:
        return Silence(rule, "not-low", {"na": na(case)})
    if actionable(case):
        return Silence(rule, "recent-enough")
    if sodium.freshness is Freshness.STALE:
        return Silence(rule, "too-old", {"na": na(case), "age": ago(sodium.age)})
    severe_symptom = case.symptoms.severe
    facts = {"na": na(case), "age": ago(sodium.age)}
    do = [Line("repeat-before")]
    if severe_symptom:
        facts["symptom"] = f"symptom:{severe_symptom[0]}"
        do.append(Line("check-symptoms-now", keep=True))
    return Finding(
        rule=rule,
        indicator="info" if sodium.measured is Band.MILD and not severe_symptom else "warning",
        variant="symptom" if severe_symptom else "main",
        facts=facts,
        do=tuple(do),
        why=(*symptom_lines(case), *drug_lines(case)),
        suggestions=(repeat_sodium(NOW, "stat" if severe_symptom else "urgent"),),
        drugs=names(case),
    )


def check_due(case: Case) -> Outcome:
    """PV-DRUGCHK: a drug of the first tier was started lately, and no sodium was measured since."""
    rule = "PV-DRUGCHK"
    limits, sodium = case.limits, case.sodium
    if not case.snapshot.complete("sodium"):
        return Silence(rule, "sodium-unread")
    if sodium.latest and sodium.age <= limits.drugcheck_sodium_days:
        return Silence(rule, "sodium-known", {"age": ago(sodium.age)})
    if sodium.newest_rejected and told_as_unusable(case, sodium.newest_rejected):
        return Silence(rule, "sodium-unusable")
    if case.age_years is None or case.age_years < limits.drugcheck_age_years:
        return Silence(rule, "too-young")
    started = _newest_start(case)
    if started is None or started.since is None:
        return Silence(rule, "no-new-drug")
    drug = started.drug.name
    return Finding(
        rule=rule,
        indicator="info",
        facts={"drug": drug, "ago": ago(case.snapshot.now - started.since)},
        do=(Line("check-sodium"), Line("monitor-new-drug")),
        why=(
            Line(
                "started", {"drug": drug, "date": at(case, started.since, day_only=True)}, keep=True
            ),
            Line("older-adult", {"age": str(case.age_years)}),
        ),
        suggestions=(repeat_sodium(NOW),),
        drugs=(drug,),
    )


def _newest_start(case: Case) -> Exposure | None:
    """The exposure of the first tier that was started last, within the days that make it new."""
    window = case.limits.drugcheck_started_days
    now = case.snapshot.now
    fresh = [
        e
        for e in case.exposures.active
        if e.drug.tier == LEADING
        and e.since is not None
        and timedelta(0) <= now - e.since <= window
    ]
    return max(fresh, key=lambda e: e.since or now, default=None)


SHOWN_AT_MOST = 12  # characters of a recorded number or unit: the summary stays whole


def glucose_shift(case: Case) -> Outcome:
    """PV-GLU: glucose explains the low sodium; no plan, one card (M5)."""
    rule = "PV-GLU"
    if not measured_low(case):
        return Silence(rule, "not-low" if case.sodium.latest else "no-sodium", _na_fact(case))
    shift = case.glucose
    if shift is None or not shift.explained:
        return Silence(rule, "no-glucose-shift")
    if case.sodium.freshness is Freshness.STALE:
        return Silence(rule, "too-old", {"na": na(case), "age": ago(case.sodium.age)})
    values = {
        "glucose": number(shift.glucose),
        "katz": number(shift.katz),
        "hillier": number(shift.hillier),
    }
    better = (Line("hillier-fits"),) if shift.hillier_fits else ()
    loose = (Line("loose-pair", keep=True),) if shift.loose_pair else ()
    return Finding(
        rule=rule,
        indicator="info",
        facts={"na": na(case), **values},
        do=(Line("treat-glucose"), Line("monitor-glucose")),
        why=(Line("formulas", values), *better, *loose, *result_lines(case), *symptom_lines(case)),
        suggestions=(repeat_sodium(case.limits.repeat_near_hours),),
    )


def artifact(case: Case) -> Outcome:
    """PV-PSEUDO: osmolality or a direct measurement speaks against true low sodium (M6)."""
    rule = "PV-PSEUDO"
    low = _low_value(case)
    if not low:
        return Silence(rule, "not-low" if case.sodium.latest else "no-sodium", _na_fact(case))
    pseudo = case.pseudo
    if pseudo is None or pseudo.kind == "hint" or (case.glucose and case.glucose.explained):
        return Silence(rule, "no-artifact")
    if not actionable(case):
        return Silence(rule, "too-old", {"na": na(case), "age": ago(case.sodium.age)})
    if osmolality_normal(case) and not _replaced_by_osmolality(case):
        return Silence(rule, "band-card-tells")
    severe = direct_reading_normal(case) and bool(case.symptoms.severe)
    return Finding(
        rule=rule,
        indicator="warning" if severe else "info",
        variant="severe" if severe else pseudo.kind,
        facts={"na": low} if severe else {"na": low, "value": pseudo.shown},
        do=(Line("confirm-now" if severe else "confirm", keep=True), Line("monitor-artifact")),
        why=(
            Line(f"because-{pseudo.kind}", {"value": pseudo.shown}, keep=True),
            *result_lines(case),
            *symptom_lines(case),
        ),
        suggestions=(repeat_sodium(NOW, "stat"),) if severe else osmolality_suggestion(case),
    )


def _low_value(case: Case) -> str:
    """The low value as cards write it: the latest, or the laboratory's that a direct one follows (S3, M6 b)."""
    if measured_low(case):
        return na(case)
    other = case.sodium.other_method
    return other.shown if other is not None and direct_reading_normal(case) else ""


def implausible(case: Case) -> Outcome:
    """DQ-PLAUS: an impossible value, not used; or one just below the plausible range, taken as severe."""
    rule = "DQ-PLAUS"
    if below_plausible(case):
        return unfit(rule, case) or _below_plausible(rule, case)
    return _rejected(rule, case, "implausible")


def wrong_unit(case: Case) -> Outcome:
    """DQ-UNIT: the newest sodium carries a unit that is none of sodium; it is never converted."""
    return _rejected("DQ-UNIT", case, "unit")


def jump(case: Case) -> Outcome:
    """DQ-DELTA: sodium moved faster than it can; a contaminated or mixed-up sample is likely."""
    rule = "DQ-DELTA"
    pair = case.rate.jump
    if pair is None:
        return Silence(rule, "no-jump")
    facts: dict[str, Fact] = {"change": number(abs(pair.rise)), "hours": in_hours(pair.over)}
    end = at(case, pair.end.at, pair.end.day_only)
    return Finding(
        rule=rule,
        indicator="warning",
        variant="down" if pair.rise < 0 else "main",
        facts=facts,
        do=(Line("repeat-at-once", keep=True), Line("rule-out-contamination")),
        why=(
            Line(
                "jump-samples",
                {"from": number(pair.base), "to": pair.end.shown, "time": end},
                keep=True,
            ),
        ),
        suggestions=(repeat_sodium(NOW, "stat"),),
        slot="rate",
    )


def _replaced_by_osmolality(case: Case) -> bool:
    """Normal osmolality replaces plain mild and moderate cards, never an emergency or an acute fall (M6)."""
    plain = not (case.symptoms.severe or case.symptoms.brain_edema or case.sodium.acute)
    if case.sodium.measured is Band.MODERATE:
        return plain
    symptom = case.symptoms.moderate or case.symptoms.mild or case.symptoms.fall_or_fracture
    return plain and case.sodium.measured is Band.MILD and not symptom


def _below_plausible(rule: str, case: Case) -> Finding:
    return Finding(
        rule=rule,
        indicator="warning",
        variant="below",
        facts={"na": na(case)},
        do=(
            Line("treat-as-severe", keep=True),
            Line("rule-out-contamination"),
            *monitor_lines(case),
            *plan_lines(case),
        ),
        why=(
            *symptom_lines(case),
            *acute_lines(case),
            *doubt_lines(case),
            *plan_background(case),
            *drug_lines(case),
        ),
        suggestions=(repeat_sodium(NOW, "stat"), *workup_suggestions(case, "urgent")),
        drugs=names(case),
    )


def _rejected(rule: str, case: Case, why: str) -> Outcome:
    result = case.sodium.newest_rejected
    if result is None or result.why != why:
        return Silence(rule, f"no-{why}")
    if not told_as_unusable(case, result):
        return Silence(rule, "rejected-old")
    unit = result.unit.strip()[:SHOWN_AT_MOST]
    facts: dict[str, Fact] = {"value": result.shown[:SHOWN_AT_MOST]}
    if unit:
        facts["unit"] = RecordText(unit)
    return Finding(
        rule=rule,
        indicator="info",
        variant="main" if unit else "no-unit",
        facts=facts,
        do=(Line("check-chart"),),
        why=(_ignored(case, result), _used(case)),
        suggestions=(repeat_sodium(NOW),),
        slot="rate",
    )


def _ignored(case: Case, result: Rejected) -> Line:
    time = at(case, result.at) if result.at else ""
    return Line("not-used", {"value": result.shown[:SHOWN_AT_MOST], "time": time}, keep=True)


def _used(case: Case) -> Line:
    latest = case.sodium.latest
    if latest is None:
        return Line("none-used", keep=True)
    return Line(
        "used-instead",
        {"na": latest.shown, "time": at(case, latest.at, latest.day_only)},
        keep=True,
    )


def _na_fact(case: Case) -> dict[str, Fact]:
    return {"na": na(case)} if case.sodium.latest else {}
