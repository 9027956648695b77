"""A one-click stop: the patient's own order, whole, with the status "stopped" (B.4, M14)."""

from __future__ import annotations

from collections.abc import Mapping

from cds_service.orders import r4b
from cds_service.orders.safe_to_echo import is_inert
from cds_service.records.fhir_types import Resource, tolerant
from cds_service.records.medications import may_stop

# These change what the order means, in ways that we do not know.
_UNKNOWN_MEANING = ("modifierExtension", "implicitRules", "_status", "_intent", "doNotPerform")


def stopped(
    order: Mapping[str, object], reason: str, bases: tuple[str, ...] = ()
) -> dict[str, object] | None:
    """A copy of an active MedicationRequest with the status "stopped" and the reason.

    None where the order is not valid R4, holds a string that is not inert, or has an empty member, which no card
    may have. The narrative is left out: it would still call the order active.
    """
    if not may_stop(tolerant(Resource, order)) or any(order.get(name) for name in _UNKNOWN_MEANING):
        return None
    copy = {name: value for name, value in order.items() if name != "text"}
    copy |= {"status": "stopped", "statusReason": {"text": reason}}
    return copy if is_inert(copy, bases) and _is_filled(copy) and _is_valid(copy) else None


def _is_filled(value: object) -> bool:
    if isinstance(value, dict):
        return bool(value) and all(_is_filled(member) for member in value.values())
    if isinstance(value, list):
        return bool(value) and all(_is_filled(member) for member in value)
    return value is not None and value != ""


def _is_valid(resource: dict[str, object]) -> bool:
    # The model raises more than its ValidationError (a ValueError) on JSON that no server should send.
    try:
        r4b.validate(resource)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError):
        return False
    return True
