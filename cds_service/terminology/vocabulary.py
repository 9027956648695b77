"""All resolvers of one deployment, built once from hooks/ and what a site adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cds_service.knowledge.fluids import Fluids
from cds_service.knowledge.terms import Terms
from cds_service.terminology.codes import IndexedProduct
from cds_service.terminology.concepts import ConceptMatcher
from cds_service.terminology.drugs import DrugResolver
from cds_service.terminology.labs import LabResolver
from cds_service.terminology.restriction import RestrictionMatcher
from cds_service.terminology.units import Units


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """What the reader asks: drugs, problems, analytes, units, fluid restriction."""

    drugs: DrugResolver
    concepts: ConceptMatcher
    labs: LabResolver
    units: Units
    restriction: RestrictionMatcher


def vocabulary(
    terms: Terms,
    fluids: Fluids,
    *,
    local_drugs: Mapping[tuple[str, str], Sequence[str]] | None = None,
    local_labs: Mapping[tuple[str, str], str] | None = None,
    products: Mapping[str, IndexedProduct] | None = None,
) -> Vocabulary:
    """Build every resolver; `local_drugs` maps (system, code) to ingredients, `local_labs` to an analyte."""
    return Vocabulary(
        drugs=DrugResolver(terms.drugs, fluids, local_drugs, products),
        concepts=ConceptMatcher(terms.concepts, fluids.text),
        labs=LabResolver(terms.labs, local_labs),
        units=Units(terms.labs),
        restriction=RestrictionMatcher(fluids.restriction),
    )
