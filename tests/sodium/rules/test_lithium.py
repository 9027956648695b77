"""A level of lithium is judged, and measured in kidney injury (F6)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from cds_service.engine.finding import Finding
from tests.sodium.patients import Story, problem
from tests.sodium.rules.cases import fired
from tests.sodium.rules.charts import on_lithium

FACE = 4  # so many lines are read before "More"
CONFUSED = problem("confusion", days=0.1)


def card(story: Story) -> Finding:
    """The card of the sodium, which is the first."""
    found = fired(story.case())
    return next(f for f in found.values() if any(k in f.rule for k in ("PV-",)))


def keys(story: Story) -> list[str]:
    return [line.key for line in card(story).do]


@pytest.mark.parametrize("sodium", ["132", "124", "117"])
@pytest.mark.parametrize("problems", [(), (CONFUSED,)], ids=["well", "confused"])
def test_f6_a_toxic_level_is_read_before_more_on_every_card(
    sodium: str, problems: tuple[object, ...]
) -> None:
    story = on_lithium("1.5", "ibuprofen", sodium=sodium, problems=problems)
    assert "lithium-toxic-drugs" in keys(story)[:FACE]
    assert "lithium-toxic" in keys(on_lithium("1.5", sodium=sodium, problems=problems))[:FACE]


def test_f6_a_level_below_the_edge_is_told_without_a_judgement() -> None:
    found = card(on_lithium("1.4", "ibuprofen"))
    said = [line.key for line in (*found.do, *found.why)]
    assert "measured-lithium" in said
    assert not [key for key in said if key.startswith("lithium-")]


def test_f6_a_toxic_level_is_not_told_twice() -> None:
    found = card(on_lithium("2.1"))
    assert "measured-lithium" not in [line.key for line in (*found.do, *found.why)]


def test_f6_without_a_level_kidney_injury_and_a_drug_that_raises_it_ask_for_one() -> None:
    asks = on_lithium(None, "ibuprofen", "ramipril")
    assert "lithium-unmeasured" in keys(asks)[:FACE]
    assert "lithium-unmeasured" not in keys(on_lithium(None))
    assert "lithium-unmeasured" not in keys(replace(asks, problems=()))
    assert "lithium-unmeasured" not in keys(replace(asks, orders=asks.orders[1:]))
