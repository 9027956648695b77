"""A dilute urine means water intake: a drug that is selected is not called the cause (M12, F27)."""

from __future__ import annotations

import pytest

from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.orders import Scene, selected, table

BLAMES = {"same-group", "same-group-both", "another-drug", "another-drug-ward", "another-or-now"}
BLAMES |= {"another-drug-or-wait", "another-group", "beside-culprit", "beside-culprit-serotonin"}
DRINKS = problem("psychogenic-polydipsia", days=900)
TAKEN = {"clozapine": "olanzapine", "risperidone": "olanzapine", "sertraline": "citalopram"}
TAKEN |= {"tramadol": "sertraline", "venlafaxine": "sertraline"}


def drinker(taken: str, osmolality: str, sodium: str = "127") -> Story:
    """Returns a patient in hospital with recorded polydipsia and this urine."""
    return Story(
        sodium=sodium,
        setting="inpatient",
        results=(result("urine-osmolality", osmolality),),
        problems=(DRINKS,),
        orders=(order(taken, days=300),),
    )


SCENES = (
    Scene(
        says="M12: clozapine beside olanzapine in polydipsia, urine 78",
        order=selected("clozapine"),
        story=drinker("olanzapine", "78"),
        fires={"OS-LOW": "info main"},
        shows=("intake-not-drug", "clozapine-lessens"),
        hides=tuple(BLAMES),
    ),
    Scene(
        says="M12: sertraline beside citalopram, urine 78",
        order=selected("sertraline"),
        story=drinker("citalopram", "78"),
        fires={"OS-LOW": "warning main"},
        shows=("intake-not-drug", "intake-watch"),
        hides=tuple(BLAMES),
    ),
)


@table(SCENES)
def test_water_intake(scene: Scene) -> None:
    scene.check()


@pytest.mark.parametrize("osmolality", ["60", "99", "100", "350"])
@pytest.mark.parametrize("drug", list(TAKEN))
def test_m12_only_a_dilute_urine_acquits_the_drug(drug: str, osmolality: str) -> None:
    scene = Scene(says="", order=selected(drug), story=drinker(TAKEN[drug], osmolality))
    card = scene.findings()["OS-LOW"]
    told = {said.key for said in card.do}
    dilute = float(osmolality) < 100
    assert ("intake-not-drug" in told) is dilute
    assert bool(told & BLAMES) is not dilute


@pytest.mark.parametrize("taken", ["sertraline", "hydrochlorothiazide"])
def test_m12_a_thiazide_is_never_acquitted(taken: str) -> None:
    scene = Scene(says="", order=selected("hydrochlorothiazide"), story=drinker(taken, "78"))
    told = {said.key for finding in scene.findings().values() for said in finding.do}
    assert "intake-not-drug" not in told
