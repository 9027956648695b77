"""A one-click stop: the patient's own order, whole, with the status "stopped" (B.4, M14)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cds_service.orders import r4b
from cds_service.records.fhir_types import MAX_TEXT, Resource, tolerant
from cds_service.records.medications import may_stop

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
    """A copy of an active MedicationRequest with the status "stopped" and the reason.

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
