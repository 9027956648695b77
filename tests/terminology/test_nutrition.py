"""The words of parenteral nutrition: its sodium and its volume, as label or order tell them (F28)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cds_service.terminology.drugs import DrugResolver
from cds_service.terminology.types import Coded, Product


def product(text: str, **more: object) -> Product:
    return Product(concepts=(Coded(text=text),), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "sodium", "daily"),
    [
        ("Clinimix 5/15 (amino acids 5 % in dextrose 15 %) injection 2000 mL", "0", "2000"),
        (
            "Clinimix E 5/15 (amino acids with electrolytes in dextrose with calcium) 2000 mL",
            "35",
            "2000",
        ),
        ("Travasol 10 % 1000 mL", "0", "1000"),
        ("SmofKabiven elektrolytfrei 1970 ml", "0", "1970"),
        ("SmofKabiven 1970 ml", None, "1970"),
        ("Aminomix 1 Novum 2000 ml", None, "2000"),
        ("TPN adult central, sodium 0 mEq/L, amino acids 5 %, dextrose 15 %, 2000 mL", "0", "2000"),
        ("TPN: amino acids 5 %, dextrose 15 %, sodium chloride 40 mEq/L", "40", None),
        ("TPN: sodium chloride 40 mEq/L, sodium acetate 20 mEq/L, 1500 mL", "60", "1500"),
        ("TPN 2000 mL with sodium chloride 80 mEq", "40", "2000"),
        ("Clinimix with sodium chloride 77 mEq, 1000 mL", "77", "1000"),
        (
            "amino acids 10 % / dextrose 20 % parenteral nutrition, no electrolytes, 2000 mL",
            "0",
            "2000",
        ),
        ("Nutrición parenteral total sin electrolitos 1500 ml", "0", "1500"),
        ("Parenterale Ernährung, Natrium 70 mmol/l", "70", None),
    ],
)
def test_nutrition_is_read(
    text: str, sodium: str | None, daily: str | None, resolver: DrugResolver
) -> None:
    found = resolver.resolve(product(text))
    assert found.nutrition is not None
    assert found.nutrition.sodium_mmol_l == (None if sodium is None else Decimal(sodium))
    assert found.nutrition.daily_ml == (None if daily is None else Decimal(daily))
    assert not (found.hypotonic)
    assert not (found.saline)
    assert not (found.balanced)


def test_a_rate_tells_the_day(resolver: DrugResolver) -> None:
    found = resolver.resolve(product("Clinimix 5/15 1000 mL", rate_ml_h=Decimal(83))).nutrition
    assert found is not None
    assert found.daily_ml == 83 * 24


@pytest.mark.parametrize(
    "text",
    [
        "potassium phosphate for TPN",
        "heparin flush via TPN line",
        "amino acids oral powder",
        "sodium chloride 0.9 % 1000 mL",
        "Ensure Plus",
    ],
)
def test_other_orders_are_no_nutrition(text: str, resolver: DrugResolver) -> None:
    assert resolver.resolve(product(text)).nutrition is None


@pytest.mark.parametrize(
    ("text", "ml"),
    [
        ("dextrose 20 % in water 1000 mL", "1000"),
        ("dextrose 12.5 % 1000 mL", "1000"),
        ("Glucose 40 % 1000 ml", "1000"),
        ("Glucose 20 % 2000 ml", "2000"),
        ("Glucose 200 mg/ml 500 ml", "500"),
        ("20 % Glucose 500 ml", "500"),
    ],
)
def test_much_strong_glucose_is_free_water(text: str, ml: str, resolver: DrugResolver) -> None:
    found = resolver.resolve(product(text))
    assert (found.hypotonic, found.hypotonic_volume_ml) == (True, Decimal(ml))


def test_the_rate_of_strong_glucose_tells_its_day(resolver: DrugResolver) -> None:
    found = resolver.resolve(product("Glucose 20 % 250 ml", rate_ml_h=Decimal(42)))
    assert (found.hypotonic, found.hypotonic_volume_ml) == (True, Decimal(42 * 24))


@pytest.mark.parametrize(
    "text",
    [
        "dextrose 50 % 50 mL syringe",
        "Glucose 40 % 100 ml",
        "Glucose 20 % 100 ml with insulin 10 units",
        "dextrose 25 % 10 mL",
        "Glucose 20 %",
    ],
)
def test_a_little_strong_glucose_is_a_drug(text: str, resolver: DrugResolver) -> None:
    assert not resolver.resolve(product(text)).hypotonic
