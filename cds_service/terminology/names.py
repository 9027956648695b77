"""From a name to dose forms and ingredients: RxNorm names and free text (D.4 steps 2 and 3)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from cds_service.knowledge.words import Drug, Forms, TextWords
from cds_service.terminology.codes import SNOMED, canonical
from cds_service.terminology.endings import Endings
from cds_service.terminology.text import Hit, Negation, Phrases, Words, flat, words
from cds_service.terminology.types import Evidence, Product, Route, texts_of

# ---- dose forms


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
        """Returns the place of a whole order; unknown where nothing says it."""
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


SHORTEST_NAME = 4  # letters of a word that may be an unknown second ingredient
_REACH = 20  # salts, doses and forms between two joined names
_BRACKETS = re.compile(r"\[[^\]]*\]")
_JOINED = re.compile(r"^\s*[/+&]\s*$|^\s*-\s*$")
_SENTENCE = re.compile(r"[.;\n]")
_TWO_STRENGTHS = re.compile(r"\d(?:\.\d+)?\s*(?:mg|mcg|g)?\s*[/-]\s*\d+(?:\.\d+)?\s*(?:mg|mcg)\b")


class NameMatch(Struct, frozen=True):
    """The ingredients in one name with their evidence, and how many it holds at least."""

    ingredients: tuple[tuple[str, Evidence], ...] = ()
    count: int = 0
    negated: bool = False  # a known name that the words around it take back


class _Named(Struct, frozen=True):
    ingredient: str
    brand: bool = False
    several: bool = False  # it names a product of several ingredients


class NameReader:
    """Names, salts, spellings, abbreviations and brands of sodium-drugs.toml, as whole words."""

    def __init__(
        self, drugs: Mapping[str, Drug], text: TextWords, forms: FormReader, endings: Endings
    ) -> None:
        every: dict[str, list[_Named]] = {}
        for key, drug in drugs.items():
            for name in (key, *drug.names):
                every.setdefault(_key(name), []).append(_Named(key, several=drug.combination))
            for name in drug.brands:
                every.setdefault(_key(name), []).append(_Named(key, brand=True))
            for name in drug.combination_brands:
                every.setdefault(_key(name), []).append(_Named(key, brand=True, several=True))
        decoys: dict[str, list[_Named]] = {_key(decoy): [] for decoy in text.decoys}
        self._every = Phrases({**every, **decoys}, text.joined_endings)
        self._anywhere, self._combination = flat(text.anywhere), flat(text.combination)
        self._joining = frozenset(text.joining)
        self._plain = frozenset(token for word in text.plain for token in words(word).tokens)
        self._negation = Negation(
            before=flat(text.before),
            after=flat(text.after),
            chain_ends=_SENTENCE,
            phrase_ends=_SENTENCE,
            skipped_after=self._plain,
        )
        self._forms, self._endings = forms, endings

    def official(self, name: str) -> NameMatch:
        """An RxNorm display: parts around " / ", each led by its ingredient, brands in brackets."""
        bare = _BRACKETS.sub(" ", name)
        parts = [words(part) for part in bare.split(" / ")]
        found: dict[str, Evidence] = {}
        unknown = 0
        for part in parts:
            named = [n for hit in self._every.find(part) for n in hit.found]
            for one in named:
                if not one.brand or one.ingredient not in found:
                    found[one.ingredient] = "brand" if one.brand else "display"
            unknown += not named
        if not found:
            return self.free(name)
        count = unknown + len(found)
        return NameMatch(
            tuple(found.items()), max(count, self.free(bare).count) if count == 1 else count
        )

    def free(self, name: str) -> NameMatch:
        """Any other text, without names that their neighbours negate ("sertraline allergy")."""
        text = words(name)
        hits = [hit for hit in self._every.find(text) if hit.found]
        if not hits:
            return NameMatch()
        if self._anywhere.find(text):
            return NameMatch(negated=True)
        kept = [h for h in self._negation.kept(text, hits) if not self._endings.ends(text, h)]
        found: dict[str, Evidence] = {}
        for hit in kept:
            for named in hit.found:
                if not named.brand or named.ingredient not in found:
                    found[named.ingredient] = "brand" if named.brand else "text"
        return NameMatch(
            tuple(found.items()), self._count(text, kept, len(found)) if kept else 0, not kept
        )

    def mentioned(self, text: Words) -> frozenset[str]:
        """The ingredients that a text names, whatever the words around them say."""
        hits = self._every.find(text)
        return frozenset(named.ingredient for hit in hits for named in hit.found)

    def _count(self, text: Words, kept: list[Hit[_Named]], named: int) -> int:
        """Ingredients the text holds at least; doubt counts one more and costs a one-click stop."""
        more = any(n.several for hit in kept for n in hit.found) and named == 1
        taken = {at for hit in kept for at in range(hit.start, hit.end)}
        more = more or any(self._neighbour(text, taken, hit) for hit in kept)
        if named == 1:
            more = (
                more
                or bool(self._combination.find(text))
                or bool(_TWO_STRENGTHS.search(text.folded))
            )
        return named + more

    def _neighbour(self, text: Words, taken: set[int], hit: Hit[_Named]) -> bool:
        """Whether an unknown word is joined to a name, as in "quinapril/hydrochlorothiazide"."""
        for inner, step in ((hit.start, -1), (hit.end - 1, 1)):
            outer = self._joined_to(text, inner, step)
            if (
                outer is not None
                and outer not in taken
                and self._may_be_ingredient(text.tokens[outer])
            ):
                return True
        return False

    def _joined_to(self, text: Words, inner: int, step: int) -> int | None:
        """The word that a stroke or "and" joins to word `inner`, beyond salts, doses and forms."""
        outer = inner + step
        for _ in range(_REACH):
            if not 0 <= outer < len(text.tokens):
                return None
            token = text.tokens[outer]
            if token in self._joining:
                return outer + step if 0 <= outer + step < len(text.tokens) else None
            if (
                _JOINED.match(text.gap(min(inner, outer), max(inner, outer)))
                and not token[0].isdigit()
            ):
                return outer
            if not (token[0].isdigit() or len(token) < SHORTEST_NAME or token in self._plain):
                return None
            inner, outer = outer, outer + step
        return None

    def _may_be_ingredient(self, word: str) -> bool:
        if len(word) < SHORTEST_NAME or not word.isalpha() or word in self._plain:
            return False
        return not self._forms.is_form_word(word)


def _key(name: str) -> str:
    return " ".join(words(name).tokens)
