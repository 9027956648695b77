"""Sodium that another result of its own tube, or its repeats, disproves (F12, F33, F41)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.sodium.snapshot import LabResult
from tests.sodium.patients import Story, problem, result
from tests.sodium.rules.cases import fired, keys


def direct(value: float, hours: float) -> LabResult:
    """A sodium of the blood gas analyzer."""
    return replace(result("sodium", value, hours), method="poc")


def story(*results: LabResult, **more: Any) -> Story:
    return Story(sodium=None, setting="inpatient", results=results, **more)


def rules(told: Story) -> set[str]:
    return set(fired(told.case()))


# ---- an outlier between normal values

SPIKE = (result("glucose", 108, 26), result("glucose", 1240, 5), result("glucose", 112, 4))
OUTLIER = (result("sodium", 139, 26), result("sodium", 114, 5), result("sodium", 138, 4))


def test_a_tube_from_the_arm_of_the_infusion_makes_no_card() -> None:
    assert rules(story(*OUTLIER, *SPIKE)) == set()


def test_without_its_glucose_a_single_repeat_is_to_be_confirmed() -> None:
    assert "DQ-DELTA" in rules(story(*OUTLIER))


def test_two_repeats_refute_it_too() -> None:
    assert rules(story(*OUTLIER, result("sodium", 139, 1))) == set()


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ((("139", 26), ("114", 9), ("138", 4), ("139", 1)), "it may have risen within 5 h"),
        ((("131", 26), ("114", 5), ("134", 4), ("134", 1)), "sodium was not normal before"),
        ((("139", 26), ("114", 5), ("134", 4), ("134", 1)), "the repeats are not as before"),
        ((("139", 60), ("114", 5), ("138", 4), ("139", 1)), "nothing is known of two days"),
        ((("114", 26), ("138", 4), ("139", 1)), "nothing was normal before"),
    ],
)
def test_a_rise_that_may_be_true_keeps_its_card(values: tuple[Any, ...], why: str) -> None:
    told = story(*(result("sodium", value, hours) for value, hours in values))
    assert rules(told), why


def test_the_newest_value_stays_whatever_its_glucose() -> None:
    told = story(result("sodium", 139, 26), result("sodium", 114, 1), result("glucose", 1240, 1))
    assert told.case().sodium.latest is not None
    assert rules(told)


def test_a_spurious_value_of_the_past_is_no_harm_by_a_drug() -> None:
    past = 24 * 200
    tube = (
        result("sodium", 112, past),
        result("glucose", 100, past + 4),
        result("glucose", 1200, past),
        result("glucose", 101, past - 4),
    )
    values = [s.value for s in story(result("sodium", 139, 4), *tube).case().series.samples]
    assert values == [139]


# ---- a falsely low laboratory value beside a direct one

CHOLESTASIS = (result("serum-osmolality", 287, 3), result("bun", 11, 4))


def test_hours_apart_a_normal_osmolality_and_a_direct_value_deny_the_laboratory() -> None:
    told = story(result("sodium", 121, 50), result("sodium", 118, 4), direct(138, 2), *CHOLESTASIS)
    assert rules(told) == {"PV-METHODS"}


@pytest.mark.parametrize(
    ("results", "why"),
    [
        ((result("serum-osmolality", 252, 3), result("bun", 11, 4)), "osmolality is low"),
        ((result("serum-osmolality", 290, 3), result("bun", 90, 4)), "urea makes it"),
        ((result("serum-osmolality", 287, 9),), "it is of another hour"),
        ((), "none was measured"),
    ],
)
def test_without_a_normal_osmolality_the_change_is_judged(
    results: tuple[LabResult, ...], why: str
) -> None:
    told = story(result("sodium", 118, 4), direct(138, 2), *results)
    assert rules(told) & {"DQ-DELTA", "RATE-OVER"}, why


@pytest.mark.parametrize("minutes", [20, -20])
def test_where_methods_disagree_no_older_laboratory_value_makes_a_rise(minutes: int) -> None:
    told = story(result("sodium", 121, 30), result("sodium", 118, 4), direct(138, 4 - minutes / 60))
    assert rules(told) == {"PV-METHODS"}


def test_a_rise_within_the_direct_method_is_still_one() -> None:
    told = story(
        direct(112, 22), result("sodium", 106, 22), direct(128, 2), result("sodium", 119, 2)
    )
    assert "RATE-OVER" in rules(told)


def test_methods_that_agree_are_still_compared() -> None:
    assert "RATE-OVER" in rules(story(result("sodium", 112, 22), direct(128, 2)))


def test_a_doubtful_severe_value_has_no_ceiling() -> None:
    told = story(result("sodium", 118, 3), *CHOLESTASIS, result("glucose", 92, 3))
    found = fired(told.case())["PV-SEV"]
    assert "doubt-osmolality" in keys(found)
    assert not [key for key in keys(found) if key.startswith("ceiling")]


def test_a_severe_value_that_is_believed_has_its_ceiling() -> None:
    found = fired(story(result("sodium", 118, 3), problems=(problem("siadh"),)).case())["PV-SEV"]
    assert "severe-advice-room" in keys(found)
