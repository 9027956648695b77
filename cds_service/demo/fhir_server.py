"""A small read-only FHIR R4 server's inside: reads and searches over resources in memory.

It serves the stories in demo mode and fills their prefetch. It knows the searches that our prefetch
needs and those of the public CDS Hooks Sandbox; any other parameter is refused, not ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct

from cds_service.errors import BadRequest, NotFound

FHIR_VERSION = "4.0.1"
Resource = dict[str, Any]
_PAGE = 50  # resources on a page without _count
_LARGEST_PAGE = 500
_DATES = ("effectiveDateTime", "authoredOn", "recordedDate", "onsetDateTime", "dateTime", "issued")
_CODES = ("code", "medicationCodeableConcept")
_SUBJECTS = ("subject", "patient")
_CONTROL = frozenset({"_count", "_sort", "_include", "_offset", "_format", "_total"})


class Query(Struct, frozen=True):
    """One search: the parameters as they came, the last of each name."""

    type: str
    parameters: Mapping[str, str]

    def number(self, name: str, default: int, largest: int) -> int:
        """A paging parameter as a number inside its bounds."""
        value = self.parameters.get(name, "")
        if value and not (value.isascii() and value.isdigit()):
            raise BadRequest(f"The search parameter {name} is not a number.")
        return min(int(value[:9]), largest) if value else default


class MemoryServer:
    """Resources by type and id, behind one base URL."""

    def __init__(self, base: str, resources: Iterable[Resource]) -> None:
        self._base = base
        self._resources: dict[str, dict[str, Resource]] = {}
        for resource in resources:
            self._resources.setdefault(resource["resourceType"], {})[resource["id"]] = resource

    def read(self, type_: str, id_: str) -> Resource:
        """One resource, or NotFound."""
        try:
            return self._resources[type_][id_]
        except KeyError:
            raise NotFound("There is no such resource.") from None

    def search(self, query: Query) -> Resource:
        """One page of matches as a searchset Bundle with `total`, `self` and `next` links."""
        matches = [r for r in self._resources.get(query.type, {}).values() if _matches(r, query)]
        _sort(matches, query.parameters.get("_sort", ""))
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
        return bundle | {"entry": entries} if entries else bundle

    def metadata(self, now: str) -> Resource:
        """The CapabilityStatement: FHIR R4, read and search, nothing else."""
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
                    "resource": [_capability(name) for name in sorted(self._resources)],
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


def _capability(name: str) -> dict[str, Any]:
    return {"type": name, "interaction": [{"code": "read"}, {"code": "search-type"}]}


def _matches(resource: Resource, query: Query) -> bool:
    return all(
        _matches_one(resource, name, value)
        for name, value in query.parameters.items()
        if name not in _CONTROL
    )


def _matches_one(resource: Resource, name: str, value: str) -> bool:
    wanted = value.split(",")
    if name in ("patient", "subject"):
        ids = {w.rpartition("/")[2] for w in wanted}
        return any(
            resource.get(s, {}).get("reference", "").rpartition("/")[2] in ids for s in _SUBJECTS
        )
    if name == "code":
        return bool(_tokens(resource) & set(wanted))
    if name == "status":
        return resource.get("status") in wanted
    if name == "_id":
        return resource["id"] in wanted
    raise BadRequest(f"This server does not know the search parameter {name[:40]!a}.")


def _tokens(resource: Resource) -> set[str]:
    """Each coding as `system|code` and as `code`."""
    codings = [c for name in _CODES for c in resource.get(name, {}).get("coding", [])]
    return {f"{c.get('system', '')}|{c.get('code', '')}" for c in codings} | {
        c.get("code", "") for c in codings
    }


def _sort(resources: list[Resource], order: str) -> None:
    if order.lstrip("-") not in ("", "date", "authoredon", "recorded-date"):
        raise BadRequest("This server sorts by date only.")
    if order:
        resources.sort(key=_date, reverse=order.startswith("-"))


def _date(resource: Resource) -> str:
    return next((str(resource[name]) for name in _DATES if name in resource), "")
