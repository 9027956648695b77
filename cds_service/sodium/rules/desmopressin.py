"""Desmopressin that the patient takes, beside a low sodium: goes on, is held, or wears off (F1)."""

from __future__ import annotations

from cds_service.engine.finding import Line
from cds_service.engine.rule import line
from cds_service.sodium.case import Case
from cds_service.sodium.desmopressin import clamp_runs, taken_for, wears_off
from cds_service.sodium.results import Band
from cds_service.sodium.rules.gates import (
    inpatient,
    likely_acute,
    osmolality_normal,
    rises_fast,
    unconfirmed,
    undiluted,
)


def never_stop_lines(case: Case) -> list[Line]:
    """Returns whether desmopressin that is taken goes on, or whether its next dose is held (F1).

    It goes on if it replaces the hormone or brakes a rise, and for an unknown purpose.
    """
    purpose = taken_for(case)
    if not purpose:
        return []
    brakes = rises_fast(case) or clamp_runs(case) or case.rate.rule
    held = purpose in ("bleeding", "nocturia") and not brakes
    return [line("hold-desmopressin" if held else "never-stop-desmopressin", keep=True)]


def pause_lines(case: Case) -> list[Line]:
    """Returns that desmopressin is paused, and that nothing else is to raise sodium then (F1).

    The dose is left out by decision of the prescriber, if urine and sodium can be measured.
    """
    if not _may_be_paused(case):
        return []
    unknown = "-unknown" if taken_for(case) == "unknown" else ""
    pause = line(f"pause-desmopressin{unknown}", keep=True)
    closely = case.sodium.band is not Band.MILD and not inpatient(case)
    return [pause, line("insipidus-aquaresis", keep=True)] if closely else [pause]


def _may_be_paused(case: Case) -> bool:
    doubted = osmolality_normal(case) or undiluted(case) or unconfirmed(case)
    return wears_off(case) and not doubted


def overshoots(case: Case) -> bool:
    """Returns whether sodium may rise past its limit once desmopressin beside symptoms wears off.

    After an acute fall the water that is shed is the cure (F2).
    """
    return _may_be_paused(case) and case.sodium.acute is None and not likely_acute(case)


def emergency_lines(case: Case) -> list[Line]:
    """Returns what is done about desmopressin beside symptoms that may be brain edema (F1)."""
    if not overshoots(case):
        return never_stop_lines(case)
    unknown = "-unknown" if taken_for(case) == "unknown" else ""
    return [line(f"desmopressin-overshoots{unknown}", keep=True)]


def told_lines(case: Case) -> list[Line]:
    """Returns what a card without an emergency says of desmopressin that is taken (F1)."""
    return pause_lines(case)[:1] or never_stop_lines(case)
