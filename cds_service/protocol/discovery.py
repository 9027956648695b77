"""The discovery document: what `GET /cds-services` answers (CDS Hooks 3.0.0-ballot, "Discovery")."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cds_service.knowledge.load import Service

SPECIFICATION = "3.0.0-ballot"


def discovery(services: Iterable[Service], note: str = "") -> dict[str, Any]:
    """All services, in the order of their ids; `note` is added to each description."""
    return {"services": [_entry(service, note) for service in sorted(services, key=lambda s: s.id)]}


def _entry(service: Service, note: str) -> dict[str, Any]:
    file = service.file
    return {
        "id": service.id,
        "hook": file.hook,
        "hookVersion": file.hook_version,
        "version": SPECIFICATION,
        "title": file.title,
        "description": f"{file.description} {note}".strip(),
        "usageRequirements": file.usage_requirements,
        "prefetch": dict(service.prefetch),
    }
