"""What the reader is given: the resources of each source, why a source is missing, and the drafts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cds_service.clinical.snapshot import Missing
from cds_service.fhir.elements import Element

# Resources that were fetched only because another one refers to them (`wanted_references`).
REFERENCED = "referenced"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One source: matches and includes together, as they came; `urls` are the fullUrls of a Bundle."""

    resources: tuple[Element, ...] = ()
    missing: Missing | None = None
    urls: Mapping[str, Element] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything one snapshot is read from.

    `sources` has the prefetch keys, the optional keys of a client's registry entry, and REFERENCED.
    `zone` is the client's offset; `bases` are the FHIR base URLs that this client's references may use.
    """

    patient_id: str
    now: datetime
    encounter_id: str | None = None
    zone: timedelta | None = None
    bases: tuple[str, ...] = ()
    sources: Mapping[str, Part] = field(default_factory=dict)
    drafts: tuple[Element, ...] = ()
    selections: tuple[str, ...] = ()
    volume_codes: frozenset[str] = frozenset()  # "system|code" of a site's own "volume status" Observation

    def resources(self) -> Iterator[Element]:
        """Every resource of every source, then the drafts."""
        for part in self.sources.values():
            yield from part.resources
        yield from self.drafts
