"""How much sodium and potassium a bag holds to which salts are added in mmol, mEq or gram (F23)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from msgspec import Struct

from cds_service.knowledge.words import AddedSalt, Fluids
from cds_service.terminology.text import Phrases, Words, flat, words
from cds_service.terminology.types import Product, texts_of
from cds_service.terminology.units import (
    MASS_UNITS,
    MILLIMOLES,
    ML_PER_L,
    decimal_of,
    is_per_volume_unit,
    moles_of,
    per_volume_at,
    volume_ending,
)

NONE = Decimal(0)
MOST = 1_000_000  # numbers beyond are no amount and no volume
MOST_MMOL_L = 17_000  # 99 % sodium chloride
LEAST = Decimal("0.01")  # and so are those below
CARRIER = "carrier"
SALINE = "sodium chloride"
_SIGNS = frozenset("+/,;&")
_AMOUNTS = frozenset({"mmol", "g", "percent", "ml", "ampoule"})


class Bag(Struct, frozen=True, kw_only=True):
    """What a carrier and the salts in it make together; mmol in each liter."""

    sodium: Decimal | None = None  # None: it cannot be computed
    cations: Decimal | None = None  # sodium and potassium
    volume_ml: Decimal | None = None
    carrier_sodium: Decimal = NONE  # of the carrier alone
    added: Decimal | None = None  # mmol of cations in the whole bag; None if not all are told
    adds_sodium: bool = False
    alkali: str = ""  # the first sodium salt among those added that is no chloride
    only_chloride: bool = True  # no bicarbonate, acetate, lactate or phosphate among its salts


class _Number(Struct, frozen=True):
    """One quantity of a text: an amount, a strength of each mL, or a volume."""

    kind: str  # "mmol", "g" (with its unit), "percent", "each" (of so many mL), "liter", "ml"
    value: Decimal
    start: int
    end: int
    unit: str = ""
    each_ml: Decimal = Decimal(1)


class _Name(Struct, frozen=True):
    key: str  # CARRIER, or a key of the salts
    start: int
    end: int
    percent: Decimal | None = None  # of a shorthand: "NS"


class _Part(Struct, frozen=True):
    """One name with its quantities."""

    name: _Name | None
    numbers: tuple[_Number, ...]
    is_total: bool = False

    def first(self, *kinds: str) -> _Number | None:
        return next((number for number in self.numbers if number.kind in kinds), None)


class _Told(Struct, frozen=True):
    """What one salt brings: mmol, or mmol in each liter of the bag; both None: not known."""

    mmol: Decimal | None = None
    liter: Decimal | None = None


class AddedSalts:
    """Reads bags of a carrier and of salts, in any order of the words."""

    def __init__(self, fluids: Fluids) -> None:
        bags = fluids.added_salts
        self._salts, self._usual_ml = bags.salts, bags.usual_bag_ml
        self._saline_per = fluids.numbers.gram_per_100_ml_of_one_mmol_per_ml.value
        self._strong_from = fluids.numbers.hypertonic_from_percent.value
        carriers = (*fluids.mixing.water, *fluids.saline.glucose, *fluids.hypotonic.phrases)
        saline = dict.fromkeys(fluids.saline.terms, ((SALINE, None),))
        short = {phrase: ((SALINE, p),) for phrase, p in fluids.saline.shorthands.items()}
        salts = {
            phrase: ((key, None),) for key, salt in self._salts.items() for phrase in salt.names
        }
        self._names = Phrases[tuple[str, Decimal | None]](
            {**dict.fromkeys(carriers, ((CARRIER, None),)), **salts, **saline, **short}
        )
        self._joints = flat([*fluids.mixing.joints, *fluids.mixing.to_total])
        self._totals = flat(fluids.mixing.to_total)
        self._ampoules = frozenset(bags.ampoules)
        self._ampoule_to_ml = bags.ampoule_to_ml
        self._equivalents = frozenset(bags.equivalents)

    def read(self, product: Product, names: Sequence[Words]) -> Bag | None:
        """Returns the bag that an order is; None if no salt is added to a carrier."""
        texts = [words(" + ".join(_ingredients(product))), *names]
        bags = [bag for text in texts if (bag := self._bag(text, product)) is not None]
        return next((bag for bag in bags if bag.cations is not None), next(iter(bags), None))

    def _bag(self, text: Words, product: Product) -> Bag | None:
        parts = self._parts(text)
        carriers = [part for part in parts if self._carries(part)]
        added = [part for part in parts if part.name and not self._carries(part)]
        if not carriers or not added:
            return None
        volume = self._volume(parts, carriers) or _usable(product.volume_ml)
        only = len(added) == 1
        told = [(part, self._told(part, product.dose_mmol if only else None)) for part in added]
        within = [(self._key(part), self._carried(part, volume)) for part in carriers]
        carried = sum((mmol for _, mmol in within), NONE)
        return self._sum(told, carried, volume)

    def _volume(self, parts: list[_Part], carriers: list[_Part]) -> Decimal | None:
        """Returns the mL of the whole bag: as told, else the sum of its parts."""
        each = [self._volume_of(part) for part in parts]
        whole = [ml for part, ml in zip(parts, each, strict=True) if part.is_total and ml]
        if whole:
            return max(whole)
        volumes = [ml for ml in each if ml is not None]
        if any(self._volume_of(part) is not None for part in carriers):
            return sum(volumes, NONE)
        return next((ml for ml in volumes if ml > self._ampoule_to_ml), None)

    def _volume_of(self, part: _Part) -> Decimal | None:
        """Returns the mL of one part; "50 mEq/50 mL" is one ampoule."""
        written = part.first("ml")
        if written is not None:
            return written.value
        each = part.first("each")
        is_ampoule = each is not None and 1 < each.each_ml <= self._ampoule_to_ml
        return each.each_ml if each is not None and is_ampoule else None

    def _sum(
        self, told: list[tuple[_Part, _Told]], carried: Decimal, volume: Decimal | None
    ) -> Bag:
        """Adds up what the carrier, in mmol of each liter, and the salts bring."""
        salts = [(self._key(part), one) for part, one in told]
        keys = [key for key, _ in salts]
        of_sodium = [one for key, one in salts if self._is_sodium(key)]
        cations = _in_each_liter([one for _, one in salts], carried, volume)
        is_known = cations is not None and cations < MOST_MMOL_L
        return Bag(
            sodium=_in_each_liter(of_sodium, carried, volume) if is_known else None,
            cations=cations if is_known else None,
            volume_ml=volume,
            carrier_sodium=carried,
            added=_total([one.mmol for _, one in salts]),
            adds_sodium=any(self._is_sodium(key) for key in keys),
            alkali=next((key for key in keys if self._is_alkali(key)), ""),
            only_chloride=all(key == SALINE or self._salts[key].is_chloride for key in keys),
        )

    def _is_sodium(self, key: str) -> bool:
        return key == SALINE or self._salts[key].is_sodium

    def _is_alkali(self, key: str) -> bool:
        salt = self._salts.get(key)
        return salt is not None and salt.is_sodium and not salt.is_chloride

    def _key(self, part: _Part) -> str:
        return part.name.key if part.name else ""

    def _carries(self, part: _Part) -> bool:
        """Whether it is glucose, water or saline that is weaker than what is called hypertonic."""
        if part.name is None or part.name.key != SALINE:
            return part.name is not None and part.name.key == CARRIER
        percent = self._percent(part)
        return percent is not None and percent < self._strong_from and part.first("mmol") is None

    def _percent(self, part: _Part) -> Decimal | None:
        """Returns the percent of sodium chloride, as written or by its shorthand."""
        mmol = self._strength(part, self._saline_per)
        if mmol is not None:
            return mmol * self._saline_per
        return part.name.percent if part.name else None

    def _carried(self, part: _Part, volume: Decimal | None) -> Decimal:
        """Returns the mmol of sodium that a carrier brings to each liter of the bag."""
        percent = self._percent(part) if self._key(part) == SALINE else None
        if percent is None:
            return NONE
        liter = percent / self._saline_per * ML_PER_L
        own = self._volume_of(part)
        return liter if own is None or volume is None else liter * min(own / volume, Decimal(1))

    def _told(self, part: _Part, dose_mmol: Decimal | None) -> _Told:
        """Returns what the words say of a salt."""
        key = self._key(part)
        salt = self._salts.get(key)
        per = salt.gram_per_100_ml_of_one_mmol_per_ml if salt else self._saline_per
        amount, liter = part.first("mmol", "g"), part.first("liter")
        if amount is not None:
            mmol = moles_of(amount.value, amount.unit, per / _DECILITER_ML)
            mmol = None if mmol is None else mmol * self._cations(salt, amount.unit)
            return _Told(liter=mmol) if liter is not None else _Told(mmol=mmol)
        strength, own = self._strength(part, per), self._volume_of(part)
        if strength is not None and own is not None:
            return _Told(mmol=strength * own * self._cations(salt, "mmol"))
        if strength is not None and strength * self._saline_per < self._strong_from:
            return _Told(liter=strength * ML_PER_L * self._cations(salt, "mmol"))
        return self._by_ampoule(part, salt) or _Told(mmol=_usable(dose_mmol))

    def _by_ampoule(self, part: _Part, salt: AddedSalt | None) -> _Told | None:
        counted = part.first("ampoule")
        if counted is None or salt is None or salt.ampoule_mmol is None:
            return None
        return _Told(mmol=counted.value * salt.ampoule_mmol)

    def _cations(self, salt: AddedSalt | None, unit: str) -> Decimal:
        """Returns the mmol of sodium or potassium in what one mmol of the salt is called."""
        return Decimal(1) if salt is None or unit in self._equivalents else salt.cations_per_mmol

    def _strength(self, part: _Part, per: Decimal) -> Decimal | None:
        """Returns the mmol in each mL of what is put in."""
        percent, each = part.first("percent"), part.first("each")
        if percent is not None:
            return percent.value / per
        if each is None:
            return None
        mmol = moles_of(each.value, each.unit, per / _DECILITER_ML)
        return None if mmol is None else mmol / each.each_ml

    def _parts(self, text: Words) -> list[_Part]:
        """Returns each name with the quantities beside it."""
        names = [
            _Name(hit.found[0][0], hit.start, hit.end, hit.found[0][1])
            for hit in self._names.find(text)
        ]
        if not names:
            return []
        numbers = list(self._numbers(text, names))
        lots: list[list[_Number]] = [[] for _ in (*names, None)]
        for number in numbers:
            lots[self._owner(text, names, lots, number)].append(number)
        parts = [
            _Part(name, tuple(lot), self._totals.ends_before(text, self._first(name, lot)))
            for name, lot in zip(names, lots[:-1], strict=True)
        ]
        rest = lots[-1]
        return [*parts, *([_Part(None, tuple(rest), is_total=True)] if rest else [])]

    def _first(self, name: _Name, lot: list[_Number]) -> int:
        return min([name.start, *(number.start for number in lot)])

    def _owner(
        self, text: Words, names: list[_Name], lots: list[list[_Number]], number: _Number
    ) -> int:
        """Returns the place of the name to which a quantity belongs; the last place is the bag."""
        right = next((n for n, name in enumerate(names) if name.start >= number.end), None)
        left = (len(names) if right is None else right) - 1
        if left < 0:
            return 0
        start = max([names[left].end, *(held.end for held in lots[left])])
        if number.kind == "liter" and number.start == start:
            return left  # "20 mEq KCl/L"
        parted = self._cut(text, start, number.start)
        if right is None:
            return len(names) if parted and number.kind == "ml" else left
        if parted:
            return right
        has_one = any(held.kind in _AMOUNTS for held in lots[left])
        touches = number.kind in ("percent", "each") and number.start == names[left].end
        is_left = touches or not has_one or self._cut(text, number.end, names[right].start)
        return left if is_left else right

    def _cut(self, text: Words, start: int, end: int) -> bool:
        """Whether a joint or a sign parts what is before a word from what is behind another."""
        if any(self._joints.starts_at(text, at) for at in range(start, end)):
            return True
        gaps = (text.gap(at - 1, at) for at in range(max(start, 1), min(end + 1, len(text.tokens))))
        return any(not _SIGNS.isdisjoint(gap) for gap in gaps)

    def _numbers(self, text: Words, names: list[_Name]) -> Iterator[_Number]:
        taken = {at for name in names for at in range(name.start, name.end)}
        at = 0
        while at < len(text.tokens):
            found = None if at in taken else self._number_at(text, at)
            if found is not None:
                yield found
            at = at + 1 if found is None else found.end

    def _number_at(self, text: Words, at: int) -> _Number | None:
        """Returns the quantity that begins at a word."""
        if is_per_volume_unit(text, at):
            return _Number("liter", ML_PER_L, at, at + 1)
        value, unit = decimal_of(text.tokens[at]), "".join(text.tokens[at + 1 : at + 2])
        if _usable(value) is None or value is None or not unit:
            return None
        if unit in self._ampoules:
            return _Number("ampoule", value, at, at + 2)
        if unit == "%":
            return _Number("percent", value, at, at + 2)
        ml = volume_ending(text, at + 1)
        if ml is not None:
            return _Number("ml", ml, at, at + 2) if _usable(ml) else None
        return _amount_at(text, at, value, unit)


_DECILITER_ML = Decimal(100)


def _amount_at(text: Words, at: int, value: Decimal, unit: str) -> _Number | None:
    """Returns an amount of moles or of mass, or a strength of them in a volume."""
    if unit not in MILLIMOLES and unit not in MASS_UNITS:
        return None
    each, end = per_volume_at(text, at)
    if each is not None:
        return _Number("each", value, at, end, unit, each) if _usable(each) else None
    return _Number("mmol" if unit in MILLIMOLES else "g", value, at, at + 2, unit)


def _of_each_liter(told: _Told, volume: Decimal | None) -> Decimal | None:
    if told.liter is not None:
        return told.liter
    return told.mmol * ML_PER_L / volume if told.mmol is not None and volume else None


def _in_each_liter(salts: list[_Told], carried: Decimal, volume: Decimal | None) -> Decimal | None:
    """Returns the mmol in a liter of the bag with its carrier; None if one salt's are unknown."""
    brought = _total([_of_each_liter(one, volume) for one in salts])
    return None if brought is None else carried + brought


def _total(amounts: list[Decimal | None]) -> Decimal | None:
    """Returns the sum, or None if an amount is unknown."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known, NONE) if len(known) == len(amounts) else None


def _usable(number: Decimal | None) -> Decimal | None:
    return number if number is not None and number.is_finite() and LEAST <= number < MOST else None


def _ingredients(product: Product) -> Iterator[str]:
    """Returns each ingredient in words, with its strength as recorded."""
    for item, strength in product.ingredients:
        name = next(iter(texts_of(item)), "")
        if strength is None:
            yield name
            continue
        amount = f"{strength.numerator} {strength.numerator_unit}"
        of_volume = strength.denominator_unit.strip("[]{} ").lower() in ("ml", "l")
        volume = strength.numerator_unit.strip().lower() in ("ml", "l")
        per = f"/{strength.denominator} {strength.denominator_unit}"
        yield f"{name} {amount}{per if of_volume and not volume else ''}"
