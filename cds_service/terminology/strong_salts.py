"""Sodium salts that are as strong as hypertonic saline and are no 3 % saline (F22)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from decimal import Decimal

from cds_service.knowledge.words import Fluids, StrongSaltWords
from cds_service.terminology.names import Place
from cds_service.terminology.text import Phrases, Words, flat, words
from cds_service.terminology.types import Product, StrongSalt, texts_of
from cds_service.terminology.units import decimal_of, percent_at, volume_of


class StrongSaltReader:
    """Finds bicarbonate, lactate, acetate or hypertonic starch in the names of an order."""

    def __init__(self, fluids: Fluids) -> None:
        salts = fluids.strong_salts
        self._salts, self._from = salts.salts, salts.from_mmol_per_ml
        self._names = Phrases[str](
            {phrase: (key,) for key, salt in salts.salts.items() for phrase in salt.names}
        )
        self._molar, self._half = frozenset(salts.molar), frozenset(salts.half)
        self._tablet = flat([*fluids.saline.tablet, *fluids.saline.oral])
        self._diluted = flat([*fluids.mixing.joints, *fluids.mixing.water, *fluids.saline.glucose])

    def read(
        self, product: Product, place: Place, found: Collection[str] = ()
    ) -> StrongSalt | None:
        """Returns the salt with its strength; None if it is weak, diluted, or not for a vein.

        An order that does not say it may be of the strength in which the salt is sold most often;
        `found` are its drugs.
        """
        if place.route not in ("iv", "unknown"):
            return None
        names = [*map(words, _names(product))]
        named = [(name, key) for name in names if (key := self._undiluted(name)) is not None]
        written = [(name, key, self._strength(name, self._salts[key])) for name, key in named]
        for name, key, strength in written:
            if place.route != "iv" and self._salts[key].additive:
                continue  # an enema, or drunk before a colonoscopy
            if strength is not None and strength >= self._from:
                volume = product.ordered_ml or product.volume_ml or volume_of(name)
                return self._as_written(key, strength, volume)
        said = [*names, words(product.instructions)]
        weak = any(strength is not None for _, _, strength in written)
        if weak or place.route != "iv" or len(product.ingredients) > 1 or self._is_thinned(said):
            return None
        salts = [*(key for _, key in named), *found]
        return next(filter(None, (self._unsaid(key, product.ordered_ml) for key in salts)), None)

    def _as_written(self, key: str, strength: Decimal, volume: Decimal | None) -> StrongSalt:
        """Returns the salt in a strength; an order without a volume is of one package."""
        salt = self._salts[key]
        return StrongSalt(
            name=key,
            mmol_per_ml=strength,
            ordered_ml=volume or salt.volume_ml,
            additive=salt.additive,
        )

    def _undiluted(self, name: Words) -> str | None:
        """Returns the salt that a name speaks of, if it is neither a tablet nor diluted."""
        hit = next(iter(self._names.find(name)), None)
        return None if hit is None or self._is_thinned([name]) else hit.found[0]

    def _is_thinned(self, said: Iterable[Words]) -> bool:
        """Whether words name a tablet, or a fluid in which it is diluted."""
        return any(self._tablet.find(text) or self._diluted.find(text) for text in said)

    def _unsaid(self, key: str, ordered_ml: Decimal | None) -> StrongSalt | None:
        """Returns the salt in the strength that an order may mean if it states none."""
        salt = self._salts.get(key)
        percent = salt.percent_unless_said if salt is not None else None
        if salt is None or percent is None:
            return None
        mmol = percent / salt.gram_per_100_ml_of_one_mmol_per_ml
        return StrongSalt(
            name=key, mmol_per_ml=mmol, ordered_ml=ordered_ml, assumed_percent=percent
        )

    def _strength(self, name: Words, salt: StrongSaltWords) -> Decimal | None:
        """Returns the mmol of sodium in each mL: as written, else as it is sold."""
        per_mmol = salt.gram_per_100_ml_of_one_mmol_per_ml
        for at in range(len(name.tokens)):
            percent = percent_at(name, at, per_mmol)
            if percent is not None and salt.percent is None:
                return percent / per_mmol
        if salt.percent is not None:
            return salt.percent / per_mmol
        return self._in_moles(name)

    def _in_moles(self, name: Words) -> Decimal | None:
        """Returns the mol of each liter that "1 molar" or "half molar" says."""
        tokens = name.tokens
        at = next((n for n, token in enumerate(tokens) if token in self._molar), None)
        if at is None or at == 0:
            return None if at is None else Decimal(1)
        before = tokens[at - 1]
        return Decimal("0.5") if before in self._half else decimal_of(before) or Decimal(1)


def _names(product: Product) -> Iterator[str]:
    for concept in product.concepts:
        yield from texts_of(concept)
