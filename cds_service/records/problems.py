"""Conditions as problems, and what the encounter in context says (B.0.2, B.0.4)."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from cds_service.records.elements import Element, child, codes, concept_of, concepts, items, text
from cds_service.records.read_context import ReadContext
from cds_service.records.references import relative
from cds_service.records.times import first_day
from cds_service.sodium.snapshot import Problem, Setting

_ABATEMENT = (
    "abatementDateTime",
    "abatementAge",
    "abatementPeriod",
    "abatementRange",
    "abatementString",
    "abatementDate",
)
_RECORDED = ("recordedDate", "assertedDate", "dateRecorded", "dateAsserted")  # R4, STU3, DSTU2


def problem(condition: Element, context: ReadContext) -> Problem | None:
    """One Condition; None where it is refuted, entered in error, or nothing the vocabulary knows."""
    reading = context.vocabulary.code_lists
    if codes(concept_of(condition, "verificationStatus")) & reading.refuted:
        return None
    found = context.vocabulary.problems(concepts(condition, "code"))
    if not found.concepts:
        return None
    return Problem(
        concepts=found.concepts,
        active=_active(condition, context),
        encounter_diagnosis=_of_this_encounter(condition, context),
        since=_since(condition, context),
        by_text=found.by_text,
    )


def _active(condition: Element, context: ReadContext) -> bool:
    """Active, recurrence or relapse; without a clinical status, unless it has abated."""
    said = codes(concept_of(condition, "clinicalStatus"))
    if said:
        return bool(said & context.vocabulary.code_lists.active)
    if condition.get("abatementBoolean") is True:
        return False
    return all(condition.get(name) is None for name in _ABATEMENT)


def _of_this_encounter(condition: Element, context: ReadContext) -> bool:
    if not context.encounter:
        return False
    words = context.vocabulary.code_lists.encounter_diagnosis
    if not any(codes(c) & words for c in concepts(condition, "category")):
        return False
    references = (text(child(condition, name), "reference") for name in ("encounter", "context"))
    return any(relative(r, context.index.bases) == context.encounter for r in references)


def _since(condition: Element, context: ReadContext) -> datetime | None:
    """Onset, else when it was recorded; of a bare year or month the first day."""
    onset = text(condition, "onsetDateTime") or text(child(condition, "onsetPeriod"), "start")
    for value in (onset, *(text(condition, name) for name in _RECORDED)):
        if value:
            return first_day(value, context.zone, context.now)
    return None


class Visit(Struct, frozen=True, kw_only=True):
    """What the Encounter says."""

    setting: Setting
    assumed: bool
    reasons: frozenset[str] = frozenset()


def visit(encounter: Element | None, context: ReadContext) -> Visit:
    """The setting by Encounter.class (B.0.2); an encounter that cannot be read counts as inpatient."""
    if not context.encounter:
        return Visit(setting="outpatient", assumed=False)
    if encounter is None:
        return Visit(setting="inpatient", assumed=True)
    reading = context.vocabulary.code_lists
    classes = _class_codes(encounter)
    reasons = _reasons(encounter, context)
    if classes & reading.inpatient_classes:
        return Visit(setting="inpatient", assumed=False, reasons=reasons)
    if classes & reading.outpatient_classes:
        return Visit(setting="outpatient", assumed=False, reasons=reasons)
    return Visit(setting="inpatient", assumed=True, reasons=reasons)


def _class_codes(encounter: Element) -> frozenset[str]:
    """R4 has one Coding, R5 a list of CodeableConcepts, DSTU2 a bare code."""
    found = set(codes(concept_of(encounter, "class")))
    for element in items(encounter, "class"):
        found.add(text(element, "code").lower())
        for coded in concepts({"class": element}, "class"):
            found |= codes(coded)
    return frozenset(found - {""})


def _reasons(encounter: Element, context: ReadContext) -> frozenset[str]:
    coded = list(concepts(encounter, "reasonCode", "reason"))
    for reason in items(encounter, "reason"):
        for value in items(reason, "value"):
            coded += concepts(value, "concept")
    return context.vocabulary.problems(tuple(coded)).concepts
