"""Palliative care alone silences no card: it names the goals of care, and chooses no test (M15)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sodium.patients import Story, problem
from tests.sodium.rules.cases import fired, keys

HOSPICE = problem("hospice", days=20)


@pytest.mark.parametrize(
    ("na", "problems", "rule"),
    [
        ("118", (), "PV-SEV"),
        ("118", (problem("seizure", days=0.03, encounter=True),), "PV-SYMP"),
        ("121", (problem("confusion", days=0.05, encounter=True),), "PV-ENC"),
        ("123", (), "PV-MOD"),
    ],
)
def test_the_goals_of_care_are_named_and_no_test_is_chosen(
    na: str, problems: Any, rule: str
) -> None:
    def card(*found: Any) -> Any:
        return fired(Story(sodium=na, setting="inpatient", problems=found).case())[rule]

    usual, palliative = card(*problems), card(*problems, HOSPICE)
    assert "palliative" in keys(palliative)[:2]
    assert "palliative" not in keys(usual)
    assert palliative.indicator == usual.indicator
    assert not any(suggestion.recommended for suggestion in palliative.suggestions)
    assert [s.kind for s in palliative.suggestions] == [s.kind for s in usual.suggestions]
