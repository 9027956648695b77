"""Is the sodium too old, or missing after a new drug? (PV-AGE as amended by M17, PV-DRUGCHK)."""

from __future__ import annotations

from datetime import timedelta

from cds_service.engine.finding import Finding, Line, Outcome, Silence
from cds_service.engine.wording import ago
from cds_service.sodium.case import Case
from cds_service.sodium.exposure import Exposure
from cds_service.sodium.results import Band, Freshness
from cds_service.sodium.rules.drugs import drug_lines, names
from cds_service.sodium.rules.gates import actionable, at, measured_low, na, told_as_unusable
from cds_service.sodium.rules.monitoring import repeat_sodium
from cds_service.sodium.rules.severity import symptom_lines

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
