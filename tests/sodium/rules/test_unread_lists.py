"""A rule about an order that needs the problem list is not silent as if it had been read."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from cds_service.engine.finding import Silence
from cds_service.sodium.blind_spots import MEDICINES_UNREAD, PROBLEMS_UNREAD
from cds_service.sodium.snapshot import Missing, Order
from tests.sodium.patients import Story, order, problem
from tests.sodium.rules.orders import Scene, restriction, saline, selected, table

CIRRHOSIS = problem("cirrhosis", days=400)
NO_PROBLEMS = {"conditions": Missing.FAILED}
FLUID = saline("0.9", "isotonic", "1000")
ORDERS: dict[str, tuple[Order, str, Story]] = {
    "salt tablets": (
        saline(None, "salt-tablet", None, route="oral"),
        "OS-SALT",
        Story(sodium="138"),
    ),
    "isotonic saline, SIADH": (FLUID, "OS-ISO", Story(sodium="124")),
    "isotonic saline, overload": (FLUID, "OS-ISO-HYPER", Story(sodium="124")),
    "baclofen": (selected("baclofen", dose="40"), "OS-BACLO", Story(sodium="138")),
    "a new diuretic": (selected("furosemide"), "OS-DIUR-CRAMP", Story(sodium="138")),
    "a vaptan, depletion": (selected("tolvaptan"), "OS-VAP-HYPO", Story(sodium="138")),
    "a vaptan, pregnancy": (selected("tolvaptan"), "OS-VAP-CONTRA", Story(sodium="138")),
    "demeclocycline": (selected("demeclocycline"), "OS-DEMECLO", Story(sodium="138")),
}


@pytest.mark.parametrize(("drafted", "rule", "story"), ORDERS.values(), ids=ORDERS)
def test_a_problem_list_that_was_not_read_is_the_reason(
    drafted: Order, rule: str, story: Story
) -> None:
    assert reason(drafted, rule, story, NO_PROBLEMS) == PROBLEMS_UNREAD
    assert reason(drafted, rule, story, {}) not in ("", PROBLEMS_UNREAD)


def test_a_diuretic_that_is_taken_already_is_no_question_of_the_problem_list() -> None:
    taken = Story(sodium="138", orders=(order("furosemide", days=90),))
    assert reason(selected("furosemide"), "OS-DIUR-CRAMP", taken, NO_PROBLEMS) == "no-cirrhosis"


def test_medicines_that_were_not_read_may_forbid_a_vaptan() -> None:
    unread = {"medications": Missing.TIMEOUT}
    found = reason(selected("tolvaptan"), "OS-VAP-CONTRA", Story(sodium="138"), unread)
    assert found == MEDICINES_UNREAD


def test_results_that_were_not_read_may_speak_against_a_restriction() -> None:
    story = Story(sodium="128")
    assert reason(restriction(), "OS-FR", story, {"labs": Missing.TIMEOUT}) == "labs-unread"
    assert reason(restriction(), "OS-FR", story, {}) == "not-harmful"


def test_results_that_were_not_read_may_show_siadh() -> None:
    assert reason(FLUID, "OS-ISO", Story(sodium="124"), {"labs": Missing.TIMEOUT}) == "siadh-unread"
    assert reason(FLUID, "OS-ISO", Story(sodium="124"), {}) == "not-siadh"


def reason(drafted: Order, rule: str, story: Story, missing: dict[str, Missing]) -> str:
    """Why the rule is silent; "" if it speaks."""
    scene = Scene(says="", order=drafted, story=replace(story, missing=missing))
    outcome = scene.outcomes()[rule]
    return outcome.reason if isinstance(outcome, Silence) else ""


SCENES = (
    Scene(
        says="the medicines are unread: what forbids a vaptan may be among them",
        order=selected("tolvaptan"),
        story=Story(sodium="138", missing={"medications": Missing.TIMEOUT}),
        fires={"OS-VAP-NONE": "warning main"},
    ),
    Scene(
        says="a fluid restriction, and laboratory results that were not read",
        order=restriction(),
        story=Story(sodium="128", missing={"labs": Missing.TIMEOUT}),
    ),
    Scene(
        says="baclofen in cirrhosis whose dose is not given",
        order=selected("baclofen"),
        story=Story(sodium="138", problems=(CIRRHOSIS,)),
    ),
)


@table(SCENES)
def test_what_was_not_read_or_given(scene: Scene) -> None:
    scene.check()
