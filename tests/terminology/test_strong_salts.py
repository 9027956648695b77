"""F22: which orders are a sodium salt as strong as hypertonic saline, and how strong."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cds_service.terminology.drugs import DrugResolver
from cds_service.terminology.types import Coded, Coding, Product


@pytest.mark.parametrize(
    ("text", "name", "mmol", "ml"),
    [
        ("sodium bicarbonate 8.4 % 50 mL syringe IV", "sodium bicarbonate", "1", "50"),
        ("sodium bicarbonate 1 mEq/mL injection 50 mL", "sodium bicarbonate", "1", "50"),
        ("sodium bicarbonate 84 mg/mL IV 100 mL", "sodium bicarbonate", "1", "100"),
        ("Natriumhydrogencarbonat 8,4 % Infusionslösung 100 mL", "sodium bicarbonate", "1", "100"),
        ("sodium bicarbonate 4.2 % injection", "sodium bicarbonate", "0.5", None),
        ("sodium bicarbonate 1.4 % 500 mL infusion", None, None, None),
        ("sodium bicarbonate 150 mEq in dextrose 5 % 1000 mL", None, None, None),
        ("sodium bicarbonate 8.4 % 150 mL in D5W 850 mL", None, None, None),
        ("sodium bicarbonate 650 mg tablet", None, None, None),
        ("sodium bicarbonate", None, None, None),
        ("sodium acetate 2 mEq/mL IV 20 mL", "sodium acetate", "2", "20"),
        ("sodium lactate 11.2 % infusion", "sodium lactate", "1", None),
        ("sodium lactate 1 mmol/mL injection 100 mL", "sodium lactate", "1", "100"),
        ("sodium lactate 1 mol/L IV 250 mL", "sodium lactate", "1", "250"),
        ("Natriumlactat 1 molar IV 100 ml", "sodium lactate", "1", "100"),
        ("half molar sodium lactate IV 250 mL", "sodium lactate", "0.5", "250"),
        ("lactate de sodium 11,2 % IV 100 mL", "sodium lactate", "1", "100"),
        ("sodium phosphates injection IV 15 mL", "sodium phosphates", "4", "15"),
        ("sodium phosphates enema 133 mL", None, None, None),
        ("sodium phosphates IV 15 mL in dextrose 5 % 250 mL", None, None, None),
        ("Natriumglycerophosphat IV 20 ml", "sodium glycerophosphate", "2", "20"),
        ("lactated Ringer's 1000 mL IV", None, None, None),
        ("HyperHAES 250 mL", "hypertonic saline with starch or dextran", "1.23", "250"),
        ("HyperHAES", "hypertonic saline with starch or dextran", "1.23", "250"),
        ("RescueFlow infusion", "hypertonic saline with starch or dextran", "1.23", "250"),
        ("hetastarch 6 % in 0.9 % saline 500 mL", None, None, None),
        ("sodium chloride 3 % 250 mL", None, None, None),
    ],
)
def test_a_strong_salt_is_read_with_its_strength_and_volume(
    resolver: DrugResolver, text: str, name: str | None, mmol: str | None, ml: str | None
) -> None:
    found = resolver.resolve(Product(concepts=(Coded(text=text),))).strong_salt
    if name is None:
        assert found is None
        return
    assert found is not None
    assert (found.name, found.ordered_ml) == (name, None if ml is None else Decimal(ml))
    assert round(found.mmol_per_ml, 2) == Decimal(str(mmol))


VEIN = (Coded(text="intravenous"),)
ATC = Coded(codings=(Coding(system="http://www.whocc.no/atc", code="B05XA02"),))


@pytest.mark.parametrize(
    ("concept", "sig", "asked"),
    [
        (ATC, "", True),
        (Coded(text="sodium bicarbonate 50 mEq"), "", True),
        (Coded(text="sodium bicarbonate"), "in 850 mL dextrose 5 %", False),
        (Coded(text="sodium bicarbonate 150 mEq in dextrose 5 % 1000 mL"), "", False),
        (Coded(text="sodium bicarbonate 1.4 %", codings=ATC.codings), "", False),
        (Coded(text="compound sodium lactate"), "", False),
    ],
)
def test_bicarbonate_by_vein_without_a_strength_may_be_the_strong_one(
    resolver: DrugResolver, concept: Coded, sig: str, asked: bool
) -> None:
    by_vein = Product(concepts=(concept,), routes=VEIN, instructions=sig)
    found = resolver.resolve(by_vein).strong_salt
    assert (found is not None and found.assumed_percent == Decimal("8.4")) is asked
    by_mouth = Product(concepts=(concept,), routes=(Coded(text="oral"),), instructions=sig)
    assert resolver.resolve(by_mouth).strong_salt is None
