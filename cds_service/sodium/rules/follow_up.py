"""Which tests are still missing to find the cause: drafts that skip what was measured lately (B.4, S7)."""

from __future__ import annotations

from datetime import (
    timedelta,
)
from typing import (
    Literal,
)

from cds_service.engine.finding import (
    DraftLabs,
    Line,
    Suggestion,
)
from cds_service.engine.wording import (
    ago,
)
from cds_service.sodium.case import (
    Case,
)
from cds_service.sodium.results import (
    Band,
    band_of,
)
from cds_service.sodium.rules.gates import (
    doubtful,
    inpatient,
)

Priority = Literal["routine", "urgent", "stat"]

EMERGENCY = ("serum-osmolality", "urine-osmolality", "urine-sodium")
FIRST = (*EMERGENCY, "urine-potassium", "urine-creatinine", "urate")
SECOND = ("glucose", "potassium", "creatinine", "tsh", "cortisol")
CRAMPS = ("potassium", "calcium", "magnesium")


def workup_suggestions(case: Case, priority: Priority = "routine") -> tuple[Suggestion, ...]:
    """The first and the second work-up set, each without what is already there."""
    return (
        *_labs(case, "workup", FIRST, priority),
        *_labs(case, "workup-second", SECOND, priority),
    )


def emergency_workup(case: Case) -> tuple[Suggestion, ...]:
    """Osmolality of serum and urine and urine sodium, at once."""
    return _labs(case, "workup-stat", EMERGENCY, "stat")


def osmolality_suggestion(case: Case) -> tuple[Suggestion, ...]:
    """Serum osmolality and sodium by a direct method, to tell an artifact from low sodium."""
    return (_drafts("osmolality", ("serum-osmolality", "sodium"), "urgent", timedelta(0)),)


def cramp_labs(case: Case) -> tuple[Suggestion, ...]:
    """Potassium, calcium and magnesium where cramps are recorded and they were not measured lately."""
    limits = case.limits
    window = (
        limits.cramp_labs_inpatient_days if inpatient(case) else limits.cramp_labs_outpatient_days
    )
    return _missing(case, "cramp-labs", CRAMPS, "routine", window)


def workup_due(case: Case) -> bool:
    """Whether mild low sodium needs a work-up: lasting, falling, or below the limit (S4); and none lately."""
    limits, sodium = case.limits, case.sodium
    recent = limits.osmolality_recent_days
    if sodium.latest is None or measured_within(case, "serum-osmolality", recent):
        return False
    low = [
        s.at for s in sodium.samples if band_of(s.value, limits, s.comparator) is not Band.NORMAL
    ]
    lasting = bool(low) and max(low) - min(low) >= limits.low_again_hours
    return lasting or sodium.falling is not None or sodium.latest.value < limits.mild_workup_below


def measured_within(case: Case, analyte: str, window: timedelta) -> bool:
    """Whether the record holds a usable result of this analyte from within the window."""
    return case.readings.latest(analyte, window) is not None


def _labs(
    case: Case, kind: str, analytes: tuple[str, ...], priority: Priority
) -> tuple[Suggestion, ...]:
    limits = case.limits
    window = limits.workup_inpatient_hours if inpatient(case) else limits.workup_outpatient_days
    return _missing(case, kind, analytes, priority, window)


def _missing(
    case: Case, kind: str, analytes: tuple[str, ...], priority: Priority, window: timedelta
) -> tuple[Suggestion, ...]:
    wanted = tuple(a for a in analytes if not measured_within(case, a, window))
    return (_drafts(kind, wanted, priority, timedelta(0)),) if wanted else ()


def _drafts(
    kind: str, analytes: tuple[str, ...], priority: Priority, after: timedelta
) -> Suggestion:
    labs = "|".join(f"lab:{a}" for a in analytes)
    return Suggestion(kind, (DraftLabs(analytes, priority, after),), {"labs": labs})


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
