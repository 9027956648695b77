"""Sodium salts that are as strong as hypertonic saline and are no 3 % saline (F22)."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from cds_service.knowledge.words import Fluids, StrongSaltWords
from cds_service.terminology.names import Place
from cds_service.terminology.text import Phrases, Words, flat, words
from cds_service.terminology.types import Product, StrongSalt, texts_of
from cds_service.terminology.units import percent_at, volume_of


class StrongSaltReader:
    """Finds bicarbonate, lactate, acetate or hypertonic starch in the names of an order."""

    def __init__(self, fluids: Fluids) -> None:
        salts = fluids.strong_salts
        self._salts, self._from = salts.salts, salts.from_mmol_per_ml
        self._names = Phrases[str](
            {phrase: (key,) for key, salt in salts.salts.items() for phrase in salt.names}
        )
        self._tablet = flat([*fluids.saline.tablet, *fluids.saline.oral])
        self._diluted = flat([*fluids.mixing.joints, *fluids.mixing.water, *fluids.saline.glucose])

    def read(self, product: Product, place: Place) -> StrongSalt | None:
        """Returns the salt with its strength; None if it is weak, diluted, or not for a vein."""
        if place.route not in ("iv", "unknown"):
            return None
        for name in map(words, _names(product)):
            hit = next(iter(self._names.find(name)), None)
            if hit is None or self._tablet.find(name) or self._diluted.find(name):
                continue
            key = hit.found[0]
            strength = self._strength(name, self._salts[key])
            if strength is not None and strength >= self._from:
                ordered = product.ordered_ml or product.volume_ml or volume_of(name)
                volume = ordered or self._salts[key].volume_ml
                return StrongSalt(name=key, mmol_per_ml=strength, ordered_ml=volume)
        return None

    def _strength(self, name: Words, salt: StrongSaltWords) -> Decimal | None:
        """Returns the mmol of sodium in each mL: as written, else as it is sold."""
        per_mmol = salt.gram_per_100_ml_of_one_mmol_per_ml
        for at in range(len(name.tokens)):
            percent = percent_at(name, at, per_mmol)
            if percent is not None and salt.percent is None:
                return percent / per_mmol
        return None if salt.percent is None else salt.percent / per_mmol


def _names(product: Product) -> Iterator[str]:
    for concept in product.concepts:
        yield from texts_of(concept)
