"""What fluids.toml says: saline, other fluids, dose forms and how order text is read. Frozen."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from msgspec import Struct

SalineKind = Literal["hypertonic", "concentrate", "isotonic", "hypotonic", "salt-tablet"]


class FluidNumber(Struct, frozen=True, forbid_unknown_fields=True):
    """One number of fluids.toml with where it comes from."""

    value: Decimal
    unit: str
    source: str
    where: str
    evidence: Literal["verified", "secondary", "unverified", "design"]
    why: str


class FluidNumbers(Struct, frozen=True, forbid_unknown_fields=True):
    """Every number that fluids are judged by; percent is g per 100 mL."""

    hypertonic_from_percent: FluidNumber
    isotonic_from_percent: FluidNumber
    concentrate_from_percent: FluidNumber
    flush_volume_ml: FluidNumber
    gram_per_100_ml_of_one_mmol_per_ml: FluidNumber


class FluidProduct(Struct, frozen=True, forbid_unknown_fields=True):
    """One sodium chloride product of RxNorm; one without `kind` is never a saline order."""

    name: str
    kind: SalineKind | None = None
    never: str = ""  # why it is no saline order: "flush", "inhaled", ...
    percent: Decimal | None = None
    volume_ml: Decimal | None = None


class VaptanProducts(Struct, frozen=True, forbid_unknown_fields=True):
    """Which tolvaptan is labelled for low sodium, and which for polycystic kidney disease."""

    hyponatremia: list[str]
    adpkd: list[str]
    hyponatremia_words: list[str]
    adpkd_words: list[str]


class SalineWords(Struct, frozen=True, forbid_unknown_fields=True):
    """How an order of sodium chloride is written."""

    terms: list[str]  # name the salt and leave the strength open
    shorthands: dict[str, Decimal]  # name it with its strength: "ns" -> 0.9
    spoken: list[str]  # words of a fluid, not of a chemical: by vein where no route is given
    abbreviated: list[str]  # behind the name of a drug as often a nasal spray
    links: list[str]  # between a drug and the fluid that carries it
    hypertonic: list[str]  # without a number: hypertonic, percent unknown
    filler: list[str]  # may stand between the term and its percent
    additives: list[str]  # may share the bag without making it another order
    electrolytes: list[str]  # additives beside which strong saline is no hypertonic saline order
    mixtures: list[str]  # other electrolytes and nutrition: never a saline order
    flush: list[str]
    tablet: list[str]
    oral: list[str]  # not by vein, whatever the strength
    glucose: list[str]  # a percent beside one of these is not the saline's


class HypotonicWords(Struct, frozen=True, forbid_unknown_fields=True):
    """Fluids that lower sodium and hold none."""

    phrases: list[str]
    not_after: list[str]  # "in" before the phrase makes it the carrier of another drug


class BalancedWords(Struct, frozen=True, forbid_unknown_fields=True):
    """Isotonic fluids that are no sodium chloride solution (M9)."""

    phrases: list[str]


class Forms(Struct, frozen=True, forbid_unknown_fields=True):
    """Dose forms and routes (C.3)."""

    local: dict[str, list[str]]  # kind of place -> words
    iv: list[str]
    systemic: list[str]
    route_codes: dict[str, str]  # SNOMED CT -> "iv", "systemic", or a key of `local`


class TextWords(Struct, frozen=True, forbid_unknown_fields=True):
    """How free text is read (D.4 step 3)."""

    before: list[str]  # shortly before a name: it is not ordered
    after: list[str]  # directly after a name: it is not ordered
    anywhere: list[str]
    decoys: list[str]  # phrases that contain a name and mean something else
    joining: list[str]  # between two ingredients
    combination: list[str]  # words that say "more than one ingredient"
    plain: list[str]  # salts, forms and units: no second ingredient beside a name
    problem_before: list[str]  # before a problem: it is not present
    problem_between: list[str]  # may stand between a negation and the problem
    problem_after: list[str]
    problem_decoys: list[str]  # phrases that contain the word of a problem and mean something else


class Restriction(Struct, frozen=True, forbid_unknown_fields=True):
    """How an order that restricts fluid is recognised (C.6)."""

    snomed: list[str]
    text: list[str]
    before: list[str]  # directly before the words: it ends, or was never ordered
    anywhere: list[str]  # it is not an order to restrict


class Fluids(Struct, frozen=True, forbid_unknown_fields=True):
    """fluids.toml: numbers, products and words."""

    numbers: FluidNumbers
    products: dict[str, FluidProduct]  # RxNorm code -> product
    vaptans: VaptanProducts
    saline: SalineWords
    hypotonic: HypotonicWords
    balanced: BalancedWords
    forms: Forms
    text: TextWords
    restriction: Restriction
