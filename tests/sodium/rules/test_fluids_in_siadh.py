"""Isotonic fluid that runs in SIADH can lower sodium further: the card of the chart says so (F28)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.sodium.patients import Story, isotonic, problem, result
from tests.sodium.rules.cases import fired
from tests.sodium.rules.charts import in_siadh

NAMED = ("running-isotonic", "running-isotonic-unnamed")


def lines(story: Story) -> list[str]:
    """Returns the keys of what to do, on every card of the chart."""
    return [told.key for card in fired(story.case()).values() for told in card.do]


@pytest.mark.parametrize("sodium", ["118", "122", "127"])
def test_running_saline_is_named_as_what_may_lower_sodium(sodium: str) -> None:
    assert any(key in NAMED for key in lines(in_siadh(isotonic("1000"), sodium=sodium)))


@pytest.mark.parametrize(
    "story",
    [
        in_siadh(),
        in_siadh(isotonic("100")),
        in_siadh(isotonic("1000", status="completed")),
        Story(
            sodium="122",
            setting="inpatient",
            problems=(problem("dehydration", days=1),),
            orders=(isotonic("1000"),),
        ),
    ],
)
def test_saline_is_not_named_where_it_is_small_ended_or_needed(story: Story) -> None:
    assert not any(key in NAMED for key in lines(story))


def test_saline_is_not_named_by_this_line_while_sodium_rises_fast() -> None:
    low = in_siadh(isotonic("1000"), sodium="124")
    story = replace(low, results=(*low.results, result("sodium", 112, 22)))
    assert not any(key in NAMED for key in lines(story))
