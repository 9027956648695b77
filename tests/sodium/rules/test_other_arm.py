"""Potassium is not given by a value of a sample that was drawn beside an infusion (F41)."""

from __future__ import annotations

from msgspec.structs import replace

from tests.sodium.patients import Story, result
from tests.sodium.rules.charts import drawn
from tests.sodium.rules.orders import Scene, saline, selected, table

POTASSIUM = selected("potassium chloride", route="iv")
DRAWN = drawn(sodium="122")
SCENES = (
    Scene(
        says="F41: potassium 2.0 of a sample beside an infusion: draw again first",
        order=POTASSIUM,
        story=drawn(sodium="122"),
        fires={"OS-DRIP": "warning main"},
        shows=("other-arm", "potassium-by-new-value"),
    ),
    Scene(
        says="F41: a potassium that fell without the rest is its own",
        order=POTASSIUM,
        story=drawn(sodium="122", creatinine="0.9"),
    ),
    Scene(
        says="F41: without an infusion a low potassium is replaced",
        order=POTASSIUM,
        story=Story(sodium="131", setting="inpatient", results=(result("potassium", "2.4"),)),
    ),
    Scene(
        says="F41: a potassium that was not measured in that sample is no reason",
        order=POTASSIUM,
        story=replace(DRAWN, results=tuple(r for r in DRAWN.results if r.analyte != "potassium")),
    ),
    Scene(
        says="F41: saline is no potassium",
        order=saline("0.9", "isotonic"),
        story=drawn(sodium="122"),
    ),
)


@table(SCENES)
def test_potassium_beside_an_infusion(scene: Scene) -> None:
    scene.check()
