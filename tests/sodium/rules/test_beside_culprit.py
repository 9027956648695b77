"""A drug of group B is begun beside a strong drug that may be lowering sodium already (M12)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from cds_service.engine.finding import Finding
from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.cases import keys
from tests.sodium.rules.orders import Scene, selected, table

FALLEN = Story(
    sodium="127",
    setting="inpatient",
    results=(result("sodium", "130", 90), result("sodium", "135", 24 * 200)),
)
ON_SERTRALINE = replace(FALLEN, orders=(order("sertraline", days=30),))
STRONG = ("sertraline", "venlafaxine", "indapamide", "carbamazepine")
SEROTONERGIC = ("tramadol", "amitriptyline", "vortioxetine")
GROUP_B = (*SEROTONERGIC, "haloperidol", "olanzapine", "valproate")

SCENES = (
    Scene(
        says="M12: tramadol beside sertraline: both, the culprit goes on, and another drug for pain",
        order=selected("tramadol"),
        story=ON_SERTRALINE,
        fires={"OS-LOW": "info beside"},
        shows=("beside-culprit-serotonin", "keep-partner", "pain-options", "another-or-now"),
        hides=("other-lowering",),
    ),
    Scene(
        says="M12: so it is below the limit of group B, as a warning",
        order=selected("tramadol"),
        story=replace(ON_SERTRALINE, sodium="125"),
        fires={"OS-LOW": "warning beside"},
        shows=("beside-culprit-serotonin", "pain-options"),
    ),
    Scene(
        says="M12: tramadol by itself names another drug for pain",
        order=selected("tramadol"),
        story=FALLEN,
        fires={"OS-LOW": "info main"},
        shows=("pain-options", "another-or-now"),
        hides=("beside-culprit", "beside-culprit-serotonin", "keep-partner"),
    ),
    Scene(
        says="M12: an antipsychotic beside a thiazide: no serotonin, and nothing that goes on",
        order=selected("haloperidol"),
        story=replace(FALLEN, orders=(order("indapamide", days=30),)),
        fires={"OS-LOW": "info beside"},
        shows=("beside-culprit", "another-or-now"),
        hides=("beside-culprit-serotonin", "keep-partner", "pain-options"),
    ),
    Scene(
        says="M12: a tricyclic beside carbamazepine, which is never stopped abruptly",
        order=selected("amitriptyline"),
        story=replace(FALLEN, orders=(order("carbamazepine", days=30),)),
        fires={"OS-LOW": "info beside"},
        shows=("beside-culprit", "keep-partner-antiseizure"),
        hides=("beside-culprit-serotonin",),
    ),
    Scene(
        says="M12: a renewal of tramadol is no start beside it",
        order=selected("tramadol"),
        story=replace(ON_SERTRALINE, orders=(*ON_SERTRALINE.orders, order("tramadol", days=30))),
        fires={"OS-LOW": "info main"},
        shows=("other-lowering",),
        hides=("beside-culprit-serotonin",),
    ),
)


@table(SCENES)
def test_scene(scene: Scene) -> None:
    scene.check()


def card_of(name: str, story: Story) -> Finding:
    return Scene(says=name, order=selected(name), story=story).findings()["OS-LOW"]


@pytest.mark.parametrize("sodium", ["122", "125.9", "126", "129", "132"])
@pytest.mark.parametrize("partner", STRONG)
@pytest.mark.parametrize("name", GROUP_B)
def test_m12_the_first_line_and_the_headline_name_the_running_drug(
    name: str, partner: str, sodium: str
) -> None:
    story = replace(FALLEN, sodium=sodium, orders=(order(partner, days=30),))
    card = card_of(name, story)
    serotonin = name in SEROTONERGIC and partner in ("sertraline", "venlafaxine")
    assert card.variant == "beside"
    assert card.facts["partner"] == card.do[0].facts["partner"] == partner
    assert card.do[0].key == ("beside-culprit-serotonin" if serotonin else "beside-culprit")
    assert card.indicator == ("warning" if sodium in ("122", "125.9") else "info")


@pytest.mark.parametrize("name", ["bupropion", "mirtazapine", "trazodone"])
def test_m12_group_c_keeps_its_words(name: str) -> None:
    card = card_of(name, ON_SERTRALINE)
    assert not any(key.startswith("beside-culprit") for key in keys(card))


def test_m12_in_an_acute_fall_the_running_drug_is_named_too() -> None:
    story = replace(ON_SERTRALINE, results=(result("sodium", "139", 20),))
    card = card_of("tramadol", story)
    assert card.variant == "acute"
    assert "beside-culprit-serotonin" in keys(card)


def test_m12_valproate_in_a_seizure_is_not_held_up() -> None:
    story = replace(ON_SERTRALINE, problems=(problem("seizure", days=1),))
    assert "beside-culprit" not in keys(card_of("valproate", story))
