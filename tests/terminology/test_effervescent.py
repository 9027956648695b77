"""A tablet that fizzes is known by its name or its form: it holds much sodium (F53)."""

from __future__ import annotations

import pytest

from cds_service.terminology.drugs import DrugResolver
from cds_service.terminology.types import Coded, Product

FIZZES = (
    "Paracetamol 500 mg effervescent tablets",
    "Paracetamol 500 mg Brausetabletten",
    "EFFERALGAN 1 g",
    "acetylcysteine 600 mg comprimé effervescent",
)
PLAIN = ("Paracetamol 500 mg tablets", "furosemide 40 mg tablet", "sodium chloride 1 g tablet")


@pytest.mark.parametrize("text", FIZZES)
def test_an_effervescent_tablet_is_read(resolver: DrugResolver, text: str) -> None:
    assert resolver.resolve(Product(concepts=(Coded(text=text),))).effervescent


@pytest.mark.parametrize("text", PLAIN)
def test_a_plain_tablet_does_not_fizz(resolver: DrugResolver, text: str) -> None:
    assert not resolver.resolve(Product(concepts=(Coded(text=text),))).effervescent


def test_the_form_says_it_too(resolver: DrugResolver) -> None:
    said = Product(
        concepts=(Coded(text="Paracetamol 500 mg"),), form=Coded(text="Effervescent tablet")
    )
    assert resolver.resolve(said).effervescent
