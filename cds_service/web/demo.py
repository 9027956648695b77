"""Demo mode: a read-only FHIR R4 server with the stories, and each story's hook call, shifted to now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, request

from cds_service.errors import NotFound
from cds_service.fhir.memory import MemoryServer, Query
from cds_service.protocol.outcome import FHIR_JSON
from cds_service.protocol.wire import encode
from cds_service.stories import Story
from cds_service.web.runtime import runtime

blueprint = Blueprint("demo", __name__, url_prefix="/demo")
FHIR_PATH = "/demo/fhir"


@blueprint.get("/stories")
def stories() -> Response:
    """The stories by name."""
    listed = [
        {
            "name": s.name,
            "title": s.file.title,
            "why": s.file.why,
            "service": s.file.service,
            "patientId": s.patient_id,
        }
        for s in runtime().stories.values()
    ]
    return Response(encode({"stories": listed}), mimetype="application/json")


@blueprint.get("/stories/<name>/request")
def story_request(name: str) -> Response:
    """A story's hook call as an EHR would send it now: post it to the story's service."""
    return _json(_story(name).request_at(runtime().clock()), "application/json")


@blueprint.get("/fhir/metadata")
def metadata() -> Response:
    """The CapabilityStatement."""
    return _json(_server().metadata(runtime().clock().date().isoformat()))


@blueprint.get("/fhir/<type_>/<id_>")
def read(type_: str, id_: str) -> Response:
    """One resource."""
    return _json(_server().read(type_, id_))


@blueprint.get("/fhir/<type_>", strict_slashes=False)
def search(type_: str) -> Response:
    """A search by GET."""
    return _search(type_, request.args.to_dict())


@blueprint.post("/fhir/<type_>/_search")
def post_search(type_: str) -> Response:
    """The same search with its parameters in a form."""
    return _search(type_, {**request.args.to_dict(), **request.form.to_dict()})


def _search(type_: str, parameters: Mapping[str, str]) -> Response:
    return _json(_server().search(Query(type=type_, parameters=parameters)))


def _server() -> MemoryServer:
    """The stories as they stand now. Built for each request: a demo is small, and never stale."""
    here = runtime()
    now = here.clock()
    resources = [resource for story in here.stories.values() for resource in story.resources_at(now)]
    return MemoryServer(here.settings.base_url + FHIR_PATH, resources)


def _story(name: str) -> Story:
    try:
        return runtime().stories[name]
    except KeyError:
        raise NotFound("There is no such story. The stories are listed at /demo/stories.") from None


def _json(value: Mapping[str, Any], media: str = FHIR_JSON) -> Response:
    return Response(encode(value), mimetype=media, headers={"Cache-Control": "no-store"})
