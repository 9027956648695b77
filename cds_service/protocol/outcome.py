"""The OperationOutcome that every error answer carries: fixed text, a code, a correlation id."""

from __future__ import annotations

from typing import Any

from cds_service.errors import ServiceError

FHIR_JSON = "application/fhir+json"


def operation_outcome(code: str, text: str, correlation_id: str) -> dict[str, Any]:
    """A FHIR R4 OperationOutcome; never holds anything that the caller sent."""
    issue: dict[str, Any] = {"severity": "error", "code": code, "details": {"text": text}}
    if correlation_id:
        issue["diagnostics"] = f"correlation id {correlation_id}"
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def outcome_of(error: ServiceError, correlation_id: str) -> dict[str, Any]:
    """The OperationOutcome of one of our own errors."""
    return operation_outcome(error.code, error.message, correlation_id)
