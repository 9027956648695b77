"""What a card about low sodium rests on: symptoms, doubts about the result, drugs, the limit."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from cds_service.engine.finding import Line
from cds_service.engine.rule import line
from cds_service.engine.wording import in_hours, joined
from cds_service.knowledge.sets import CodeSet
from cds_service.sodium.case import Case
from cds_service.sodium.exposure import Exposure
from cds_service.sodium.glucose import GlucoseShift
from cds_service.sodium.rules.gates import at


def lines_of(checks: Mapping[str, object], *, keep: bool = False) -> list[Line]:
    """Return the lines whose check holds, in the order of the table."""
    return [line(key, keep=keep) for key, holds in checks.items() if holds]


def first_symptom(case: Case) -> str:
    """Return the leading severe symptom as a fact of a card; empty without one."""
    return joined("symptom", case.symptoms.severe[:1])


def symptom_lines(case: Case) -> list[Line]:
    """Return the recorded symptoms and the coma scale, or that no severe symptom is recorded."""
    symptoms = case.symptoms
    lines = []
    recorded = (*symptoms.severe, *symptoms.moderate, *symptoms.mild)
    if recorded:
        lines.append(line("symptoms-recorded", symptoms=joined("symptom", recorded), keep=True))
    if symptoms.gcs_impaired:
        lines.append(line("symptoms-scale", points=str(symptoms.gcs), keep=True))
    if not lines and case.snapshot.complete("conditions"):
        lines.append(line("symptoms-none"))
    return lines


def acute_lines(case: Case) -> list[Line]:
    """Return that the fall is acute, for a card that something else leads."""
    fall = case.sodium.acute
    if fall is None:
        return []
    return [line("acute-too", fall=fall.amount, hours=in_hours(fall.over), keep=True)]


def fall_lines(case: Case) -> list[Line]:
    """Return that even mild low sodium goes with falls, if the patient may fall (S1-15, S2-17)."""
    risk, cramp = case.symptoms.falls_risk, case.symptoms.cramp
    return lines_of({"falls-cramp": risk and cramp, "falls": risk and not cramp})


def limit_line(case: Case) -> Line:
    """Return the correction limit of the active profile (N1)."""
    day, first = case.limits.rate_limit_day, case.limits.rate_limit_first_day
    if day == first:
        return line("limit", limit=day)
    return line("limit-first-day", limit=day, first=first)


def doubt_lines(case: Case) -> list[Line]:
    """Return what is uncertain about the latest sodium; these lines are never cut (M5, M6, S3)."""
    lines = result_lines(case)
    other = case.sodium.other_method
    if other:
        time = at(case, other.at, other.day_only)
        lines.append(line(f"doubt-methods-{other.method}", na=other.shown, time=time, keep=True))
    shift = case.glucose
    if shift and not shift.explained:
        # The plan already uses the lower of the two corrected values (M5).
        key = "doubt-glucose-loose" if shift.loose_pair else "doubt-glucose"
        lines.append(glucose_line(key, shift, keep=True))
    pseudo = case.pseudo
    if pseudo is None:
        return lines
    if pseudo.kind == "osmolality":
        lines.append(line("doubt-osmolality", value=pseudo.shown, keep=True))
    return lines + [line(f"doubt-hint-{hint}", keep=True) for hint in pseudo.hints]


def result_lines(case: Case) -> list[Line]:
    """Return what the result itself leaves open, and that the patient's age is unknown."""
    latest = case.sodium.latest
    if latest is None:
        return []
    doubts = {
        "doubt-preliminary": latest.status == "preliminary",
        "doubt-status": latest.status == "unknown",
        "doubt-unit": latest.unit_missing,
        "doubt-result-time": latest.result_time,
        "doubt-age-unknown": case.age_years is None,
    }
    lines = lines_of(doubts, keep=True)
    if latest.comparator:
        lines.append(line("doubt-bound", na=latest.shown, keep=True))
    return lines


def glucose_line(key: str, shift: GlucoseShift, *, keep: bool = False) -> Line:
    """Return a line with the glucose and the sodium corrected by both formulas."""
    return line(key, keep=keep, glucose=shift.glucose, katz=shift.katz, hillier=shift.hillier)


def drug_lines(case: Case) -> list[Line]:
    """Return each suspect with its start and how likely it is the cause, then what is on hold."""
    lines = [_suspect_line(case, e) for e in case.exposures.suspects if e.attribution]
    watched = case.sets.watched_tiers
    held = sorted(drug.name for drug in case.exposures.on_hold if drug.tier in watched)
    if held:
        shown = held[: int(case.limits.suspects_to)]
        lines.append(line("drug-on-hold", drugs=", ".join(shown)))
    return lines


def _suspect_line(case: Case, suspect: Exposure) -> Line:
    drug = suspect.drug.name
    if suspect.since is None:
        return line("drug-undated", drug=drug)
    date = at(case, suspect.since, day_only=True)
    return line(f"drug-{suspect.attribution}", drug=drug, date=date)


def started_within(
    case: Case, tiers: CodeSet, window: timedelta
) -> list[tuple[datetime, Exposure]]:
    """Return the drugs of these tiers that were started within the window, with their start."""
    known = [(e.since, e) for e in case.exposures.active if e.since and e.drug.tier in tiers]
    return [(since, e) for since, e in known if case.snapshot.now - since <= window]


def suspects(case: Case) -> list[str]:
    """Return the names of the drugs that may be the cause, the most likely first."""
    return [exposure.drug.name for exposure in case.exposures.suspects]
