"""The orders and stops that we suggest: checked templates with ids and dates (B.4, S19)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from string import Template
from typing import Any, Literal

from msgspec import Struct

from cds_service.engine.finding import (
    Action,
    DraftLabs,
    DraftOrder,
    RemoveDraft,
    StopOrder,
    Suggestion,
)
from cds_service.errors import KnowledgeError
from cds_service.knowledge.names import OrderTemplate
from cds_service.knowledge.words import DietTemplate, DrugTemplate, Lab, OrderWords, Term
from cds_service.lazy import cached_property
from cds_service.orders import r4b
from cds_service.records.bounds import MAX_TEXT
from cds_service.records.fhir_types import Resource, tolerant
from cds_service.records.medications import may_stop
from cds_service.terminology.codes import LOINC

UCUM = "http://unitsofmeasure.org"
FluidOrder = Literal["NutritionOrder", "ServiceRequest"]

_ID = re.compile(r"[A-Za-z0-9\-._]{1,256}", re.ASCII)
_SIGNER = re.compile(r"(?:Practitioner|PractitionerRole)/[A-Za-z0-9\-._]{1,256}", re.ASCII)
_DRAFT = re.compile(r"[A-Z][A-Za-z]{1,40}/[A-Za-z0-9\-._]{1,256}", re.ASCII)
_AMOUNT = re.compile(r"\d{1,5}(?:\.\d{1,3})?", re.ASCII)


class OrderContext(Struct, frozen=True, kw_only=True, dict=True):
    """For whom, when and by whom; `resource_of` gives the record's own resource for a stop."""

    patient_id: str
    now: datetime
    encounter_id: str | None = None
    practitioner: str | None = None  # "Practitioner/7": `HookRequest.practitioner`
    fluid_order: FluidOrder = "NutritionOrder"
    bases: tuple[str, ...] = ()
    resource_of: Callable[[str], Mapping[str, object] | None] = lambda reference: None

    @cached_property
    def fits(self) -> bool:
        """Whether patient and encounter are ids that may stand in a resource."""
        return _is_id(self.patient_id) and (self.encounter_id is None or _is_id(self.encounter_id))

    @cached_property
    def written(self) -> str:
        """When the orders of this call are written."""
        return _instant(self.now)

    @cached_property
    def asked_by(self) -> Mapping[str, Any]:
        """Subject, encounter and requester, as all resources but NutritionOrder name them."""
        return _who(self, "subject", "requester")


class Orders(Struct, frozen=True, dict=True):
    """Every order this service may suggest; what is the same for all patients is made once."""

    words: OrderWords
    labs: Mapping[str, Lab]

    @cached_property
    def tests(self) -> Mapping[str, dict[str, Any]]:
        """`ServiceRequest.code` of each laboratory test that may be ordered."""
        return {
            name: {
                "coding": [{"system": LOINC, "code": lab.order, "display": lab.loinc[lab.order]}],
                "text": lab.title,
            }
            for name, lab in self.labs.items()
            if lab.order
        }

    @cached_property
    def laboratory(self) -> list[dict[str, Any]]:
        """`ServiceRequest.category` of a laboratory test."""
        return [_concept(self.words.labs.category)]

    def actions_for(
        self, suggestion: Suggestion, context: OrderContext, description: str
    ) -> list[dict[str, Any]]:
        """Returns the CDS Hooks actions of one suggestion; empty if one of them cannot be written.

        `description` is shown for each action; of several laboratory tests each adds its name.
        Raises LookupError for an analyte that labs.toml gives no order code.
        """
        found: list[dict[str, Any]] = []
        for action in suggestion.actions:
            built = self._built(action, context, description) if context.fits else []
            if not built:
                return []
            found += built
        return found

    def _built(
        self, action: Action, context: OrderContext, description: str
    ) -> list[dict[str, Any]]:
        match action:
            case DraftLabs():
                found = []
                for analyte in action.analytes:
                    title = self.labs[analyte].title
                    alone = len(action.analytes) == 1 and title.lower() in description.lower()
                    said = description if alone else f"{description}: {title}"
                    found += _create(self.lab(analyte, action, context), said)
                return found
            case DraftOrder():
                return _create(self.order(action, context), description)
            case RemoveDraft():
                known = _DRAFT.fullmatch(action.reference) is not None
                deletion = {
                    "type": "delete",
                    "description": description,
                    "resourceId": action.reference,
                }
                return [deletion] if known else []
            case StopOrder():
                order = context.resource_of(action.reference)
                copy = (
                    stopped(order, self.words.stop.reason, context.bases)
                    if order is not None
                    else None
                )
                return (
                    [{"type": "update", "description": description, "resource": copy}]
                    if copy
                    else []
                )

    def lab(self, analyte: str, action: DraftLabs, context: OrderContext) -> dict[str, Any]:
        """Returns a draft ServiceRequest for one laboratory test."""
        request: dict[str, Any] = {
            "resourceType": "ServiceRequest",
            "status": "draft",
            "intent": "order",
            "category": self.laboratory,
            "priority": action.priority,
            "code": self.tests[analyte],
            **context.asked_by,
            "authoredOn": context.written,
        }
        if action.after:
            # To the minute: the same advice a moment later is the same order.
            request["occurrenceDateTime"] = _instant((context.now + action.after).replace(second=0))
        return request

    def order(self, action: DraftOrder, context: OrderContext) -> dict[str, Any]:
        """Returns a draft from a template of orders.toml; empty if the amount is no number."""
        words = self.words.templates[action.template]
        amount = _quantity(action.amount, words.unit, words.unit)
        if not amount:
            return {}
        instruction = Template(words.instruction).substitute(amount=action.amount)
        if isinstance(words, DrugTemplate):
            days = {"value": words.supply_days, "unit": "days", "system": UCUM, "code": "d"}
            repeat = {
                "boundsDuration": days,
                "frequency": words.frequency,
                "period": words.period_days,
                "periodUnit": "d",
            }
            return {
                "resourceType": "MedicationRequest",
                "status": "draft",
                "intent": "order",
                "medicationCodeableConcept": _concept(words.medication, words.medication.display),
                **context.asked_by,
                "authoredOn": context.written,
                "reasonCode": [_concept(words.reason)],
                "dosageInstruction": [
                    {
                        "text": instruction,
                        "timing": {"repeat": repeat},
                        "doseAndRate": [{"doseQuantity": amount}],
                    }
                ],
                "dispenseRequest": {"expectedSupplyDuration": days},
            }
        return self._diet(words, amount, instruction, context)

    def _diet(
        self,
        words: DietTemplate,
        amount: dict[str, Any],
        instruction: str,
        context: OrderContext,
    ) -> dict[str, Any]:
        """Returns a NutritionOrder, or a ServiceRequest if the client wants that."""
        if context.fluid_order == "ServiceRequest":
            return {
                "resourceType": "ServiceRequest",
                "status": "draft",
                "intent": "order",
                "code": _concept(
                    words.diet, Template(words.text).substitute(amount=amount["value"])
                ),
                "quantityQuantity": amount,
                **context.asked_by,
                "occurrenceTiming": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                "authoredOn": context.written,
                "patientInstruction": instruction,
            }
        return {
            "resourceType": "NutritionOrder",
            "status": "draft",
            "intent": "order",
            **_who(context, "patient", "orderer"),
            "dateTime": context.written,
            "oralDiet": {
                "type": [_concept(words.diet)],
                "nutrient": [{"modifier": _concept(words.nutrient), "amount": amount}],
                "instruction": instruction,
            },
        }


def orders(words: OrderWords, labs: Mapping[str, Lab], now: datetime) -> Orders:
    """Returns all templates, validated with sample ids; KnowledgeError names the one that fails.

    Drafts that were validated before, byte for byte, are not validated again.
    """
    built = Orders(words, labs)
    for name, lab in labs.items():
        if lab.order and lab.order not in lab.loinc:
            raise KnowledgeError(f"knowledge/labs.toml: [{name}] has no display for its order code")
    drafts = sample_drafts(built, now)
    if not r4b.known_valid(drafts):
        for draft in drafts:
            kind = draft.get("resourceType", "an order")
            try:
                r4b.validate(draft)
            except (KeyError, ValueError) as error:
                raise KnowledgeError(
                    f"knowledge/orders.toml: {kind} is not valid FHIR R4: {error}"
                ) from None
    return built


def sample_drafts(built: Orders, now: datetime) -> list[dict[str, Any]]:
    """Returns a draft of each template, once with all that a call may fill in, once with least."""
    drafts = []
    for sample in _samples(now):
        drafts += [
            built.order(DraftOrder(OrderTemplate.FLUID_RESTRICTION, "1000"), sample),
            built.order(DraftOrder(OrderTemplate.BACLOFEN, "10"), sample),
        ]
        drafts += [
            built.lab(name, DraftLabs((name,)), sample)
            for name, lab in built.labs.items()
            if lab.order
        ]
    return drafts


def _samples(now: datetime) -> list[OrderContext]:
    full = OrderContext(patient_id="p", now=now, encounter_id="e", practitioner="Practitioner/u")
    as_service = OrderContext(patient_id="p", now=now, fluid_order="ServiceRequest")
    return [full, as_service]


def _who(context: OrderContext, patient: str, signer: str) -> dict[str, Any]:
    """Returns the references of one call; a user who may not sign orders is left out."""
    found: dict[str, Any] = {patient: {"reference": f"Patient/{context.patient_id}"}}
    if context.encounter_id is not None:
        found["encounter"] = {"reference": f"Encounter/{context.encounter_id}"}
    if context.practitioner is not None and _SIGNER.fullmatch(context.practitioner):
        found[signer] = {"reference": context.practitioner}
    return found


def _is_id(value: str) -> bool:
    return _ID.fullmatch(value) is not None and value.strip(".") != ""


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _concept(term: Term, words: str = "") -> dict[str, Any]:
    coding = {"system": term.system, "code": term.code, "display": term.display}
    return {"coding": [coding], "text": words or term.display}


def _quantity(value: str, unit: str, code: str) -> dict[str, Any]:
    """Returns a quantity in UCUM; empty where the value is not a plain number."""
    if _AMOUNT.fullmatch(value) is None:
        return {}
    number = Decimal(value)
    exact = int(number) if number == number.to_integral_value() else number
    return {"value": exact, "unit": unit, "system": UCUM, "code": code}


def _create(resource: dict[str, Any], description: str) -> list[dict[str, Any]]:
    return (
        [{"type": "create", "description": description, "resource": resource}] if resource else []
    )


# ---- one-click stops


# These change what the order means, in ways that we do not know.
_UNKNOWN_MEANING = ("modifierExtension", "implicitRules", "_status", "_intent", "doNotPerform")
# Elements that hold a URI by definition; everywhere else an address is somebody's message.
_URI_KEYS = frozenset({"system", "url", "profile", "instantiatesCanonical", "instantiatesUri"})
_URI = re.compile(r"(?:https?://|urn:)[A-Za-z0-9][A-Za-z0-9\-._~:/|%+=,]{0,300}", re.ASCII)
_REFERENCE = re.compile(
    r"(?:#[A-Za-z0-9\-._]{1,64}|urn:uuid:[0-9A-Fa-f\-]{36}|(?:https?://[A-Za-z0-9\-._~:/]{1,200}/)?"
    r"[A-Z][A-Za-z]{1,40}/[A-Za-z0-9\-._]{1,256}(?:/_history/[A-Za-z0-9\-.]{1,64})?)",
    re.ASCII,
)
_ACTIVE = re.compile(
    # markup, addresses, scripts; control, bidirectional and zero-width characters
    r"[<>&`\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
    r"|://|www\.|javascript:|data:|@|\]\(",
    re.IGNORECASE,
)
_MAX_DEPTH = 16


def stopped(
    order: Mapping[str, object], reason: str, bases: tuple[str, ...] = ()
) -> dict[str, object] | None:
    """Returns a copy of an active MedicationRequest with the status "stopped" and the reason.

    None if the order is not valid R4, holds a string that is not safe to echo, or has an empty
    member, which no card may have. The narrative is left out: it would still call the order active.
    """
    if not may_stop(tolerant(Resource, order)) or any(order.get(name) for name in _UNKNOWN_MEANING):
        return None
    copy = {name: value for name, value in order.items() if name != "text"}
    copy |= {"status": "stopped", "statusReason": {"text": reason}}
    return copy if is_safe_to_echo(copy, bases) and _is_filled(copy) and _is_valid(copy) else None


def _is_filled(value: object) -> bool:
    if isinstance(value, dict):
        return bool(value) and all(_is_filled(member) for member in value.values())
    if isinstance(value, list):
        return bool(value) and all(_is_filled(member) for member in value)
    return value is not None and value != ""


def _is_valid(resource: dict[str, object]) -> bool:
    # On JSON that no server should send, the model raises more than its ValidationError.
    try:
        r4b.validate(resource)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError):
        return False
    return True


def is_safe_to_echo(
    value: object, bases: tuple[str, ...] = (), key: str = "", depth: int = 0
) -> bool:
    """Whether every string in a JSON value is plain words, a code, or a URI where a URI belongs.

    Absolute references are safe only under one of `bases`.
    """
    if depth > _MAX_DEPTH:
        return False
    if isinstance(value, dict):
        return all(
            isinstance(name, str)
            and _is_name(name)
            and is_safe_to_echo(inner, bases, name, depth + 1)
            for name, inner in value.items()
        )
    if isinstance(value, list):
        return all(is_safe_to_echo(inner, bases, key, depth + 1) for inner in value)
    return not isinstance(value, str) or _string_is_safe_to_echo(value, bases, key)


def _is_name(name: str) -> bool:
    return name.lstrip("_").isalnum() and name.isascii()


def _string_is_safe_to_echo(value: str, bases: tuple[str, ...], key: str) -> bool:
    if key in _URI_KEYS:
        return _URI.fullmatch(value) is not None
    if key == "reference":
        known = not value.startswith("http") or any(
            value.startswith(b.rstrip("/") + "/") for b in bases
        )
        return known and _REFERENCE.fullmatch(value) is not None
    return len(value) <= MAX_TEXT and _ACTIVE.search(value) is None
