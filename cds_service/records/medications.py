"""Orders of any kind as exposures and drafts (B.0.7): whatever was never meant to be given is none."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Literal

from cds_service.orders.stops import may_stop
from cds_service.records.dosage import Dosage, dosage, instruction_text
from cds_service.records.elements import (
    Element,
    child,
    concepts,
    flag,
    items,
    text,
)
from cds_service.records.forms import NO_DISPENSE, Dispense, form
from cds_service.records.products import Gathering, gather, product
from cds_service.records.read_context import ReadContext
from cds_service.records.references import identity
from cds_service.records.times import moment
from cds_service.sodium.snapshot import Order
from cds_service.terminology.match import Coded, Resolution

Kind = Literal["medication", "nutrition", "service", "other"]

KINDS: dict[str, Kind] = {
    "MedicationRequest": "medication",
    "MedicationOrder": "medication",  # DSTU2
    "MedicationPrescription": "medication",  # DSTU1
    "MedicationStatement": "medication",
    "MedicationUsage": "medication",
    "MedicationAdministration": "medication",
    "MedicationDispense": "medication",
    "NutritionOrder": "nutrition",
    "ServiceRequest": "service",
    "ProcedureRequest": "service",
    "DiagnosticOrder": "service",
    "ReferralRequest": "service",
}
_REMEMBERED = 2048
_NOT_GIVEN = ("wasNotTaken", "wasNotGiven", "notGiven", "taken")
_EFFECTIVE = (
    "effectiveDateTime",
    "effectiveTimeDateTime",
    "effectivePeriod",
    "effectiveTimePeriod",
)
_REASONS = ("reasonCode", "reasonCodeableConcept", "reasonForUseCodeableConcept", "reason")
_AUTHORED = ("authoredOn", "dateWritten", "dateAsserted", "dateTime", "orderedOn")


def exposure(resource: Element, context: ReadContext) -> Order | None:
    """One resource of the medication list; None for a proposal, a "do not give", a thing never given."""
    reading = context.vocabulary.code_lists
    kind = KINDS.get(text(resource, "resourceType"))
    status = text(resource, "status").lower()
    if kind is None or flag(resource, "doNotPerform") or status in reading.ignored_statuses:
        return None
    intent = text(resource, "intent").lower()
    if intent in reading.ignored_intents or _not_given(resource):
        return None
    gathered = gather(resource, context.index) if kind == "medication" else Gathering()
    elsewhere = (
        "oralDiet" in resource or "code" in resource
    )  # where a fluid restriction may stand too
    if gathered.concepts and not gathered.ingredients and not elsewhere:
        found = context.vocabulary.stranger(tuple(gathered.concepts))
        if found is not None:
            return _stranger(found, status, intent)
    return _order(resource, kind, gathered, context)


@lru_cache(maxsize=_REMEMBERED)
def _stranger(found: Resolution, status: str, intent: str) -> Order:
    """An order that no rule asks after, without what is its own: most of a medication list is that."""
    return Order(
        reference="",
        ingredient_count=found.ingredient_count,
        route=found.route,
        unrecognised=found.unrecognised,
        code_only=found.code_only,
        status=status,
        intent=intent,
    )


def _has_any(resource: Element, names: tuple[str, ...]) -> bool:
    for name in names:  # noqa: SIM110  # any() makes a generator, each time, for four look-ups
        if name in resource:
            return True
    return False


def draft(resource: Element, context: ReadContext) -> Order:
    """One resource of draftOrders, whatever its type; a draft without a medication is one without drugs."""
    kind = KINDS.get(text(resource, "resourceType"), "other")
    return _order(
        resource,
        kind,
        gather(resource, context.index) if kind == "medication" else Gathering(),
        context,
    )


def _not_given(resource: Element) -> bool:
    """MedicationStatement.taken (STU3), wasNotTaken and wasNotGiven (DSTU2)."""
    if not _has_any(resource, _NOT_GIVEN):
        return False
    if flag(resource, "wasNotTaken") or flag(resource, "wasNotGiven") or flag(resource, "notGiven"):
        return True
    return text(resource, "taken").lower() in ("n", "no")


def _order(resource: Element, kind: Kind, gathered: Gathering, context: ReadContext) -> Order:
    supply = form(Dispense, resource, "dispenseRequest") or NO_DISPENSE
    doses = dosage(resource, supply, context.vocabulary.code_lists, context.zone, context.now)
    found = _resolved(gathered, doses, context)
    authored = _authored(resource, context)
    effective_start, effective_end = _effective(resource, supply, context)
    do_not = flag(resource, "doNotPerform")
    return Order(
        reference=identity(resource),
        kind=kind,
        drugs=() if do_not else found.drugs,
        partners=found.partners,
        ingredient_count=found.ingredient_count,
        saline=None if do_not else found.saline,
        route=found.route,
        fluid_restriction=not (do_not or found.drugs) and _restricts_fluid(resource, kind, context),
        hypotonic=found.hypotonic and not do_not,
        hypotonic_volume_ml=found.hypotonic_volume_ml,
        balanced=found.balanced and not do_not,
        balanced_volume_ml=found.balanced_volume_ml,
        unrecognised=found.unrecognised,
        code_only=found.code_only,
        unread=gathered.unread,
        status=text(resource, "status").lower(),
        intent=text(resource, "intent").lower(),
        start=doses.start or effective_start or authored,
        end=doses.end or effective_end,
        authored=authored,
        duration_days=doses.duration_days,
        daily_dose_mg=doses.daily_dose_mg,
        single_dose=doses.single_dose,
        reasons=_reasons(resource, context),
        stoppable=_stoppable(resource, found, context),
        adpkd=found.adpkd,
        hyponatremia_product=found.hyponatremia_product,
    )


def _resolved(gathered: Gathering, doses: Dosage, context: ReadContext) -> Resolution:
    if not gathered.concepts and not gathered.ingredients:
        return Resolution()
    return context.vocabulary.resolve(product(gathered, doses))


def _authored(resource: Element, context: ReadContext) -> datetime | None:
    for name in _AUTHORED:
        found = (
            moment(text(resource, name), context.zone, context.now) if name in resource else None
        )
        if found is not None:
            return found.at
    return None


def _effective(
    resource: Element, supply: Dispense, context: ReadContext
) -> tuple[datetime | None, datetime | None]:
    """The time of a statement or administration; the end of a request's validity."""
    valid = supply.validity_period.end.strip() if supply.validity_period is not None else ""
    if not _has_any(resource, _EFFECTIVE):
        end = moment(valid, context.zone, context.now)
        return None, end.at if end is not None else None
    once = text(resource, "effectiveDateTime") or text(resource, "effectiveTimeDateTime")
    period = child(resource, "effectivePeriod") or child(resource, "effectiveTimePeriod")
    start = moment(once or text(period, "start"), context.zone, context.now)
    end = moment(text(period, "end") or valid, context.zone, context.now)
    return (start.at if start is not None else None, end.at if end is not None else None)


def _reasons(resource: Element, context: ReadContext) -> frozenset[str]:
    """Concepts of the reason: a list, one object (sandbox), DSTU2's name for it, or a Condition."""
    coded = list(concepts(resource, *_REASONS))
    for reference in (*items(resource, "reasonReference"), *items(resource, "indication")):
        condition = context.index.get(text(reference, "reference"), resource)
        if condition is not None and text(condition, "resourceType") == "Condition":
            coded += concepts(condition, "code")
    for reason in items(resource, "reason"):
        coded += concepts(reason, "concept")
    return context.vocabulary.problems(tuple(coded)).concepts if coded else frozenset()


def _restricts_fluid(resource: Element, kind: Kind, context: ReadContext) -> bool:
    """A fluid restriction by code or by words, on a diet order, a service order or a free-text one (C.6)."""
    if kind == "medication" and "oralDiet" not in resource and "code" not in resource:
        return context.vocabulary.restricts(concepts(resource, "medicationCodeableConcept"))
    diet = child(resource, "oralDiet")
    coded: list[Coded] = [
        *concepts(diet, "type"),
        *concepts(resource, "code", "medicationCodeableConcept"),
    ]
    for nutrient in items(diet, "nutrient"):
        coded += concepts(nutrient, "modifier")
    said = [text(diet, "instruction"), instruction_text(resource) if kind != "medication" else ""]
    said += [text(note, "text") for note in items(resource, "note")] if kind == "nutrition" else []
    return context.vocabulary.restrictions.match(coded, *filter(None, said))


def _stoppable(resource: Element, found: Resolution, context: ReadContext) -> bool:
    """A single-ingredient, active order of a class that one click may stop (M14).

    Whether it is valid and inert is seen when the suggestion is written (`fhir.stops`).
    """
    if not found.drugs or found.ingredient_count != 1:
        return False
    return context.vocabulary.stop_classes.issuperset(
        [drug.cls for drug in found.drugs]
    ) and may_stop(resource)
