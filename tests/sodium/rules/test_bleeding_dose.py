"""Desmopressin against a bleeding at a low sodium names what its label forbids (M13)."""

from __future__ import annotations

from itertools import product

import pytest
from msgspec.structs import replace

from cds_service.engine.finding import Finding
from cds_service.sodium.snapshot import LabResult
from tests.sodium.patients import Story, problem, result
from tests.sodium.rules.orders import Scene, selected, table

DOSE = replace(selected("desmopressin", route="iv"), hemostatic=True)
KIDNEYS = {
    "label-bleeding-creatinine": ((result("creatinine", "4.1"),), ()),
    "label-bleeding-egfr": ((result("egfr", "14"),), ()),
    "label-bleeding": ((), (problem("ckd-4-5", days=900),)),
}
LEVELS = {"121": "critical", "124.9": "critical", "125": "warning", "129": "warning"}


def scene(says: str, sodium: str, fires: str, shows: str, results: tuple[LabResult, ...]) -> Scene:
    """Returns a dose against bleeding in hospital, with these kidney values."""
    return Scene(
        says=f"M13: {says}",
        order=DOSE,
        story=Story(sodium=sodium, setting="inpatient", results=results),
        fires={"OS-DDAVP": fires},
        shows=(shows,),
    )


EGFR = (result("egfr", "14"),)
CREATININE = (result("creatinine", "4.1"),)
SCENES = (
    scene("eGFR 14", "127", "warning bleeding-hold", "label-bleeding-egfr", EGFR),
    scene("creatinine", "127", "warning bleeding-hold", "label-bleeding-creatinine", CREATININE),
    scene("normal sodium, eGFR 14", "139", "info hemostatic", "label-bleeding-kidney", EGFR),
)


@table(SCENES)
def test_bleeding_dose(scene: Scene) -> None:
    scene.check()


def spoken(story: Story) -> Finding:
    """Returns the card on the dose against bleeding."""
    return Scene(says="", order=DOSE, story=story).findings()["OS-DDAVP"]


@pytest.mark.parametrize(
    ("sodium", "kidney", "bleeds"), list(product(LEVELS, KIDNEYS, (False, True)))
)
def test_m13_both_contraindications_stay_beside_a_bleeding(
    sodium: str, kidney: str, bleeds: bool
) -> None:
    results, problems = KIDNEYS[kidney]
    now = (problem("gi-bleed", days=1),) if bleeds else ()
    card = spoken(
        Story(sodium=sodium, setting="inpatient", results=results, problems=(*problems, *now))
    )
    told = [said.key for said in card.do]
    assert told[0] == kidney
    assert {"bleeding-limit-fluid", "bleeding-check"} <= set(told[:4])
    assert ("bleeding-hold" in told[:4]) is not bleeds
    assert "bleeding-means-kidney" in told
    assert "bleeding-other-means" not in told
    assert card.indicator == ("warning" if bleeds else LEVELS[sodium])
    assert card.variant == ("bleeding" if bleeds else "bleeding-hold")


def test_m13_healthy_kidneys_keep_the_word_on_tranexamic_acid() -> None:
    card = spoken(Story(sodium="127", setting="inpatient", results=(result("egfr", "85"),)))
    told = [said.key for said in card.do]
    assert told[0] == "label-bleeding-egfr"
    assert "bleeding-other-means" in told


@pytest.mark.parametrize("weak", [False, True])
def test_m13_at_a_normal_sodium_weak_kidneys_are_told(weak: bool) -> None:
    results = (result("egfr", "14" if weak else "85"),)
    card = spoken(Story(sodium="139", setting="inpatient", results=results))
    assert card.variant == "hemostatic"
    assert ("label-bleeding-kidney" in [said.key for said in card.do]) is weak
