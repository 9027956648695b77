"""Codes and words as recorded, and what they are taken for: ingredients, saline. Pure data."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Literal

from msgspec import Struct

Evidence = Literal["code", "display", "text", "brand"]


class RecordText(Struct, frozen=True):
    """Words out of the record. Cards defuse them; nothing else may print them."""

    value: str


class Coding(Struct, frozen=True):
    """One coding as recorded; `system` in its canonical form, "" where it has none."""

    system: str
    code: str
    display: str = ""


class Coded(Struct, frozen=True, cache_hash=True):
    """A CodeableConcept as recorded; its hash is kept, as it is the key of the memories."""

    codings: tuple[Coding, ...] = ()
    text: str = ""


class Strength(Struct, frozen=True, kw_only=True):
    """A recorded Ratio of one ingredient: 30 mg per 1 mL."""

    numerator: Decimal
    numerator_unit: str
    denominator: Decimal
    denominator_unit: str


class Product(Struct, frozen=True, kw_only=True):
    """Everything one order says of its medication, gathered by the reader.

    `concepts` are the order's own concept and the code of each referenced Medication; `ingredients`
    the items inside these Medications with their strength, where recorded.
    """

    concepts: tuple[Coded, ...] = ()
    ingredients: tuple[tuple[Coded, Strength | None], ...] = ()
    routes: tuple[Coded, ...] = ()
    form: Coded | None = None
    instructions: str = ""  # dosage text
    volume_ml: Decimal | None = None  # from dose or quantity, where it is a volume
    ordered_ml: Decimal | None = None  # from dose and times, quantity, or rate and time (F9)
    dose_mmol: Decimal | None = None  # from a dose in mmol or mEq (F10)
    rate_ml_h: Decimal | None = None  # as the order records it


class DrugMatch(Struct, frozen=True, kw_only=True):
    """One ingredient that was recognised in an order."""

    name: str  # a key of sodium-drugs.toml
    cls: str
    tier: str
    group: str
    evidence: Evidence
    matched: RecordText | None = None  # the words that matched, for evidence display/text/brand
    sodium_mmol_per_g: Decimal | None = None  # of a drug that is given as its sodium salt (F22)


class Saline(Struct, frozen=True, kw_only=True):
    """What an order of sodium chloride is (D.5); `percent` is g per 100 mL."""

    kind: Literal["hypertonic", "concentrate", "isotonic", "hypotonic", "salt-tablet"]
    percent: Decimal | None = None
    volume_ml: Decimal | None = None  # of the dose, or else of the bag
    ordered_ml: Decimal | None = None  # what the order gives in all; None if it does not say (F9)
    rate_ml_h: Decimal | None = None  # how fast it runs, by the order or its words (F9)
    # Put into a bag: `percent` is that of the bag, or of what was put in if that is all we know;
    # a weak one is stronger than 0.9 % and weaker than what is sold as hypertonic.
    mixture: Literal["", "computed", "weak", "unknown"] = ""


class StrongSalt(Struct, frozen=True, kw_only=True):
    """A sodium salt that is as strong as hypertonic saline and is none (F22)."""

    name: str  # a key of fluids.toml [strong_salts.salts]
    mmol_per_ml: Decimal  # sodium
    ordered_ml: Decimal | None = None
    assumed_percent: Decimal | None = None  # the order does not say how strong it is
    additive: bool = False  # mostly diluted: only an amount above one bolus is told


class Nutrition(Struct, frozen=True, kw_only=True):
    """Parenteral nutrition: its glucose and amino acids are used, and its water is left (F28)."""

    sodium_mmol_l: Decimal | None = None  # None: neither the product nor the order says
    daily_ml: Decimal | None = None


Route = Literal["iv", "systemic", "local", "unknown"]


class Resolution(Struct, frozen=True, kw_only=True):
    """What a product was recognised as."""

    drugs: tuple[DrugMatch, ...] = ()
    partners: tuple[str, ...] = ()  # other named ingredients of a combination, in our own words
    ingredient_count: int = 1
    saline: Saline | None = None
    hypotonic: bool = False  # dextrose 5 % in water, free water, 0.45 % and weaker saline
    hypotonic_volume_ml: Decimal | None = None
    carries: bool = False  # the hypotonic fluid carries a drug (F23)
    needs_glucose: bool = False  # that drug has no other diluent by its label
    alkali: str = ""  # it is bicarbonate or its like, which could make the bag isotonic (F23)
    balanced: bool = False  # Lactated Ringer's and its like: isotonic, and no saline
    balanced_weak: bool = False  # ... with less sodium than blood
    balanced_volume_ml: Decimal | None = None
    route: Route = "unknown"
    irrigation: bool = False  # it rinses a hollow organ, which takes some of it up (F13)
    strong_salt: StrongSalt | None = None
    nutrition: Nutrition | None = None
    isotonic_carrier_ml: Decimal | None = None  # of a day: saline that carries a drug (F23)
    effervescent: bool = False  # a tablet that fizzes, which holds much sodium
    adpkd: bool = False
    hyponatremia_product: bool = False
    hemostatic: bool = False  # desmopressin in the dose that stops a bleeding
    code_only: bool = False  # a code and no name, and the code is unknown
    unrecognised: RecordText | None = None  # a name that matches nothing we know
    steps: tuple[str, ...] = ()  # for `terminology lookup`: which step found what


def texts_of(coded: Coded) -> Iterator[str]:
    """Returns the names in a concept: its text, then the displays of its codings."""
    if coded.text.strip():
        yield coded.text
    for coding in coded.codings:
        if coding.display.strip() and coding.display != coded.text:
            yield coding.display
