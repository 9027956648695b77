"""The start of a rise is the true one: glucose, a value in doubt and the risk decide the ceiling."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cds_service.sodium.rules.room import room_of
from tests.sodium.patients import Story, problem, result
from tests.sodium.rules.cases import detail, fired, keys
from tests.sodium.rules.charts import rising, sweet

CIRRHOSIS = problem("cirrhosis", days=400)
ALCOHOL = problem("alcohol-use-disorder", days=400)


def left(story: Story, profile: str = "aasld") -> Decimal | None:
    """How far sodium may still rise."""
    room = room_of(story.case(profile))
    return None if room is None else room.left


# ---- the ceiling beside glucose, and beside a value in doubt


@pytest.mark.parametrize(
    ("before", "now", "room"),
    [
        ((134, 110), (120, 900), "8"),  # 132.8 corrected: 134 is no start
        ((122, 110), (118, 700), "2.56"),  # 127.6 corrected is above 122
        ((122, None), (118, 700), "2.4"),  # in doubt the base was not lowered by glucose
        ((128, None), (110, 300), "8"),  # 113.2 corrected fell from 128
        ((112, 500), (116, 450), "4"),  # both are high: as measured
        ((118, 800), (126, 300), "8"),  # all of the rise is glucose that fell
        ((122, 110), (118, 190), "8"),  # below the limit glucose shifts nothing
    ],
)
def test_f32_glucose_gives_no_room_that_the_true_start_does_not_allow(
    before: tuple[float, float | None], now: tuple[float, float | None], room: str
) -> None:
    assert left(sweet(before, now)) == Decimal(room)


def test_f32_a_ceiling_beside_a_high_glucose_says_both_values() -> None:
    card = fired(sweet((122, 110), (118, 700)).case())["PV-GLU"]
    assert any("not above 130.2 (glucose-corrected, measured 120.6)" in t for t in detail(card))


def test_f32_a_newest_value_in_doubt_gets_no_ceiling_from_the_old_one() -> None:
    """112 three hours after 140: 148 invites a rise of 36, and 120 would ask to lower 140."""
    room = room_of(rising(112, 140, hours=3).case())
    assert room is not None
    assert (room.no_limit, room.left) == ("unconfirmed", None)


def test_f32_a_fall_that_a_day_allows_is_counted_from_its_lowest_value() -> None:
    assert left(rising(118, 138, hours=23)) == Decimal(8)


# ---- a rise that glucose hides, or makes


def test_m10_a_rise_of_tonicity_that_glucose_hides_is_a_rise() -> None:
    """112 to 118 measured; 112.2 to 126 corrected."""
    card = fired(sweet((112, 110), (118, 600)).case())["RATE-OVER"]
    assert card.indicator == "warning"
    assert {"note-glucose-raised", "brake-glucose"} <= set(keys(card))
    assert "relower" not in keys(card)
    assert "RATE-OVER" not in fired(sweet((112, 110), (118, 110)).case())


def test_m10_a_measured_rise_above_the_limit_stays_critical_beside_a_rising_glucose() -> None:
    card = fired(sweet((112, 110), (121, 250)).case())["RATE-OVER"]
    assert card.indicator == "critical"
    assert "relower" in keys(card)


def test_m10_a_rise_to_a_high_glucose_from_an_unknown_one_is_judged_by_the_worse_value() -> None:
    card = fired(sweet((112, None), (118, 600)).case())["RATE-OVER"]
    assert card.indicator == "warning"
    assert "note-glucose-one-end" in keys(card)


def test_m10_a_rise_by_a_falling_glucose_is_told_and_no_over_correction() -> None:
    cards = fired(sweet((118, 900), (127, 180)).case())
    assert not {"RATE-OVER", "RATE-NEAR"} & set(cards)
    told = [t for card in cards.values() for t in detail(card)]
    assert any(
        "rose 9 mmol/L in 20 h because glucose fell: glucose-corrected -2.5" in t for t in told
    )


def test_m10_a_small_measured_rise_while_glucose_falls_is_not_told() -> None:
    cards = fired(sweet((118, 900), (123.9, 180)).case())
    assert not any("rise-by-glucose" in keys(card) for card in cards.values())


def test_m10_an_earlier_rise_that_glucose_hides_is_found() -> None:
    """The newest value fell again; the rise before it was 8.4 corrected, 3 measured."""
    story = Story(
        sodium="116",
        sodium_hours=1,
        setting="inpatient",
        results=(
            result("sodium", 112, 22),
            result("glucose", 110, 22),
            result("sodium", 115, 6),
            result("glucose", 450, 6),
            result("glucose", 110, 1),
        ),
    )
    assert story.case().rate.level == "warning"


# ---- high risk: 8 on the first day, in each profile


@pytest.mark.parametrize(("problems", "room"), [((), "10"), ((CIRRHOSIS,), "8"), ((ALCOHOL,), "8")])
def test_m10_d_at_high_risk_the_european_first_day_has_the_limit_of_8(
    problems: tuple[object, ...], room: str
) -> None:
    story = Story(sodium="112", setting="inpatient", problems=problems)  # type: ignore[arg-type]
    assert left(story, "european") == Decimal(room)
    assert left(story) == Decimal(8)


@pytest.mark.parametrize(
    ("problems", "now", "rule"),
    [
        ((), 121, "RATE-NEAR"),
        ((CIRRHOSIS,), 121, "RATE-OVER"),
        ((CIRRHOSIS,), 120, "RATE-NEAR"),
        ((), 122.1, "RATE-OVER"),
    ],
)
def test_m10_d_a_rise_of_9_in_cirrhosis_is_too_fast_in_the_european_profile(
    problems: tuple[object, ...], now: float, rule: str
) -> None:
    assert rule in fired(rising(now, 112, *problems).case("european"))


@pytest.mark.parametrize(("points", "over"), [((112, 128), False), ((112, 128.1), True)])
def test_m10_d_at_high_risk_two_days_have_twice_the_limit(
    points: tuple[float, float], over: bool
) -> None:
    start, now = points
    story = Story(
        sodium=now,
        sodium_hours=0.5,
        setting="inpatient",
        results=(result("sodium", start, 48), result("sodium", 120.2, 24.4)),
        problems=(CIRRHOSIS,),
    )
    assert (story.case("european").rate.variant == "two-days") is over
    assert story.case().rate.rise_now <= Decimal(8)


def test_m10_d_the_card_says_whose_limit_it_is() -> None:
    card = fired(rising(119, 112, CIRRHOSIS).case("european"))["RATE-NEAR"]
    assert {"ceiling-european-risk", "risk-european-cirrhosis"} <= set(keys(card))
    assert "ceiling-european" not in keys(card)
