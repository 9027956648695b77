"""A fluid for dialysis that runs takes sodium up as saline does, and is named so (F26)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.engine.cards import FACE_BULLETS
from cds_service.knowledge.limits import PROFILES
from cds_service.sodium.snapshot import Order
from cds_service.terminology.types import RecordText
from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.cases import fired, text_of

RUNNING = replace(
    order("dialysis fluid", days=0.4, reference="MedicationRequest/3"),
    fluid_name=RecordText("Phoxilium"),
)
DIALYSIS = problem("dialysis", days=900)


def rise(base: float, now: float, hours: float, *problems: Any, fluid: Order = RUNNING) -> Story:
    """A rise within so many hours, with a fluid for dialysis on the list."""
    before = (result("sodium", base, hours + 0.5),)
    return Story(
        sodium=now,
        sodium_hours=0.5,
        setting="inpatient",
        results=before,
        problems=problems,
        orders=(fluid,),
    )


def faces(story: Story, profile: str = "aasld") -> str:
    """The first lines of every card."""
    return " ".join(
        text_of(card, told)
        for card in fired(story.case(profile)).values()
        for told in card.do[:FACE_BULLETS]
    )


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("symptom", ["", "confusion", "seizure"])
@pytest.mark.parametrize("known", [False, True], ids=["not coded", "dialysis"])
@pytest.mark.parametrize(
    ("base", "now", "hours"),
    [(110, 110, 11), (110, 115, 11), (112, 118, 9), (116, 124, 20)],
    ids=["steady", "rising", "near", "near the limit"],
)
def test_f26_the_fluid_that_runs_is_among_the_first_lines(
    base: float, now: float, hours: float, known: bool, symptom: str, profile: str
) -> None:
    ill = (problem(symptom, days=0.05, encounter=True),) if symptom else ()
    coded = (DIALYSIS,) if known else ()
    assert "Phoxilium" in faces(rise(base, now, hours, *coded, *ill), profile)


@pytest.mark.parametrize("profile", PROFILES)
def test_f26_above_the_limit_it_is_named_as_what_raises_sodium(profile: str) -> None:
    assert "Phoxilium" in faces(rise(110, 122, 20), profile)
    assert "Phoxilium" in faces(rise(119, 131, 20), profile)


def test_f26_not_if_it_has_ended_nor_at_a_sodium_that_it_does_not_harm() -> None:
    ended = replace(RUNNING, status="completed")
    assert "Phoxilium" not in faces(rise(110, 115, 11, fluid=ended))
    assert "Phoxilium" not in faces(rise(129, 130, 11))


def test_f31_under_it_a_rise_that_is_about_to_pass_its_limit_presses() -> None:
    alone = replace(rise(115, 123.5, 9.5), orders=()).case("european")
    assert fired(alone)["RATE-NEAR"].indicator == "info"
    assert fired(rise(115, 123.5, 9.5).case("european"))["RATE-NEAR"].indicator == "warning"
