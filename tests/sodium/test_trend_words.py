"""F33: which words of a trend the values allow; F27: dilute urine; F34: the contested limit."""

from __future__ import annotations

import pytest

from cds_service.sodium.wording import trend_line
from tests.sodium.patients import Story, problem, result
from tests.sodium.rules.cases import fired, keys


def series(*points: tuple[float, float], **more: object) -> Story:
    """(Hours ago, sodium); the last point is the newest."""
    *earlier, (hours, value) = points
    results = (*(result("sodium", v, h) for h, v in earlier), *more.pop("results", ()))  # type: ignore[misc]
    return Story(
        sodium=value,
        sodium_hours=hours,
        setting="inpatient",
        results=results,
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(("now", "down"), [(129, True), (129.1, False), (131, False)])
def test_f33_down_needs_a_newest_value_below_the_one_before(now: float, down: bool) -> None:
    case = series((60, 136), (20, 130), (1, now)).case()
    assert case.sodium.falling is not None
    assert (case.sodium.down is not None) is down


@pytest.mark.parametrize(
    ("now", "arrow"), [(128, "↓"), (128.1, ""), (132, "↑"), (131.9, ""), (130, "")]
)
def test_f33_an_arrow_needs_a_step_of_two(now: float, arrow: str) -> None:
    case = series((20, 130), (1, now)).case()
    line = trend_line(case.sodium.samples, case.snapshot.now, None, case.limits)
    assert ("↓" if "↓" in line else "↑" if "↑" in line else "") == arrow


def test_f33_a_refuted_lone_value_is_no_height_to_fall_from() -> None:
    assert series((9, 131), (6, 139), (3, 131), (1, 130)).case().sodium.falling is None


@pytest.mark.parametrize(
    ("urine", "sheds"),
    [
        ((result("urine-osmolality", 99, 2),), True),
        ((result("urine-osmolality", 100, 2),), False),
        ((result("urine-osmolality", 149, 2), result("urine-sodium", 29, 2)), True),
        ((result("urine-osmolality", 150, 2), result("urine-sodium", 29, 2)), False),
        ((result("urine-osmolality", 149, 2), result("urine-sodium", 30, 2)), False),
        ((result("urine-osmolality", 60, 24),), True),
        ((result("urine-osmolality", 60, 24.5),), False),
    ],
)
def test_f27_dilute_urine_raises_sodium_by_itself(urine: tuple[object, ...], sheds: bool) -> None:
    found = fired(series((1, 122), results=urine).case())["PV-MOD"]
    assert ("shedding-water" in keys(found)) is sheds
    assert ("monitor-shedding" in keys(found)) is sheds


def test_f27_no_isotonic_saline_by_reflex_while_the_kidney_sheds_water() -> None:
    dry = {"problems": (problem("hypovolemia", days=0, encounter=True),)}
    urine = (result("urine-osmolality", 60, 2),)
    assert "hypovolemia-replace" in keys(fired(series((1, 122), **dry).case())["PV-MOD"])
    found = fired(series((1, 122), **dry, results=urine).case())["PV-MOD"]
    assert "hypovolemia-replace" not in keys(found)


def test_f27_the_line_on_demyelination_is_among_what_to_do() -> None:
    risk = (problem("alcohol-use-disorder"),)
    card = fired(series((1, 122), problems=risk).case())["PV-MOD"]
    assert [line.key for line in card.do][:2] == ["risk-aasld", "thiamine"]
    assert "risk-aasld" not in [line.key for line in card.why]
    cirrhosis = fired(series((1, 122), problems=(problem("cirrhosis"),)).case())["PV-MOD"]
    assert "thiamine" not in keys(cirrhosis)


def test_f34_the_dispute_is_on_each_card_on_the_rate_but_not_at_high_risk() -> None:
    assert "limit-contested" in keys(fired(series((20, 112), (1, 122)).case())["RATE-OVER"])
    assert "limit-contested" in keys(fired(series((20, 112), (1, 119)).case())["RATE-NEAR"])
    risk = (problem("malnutrition"),)
    high = fired(series((20, 112), (1, 122), problems=risk).case())["RATE-OVER"]
    assert "limit-contested" not in keys(high)
    european = fired(series((20, 112), (1, 123)).case("european"))["RATE-OVER"]
    assert "limit-contested" not in keys(european)


def test_f34_a_contested_rise_calls_for_no_lowering() -> None:
    card = fired(series((20, 122), (1, 131)).case())["RATE-OVER"]
    assert (card.indicator, card.variant) == ("warning", "contested")
    assert "relower" not in keys(card)
