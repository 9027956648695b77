"""F23: what a bag holds into which sodium chloride is put, and a drug carried by much fluid."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_service.terminology.drugs import DrugResolver
from cds_service.terminology.types import Coded, Product, Resolution, Strength


def read(resolver: DrugResolver, text: str) -> Resolution:
    return resolver.resolve(Product(concepts=(Coded(text=text),)))


@pytest.mark.parametrize(
    ("text", "kind", "percent", "ml"),
    [
        ("Natriumchlorid 5,85% 40 ml ad 500 ml Glucose 5%", "hypotonic", "0.47", "500"),
        ("sodium chloride 23.4% 64 mL in sterile water 436 mL", "hypertonic", "3.00", "500"),
        ("23.4% NaCl 64 mL + sterile water 436 mL", "hypertonic", "3.00", "500"),
        ("NaCl 10% 10 mL in 1000 mL NaCl 0.9%", "isotonic", "0.99", "1010"),
        ("Kochsalz 20% 10 ml in 1000 ml Glukose 5%", "hypotonic", "0.20", "1010"),
    ],
)
def test_a_mixed_bag_has_its_own_strength(
    resolver: DrugResolver, text: str, kind: str, percent: str, ml: str
) -> None:
    saline = read(resolver, text).saline
    assert saline is not None
    assert (saline.kind, saline.mixture) == (kind, "computed")
    assert (saline.percent, saline.volume_ml) == (Decimal(percent), Decimal(ml))


@pytest.mark.parametrize(
    ("text", "percent"),
    [
        ("NaCl 10% 20 ml Ampulle in 1000 ml NaCl 0,9%", "1.08"),
        ("NaCl 30 % 20 mL dans 500 mL G5%", "1.15"),
        ("NaCl 0.9% 500 mL with sodium chloride 23.4% 10 mL", "1.34"),
        ("10% NaCl 20 ml inj in 500 ml NS", "1.25"),
    ],
)
def test_a_bag_mixed_to_more_than_one_percent_has_no_amount(
    resolver: DrugResolver, text: str, percent: str
) -> None:
    saline = read(resolver, text).saline
    assert saline is not None
    assert (saline.kind, saline.mixture) == ("hypertonic", "weak")
    assert (saline.percent, saline.ordered_ml) == (Decimal(percent), None)


@pytest.mark.parametrize(
    "text",
    [
        "NaCl 10% 20 mL in 500 mL Ringer lactate",
        "NaCl 5.85% 40 mL in 500 mL",
        "sodium chloride 23.4% in D5W 1000 mL",
    ],
)
def test_a_mixed_bag_that_cannot_be_computed_has_no_amount(
    resolver: DrugResolver, text: str
) -> None:
    saline = read(resolver, text).saline
    assert saline is not None
    assert saline.mixture == "unknown"
    assert saline.volume_ml is None
    assert saline.ordered_ml is None


@pytest.mark.parametrize(
    "text",
    [
        "sodium chloride 3% 250 mL",
        "NaCl 3% in 500 mL bag",
        "sodium chloride 3% with KCl 20 mEq in 500 mL",
        "NaCl 3% 150 mL in 10 min",
        "500 ML sodium chloride 30 MG/ML Injection",
        "NaCl 0.9% 1000 mL",
    ],
)
def test_a_bag_as_it_is_sold_is_no_mixture(resolver: DrugResolver, text: str) -> None:
    saline = read(resolver, text).saline
    assert saline is not None
    assert saline.mixture == ""


@pytest.mark.parametrize(
    ("salt", "ml", "percent"),
    [
        ("sodium chloride 23.4% injection", 64, "3.00"),
        ("sodium chloride five percent injection", 250, "2.50"),
    ],
)
def test_the_parts_of_a_compounded_bag_are_its_ingredients(
    resolver: DrugResolver, salt: str, ml: int, percent: str
) -> None:
    parts = [(salt, ml), ("sterile water for injection", 500 - ml)]
    whole = Strength(
        numerator=Decimal(0), numerator_unit="mL", denominator=Decimal(500), denominator_unit="mL"
    )
    ingredients = tuple(
        (
            Coded(text=name),
            Strength(
                numerator=Decimal(ml),
                numerator_unit=whole.numerator_unit,
                denominator=whole.denominator,
                denominator_unit=whole.denominator_unit,
            ),
        )
        for name, ml in parts
    )
    product = Product(concepts=(Coded(text="Compounded IV"),), ingredients=ingredients)
    saline = resolver.resolve(product).saline
    assert saline is not None
    assert (saline.kind, saline.percent) == ("hypertonic", Decimal(percent))


@pytest.mark.parametrize(
    ("text", "carries"),
    [
        ("potassium chloride 20 mmol in glucose 5% 1000 mL", True),
        ("oxytocin 40 IU in 1 L D5W", True),
        ("magnesium sulfate 4 g in D5W 1000 mL", True),
        ("amiodarone 900 mg in dextrose 5% 500 mL", True),
        ("amiodarone 900 mg in dextrose 5% 499 mL", False),
        ("amiodarone 150 mg in dextrose 5% 100 mL", False),
        ("cisplatin 100 mg in NaCl 0.45% 1000 mL", True),
        ("sodium bicarbonate 150 mEq in dextrose 5% 1000 mL", False),
    ],
)
def test_a_large_hypotonic_carrier_is_a_fluid_too(
    resolver: DrugResolver, text: str, carries: bool
) -> None:
    found = read(resolver, text)
    assert (found.hypotonic, found.carries) == (carries, carries)


NUMBERS = st.sampled_from(
    ["9" * 32, "1" + "0" * 40, "0." + "9" * 40, "9" * 4000, "1e400", "-3", "0", "3", "1,5"]
)
BAGS = st.sampled_from(
    [
        "sodium chloride {0}% {1} mL in glucose 5% {2} mL",
        "NaCl {0} % {1} ml ad {2} ml Glucose 5%",
        "sodium chloride {0}% {1} mL + sterile water {2} L",
        "potassium chloride {0} mmol in glucose 5% {1} mL",
        "sodium chloride {0}% {1} mL",
    ]
)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(bag=BAGS, numbers=st.tuples(NUMBERS, NUMBERS, NUMBERS))
def test_a_bag_with_a_number_that_cannot_be_is_read_without_arithmetic(
    resolver: DrugResolver, bag: str, numbers: tuple[str, str, str]
) -> None:
    """A percent of 32 digits was a crash of the whole call once."""
    saline = read(resolver, bag.format(*numbers)).saline
    assert saline is None or saline.mixture != "computed" or (saline.percent or 0) <= 100


@pytest.mark.parametrize(
    ("text", "ml", "carried"),
    [
        ("vancomycin 1 g in sodium chloride 0.9 % 250 mL", 500, 500),
        ("vancomycin 1 g in sodium chloride 0.9 % 250 mL", 250, None),
        ("vancomycin 1 g in sodium chloride 0.9 % 500 mL", None, 500),
        ("ceftriaxone 2 g in NS 100 mL", None, None),
        ("vancomycin 1 g in dextrose 5 % 500 mL", None, None),
        ("sodium chloride 0.9 % 1000 mL", None, None),
    ],
)
def test_f23_isotonic_saline_that_carries_a_drug_counts_by_the_day(
    resolver: DrugResolver, text: str, ml: int | None, carried: int | None
) -> None:
    given = None if ml is None else Decimal(ml)
    found = resolver.resolve(Product(concepts=(Coded(text=text),), ordered_ml=given))
    assert found.isotonic_carrier_ml == carried
