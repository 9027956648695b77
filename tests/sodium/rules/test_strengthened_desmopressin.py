"""An NSAID, or loperamide, beside desmopressin while sodium is low or falls (F25)."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from cds_service.sodium.snapshot import Order
from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.orders import Scene, selected, table

PAIR = {"OS-NSAID-DDAVP": "warning main"}
BLEEDS = problem("bleeding-disorder", days=900)
INSIPIDUS = problem("diabetes-insipidus", days=900)


def given(**more: Any) -> Order:
    """Desmopressin since yesterday."""
    return replace(order("desmopressin", days=1, reference="MedicationRequest/d"), **more)


def ward(*orders: Order, sodium: str = "132", **more: Any) -> Story:
    """Sodium fell from 139 within 29 h beside this desmopressin."""
    return Story(
        sodium=sodium,
        setting="inpatient",
        results=(result("sodium", "139", 31),),
        orders=orders or (given(),),
        **more,
    )


def steady(sodium: str, *orders: Order, **more: Any) -> Story:
    """A sodium of today alone beside this desmopressin."""
    return Story(sodium=sodium, setting="inpatient", orders=orders or (given(),), **more)


def speaks(says: str, drug: Order, story: Story, *shows: str, hides: tuple[str, ...] = ()) -> Scene:
    return Scene(says=f"F25: {says}", order=drug, story=story, fires=PAIR, shows=shows, hides=hides)


IBUPROFEN, LOPERAMIDE = selected("ibuprofen"), selected("loperamide")
WATER = ("water-after-dose", "before-next-dose", "paracetamol-instead")
SCENES = (
    speaks(
        "von Willebrand, nasal desmopressin, 139 to 132",
        IBUPROFEN,
        ward(given(hemostatic=True), problems=(BLEEDS,)),
        *WATER,
        hides=("insipidus-goes-on",),
    ),
    speaks("by vein, diclofenac", selected("diclofenac"), ward(given(route="iv")), *WATER),
    speaks("a steady 131", IBUPROFEN, steady("131"), *WATER),
    speaks(
        "in diabetes insipidus desmopressin goes on",
        IBUPROFEN,
        ward(problems=(INSIPIDUS,)),
        "insipidus-goes-on",
        hides=("water-after-dose", "before-next-dose"),
    ),
    speaks(
        "a dose that was given 12 h ago still acts",
        IBUPROFEN,
        ward(replace(given(route="iv"), status="completed", single_dose=True)),
    ),
    speaks(
        "loperamide beside desmopressin by mouth",
        LOPERAMIDE,
        steady("131"),
        *("less-diarrhea", "raises-desmopressin"),
        hides=("paracetamol-instead",),
    ),
    *(
        Scene(says=f"F25: {says}", order=drug, story=story)
        for says, drug, story in (
            ("loperamide beside desmopressin by vein", LOPERAMIDE, ward(given(route="iv"))),
            ("a steady 138", IBUPROFEN, steady("138")),
            ("an NSAID without desmopressin", IBUPROFEN, ward(order("amlodipine"))),
            ("an NSAID on the skin", selected("diclofenac", route="local"), ward()),
            ("a drug that does not strengthen it", selected("amlodipine"), ward()),
            (
                "while sodium rises fast desmopressin brakes it",
                IBUPROFEN,
                Story(
                    sodium="124",
                    setting="inpatient",
                    results=(result("sodium", "112", 18),),
                    orders=(given(),),
                ),
            ),
        )
    ),
    Scene(
        says="F25: desmopressin against a bleeding is ordered beside ibuprofen",
        order=replace(selected("desmopressin"), hemostatic=True),
        story=ward(order("ibuprofen", days=2), problems=(BLEEDS,)),
        fires={**PAIR, "OS-DDAVP": "warning bleeding"},
        shows=("paracetamol-instead",),
    ),
)


@table(SCENES)
def test_strengthened_desmopressin(scene: Scene) -> None:
    scene.check()
