"""Muscle cramps beside low sodium: other causes, and what helps in cirrhosis (CRAMP block, S15, S1-13)."""

from __future__ import annotations

from cds_service.engine.finding import DraftBaclofen, Line, Suggestion
from cds_service.engine.wording import number
from cds_service.sodium.case import Case
from cds_service.sodium.results import Reading
from cds_service.sodium.rules.drugs import DIURETICS
from cds_service.sodium.rules.gates import cirrhosis, ever_recorded, heart_failure, rising_too_fast
from cds_service.sodium.rules.workup import cramp_labs

SEDATIVES = ("opioid", "opioid-sodium", "benzodiazepine")
SOURCES = ("medications", "conditions", "labs")


def cramp_lines(case: Case) -> tuple[Line, ...]:
    """What to do about cramps; nothing where none is recorded."""
    if not (case.symptoms.cramp and cirrhosis(case)):
        return ()
    lines = []
    if case.exposures.of(*DIURETICS) and not (heart_failure(case) or rising_too_fast(case)):
        lines.append(Line("cramp-diuretic"))
    lines.append(_treatment(case))
    return tuple(lines)


def cramp_background(case: Case) -> tuple[Line, ...]:
    """That the link between low sodium and cramps is weak, always; and why no baclofen is drafted."""
    if not case.symptoms.cramp:
        return ()
    reason = withheld(case) if cirrhosis(case) else ""
    why_not = (Line(reason),) if reason else ()
    return (Line("cramp-caveat", keep=True), *why_not)


def cramp_advice(case: Case) -> tuple[Line, ...]:
    """How low sodium is thought to act on muscle; first to go when a card grows too long (S1-2 to S1-4)."""
    return (Line("cramp-mechanism"),) if case.symptoms.cramp else ()


def cramp_suggestions(case: Case) -> tuple[Suggestion, ...]:
    """The laboratory panel, and in cirrhosis baclofen where nothing speaks against it."""
    if not case.symptoms.cramp:
        return ()
    if not cirrhosis(case) or withheld(case):
        return cramp_labs(case)
    dose = number(case.limits.baclofen_start_mg)
    return (*cramp_labs(case), Suggestion("baclofen", (DraftBaclofen(dose),), {"mg": dose}))


def withheld(case: Case) -> str:
    """The first reason why no baclofen is drafted (a key of words), or empty (S15)."""
    limits, kidney, latest = case.limits, egfr(case), case.sodium.latest
    weak = case.dialysis or (kidney is not None and not kidney.at_least(limits.baclofen_egfr_from))
    checks = (
        ("baclofen-taken", bool(case.exposures.of("baclofen"))),
        ("baclofen-unread", case.age_years is None or not case.snapshot.complete(*SOURCES)),
        ("baclofen-kidney-unknown", kidney is None),
        ("baclofen-kidney", weak),
        ("baclofen-encephalopathy", ever_recorded(case, "encephalopathy", "advanced-liver")),
        ("baclofen-seizure", case.symptoms.seizure),
        ("baclofen-sedative", bool(case.exposures.of(*SEDATIVES))),
        ("baclofen-pregnancy", case.pregnant),
        ("baclofen-sodium", latest is None or latest.value < limits.baclofen_sodium_from),
    )
    return next((key for key, holds in checks if holds), "")


def egfr(case: Case) -> Reading | None:
    """The newest estimated GFR that still tells today's kidney function."""
    return case.readings.latest("egfr", case.limits.baclofen_egfr_days)


def _treatment(case: Case) -> Line:
    limits, kidney = case.limits, egfr(case)
    if case.dialysis or (kidney is not None and kidney.below(limits.baclofen_egfr_avoid_below)):
        return Line("cramp-albumin-only")
    dose = {
        "start": number(limits.baclofen_start_mg),
        "step": number(limits.baclofen_step_mg),
        "max": number(limits.baclofen_max_mg),
    }
    if kidney is not None and kidney.below(limits.baclofen_egfr_from):
        return Line("cramp-cirrhosis-reduced", dose)
    return Line("cramp-cirrhosis", dose)
