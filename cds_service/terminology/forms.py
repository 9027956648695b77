"""Where a medication acts: by vein, in the whole body, or only where it is put (C.3)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from cds_service.knowledge.fluids import Forms
from cds_service.terminology.systems import SNOMED, canonical
from cds_service.terminology.text import Phrases, Words, words
from cds_service.terminology.types import Product, Route, texts_of


class Place(Struct, frozen=True):
    """The route of an order, and for a local one which kinds of place ("nasal", "skin")."""

    route: Route = "unknown"
    kinds: frozenset[str] = frozenset()


class FormReader:
    """Reads route, dose form, names and instructions; the first that tells the place counts."""

    def __init__(self, forms: Forms) -> None:
        phrases: dict[str, tuple[str, ...]] = {}
        for kind, local in forms.local.items():
            phrases.update(dict.fromkeys(local, (kind,)))
        phrases.update(
            {phrase: ("systemic",) for phrase in forms.systemic if phrase not in phrases}
        )
        phrases.update({phrase: ("iv",) for phrase in forms.iv if phrase not in phrases})
        self._phrases = Phrases(phrases)
        self._codes = forms.route_codes

    def read(self, product: Product) -> Place:
        """The place of a whole order; unknown where nothing says it."""
        for coded in product.routes:
            for coding in coded.codings:
                kind = (
                    self._codes.get(coding.code.strip())
                    if canonical(coding.system) == SNOMED
                    else None
                )
                if kind is not None:
                    return _place({kind})
        for text in _texts(product):
            place = self.of_text(words(text))
            if place.route != "unknown":
                return place
        return Place()

    def of_text(self, text: Words) -> Place:
        """Local only where every form word is local."""
        return _place({kind for hit in self._phrases.find(text) for kind in hit.found})

    def is_form_word(self, word: str) -> bool:
        """Whether this one word names a form or route."""
        return self._phrases.starts_at(words(word), 0)


def _place(found: set[str]) -> Place:
    if "iv" in found:
        return Place("iv")
    if "systemic" in found:
        return Place("systemic")
    return Place("local", frozenset(found)) if found else Place()


def _texts(product: Product) -> Iterator[str]:
    for coded in product.routes:
        yield from texts_of(coded)
    if product.form is not None:
        yield from texts_of(product.form)
    for coded in product.concepts:
        yield from texts_of(coded)
    yield product.instructions
