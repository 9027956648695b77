"""What is uncertain about the latest sodium, told on every card that rests on it (B.0.1, M5, M6, S3)."""

from __future__ import annotations

from cds_service.engine.finding import (
    Line,
)
from cds_service.engine.wording import (
    number,
)
from cds_service.sodium.case import (
    Case,
)
from cds_service.sodium.rules.gates import (
    at,
)


def doubt_lines(case: Case) -> tuple[Line, ...]:
    """Status, missing unit, second method, glucose, osmolality: one line each, never cut."""
    return (
        *result_lines(case),
        *_method_lines(case),
        *_glucose_lines(case),
        *_artifact_lines(case),
    )


def result_lines(case: Case) -> tuple[Line, ...]:
    """What the result itself leaves open: status, unit, time, bound; and an unknown age."""
    latest = case.sodium.latest
    if latest is None:
        return ()
    found = (
        ("doubt-preliminary", latest.status == "preliminary"),
        ("doubt-status", latest.status == "unknown"),
        ("doubt-unit", latest.unit_missing),
        ("doubt-result-time", latest.result_time),
        ("doubt-age-unknown", case.age_years is None),
    )
    lines = [Line(key, keep=True) for key, holds in found if holds]
    if latest.comparator:
        lines.append(Line("doubt-bound", {"na": latest.shown}, keep=True))
    return tuple(lines)


def _method_lines(case: Case) -> tuple[Line, ...]:
    other = case.sodium.other_method
    if other is None:
        return ()
    facts = {"na": other.shown, "time": at(case, other.at, other.day_only)}
    return (Line(f"doubt-methods-{other.method}", facts, keep=True),)


def _glucose_lines(case: Case) -> tuple[Line, ...]:
    """The corrected values: the plan already uses the lower one (M5)."""
    shift = case.glucose
    if shift is None or shift.explained:
        return ()
    facts = {
        "glucose": number(shift.glucose),
        "katz": number(shift.katz),
        "hillier": number(shift.hillier),
    }
    key = "doubt-glucose-loose" if shift.loose_pair else "doubt-glucose"
    return (Line(key, facts, keep=True),)


def _artifact_lines(case: Case) -> tuple[Line, ...]:
    pseudo = case.pseudo
    if pseudo is None:
        return ()
    lines = []
    if pseudo.kind == "osmolality":
        lines.append(Line("doubt-osmolality", {"value": pseudo.shown}, keep=True))
    lines.extend(Line(f"doubt-hint-{hint}", keep=True) for hint in pseudo.hints)
    return tuple(lines)
