"""When sodium is measured again, and what to watch meanwhile (MON, FALL, S6, S9)."""

from __future__ import annotations

from datetime import timedelta

from cds_service.engine.finding import DraftLabs, Line, Suggestion
from cds_service.engine.wording import ago
from cds_service.sodium.case import Case
from cds_service.sodium.results import Band
from cds_service.sodium.rules.gates import doubtful, inpatient
from cds_service.sodium.rules.workup import Priority

# Beside cramps these ask for assessment today (S8).
SAME_DAY = frozenset({"headache", "confusion", "nausea", "vomiting", "fatigue", "lethargy"})


def repeat_sodium(after: timedelta, priority: Priority = "routine") -> Suggestion:
    """One draft for the next sodium: at once ("stat"), today, or after a span of time from now."""
    if priority == "stat":
        return Suggestion("repeat-sodium-stat", (DraftLabs(("sodium",), "stat"),), recommended=True)
    if after <= timedelta(0):
        return Suggestion("repeat-sodium-now", (DraftLabs(("sodium",), priority),))
    return Suggestion(
        "repeat-sodium", (DraftLabs(("sodium",), priority, after),), {"after": ago(after)}
    )


def repeat_suggestions(case: Case) -> tuple[Suggestion, ...]:
    """The next sodium by setting, band and symptoms; now where the last is in doubt; none beside a rate card."""
    if case.rate.rule:
        return ()
    if doubtful(case):
        return (repeat_sodium(timedelta(0), "urgent"),)
    return (repeat_sodium(_interval(case) - case.sodium.age, _priority(case)),)


def monitor_lines(case: Case) -> tuple[Line, ...]:
    """One line that says how often sodium is measured from here on."""
    return (Line(_rhythm(case)),)


def fall_lines(case: Case) -> tuple[Line, ...]:
    """That even mild low sodium goes with falls and fractures, where that risk is there (S1-15, S2-17)."""
    if not case.symptoms.falls_risk:
        return ()
    return (Line("falls-cramp" if case.symptoms.cramp else "falls"),)


def has_symptom(case: Case) -> bool:
    """Whether a symptom that low sodium may cause, a fall or a fracture is recorded."""
    s = case.symptoms
    return bool(s.severe or s.moderate or s.mild or s.fall_or_fracture)


def _rhythm(case: Case) -> str:
    if case.rate.rule:
        return "monitor-severe"
    if case.sodium.measured is Band.SEVERE:
        return "monitor-severe" if inpatient(case) else "monitor-severe-outpatient"
    if inpatient(case):
        return "monitor-inpatient"
    if case.sodium.measured is Band.MODERATE:
        return "monitor-moderate"
    return "monitor-symptom" if has_symptom(case) else "monitor-silent"


def _interval(case: Case) -> timedelta:
    limits = case.limits
    if inpatient(case) or case.sodium.measured is not Band.MILD:
        return limits.repeat_daily_hours
    return limits.repeat_symptom_days if has_symptom(case) else limits.repeat_silent_days


def _priority(case: Case) -> Priority:
    if same_day(case) or case.sodium.measured is not Band.MILD:
        return "urgent"
    return "routine"


def same_day(case: Case) -> bool:
    """Whether cramps come together with headache, confusion, nausea, vomiting or tiredness (S8)."""
    joined = {*case.symptoms.moderate, *case.symptoms.mild}
    return case.symptoms.cramp and not joined.isdisjoint(SAME_DAY)
