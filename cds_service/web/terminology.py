"""Our own code systems as FHIR resources: topics of cards and override reasons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response

from cds_service.cards import OVERRIDE_PATH, TOPIC_PATH
from cds_service.errors import NotFound
from cds_service.protocol.outcome import FHIR_JSON
from cds_service.protocol.wire import encode
from cds_service.web.runtime import Runtime, runtime

blueprint = Blueprint("terminology", __name__, url_prefix="/fhir")


@blueprint.get("/CodeSystem/<name>")
def code_system(name: str) -> Response:
    """One of our code systems by its id."""
    here = runtime()
    knowledge = here.pipeline.knowledge
    own = {key: r.display for key, r in knowledge.overrides.items() if not r.system}
    systems = {
        TOPIC_PATH.rpartition("/")[2]: ("Topics of hyponatremia cards", knowledge.topics),
        OVERRIDE_PATH.rpartition("/")[2]: ("Reasons for not following a hyponatremia card", own),
    }
    if name not in systems:
        raise NotFound(f"There is no such code system here. There are: {', '.join(systems)}.")
    title, concepts = systems[name]
    return Response(encode(_resource(here, name, title, concepts)), mimetype=FHIR_JSON)


def _resource(here: Runtime, name: str, title: str, concepts: Mapping[str, str]) -> dict[str, Any]:
    return {
        "resourceType": "CodeSystem",
        "id": name,
        "url": f"{here.settings.fhir_terminology}/CodeSystem/{name}",
        "name": "".join(part.capitalize() for part in name.split("-")),
        "title": title,
        "status": "active",
        "caseSensitive": True,
        "content": "complete",
        "count": len(concepts),
        "concept": [{"code": code, "display": display} for code, display in concepts.items()],
    }
