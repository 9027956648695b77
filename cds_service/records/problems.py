"""Conditions as problems, and what the encounter in context says (B.0.2, B.0.4)."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from cds_service.records.fhir_types import (
    NO_PERIOD,
    NO_REFERENCE,
    Resource,
    codes,
    concepts,
    first_concept,
    listed,
)
from cds_service.records.read_context import ReadContext, relative
from cds_service.records.times import first_day
from cds_service.sodium.snapshot import Problem, Setting
from cds_service.terminology.codes import ICD9, ICD10_FAMILY, SNOMED
from cds_service.terminology.types import texts_of
from cds_service.terminology.vocabulary import CodeLists

_SYSTEMS = frozenset({*ICD10_FAMILY, ICD9, SNOMED})


def problem(condition: Resource, context: ReadContext) -> Problem | None:
    """One Condition; None if it is refuted, entered in error or unknown to the vocabulary."""
    lists = context.vocabulary.code_lists
    if codes(first_concept(condition.verification_status)) & lists.refuted:
        return None
    coded = concepts(condition.code)
    match, blame = context.vocabulary.problems(coded), context.vocabulary.blame(coded)
    if not (match.concepts or blame.classes):
        return None
    return Problem(
        concepts=match.concepts,
        active=_is_active(condition, lists),
        encounter_diagnosis=_of_this_encounter(condition, context),
        since=_since(condition, context),
        by_text=match.by_text,
        low_sodium=blame.low_sodium,
        blames=blame.classes,
    )


def is_unidentified(condition: Resource, context: ReadContext) -> bool:
    """Whether neither a word nor a code of a system that we know says which problem it is."""
    refuted = context.vocabulary.code_lists.refuted
    if codes(first_concept(condition.verification_status)) & refuted:
        return False
    return not any(
        any(texts_of(said)) or any(coding.system in _SYSTEMS for coding in said.codings)
        for said in concepts(condition.code)
    )


def _is_active(condition: Resource, lists: CodeLists) -> bool:
    """Whether it is active; a status that FHIR does not have reads as a missing one."""
    status = codes(first_concept(condition.clinical_status))
    if status & lists.active:
        return True
    return not status & lists.inactive and not _has_abated(condition)


def _has_abated(condition: Resource) -> bool:
    if condition.abatement_boolean:
        return True
    endings = (
        condition.abatement_date_time,
        condition.abatement_age,
        condition.abatement_period,
        condition.abatement_range,
        condition.abatement_string,
        condition.abatement_date,
    )
    return any(ending is not None for ending in endings)


def _of_this_encounter(condition: Resource, context: ReadContext) -> bool:
    if not context.encounter:
        return False
    words = context.vocabulary.code_lists.encounter_diagnosis
    if not any(codes(category) & words for category in concepts(condition.category)):
        return False
    bases = context.index.bases
    for visit in (condition.encounter or NO_REFERENCE, condition.context or NO_REFERENCE):
        if relative(visit.reference.strip(), bases) == context.encounter:
            return True
    return False


def _since(condition: Resource, context: ReadContext) -> datetime | None:
    """Onset, else when it was recorded (R4, STU3, DSTU2); of a bare year or month the first day.

    A date that cannot be read counts as missing.
    """
    dates = (
        condition.onset_date_time,
        (condition.onset_period or NO_PERIOD).start,
        condition.recorded_date,
        condition.asserted_date,
        condition.date_recorded,
        condition.date_asserted,
    )
    days = (first_day(value.strip(), context.zone, context.now) for value in dates if value.strip())
    return next((day for day in days if day is not None), None)


class Visit(Struct, frozen=True, kw_only=True):
    """What the Encounter says."""

    setting: Setting
    assumed: bool
    reasons: frozenset[str] = frozenset()
    since: datetime | None = None


def visit(encounter: Resource | None, context: ReadContext) -> Visit:
    """The setting by Encounter.class (B.0.2); if it cannot be read, it counts as inpatient."""
    if not context.encounter:
        return Visit(setting="outpatient", assumed=False)
    if encounter is None:
        return Visit(setting="inpatient", assumed=True)
    lists = context.vocabulary.code_lists
    classes = _class_codes(encounter)
    reasons, since = _reasons(encounter, context), _begun(encounter, context)
    if classes & lists.inpatient_classes:
        return Visit(setting="inpatient", assumed=False, reasons=reasons, since=since)
    if classes & lists.outpatient_classes:
        return Visit(setting="outpatient", assumed=False, reasons=reasons, since=since)
    return Visit(setting="inpatient", assumed=True, reasons=reasons, since=since)


def _begun(encounter: Resource, context: ReadContext) -> datetime | None:
    """When the encounter began; a start that cannot be read or lies ahead counts as missing."""
    start = (encounter.period or NO_PERIOD).start.strip()
    begun = first_day(start, context.zone, context.now) if start else None
    return begun if begun is not None and begun <= context.now else None


def _class_codes(encounter: Resource) -> frozenset[str]:
    """R4 has one Coding, R5 a list of CodeableConcepts, DSTU2 a bare code."""
    found = set(codes(first_concept(encounter.class_)))
    for one in listed(encounter.class_):
        found.add(one.code.strip().lower())
        for coded in concepts(one):
            found |= codes(coded)
    return frozenset(found - {""})


def _reasons(encounter: Resource, context: ReadContext) -> frozenset[str]:
    """The concepts of the reasons for the encounter, as R4, STU3, DSTU2 or R5 names them."""
    coded = list(concepts(encounter.reason_code, encounter.reason))
    for reason in listed(encounter.reason):
        for value in listed(reason.value):
            coded += concepts(value.concept)
    return context.vocabulary.problems(tuple(coded)).concepts
