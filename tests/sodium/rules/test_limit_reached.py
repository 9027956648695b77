"""A rise that has come to its limit leaves no room: what raises sodium is stopped (F32)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sodium.patients import Story
from tests.sodium.rules.cases import fired
from tests.sodium.rules.charts import DILUTE, HIGH_RISK, SALINE_3, rising


def rate_card(story: Story, profile: str = "aasld") -> tuple[str, str, list[str]]:
    """Returns level, summary and lines of the card on a rise that did not pass its limit."""
    card = fired(story.case(profile))["RATE-NEAR"]
    return card.indicator, card.variant, [told.key for told in card.do]


@pytest.mark.parametrize(
    ("now", "start", "problems", "profile", "level"),
    [
        (118, 110, (HIGH_RISK,), "aasld", "warning"),
        (118, 110, (HIGH_RISK,), "european", "warning"),
        (120, 112, (), "aasld", "info"),
        (122, 112, (), "european", "info"),
    ],
)
def test_at_the_limit_what_raises_sodium_is_stopped(
    now: float, start: float, problems: tuple[Any, ...], profile: str, level: str
) -> None:
    found, summary, lines = rate_card(rising(now, start, *problems), profile)
    assert (found, summary) == (level, "reached")
    assert lines[0] == "stop-raising-until"
    assert "slow-down" not in lines


@pytest.mark.parametrize(("now", "start"), [(119.9, 112), (118.5, 112)])
def test_below_the_limit_what_is_left_is_told(now: float, start: float) -> None:
    _, summary, lines = rate_card(rising(now, start))
    assert summary == "near"
    assert "stop-raising-until" not in lines


def test_at_the_limit_running_saline_is_stopped_and_a_dilute_urine_is_braked() -> None:
    story = rising(118, 110, HIGH_RISK, orders=(SALINE_3,), results=DILUTE)
    assert rate_card(story)[2][:3] == [
        "stop-raising-until",
        "running-hypertonic-stop-unnamed",
        "brake",
    ]


def test_above_it_the_card_on_over_correction_comes() -> None:
    found = fired(rising(118.1, 110, HIGH_RISK).case())
    assert "RATE-OVER" in found
    assert "RATE-NEAR" not in found
