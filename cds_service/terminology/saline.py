"""Orders of sodium chloride, and of fluids without it: which, how strong, how much (C.5, D.5)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from decimal import Context, Decimal

from msgspec import Struct
from msgspec.structs import replace

from cds_service.knowledge.names import DrugName
from cds_service.knowledge.words import FluidProduct, Fluids, SalineKind
from cds_service.terminology.added_salts import AddedSalts, Bag
from cds_service.terminology.codes import RXNORM, CodeIndex, canonical
from cds_service.terminology.mixtures import HUNDREDTH, Mixture, MixtureReader
from cds_service.terminology.names import FormReader, Place
from cds_service.terminology.text import Hit, Phrases, Words, flat, words
from cds_service.terminology.types import Coded, Product, Route, Saline, StrongSalt, texts_of
from cds_service.terminology.units import (
    MASS_UNITS,
    ML_PER_L,
    decimal_of,
    hourly_of,
    infused_of,
    mmol_of,
    percent_at,
    percent_of_ratio,
    volume_of,
)

_LABELLED = Context(prec=3)  # digits that a label or a syringe can tell
SHORTEST_DRUG = 4  # letters of a word that may be the drug which a fluid carries
REACH = 8  # words between the salt and its percent
_VOLUMES = frozenset({"ml", "l"})
_LINKING = frozenset("/+")
_GRAMS = frozenset({"g", "gram", "grams", "gramm", "gr", "г", "克"})
PER_100_ML = 100
HOURS_A_DAY = 24

SaltHit = Hit[Decimal | None]


class Stated(Struct, frozen=True):
    """The strength that one order states."""

    percent: Decimal | None
    hypertonic: bool = False  # the word, which counts if there is no percent
    spoken: bool = True  # in the words of a fluid ("NS", "3 % saline"), not of a chemical


class SalineText:
    """Finds the salt in a name and reads the words around it."""

    def __init__(self, fluids: Fluids, forms: FormReader) -> None:
        saline = fluids.saline
        self._forms = forms
        self._salt = Phrases[Decimal | None](
            {
                **dict.fromkeys(saline.terms, (None,)),
                **{s: (p,) for s, p in saline.shorthands.items()},
            }
        )
        self._usual = frozenset(map(Decimal, saline.shorthands.values()))
        self._hypertonic, self._filler, self._mixtures = (
            flat(phrases) for phrases in (saline.hypertonic, saline.filler, saline.mixtures)
        )
        self._additives = flat([*saline.additives, *saline.electrolytes, *saline.glucose])
        self._sugar = flat(saline.glucose)
        self._glucose, self._links = frozenset(saline.glucose), frozenset(saline.links)
        self._spoken, self._abbreviated = frozenset(saline.spoken), flat(saline.abbreviated)
        self._plain = frozenset(token for word in fluids.text.plain for token in words(word).tokens)
        self._per_mmol = fluids.numbers.gram_per_100_ml_of_one_mmol_per_ml.value
        self._spelled = saline.spelled
        self._spelled_percent = re.compile(rf"\b({'|'.join(saline.spelled)})\b(?= ?-? ?%)")

    def in_figures(self, name: Words) -> Words:
        """Returns the words of a name with its percent in figures: "three percent" (F23)."""
        if self._spelled.keys().isdisjoint(name.tokens):
            return name
        return words(self._spelled_percent.sub(lambda m: str(self._spelled[m[1]]), name.folded))

    def salt(self, name: Words) -> tuple[SaltHit, ...]:
        """Returns where the name speaks of sodium chloride."""
        return self._salt.find(name)

    def is_mixture(self, name: Words) -> bool:
        """Whether other electrolytes or nutrition are named."""
        return bool(self._mixtures.find(name))

    def is_additive(self, name: Words) -> bool:
        """Whether glucose, potassium or water is named."""
        return bool(self._additives.find(name))

    def stated(self, name: Words, salt: tuple[SaltHit, ...]) -> Stated:
        """A written percent wins over a shorthand; one after the salt over one before it."""
        hypertonic = bool(self._hypertonic.find(name))
        shorthand = next(
            (percent for hit in salt for percent in hit.found if percent is not None), None
        )
        spoken = hypertonic or shorthand is not None or not self._spoken.isdisjoint(name.tokens)
        for hit in salt:
            percent = self._after(name, hit.end)
            if percent is None:
                percent = self._before(name, hit)
            if percent is not None:
                return Stated(percent, hypertonic, spoken)
        return Stated(None if hypertonic else shorthand, hypertonic, spoken)

    def _after(self, name: Words, start: int) -> Decimal | None:
        for at in range(start, min(len(name.tokens), start + REACH)):
            percent = percent_at(name, at, self._per_mmol)
            if percent is not None:
                return None if self._is_of_glucose(name, at + 2) else percent
            token = name.tokens[at]
            if not (token in _VOLUMES or token[0].isdigit() or self._filler.starts_at(name, at)):
                return None
        return None

    def _is_of_glucose(self, name: Words, at: int) -> bool:
        """Whether a percent before this word is that of glucose, which then has no other.

        It is so in "5 % dextrose", and not in "NaCl 0.45 % + glucose 2.5 %".
        """
        if name.tokens[at : at + 1] and name.tokens[at] in self._glucose:
            return percent_at(name, at + 1, self._per_mmol) is None
        return False

    def grams(self, name: Words, salt: tuple[SaltHit, ...]) -> Decimal | None:
        """Returns how much salt is put into a bag: "+ NaCl 4 g"; None if it is not said in gram."""
        for hit in salt:
            amount = decimal_of(name.tokens[hit.end]) if hit.end + 1 < len(name.tokens) else None
            if amount is not None and name.tokens[hit.end + 1] in _GRAMS:
                return amount
        return None

    def strong_sugar(self, name: Words, above: Decimal) -> tuple[Hit[bool], ...]:
        """Returns where glucose of more than so many percent is named."""
        hits = self._sugar.find(name)
        return tuple(hit for hit in hits if (self._sugar_percent(name, hit) or above) > above)

    def _sugar_percent(self, name: Words, hit: Hit[bool]) -> Decimal | None:
        """Returns the percent of glucose: behind its name and words that say no more, or before."""
        at = hit.end
        while at < len(name.tokens) and self._filler.starts_at(name, at):
            at += 1
        behind = percent_at(name, at, self._per_mmol)
        before = hit.start - len(("20", "%"))
        if behind is not None or before < 0 or name.tokens[before + 1] != "%":
            return behind
        return percent_at(name, before, self._per_mmol)

    def is_sugar(self, text: Words, hit: Hit[bool]) -> bool:
        """Whether a phrase names glucose, and no product of its own."""
        return not self._glucose.isdisjoint(text.tokens[hit.start : hit.end])

    def _before(self, name: Words, hit: SaltHit) -> Decimal | None:
        at = hit.start - 1
        while at > 0 and name.tokens[at] != "%" and self._filler.starts_at(name, at):
            at -= 1
        if at < 0:
            return None
        if name.tokens[at] == "%":
            of_glucose = not self._glucose.isdisjoint(name.tokens[max(0, at - 2) : at - 1])
            return None if of_glucose or at == 0 else percent_at(name, at - 1, self._per_mmol)
        bare = name.tokens[at]
        if not bare.startswith("0."):
            return None
        is_shorthand = any(percent is not None for percent in hit.found)
        if is_shorthand or Decimal(bare) in self._usual:
            return Decimal(bare)  # "0.45 NaCl"
        return None

    def carries(self, name: Words, salt: tuple[SaltHit, ...]) -> bool:
        """Whether it only carries a drug: an unknown word with a dose beside it."""
        first = salt[0]
        start = first.start
        while start > 0 and (name.tokens[start - 1] == "%" or name.tokens[start - 1][0].isdigit()):
            start -= 1
        taken = {at for hit in salt for at in range(hit.start, hit.end)}
        drugs = [at for at in self._unknown_words(name) if at not in taken]
        is_linked = start > 0 and self._linked(name, start)
        is_short = self._abbreviated.starts_at(name, first.start)
        if drugs and drugs[0] < start and (is_linked or is_short):
            return True
        if any(_has_dose(name, at) for at in drugs):
            return True
        behind = name.folded[name.spans[first.end - 1][1] :]
        others = behind.split(" / ")[1:]
        return any(self._names_a_drug(words(part)) for part in others)

    def _names_a_drug(self, part: Words) -> bool:
        """Whether a part has a word that may be a drug, beside the names of the salt itself."""
        taken = {at for hit in self._salt.find(part) for at in range(hit.start, hit.end)}
        return any(at not in taken for at in self._unknown_words(part))

    def names_a_dose(self, name: Words) -> bool:
        """Whether a word that may be a drug has an amount of mass behind it (F23)."""
        return any(_has_dose(name, at) for at in self._unknown_words(name))

    def _unknown_words(self, name: Words) -> list[int]:
        """Returns where words stand that may be the name of a drug."""
        additives = {at for hit in self._additives.find(name) for at in range(hit.start, hit.end)}
        others = (at for at in range(len(name.tokens)) if at not in additives)
        return [at for at in others if self._unknown(name, at)]

    def _linked(self, name: Words, at: int) -> bool:
        return name.tokens[at - 1] in self._links or not _LINKING.isdisjoint(name.gap(at - 1, at))

    def _unknown(self, name: Words, at: int) -> bool:
        """Whether this word may be the name of a drug."""
        word = name.tokens[at]
        if len(word) < SHORTEST_DRUG or not word.isalpha() or word in self._plain:
            return False
        return not (self._filler.starts_at(name, at) or self._forms.is_form_word(word))


def _has_dose(name: Words, at: int) -> bool:
    """Whether an amount of mass follows a word directly: "norepinephrine 4 mg"."""
    behind = name.tokens[at + 1 : at + 3]
    return len(behind) > 1 and behind[0][0].isdigit() and behind[1] in MASS_UNITS


SALT = DrugName.SODIUM_CHLORIDE.value


class FluidReading(Struct, frozen=True, kw_only=True):
    """What an order is as a fluid; a flush, a carrier or local use count as `is_salt` too."""

    saline: Saline | None = None
    hypotonic: bool = False
    volume_ml: Decimal | None = None
    route: Route = "unknown"
    is_salt: bool = False
    weak: bool = False  # lactated Ringer's and its like: less sodium than blood (S13)
    carries: bool = False  # hypotonic fluid that carries a drug: no button removes it (F23)
    alkali: str = ""  # ... and that is bicarbonate or its like, which could make it isotonic
    strong_salt: StrongSalt | None = None  # bicarbonate and its like, diluted little (F22)
    isotonic_carrier_ml: Decimal | None = None  # of a day: isotonic saline that carries a drug
    step: str = ""


class _Order(Struct, frozen=True, kw_only=True):
    """One order as the steps look at it."""

    product: Product
    place: Place
    names: tuple[Words, ...]
    volume: Decimal | None
    others: tuple[str, ...]  # recognised ingredients that are more than an additive

    def mentions(self, phrases: Phrases[bool]) -> bool:
        """Whether one of its names holds one of these phrases."""
        return any(phrases.find(name) for name in self.names)


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
        self._weak_balanced = flat(fluids.balanced.weak)
        self._large_water = flat(fluids.hypotonic.large_only)
        self._mixtures = MixtureReader(fluids, self._salt_percent)
        self._bags = AddedSalts(fluids)
        self._tonic_from = fluids.added_salts.isotonic_from_mmol_l
        self._usual_bag_ml = fluids.added_salts.usual_bag_ml
        self._with_sodium = flat(set(saline.mixtures).difference(fluids.hypotonic.no_sodium))
        self._carrying = frozenset(
            token for word in fluids.hypotonic.not_after for token in words(word).tokens
        )
        self._additive_names = frozenset((SALT, *saline.additives, *saline.electrolytes))
        numbers = fluids.numbers
        self._concentrate_from = numbers.concentrate_from_percent.value
        self._hypertonic_from = numbers.hypertonic_from_percent.value
        self._molar = (numbers.molar_from_percent.value, numbers.molar_to_percent.value)
        self._inhaled_to = numbers.inhaled_to_percent.value
        self._isotonic_from = numbers.isotonic_from_percent.value
        self._sugar_above = numbers.sugar_above_percent.value
        self._flush_ml = numbers.flush_volume_ml.value
        self._mixture_above = numbers.mixture_above_percent.value
        self._carrier_from = numbers.carrier_from_ml.value
        self._per_mmol = numbers.gram_per_100_ml_of_one_mmol_per_ml.value

    def read(self, product: Product, place: Place, ingredients: Collection[str]) -> FluidReading:
        """Returns the fluid in an order; `ingredients` are those recognised in it."""
        names = tuple(self._text.in_figures(words(name)) for name in _names(product))
        order = _Order(
            product=product,
            place=place,
            names=names,
            volume=_volume(product, names),
            others=tuple(i for i in ingredients if i not in self._additive_names),
        )
        reading = self._as_named(order)
        bag = self._bag(order)
        return reading if bag is None else self._by_salts(order, bag, reading)

    def _as_named(self, order: _Order) -> FluidReading:
        """Returns the fluid by its code, its strength or its name."""
        product, names = order.product, order.names
        mixture = None if order.others else self._mixtures.read(product, names)
        if mixture is not None:
            return self._of_mixture(order, mixture)
        known = self._by_code(product)
        if known is not None:
            return self._of_product(known, order)
        percent = self._by_ratio(product)
        if percent is not None:
            return self._judge(order, Stated(percent))
        for name in names:
            salt = self._text.salt(name)
            if not salt:
                continue
            if order.others or self._text.is_mixture(name) or self._text.carries(name, salt):
                kind = self._kind(self._text.stated(name, salt))
                if kind == "hypotonic" and self._is_large_carrier(order, name):
                    return _carrier(order)
                step = "sodium chloride beside another drug: no saline order"
                carried = self._carrier_ml(order, name) if kind == "isotonic" else None
                return FluidReading(is_salt=True, isotonic_carrier_ml=carried, step=step)
            return self._judge(order, self._stated(order, name, salt))
        return self._without_salt(order)

    def _bag(self, order: _Order) -> Bag | None:
        """Returns the bag for a vein to which salts are added; balanced fluid is judged alone."""
        by_vein = order.place.route in ("iv", "unknown")
        other_use = map(order.mentions, (self._flush, self._tablet, self._oral, self._balanced))
        if not by_vein or any(other_use):
            return None
        return self._bags.read(order.product, order.names)

    def _by_salts(self, order: _Order, bag: Bag, reading: FluidReading) -> FluidReading:
        """Returns the bag by its sodium and potassium, where the name alone says another thing."""
        tonicity, saline = self._tonicity(bag), reading.saline
        if bag.cations is None and (saline or not self._is_weak_alone(order, bag)):
            return reading
        strong = saline is not None and saline.kind in ("hypertonic", "concentrate")
        if tonicity == "hypotonic":
            return reading if reading.hypotonic else self._weak_bag(order, bag, reading)
        if tonicity == "hypertonic":
            return reading if strong else self._strong_bag(order, bag)
        if tonicity == "isotonic" and (reading.hypotonic or strong or not saline):
            return self._isotonic_bag(order, bag, reading)
        return reading

    def _is_weak_alone(self, order: _Order, bag: Bag) -> bool:
        """Whether its carrier is a hypotonic fluid by name; bare water dissolves what is sold."""
        return bag.adds_sodium and (order.mentions(self._water) or bag.carrier_sodium > 0)

    def _tonicity(self, bag: Bag) -> SalineKind | None:
        """What a bag is; one without a volume may be isotonic only if the largest bag is."""
        if bag.cations is None or bag.sodium is None:
            told = bag.added is not None and bag.volume_ml is None
            least = (bag.added or 0) * ML_PER_L / self._usual_bag_ml + bag.carrier_sodium
            weak = bag.carrier_sodium < self._tonic_from and not (
                told and least >= self._tonic_from
            )
            return "hypotonic" if weak else "isotonic" if told else None
        if bag.cations < self._tonic_from:
            return "hypotonic"
        from_percent = self._mixture_above if bag.only_chloride else self._hypertonic_from
        strong = bag.adds_sodium and self._percent_of(bag.sodium) > from_percent
        return "hypertonic" if strong else "isotonic"

    def _percent_of(self, mmol_l: Decimal) -> Decimal:
        """Returns the percent of the sodium chloride that holds as much sodium."""
        return (mmol_l / ML_PER_L * self._per_mmol).quantize(HUNDREDTH)

    def _weak_bag(self, order: _Order, bag: Bag, reading: FluidReading) -> FluidReading:
        """A hypotonic bag, if it is not small; bicarbonate and its like are carried by it."""
        volumes = [ml for ml in (_amount_a_day(order), bag.volume_ml) if ml is not None]
        if volumes and max(volumes) < self._carrier_from:
            return reading
        volume = max(volumes, default=None)
        if order.others or not bag.only_chloride or not bag.adds_sodium or bag.sodium is None:
            step = "hypotonic by its sodium and potassium"
            alkali = "" if order.others else bag.alkali
            return FluidReading(
                hypotonic=True, volume_ml=volume, carries=True, alkali=alkali, step=step
            )
        saline = Saline(
            kind="hypotonic",
            percent=self._percent_of(bag.sodium),
            volume_ml=volume,
            ordered_ml=_ordered(order.product, order.names),
            rate_ml_h=_rate(order.product, order.names),
            mixture="computed",
        )
        return _found(saline, "iv", "hypotonic saline, salts added")

    def _strong_bag(self, order: _Order, bag: Bag) -> FluidReading:
        """A bag as strong as hypertonic saline: of bicarbonate and its like it is a strong salt."""
        step = "hypertonic by its added salts"
        sodium, ordered = bag.sodium or Decimal(0), order.product.ordered_ml or bag.volume_ml
        if bag.alkali:
            salt = StrongSalt(name=bag.alkali, mmol_per_ml=sodium / ML_PER_L, ordered_ml=ordered)
            return FluidReading(is_salt=True, strong_salt=salt, step=step)
        percent = self._percent_of(sodium)
        counted = percent >= self._hypertonic_from
        saline = Saline(
            kind=(counted and self._kind(Stated(percent))) or "hypertonic",
            percent=percent,
            volume_ml=bag.volume_ml,
            ordered_ml=ordered if counted else None,
            rate_ml_h=_rate(order.product, order.names),
            mixture="computed" if counted else "weak",
        )
        return _found(saline, "iv", step)

    def _isotonic_bag(self, order: _Order, bag: Bag, reading: FluidReading) -> FluidReading:
        """A bag that is no free water; with chloride alone it is isotonic saline."""
        step = "isotonic by its sodium and potassium"
        plain = bag.only_chloride and bag.adds_sodium and not order.others
        if not plain or bag.sodium is None:
            return replace(reading, saline=None, hypotonic=False, carries=False, step=step)
        saline = Saline(
            kind="isotonic",
            percent=self._percent_of(bag.sodium),
            volume_ml=bag.volume_ml,
            ordered_ml=order.product.ordered_ml or bag.volume_ml,
            rate_ml_h=_rate(order.product, order.names),
            mixture="computed",
        )
        return _found(saline, "iv", step)

    def _stated(self, order: _Order, name: Words, salt: tuple[SaltHit, ...]) -> Stated:
        """The strength that a name says, or that its grams of salt make in its volume."""
        stated = self._text.stated(name, salt)
        grams = None if stated.percent is not None else self._text.grams(name, salt)
        if grams is None or not order.volume or not self._water.find(name):
            return stated
        return replace(stated, percent=PER_100_ML * grams / order.volume)

    def _salt_percent(self, text: Words) -> tuple[bool, Decimal | None]:
        text = self._text.in_figures(text)
        salt = self._text.salt(text)
        return bool(salt), self._text.stated(text, salt).percent if salt else None

    def _of_mixture(self, order: _Order, mixture: Mixture) -> FluidReading:
        """A bag by its own strength; by that of the salt, and without an amount, if unknown."""
        percent = mixture.percent
        weak = percent is not None and self._mixture_above < percent < self._hypertonic_from
        kind = (
            "hypertonic"
            if weak
            else self._kind(Stated(mixture.strongest if percent is None else percent))
        )
        if order.place.route == "local" or order.mentions(self._flush) or kind is None:
            return FluidReading(is_salt=True, step="a mixture, no saline order")
        counted = percent is not None and not weak
        saline = Saline(
            kind=kind,
            percent=mixture.strongest if percent is None else percent,
            volume_ml=mixture.volume_ml,
            ordered_ml=order.product.ordered_ml or mixture.volume_ml if counted else None,
            rate_ml_h=_rate(order.product, order.names),
            mixture="computed" if counted else "weak" if weak else "unknown",
        )
        return _found(saline, "iv", f"{kind} saline, mixed")

    def _is_large_carrier(self, order: _Order, name: Words) -> bool:
        """Whether the fluid is large enough to count beside the drug that it carries (F23)."""
        most = _most_a_day(order)
        large = most is not None and most >= self._carrier_from
        return large and order.place.route in ("iv", "unknown") and not self._with_sodium.find(name)

    def _has_other_ingredient(self, product: Product) -> bool:
        """Whether an ingredient is neither glucose, water nor an electrolyte (F23)."""
        named = [[words(n) for n in texts_of(item)] for item, _ in product.ingredients]
        known = (self._text.is_additive, self._water.find)
        return any(names and not any(k(n) for n in names for k in known) for names in named)

    def _carrier_ml(self, order: _Order, name: Words) -> Decimal | None:
        """What isotonic saline that carries a drug brings a day; None if that is little."""
        if order.place.route not in ("iv", "unknown") or self._text.is_mixture(name):
            return None
        most = _most_a_day(order)
        return most if most is not None and most >= self._carrier_from else None

    def balanced(self, product: Product, place: Place) -> FluidReading | None:
        """Lactated Ringer's and its like, with its volume if known; None for another fluid."""
        names = tuple(words(name) for name in _names(product))
        if place.route == "local" or not any(self._balanced.find(name) for name in names):
            return None
        weak = any(self._weak_balanced.find(name) for name in names)
        return FluidReading(
            volume_ml=_volume(product, names), weak=weak, step="isotonic, no saline"
        )

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
        # The name of a product gives the size of its bag, not what is ordered of it.
        ordered = _ordered(order.product, ())
        saline = Saline(
            kind=known.kind,
            percent=known.percent,
            volume_ml=volume,
            ordered_ml=ordered,
            rate_ml_h=_rate(order.product, order.names),
        )
        return _found(saline, "systemic" if known.kind == "salt-tablet" else "iv", "RxNorm product")

    def _by_ratio(self, product: Product) -> Decimal | None:
        """The percent of a recorded strength; None if more than an additive is beside the salt."""
        percent = None
        for item, strength in product.ingredients:
            if self._is_salt(item):
                percent = None
                if strength is not None:
                    percent = percent_of_ratio(strength, self._per_mmol)
            elif not any(self._text.is_additive(words(name)) for name in texts_of(item)):
                return None
        return percent

    def _is_salt(self, item: Coded) -> bool:
        if any(SALT in self._codes.find(coding).ingredients for coding in item.codings):
            return True
        return any(self._text.salt(words(name)) for name in texts_of(item))

    def _judge(self, order: _Order, stated: Stated) -> FluidReading:
        """Returns what a sodium chloride of this strength is in this order."""
        stated = self._by_moles(order, stated)
        kind = self._kind(stated)
        step = self._excluded(order, kind, stated.percent)
        if step:
            return FluidReading(is_salt=True, step=step)
        by_mouth = order.place.route == "systemic" or order.mentions(self._oral)
        if order.mentions(self._tablet) or (by_mouth and stated.percent is None):
            return _found(Saline(kind="salt-tablet"), "systemic", "salt by mouth")
        if by_mouth:
            return FluidReading(is_salt=True, step="sodium chloride, solution by mouth")
        if kind is None:
            return FluidReading(is_salt=True, step="sodium chloride, strength unknown")
        by_vein = order.place.route == "iv" or stated.spoken or order.volume is not None
        saline = Saline(
            kind=kind,
            percent=stated.percent,
            volume_ml=order.volume,
            ordered_ml=self._ordered_in_moles(order, stated.percent)
            or _ordered(order.product, order.names),
            rate_ml_h=_rate(order.product, order.names),
        )
        return _found(saline, "iv" if by_vein else "unknown", f"{kind} saline")

    def _by_moles(self, order: _Order, stated: Stated) -> Stated:
        """The strength that mmol in a volume make ("120 mEq (30 mL)"), unless it is weak."""
        mmol = _mmol(order) if stated.percent is None else None
        if not mmol or not order.volume:
            return stated
        percent = _LABELLED.plus(mmol / order.volume * self._per_mmol)
        return replace(stated, percent=percent) if percent >= self._hypertonic_from else stated

    def _ordered_in_moles(self, order: _Order, percent: Decimal | None) -> Decimal | None:
        """The mL of a concentrate that a dose in mmol needs: 60 mEq of 4 mEq/mL are 15 mL."""
        mmol = _mmol(order)
        if not mmol or percent is None or order.product.ordered_ml or order.others:
            return None
        strong = percent >= self._concentrate_from or self._is_molar(percent)
        return _LABELLED.plus(mmol * self._per_mmol / percent) if strong else None

    def _excluded(self, order: _Order, kind: SalineKind | None, percent: Decimal | None) -> str:
        """Returns why it is no saline order, or ""."""
        if order.place.route == "local":
            return f"for local use: {', '.join(sorted(order.place.kinds))}"
        flushes = self._flushes(order, kind)
        if flushes:
            return flushes
        volume, by_vein = order.volume, order.place.route == "iv"
        strong = kind in ("hypertonic", "concentrate")
        inhaled = percent is None or (percent <= self._inhaled_to and not self._is_molar(percent))
        if volume is not None and volume < self._flush_ml and strong and inhaled:
            return "" if by_vein else "strong saline in the volume of a nebulizer, no route"
        # 3 % with potassium is one bag all the same (F23); a concentrate is an additive there.
        if kind == "concentrate" and order.mentions(self._electrolytes):
            return "a concentrate beside another electrolyte: no hypertonic saline order"
        return ""

    def _flushes(self, order: _Order, kind: SalineKind | None) -> str:
        """Returns why it only flushes a line or dilutes a drug, or ""."""
        volume = order.volume
        small = volume is None or volume <= self._flush_ml
        if order.mentions(self._flush):
            return "flush or diluent"
        if small and self._flush.find(words(order.product.instructions)):
            return "flush or diluent"
        return "flush volume" if small and volume is not None and kind == "isotonic" else ""

    def _is_molar(self, percent: Decimal) -> bool:
        """Whether it is the additive of 1 mmol/mL."""
        least, most = self._molar
        return least <= percent <= most

    def _kind(self, stated: Stated) -> SalineKind | None:
        if stated.percent is None:
            return "hypertonic" if stated.hypertonic else None
        if stated.percent >= self._concentrate_from or self._is_molar(stated.percent):
            return "concentrate"
        if stated.percent >= self._hypertonic_from:
            return "hypertonic"
        return "isotonic" if stated.percent >= self._isotonic_from else "hypotonic"

    def _hypotonic_in(self, order: _Order, name: Words) -> tuple[Hit[bool], ...]:
        """Returns the phrases of hypotonic fluid.

        Water for injection and glucose of more than 10 % count only in a large volume.
        """
        usual = self._water.find(name)
        if usual:
            return usual
        large = order.volume is not None and order.volume >= self._carrier_from
        water = self._large_water.find(name) if large else ()
        return water or self._strong_sugar_in(order, name)

    def _strong_sugar_in(self, order: _Order, name: Words) -> tuple[Hit[bool], ...]:
        most = _amount_a_day(order)
        if most is None or most < self._carrier_from:
            return ()
        return self._text.strong_sugar(name, self._sugar_above)

    def _without_salt(self, order: _Order) -> FluidReading:
        small = order.volume is not None and order.volume <= self._flush_ml
        if order.place.route == "local" or small:
            return FluidReading()
        for name in order.names:
            hits = self._hypotonic_in(order, name)
            hit = next(iter(hits), None)
            if hit is None or self._restriction.find(name):
                continue
            if order.mentions(self._balanced) and all(self._text.is_sugar(name, h) for h in hits):
                return FluidReading()  # Ringer or Plasmalyte with glucose is isotonic
            if self._is_mixed(order, name, hit):
                if self._is_large_carrier(order, name):
                    return _carrier(order)
                continue
            volume = order.volume if self._water.find(name) else _amount_a_day(order)
            return FluidReading(hypotonic=True, volume_ml=volume, step="water without sodium")
        return FluidReading()

    def _is_mixed(self, order: _Order, name: Words, hit: Hit[bool]) -> bool:
        """Whether the fluid that a name speaks of carries a drug, or is a part of a mixture."""
        if order.others or self._has_other_ingredient(order.product):
            return True
        after_in = hit.start > 0 and name.tokens[hit.start - 1] in self._carrying
        return after_in or self._text.names_a_dose(name) or self._text.is_mixture(name)


def _carrier(order: _Order) -> FluidReading:
    """Hypotonic fluid of a large volume that carries a drug."""
    return FluidReading(
        hypotonic=True,
        volume_ml=_most_a_day(order),
        carries=True,
        step="hypotonic fluid with a drug",
    )


def _most_a_day(order: _Order) -> Decimal | None:
    """How much one dose brings, or all doses of a day, if that is more (F23)."""
    volumes = [order.volume, order.product.ordered_ml]
    return max([ml for ml in volumes if ml is not None], default=None)


def _mmol(order: _Order) -> Decimal | None:
    """Returns the dose in mmol or mEq: as recorded, by the instructions, or by a name."""
    said = map(mmol_of, (words(order.product.instructions), *order.names))
    return order.product.dose_mmol or next((mmol for mmol in said if mmol is not None), None)


def _amount_a_day(order: _Order) -> Decimal | None:
    """Returns what one dose, all doses or the rate of an order bring a day."""
    rate, most = _rate(order.product, order.names), _most_a_day(order)
    return most if rate is None else max(rate * HOURS_A_DAY, most or rate)


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
    """Returns what the order gives, else what a name says, else the instructions."""
    given = product.volume_ml
    if given is not None and given.is_finite() and given > 0:
        return given
    found = [volume for name in names if (volume := volume_of(name)) is not None]
    return max(found) if found else volume_of(words(product.instructions))


def _ordered(product: Product, names: tuple[Words, ...]) -> Decimal | None:
    """Returns what the order gives in all: by its doses, its instructions or its own name (F9)."""
    if product.ordered_ml is not None and product.ordered_ml > 0:
        return product.ordered_ml
    for said in (words(product.instructions), *names):
        found = [ml for ml in (infused_of(said), volume_of(said)) if ml is not None]
        if found:
            return max(found)
    return None


def _rate(product: Product, names: tuple[Words, ...]) -> Decimal | None:
    """Returns how fast the order runs in mL/h: as recorded, by its instructions or its name."""
    if product.rate_ml_h is not None and product.rate_ml_h > 0:
        return product.rate_ml_h
    said = [hourly_of(text) for text in (words(product.instructions), *names)]
    return next((rate for rate in said if rate is not None and rate > 0), None)


def _names(product: Product) -> Iterator[str]:
    for concept in product.concepts:
        yield from texts_of(concept)
    for item, strength in product.ingredients:
        if strength is None:
            yield from texts_of(item)
