"""Makes the two documents that the service answers beside cards: discovery and errors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cds_service.errors import ServiceError
from cds_service.knowledge.load import Service

SPECIFICATION = "3.0.0-ballot"  # of CDS Hooks
FHIR_JSON = "application/fhir+json"


def discovery(services: Iterable[Service], note: str = "") -> dict[str, Any]:
    """Returns all services in the order of their ids; `note` is added to each description."""
    entries = []
    for service in sorted(services, key=lambda one: one.id):
        entries.append(
            {
                "id": service.id,
                "hook": service.hook,
                "hookVersion": service.hook_version,
                "version": SPECIFICATION,
                "title": service.title,
                "description": f"{service.description} {note}".strip(),
                "usageRequirements": service.usage_requirements,
                "prefetch": dict(service.prefetch),
            }
        )
    return {"services": entries}


def operation_outcome(code: str, text: str, correlation_id: str) -> dict[str, Any]:
    """Returns a FHIR R4 OperationOutcome, which holds no data that the caller sent."""
    issue: dict[str, Any] = {"severity": "error", "code": code, "details": {"text": text}}
    if correlation_id:
        issue["diagnostics"] = f"correlation id {correlation_id}"
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def outcome_of(error: ServiceError, correlation_id: str) -> dict[str, Any]:
    """Returns the OperationOutcome of one of our own errors."""
    return operation_outcome(error.code, error.message, correlation_id)
