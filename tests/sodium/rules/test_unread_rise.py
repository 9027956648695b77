"""A rise from a sodium that could not be read is not known, and no rule says that there is none."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.engine.finding import Silence
from cds_service.errors import DataUnavailable
from cds_service.sodium.blind_spots import RISE_UNREAD
from cds_service.sodium.rules.book import BOOK
from tests.fhir_resources import Call, draft, sodium
from tests.sodium.patients import Story, result
from tests.sodium.rules.orders import Scene, saline, selected, table

KCL = selected("potassium chloride", route="iv")
NORMAL = Story(sodium="138", sodium_hours=1, setting="inpatient")


def after(hours: float, unit: str = "furlong", value: str = "120", **more: Any) -> Story:
    """A normal sodium, and one of so many hours ago that no rule can use."""
    return replace(NORMAL, results=(result("sodium", value, hours, unit=unit, **more),))


ORDERS = {"OS-RAISE": (KCL, "not-rising-fast"), "OS-HTS-OVER": (saline("3"), "not-rising")}
SCENES = (
    Scene(
        says="potassium by vein after a sodium in a unit that is not known",
        order=KCL,
        story=after(20),
    ),
)


@table(SCENES)
def test_an_order(scene: Scene) -> None:
    scene.check()


@pytest.mark.parametrize("rule", ["RATE-OVER", "RATE-NEAR", "DQ-DELTA"])
@pytest.mark.parametrize(
    ("story", "unread"),
    [
        (after(20), True),
        (after(48), True),
        (after(48.1), False),
        (after(20, status="entered-in-error"), False),
        (after(20, "mmol/L", "14"), False),  # nobody can tell more of it than that it is wrong
        (NORMAL, False),
    ],
    ids=["a day ago", "two days ago", "earlier", "withdrawn", "implausible", "nothing"],
)
def test_a_chart_is_not_said_to_rise_slowly_if_the_value_before_was_not_read(
    rule: str, story: Story, unread: bool
) -> None:
    outcome = BOOK.chart[rule](story.case("aasld"))
    assert isinstance(outcome, Silence)
    assert (outcome.reason == RISE_UNREAD) is unread, outcome.reason


@pytest.mark.parametrize("rule", ORDERS)
def test_an_order_that_raises_sodium_is_not_said_to_come_at_no_rise(rule: str) -> None:
    order, silent = ORDERS[rule]
    for story, expected in ((after(20), RISE_UNREAD), (NORMAL, silent)):
        outcome = Scene(says="", order=order, story=story).outcomes()[rule]
        assert isinstance(outcome, Silence)
        assert outcome.reason == expected


@pytest.mark.parametrize("ordered", ["", "potassium chloride"], ids=["chart", "order"])
def test_a_normal_sodium_after_one_that_could_not_be_read_is_no_silence(ordered: str) -> None:
    drafts = (draft(ordered),) if ordered else ()
    before = sodium("118", 20)
    before["valueQuantity"] = {"value": 118, "unit": "furlong"}
    record = (sodium("138", 1), before)
    with pytest.raises(DataUnavailable, match="its unit is not known"):
        Call(record=record, drafts=drafts).cards()
    (card,) = Call(record=record, drafts=drafts, explain_missing=True).cards()
    assert "sodium could not be checked" in card.summary.lower()


def test_a_drug_that_lowers_sodium_is_judged_by_the_newest_value_alone() -> None:
    before = sodium("118", 20)
    before["valueQuantity"] = {"value": 118, "unit": "furlong"}
    record = (sodium("138", 1), before)
    assert Call(record=record, drafts=(draft("ibuprofen"),)).cards() == []
