"""What the reader knows of codes and words: drugs, problems, laboratory tests, fluid orders. Built once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache

from cds_service.knowledge.fluids import Fluids
from cds_service.knowledge.order_words import OrderWords
from cds_service.knowledge.terms import Terms
from cds_service.terminology.codes import IndexedProduct
from cds_service.terminology.concepts import ConceptMatch, ConceptMatcher
from cds_service.terminology.drugs import DrugResolver
from cds_service.terminology.labs import LabResolver
from cds_service.terminology.match import Coded, Product, Resolution
from cds_service.terminology.restriction import RestrictionMatcher


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The [reading] table of orders.toml as sets; lower case."""

    inpatient_classes: frozenset[str]
    outpatient_classes: frozenset[str]
    ignored_statuses: frozenset[str]
    ignored_intents: frozenset[str]
    refuted: frozenset[str]
    active: frozenset[str]
    encounter_diagnosis: frozenset[str]
    poc_words: frozenset[str]
    urine_words: frozenset[str]
    panels: frozenset[str]
    observed_problems: frozenset[str]
    once: frozenset[str]
    times_a_day: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalCodes:
    """What one site adds: its own codes, and the product codes of its RxNorm import (D.6)."""

    labs: Mapping[tuple[str, str], str] = field(default_factory=dict)  # (system, code) -> analyte
    drugs: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=dict)  # -> ingredients
    products: Mapping[str, IndexedProduct] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """Everything that turns codes and words of a record into our own names."""

    drugs: DrugResolver
    resolve: Callable[[Product], Resolution]  # `drugs.resolve` with a memory: lists of medicines repeat
    concepts: ConceptMatcher
    labs: LabResolver
    restrictions: RestrictionMatcher
    reading: Reading
    stop_classes: frozenset[str]  # drug classes that one click may stop

    def problems(self, coded: Iterable[Coded]) -> ConceptMatch:
        """The concepts of several CodeableConcepts together."""
        found = [self.concepts.match_with_evidence(c) for c in coded]
        named = [match for match in found if match.concepts]
        return ConceptMatch(
            frozenset().union(*(match.concepts for match in named)),
            by_text=bool(named) and all(match.by_text for match in named),
        )


NO_LOCAL_CODES = LocalCodes()
_REMEMBERED = 2048  # products per worker, forgotten oldest first


def vocabulary(terms: Terms, fluids: Fluids, words: OrderWords, local: LocalCodes = NO_LOCAL_CODES) -> Vocabulary:
    """The vocabulary of one deployment; building it takes a while, using it does not."""
    drugs = DrugResolver(terms.drugs, fluids, local.drugs, local.products)
    return Vocabulary(
        drugs=drugs,
        resolve=lru_cache(maxsize=_REMEMBERED)(drugs.resolve),
        concepts=ConceptMatcher(terms.concepts, fluids.text),
        labs=LabResolver(terms.labs, local.labs),
        restrictions=RestrictionMatcher(fluids.restriction),
        reading=_reading(words),
        stop_classes=frozenset(words.stop.classes),
    )


def _reading(words: OrderWords) -> Reading:
    table = words.reading
    return Reading(
        inpatient_classes=frozenset(table.inpatient_classes),
        outpatient_classes=frozenset(table.outpatient_classes),
        ignored_statuses=frozenset(table.ignored_statuses),
        ignored_intents=frozenset(table.ignored_intents),
        refuted=frozenset(table.refuted),
        active=frozenset(table.active),
        encounter_diagnosis=frozenset(table.encounter_diagnosis),
        poc_words=frozenset(table.poc_words),
        urine_words=frozenset(table.urine_words),
        panels=frozenset(table.panels),
        observed_problems=frozenset(table.observed_problems),
        once=frozenset(table.once),
        times_a_day=table.times_a_day,
    )
