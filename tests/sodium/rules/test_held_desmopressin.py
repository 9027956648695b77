"""On the chart desmopressin against a bleeding or for nocturia is held; else it never stops (F1)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.cases import fired
from tests.sodium.rules.charts import rising

HOLD, NEVER = "hold-desmopressin", "never-stop-desmopressin"
BLEEDS, NOCTURIA = problem("bleeding-disorder", days=900), problem("nocturia", days=900)
INSIPIDUS = problem("diabetes-insipidus", days=900)


def lines(*problems: Any, **more: Any) -> set[str]:
    """The lines of the cards of a chart with a fall from 139 to 117, and confusion."""
    story = Story(
        sodium="117",
        setting="inpatient",
        results=(result("sodium", "139", 31),),
        problems=(problem("confusion", days=0.1, encounter=True), *problems),
        orders=(replace(order("desmopressin", days=60), **more),),
    )
    return {line.key for card in fired(story.case()).values() for line in (*card.do, *card.why)}


@pytest.mark.parametrize(
    ("problems", "more"),
    [
        ((BLEEDS,), {}),
        ((), {"hemostatic": True}),
        ((NOCTURIA,), {}),
        ((), {"reasons": frozenset({"nocturia"})}),
    ],
    ids=["a bleeding disorder", "the dose against a bleeding", "nocturia", "nocturia as reason"],
)
def test_desmopressin_that_replaces_no_hormone_is_held(problems: Any, more: Any) -> None:
    assert HOLD in lines(*problems, **more)
    assert NEVER not in lines(*problems, **more)


@pytest.mark.parametrize(
    "problems",
    [(INSIPIDUS,), (INSIPIDUS, NOCTURIA), (BLEEDS, problem("pituitary-disease", days=900)), ()],
    ids=["diabetes insipidus", "beside nocturia", "a disease of the pituitary", "not known"],
)
def test_desmopressin_that_may_replace_the_hormone_never_stops(problems: Any) -> None:
    assert NEVER in lines(*problems)
    assert HOLD not in lines(*problems)


def test_desmopressin_that_brakes_a_rise_is_not_held() -> None:
    risen = rising(124, 112, BLEEDS, orders=(order("desmopressin", days=60),))
    assert not any(line.key == HOLD for card in fired(risen.case()).values() for line in card.do)
