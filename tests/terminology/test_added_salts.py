"""F23: a bag to which salts are added is judged by its sodium and potassium, not by its spelling."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_service.terminology.drugs import DrugResolver
from cds_service.terminology.types import Coded, Product, Resolution, Strength


def read(
    resolver: DrugResolver, text: str, ml: int | None = None, mmol: int | None = None
) -> Resolution:
    volume = None if ml is None else Decimal(ml)
    dose = None if mmol is None else Decimal(mmol)
    return resolver.resolve(Product(concepts=(Coded(text=text),), volume_ml=volume, dose_mmol=dose))


def tonicity(found: Resolution) -> str:
    if found.hypotonic:
        return "hypotonic"
    strong = found.saline is not None and found.saline.kind in ("hypertonic", "concentrate")
    strong = strong or found.strong_salt is not None
    return "hypertonic" if strong else "isotonic"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("D5W 1 L + 50 mEq sodium bicarbonate at 150 mL/h", "hypotonic"),
        (
            "glucose 5 % 1000 mL + sodium bicarbonate 50 mmol + potassium chloride 20 mmol",
            "hypotonic",
        ),
        ("dextrose 5 % 1000 mL with sodium bicarbonate 50 mEq", "hypotonic"),
        ("sodium bicarbonate 50 mEq in dextrose 5 % 1000 mL", "hypotonic"),
        ("D5W 1 L, 50 mEq NaHCO3, 20 mEq KCl", "hypotonic"),
        ("dextrose 5 % 1000 mL + sodium chloride 40 mmol", "hypotonic"),
        ("dextrose 5 % 1000 mL + NaCl 30 mmol + vitamins", "hypotonic"),
        ("dextrose 5 % 1000 mL + sodium acetate 40 mEq", "hypotonic"),
        ("75 mEq/L NaHCO3 in D5W", "hypotonic"),
        ("sodium bicarbonate 75 mEq/L in dextrose 5 % infusion", "hypotonic"),
        ("D5W + 50 mEq NaHCO3/L + 20 mEq KCl/L", "hypotonic"),
        ("D10W 1000 mL + NaCl 30 mEq + KCl 20 mEq", "hypotonic"),
        ("sodium chloride 0.45 % 1000 mL with sodium bicarbonate 25 mEq", "hypotonic"),
        ("0.45 % saline 1000 mL + bicarbonate 25 mEq", "hypotonic"),
        ("0.45 % saline 1000 mL + bicarbonate 75 mEq", "isotonic"),
        ("D5/0.2 % NaCl 1000 mL + bicarbonate 30 mEq", "hypotonic"),
        (
            "dextrose 5 % and sodium chloride 0.2 % 1000 mL with sodium bicarbonate 30 mEq",
            "hypotonic",
        ),
        ("potassium phosphate 30 mmol in D5W 500 mL", "hypotonic"),
        ("dextrose 5 % in water 1000 mL with 1 amp sodium bicarbonate", "hypotonic"),
        ("3 amps sodium bicarbonate in D5W 1000 mL", "isotonic"),
        ("D5W with sodium bicarbonate", "hypotonic"),
        ("D5W with 150 mEq NaHCO3", "isotonic"),
        ("Glucose 5 % 1000 ml + Natriumbicarbonat 150 mmol", "isotonic"),
        ("Glucose 5 % 1000 ml + Natriumbicarbonat 50 mmol", "hypotonic"),
        ("sodium bicarbonate 150 mEq in sterile water 1000 mL", "isotonic"),
        ("sodium bicarbonate 8.4 % 150 mL in D5W 850 mL", "isotonic"),
        ("sodium bicarbonate 8.4 % 50 mL in D5W 950 mL", "hypotonic"),
        ("sodium bicarbonate 50 mEq/50 mL in D5W 1000 mL", "hypotonic"),
        ("sodium bicarbonate 50 mEq in sodium chloride 0.9 % 1000 mL", "isotonic"),
        ("D5W 1000 mL + sodium chloride 23.4 % 10 mL + sodium bicarbonate 100 mEq", "isotonic"),
        ("KCl 40 mEq in NS 100 mL", "isotonic"),
        ("sodium bicarbonate 300 mEq in D5W 1000 mL", "hypertonic"),
        ("sodium chloride 0.9 % 1000 mL + sodium chloride 360 mmol", "hypertonic"),
        ("dextrose 5 % 1000 mL + sodium chloride 129 mmol", "hypotonic"),
        ("dextrose 5 % 1000 mL + sodium chloride 130 mmol", "isotonic"),
        ("dextrose 5 % 1000 mL + NaCl 110 mmol + KCl 20 mmol", "isotonic"),
        ("dextrose 5 % 1000 mL + NaCl 110 mmol + KCl 19 mmol", "hypotonic"),
    ],
)
def test_a_bag_is_judged_by_its_sodium_and_potassium(
    resolver: DrugResolver, text: str, wanted: str
) -> None:
    assert tonicity(read(resolver, text)) == wanted


def test_a_home_made_3_percent_is_called_by_its_percent(resolver: DrugResolver) -> None:
    text = "sodium chloride 0.9 % 1000 mL + sodium chloride 360 mmol"
    saline = read(resolver, text).saline
    assert saline is not None
    assert (saline.kind, saline.percent, saline.mixture) == (
        "hypertonic",
        Decimal("3.00"),
        "computed",
    )


@pytest.mark.parametrize(
    ("text", "mmol_per_ml", "ml"),
    [
        ("sodium bicarbonate 300 mEq in D5W 1000 mL", "0.3", 1000),
        ("sodium bicarbonate 50 mEq in D5W 100 mL", "0.5", 100),
    ],
)
def test_bicarbonate_that_is_diluted_little_is_a_strong_salt(
    resolver: DrugResolver, text: str, mmol_per_ml: str, ml: int
) -> None:
    found = read(resolver, text)
    assert found.saline is None
    assert found.strong_salt is not None
    assert found.strong_salt.name == "sodium bicarbonate"
    assert found.strong_salt.mmol_per_ml == Decimal(mmol_per_ml)
    assert found.strong_salt.ordered_ml == Decimal(ml)


def test_a_weak_bag_of_bicarbonate_carries_it(resolver: DrugResolver) -> None:
    assert read(resolver, "sodium bicarbonate 50 mEq in dextrose 5 % 1000 mL").carries


@pytest.mark.parametrize(
    ("ml", "mmol", "wanted"),
    [(1000, 50, "hypotonic"), (1000, 150, "isotonic"), (None, None, "hypotonic")],
)
def test_dose_and_volume_of_the_order_count_if_the_name_tells_none(
    resolver: DrugResolver, ml: int | None, mmol: int | None, wanted: str
) -> None:
    assert tonicity(read(resolver, "sodium bicarbonate in D5W", ml, mmol)) == wanted


@pytest.mark.parametrize(("salt_ml", "wanted"), [(20, "hypotonic"), (75, "isotonic")])
@pytest.mark.parametrize("recorded", [True, False])
def test_the_ingredients_of_a_medication_are_such_a_bag(
    resolver: DrugResolver, salt_ml: int, wanted: str, *, recorded: bool
) -> None:
    """Their volumes are recorded, or written in their names."""
    parts = [("glucose 5 %", 1000), ("sodium chloride 2 mmol/mL", salt_ml)]
    ingredients = tuple(
        (
            Coded(text=name if recorded else f"{name} concentrate {ml} mL"),
            Strength(
                numerator=Decimal(ml),
                numerator_unit="mL",
                denominator=Decimal(1),
                denominator_unit="{bag}",
            )
            if recorded
            else None,
        )
        for name, ml in parts
    )
    product = Product(
        concepts=(Coded(text="glucose 5 % + NaCl additive"),), ingredients=ingredients
    )
    assert tonicity(resolver.resolve(product)) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "oral rehydration solution: glucose, sodium chloride 2.6 g, potassium chloride 1.5 g oral",
        "sodium chloride 5 mmol in D5W 250 mL",
        "potassium chloride 20 mEq/50 mL in sterile water",
        "sodium bicarbonate 50 mEq/50 mL in sterile water",
        "Plasma-Lyte 1000 mL + KCl 20 mEq",
        "lactated ringers 1000 mL + sodium bicarbonate 50 mEq",
    ],
)
def test_a_drink_a_small_bag_and_a_balanced_fluid_are_no_hypotonic_bag(
    resolver: DrugResolver, text: str
) -> None:
    assert tonicity(read(resolver, text)) == "isotonic"


CARRIERS = {
    "D5W": "0",
    "dextrose 5 %": "0",
    "Glucose 5 %": "0",
    "dextrose 10 %": "0",
    "sodium chloride 0.45 %": "0.45",
    "0.9 % saline": "0.9",
}
SALTS = {
    "sodium chloride": "sodium",
    "NaCl": "sodium",
    "sodium bicarbonate": "sodium",
    "NaHCO3": "sodium",
    "sodium acetate": "sodium",
    "potassium chloride": "potassium",
    "KCl": "potassium",
}
UNITS = st.sampled_from(["mmol", "mEq", " mmol", " mEq", " MEQ", " mval"])
VOLUMES = st.sampled_from([(500, "500 mL"), (1000, "1 L"), (1000, "1,000 mL"), (2000, "2000ml")])


@st.composite
def added(draw: st.DrawFn) -> tuple[str, str, int]:
    salt = draw(st.sampled_from(sorted(SALTS)))
    mmol, unit = draw(st.integers(5, 400)), draw(UNITS)
    first = draw(st.booleans())
    text = f"{mmol}{unit} {salt}" if first else f"{salt} {mmol}{unit}"
    return text, salt, mmol


@st.composite
def bags(draw: st.DrawFn) -> tuple[str, Decimal, Decimal, bool]:
    """Returns a text, its sodium and its cations in each liter, and whether all is chloride."""
    carrier = draw(st.sampled_from(sorted(CARRIERS)))
    ml, written = draw(VOLUMES)
    salts = draw(st.lists(added(), min_size=1, max_size=3, unique_by=lambda one: one[1]))
    fluid = draw(st.sampled_from([f"{carrier} {written}", f"{written} {carrier}"]))
    plus = draw(st.sampled_from([" + ", " with ", ", ", " plus ", " / "]))
    texts = [text for text, _, _ in salts]
    in_fluid = draw(st.booleans())
    text = f"{' + '.join(texts)} in {fluid}" if in_fluid else plus.join([fluid, *texts])
    own = Decimal(CARRIERS[carrier]) / Decimal("5.844") * 1000
    liters = Decimal(ml) / 1000
    sodium = own + sum(m for _, s, m in salts if SALTS[s] == "sodium") / liters
    cations = own + sum(m for _, _, m in salts) / liters
    chloride = all("bicarb" not in s and "acetate" not in s and "HCO" not in s for _, s, _ in salts)
    return text, sodium, cations, chloride


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(bag=bags())
def test_any_bag_is_judged_by_its_mmol_whatever_the_order_of_its_words(
    resolver: DrugResolver, bag: tuple[str, Decimal, Decimal, bool]
) -> None:
    text, sodium, cations, chloride = bag
    percent = round(sodium * Decimal("0.005844"), 2)
    adds_sodium = any(s in text for s, kind in SALTS.items() if kind == "sodium")
    strong = adds_sodium and percent > (Decimal(1) if chloride else Decimal("1.5"))
    wanted = "hypotonic" if cations < 130 else "hypertonic" if strong else "isotonic"
    assert tonicity(read(resolver, text)) == wanted, (text, sodium, cations)
