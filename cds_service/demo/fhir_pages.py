"""A read-only FHIR R4 server with the stories, and each story's hook call, shifted to now."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import parse_qsl

from flask import Blueprint, Response, current_app, request

from cds_service.demo.fhir_server import MemoryServer, Query
from cds_service.demo.stories import Story
from cds_service.errors import NotFound, Overloaded, ServiceError
from cds_service.protocol.documents import FHIR_JSON
from cds_service.protocol.wire import encode
from cds_service.web.messages import JSON, unstored
from cds_service.web.runtime import runtime

blueprint = Blueprint("demo", __name__, url_prefix="/demo")
FHIR_PATH = "/demo/fhir"
# The same records behind slow and broken servers show a visitor deadlines, partial cards and 412s.
SERVERS = {
    "fhir": "answers at once",
    "fhir-slow": "problems and medicines come too late",
    "fhir-broken": "answers every read with an error",
}
_ANY_SERVER = f"<any({', '.join(map(repr, SERVERS))}):server>"
_LATE = frozenset({"Condition", "MedicationRequest"})
_LATE_S = 2.0  # beyond the deadline of a demo call, but too short to hold threads for long
STORIES = "hyponatremia-cds demo stories"
_RECORDS = "hyponatremia-cds demo records"


def kept_stories() -> Mapping[str, Story]:
    """Returns the stories of the app that answers this request, by name."""
    stories: Mapping[str, Story] = current_app.extensions[STORIES]
    return stories


@blueprint.get("/stories")
def stories() -> Response:
    """Lists the stories."""
    listed = [
        {
            "name": story.name,
            "title": story.file.title,
            "why": story.file.why,
            "service": story.file.service,
            "patientId": story.patient_id,
        }
        for story in kept_stories().values()
    ]
    return Response(encode({"stories": listed}), mimetype=JSON)


@blueprint.get("/stories/<name>/request")
def story_request(name: str) -> Response:
    """Answers with a story's hook call as an EHR would send it now to the story's service."""
    return unstored(_story(name).request_at(runtime().clock()))


@blueprint.get(f"/{_ANY_SERVER}/metadata")
def metadata(server: str) -> Response:
    """Answers with the CapabilityStatement."""
    return unstored(_server().metadata(runtime().clock().date().isoformat()), FHIR_JSON)


@blueprint.get(f"/{_ANY_SERVER}/<type_>/<id_>")
def read(server: str, type_: str, id_: str) -> Response:
    """Answers with one resource."""
    _suffer(server, type_)
    return unstored(_server().read(type_, id_), FHIR_JSON)


@blueprint.get(f"/{_ANY_SERVER}/<type_>", strict_slashes=False)
def search(server: str, type_: str) -> Response:
    """Answers a search by GET."""
    _suffer(server, type_)
    return _search(type_, request.args.to_dict())


@blueprint.post(f"/{_ANY_SERVER}/<type_>/_search")
def post_search(server: str, type_: str) -> Response:
    """Answers a search with its parameters in a form."""
    _suffer(server, type_)
    return _search(type_, {**request.args.to_dict(), **request.form.to_dict()})


def _suffer(server: str, type_: str) -> None:
    """Behaves as badly as the server that was called."""
    if server == "fhir-broken":
        raise Overloaded("This FHIR server is out of order, on purpose.")
    if server == "fhir-slow" and type_ in _LATE:
        time.sleep(_LATE_S)


def _search(type_: str, parameters: Mapping[str, str]) -> Response:
    if any(_fails(story, type_, parameters) for story in kept_stories().values()):
        raise ServiceError("The results could not be read.")
    return unstored(_server().search(Query(type=type_, parameters=parameters)), FHIR_JSON)


def _fails(story: Story, type_: str, parameters: Mapping[str, str]) -> bool:
    """Returns True if this story is about an EHR that cannot answer this search."""
    if parameters.get("patient") != story.patient_id:
        return False
    prefetch = runtime().pipeline.knowledge.services[story.file.service].prefetch
    for key in story.file.failing:
        path, _, query = prefetch[key].partition("?")
        if path == type_ and dict(parse_qsl(query)).get("code") == parameters.get("code"):
            return True
    return False


def _server() -> MemoryServer:
    """Returns the stories as they are now; they move, and the server is made anew, every minute."""
    here = runtime()
    minute = here.clock().replace(second=0, microsecond=0)
    held: tuple[datetime, MemoryServer] | None = current_app.extensions.get(_RECORDS)
    if held is None or held[0] != minute:
        resources = [
            resource for story in kept_stories().values() for resource in story.resources_at(minute)
        ]
        held = minute, MemoryServer(here.settings.base_url + FHIR_PATH, resources)
        current_app.extensions[_RECORDS] = held
    return held[1]


def _story(name: str) -> Story:
    try:
        return kept_stories()[name]
    except KeyError:
        raise NotFound("There is no such story. The stories are listed at /demo/stories.") from None
