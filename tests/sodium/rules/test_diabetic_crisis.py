"""In a diabetic crisis sodium moves with the glucose: it is measured every 2 h at first (F14)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sodium.patients import Story, problem, result
from tests.sodium.rules.cases import fired, keys, part_keys
from tests.sodium.rules.charts import rising

TWO_HOURS = 2 * 3600
KETOACIDOSIS = problem("hyperglycemic-crisis", days=0.2, encounter=True)


def crisis(sodium: str, glucose: int, *problems: Any, hours: float = 0.5) -> Story:
    """A sodium with the glucose of the same tube."""
    results = (result("glucose", glucose, hours), result("sodium", "139", 24 * 60))
    return Story(
        sodium=sodium,
        sodium_hours=hours,
        setting="inpatient",
        results=results,
        problems=problems,
    )


CASES = {
    "explained": crisis("127", 828),
    "nearly explained": crisis("122", 900),
    "moderate at the least glucose of a crisis": crisis("113", 600),
    "severe": crisis("104", 700),
    "ketoacidosis on record": crisis("124", 320, KETOACIDOSIS),
}


@pytest.mark.parametrize("profile", ["aasld", "european"])
@pytest.mark.parametrize("story", CASES.values(), ids=CASES)
def test_the_next_sodium_is_due_in_two_hours(story: Story, profile: str) -> None:
    cards = fired(story.case(profile))
    draws = [
        s
        for card in cards.values()
        for s in card.suggestions
        if s.kind.startswith("repeat-sodium") and s.within is not None
    ]
    assert draws
    assert all(s.within is not None and s.within.total_seconds() <= TWO_HOURS for s in draws)
    assert any("monitor-crisis" in part_keys(card) for card in cards.values())


def test_an_older_value_is_repeated_now() -> None:
    card = fired(crisis("127", 828, hours=3).case())["PV-GLU"]
    assert [s.kind for s in card.suggestions] == ["repeat-sodium-now"]


def test_below_a_crisis_four_hours_are_enough() -> None:
    card = fired(crisis("131", 400).case())["PV-GLU"]
    assert "monitor-glucose" in keys(card)
    (draw,) = card.suggestions
    assert draw.within is not None
    assert draw.within.total_seconds() == 2 * TWO_HOURS


def test_beside_a_rise_near_the_limit_two_hours_too() -> None:
    story = rising(121, 113.5, KETOACIDOSIS, hours=23)
    cards = fired(story.case())
    told = {key for card in cards.values() for key in keys(card)}
    assert {"monitor-over", "monitor-crisis"} & told, told
    assert "monitor-near" not in told
