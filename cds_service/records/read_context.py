"""What reading one resource needs: the call, the patient, and what references lead to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from msgspec import Struct, field

from cds_service.protocol.references import type_and_id
from cds_service.records.fhir_types import NO_RESOURCE, Resource, kind_of
from cds_service.terminology.vocabulary import Vocabulary

INDEXED = ("Medication", "Condition", "Specimen", "Device")
_RELATIVE = re.compile(
    r"([A-Z][A-Za-z]{1,40})/([A-Za-z0-9\-._]{1,256})(?:/_history/[A-Za-z0-9\-.]{1,64})?"
)
_TAIL = re.compile(
    r"https?://\S+?/([A-Z][A-Za-z]{1,40}/[A-Za-z0-9\-._]{1,256})(?:/_history/[A-Za-z0-9\-.]{1,64})?"
)


class Owner(Enum):
    """Whose a resource is."""

    OURS = "ours"
    UNNAMED = "unnamed"  # no subject at all: a patient's own search result may leave it out
    FOREIGN = "foreign"


def relative(reference: str, bases: tuple[str, ...]) -> str:
    """Returns "Type/id" of a relative reference or an absolute one under a known base, else "".

    If no base is known (no `fhirServer` in the call), nothing is fetched either, and the tail of an
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


def identity(resource: Resource) -> str:
    """Returns "Type/id" of a resource, or "" without an id."""
    kind, own = kind_of(resource), resource.id.strip()
    return f"{kind}/{own}" if kind and own else ""


def contained(holder: Resource, reference: str) -> Resource | None:
    """The resource inside `holder` that "#id" names."""
    wanted = reference.removeprefix("#")
    for resource in holder.contained:
        if resource.id.strip().removeprefix("#") == wanted:
            return resource
    return None


def identifiers(resource: Resource) -> frozenset[str]:
    """The identifiers of a resource as "system|value", those with a value."""
    pairs = [(one.system.strip(), one.value.strip()) for one in resource.identifier]
    return frozenset(f"{system}|{value}" for system, value in pairs if value)


class Person(Struct, frozen=True, kw_only=True):
    """The patient of the call, in every form that a reference may take."""

    id: str
    reference: str  # in its plainest form
    bases: tuple[str, ...] = ()
    urls: frozenset[str] = frozenset()  # fullUrls under which the Patient was sent
    strangers: frozenset[str] = frozenset()  # fullUrls of whatever else was sent
    identifiers: frozenset[str] = frozenset()

    def owner(self, resource: Resource) -> Owner:
        """Whose a resource is, by `subject` (R4) or `patient` (NutritionOrder, DSTU2)."""
        subject = resource.subject if resource.subject is not None else resource.patient
        if subject is None:
            return Owner.UNNAMED
        return Owner.OURS if self._is_me(subject.reference.strip(), resource) else Owner.FOREIGN

    def drafted_for(self, draft: Resource) -> Owner:
        """Whose a draft is: an EHR sends the patient's own, so that only another name makes it not.

        The server's own other name in an absolute reference makes no difference.
        """
        subject = draft.subject if draft.subject is not None else draft.patient
        reference = subject.reference.strip() if subject is not None else ""
        if not reference or self._is_me(reference, draft):
            return Owner.OURS
        if reference.startswith("#"):
            others = identifiers(contained(draft, reference) or NO_RESOURCE)
            return Owner.FOREIGN if others and self.identifiers else Owner.OURS
        if reference.casefold().startswith("urn:"):
            return Owner.FOREIGN if reference in self.strangers else Owner.OURS
        ours = (("", self.id), ("Patient", self.id))
        return Owner.OURS if type_and_id(reference) in ours else Owner.FOREIGN

    def _is_me(self, reference: str, resource: Resource) -> bool:
        if reference == self.reference:
            return True
        if reference.startswith("#"):
            inside = contained(resource, reference) or NO_RESOURCE
            return kind_of(inside) == "Patient" and bool(identifiers(inside) & self.identifiers)
        if reference in self.urls or reference == f"urn:uuid:{self.id}":
            return True
        return relative(reference, self.bases) == self.reference


def person(
    patient_id: str, bases: tuple[str, ...], resource: Resource, urls: Mapping[str, Resource]
) -> Person:
    """The patient of the call, known by id, by fullUrl and by identifier."""
    me = f"Patient/{patient_id}"
    return Person(
        id=patient_id,
        reference=me,
        bases=bases,
        urls=frozenset(url for url, sent in urls.items() if identity(sent) == me),
        strangers=frozenset(url for url, sent in urls.items() if identity(sent) != me),
        identifiers=identifiers(resource),
    )


class Index(Struct, frozen=True):
    """Resources that others point to, by "Type/id" and by fullUrl."""

    bases: tuple[str, ...] = ()
    known: dict[str, Resource] = field(default_factory=dict)

    def add(self, resource: Resource, url: str = "") -> None:
        """Take in one resource, the first one of a name."""
        if kind_of(resource) not in INDEXED:
            return
        names = [url] if url else []
        if resource.id.strip():
            # Bundles often name an entry by the urn of its id.
            names += [identity(resource), f"urn:uuid:{resource.id.strip()}"]
        for name in names:
            self.known.setdefault(name, resource)

    def get(self, reference: str, holder: Resource) -> Resource | None:
        """What a reference inside `holder` points to; None if it is not at hand."""
        if reference.startswith("#"):
            return contained(holder, reference)
        if not self.known and not holder.contained:
            return None  # as in most calls, which send no resource that others point to
        name = relative(reference, self.bases)
        found = self.known.get(reference) or self.known.get(name)
        if found is not None or not holder.contained:
            return found
        # Some write "Medication/m1" for what is contained as "#m1".
        return next((one for one in holder.contained if identity(one) == name != ""), None)


# What was read of Observations of one patient at other moments: a backtest reads each only once.
# The key says which Observation it is, by its place in memory, and how it was read.
Remembered = dict[tuple[int, int, bool, timedelta | None], Any]


class ReadContext(Struct, frozen=True, kw_only=True):
    """One call: its words, its clock, and the resources that others refer to."""

    vocabulary: Vocabulary
    index: Index
    now: datetime
    zone: timedelta | None = None
    encounter: str = ""  # "Encounter/7" of the context; "" without one
    remembered: Remembered | None = None
