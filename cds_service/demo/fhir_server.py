"""Reads and searches over resources in memory, as a small read-only FHIR R4 server does them.

It serves the stories in demo mode and fills their prefetch. It knows the searches that our prefetch
needs and those of the public CDS Hooks Sandbox; any other parameter is refused, not ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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


def _sort(resources: list[Resource], order: str) -> None:
    if order.lstrip("-") not in ("", "date", "authoredon", "recorded-date"):
        raise BadRequest("This server sorts by date only.")
    if order:
        resources.sort(key=_date, reverse=order.startswith("-"))


def _date(resource: Resource) -> str:
    return next((str(resource[name]) for name in _DATES if name in resource), "")
