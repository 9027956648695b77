"""On a severe card lost volume stands before the risk of a fast rise, within the first four lines (F27)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sodium.patients import Story, problem, result
from tests.sodium.rules.cases import fired, keys

RISK = problem("malnutrition", days=40)
DRY = (result("systolic", 98), result("heart-rate", 118), result("urine-sodium", 12))


def severe_card(*problems: Any, profile: str = "aasld", **more: Any) -> list[str]:
    story = Story(sodium="112", setting="inpatient", problems=problems, **more)
    return keys(fired(story.case(profile))["PV-SEV"])


@pytest.mark.parametrize("profile", ["aasld", "european"])
@pytest.mark.parametrize(
    ("lost", "told"),
    [
        (problem("hypovolemia", days=0.5), "hypovolemia-replace-now"),
        (problem("diarrhea", days=1), "hypovolemia-losses-now"),
    ],
)
def test_lost_volume_is_among_the_first_four_lines(profile: str, lost: Any, told: str) -> None:
    said = severe_card(RISK, lost, profile=profile, results=DRY)
    assert said[1] == told
    assert said[2].startswith("risk-")
    assert said.count(told) == 1


def test_without_lost_volume_the_risk_stands_there() -> None:
    assert severe_card(RISK)[1].startswith("risk-")


def test_without_a_risk_it_stands_before_the_advice() -> None:
    told = severe_card(problem("hypovolemia", days=0.5))
    assert told[1:3] == ["hypovolemia-replace-now", "severe-advice-room"]
