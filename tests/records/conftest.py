"""The reader with the vocabulary that ships in hooks/."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
import pytest

from cds_service.knowledge.load import default_hooks_dir
from cds_service.knowledge.words import Concept, Drug, Fluids, Lab, OrderWords, Terms
from cds_service.records.drafts import SentDraft
from cds_service.records.fhir_types import as_resource, as_resources
from cds_service.records.prefetch import Source
from cds_service.records.reader import CallRecords, read_snapshot
from cds_service.sodium.snapshot import Snapshot
from cds_service.terminology.vocabulary import Vocabulary
from cds_service.terminology.vocabulary import vocabulary as build

T = TypeVar("T")
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
KNOWLEDGE = default_hooks_dir() / "knowledge"
SOURCES = {
    "Patient": "patient",
    "Encounter": "encounter",
    "Observation": "sodium",
    "Condition": "conditions",
}


def _table(name: str, wanted: type[T]) -> T:
    text = (KNOWLEDGE / f"{name}.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text, parse_float=Decimal), wanted)


@pytest.fixture(scope="session")
def order_words() -> OrderWords:
    return _table("orders", OrderWords)


@pytest.fixture(scope="session")
def terms() -> Terms:
    return Terms(
        drugs=_table("sodium-drugs", dict[str, Drug]),
        concepts=_table("conditions", dict[str, Concept]),
        labs=_table("labs", dict[str, Lab]),
    )


@pytest.fixture(scope="session")
def fluids() -> Fluids:
    return _table("fluids", Fluids)


@pytest.fixture(scope="session")
def vocabulary(terms: Terms, fluids: Fluids, order_words: OrderWords) -> Vocabulary:
    return build(terms, fluids, order_words)


@pytest.fixture
def parts_of() -> Callable[..., CallRecords]:
    """CallRecords of resources, each in the source of its type; the patient is "p" by default."""

    def build_parts(*resources: Any, **more: Any) -> CallRecords:
        sources: dict[str, tuple[Any, ...]] = {"patient": ({"resourceType": "Patient", "id": "p"},)}
        for resource in resources:
            kind = resource.get("resourceType") if isinstance(resource, Mapping) else None
            key = SOURCES.get(str(kind), "medications")
            kept = () if key == "patient" else sources.get(key, ())
            sources[key] = (*kept, resource)
        given = {
            key: Source(state="satisfied", resources=as_resources(found))
            for key, found in sources.items()
        }
        complete: dict[str, Any] = {"patient_id": "p", "now": NOW, "sources": given}
        if "drafts" in more:
            more["drafts"] = tuple(SentDraft(one) for one in as_resources(more["drafts"]))
        if "urls" in more:
            more["urls"] = {url: as_resource(value) for url, value in more["urls"].items()}
        return CallRecords(**(complete | more))

    return build_parts


@pytest.fixture
def read(vocabulary: Vocabulary, parts_of: Callable[..., CallRecords]) -> Callable[..., Snapshot]:
    """The snapshot of these resources."""

    def read_them(*resources: Any, **more: Any) -> Snapshot:
        return read_snapshot(parts_of(*resources, **more), vocabulary)

    return read_them
