"""Which tests are still missing to find the cause: drafts that skip what was measured lately (B.4, S7)."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from cds_service.engine.finding import DraftLabs, Suggestion
from cds_service.sodium.case import Case
from cds_service.sodium.results import Band, band_of
from cds_service.sodium.rules.gates import inpatient

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
