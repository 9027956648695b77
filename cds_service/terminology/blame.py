"""Which drugs a problem or an allergy blames for low sodium, in its codes or words (F24)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from cds_service.knowledge.words import Concept, TextWords
from cds_service.terminology.concepts import ConceptMatcher
from cds_service.terminology.drugs import DrugResolver
from cds_service.terminology.text import Phrases, flat, words
from cds_service.terminology.types import Coded, Product, texts_of


class Blame(Struct, frozen=True):
    """Whether an entry says that sodium is or was low, and the drug classes that it blames."""

    low_sodium: bool = False
    classes: frozenset[str] = frozenset()


NO_BLAME = Blame()


class BlameReader:
    """Reads "history of" as a problem that was, and the name of a drug even beside "avoid"."""

    def __init__(
        self,
        concepts: Mapping[str, Concept],
        wanted: frozenset[str],
        text: TextWords,
        drugs: DrugResolver,
        local_codes: Mapping[tuple[str, str], Sequence[str]],
    ) -> None:
        once = set(text.problem_once)
        low = {key: concept for key, concept in concepts.items() if key in wanted}
        self._low = ConceptMatcher(
            low,
            TextWords(
                **{name: getattr(text, name) for name in text.__struct_fields__}
                | {
                    "problem_before": [word for word in text.problem_before if word not in once],
                    "problem_after": [word for word in text.problem_after if word not in once],
                }
            ),
            local_codes=local_codes,
        )
        classes: dict[str, list[str]] = {}
        for drug_class, phrases in text.classes.items():
            for phrase in phrases:
                classes.setdefault(phrase, []).append(drug_class)
        self._classes = Phrases(classes)
        self._not_blamed = flat(text.not_blamed)
        self._drugs = drugs

    def read(self, coded: tuple[Coded, ...]) -> Blame:
        """Returns what the concepts of one entry say together."""
        if not any(self._low.match(one) for one in coded):
            return NO_BLAME
        found = {drug.cls for drug in self._drugs.resolve(Product(concepts=coded)).drugs}
        general: set[str] = set()
        for text in (words(text) for one in coded for text in texts_of(one)):
            if self._not_blamed.find(text):
                return Blame(low_sodium=True)
            found |= self._drugs.classes_named(text)
            for hit in self._classes.find(text):
                (found if len(hit.found) == 1 else general).update(hit.found)
        # "Diuretics" is said of several classes: it counts if nothing closer is named.
        found = found or general
        return Blame(low_sodium=True, classes=frozenset(found))
