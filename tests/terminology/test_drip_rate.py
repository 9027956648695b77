"""The rate of hypertonic saline, in the words of an order or as it is recorded (F9)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cds_service.terminology.drugs import DrugResolver
from cds_service.terminology.types import Coded, Product


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("sodium chloride 3% 500 mL at 30 mL/h", "30"),
        ("sodium chloride 3 % infusion 25 mL/hr IV continuous", "25"),
        ("3% saline 15 ml per hour", "15"),
        ("NaCl 3 % 500 mL, 20 ml/Std", "20"),
        ("sodium chloride 3% 150 mL over 20 min", None),
        ("sodium chloride 3% 1 mL/kg/h", None),
    ],
)
def test_the_words_of_an_order_tell_its_rate(
    resolver: DrugResolver, text: str, rate: str | None
) -> None:
    saline = resolver.resolve(Product(concepts=(Coded(text=text),))).saline
    assert saline is not None
    assert saline.rate_ml_h == (None if rate is None else Decimal(rate))


def test_a_recorded_rate_and_the_instructions_count_too(resolver: DrugResolver) -> None:
    named = (Coded(text="sodium chloride 3% 500 mL"),)
    for said in (
        Product(concepts=named, rate_ml_h=Decimal(25)),
        Product(concepts=named, instructions="25 mL/hour"),
    ):
        saline = resolver.resolve(said).saline
        assert saline is not None
        assert saline.rate_ml_h == Decimal(25), said
