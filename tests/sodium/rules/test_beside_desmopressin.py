"""A drug that the boxed warning forbids beside desmopressin for nocturia is ordered (F25)."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from cds_service.sodium.snapshot import Order
from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.orders import Scene, selected, table


def nightly(**more: Any) -> Order:
    """Desmopressin in the evening for two months."""
    return replace(order("desmopressin", days=60, reference="MedicationRequest/night"), **more)


def clinic(*orders: Order, sodium: str = "137", **more: Any) -> Story:
    """A woman of the clinic with this desmopressin."""
    return Story(sodium=sodium, sodium_hours=24, orders=orders or (nightly(),), **more)


LOOPS, STEROIDS = ("furosemide", "bumetanide", "torsemide"), ("prednisone", "budesonide")
BY_LOOP, BY_STEROID = {"OS-LOOP-DDAVP": "warning main"}, {"OS-CORT-DDAVP": "warning main"}
SCENES = (
    *(
        Scene(
            says=f"PH13: {drug} beside desmopressin for nocturia, 137",
            order=selected(drug),
            story=clinic(),
            fires=BY_LOOP if drug in LOOPS else BY_STEROID,
            shows=("one-of-both", "replacement-goes-on"),
        )
        for drug in (*LOOPS, *STEROIDS)
    ),
    Scene(
        says="PH13: without any sodium on record it is forbidden too",
        order=selected("prednisone"),
        story=Story(orders=(nightly(),)),
        fires=BY_STEROID,
    ),
    Scene(
        says="PH13: at a low sodium both cards speak",
        order=selected("furosemide"),
        story=replace(clinic(sodium="125"), sodium_hours=3),
        fires={**BY_LOOP, "OS-LOW": "info check"},
    ),
    *(
        Scene(
            says=f"F25: in central diabetes insipidus it replaces the hormone beside {drug}",
            order=selected(drug),
            story=clinic(problems=(problem("diabetes-insipidus", days=900),)),
        )
        for drug in ("prednisone", "bumetanide")
    ),
    *(
        Scene(
            says=f"F25: with {known} on record it may replace the hormone",
            order=selected("hydrocortisone"),
            story=clinic(
                problems=(problem(known, days=2000, active=known != "pituitary-surgery"),)
            ),
        )
        for known in ("pituitary-disease", "pituitary-surgery")
    ),
    Scene(
        says="F25: desmopressin by vein is no treatment of nocturia",
        order=selected("furosemide"),
        story=clinic(nightly(route="iv")),
    ),
    Scene(
        says="F25: nor is a dose against a bleeding",
        order=selected("furosemide"),
        story=clinic(nightly(hemostatic=True)),
    ),
    Scene(
        says="F25: what is taken already was decided before",
        order=selected("prednisone"),
        story=clinic(nightly(), order("prednisone", days=20)),
    ),
    Scene(
        says="F25: without desmopressin there is no card",
        order=selected("bumetanide"),
        story=clinic(order("amlodipine")),
    ),
    Scene(
        says="F25: hydrocortisone by vein is for an emergency",
        order=selected("hydrocortisone", route="iv"),
        story=clinic(),
    ),
    Scene(
        says="F4: while sodium rises too fast desmopressin is its brake",
        order=selected("prednisone"),
        story=Story(
            sodium="124",
            setting="inpatient",
            results=(result("sodium", 112, 18),),
            orders=(nightly(),),
        ),
    ),
)


@table(SCENES)
def test_beside_desmopressin(scene: Scene) -> None:
    scene.check()
