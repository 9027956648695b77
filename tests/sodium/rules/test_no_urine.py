"""Without urine a high glucose takes no volume away, and no line invites liters (F26, M5)."""

from __future__ import annotations

from itertools import product

import pytest

from cds_service.knowledge.limits import PROFILES
from tests.sodium.patients import Story, problem, result
from tests.sodium.rules.cases import detail, fired
from tests.sodium.rules.orders import Scene, saline, table
from tests.sodium.rules.test_order_select_words import text_of

UNTRUE = ("osmotic diuresis", "volume depletion", "insulin and isotonic fluid")
WITHOUT = ("dialysis", "anuria")
SYMPTOMS = ("", "somnolence", "confusion", "seizure")


def sweet(without: str, sodium: str, glucose: int, symptom: str = "") -> Story:
    """A high glucose in a patient who makes no urine."""
    ill = (problem(symptom, days=0.1, encounter=True),) if symptom else ()
    problems = (*((problem(without, days=90),) if without else ()), *ill)
    measured = (result("glucose", glucose, 2), result("potassium", "4.6"))
    return Story(sodium=sodium, setting="inpatient", results=measured, problems=problems)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("without", WITHOUT)
@pytest.mark.parametrize("symptom", SYMPTOMS)
def test_no_card_speaks_of_losses_by_urine_or_of_liters(
    symptom: str, without: str, profile: str
) -> None:
    seen = 0
    for sodium, glucose in product(("112", "117", "124", "131"), (320, 700, 1080)):
        story = sweet(without, sodium, glucose, symptom)
        said = [text for card in fired(story.case(profile)).values() for text in detail(card)]
        for order in (saline(), saline("0.9", "isotonic", "1000")):
            found = Scene(says="", order=order, story=story, profile=profile).findings()
            said += [text_of(rule, one) for rule, f in found.items() for one in (*f.do, *f.why)]
        assert not [text for text in said if any(words in text for words in UNTRUE)]
        seen += any("takes no volume away" in text for text in said)
    assert seen or symptom in ("somnolence", "seizure")  # the restriction is told of later


def test_with_urine_it_stays_as_it_was() -> None:
    said = [text for card in fired(sweet("", "117", 1080).case()).values() for text in detail(card)]
    assert any("osmotic diuresis" in text for text in said)


SCENES = tuple(
    Scene(
        says=f"F26: {without}: a symptom fits the glucose, and insulin comes without liters",
        order=saline(),
        story=sweet(without, "112", 1300, symptom),
        fires={
            "OS-HTS-GLU": "warning main",
            **({} if symptom else {"OS-HTS-MILD": "warning main"}),
        },
        removes=not symptom,
        shows=("coma-fits-no-urine" if symptom else "coma-fits-no-urine-none",),
        hides=("coma-fits-glucose", "coma-fits-glucose-none", "treat-first"),
    )
    for without in WITHOUT
    for symptom in ("somnolence", "")
)


@table(SCENES)
def test_the_orders(scene: Scene) -> None:
    scene.check()
