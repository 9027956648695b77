"""Reads and searches over resources in memory, as a small read-only FHIR R4 server does them.

It serves the stories in demo mode and fills their prefetch. It knows the searches that our prefetch
needs and those of the public CDS Hooks Sandbox; any other parameter is refused, not ignored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from flask import Blueprint, Response, current_app, request
from msgspec import Struct

from cds_service.demo.stories import Story
from cds_service.errors import BadRequest, NotFound, Overloaded, ServiceError
from cds_service.protocol.documents import FHIR_JSON
from cds_service.protocol.wire import encode
from cds_service.trust.registry import AS_EPIC, AS_EUROPEAN
from cds_service.web.messages import JSON, unstored
from cds_service.web.runtime import runtime

FHIR_VERSION = "4.0.1"
Resource = dict[str, Any]
_PAGE = 50  # resources on a page without _count
_LARGEST_PAGE = 500
_DATES = (
    "effectiveDateTime",
    "performedDateTime",
    "authoredOn",
    "recordedDate",
    "onsetDateTime",
    "dateTime",
    "issued",
)
_CODES = ("code", "medicationCodeableConcept")
_SUBJECTS = ("subject", "patient")
_CONTROL = frozenset({"_count", "_sort", "_include", "_offset", "_format", "_total"})


class Query(Struct, frozen=True):
    """One search, with the last parameter of each name as it came."""

    type: str
    parameters: Mapping[str, str]

    def number(self, name: str, default: int, largest: int) -> int:
        """Returns a paging parameter as a number within its bounds."""
        value = self.parameters.get(name, "")
        if value and not (value.isascii() and value.isdigit()):
            raise BadRequest(f"The search parameter {name} is not a number.")
        if not value:
            return default
        return min(int(value[:9]), largest)


class MemoryServer:
    """Keeps resources by type and id, behind one base URL."""

    def __init__(self, base: str, resources: Iterable[Resource]) -> None:
        self._base = base
        self._resources: dict[str, dict[str, Resource]] = {}
        for resource in resources:
            self._resources.setdefault(resource["resourceType"], {})[resource["id"]] = resource

    def read(self, type_: str, id_: str) -> Resource:
        """Returns one resource, or raises NotFound."""
        try:
            return self._resources[type_][id_]
        except KeyError:
            raise NotFound("There is no such resource.") from None

    def search(self, query: Query) -> Resource:
        """Returns one page of matches as a searchset with `total`, `self` and `next` links."""
        matches = [r for r in self._resources.get(query.type, {}).values() if _matches(r, query)]
        order = query.parameters.get("_sort", "")
        if order.lstrip("-") not in ("", "date", "authoredon", "recorded-date"):
            raise BadRequest("This server sorts by date only.")
        if order:
            matches.sort(key=_date, reverse=order.startswith("-"))
        count = query.number("_count", _PAGE, _LARGEST_PAGE)
        offset = query.number("_offset", 0, len(matches))
        page = matches[offset : offset + count]
        links = [self._link("self", query, offset)]
        if count and offset + count < len(matches):
            links.append(self._link("next", query, offset + count))
        entries = [self._entry(r, "match") for r in page]
        entries += [self._entry(r, "include") for r in self._included(page, query)]
        bundle: Resource = {
            "resourceType": "Bundle",
            "type": "searchset",
            "total": len(matches),
            "link": links,
        }
        if entries:
            bundle["entry"] = entries
        return bundle

    def metadata(self, now: str) -> Resource:
        """Returns the CapabilityStatement, which offers read and search only."""
        return {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": now,
            "kind": "instance",
            "fhirVersion": FHIR_VERSION,
            "format": ["json"],
            "implementation": {
                "description": "Synthetic patients of hyponatremia-cds",
                "url": self._base,
            },
            "rest": [
                {
                    "mode": "server",
                    "resource": [
                        {
                            "type": name,
                            "interaction": [{"code": "read"}, {"code": "search-type"}],
                        }
                        for name in sorted(self._resources)
                    ],
                }
            ],
        }

    def _link(self, relation: str, query: Query, offset: int) -> dict[str, str]:
        parameters = dict(query.parameters) | ({"_offset": str(offset)} if offset else {})
        tail = f"?{urlencode(parameters)}" if parameters else ""
        return {"relation": relation, "url": f"{self._base}/{query.type}{tail}"}

    def _entry(self, resource: Resource, mode: str) -> dict[str, Any]:
        url = f"{self._base}/{resource['resourceType']}/{resource['id']}"
        return {"fullUrl": url, "resource": resource, "search": {"mode": mode}}

    def _included(self, page: Sequence[Resource], query: Query) -> list[Resource]:
        if query.parameters.get("_include") != "MedicationRequest:medication":
            return []
        named = (r.get("medicationReference", {}).get("reference", "") for r in page)
        ids = dict.fromkeys(reference.removeprefix("Medication/") for reference in named)
        known = self._resources.get("Medication", {})
        return [known[id_] for id_ in ids if id_ in known]


def _matches(resource: Resource, query: Query) -> bool:
    return all(
        _matches_one(resource, name, value)
        for name, value in query.parameters.items()
        if name not in _CONTROL
    )


def _matches_one(resource: Resource, name: str, value: str) -> bool:
    if name not in _SEARCHES:
        raise BadRequest(f"This server does not know the search parameter {name[:40]!a}.")
    wanted = value.split(",")
    if name in _SUBJECTS:
        wanted = [reference.rpartition("/")[2] for reference in wanted]
    return not _SEARCHES[name](resource).isdisjoint(wanted)


def _tokens(resource: Resource) -> set[str]:
    """Returns each coding as `system|code` and as `code`."""
    tokens = set()
    for name in _CODES:
        for coding in resource.get(name, {}).get("coding", []):
            code = coding.get("code", "")
            tokens |= {code, f"{coding.get('system', '')}|{code}"}
    return tokens


def _subjects(resource: Resource) -> set[str]:
    references = [resource.get(name, {}).get("reference", "") for name in _SUBJECTS]
    return {reference.rpartition("/")[2] for reference in references if reference}


_SEARCHES: dict[str, Callable[[Resource], set[str]]] = {
    "patient": _subjects,
    "subject": _subjects,
    "code": _tokens,
    "status": lambda resource: {str(resource.get("status"))},
    "_id": lambda resource: {resource["id"]},
}


def _date(resource: Resource) -> str:
    return next((str(resource[name]) for name in _DATES if name in resource), "")


# ---- the pages of the server


blueprint = Blueprint("demo", __name__, url_prefix="/demo")
FHIR_PATH = "/demo/fhir"
# The same records behind slow and broken servers show a visitor deadlines, partial cards and 412s.
SERVERS = {
    "fhir": "answers at once",
    "fhir-slow": "problems and medicines come too late",
    "fhir-broken": "answers every read with an error",
    AS_EUROPEAN: "answers at once, to a client of the European profile",
    AS_EPIC: "answers at once, to a client with the limits of Epic",
}
_ANY_SERVER = f"<any({', '.join(map(repr, SERVERS))}):server>"
_LATE = frozenset({"Condition", "MedicationRequest"})
_MS = 1000.0
_LATE_S = 0.5  # so long after the deadline of a demo call; it holds a thread until then
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
        time.sleep(runtime().settings.deadline_ms / _MS + _LATE_S)


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
