"""Finds what of a call lies beyond its limits, so that it counts as not read (T-45)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from cds_service.protocol.wire import encode
from cds_service.records.bounds import MAX_CODINGS, MAX_CONCEPTS, MAX_TEXT, RESOURCE_BYTES
from cds_service.records.fhir_types import Concept, Resource
from cds_service.records.prefetch import Source
from cds_service.sodium.snapshot import Missing

TOO_LARGE = "a resource was too large to be read"
CUT = "a name was too long, or had too many codes, to be read in full"
_Named = Concept | tuple[Concept, ...] | str | UnsetType | None


def is_cut(resource: Resource) -> bool:
    """Whether a name in a resource, or in what it contains, was not read to its end."""
    for named in (
        resource.code,
        resource.medication_codeable_concept,
        resource.medication_reference,
        resource.medication,
    ):
        if named is not None and named is not UNSET and _is_cut(named):
            return True
    contained, ingredients = resource.contained, resource.ingredient
    if not contained and not ingredients:
        return False
    if max(len(contained), len(ingredients)) >= MAX_CONCEPTS:
        return True
    return any(map(is_cut, contained)) or any(
        _is_cut(one.item) or _is_cut(one.item_codeable_concept) for one in ingredients
    )


def _is_cut(named: _Named) -> bool:
    if named is None or named is UNSET:
        return False
    if isinstance(named, str):
        return len(named) >= MAX_TEXT
    if isinstance(named, tuple):
        return len(named) >= MAX_CONCEPTS or any(map(_is_cut, named))
    if len(named.text) >= MAX_TEXT or len(named.coding) >= MAX_CODINGS:
        return True
    return any(len(one.display) >= MAX_TEXT for one in named.coding)


def is_too_large(resource: Resource) -> bool:
    """Whether more would have to be read of one resource than of a whole usual call."""
    return len(encode(resource)) > RESOURCE_BYTES


def may_be_large(bodies: Iterable[bytes]) -> bool:
    """Whether a resource of these bodies may be too large: in a small call none is."""
    return sum(map(len, bodies)) > RESOURCE_BYTES


def within_limits(sources: Mapping[str, Source], *, large: bool) -> dict[str, Source]:
    """The sources without resources that are too large; a source that is cut was read in part."""
    return {key: _within_limits(source, large=large) for key, source in sources.items()}


def _within_limits(source: Source, *, large: bool) -> Source:
    kept = source.resources
    if large:
        kept = tuple([one for one in kept if not is_too_large(one)])
    note = TOO_LARGE if len(kept) < len(source.resources) else CUT if any(map(is_cut, kept)) else ""
    if not note:
        return source
    missing = source.missing or Missing.IN_PART
    return replace(source, resources=kept, missing=missing, note=source.note or note)


def small_enough(resources: Mapping[str, Resource], *, large: bool) -> dict[str, Resource]:
    """The named resources that are not too large."""
    return {name: one for name, one in resources.items() if not (large and is_too_large(one))}
