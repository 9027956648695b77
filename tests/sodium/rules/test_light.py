"""A bolus is told by weight to a patient of low weight, on the chart as beside an order (F9)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from cds_service.knowledge.limits import PROFILES
from tests.sodium.patients import Story, result
from tests.sodium.rules.cases import fired
from tests.sodium.rules.charts import LIGHT

BY_WEIGHT = {"give-by-weight", "single-bolus-by-weight", "bolus-now-by-weight"}
IDS = ["confused", "seizure", "acute fall", "confused after a fall"]


def boluses(story: Story, profile: str) -> set[str]:
    """Returns the lines on a bolus of every card of the chart."""
    lines = [told for card in fired(story.case(profile)).values() for told in card.do]
    return {told.key for told in lines if "bolus" in told.key or told.key in BY_WEIGHT}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("story", LIGHT, ids=IDS)
def test_a_light_patient_gets_a_bolus_by_weight(story: Story, profile: str) -> None:
    told = boluses(story, profile)
    assert told
    assert told <= BY_WEIGHT


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("story", LIGHT, ids=IDS)
def test_from_fifty_kilograms_on_the_bolus_is_that_of_the_profile(
    story: Story, profile: str
) -> None:
    others = tuple(r for r in story.results if r.analyte != "weight")
    heavier = replace(story, results=(*others, result("weight", 50, 24)))
    assert not boluses(heavier, profile) & BY_WEIGHT
