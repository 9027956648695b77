"""The knowledge files as they are shipped, and resolvers built from them."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from cds_service.knowledge.fluids import Fluids
from cds_service.knowledge.terms import Concept, Drug, Lab, Terms
from cds_service.terminology.concepts import ConceptMatcher
from cds_service.terminology.drugs import DrugResolver
from cds_service.terminology.vocabulary import Vocabulary, vocabulary

KNOWLEDGE = Path(__file__).parents[2] / "hooks" / "knowledge"
T = TypeVar("T")


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((KNOWLEDGE / name).read_text(encoding="utf-8"), parse_float=Decimal)


def _tables(name: str, wanted: type[T]) -> dict[str, T]:
    return {key: msgspec.convert(table, wanted) for key, table in _read(name).items()}


@pytest.fixture(scope="session")
def terms() -> Terms:
    return Terms(
        drugs=_tables("sodium-drugs.toml", Drug),
        concepts=_tables("conditions.toml", Concept),
        labs=_tables("labs.toml", Lab),
    )


@pytest.fixture(scope="session")
def fluids() -> Fluids:
    return msgspec.convert(_read("fluids.toml"), Fluids)


@pytest.fixture(scope="session")
def words(terms: Terms, fluids: Fluids) -> Vocabulary:
    return vocabulary(terms, fluids)


@pytest.fixture(scope="session")
def resolver(words: Vocabulary) -> DrugResolver:
    return words.drugs


@pytest.fixture(scope="session")
def matcher(words: Vocabulary) -> ConceptMatcher:
    return words.concepts
