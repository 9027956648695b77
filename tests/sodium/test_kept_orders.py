"""F9: no button keeps an order of which the same card says that it is too much."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_service.protocol.limits import ALL, CardLimits, obey
from tests.examples import examples
from tests.fhir_resources import (
    SALINE_3,
    TOLVAPTAN_15,
    Call,
    Resource,
    draft,
    lab,
    problem,
    sodium,
)

TOO_MUCH = re.compile(
    r"above the rise that is left|no room is left|no rate is slow enough|order one, then sodium"
    r"|Ordered \d+ mL = |limit .* is passed|Stop what raises sodium"
)
VENDORS = {
    "all": ALL,
    "epic": CardLimits(
        accepts_update=False, one_action_per_suggestion=True, selection_behavior_any_only=True
    ),
    "athenahealth": CardLimits(accepts_update=False, plain_text_detail=True, no_links=True),
    "generic": CardLimits(one_action_per_suggestion=True),
}


def saline_at(rate: float | None, ml: float | None) -> Resource:
    """A draft of 3 % saline at a rate in mL/h, of a volume in mL, or both."""
    one: dict[str, Any] = {}
    if ml is not None:
        one["doseQuantity"] = {"value": ml, "unit": "mL"}
    if rate is not None:
        one["rateQuantity"] = {"value": rate, "unit": "mL/h"}
    order = draft(SALINE_3, iv=True)
    order["dosageInstruction"][0]["doseAndRate"] = [one]
    return order


def chart(value: str, *more: Resource, weight: str = "52") -> tuple[Resource, ...]:
    return (sodium(value, 1), lab("weight", weight, 1), *more)


def buttons(call: Call) -> list[str]:
    return [label for card in call.cards() for label in card.labels]


@pytest.mark.parametrize("profile", ["aasld", "european"])
@pytest.mark.parametrize(
    "record",
    [chart("114"), chart("114", problem("R40.1", 0)), chart("114", problem("R56.9", 0))],
    ids=["no-symptom", "stupor", "seizure"],
)
def test_a_drip_above_the_rise_that_is_left_is_kept_by_no_button(
    record: tuple[Resource, ...], profile: str
) -> None:
    fast = Call(record=record, drafts=(saline_at(40, 960),), profile=profile, inpatient=True)
    assert buttons(fast)[0] == "Add sodium in 1 h"
    bolus = Call(record=record, drafts=(saline_at(600, 100),), profile=profile, inpatient=True)
    assert buttons(bolus)[0] == "Keep order, add sodium in 1 h"


def test_a_slow_drip_within_the_rise_that_is_left_may_be_kept() -> None:
    slow = Call(record=chart("114"), drafts=(saline_at(15, 360),), inpatient=True)
    assert buttons(slow)[0] == "Keep order, add sodium in 1 h"


@st.composite
def calls(draw: Any) -> Call:
    points = draw(
        st.lists(
            st.tuples(st.integers(0, 60), st.integers(104, 138)),
            min_size=1,
            max_size=3,
            unique_by=lambda point: point[0],
        )
    )
    codes = st.sampled_from(["R56.9", "R40.1", "R41.0", "F10.20", "E22.2", "N18.6", "G93.6"])
    record = (
        *(sodium(str(value), hours + 0.5) for hours, value in points),
        *(problem(code, 0) for code in draw(st.lists(codes, max_size=3, unique=True))),
        *((lab("weight", str(draw(st.integers(35, 110))), 2),) if draw(st.booleans()) else ()),
        *((lab("glucose", "520", 1),) if draw(st.booleans()) else ()),
    )
    drafts = [
        saline_at(
            draw(st.sampled_from([None, 10, 20, 40, 100, 300, 600])),
            draw(st.sampled_from([None, 50, 100, 150, 250, 500, 1000])),
        )
    ]
    if draw(st.booleans()):
        drafts.append(draft(TOLVAPTAN_15))
    return Call(
        record=record,
        drafts=tuple(drafts),
        selected=len(drafts),
        inpatient=True,
        profile=draw(st.sampled_from(["aasld", "european"])),
    )


@settings(
    max_examples=examples(80, 400), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(calls())
def test_no_card_that_says_too_much_keeps_the_order_in_any_vendors_form(call: Call) -> None:
    for limits in VENDORS.values():
        for card in obey([one.raw for one in call.cards()], limits):
            if not TOO_MUCH.search(f"{card['summary']}\n{card.get('detail', '')}"):
                continue
            for button in card.get("suggestions", []):
                assert "keep" not in button["label"].lower(), card["detail"]
                removing = any(action["type"] == "delete" for action in button["actions"])
                assert not (button.get("isRecommended") and removing)
