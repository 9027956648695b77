"""The knowledge files as they are shipped, and resolvers built from them."""

from __future__ import annotations

import pytest

from cds_service.knowledge.load import Knowledge, default_hooks_dir, load_knowledge
from cds_service.knowledge.words import Fluids, Terms
from cds_service.terminology.codes import LabResolver
from cds_service.terminology.concepts import ConceptMatcher
from cds_service.terminology.drugs import DrugResolver


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    return load_knowledge(default_hooks_dir())


@pytest.fixture(scope="session")
def terms(knowledge: Knowledge) -> Terms:
    return knowledge.terms


@pytest.fixture(scope="session")
def fluids(knowledge: Knowledge) -> Fluids:
    return knowledge.fluids


@pytest.fixture(scope="session")
def resolver(terms: Terms, fluids: Fluids) -> DrugResolver:
    return DrugResolver(terms.drugs, fluids)


@pytest.fixture(scope="session")
def matcher(terms: Terms, fluids: Fluids) -> ConceptMatcher:
    return ConceptMatcher(terms.concepts, fluids.text)


@pytest.fixture(scope="session")
def labs(terms: Terms) -> LabResolver:
    return LabResolver(terms.labs)
