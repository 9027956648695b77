"""Sodium chloride and water: codes, recorded strengths, routes (C.5, D.5, acceptance vectors)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cds_service.knowledge.words import Fluids
from cds_service.terminology.codes import RXNORM, SNOMED
from cds_service.terminology.drugs import DrugResolver
from cds_service.terminology.types import Coded, Coding, Product, Saline, Strength

HYPERTONIC = {"730781", "730782"}
CONCENTRATE = {"1807578", "1807580", "1807571", "313016"}
SALT = Coded(codings=(Coding(RXNORM, "9863"),))


def coded(value: str, display: str = "") -> Coded:
    return Coded(codings=(Coding(RXNORM, value, display),))


def ratio(amount: str, unit: str, per: str = "1", per_unit: str = "mL") -> Strength:
    return Strength(
        numerator=Decimal(amount),
        numerator_unit=unit,
        denominator=Decimal(per),
        denominator_unit=per_unit,
    )


def saline(resolver: DrugResolver, product: Product) -> Saline | None:
    return resolver.resolve(product).saline


def test_six_codes_are_hypertonic_or_concentrate_and_no_other(
    resolver: DrugResolver, fluids: Fluids
) -> None:
    found = {code: saline(resolver, Product(concepts=(coded(code),))) for code in fluids.products}

    assert {code for code, s in found.items() if s and s.kind == "hypertonic"} == HYPERTONIC
    assert {code for code, s in found.items() if s and s.kind == "concentrate"} == CONCENTRATE


@pytest.mark.parametrize(
    ("vector", "code", "kind"),
    [
        ("21-23", "730781", "hypertonic"),
        ("24", "724590", None),
        ("25", "1807639", "isotonic"),
        ("26", "1807637", None),
        ("C.5 0.45 %", "1807546", "hypotonic"),
        ("C.5 tablet", "313009", "salt-tablet"),
        ("C.5 oral", "2587736", None),
    ],
)
def test_product_codes_of_the_acceptance_vectors(
    vector: str, code: str, kind: str | None, resolver: DrugResolver
) -> None:
    found = resolver.resolve(Product(concepts=(coded(code),)))

    assert (found.saline.kind if found.saline else None) == kind
    assert found.unrecognised is None
    assert not found.code_only


def test_vector_36_a_contained_medication_with_30_mg_per_ml(resolver: DrugResolver) -> None:
    found = resolver.resolve(Product(ingredients=((SALT, ratio("30", "mg")),)))

    assert found.saline == Saline(kind="hypertonic", percent=Decimal(3))
    assert found.route == "iv"


@pytest.mark.parametrize(
    ("strength", "kind", "percent"),
    [
        (ratio("9", "mg"), "isotonic", "0.9"),
        (ratio("4.5", "mg"), "hypotonic", "0.45"),
        (ratio("18", "mg"), "hypertonic", "1.8"),
        (ratio("27", "mg"), "hypertonic", "2.7"),
        (ratio("3", "g", "100"), "hypertonic", "3"),
        (ratio("30", "g", "1", "L"), "hypertonic", "3"),
        (ratio("513", "mmol", "1", "L"), "hypertonic", "3"),
        (ratio("154", "meq", "1000"), "isotonic", "0.9"),
        (ratio("4", "mmol"), "concentrate", "23.4"),
        (ratio("146", "mg"), "concentrate", "14.6"),
        (ratio("0.513", "mmol"), "hypertonic", "3"),
    ],
)
def test_a_recorded_strength_gives_the_percent_of_the_label(
    strength: Strength, kind: str, percent: str, resolver: DrugResolver
) -> None:
    found = saline(resolver, Product(ingredients=((SALT, strength),)))

    assert found is not None
    assert found.percent is not None
    assert (found.kind, found.percent) == (kind, Decimal(percent))


@pytest.mark.parametrize(
    "strength", [ratio("30", "mg", "0"), ratio("30", "mg", "1", "{tbl}"), ratio("30", "ng"), None]
)
def test_a_strength_that_says_nothing_gives_no_saline(
    strength: Strength | None, resolver: DrugResolver
) -> None:
    assert saline(resolver, Product(ingredients=((SALT, strength),))) is None


def test_nutrition_with_much_salt_is_no_hypertonic_saline(resolver: DrugResolver) -> None:
    amino = (Coded(text="amino acids"), ratio("50", "mg"))
    names = ("Alanine 20 MG/ML / Glycine 10 MG/ML / Sodium Chloride 20 MG/ML Injectable Solution",)

    assert saline(resolver, Product(ingredients=((SALT, ratio("20", "mg")), amino))) is None
    assert all(
        saline(resolver, Product(concepts=(coded("801451", name),))) is None for name in names
    )


@pytest.mark.parametrize(
    ("display", "kind"),
    [
        ("1000 ML Glucose 50 MG/ML / Sodium Chloride 4.5 MG/ML Injection", "hypotonic"),
        (
            "1000 ML Glucose 50 MG/ML / Potassium Chloride 0.02 MEQ/ML / Sodium Chloride 9 MG/ML Injection",
            "isotonic",
        ),
        (
            "1000 ML Potassium Chloride 0.02 MEQ/ML / Sodium Chloride 4.5 MG/ML Injection",
            "hypotonic",
        ),
        ("250 ML Sodium Chloride 30 MG/ML Injection", "hypertonic"),
        ("100 ML cefazolin 20 MG/ML / Sodium Chloride 9 MG/ML Injection", None),
        (
            "Potassium Chloride 0.3 MG/ML / Sodium Chloride 6 MG/ML / Sodium Lactate 3.1 MG/ML Injection",
            None,
        ),
        (
            "Polyethylene Glycol 3350 / Potassium Chloride / Sodium Chloride Powder for Oral Solution",
            None,
        ),
        ("10 ML Sodium Chloride 9 MG/ML Prefilled Syringe", None),
        ("Sodium Chloride 70 MG/ML Inhalation Solution", None),
        ("Sodium Chloride 4 MEQ/ML Oral Solution", None),
        ("Sodium Chloride 4 MEQ/ML Injectable Solution", "concentrate"),
    ],
)
def test_rxnorm_names_follow_the_grammar(
    display: str, kind: str | None, resolver: DrugResolver
) -> None:
    found = saline(resolver, Product(concepts=(coded("0", display),)))

    assert (found.kind if found else None) == kind


@pytest.mark.parametrize(
    "form", ["Solution for inhalation", "Nasal spray", "Eye drops", "Irrigation solution"]
)
def test_the_recorded_form_excludes_local_use(form: str, resolver: DrugResolver) -> None:
    product = Product(concepts=(Coded(text="sodium chloride 3 %"),), form=Coded(text=form))

    assert saline(resolver, product) is None


def test_the_route_excludes_local_use_and_a_vein_is_named(resolver: DrugResolver) -> None:
    order = (Coded(text="sodium chloride 3 %"),)
    by_vein = Coded(codings=(Coding(SNOMED, "47625008", "Intravenous route"),))

    assert resolver.resolve(Product(concepts=order, routes=(by_vein,))).route == "iv"
    assert saline(resolver, Product(concepts=order, routes=(Coded(text="Nebulization"),))) is None
    assert resolver.resolve(Product(concepts=order)).route == "unknown"
    assert (
        saline(resolver, Product(concepts=order, instructions="4 mL via nebulizer twice daily"))
        is None
    )


def test_volume_comes_from_the_order_before_the_name(resolver: DrugResolver) -> None:
    name = (Coded(text="sodium chloride 0.9 % 1,000 mL"),)

    assert saline(resolver, Product(concepts=name)) == Saline(
        kind="isotonic", percent=Decimal("0.9"), volume_ml=Decimal(1000), ordered_ml=Decimal(1000)
    )
    assert saline(resolver, Product(concepts=name, volume_ml=Decimal(10))) is None
    half = saline(resolver, Product(concepts=name, volume_ml=Decimal(500)))
    assert half is not None
    assert half.volume_ml == 500


@pytest.mark.parametrize(
    ("name", "instructions", "given", "ordered"),
    [
        ("sodium chloride 3 % 500 mL", "", None, 500),
        ("3% saline 1 L over 4 h", "", None, 1000),
        ("sodium chloride 3 % 500 mL", "give 100 mL over 10 min", None, 100),
        ("sodium chloride 3 % 500 mL", "give 100 mL over 10 min", 150, 150),
        ("sodium chloride 3 % infusion 30 mL/h for 8 h", "", None, 240),
        ("sodium chloride 3 %", "50 ml/hr x 10 hours", None, 500),
        ("sodium chloride 3 % infusion 30 mL/h", "", None, None),
        ("sodium chloride 3 %", "", None, None),
    ],
)
def test_f9_what_is_ordered_in_all(
    name: str, instructions: str, given: int | None, ordered: int | None, resolver: DrugResolver
) -> None:
    product = Product(
        concepts=(Coded(text=name),),
        instructions=instructions,
        ordered_ml=None if given is None else Decimal(given),
    )
    found = saline(resolver, product)
    assert found is not None
    assert found.ordered_ml == ordered


def test_f9_the_size_of_a_bag_is_no_amount(resolver: DrugResolver) -> None:
    bag = saline(resolver, Product(concepts=(coded("730781"),)))
    assert bag is not None
    assert bag.volume_ml == 500
    assert bag.ordered_ml is None
    dosed = saline(resolver, Product(concepts=(coded("730781"),), ordered_ml=Decimal(100)))
    assert dosed is not None
    assert dosed.ordered_ml == 100


@pytest.mark.parametrize(
    ("order", "volume"),
    [("D5W 1000 mL", 1000), ("dextrose 5 % infusion", None), ("1/2 NS 1 L", 1000)],
)
def test_fluids_that_lower_sodium_say_how_much(
    order: str, volume: int | None, resolver: DrugResolver
) -> None:
    found = resolver.resolve(Product(concepts=(Coded(text=order),)))

    assert found.hypotonic
    assert found.hypotonic_volume_ml == volume


def test_the_salt_itself_is_named_only_in_a_saline_order(resolver: DrugResolver) -> None:
    ordered = resolver.resolve(Product(concepts=(coded("730781"),)))
    flush = resolver.resolve(Product(concepts=(Coded(text="sodium chloride 0.9 % flush 10 mL"),)))

    assert [d.cls for d in ordered.drugs] == ["sodium-chloride"]
    assert flush.drugs == ()


@pytest.mark.parametrize(
    "name",
    [
        "NaCl 0,45 % + Glucose 2,5 % 1000 ml",
        "Sodium chloride 0.45 % / glucose 2.5 % 1000 ml",
        "Natriumchlorid 0,45 % Glucose 2,5 % Infusionslösung 1000 ml",
        "Glucose 2,5 % + NaCl 0,45 % 1000 ml",
        "Cloruro de sodio 0,45 % + glucosa 2,5 % 1000 ml",
        "Dextrose 5 % and sodium chloride 0.45 % 1000 mL",
        "Glucosé 5 % 1000 ml + NaCl 4 g + KCl 2 g",
        "Glucose 10% 500 ml",
        "Dextrose 10 % in water 1000 mL",
        "Glukose 100 mg/ml 1000 ml",
        "Water for injections 1000 ml IV",
        "Wasser für Injektionszwecke 500 ml",
        "Polyionique B26 1000 ml",
        "Glucion 5% 1000 ml",
        "Sterofundin BG-5 1000 ml",
        "Maintelyte 1000 ml",
        "Plasma-Lyte 56 and 5% dextrose 1000 ml",
        "Isolyte P in 5% dextrose 500 ml",
    ],
)
def test_hypotonic_fluid_is_known_in_any_order_of_its_parts(
    name: str, resolver: DrugResolver
) -> None:
    assert resolver.resolve(Product(concepts=(Coded(text=name),))).hypotonic


@pytest.mark.parametrize(
    ("name", "balanced"),
    [
        ("Plasmalyte Glucos 50 mg/ml 1000 ml", True),
        ("Plasma-Lyte 148 and 5% dextrose 1000 ml", True),
        ("Lactated Ringer's and 5 % dextrose 1000 mL", True),
        ("Glucose 5% + NaCl 0,9% 1000 ml", False),
        ("Glucosé 5 % 1000 ml + NaCl 9 g", False),
        ("Water for injections 10 ml", False),
        ("Water for injections 499 ml", False),
        ("Glucose 50% 50 ml", False),
        ("Glucose 10% 50 ml", False),
    ],
)
def test_isotonic_or_small_fluid_is_not_hypotonic(
    name: str, balanced: bool, resolver: DrugResolver
) -> None:
    found = resolver.resolve(Product(concepts=(Coded(text=name),)))
    assert not found.hypotonic
    assert found.balanced is balanced


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("NaCl 5,85 % 20 ml (1 mmol/ml) konz.", "concentrate"),
        ("Natriumchlorid 5,85 % Infusionslösungskonzentrat", "concentrate"),
        ("Sodium chloride 5.8 % 20 ml", "concentrate"),
        ("Sodium chloride 5 % 500 ml", "hypertonic"),
        ("Sodium chloride 6 % 500 ml", "hypertonic"),
        ("Slow Sodium 600 mg MR tablets", "salt-tablet"),
        ("Slow-Sodium 600mg modified release", "salt-tablet"),
        ("Slow-K 600 mg", None),
    ],
)
def test_a_molar_additive_is_a_concentrate_and_slow_sodium_is_salt(
    name: str, kind: str | None, resolver: DrugResolver
) -> None:
    saline = resolver.resolve(Product(concepts=(Coded(text=name),))).saline
    assert (saline.kind if saline else None) == kind


# ---- F10: a concentrate that is ordered in mEq or mmol


@pytest.mark.parametrize(
    ("text", "instructions", "percent", "ordered"),
    [
        ("sodium chloride 4 mEq/mL 30 mL", "", "23.4", "30"),
        ("sodium chloride 4 mEq/mL", "60 mEq IV once", "23.4", "15.0"),
        ("sodium chloride 120 mEq (30 mL) IV", "", "23.4", "30"),
        ("NaCl 1 mmol/ml", "200 mmol i.v.", "5.84", "200"),
        ("sodium chloride 23.4 %", "120 mEq over 10 min", "23.4", "30.0"),
    ],
)
def test_f10_a_concentrate_in_mmol_is_worked_out(
    text: str, instructions: str, percent: str, ordered: str, resolver: DrugResolver
) -> None:
    product = Product(concepts=(Coded(text=text),), instructions=instructions)
    saline = resolver.resolve(product).saline
    assert saline is not None
    assert (saline.kind, saline.percent) == ("concentrate", Decimal(percent))
    assert saline.ordered_ml == Decimal(ordered)


def test_f10_a_recorded_dose_in_mmol_is_worked_out(resolver: DrugResolver) -> None:
    product = Product(
        concepts=(Coded(text="sodium chloride 4 mEq/mL injection"),), dose_mmol=Decimal(120)
    )
    saline = resolver.resolve(product).saline
    assert saline is not None
    assert saline.ordered_ml == Decimal("30.0")


@pytest.mark.parametrize("text", ["NaCl 20 mmol i.v.", "sodium chloride 20 mmol in 1000 mL"])
def test_f10_mmol_without_a_strength_are_no_concentrate(text: str, resolver: DrugResolver) -> None:
    saline = resolver.resolve(Product(concepts=(Coded(text=text),))).saline
    assert saline is None or saline.kind != "concentrate"


@pytest.mark.parametrize(
    ("text", "weak"),
    [
        ("Ringer-Laktat 1000 ml", True),
        ("Lactated Ringer's 1000 mL", True),
        ("Hartmann's solution 1000 mL", True),
        ("Ringeracetat 1000 ml", True),
        ("Plasma-Lyte 148 1000 mL", False),
        ("Sterofundin ISO 1000 ml", False),
        ("Ringer's solution 1000 mL", False),
    ],
)
def test_s13_which_balanced_fluid_holds_less_sodium_than_blood(
    text: str, weak: bool, resolver: DrugResolver
) -> None:
    found = resolver.resolve(Product(concepts=(Coded(text=text),)))
    assert (found.balanced, found.balanced_weak) == (True, weak)
