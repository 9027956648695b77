"""Procedures, allergies and flags: what a client's registry entry may add to the chart."""

from __future__ import annotations

from datetime import datetime

from cds_service.records.fhir_types import NO_PERIOD, Resource, codes, concepts, first_concept
from cds_service.records.read_context import ReadContext
from cds_service.records.times import first_day, moment
from cds_service.sodium.snapshot import Allergy, Problem
from cds_service.terminology.types import Coded, Product

HISTORY = ("Procedure", "AllergyIntolerance", "Flag")


def procedure(resource: Resource, context: ReadContext) -> Problem | None:
    """One Procedure as a problem of the time at which it ended.

    None if it was not done, if no rule knows what it is, or if it was done before the last 30 days
    or at no known time.
    """
    lists = context.vocabulary.code_lists
    status = resource.status.strip().lower()
    if status in lists.ignored_statuses:
        return None
    found = context.vocabulary.procedures(concepts(resource.code, resource.category))
    period = resource.performed_period or NO_PERIOD
    times = (resource.performed_date_time, period.end, period.start)
    since = next((at for at in (_when(time, context) for time in times) if at is not None), None)
    if status in lists.under_way:
        since = context.now
    if not found.concepts or since is None or context.now - since > lists.procedure_age:
        return None
    return Problem(
        concepts=found.concepts,
        active=True,
        encounter_diagnosis=False,
        since=since,
        by_text=found.by_text,
        done=True,
    )


def _when(value: str, context: ReadContext) -> datetime | None:
    """A moment; of a bare year or month the first day, so that it is never too recent."""
    exact = moment(value.strip(), context.zone, context.now)
    return exact.at if exact is not None else first_day(value.strip(), context.zone, context.now)


def allergy(resource: Resource, context: ReadContext) -> Allergy | None:
    """One AllergyIntolerance; None if it is refuted, or names no drug and no problem of ours."""
    lists = context.vocabulary.code_lists
    if codes(first_concept(resource.verification_status)) & lists.refuted:
        return None
    reactions = resource.reaction
    substances = concepts(resource.code, *(one.substance for one in reactions))
    said = list(concepts(resource.code, *(one.manifestation for one in reactions)))
    said += [Coded(text=one.description) for one in reactions if one.description.strip()]
    said += [Coded(text=note.text) for note in resource.note if note.text.strip()]
    drugs = context.vocabulary.resolve(Product(concepts=substances)).drugs
    named = context.vocabulary.problems(said).concepts
    blames = context.vocabulary.blame((*substances, *said)).classes
    if not (drugs or named or blames):
        return None
    return Allergy(
        drugs=drugs,
        concepts=named,
        active=not codes(first_concept(resource.clinical_status)) & lists.inactive,
        recorded=_when(resource.recorded_date, context),
        blames=blames,
    )


def flagged(resource: Resource, context: ReadContext) -> frozenset[str]:
    """The concepts of a Flag that is active, or that has no status."""
    lists = context.vocabulary.code_lists
    if resource.status.strip().lower() in lists.inactive | lists.ignored_statuses:
        return frozenset()
    return context.vocabulary.problems(concepts(resource.code)).concepts
