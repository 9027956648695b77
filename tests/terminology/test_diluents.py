"""Which fluid carries a drug, and whether its label allows saline (F23)."""

from __future__ import annotations

import pytest

from cds_service.terminology.drugs import DrugResolver
from cds_service.terminology.types import Coded, Product, Resolution


def resolved(resolver: DrugResolver, text: str) -> Resolution:
    return resolver.resolve(Product(concepts=(Coded(text=text),)))


@pytest.mark.parametrize(
    "text",
    [
        "amiodarone 900 mg in dextrose 5 % 500 mL",
        "Amiodaron 900 mg in Glucose 5 % 500 ml",
        "AmBisome 250 mg in glucose 5 % 500 mL",
        "amphotericin B 50 mg in dextrose 5 % 500 mL",
        "oxaliplatin 150 mg in glucose 5 % 500 mL",
        "pentamidine 300 mg in dextrose 5 % 500 mL",
        "mycophenolate 1 g in dextrose 5 % 500 mL",
    ],
)
def test_what_fails_in_saline_keeps_its_glucose(text: str, resolver: DrugResolver) -> None:
    found = resolved(resolver, text)
    assert (found.hypotonic, found.carries, found.needs_glucose) == (True, True, True)


@pytest.mark.parametrize(
    "text",
    [
        "vancomycin 1 g in glucose 5 % 500 mL",
        "Metamizol 2 g in Glucose 5 % 1000 ml",
        "ceftriaxone 2 g in dextrose 5 % 500 mL",
    ],
)
def test_other_drugs_may_change_to_saline(text: str, resolver: DrugResolver) -> None:
    found = resolved(resolver, text)
    assert (found.hypotonic, found.carries, found.needs_glucose) == (True, True, False)


@pytest.mark.parametrize(
    "text",
    [
        "Glucosalino 1000 ml",
        "Glucosalino (glucosa 3,3 % / NaCl 0,3 %) 1000 ml",
        "Glucosalina hipotonica 1000 ml",
        "Suero glucosalino glucosa 3,3% + cloruro sodico 0,3% 1000 ml",
        "Glucose 3,3 % / NaCl 0,3 % 1000 ml",
        "Sterofundin B 1000 ml",
    ],
)
def test_weak_saline_with_glucose_is_a_fluid_and_carries_nothing(
    text: str, resolver: DrugResolver
) -> None:
    found = resolved(resolver, text)
    assert (found.hypotonic, found.carries) == (True, False)


@pytest.mark.parametrize("text", ["Sterofundin ISO 1000 ml", "Sterofundin 1000 ml"])
def test_isotonic_sterofundin_stays_isotonic(text: str, resolver: DrugResolver) -> None:
    found = resolved(resolver, text)
    assert (found.hypotonic, found.balanced) == (False, True)


def test_viacorind_is_indapamide_with_its_partners(resolver: DrugResolver) -> None:
    names = {drug.name for drug in resolved(resolver, "Viacorind 5/1.25/5 mg").drugs}
    assert {"indapamide", "perindopril", "amlodipine"} <= names
