"""An order that may lower sodium names the hypotonic fluid that runs already (F28)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from cds_service.sodium.snapshot import Order
from cds_service.terminology.types import RecordText
from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.orders import Scene, selected, table, water

HALF_SALINE = Order(
    reference="MedicationRequest/7",
    status="active",
    intent="order",
    route="iv",
    hypotonic=True,
    fluid_name=RecordText("0.45% saline 150 mL/h"),
)


def ward(na: str = "130", *running: Order, **more: Any) -> Story:
    """An inpatient with half-normal saline that runs, unless another fluid is given."""
    parts: dict[str, Any] = {"sodium": na, "setting": "inpatient"}
    return Story(**(parts | {"orders": running or (HALF_SALINE,)} | more))


LOW = {"OS-LOW": "warning check"}
NAMED = ("running-hypotonic-beside",)
SCENES = (
    Scene(
        says="F28: hypotonic fluid is ordered in an acute fall while half-normal saline runs",
        order=water(),
        story=ward("126", results=(result("sodium", "136", 17),)),
        fires={"OS-HYPOTONIC": "warning acute-water"},
        removes=True,
        shows=("no-hypotonic", "running-hypotonic"),
    ),
    Scene(
        says="F28: in an acute fall nothing is named that does not run",
        order=water(),
        story=ward(
            "126",
            replace(HALF_SALINE, status="stopped"),
            results=(result("sodium", "136", 17),),
        ),
        fires={"OS-HYPOTONIC": "warning acute-water"},
        removes=True,
        hides=("running-hypotonic",),
    ),
    *(
        Scene(
            says=f"F28: {drug} into a vein at 130 while half-normal saline runs",
            order=selected(drug, route="iv"),
            story=ward(),
            fires=LOW,
            shows=NAMED,
        )
        for drug in ("cyclophosphamide", "vincristine", "oxytocin")
    ),
    Scene(
        says="F28: the same infusion of cyclophosphamide without the fluid is information",
        order=selected("cyclophosphamide", route="iv"),
        story=ward("130", replace(HALF_SALINE, status="stopped")),
        fires={"OS-LOW": "info check"},
        hides=NAMED,
    ),
    Scene(
        says="F28: an SSRI at 130 while half-normal saline runs",
        order=selected("sertraline"),
        story=ward(),
        fires={"OS-LOW": "warning main"},
        removes=True,
        shows=NAMED,
    ),
    Scene(
        says="F28: desmopressin for nocturia at 130 while half-normal saline runs",
        order=selected("desmopressin"),
        story=ward(),
        fires={"OS-DDAVP": "warning main"},
        removes=True,
        shows=NAMED,
    ),
    Scene(
        says="F28: in diabetes insipidus the fluid belongs to desmopressin",
        order=selected("desmopressin"),
        story=ward(problems=(problem("diabetes-insipidus", days=900),)),
        fires={"OS-DDAVP": "info replacement"},
        hides=NAMED,
    ),
    Scene(
        says="F28: in an acute fall too",
        order=selected("sertraline"),
        story=ward("124", results=(result("sodium", 138, 20),)),
        fires={"OS-LOW": "warning acute"},
        removes=True,
        shows=("order-acute", *NAMED),
    ),
    Scene(
        says="F28: fluid without a name",
        order=selected("vincristine", route="iv"),
        story=ward("130", replace(HALF_SALINE, fluid_name=None)),
        fires=LOW,
        shows=("running-hypotonic-beside-unnamed",),
    ),
    Scene(
        says="F28: the diluent of a drug keeps its own words",
        order=selected("vincristine", route="iv"),
        story=ward(
            "130",
            replace(
                HALF_SALINE,
                carries=True,
                drugs=order("amiodarone").drugs,
                hypotonic_volume_ml=Decimal(500),
            ),
        ),
        fires=LOW,
        shows=("running-diluent",),
    ),
    Scene(
        says="F28: a loop diuretic sheds water",
        order=selected("furosemide"),
        story=ward("124"),
        fires={"OS-LOW": "info check"},
        hides=NAMED,
    ),
    Scene(
        says="F28: oxytocin at 138 while half-normal saline runs",
        order=selected("oxytocin", route="iv"),
        story=ward("138"),
        fires={"OS-KEEPER": "warning main"},
        shows=(*NAMED, "oxytocin-in-labor"),
        hides=("keeper-may-begin",),
    ),
    Scene(
        says="F28: vincristine without a sodium while half-normal saline runs",
        order=selected("vincristine", route="iv"),
        story=replace(ward(), sodium=None),
        fires={"OS-KEEPER": "warning main"},
    ),
    Scene(
        says="F28: oxytocin at 138, no fluid runs",
        order=selected("oxytocin", route="iv"),
        story=ward("138", replace(HALF_SALINE, status="stopped")),
    ),
    Scene(
        says="F28: oxytocin at 147 while half-normal saline runs",
        order=selected("oxytocin", route="iv"),
        story=ward("147"),
    ),
    Scene(
        says="F28: oxytocin at 138 while half-normal saline runs against a low glucose",
        order=selected("oxytocin", route="iv"),
        story=ward("138", results=(result("glucose", 54, 1),)),
    ),
    Scene(
        says="F28: desmopressin at 138 in diabetes insipidus while half-normal saline runs",
        order=selected("desmopressin", route="iv"),
        story=ward("138", problems=(problem("diabetes-insipidus", days=900),)),
    ),
)


@table(SCENES)
def test_the_fluid_that_runs_is_named(scene: Scene) -> None:
    scene.check()
