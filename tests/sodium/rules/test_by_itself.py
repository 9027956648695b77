"""F27: sodium that will rise by itself, and how soon it is measured while it falls on."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from cds_service.knowledge.limits import PROFILES
from cds_service.sodium.rules.follow_up import repeat_suggestions
from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.cases import fired, keys

WARD = Story(sodium="122", setting="inpatient")
STOPPED = order("hydrochlorothiazide", days=300, ended=2, status="stopped")


def told(story: Story) -> set[str]:
    """The keys of all lines of the chart's cards."""
    return {key for card in fired(story.case()).values() for key in keys(card)}


def due(story: Story) -> timedelta | None:
    """When the card drafts the next sodium, counted from the newest one."""
    case = story.case()
    (repeat,) = repeat_suggestions(case)
    return None if repeat.within is None else repeat.within + case.sodium.age


@pytest.mark.parametrize(
    ("story", "sheds"),
    [
        (replace(WARD, orders=(STOPPED,)), True),
        (replace(WARD, orders=(replace(STOPPED, drugs=order("desmopressin").drugs),)), True),
        (replace(WARD, orders=(replace(STOPPED, drugs=order("sertraline").drugs),)), False),
        (
            replace(
                WARD, orders=(order("hydrochlorothiazide", days=300, ended=4, status="stopped"),)
            ),
            False,
        ),
        (replace(WARD, sodium="128", orders=(STOPPED,)), False),
        (replace(WARD, problems=(problem("adrenal-crisis", days=0.2),)), True),
        (
            replace(
                WARD,
                problems=(problem("adrenal", days=900),),
                orders=(order("hydrocortisone", days=0.5),),
            ),
            True,
        ),
        (
            replace(
                WARD,
                problems=(problem("adrenal", days=900),),
                orders=(order("hydrocortisone", days=400),),
            ),
            False,
        ),
    ],
    ids=[
        "thiazide stopped",
        "desmopressin stopped",
        "SSRI stopped",
        "thiazide stopped four days ago",
        "mild",
        "adrenal crisis",
        "cortisol begins",
        "cortisol for long",
    ],
)
def test_f27_a_water_diuresis_to_come_is_told(story: Story, sheds: bool) -> None:
    assert ("will-shed-water" in told(story)) is sheds


@pytest.mark.parametrize(
    ("story", "hours"),
    [
        (replace(WARD, results=(result("sodium", 129, 25), result("sodium", 137, 49))), 4),
        (replace(WARD, results=(result("sodium", 123, 25),)), 24),
        (replace(WARD, results=(result("sodium", 129, 24 * 20),)), 24),
        (replace(WARD, problems=(problem("hypovolemia"),)), 4),
        (replace(WARD, orders=(STOPPED,)), 4),
        (replace(WARD, sodium="128", results=(result("sodium", 135, 49),)), 24),
    ],
    ids=["falls on", "steady", "fell long ago", "volume depletion", "stopped", "mild"],
)
def test_f27_in_hospital_a_sodium_that_moves_is_measured_within_hours(
    story: Story, hours: int
) -> None:
    assert due(story) == timedelta(hours=hours)


@pytest.mark.parametrize(("na", "days"), [("130", 14), ("129.9", 3), ("126", 3), ("125", 1)])
def test_in_the_clinic_two_weeks_are_for_130_and_more(na: str, days: int) -> None:
    assert due(Story(sodium=na)) == timedelta(days=days)


def test_p31_the_card_on_terlipressin_says_that_sodium_rises_once_it_is_stopped() -> None:
    taken = replace(WARD, orders=(order("terlipressin", days=2, route="iv"),))
    assert "rises-when-stopped" in told(taken)
    assert "rises-when-stopped" not in told(WARD)


@pytest.mark.parametrize(
    ("problems", "told_so"), [((), False), (("psychogenic-polydipsia",), True)]
)
def test_f27_a_brake_for_who_drinks_compulsively_needs_locked_water(
    problems: tuple[str, ...], told_so: bool
) -> None:
    story = Story(
        sodium="121",
        setting="inpatient",
        results=(result("sodium", 107, 20), result("urine-osmolality", 70, 1)),
        problems=tuple(problem(name, days=900) for name in problems),
    )
    assert ("drinks-locked" in told(story)) is told_so


@pytest.mark.parametrize("profile", PROFILES)
def test_a_confused_patient_on_a_thiazide_is_told_to_stop_it_as_a_calm_one_is(profile: str) -> None:
    """The card of possible brain edema dropped what the card of the calmer patient said."""
    thiazide = order("hydrochlorothiazide", days=21)
    story = replace(WARD, sodium="111", orders=(thiazide,), problems=(problem("confusion"),))
    (card,) = fired(story.case(profile)).values()
    assert "acute-stop-culprit" in keys(card)
