"""The next sodium comes before the ceiling is met at the measured pace, and nothing adds to that rise (F31)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import product

import pytest

from cds_service.engine.finding import Finding
from cds_service.knowledge.limits import PROFILES
from cds_service.sodium.case import Case
from cds_service.sodium.pace import pace_per_hour
from cds_service.sodium.results import Band
from cds_service.sodium.rules.room import room_of
from cds_service.sodium.snapshot import LabResult, Problem
from tests.sodium.patients import Story, problem, result
from tests.sodium.rules.cases import fired

HOUR = timedelta(hours=1)
ALCOHOL = problem("alcohol-use-disorder", days=900)
OBSTRUCTED = problem("urinary-obstruction", days=1)
HELD_BACK = ("restriction-", "withheld-volume-unknown", "text-hyper-mild")


def risen(
    start: str, now: str, hours: float, *problems: Problem, age: float = 0.5, urine: str = ""
) -> Story:
    """An inpatient whose sodium rose so much within so many hours, and the urine of today."""
    measured: tuple[LabResult, ...] = (result("sodium", start, age + hours),)
    if urine:
        measured += (result("urine-osmolality", urine, age),)
    return Story(
        sodium=now,
        sodium_hours=age,
        setting="inpatient",
        results=measured,
        problems=problems,
    )


def next_sodium(found: dict[str, Finding]) -> timedelta | None:
    """When the cards measure sodium again, the earliest of them."""
    lines = [line for one in found.values() for line in one.do]
    buttons = [button for one in found.values() for button in one.suggestions]
    named = [*(told.within for told in lines), *(button.within for button in buttons)]
    due = [one for one in named if one is not None]
    return min(due, default=None)


def latest_button(found: dict[str, Finding]) -> timedelta | None:
    due = [b.within for one in found.values() for b in one.suggestions if b.within is not None]
    return max(due, default=None)


def ceiling_met(case: Case) -> timedelta | None:
    """How long from now until the ceiling is met at the measured pace: an hour after the sample at least."""
    room, pace = room_of(case), pace_per_hour(case)
    if room is None or room.left is None or pace is None:
        return None
    return max(HOUR, HOUR * float(room.left / pace)) - case.sodium.age


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("urine", ["", "85", "300"])
def test_the_next_sodium_is_never_later_than_the_ceiling(profile: str, urine: str) -> None:
    told = 0
    for start, rise, hours, risk, age in product(
        range(104, 122, 3), (2, 4, 5, 7), (1, 2, 3, 5, 8, 20), ((), (ALCOHOL,)), (0.2, 1.5)
    ):
        story = risen(str(start), str(start + rise), hours, *risk, age=age, urine=urine)
        case = story.case(profile)
        met, found = ceiling_met(case), fired(case)
        if met is None or not found or case.sodium.band is Band.MILD:
            continue
        told += 1
        why = (start, rise, hours, bool(risk), age, {k: f.variant for k, f in found.items()})
        due, button = next_sodium(found), latest_button(found)
        assert due is not None, why
        assert max(due, timedelta(0)) <= max(met, timedelta(0)), why
        assert button is None or max(button, timedelta(0)) <= max(met, timedelta(0)), why
    assert told > 100


@pytest.mark.parametrize(
    ("start", "now", "hours", "profile", "due"),
    [
        ("116", "121", 5, "european", 2),  # 5 left in 5 h: every 2 h
        ("112", "117", 2, "european", 1),  # 5 left in 2 h: in 1 h
        ("116", "120", 2, "european", 1.5),  # 6 left in 3 h: half of that
        ("110", "114", 3, "aasld", 1.5),
        ("116", "118", 9, "european", 2),  # 8 left in 36 h: no haste by the pace
    ],
)
def test_the_interval_is_half_of_what_is_left(
    start: str, now: str, hours: float, profile: str, due: float
) -> None:
    case = risen(start, now, hours, age=0, urine="85").case(profile)
    found = next_sodium(fired(case))
    assert found == HOUR * due


def test_a_slow_rise_in_a_urine_that_is_not_dilute_keeps_its_four_hours() -> None:
    slow = risen("116", "118", 14, age=0).case("european")
    assert next_sodium(fired(slow)) == 4 * HOUR


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("now", "hours", "held"), [("117", 2, True), ("114", 4, False)])
def test_no_restriction_is_offered_or_spoken_of_while_sodium_rises_by_the_hour(
    profile: str, now: str, hours: float, held: bool
) -> None:
    case = risen("112", now, hours, problem("siadh", days=5)).case(profile)
    found = fired(case)
    keys = [line.key for one in found.values() for line in (*one.do, *one.why)]
    buttons = [b.kind for one in found.values() for b in one.suggestions]
    offered = any(kind.startswith("fluid-restriction") for kind in buttons)
    spoken = any(key.startswith(HELD_BACK) for key in keys)
    assert (offered or spoken) is not held, (keys, buttons)


@pytest.mark.parametrize(
    ("problems", "key"),
    [((OBSTRUCTED,), "withheld-dilute-relieved"), ((), "withheld-dilute-urine")],
)
def test_after_an_obstruction_a_dilute_urine_is_not_called_a_matter_of_intake(
    problems: tuple[Problem, ...], key: str
) -> None:
    case = risen("116", "121", 5, *problems, urine="90").case("european")
    assert key in [reason.key for reason in case.restriction.reasons]


def test_the_pace_is_that_of_the_steepest_rise_of_the_day() -> None:
    before = (result("sodium", "112", 12), result("sodium", "113", 2.5))
    story = Story(sodium="117", sodium_hours=0.5, setting="inpatient", results=before)
    assert pace_per_hour(story.case()) == Decimal(2)
