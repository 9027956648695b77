"""What a bag holds into which a sodium chloride is put: "5.85 % 40 mL ad 500 mL glucose" (F23)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from msgspec import Struct

from cds_service.knowledge.words import Fluids
from cds_service.terminology.text import Words, flat, words
from cds_service.terminology.types import Product, texts_of
from cds_service.terminology.units import MILLILITERS, volume_of

NO_SODIUM = Decimal(0)
HUNDREDTH = Decimal("0.01")
_SIGNS = "+/"


class Mixture(Struct, frozen=True):
    """A bag of several parts."""

    strongest: Decimal  # percent of the sodium chloride that was put in
    percent: Decimal | None = None  # of the whole bag; None if it cannot be computed
    volume_ml: Decimal | None = None


class _Part(Struct, frozen=True):
    percent: Decimal | None  # None: what it is, or how strong, is not known
    volume_ml: Decimal | None
    is_salt: bool = False
    is_named: bool = False  # a fluid is named, and not only an amount
    is_total: bool = False  # its volume is that of the whole bag


# Numbers beyond these are no volume and no percent; a sum of them could not be computed.
MOST_ML = 1_000_000
MOST_PERCENT = 100


class MixtureReader:
    """Reads the parts of a bag from a name, or from the ingredients of a Medication."""

    def __init__(self, fluids: Fluids, percent_of: Callable[[Words], tuple[bool, Decimal | None]]):
        mixing = fluids.mixing
        self._joints, self._totals = flat([*mixing.joints, *mixing.to_total]), flat(mixing.to_total)
        self._water = flat([*mixing.water, *fluids.saline.glucose, *fluids.hypotonic.phrases])
        self._percent_of = percent_of  # whether a text names the salt, and its percent
        self._concentrate_from = fluids.numbers.concentrate_from_percent.value
        self._strong_from = fluids.numbers.hypertonic_from_percent.value

    def read(self, product: Product, names: Sequence[Words]) -> Mixture | None:
        """Returns the mixture that an order is; None if it is one fluid as it is sold."""
        found = [self._mixed(self._of_ingredients(product))]
        found += [self._mixed(list(self._of_name(name))) for name in names]
        return next(filter(None, found), None)

    def _mixed(self, parts: list[_Part]) -> Mixture | None:
        strong = [
            part.percent
            for part in parts
            if part.is_salt and part.percent is not None and part.percent >= self._strong_from
        ]
        if not strong or not parts[1:]:
            return None
        if parts[0].volume_ml is None and not any(part.is_salt for part in parts[1:]):
            # "3 % in 500 mL" is the bag as it is sold, a concentrate in glucose is none.
            fluid = any(part.is_named for part in parts[1:])
            return Mixture(max(strong)) if fluid and max(strong) >= self._concentrate_from else None
        return self._computed(max(strong), parts)

    def _computed(self, strongest: Decimal, parts: list[_Part]) -> Mixture:
        volumes = [part.volume_ml for part in parts if part.volume_ml is not None]
        unknown = any(part.percent is None for part in parts)
        if unknown or len(volumes) < len(parts):
            return Mixture(strongest)
        whole = [part for part in parts if part.is_total]
        total = max(volumes) if whole else sum(volumes, NO_SODIUM)
        salt = NO_SODIUM
        for part, volume in zip(parts, volumes, strict=True):
            rest = total - (sum(volumes, NO_SODIUM) - volume) if part.is_total else volume
            salt += max(rest, NO_SODIUM) * (part.percent or NO_SODIUM)
        if total <= 0:
            return Mixture(strongest)
        return Mixture(strongest, (salt / total).quantize(HUNDREDTH), total)

    def _of_ingredients(self, product: Product) -> list[_Part]:
        parts = []
        for item, strength in product.ingredients:
            factor = MILLILITERS.get(strength.numerator_unit.strip().lower()) if strength else None
            if strength is None or factor is None or not _is_volume(strength.numerator):
                continue
            part = self._part(words(" ".join(texts_of(item))))
            parts.append(
                _Part(part.percent, strength.numerator * factor, part.is_salt, part.is_named)
            )
        return parts

    def _of_name(self, name: Words) -> Iterator[_Part]:
        """Returns the parts of a name; a part without a fluid or a volume is an additive."""
        for text, is_total in self._segments(name):
            part, written = self._part(text), volume_of(text)
            volume = written if written is not None and _is_volume(written) else None
            if part.is_named or volume is not None:
                yield _Part(part.percent, volume, part.is_salt, part.is_named, is_total)

    def _segments(self, name: Words) -> Iterator[tuple[Words, bool]]:
        cuts = [(0, 0, False)]
        for hit in self._joints.find(name):
            cuts.append((hit.start, hit.end, self._totals.starts_at(name, hit.start)))
        for at in range(1, len(name.tokens)):
            if any(sign in f" {name.gap(at - 1, at)} ".split() for sign in _SIGNS):
                cuts.append((at, at, False))
        cuts.sort()
        ends = [cut[0] for cut in cuts[1:]] + [len(name.tokens)]
        for (_, start, is_total), end in zip(cuts, ends, strict=True):
            if start < end:
                inside = name.folded[name.spans[start][0] : name.spans[end - 1][1]]
                yield words(inside), is_total

    def _part(self, text: Words) -> _Part:
        is_salt, percent = self._percent_of(text)
        if percent is not None and percent > MOST_PERCENT:
            percent = None
        if is_salt:
            return _Part(percent, None, is_salt=True, is_named=True)
        water = bool(self._water.find(text))
        return _Part(NO_SODIUM if water else None, None, is_named=water)


def _is_volume(number: Decimal) -> bool:
    return number.is_finite() and 0 < number < MOST_ML
