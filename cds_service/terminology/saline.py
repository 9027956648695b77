"""Orders of sodium chloride and of fluids without it: which strength, how much, and what only looks like one (D.5)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from cds_service.knowledge.fluids import FluidProduct, Fluids
from cds_service.terminology.codes import CodeIndex
from cds_service.terminology.forms import FormReader, Place, texts_of
from cds_service.terminology.match import Coded, Product, Route, Saline
from cds_service.terminology.strength import percent_at, percent_of_ratio, volume_of
from cds_service.terminology.systems import RXNORM, canonical
from cds_service.terminology.text import Hit, Phrases, Words, flat, words

SALT = "sodium chloride"
SHORTEST_DRUG = 4  # letters of a word that may be the drug which a fluid carries
REACH = 8  # words between the salt and its percent
_LINKS = frozenset({"in", "with", "w", "and", "mit", "dans", "en"})
_MASS = frozenset({"mg", "mcg", "g", "gm", "gram", "grams", "units", "unit", "iu", "ng"})

Kind = Literal["hypertonic", "concentrate", "isotonic", "hypotonic", "salt-tablet"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FluidReading:
    """What an order is as a fluid; `is_salt` also where it is a flush, a carrier or for local use."""

    saline: Saline | None = None
    hypotonic: bool = False
    volume_ml: Decimal | None = None
    route: Route = "unknown"
    is_salt: bool = False
    step: str = ""


@dataclass(frozen=True, slots=True)
class _Stated:
    """The strength that one text states."""

    percent: Decimal | None
    hypertonic: bool
    spoken: bool  # in the words of a fluid ("NS", "3 % saline"), not of a chemical


class FluidReader:
    """Reads one order in the order of evidence: RxNorm code, recorded strength, name."""

    def __init__(self, fluids: Fluids, codes: CodeIndex, forms: FormReader) -> None:
        saline, numbers = fluids.saline, fluids.numbers
        self._products, self._codes, self._forms = fluids.products, codes, forms
        self._terms = Phrases[Decimal | None](
            {**{term: (None,) for term in saline.terms}, **{s: (p,) for s, p in saline.shorthands.items()}}
        )
        self._hypertonic, self._flush, self._tablet = flat(saline.hypertonic), flat(saline.flush), flat(saline.tablet)
        self._mixtures, self._oral = flat(saline.mixtures), flat(saline.oral)
        self._filler, self._additives = flat(saline.filler), flat([*saline.additives, *saline.glucose])
        self._glucose = frozenset(saline.glucose)
        self._additive_names = frozenset(saline.additives)
        self._water = flat(fluids.hypotonic.phrases)
        self._carried_after = frozenset(token for word in fluids.hypotonic.not_after for token in words(word).tokens)
        self._restriction = flat(fluids.restriction.text)
        self._plain = frozenset(token for word in fluids.text.plain for token in words(word).tokens)
        self._hypertonic_from = numbers["hypertonic_from_percent"].value
        self._isotonic_from = numbers["isotonic_from_percent"].value
        self._concentrate_from = numbers["concentrate_from_percent"].value
        self._flush_ml = numbers["flush_volume_ml"].value
        self._per_mmol = numbers["gram_per_100_ml_of_one_mmol_per_ml"].value

    def read(self, product: Product, place: Place, drugs: Collection[str]) -> FluidReading:
        """The fluid in an order; `drugs` are the ingredients recognised in it."""
        names = [words(name) for name in _names(product)]
        volume = self._volume(product, names)
        if (known := self._by_code(product)) is not None:
            return self._of_product(known, place, volume)
        others = [d for d in drugs if d != SALT and d not in self._additive_names]
        if (stated := self._by_ratio(product)) is not None:
            return self._judge(product, place, names, _Stated(stated, False, True), volume)
        for name in names:
            hits = self._terms.find(name)
            if not hits:
                continue
            if others or self._carries(name, hits[0]) or self._mixtures.find(name):
                return FluidReading(is_salt=True, step="sodium chloride beside another ingredient: no saline order")
            return self._judge(product, place, names, self._stated(name, hits), volume)
        return self._without_salt(names, place, others, volume)

    def _by_code(self, product: Product) -> FluidProduct | None:
        codings = (coding for concept in product.concepts for coding in concept.codings)
        rxnorm = (c.code.strip() for c in codings if canonical(c.system) == RXNORM)
        return next((self._products[code] for code in rxnorm if code in self._products), None)

    def _of_product(self, known: FluidProduct, place: Place, volume: Decimal | None) -> FluidReading:
        volume = volume or known.volume_ml
        if known.kind in ("flush", "local") or place.route == "local":
            return FluidReading(is_salt=True, step=f"RxNorm product: {known.kind}, no saline order")
        if known.kind == "isotonic" and volume is not None and volume <= self._flush_ml:
            return FluidReading(is_salt=True, step="RxNorm product: flush volume")
        saline = Saline(kind=known.kind, percent=known.percent, volume_ml=volume)
        route: Route = "systemic" if known.kind == "salt-tablet" else "iv"
        return self._found(saline, route, "RxNorm product")

    def _by_ratio(self, product: Product) -> Decimal | None:
        """The percent from a recorded strength, where no other ingredient but glucose or potassium stands beside."""
        percent = None
        for item, strength in product.ingredients:
            if self._is_salt(item):
                percent = percent_of_ratio(strength, self._per_mmol) if strength is not None else None
            elif not any(self._additives.find(words(name)) for name in texts_of(item)):
                return None
        return percent

    def _is_salt(self, item: Coded) -> bool:
        if any(SALT in self._codes.find(coding).ingredients for coding in item.codings):
            return True
        return any(self._terms.find(words(name)) for name in texts_of(item))

    def _judge(
        self, product: Product, place: Place, names: list[Words], stated: _Stated, volume: Decimal | None
    ) -> FluidReading:
        step = self._excluded(product, place, names, stated, volume)
        if step:
            return FluidReading(is_salt=True, step=step)
        oral = place.route == "systemic" or any(self._oral.find(name) for name in names)
        if any(self._tablet.find(name) for name in names) or (oral and stated.percent is None):
            return self._found(Saline(kind="salt-tablet"), "systemic", "salt by mouth")
        kind = self._kind(stated)
        if kind is None:
            return FluidReading(is_salt=True, step="sodium chloride of unknown strength")
        if oral:
            return FluidReading(is_salt=True, step="sodium chloride solution by mouth")
        by_vein = place.route == "iv" or stated.spoken or volume is not None
        saline = Saline(kind=kind, percent=stated.percent, volume_ml=volume)
        return self._found(saline, "iv" if by_vein else "unknown", f"saline {stated.percent or 'hypertonic'}")

    def _excluded(
        self, product: Product, place: Place, names: list[Words], stated: _Stated, volume: Decimal | None
    ) -> str:
        if place.route == "local":
            return f"for local use: {', '.join(sorted(place.kinds))}"
        small = volume is None or volume <= self._flush_ml
        if any(self._flush.find(name) for name in names) or (small and self._flush.find(words(product.instructions))):
            return "flush or diluent"
        kind = self._kind(stated)
        if volume is not None and volume <= self._flush_ml and kind == "isotonic":
            return "flush volume"
        strong = kind in ("hypertonic", "concentrate")
        if strong and any(self._additives.find(name) and self._beside(name) for name in names):
            return "other electrolytes beside strong saline: no hypertonic saline order"
        return ""

    def _beside(self, name: Words) -> bool:
        """Whether an additive is more than a word of the percent that was refused to glucose."""
        return any("potassium" in name.tokens or token in ("kcl", "kaliumchlorid") for token in name.tokens)

    def _found(self, saline: Saline, route: Route, step: str) -> FluidReading:
        return FluidReading(
            saline=saline,
            hypotonic=saline.kind == "hypotonic",
            volume_ml=saline.volume_ml,
            route=route,
            is_salt=True,
            step=step,
        )

    def _kind(self, stated: _Stated) -> Kind | None:
        if stated.percent is None:
            return "hypertonic" if stated.hypertonic else None
        if stated.percent >= self._concentrate_from:
            return "concentrate"
        if stated.percent >= self._hypertonic_from:
            return "hypertonic"
        return "isotonic" if stated.percent >= self._isotonic_from else "hypotonic"

    def _stated(self, name: Words, hits: tuple[Hit[Decimal | None], ...]) -> _Stated:
        """A written percent wins over a shorthand, and the one after the salt over the one before it."""
        hypertonic = bool(self._hypertonic.find(name))
        shorthand = next((p for hit in hits for p in hit.found if p is not None), None)
        spoken = hypertonic or shorthand is not None or "saline" in name.tokens
        for hit in hits:
            percent = self._after(name, hit.end)
            if percent is None:
                percent = self._before(name, hit)
            if percent is not None:
                return _Stated(percent, hypertonic, spoken)
        return _Stated(None if hypertonic else shorthand, hypertonic, spoken)

    def _after(self, name: Words, start: int) -> Decimal | None:
        at, end = start, min(len(name.tokens), start + REACH)
        while at < end:
            percent = percent_at(name, at, self._per_mmol)
            if percent is not None:
                is_glucose = at + 2 < len(name.tokens) and name.tokens[at + 2] in self._glucose
                return None if is_glucose else percent
            if self._filler.starts_at(name, at) or name.tokens[at] in ("ml", "l") or name.tokens[at][0].isdigit():
                at += 1
            else:
                return None
        return None

    def _before(self, name: Words, hit: Hit[Decimal | None]) -> Decimal | None:
        at = hit.start - 1
        while at > 0 and name.tokens[at] != "%" and self._filler.starts_at(name, at):
            at -= 1
        if at < 0:
            return None
        if name.tokens[at] == "%" and at >= 1:
            of_glucose = at > 1 and name.tokens[at - 2] in self._glucose
            return None if of_glucose else percent_at(name, at - 1, self._per_mmol)
        bare = name.tokens[at]
        shorthand = any(p is not None for p in hit.found)
        return Decimal(bare) if shorthand and bare.startswith("0.") else None

    def _carries(self, name: Words, salt: Hit[Decimal | None]) -> bool:
        """Whether the fluid only carries a drug: an unknown word with its own dose, or linked by "in"."""
        start = salt.start
        while start > 0 and (name.tokens[start - 1] == "%" or name.tokens[start - 1][0].isdigit()):
            start -= 1
        drugs = [at for at in range(start) if self._unknown(name, at)]
        linked = start > 0 and (name.tokens[start - 1] in _LINKS or "/" in name.gap(start - 1, start) or "+" in name.gap(start - 1, start))
        if drugs and linked:
            return True
        if any(at + 2 < len(name.tokens) and name.tokens[at + 1][0].isdigit() and name.tokens[at + 2] in _MASS for at in drugs):
            return True
        behind = name.folded[name.spans[salt.end - 1][1] :]
        return any(self._unknown(part, at) for part in map(words, behind.split(" / ")[1:]) for at in range(len(part.tokens)))

    def _unknown(self, name: Words, at: int) -> bool:
        word = name.tokens[at]
        if len(word) < SHORTEST_DRUG or not word.isalpha() or word in self._plain:
            return False
        return not (self._filler.starts_at(name, at) or self._within_additive(name, at) or self._forms.is_form_word(word))

    def _within_additive(self, name: Words, at: int) -> bool:
        return any(hit.start <= at < hit.end for hit in self._additives.find(name))

    def _without_salt(
        self, names: list[Words], place: Place, others: list[str], volume: Decimal | None
    ) -> FluidReading:
        if others or place.route == "local" or (volume is not None and volume <= self._flush_ml):
            return FluidReading()
        for name in names:
            for hit in self._water.find(name):
                carried = hit.start > 0 and name.tokens[hit.start - 1] in self._carried_after
                if not carried and not self._mixtures.find(name) and not self._restriction.find(name):
                    return FluidReading(hypotonic=True, volume_ml=volume, route="unknown", step="water without sodium")
        return FluidReading()

    def _volume(self, product: Product, names: list[Words]) -> Decimal | None:
        if product.volume_ml is not None and product.volume_ml.is_finite() and product.volume_ml > 0:
            return product.volume_ml
        found = [volume for name in names if (volume := volume_of(name)) is not None]
        return max(found) if found else volume_of(words(product.instructions))


def _names(product: Product) -> Iterator[str]:
    for concept in product.concepts:
        yield from texts_of(concept)
    for item, strength in product.ingredients:
        if strength is None:
            yield from texts_of(item)
