"""What the reader is given: the resources of each source, why a source is missing, and the drafts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Protocol

from msgspec import Struct, field

from cds_service.records.elements import Element, items, text
from cds_service.sodium.snapshot import Missing


class Readable(Protocol):
    """One source: matches and includes together, as they came, and why it is not all, if it is not."""

    @property
    def resources(self) -> tuple[Element, ...]:
        """The resources, in any order."""

    @property
    def missing(self) -> Missing | None:
        """None where the source was answered to its end."""


class Part(Struct, frozen=True, kw_only=True):
    """A source that did not come through `fhir.gather`: fetched references, a story's record."""

    resources: tuple[Element, ...] = ()
    missing: Missing | None = None


class CallRecords(Struct, frozen=True, kw_only=True, dict=True):
    """Everything one snapshot is read from.

    `sources` has the prefetch keys, the extra sources of a client's registry entry, and any key for
    resources that were fetched because of `wanted_references`. `bases` are the FHIR base URLs that this
    client's references may use; `urls` the `full_urls` of the call.
    """

    patient_id: str
    now: datetime
    encounter_id: str | None = None
    zone: timedelta | None = None  # the client's offset from UTC
    bases: tuple[str, ...] = ()
    sources: Mapping[str, Readable] = field(default_factory=dict)
    urls: Mapping[str, Element] = field(default_factory=dict)
    drafts: tuple[Element, ...] = ()
    selections: tuple[str, ...] = ()
    # A resource with the members that nobody reads, if it can be had.
    whole: Callable[[Element], Element | None] = lambda element: element

    @cached_property
    def by_kind(self) -> Mapping[str, Sequence[Element]]:
        """`resources` by their type."""
        found: dict[str, list[Element]] = {}
        for resource in self.resources():
            kind = text(resource, "resourceType")
            if kind in found:
                found[kind].append(resource)
            else:
                found[kind] = [resource]
        return found

    def resources(self) -> Iterator[Element]:
        """Every resource of every source, then the drafts; what is no object is left out."""
        for source in self.sources.values():
            yield from objects(source.resources)
        yield from objects(self.drafts)


def objects(values: Iterable[object]) -> Iterator[Element]:
    """The JSON objects among some values."""
    return (value for value in values if isinstance(value, dict))


def full_urls(values: Iterable[object]) -> dict[str, Element]:
    """The resources of Bundles by `fullUrl`, where that is a urn: what references inside a Bundle may use."""
    found: dict[str, Element] = {}
    for value in values:
        for entry in items(value, "entry") if isinstance(value, dict) else ():
            url, resource = entry.get("fullUrl"), entry.get("resource")
            if isinstance(url, str) and url.startswith("urn:") and isinstance(resource, dict):
                found.setdefault(url.strip(), resource)
    return found
