"""Serves the topics of cards and the override reasons as FHIR code systems and value sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response

from cds_service.engine.cards import OVERRIDE_PATH, TOPIC_PATH
from cds_service.errors import NotFound
from cds_service.protocol.documents import FHIR_JSON
from cds_service.protocol.wire import encode
from cds_service.web.runtime import Runtime, runtime

_TOPIC, _OVERRIDE = TOPIC_PATH.rpartition("/")[2], OVERRIDE_PATH.rpartition("/")[2]
blueprint = Blueprint("terminology", __name__, url_prefix="/fhir")


@blueprint.get("/CodeSystem/<name>")
def code_system(name: str) -> Response:
    """Answers with one of our code systems."""
    here = runtime()
    title, concepts = _named(name, _own(here), "code system")
    return _json(
        _head(here, "CodeSystem", name, title)
        | {
            "caseSensitive": True,
            "content": "complete",
            "valueSet": _url(here, "ValueSet", name),
            "count": len(concepts),
            "concept": _concepts(concepts),
        }
    )


@blueprint.get("/ValueSet/<name>")
def value_set(name: str) -> Response:
    """Answers with the codes that a card may hold: topics, or override reasons, ours and HL7's."""
    here = runtime()
    own = _own(here)
    title, concepts = _named(name, own, "value set")
    include: list[dict[str, Any]] = [
        {"system": _url(here, "CodeSystem", name), "concept": _concepts(concepts)}
    ]
    if name == _OVERRIDE:
        include += _borrowed(here)
    return _json(_head(here, "ValueSet", name, title) | {"compose": {"include": include}})


def _own(here: Runtime) -> dict[str, tuple[str, Mapping[str, str]]]:
    """Returns our code systems by id: the title of each, and its displays by code."""
    knowledge = here.pipeline.knowledge
    reasons = {
        key: reason.display for key, reason in knowledge.overrides.items() if not reason.system
    }
    return {
        _TOPIC: ("Topics of hyponatremia cards", knowledge.topics),
        _OVERRIDE: ("Reasons for not following a hyponatremia card", reasons),
    }


def _borrowed(here: Runtime) -> list[dict[str, Any]]:
    """Returns the override reasons on our cards that come from other code systems."""
    systems: dict[str, dict[str, str]] = {}
    for key, reason in here.pipeline.knowledge.overrides.items():
        if reason.system:
            systems.setdefault(reason.system, {})[key] = reason.display
    return [
        {"system": system, "concept": _concepts(concepts)} for system, concepts in systems.items()
    ]


def _named(
    name: str, known: Mapping[str, tuple[str, Mapping[str, str]]], kind: str
) -> tuple[str, Mapping[str, str]]:
    if name not in known:
        raise NotFound(f"There is no such {kind} here. There are: {', '.join(known)}.")
    return known[name]


def _head(here: Runtime, kind: str, name: str, title: str) -> dict[str, Any]:
    computable = "".join(part.capitalize() for part in name.split("-"))
    return {
        "resourceType": kind,
        "id": name,
        "url": _url(here, kind, name),
        "name": computable,
        "title": title,
        "status": "active",
    }


def _url(here: Runtime, kind: str, name: str) -> str:
    return f"{here.settings.fhir_terminology}/{kind}/{name}"


def _concepts(concepts: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"code": code, "display": display} for code, display in concepts.items()]


def _json(resource: Mapping[str, Any]) -> Response:
    return Response(encode(resource), mimetype=FHIR_JSON)
