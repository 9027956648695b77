"""What hooks/ says in codes: drugs, fluids, problems and laboratory tests. Frozen."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Tier = Literal["T1", "T2", "T3", "TREAT", "OTHER"]
Group = Literal[
    "A", "B", "C", ""
]  # alert group of OS-LOW (clinical.md M12); empty: never an OS-LOW card


class Drug(Struct, frozen=True, forbid_unknown_fields=True):
    """One ingredient: one table of sodium-drugs.toml, keyed by its lower-case name."""

    cls: str  # "ssri", "thiazide", "loop", "vaptan", ...: a key of words.toml [drug_classes]
    tier: Tier
    group: Group = ""
    rxnorm: list[str] = []  # ingredient and precise-ingredient codes
    multi: list[str] = []  # multi-ingredient codes (MIN): the product holds another ingredient too
    products: list[str] = []  # RxNorm product codes that are shipped
    snomed: list[str] = []
    atc: list[str] = []  # seven characters: one code; shorter: a prefix; "!" in front excludes
    names: list[str] = []  # spellings, salts and abbreviations beside the key
    brands: list[str] = []
    combination_brands: list[str] = []  # brands in which it is one of several ingredients
    combination: bool = False  # the entry itself stands for a product of several ingredients
    also_systemic: list[str] = []  # kinds of local form by which it still acts in the whole body
    evidence: str = "verified"
    note: str = ""


class Concept(Struct, frozen=True, forbid_unknown_fields=True):
    """One clinical idea: one table of conditions.toml."""

    title: str
    icd10: list[
        str
    ] = []  # prefixes without dots; "!" excludes, "=" is that code alone, "?" any character
    icd10_with_text: list[str] = []  # prefixes that count only where the text matches as well
    icd9: list[str] = []  # ICD-9-CM prefixes without dots
    snomed: list[str] = []
    text: list[str] = []  # words in code.text or display, whole words, "*" at the end for a stem
    evidence: str = "verified"
    note: str = ""


class Lab(Struct, frozen=True, forbid_unknown_fields=True):
    """One analyte: one table of labs.toml."""

    title: str
    loinc: dict[str, str]  # code -> display
    units: dict[str, str] = {}  # unit, lower case -> factor to the first unit, as a decimal
    unit: str = ""  # the unit that rules use
    order: str = ""  # the LOINC code of a suggested order
    poc: list[str] = []  # codes that mean whole blood or point of care
    prefetch: Literal["sodium", "glucose", "labs", ""] = "labs"
    evidence: str = "verified"
    note: str = ""


class Terms(Struct, frozen=True):
    """All codes and names together."""

    drugs: dict[str, Drug]
    concepts: dict[str, Concept]
    labs: dict[str, Lab]
