"""A hook call read in part: of each prefetched resource only the members that the reader looks at.

Most of a prefetch is narrative, identifiers and displays that no rule asks for; passing over them takes a third
of the time of decoding them (docs/decisions/0006). What is kept is plain JSON, exactly as `protocol.wire` would
decode it, but for the members in `Raw`: they stay undecoded until `fhir.elements` is asked for one. A body in
which an object stands where none belongs is decoded whole, and reads the same.

A member that is not listed here does not exist for the reader: a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict, cast

import msgspec
from msgspec import Raw

from cds_service.errors import BadRequest
from cds_service.protocol.wire import decode, decoder
from cds_service.records.elements import Element
from cds_service.records.forms import Meta, Quantity, Reference

Resource = TypedDict(
    "Resource",
    {
        "resourceType": Any,
        "id": Any,
        "meta": Meta | None,
        "contained": Raw,
        "identifier": Raw,
        "status": Any,
        "intent": Any,
        "doNotPerform": Any,
        "category": Raw,
        "code": Raw,
        "name": Any,
        "subject": Reference | None,
        "patient": Reference | None,
        "encounter": Raw,
        "context": Raw,
        "note": Raw,
        # Patient, Encounter
        "birthDate": Any,
        "gender": Any,
        "deceasedBoolean": Any,
        "deceasedDateTime": Any,
        "class": Any,
        # Observation
        "effectiveDateTime": Any,
        "effectiveInstant": Any,
        "effectivePeriod": Any,
        "issued": Any,
        "valueQuantity": Quantity | None,
        "valueCodeableConcept": Raw,
        "valueString": Any,
        "method": Raw,
        "specimen": Reference | None,
        "device": Any,
        "component": Raw,
        # Condition
        "clinicalStatus": Raw,
        "verificationStatus": Raw,
        "abatementBoolean": Any,
        "abatementDateTime": Any,
        "abatementAge": Any,
        "abatementPeriod": Any,
        "abatementRange": Any,
        "abatementString": Any,
        "abatementDate": Any,
        "onsetDateTime": Any,
        "onsetPeriod": Any,
        "recordedDate": Any,
        "assertedDate": Any,
        "dateRecorded": Any,
        "dateAsserted": Any,
        # Orders of every kind and version
        "medicationCodeableConcept": Raw,
        "medicationReference": Any,
        "medication": Any,
        "authoredOn": Any,
        "dateWritten": Any,
        "dateTime": Any,
        "orderedOn": Any,
        "effectiveTimeDateTime": Any,
        "effectiveTimePeriod": Any,
        "taken": Any,
        "wasNotTaken": Any,
        "wasNotGiven": Any,
        "notGiven": Any,
        "reason": Any,
        "reasonCode": Raw,
        "reasonCodeableConcept": Raw,
        "reasonForUseCodeableConcept": Raw,
        "reasonReference": Any,
        "indication": Any,
        "dosageInstruction": Raw,
        "dosage": Raw,
        "dispenseRequest": Raw,
        "oralDiet": Raw,
        # Medication, Specimen, Device
        "form": Raw,
        "doseForm": Raw,
        "ingredient": Raw,
        "product": Raw,
        "type": Any,
        "deviceName": Any,
        # OperationOutcome
        "issue": Any,
    },
    total=False,
)


class Entry(TypedDict, total=False):
    """One entry of a Bundle."""

    fullUrl: Any
    resource: Resource


class Prefetched(Resource, total=False):
    """One prefetch key: a Bundle, or a resource by itself."""

    entry: list[Entry]
    link: Any
    total: Any


class Call(TypedDict, total=False):
    """The body of a hook call; the draft orders in its context are read whole."""

    hook: Any
    hookInstance: Any
    context: Any
    fhirServer: Any
    fhirAuthorization: Any
    extension: Any
    prefetch: dict[str, Prefetched | None]


_CALL = decoder(Call)


def decode_call(body: bytes) -> Any:
    """The body of a hook call, read in part; BadRequest where it is not strict JSON."""
    if not _is_utf8(body):  # which the decoder does not look for in what it passes over
        return decode(body)
    try:
        return _CALL.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return decode(body)  # an odd shape, or no JSON: that is for the strict decoder to say


def _is_utf8(body: bytes) -> bool:
    if body.isascii():
        return True
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


class _WholeEntry(TypedDict, total=False):
    resource: Raw


class _WholeBundle(TypedDict, total=False):
    entry: list[_WholeEntry]


class _WholeCall(TypedDict):
    prefetch: dict[str, Raw]


_WHOLE, _WHOLE_BUNDLE = decoder(_WholeCall), decoder(_WholeBundle)


def as_sent(element: Element, prefetch: Mapping[str, object], body: bytes) -> Element | None:
    """A prefetched resource with all its members, for the few calls that must give one back whole.

    `prefetch` is what `decode_call` made of `body`. A resource that is not in it was read live, and whole. None where
    the body does not give it again: half a resource must never be sent back.
    """
    for key, value in prefetch.items():
        if value is element:
            return _whole(body, key)
        entries = value.get("entry") if isinstance(value, dict) else value
        listed: list[object] = entries if isinstance(entries, list) else []
        for at, entry in enumerate(listed):
            if entry is element:
                return (
                    element  # a bare list of resources is no Bundle, and its body was decoded whole
                )
            if isinstance(entry, dict) and entry.get("resource") is element:
                return _whole(body, key, at)
    return element


def _whole(body: bytes, key: str, at: int | None = None) -> Element | None:
    """What was sent under a key, or the resource of one entry of the Bundle there."""
    try:
        raw = _WHOLE.decode(body)["prefetch"][key]
        found: object = decode(
            bytes(raw if at is None else _WHOLE_BUNDLE.decode(raw)["entry"][at]["resource"])
        )
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, LookupError, BadRequest):
        return None
    return cast("Element", found) if isinstance(found, dict) else None
