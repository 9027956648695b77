"""F4: an over-correction is remembered for seven days, and a fall after it is planned."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.engine.finding import Finding
from tests.sodium.patients import Story, problem, result
from tests.sodium.rules.cases import fired, keys, kinds, reason, summary
from tests.sodium.rules.orders import Scene, saline, selected, table, water

# 107 to 128 in 12 h, three days ago; lowered from 130 to 118 in the last 20 h.
LOWERED = Story(
    sodium="118",
    sodium_hours=1,
    setting="inpatient",
    results=(
        result("sodium", 107, 72),
        result("sodium", 128, 60),
        result("sodium", 130, 20),
        result("sodium", 124, 8),
    ),
)
SEIZURE = problem("seizure", days=0, encounter=True)


def found(story: Story) -> dict[str, Finding]:
    return fired(story.case())


def series(*points: tuple[float, float], **more: Any) -> Story:
    """(Hours ago, sodium); the last point is the newest."""
    *earlier, (hours, value) = points
    return Story(
        sodium=value,
        sodium_hours=hours,
        setting="inpatient",
        results=tuple(result("sodium", v, h) for h, v in earlier),
        **more,
    )


def test_f4_a_fall_on_day_three_is_planned_and_no_acute_one() -> None:
    cards = found(LOWERED)
    assert list(cards) == ["PV-RELOWERED"]
    card = cards["PV-RELOWERED"]
    assert card.indicator == "warning"
    assert summary(card).startswith("Sodium 118, re-lowered after a rise of 21 on ")
    assert {"keep-down-until", "neuro-checks-until"} <= set(keys(card))
    assert not any("bolus" in key or "acute" in key for key in keys(card))
    assert all(kind.startswith("repeat-sodium") for kind in kinds(card))


@pytest.mark.parametrize(("ended", "planned"), [(168, True), (168.5, False)])
def test_f4_an_over_correction_is_remembered_for_seven_days(ended: float, planned: bool) -> None:
    story = series((ended + 12, 107), (ended, 128), (20, 130), (1, 118))
    assert ("PV-RELOWERED" in found(story)) is planned
    assert ("PV-ACUTE" in found(story)) is not planned


@pytest.mark.parametrize(("now", "planned"), [(128, True), (128.1, False)])
def test_f4_only_a_fall_of_two_or_more_is_a_relowering(now: float, planned: bool) -> None:
    story = series((72, 107), (60, 128), (20, 130), (1, now))
    assert ("PV-RELOWERED" in found(story)) is planned


@pytest.mark.parametrize(("now", "planned"), [(112, True), (111.9, False)])
def test_f4_a_fall_below_the_value_before_the_rise_is_no_plan(now: float, planned: bool) -> None:
    story = series((72, 112), (60, 123), (20, 123), (1, now))
    assert ("PV-RELOWERED" in found(story)) is planned
    assert ("PV-ACUTE" in found(story)) is not planned


@pytest.mark.parametrize(("peak", "planned"), [(118.1, True), (118, False)])
def test_f4_a_rise_within_its_goal_is_not_remembered(peak: float, planned: bool) -> None:
    """High risk: a rise above 6 is above the goal, which makes the card on the rate a warning."""
    risk = (problem("malnutrition"),)
    story = series((84, 112), (60, peak), (20, 120), (1, 112), problems=risk)
    assert ("PV-RELOWERED" in found(story)) is planned


def test_f4_a_fall_that_began_before_the_rise_stays_acute() -> None:
    cards = found(series((30, 140), (20, 110), (10, 122), (1, 118)))
    assert "PV-ACUTE" in cards
    assert "PV-RELOWERED" not in cards


def test_f4_a_single_value_that_was_refuted_is_no_over_correction() -> None:
    cards = found(series((60, 119), (58, 133), (56, 120), (40, 127), (1, 119)))
    assert "PV-ACUTE" in cards


def test_f4_the_card_on_the_rate_says_no_second_time_that_it_was_too_fast() -> None:
    assert list(found(series((40, 110), (20, 124), (1, 117)))) == ["PV-RELOWERED"]


def test_f4_while_the_rise_is_still_too_large_its_card_stands_alone() -> None:
    assert list(found(series((30, 110), (10, 126), (1, 123)))) == ["RATE-OVER"]


def test_f4_a_severe_symptom_in_these_days_may_be_demyelination() -> None:
    card = found(replace(LOWERED, problems=(SEIZURE,)))["PV-SYMP"]
    assert "over-corrected" in keys(card)
    assert not any(key.startswith("bolus") for key in keys(card))
    without = found(replace(LOWERED, problems=(SEIZURE,), results=()))["PV-SYMP"]
    assert "bolus-aasld" in keys(without)


def test_f4_no_restriction_and_no_salt_while_the_over_correction_is_remembered() -> None:
    story = series((72, 107), (60, 128), (1, 127), problems=(problem("siadh", days=10),))
    case = story.case()
    assert [reason.key for reason in case.restriction.reasons] == ["withheld-rate"]
    assert "salty-food" not in keys(fired(case)["PV-MILD"])


DESMOPRESSIN = selected("desmopressin", route="iv")
SCENES = (
    Scene(
        says="F4: dextrose is silent while sodium is lowered after an over-correction",
        order=water(),
        story=LOWERED,
    ),
    Scene(
        says="F4: dextrose speaks without the rise",
        order=water(),
        story=replace(LOWERED, results=()),
        fires={"OS-HYPOTONIC": "warning water"},
        removes=True,
    ),
    Scene(says="F4: desmopressin is silent too", order=DESMOPRESSIN, story=LOWERED),
    Scene(
        says="F4: desmopressin speaks without the rise",
        order=DESMOPRESSIN,
        story=replace(LOWERED, results=()),
        fires={"OS-DDAVP": "critical main"},
    ),
    Scene(
        says="F4: 3 % saline on day three names the over-correction",
        order=saline(),
        story=LOWERED,
        fires={"OS-HTS-OVER": "warning remembered", "OS-HTS-ASX": "info main"},
        shows=("no-further-rise",),
    ),
    Scene(
        says="F4: a rise that one sample shows and none confirms is not called over-correction",
        order=saline(),
        story=series((10, 112), (8, 126), (1, 117)),
        fires={"OS-HTS-OVER": "warning earlier", "OS-HTS-ASX": "info main"},
    ),
    Scene(
        says="F4: 3 % saline with a seizure on day three: demyelination is thought of",
        order=saline(),
        story=replace(LOWERED, problems=(SEIZURE,)),
        fires={"OS-HTS-OVER": "warning remembered-severe", "OS-HTS-SEV": "info main"},
        shows=("treat-first", "demyelination"),
        hides=("no-further-rise",),
    ),
)


@table(SCENES)
def test_f4_orders_after_an_over_correction(scene: Scene) -> None:
    scene.check()


@pytest.mark.parametrize(("risen", "rule"), [(113, "RATE-NEAR"), (116, "RATE-OVER")])
def test_f31_after_a_new_acute_fall_no_card_says_not_to_let_sodium_rise(
    risen: float, rule: str
) -> None:
    story = series((26, 140), (18.5, 105), (3, risen), (0.5, 107))
    assert "PV-ACUTE" in found(story)
    assert reason(rule, story.case()) == "acute-leads"
