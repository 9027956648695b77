"""Orders of sodium chloride, and of fluids without it: which, how strong, how much (C.5, D.5)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from decimal import Decimal

from msgspec import Struct

from cds_service.knowledge.fluids import FluidProduct, Fluids, SalineKind
from cds_service.terminology.codes import CodeIndex
from cds_service.terminology.forms import FormReader, Place, texts_of
from cds_service.terminology.match import Coded, Product, Route, Saline
from cds_service.terminology.saline_text import SalineText, Stated
from cds_service.terminology.strength import percent_of_ratio, volume_of
from cds_service.terminology.systems import RXNORM, canonical
from cds_service.terminology.text import Words, flat, words

SALT = "sodium chloride"  # the key of sodium-drugs.toml


class FluidReading(Struct, frozen=True, kw_only=True):
    """What an order is as a fluid; `is_salt` also where it is a flush, a carrier or for local use."""

    saline: Saline | None = None
    hypotonic: bool = False
    volume_ml: Decimal | None = None
    route: Route = "unknown"
    is_salt: bool = False
    step: str = ""


class _Order(Struct, frozen=True, kw_only=True):
    """One order as the steps look at it."""

    product: Product
    place: Place
    names: tuple[Words, ...]
    volume: Decimal | None
    others: tuple[str, ...]  # recognised ingredients that are more than an additive


class FluidReader:
    """Reads one order in the order of evidence: RxNorm code, recorded strength, name."""

    def __init__(self, fluids: Fluids, codes: CodeIndex, forms: FormReader) -> None:
        saline = fluids.saline
        self._products, self._codes = fluids.products, codes
        self._text = SalineText(fluids, forms)
        self._flush, self._tablet, self._oral, self._electrolytes = (
            flat(phrases)
            for phrases in (saline.flush, saline.tablet, saline.oral, saline.electrolytes)
        )
        self._water, self._restriction = (
            flat(fluids.hypotonic.phrases),
            flat(fluids.restriction.text),
        )
        self._balanced = flat(fluids.balanced.phrases)
        self._carrying = frozenset(
            token for word in fluids.hypotonic.not_after for token in words(word).tokens
        )
        self._additive_names = frozenset((SALT, *saline.additives, *saline.electrolytes))
        numbers = fluids.numbers
        self._concentrate_from = numbers.concentrate_from_percent.value
        self._hypertonic_from = numbers.hypertonic_from_percent.value
        self._isotonic_from = numbers.isotonic_from_percent.value
        self._flush_ml = numbers.flush_volume_ml.value
        self._per_mmol = numbers.gram_per_100_ml_of_one_mmol_per_ml.value

    def read(self, product: Product, place: Place, ingredients: Collection[str]) -> FluidReading:
        """The fluid in an order; `ingredients` are those recognised in it."""
        names = tuple(words(name) for name in _names(product))
        order = _Order(
            product=product,
            place=place,
            names=names,
            volume=_volume(product, names),
            others=tuple(i for i in ingredients if i not in self._additive_names),
        )
        if (known := self._by_code(product)) is not None:
            return self._of_product(known, order)
        if (percent := self._by_ratio(product)) is not None:
            return self._judge(order, Stated(percent))
        for name in names:
            salt = self._text.salt(name)
            if salt and (
                order.others or self._text.is_mixture(name) or self._text.carries(name, salt)
            ):
                return FluidReading(
                    is_salt=True, step="sodium chloride beside another drug: no saline order"
                )
            if salt:
                return self._judge(order, self._text.stated(name, salt))
        return self._without_salt(order)

    def balanced(self, product: Product, place: Place) -> FluidReading | None:
        """Lactated Ringer's and its like, with the volume where it is told; None: no such fluid."""
        names = tuple(words(name) for name in _names(product))
        if place.route == "local" or not any(self._balanced.find(name) for name in names):
            return None
        return FluidReading(volume_ml=_volume(product, names), step="isotonic, no saline")

    def _by_code(self, product: Product) -> FluidProduct | None:
        codings = (coding for concept in product.concepts for coding in concept.codings)
        rxnorm = (c.code.strip() for c in codings if canonical(c.system) == RXNORM)
        return next((self._products[code] for code in rxnorm if code in self._products), None)

    def _of_product(self, known: FluidProduct, order: _Order) -> FluidReading:
        volume = order.volume or known.volume_ml
        if known.kind is None or order.place.route == "local":
            return FluidReading(
                is_salt=True, step=f"RxNorm product, no saline order: {known.never or 'local use'}"
            )
        if known.kind == "isotonic" and volume is not None and volume <= self._flush_ml:
            return FluidReading(is_salt=True, step="RxNorm product: flush volume")
        saline = Saline(kind=known.kind, percent=known.percent, volume_ml=volume)
        return _found(saline, "systemic" if known.kind == "salt-tablet" else "iv", "RxNorm product")

    def _by_ratio(self, product: Product) -> Decimal | None:
        """The percent of a recorded strength; None where more than an additive stands beside the salt."""
        percent = None
        for item, strength in product.ingredients:
            if self._is_salt(item):
                percent = (
                    percent_of_ratio(strength, self._per_mmol) if strength is not None else None
                )
            elif not any(self._text.is_additive(words(name)) for name in texts_of(item)):
                return None
        return percent

    def _is_salt(self, item: Coded) -> bool:
        if any(SALT in self._codes.find(coding).ingredients for coding in item.codings):
            return True
        return any(self._text.salt(words(name)) for name in texts_of(item))

    def _judge(self, order: _Order, stated: Stated) -> FluidReading:
        """What a sodium chloride of this strength is in this order."""
        kind = self._kind(stated)
        if step := self._excluded(order, kind):
            return FluidReading(is_salt=True, step=step)
        by_mouth = order.place.route == "systemic" or any(
            self._oral.find(name) for name in order.names
        )
        if any(self._tablet.find(name) for name in order.names) or (
            by_mouth and stated.percent is None
        ):
            return _found(Saline(kind="salt-tablet"), "systemic", "salt by mouth")
        if kind is None or by_mouth:
            step = "solution by mouth" if by_mouth else "strength unknown"
            return FluidReading(is_salt=True, step=f"sodium chloride, {step}")
        by_vein = order.place.route == "iv" or stated.spoken or order.volume is not None
        saline = Saline(kind=kind, percent=stated.percent, volume_ml=order.volume)
        return _found(saline, "iv" if by_vein else "unknown", f"{kind} saline")

    def _excluded(self, order: _Order, kind: SalineKind | None) -> str:
        """Why it is no saline order, or ""."""
        if order.place.route == "local":
            return f"for local use: {', '.join(sorted(order.place.kinds))}"
        small = order.volume is None or order.volume <= self._flush_ml
        if any(self._flush.find(name) for name in order.names):
            return "flush or diluent"
        if small and self._flush.find(words(order.product.instructions)):
            return "flush or diluent"
        if order.volume is not None and small and kind == "isotonic":
            return "flush volume"
        if order.volume is not None and order.volume < self._flush_ml and kind == "hypertonic":
            return (
                ""
                if order.place.route == "iv"
                else "strong saline in the volume of a nebulizer, no route"
            )
        strong = kind in ("hypertonic", "concentrate")
        if strong and any(self._electrolytes.find(name) for name in order.names):
            return "strong saline beside another electrolyte: no hypertonic saline order"
        return ""

    def _kind(self, stated: Stated) -> SalineKind | None:
        if stated.percent is None:
            return "hypertonic" if stated.hypertonic else None
        if stated.percent >= self._concentrate_from:
            return "concentrate"
        if stated.percent >= self._hypertonic_from:
            return "hypertonic"
        return "isotonic" if stated.percent >= self._isotonic_from else "hypotonic"

    def _without_salt(self, order: _Order) -> FluidReading:
        small = order.volume is not None and order.volume <= self._flush_ml
        if order.others or order.place.route == "local" or small:
            return FluidReading()
        if any(self._is_water(name) for name in order.names):
            return FluidReading(hypotonic=True, volume_ml=order.volume, step="water without sodium")
        return FluidReading()

    def _is_water(self, name: Words) -> bool:
        hit = next(iter(self._water.find(name)), None)
        if hit is None or self._text.is_mixture(name) or self._restriction.find(name):
            return False
        return hit.start == 0 or name.tokens[hit.start - 1] not in self._carrying


def _found(saline: Saline, route: Route, step: str) -> FluidReading:
    weak = saline.kind == "hypotonic"
    return FluidReading(
        saline=saline,
        hypotonic=weak,
        volume_ml=saline.volume_ml,
        route=route,
        is_salt=True,
        step=step,
    )


def _volume(product: Product, names: tuple[Words, ...]) -> Decimal | None:
    """What the order gives, else what a name says, else the instructions."""
    given = product.volume_ml
    if given is not None and given.is_finite() and given > 0:
        return given
    found = [volume for name in names if (volume := volume_of(name)) is not None]
    return max(found) if found else volume_of(words(product.instructions))


def _names(product: Product) -> Iterator[str]:
    for concept in product.concepts:
        yield from texts_of(concept)
    for item, strength in product.ingredients:
        if strength is None:
            yield from texts_of(item)
