"""References of a record: what they point to, and whether a resource is this patient's (T-08, T-10)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum

from msgspec import Struct

from cds_service.records.elements import Element, items, text
from cds_service.records.forms import Reference, form

_RELATIVE = re.compile(
    r"([A-Z][A-Za-z]{1,40})/([A-Za-z0-9\-._]{1,256})(?:/_history/[A-Za-z0-9\-.]{1,64})?"
)
_TAIL = re.compile(
    r"https?://\S+?/([A-Z][A-Za-z]{1,40}/[A-Za-z0-9\-._]{1,256})(?:/_history/[A-Za-z0-9\-.]{1,64})?"
)


_SUBJECTS = ("subject", "patient")


class Owner(Enum):
    """Whose a resource is."""

    OURS = "ours"
    UNNAMED = "unnamed"  # no subject at all: a patient's own search result may leave it out
    FOREIGN = "foreign"


OURS, UNNAMED, FOREIGN = (
    Owner  # to look one up in its class takes as long as the rest of `Person.owner`
)


def relative(reference: str, bases: tuple[str, ...]) -> str:
    """ "Type/id" of a relative reference, or of an absolute one under a known base; "" otherwise.

    Where no base is known (no `fhirServer` in the call) nothing is fetched either, and the tail of an
    absolute reference is taken.
    """
    local = reference
    for base in bases:
        prefix = base.rstrip("/") + "/"
        if reference.startswith(prefix):
            local = reference[len(prefix) :]
            break
    match = _RELATIVE.fullmatch(local)
    if match is not None:
        return f"{match[1]}/{match[2]}"
    tail = _TAIL.fullmatch(reference) if not bases else None
    return tail[1] if tail is not None else ""


def identity(resource: Element) -> str:
    """ "Type/id" of a resource; "" without an id."""
    kind, own = text(resource, "resourceType"), text(resource, "id")
    return f"{kind}/{own}" if kind and own else ""


def contained(resource: Element, reference: str) -> Element:
    """The contained resource that "#id" names; an empty one where there is none."""
    wanted = reference.removeprefix("#")
    return next(
        (c for c in items(resource, "contained") if text(c, "id").removeprefix("#") == wanted), {}
    )


def identifiers(resource: Element) -> frozenset[str]:
    """The identifiers of a resource as "system|value", those with a value."""
    found = ((text(i, "system"), text(i, "value")) for i in items(resource, "identifier"))
    return frozenset(f"{system}|{value}" for system, value in found if value)


class Person(Struct, frozen=True, kw_only=True):
    """The patient of the call, in every form that a reference may take."""

    id: str
    reference: str  # in its plainest form
    bases: tuple[str, ...] = ()
    urls: frozenset[str] = frozenset()  # fullUrls under which the Patient was sent
    identifiers: frozenset[str] = frozenset()

    def owner(self, resource: Element) -> Owner:
        """Whose a resource is, by `subject` (R4) or `patient` (NutritionOrder, DSTU2)."""
        for name in _SUBJECTS:
            if resource.get(name) is not None:
                subject = form(Reference, resource, name)
                reference = subject.reference.strip() if subject is not None else ""
                return (
                    OURS
                    if reference == self.reference or self._is_me(reference, resource)
                    else FOREIGN
                )
        return UNNAMED

    def _is_me(self, reference: str, resource: Element) -> bool:
        if reference.startswith("#"):
            inside = contained(resource, reference)
            return text(inside, "resourceType") == "Patient" and bool(
                identifiers(inside) & self.identifiers
            )
        if reference in self.urls or reference == f"urn:uuid:{self.id}":
            return True
        return relative(reference, self.bases) == self.reference


def person(
    patient_id: str, bases: tuple[str, ...], resource: Element, urls: Mapping[str, Element]
) -> Person:
    """The patient of the call, known by id, by fullUrl and by identifier."""
    me = f"Patient/{patient_id}"
    return Person(
        id=patient_id,
        reference=me,
        bases=bases,
        urls=frozenset(url for url, found in urls.items() if identity(found) == me),
        identifiers=identifiers(resource),
    )
