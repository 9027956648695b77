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
    return {
        "id": service.id,
        "hook": service.hook,
        "hookVersion": service.hook_version,
        "version": SPECIFICATION,
        "title": service.title,
        "description": f"{service.description} {note}".strip(),
        "usageRequirements": service.usage_requirements,
        "prefetch": dict(service.prefetch),
    }
