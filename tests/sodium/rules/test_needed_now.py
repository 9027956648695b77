"""What is needed at once is never told to wait, and its diluent is never exchanged (F1, M12, F23)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.engine.finding import Finding
from cds_service.sodium.snapshot import Order
from tests.sodium.patients import Story, drug, drugs, problem, result
from tests.sodium.rules.cases import fired
from tests.sodium.rules.orders import Scene, selected, table, water

SEPSIS = problem("sepsis", days=0.2)
FALLING = (result("sodium", 132, 60),)


def ward(sodium: str, **more: Any) -> Story:
    """An inpatient with one low sodium."""
    return replace(Story(sodium=sodium, setting="inpatient"), **more)


def carrier(*names: str, ml: str = "500") -> Order:
    """Dextrose 5 % in which these drugs are given; none: a drug that is not known."""
    carried = tuple(drug(name) for name in names)
    only = not {"amiodarone", "trimethoprim"}.isdisjoint(names)
    return replace(water(ml), drugs=carried, carries=True, needs_glucose=only)


SCENES = (
    Scene(
        says="M12: mirtazapine in the clinic is checked in a week or two",
        order=selected("mirtazapine"),
        story=Story(sodium="132"),
        fires={"OS-LOW": "info check"},
        shows=("check-not-delay-clinic",),
        hides=("check-not-delay",),
    ),
    Scene(
        says="M12: the same in hospital, today and after the first doses",
        order=selected("mirtazapine"),
        story=ward("132"),
        fires={"OS-LOW": "info check"},
        shows=("check-not-delay",),
        hides=("check-not-delay-clinic",),
    ),
    Scene(
        says="M12: cyclophosphamide in the day clinic, today and after the first doses",
        order=selected("cyclophosphamide"),
        story=Story(sodium="132"),
        fires={"OS-LOW": "info check"},
        shows=("check-not-delay",),
    ),
    Scene(
        says="A14: linezolid in sepsis at 124 and falling is no reason to delay",
        order=selected("linezolid", route="iv"),
        story=ward("124", problems=(SEPSIS,), results=FALLING),
        fires={"OS-LOW": "warning check"},
        shows=("infection-not-delay",),
        hides=("another-drug-or-wait", "another-drug-ward", "vital-only"),
    ),
    Scene(
        says="A14: linezolid at 128, by mouth, without a code of sepsis",
        order=selected("linezolid"),
        story=ward("128"),
        fires={"OS-LOW": "info check"},
        shows=("infection-not-delay",),
    ),
    Scene(
        says="A14: linezolid in an acute fall",
        order=selected("linezolid", route="iv"),
        story=ward("124", results=(result("sodium", 135, 20),)),
        fires={"OS-LOW": "warning acute"},
        shows=("infection-not-delay", "order-acute"),
        hides=("vital-only",),
    ),
    Scene(
        says="M12: an antipsychotic by mouth or into a muscle may be needed now",
        order=selected("haloperidol"),
        story=ward("124"),
        fires={"OS-LOW": "warning main"},
        shows=("another-or-now",),
        hides=("another-drug-or-wait",),
    ),
    Scene(
        says="M12: an SSRI can wait",
        order=selected("sertraline"),
        story=ward("124"),
        fires={"OS-LOW": "warning main"},
        removes=True,
        shows=("another-drug-or-wait",),
    ),
    Scene(
        says="PH08: amiodarone in 500 mL of dextrose is information, and keeps its diluent",
        order=carrier("amiodarone"),
        story=ward("129"),
        fires={"OS-HYPOTONIC": "info diluent"},
        shows=("keep-diluent", "count-diluent"),
        hides=("choose-isotonic", "no-hypotonic"),
    ),
    Scene(
        says="PH08: a drug that is not known goes into saline, if its label allows it",
        order=carrier(),
        story=ward("124"),
        fires={"OS-HYPOTONIC": "info diluent-water"},
        shows=("change-diluent", "count-diluent"),
        hides=("keep-diluent",),
    ),
    Scene(
        says="PH08: a liter a day of diluent is a warning",
        order=carrier("trimethoprim", ml="1000"),
        story=ward("131"),
        fires={"OS-HYPOTONIC": "warning diluent", "OS-LOW": "info check"},
    ),
    Scene(
        says="PH08: just below a liter a day it is information",
        order=carrier("amiodarone", ml="999"),
        story=ward("131"),
        fires={"OS-HYPOTONIC": "info diluent"},
    ),
    Scene(
        says="PH08: in an acute fall the drug goes on, and nothing removes it",
        order=carrier("amiodarone"),
        story=ward("124", results=(result("sodium", 135, 20),)),
        fires={"OS-HYPOTONIC": "warning diluent"},
        shows=("keep-diluent", "order-acute"),
        hides=("no-hypotonic",),
    ),
    Scene(
        says="PH07: oxytocin goes into isotonic fluid",
        order=carrier("oxytocin"),
        story=ward("131"),
        fires={"OS-HYPOTONIC": "warning kept-water", "OS-LOW": "info check"},
        shows=("isotonic-and-little",),
    ),
    Scene(
        says="PH08: potassium in dextrose is maintenance fluid",
        order=carrier("potassium chloride", ml="1000"),
        story=ward("131"),
        fires={"OS-HYPOTONIC": "warning water"},
        shows=("choose-isotonic",),
    ),
)


@table(SCENES)
def test_what_is_needed_now(scene: Scene) -> None:
    scene.check()


# May a patient wait for it? By class: whoever adds a class to sodium-drugs.toml answers here.
ELECTIVE = {
    *("ssri", "snri", "tca", "antidepressant-other", "iminostilbene", "thiazide", "sulfonylurea"),
}


@pytest.mark.parametrize("cls", sorted({d.cls for d in drugs().values() if d.group in ("A", "B")}))
def test_only_what_can_wait_is_told_to_wait(cls: str) -> None:
    name = next(n for n, d in drugs().items() if d.cls == cls and d.group in ("A", "B"))
    for story in (ward("124", problems=(SEPSIS,)), ward("128"), ward("124", results=FALLING)):
        scene = Scene(says=name, order=selected(name), story=story)
        told = [key for finding in scene.findings().values() for key in _keys(finding)]
        waits = [key for key in told if key in ("another-drug-or-wait", "vital-only")]
        assert cls in ELECTIVE or not waits, f"{name} is told to wait: {told}"


def _keys(finding: Finding) -> list[str]:
    return [line.key for line in (*finding.do, *finding.why)]


def test_a_running_diluent_is_not_stopped() -> None:
    running = replace(
        carrier("amiodarone"), reference="MedicationRequest/2", status="active", intent="order"
    )
    keys = _keys(fired(ward("124", orders=(running,)).case())["PV-MOD"])
    assert "running-diluent-unnamed" in keys
    assert "running-hypotonic-unnamed" not in keys
