"""A drug that lowers sodium is not begun while low sodium is an emergency (F1, M12)."""

from __future__ import annotations

from itertools import product

import pytest
from msgspec.structs import replace

from cds_service.engine.finding import RemoveDraft
from tests.sodium.patients import Story, drugs, order, problem, result
from tests.sodium.rules.orders import Scene, selected, table

SEIZURE = problem("seizure", days=0.05, encounter=True)
SERTRALINE = selected("sertraline")


def ill(sodium: str = "117", *symptoms: str) -> Story:
    """An inpatient with a low sodium and symptoms of this hour."""
    named = symptoms or ("seizure",)
    problems = tuple(problem(name, days=0.05, encounter=True) for name in named)
    return Story(sodium=sodium, setting="inpatient", problems=problems)


FALLING = replace(ill("120"), results=(result("sodium", 138, 20),))

SCENES = (
    Scene(
        says="M12: sertraline at 117 with a seizure: the danger first, and it is not begun",
        order=SERTRALINE,
        story=ill(),
        fires={"OS-LOW": "critical emergency"},
        shows=("order-symptom", "not-in-an-emergency"),
        hides=("another-drug-or-wait", "no-bupropion", "watch-for"),
    ),
    Scene(
        says="M12: a thiazide with a coma at 122",
        order=selected("hydrochlorothiazide"),
        story=ill("122", "coma"),
        fires={"OS-LOW": "warning emergency"},
        removes=True,
        shows=("order-symptom", "not-in-an-emergency"),
    ),
    Scene(
        says="M12: amitriptyline is of group B: no removal",
        order=selected("amitriptyline"),
        story=ill("122"),
        fires={"OS-LOW": "warning emergency"},
        shows=("not-in-an-emergency",),
    ),
    Scene(
        says="M12: what is taken is not begun",
        order=SERTRALINE,
        story=replace(ill(), orders=(order("sertraline", days=300),)),
        fires={"OS-LOW": "critical main"},
        shows=("order-symptom", "not-abruptly"),
        hides=("not-in-an-emergency",),
    ),
    Scene(
        says="M12: mirtazapine stays information, and the danger is named",
        order=selected("mirtazapine"),
        story=ill(),
        fires={"OS-LOW": "info check"},
        shows=("order-symptom", "check-not-delay"),
    ),
    Scene(
        says="M12: an antibiotic is not held up, and the danger is named",
        order=selected("linezolid", route="iv"),
        story=ill(),
        fires={"OS-LOW": "warning check"},
        shows=("order-symptom", "infection-not-delay"),
        hides=("not-in-an-emergency",),
    ),
    Scene(
        says="M12: carbamazepine against the seizure keeps its own words and level",
        order=selected("carbamazepine"),
        story=ill(),
        fires={"OS-LOW": "info seizure"},
        shows=("order-symptom", "seizure-other-drug"),
    ),
    Scene(
        says="M12: carbamazepine for pain, in a coma without a seizure",
        order=selected("carbamazepine"),
        story=ill("117", "coma"),
        fires={"OS-LOW": "critical emergency"},
        removes=True,
        shows=("not-in-an-emergency",),
    ),
    Scene(
        says="F3: sertraline in an acute fall with a seizure",
        order=SERTRALINE,
        story=replace(FALLING, problems=(SEIZURE,)),
        fires={"OS-LOW": "warning acute"},
        shows=("order-symptom", "vital-only"),
    ),
    Scene(
        says="M12: a seizure that this sodium does not explain keeps the order",
        order=SERTRALINE,
        story=ill("131"),
        fires={"OS-LOW": "warning main"},
        hides=("order-symptom", "not-in-an-emergency"),
    ),
)


@table(SCENES)
def test_scene(scene: Scene) -> None:
    """The danger of now comes first."""
    scene.check()


GROUPS = {
    group: [name for name, found in sorted(drugs().items()) if found.group == group]
    for group in ("A", "B", "C")
}
SYMPTOMS = ("seizure", "coma", "respiratory-failure", "herniation")


@pytest.mark.parametrize("group", ["A", "B"])
def test_the_danger_is_on_the_card_of_each_drug(group: str) -> None:
    """Each drug of the two loud groups names the danger; a seizure code keeps every order (M12)."""
    for name, symptom, sodium in product(GROUPS[group], SYMPTOMS, ("112", "118", "123")):
        scene = Scene(says=name, order=selected(name), story=ill(sodium, symptom))
        card = scene.findings().get("OS-LOW")
        if card is None:  # a rule of its own speaks of it
            continue
        told = [line.key for line in card.do]
        assert told[0] in ("order-symptom", "order-symptom-examine"), (name, symptom, told)
        actions = [action for button in card.suggestions for action in button.actions]
        removes = any(isinstance(action, RemoveDraft) for action in actions)
        if group == "B" or symptom == "seizure":
            assert not removes, (name, symptom)
        else:
            assert removes, (name, symptom)


def test_no_drug_of_an_emergency_gets_louder() -> None:
    """A drug of group C stays information beside a seizure, at every sodium."""
    for name, sodium in product(GROUPS["C"], ("112", "118", "123")):
        card = Scene(says=name, order=selected(name), story=ill(sodium)).findings().get("OS-LOW")
        assert card is None or card.indicator == "info" or card.variant == "shock", name
