"""A vaptan that is taken is told what its order would be told; a harmless one stays silent (F19)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.engine.finding import Finding, Silence
from cds_service.sodium.rules.book import BOOK
from cds_service.sodium.snapshot import Missing
from tests.sodium.patients import Story, order, problem
from tests.sodium.rules.charts import ON_VAPTAN, on_vaptan

RULES = (BOOK.chart["PV-VAPTAN"], BOOK.discharge["DC-VAPTAN"])
POLYCYSTIC = problem("adpkd", days=900)


def for_kidneys(*partners: object, **more: Any) -> Story:
    """Tolvaptan for polycystic kidney disease, taken for two years."""
    story = on_vaptan(*partners, sodium="139", days=700, problems=(POLYCYSTIC,), **more)
    plain = replace(story.orders[0], hyponatremia_product=False, adpkd=True)
    return replace(story, orders=(plain, *story.orders[1:]))


@pytest.mark.parametrize(
    ("fires", "key", "story"), ON_VAPTAN, ids=[f"{one[1]} {one[0]}" for one in ON_VAPTAN]
)
def test_f19_each_danger_of_a_vaptan_that_is_taken_has_its_card(
    fires: str, key: str, story: Story
) -> None:
    for rule in RULES:
        found = rule(story.case())
        assert isinstance(found, Finding), found
        assert (f"{found.indicator} {found.variant}", found.do[0].key) == (fires, key)


@pytest.mark.parametrize(
    "story",
    [
        on_vaptan(),
        on_vaptan(order("amlodipine")),
        on_vaptan(order("clarithromycin", status="completed", ended=3)),
        on_vaptan(days=29.9),
        on_vaptan(supply="30"),
        on_vaptan(problems=(problem("heart-failure", days=900),)),
        for_kidneys(order("verapamil")),
        Story(sodium="131", orders=(order("clarithromycin"),)),
    ],
)
def test_f19_a_vaptan_with_nothing_against_it_has_no_card(story: Story) -> None:
    for rule in RULES:
        assert isinstance(rule(story.case()), Silence)


def test_f19_a_strong_inhibitor_is_named_for_polycystic_kidneys_too() -> None:
    found = RULES[0](for_kidneys(order("clarithromycin", days=0.4)).case())
    assert isinstance(found, Finding)
    assert found.variant == "strong"


def test_f19_several_dangers_share_a_card_and_its_one_time() -> None:
    story = on_vaptan(order("clarithromycin"), days=40, problems=(problem("hypovolemia"),))
    found = RULES[0](story.case())
    assert isinstance(found, Finding)
    keys = [line.key for line in found.do]
    assert keys == ["on-vaptan-depleted", "monitor-vaptan", "on-vaptan-strong", "on-vaptan-long"]
    assert found.drugs == ("tolvaptan", "clarithromycin")


def test_f19_a_list_that_was_not_read_is_no_proof() -> None:
    for source in ("medications", "conditions"):
        unread = replace(on_vaptan(), missing={source: Missing.TIMEOUT})
        outcome = RULES[1](unread.case())
        assert isinstance(outcome, Silence)
        assert outcome.reason == "medicines-unread"
