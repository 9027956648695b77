"""Parenteral nutrition: how much sodium a liter of it holds, and how much of it a day (F28)."""

from __future__ import annotations

import re
from decimal import Decimal

from cds_service.knowledge.words import Fluids
from cds_service.terminology.names import Place
from cds_service.terminology.text import Phrases, Words, flat, words
from cds_service.terminology.types import Nutrition, Product, texts_of
from cds_service.terminology.units import ML_PER_L, decimal_of, hourly_of, volume_of

_HOURS = 24
_AMOUNT = (
    r" ?[+:=]{0,2} ?(\d{1,4}(?:\.\d{1,2})?) ?(?:meq|mmol)\b( ?(?:/|per) ?(?:l|liter|litre)\b)?"
)


class NutritionReader:
    """Finds parenteral nutrition in the words of an order, with its sodium as told."""

    def __init__(self, fluids: Fluids) -> None:
        known = fluids.nutrition
        self._names = Phrases[Decimal | None](
            {
                **dict.fromkeys(known.names, (None,)),
                **{phrase: (mmol,) for phrase, mmol in known.products.items()},
            }
        )
        self._free, self._not_after = flat(known.free), flat(known.not_after)
        self._told, self._salts = (_amounts(known.sodium), _amounts(known.salts))

    def read(self, product: Product, place: Place) -> Nutrition | None:
        """Returns the nutrition of an order for a vein; None for every other order."""
        if place.route not in ("iv", "unknown"):
            return None
        concepts = [*product.concepts, *(item for item, _ in product.ingredients)]
        names = [words(name) for concept in concepts for name in texts_of(concept)]
        found = [mmol for name in names for mmol in self._products_in(name)]
        if not found:
            return None
        said = [*names, words(product.instructions)]
        daily = _a_day(product, said)
        sold = next((mmol for mmol in found if mmol is not None), None)
        told = self._written(said, daily)
        if told is None and any(self._free.find(text) for text in said):
            told = Decimal(0)
        return Nutrition(sodium_mmol_l=sold if told is None else told, daily_ml=daily)

    def _products_in(self, name: Words) -> list[Decimal | None]:
        """Returns the mmol of sodium in a liter of each nutrition that a name speaks of."""
        hits = self._names.find(name)
        return [h.found[0] for h in hits if not self._not_after.ends_before(name, h.start)]

    def _written(self, said: list[Words], daily: Decimal | None) -> Decimal | None:
        """Returns the sodium of a liter that words state: as sodium, else the sum of its salts."""
        texts = dict.fromkeys(text.folded for text in said)
        for pattern in (self._told, self._salts):
            found = [_per_liter(match, daily) for text in texts for match in pattern.finditer(text)]
            known = [mmol for mmol in found if mmol is not None]
            if known:
                return max(known) if pattern is self._told else sum(known, Decimal(0))
        return None


def _amounts(phrases: list[str]) -> re.Pattern[str]:
    longest = sorted(phrases, key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, longest))})\b{_AMOUNT}")


def _per_liter(match: re.Match[str], daily: Decimal | None) -> Decimal | None:
    """Returns an amount as that of a liter; what is told of the bag needs the volume."""
    amount = decimal_of(match[1])
    if match[2] or not amount:
        return amount
    return amount * ML_PER_L / daily if daily else None


def _a_day(product: Product, said: list[Words]) -> Decimal | None:
    """Returns the largest amount of a day that the order names, in mL."""
    rates = [product.rate_ml_h, *map(hourly_of, said)]
    volumes = [product.volume_ml, product.ordered_ml, *map(volume_of, said)]
    found = [*volumes, *(rate * _HOURS for rate in rates if rate is not None)]
    known = [ml for ml in found if ml is not None and ml.is_finite() and ml > 0]
    return max(known, default=None)
