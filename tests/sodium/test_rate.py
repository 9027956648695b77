"""The correction rate: the vectors of the clinical basis, each number on both sides of its edge, its laws."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from types import FrameType
from typing import Any, Literal, NamedTuple

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from cds_service.sodium.case import Case, assess
from cds_service.sodium.correction_rate import (
    RatePair,
    RateRules,
    RateView,
    SodiumRises,
    Verdict,
    over_corrections,
    rate_view,
)
from cds_service.sodium.glucose import GlucosePair
from cds_service.sodium.results import Sample, Series
from cds_service.sodium.snapshot import Problem, Snapshot
from cds_service.sodium.volume import OdsRisk
from tests.sodium.cases import LABS, NOW, limits, sample
from tests.sodium.patients import sets

Point = tuple[float, str] | tuple[float, str, Literal["lab", "poc"]]


def chart(*points: Point) -> list[Sample]:
    return [sample(*point) for point in points]


def rate(*points: Point, later: float = 0, profile: str = "aasld", **more: Any) -> RateView:
    """The verdict so many hours after the last of these (hour, value) points."""
    return rate_of(chart(*points), later=later, profile=profile, **more)


def rate_of(samples: Sequence[Sample], **more: Any) -> RateView:
    return rate_view(case_of(samples, **more))


def case_of(
    samples: Sequence[Sample], *, later: float = 0, profile: str = "aasld", **more: Any
) -> Case:
    now = max(s.at for s in samples) + timedelta(hours=later)
    case = assess(Snapshot(now=now), limits(profile), sets(), LABS)
    glucose = more.pop("glucose", {})
    vars(case).update(
        series=Series(samples=tuple(samples), latest=more.pop("latest", None)),
        glucose_pairs={
            sample: GlucosePair(glucose=value, at=sample.at, loose=False)
            for sample, value in glucose.items()
        },
        risk=OdsRisk(reasons=("alcohol-use-disorder",) if more.pop("high_risk", False) else ()),
        dialysis=more.pop("dialysis", False),
    )
    assert not more
    return case


class Vector(NamedTuple):
    """One row of B.0.8 or M10 f: samples, and what they must give."""

    id: str
    points: list[Point]
    base: str | None
    rise: str | None
    level: str | None
    variant: str = ""
    profile: str = "aasld"
    high_risk: bool = False


VECTORS = [
    Vector(
        "R1", [(0, "118"), (6, "121"), (12, "124"), (24, "127")], "118", "9.00", "critical", "fast"
    ),
    Vector("R2", [(0, "118"), (26, "126")], "118.62", "7.38", "info", "near"),
    Vector("R3", [(0, "118"), (26, "128")], "118.77", "9.23", "critical", "fast"),
    Vector("R4", [(0, "120"), (8, "116"), (20, "123")], "116", "7.00", "info", "near"),
    Vector(
        "R4 high",
        [(0, "120"), (8, "116"), (20, "123")],
        "116",
        "7.00",
        "warning",
        "goal",
        high_risk=True,
    ),
    Vector("R5", [(0, "130"), (20, "139")], "130", "9.00", None),
    Vector("R6", [(0, "127"), (20, "135")], "127", "8.00", None),
    Vector("R7", [(0, "127"), (20, "135.5")], "127", "8.50", "warning", "slow"),
    Vector("R8", [(-30, "138"), (0, "127"), (20, "136")], "127", "9.00", "info", "acute"),
    Vector("R9", [(0, "120"), (24, "128")], "120", "8.00", "info", "near"),
    Vector("R10", [(0, "118"), (24.5, "126.5")], "118.17", "8.33", "critical", "fast"),
    Vector("R11", [(0, "115"), (10, "125"), (16, "121")], "115", "6.00", "warning", "was"),
    Vector("R12", [(0, "112"), (60, "124")], None, None, None),
    Vector("R13", [(0, "112"), (50, "122"), (54, "123")], "122", "1.00", None),
    Vector("R14", [(0, "112"), (4, "117")], "112", "5.00", None),
    Vector("R15", [(0, "119")], None, None, None),
    Vector("R16", [(0, "124"), (10, "133"), (30, "135")], "129.40", "5.60", "warning", "contested"),
    Vector("R17", [(0, "115"), (20, "125"), (30, "125")], "118", "7.00", "warning", "was"),
    Vector("R18", [(0, "112"), (4, "118")], "112", "6.00", "warning", "near"),
    Vector("R19", [(0, "112"), (12, "118")], "112", "6.00", "info", "near", high_risk=True),
    Vector(
        "R20",
        [(0, "119"), (0.1, "117.5", "poc"), (24, "127.5")],
        "117.50",
        "10.00",
        "critical",
        "fast",
    ),
    Vector(
        "R21", [(0, "119"), (0.1, "118", "poc"), (24, "126.5")], "118", "8.50", "warning", "slow"
    ),
    Vector("R23", [(0, "105"), (49, "125")], None, None, "warning", "average"),
    Vector(
        "R24",
        [(0, "124"), (6, "112"), (7, "124.5"), (20, "126")],
        "124",
        "2.00",
        None,
        "",
    ),  # F33: 112 is a lone value that both neighbors refute
    Vector(
        "R25",
        [(0, "110"), (20, "137"), (40, "118"), (60, "128")],
        "118",
        "10.00",
        "critical",
        "fast",
    ),
    Vector("R26", [(0, "112"), (3, "126")], "112", "14.00", "warning", "jump"),
    Vector("R27", [(0, "112"), (3, "126"), (5, "125")], "112", "13.00", "critical", "fast"),
    Vector("R28", [(0, "118.1"), (24, "126.1")], "118.1", "8.00", "info", "near"),
    Vector("R29", [(0, "120.3"), (24, "128.3")], "120.3", "8.00", "info", "near"),
    Vector(
        "R30",
        [(0, "110"), (18, "122"), (22, "119"), (26, "117")],
        "111.33",
        "5.67",
        "warning",
        "was",
    ),
    Vector(
        "R31",
        [(0, "110"), (24, "119"), (48, "128.5")],
        "119",
        "9.50",
        "critical",
        "fast",
        profile="european",
    ),
    Vector("R32", [(0, "130"), (20, "139")], "130", "9.00", "info", "slow", high_risk=True),
    Vector("N12", [(0, "118"), (24.02, "127")], "118.01", "8.99", "critical", "fast"),
]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v.id)
def test_the_vectors_of_the_clinical_basis(vector: Vector) -> None:
    found = rate(*vector.points, profile=vector.profile, high_risk=vector.high_risk)
    assert found.level == vector.level
    assert found.assessable is (vector.base is not None)
    if found.now is not None:
        assert found.now.base.quantize(Decimal("0.01")) == Decimal(vector.base or "0")
        assert found.now.rise.quantize(Decimal("0.01")) == Decimal(vector.rise or "0")
    if vector.level:
        assert found.variant == vector.variant
        assert found.worst is not None
    else:
        assert (found.worst, found.rule) == (None, "")


def test_r22_falling_glucose_is_no_over_correction() -> None:
    start, end = chart((0, "120"), (20, "135"))
    found = rate_of([start, end], glucose={start: Decimal(1000), end: Decimal(200)})
    assert found.level is None
    assert found.now is not None
    assert (found.now.base, found.now.rise, found.now.glucose) == (
        Decimal("134.4"),
        Decimal("2.2"),
        "corrected",
    )


# ---- levels, each number on both sides -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("points", "level"),
    [
        ([(0, "118"), (20, "126")], "info"),
        ([(0, "118"), (20, "126.1")], "critical"),
        ([(0, "125.9"), (20, "136")], "critical"),
        ([(0, "126"), (20, "136.1")], "warning"),
        ([(0, "126"), (20, "134.5")], "warning"),
        ([(0, "129.9"), (20, "139")], "warning"),
        ([(0, "130"), (20, "139")], None),
        ([(0, "118"), (20, "124")], "info"),
        ([(0, "118"), (20, "123.9")], None),
        ([(0, "126"), (20, "133")], None),
        ([(0, "112"), (8, "118")], "warning"),
        ([(0, "112"), (8.5, "118")], "info"),
    ],
)
def test_the_level_follows_rise_base_and_time(points: list[Point], level: str | None) -> None:
    found = rate(*points)
    assert found.level == level
    over = found.now is not None and found.now.rise > 8
    assert found.rule == ("" if level is None else "RATE-OVER" if over else "RATE-NEAR")


@pytest.mark.parametrize(
    ("points", "level", "rise"),
    [
        ([(0, "112"), (2, "119"), (25, "121")], "critical", "8.913"),  # 121 is 0.087 an hour later
        ([(0, "112"), (2, "119"), (25.1, "121")], None, "5.15"),  # too late to tell the value
        ([(0, "118"), (23.9, "126"), (24.5, "126.6")], "critical", "8.433"),
        ([(0, "118"), (23.9, "126"), (24.5, "126")], "info", "8"),
        ([(0, "118"), (24.5, "126.5")], "critical", "8.327"),
    ],
)
def test_the_worst_day_is_found_if_the_samples_are_not_a_day_apart(
    points: list[Point], level: str | None, rise: str
) -> None:
    found = rate(*points)
    assert (found.level, found.now and found.now.rise) == (level, Decimal(rise))
    assert level is None or (found.worst == found.now and found.now is not None)
    assert found.now is None or found.now.span <= timedelta(hours=24)


@pytest.mark.parametrize(
    ("points", "level", "variant"),
    [
        ([(0, "112"), (12, "118")], "info", "near"),
        ([(0, "112"), (12, "118.1")], "warning", "goal"),
        ([(0, "126"), (12, "132")], "info", "near"),
        ([(0, "126"), (12, "131.9")], None, "near"),
        ([(0, "126"), (6, "132")], "info", "near"),
        ([(0, "130"), (20, "138")], None, "near"),
        ([(0, "136"), (20, "145")], "info", "slow"),
    ],
)
def test_high_risk_of_demyelination_has_its_own_goal(
    points: list[Point], level: str | None, variant: str
) -> None:
    found = rate(*points, high_risk=True)
    assert (found.level, found.variant) == (level, variant)


@pytest.mark.parametrize(("last", "level"), [("135", "warning"), ("135.1", None)])
def test_a_return_to_normal_from_a_mild_base_is_no_card(last: str, level: str | None) -> None:
    assert rate((0, "130"), (20, "139"), (30, last)).level == level


@pytest.mark.parametrize(
    ("profile", "points", "level", "variant"),
    [
        ("aasld", [(0, "110"), (1, "118"), (48, "126")], None, "near"),
        ("aasld", [(0, "110"), (1, "118"), (48, "126.1")], "critical", "two-days"),
        ("aasld", [(0, "110"), (1, "118"), (48.5, "126")], None, "near"),
        # The two days from the first sample end half an hour before the last one.
        ("aasld", [(0, "110"), (1, "118"), (48.5, "126.1")], "critical", "two-days"),
        ("aasld", [(0, "110"), (1, "118"), (49.5, "126.1")], None, "near"),
        ("aasld", [(0, "126"), (1, "134"), (48, "143")], None, "near"),
        ("european", [(0, "110"), (1, "119"), (48, "128")], None, "near"),
        ("european", [(0, "110"), (1, "119"), (48, "128.1")], "critical", "two-days"),
    ],
)
def test_two_days_have_a_limit_of_their_own(
    profile: str, points: list[Point], level: str | None, variant: str
) -> None:
    found = rate(*points, profile=profile)
    assert (found.level, found.variant) == (level, variant)
    if level:
        assert found.limit == {"aasld": Decimal(16), "european": Decimal(18)}[profile]


@pytest.mark.parametrize(
    ("points", "level", "limit"),
    [
        ([(0, "110"), (24, "120")], "info", "10"),
        ([(0, "110"), (24, "120.1")], "critical", "10"),
        ([(0, "112"), (6, "110"), (24, "120")], "info", "10"),
        ([(0, "110"), (24.5, "119.5")], "info", "10"),
        ([(0, "110"), (30, "121.5")], "info", "10"),
        ([(0, "110"), (30.5, "121.5")], "critical", "8"),
        ([(0, "110"), (24, "112"), (48, "120")], "info", "8"),
        ([(0, "110"), (24, "112"), (48, "120.1")], "critical", "8"),
        ([(-336, "108"), (0, "110"), (24, "119.5")], "critical", "8"),
        ([(-348, "108"), (0, "110"), (24, "119.5")], "info", "10"),
    ],
)
def test_the_european_first_day_is_that_of_the_first_or_lowest_value(
    points: list[Point], level: str, limit: str
) -> None:
    found = rate(*points, profile="european")
    assert (found.level, found.limit) == (level, Decimal(limit))


# ---- windows ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "observed", "base"),
    [(23.5, True, "118"), (24, True, "118"), (24.5, False, "118.173"), (48, False, "122.25")],
)
def test_a_base_further_than_a_day_is_estimated(hours: float, observed: bool, base: str) -> None:
    now = rate((0, "118"), (hours, "126.5")).now
    assert now is not None
    assert (now.observed, now.base) == (observed, Decimal(base))
    assert now.span == timedelta(hours=min(hours, 24))
    assert now.over == timedelta(hours=hours)
    assert now.gap == (timedelta(0) if observed else timedelta(hours=hours))


@pytest.mark.parametrize(
    ("points", "level", "variant"),
    [
        ([(0, "112"), (30, "123")], "critical", "fast"),
        ([(0, "112"), (30.5, "123")], "critical", "estimated"),
        ([(0, "112"), (48, "130")], "critical", "two-days"),
        ([(0, "118"), (48, "134.1")], "critical", "two-days"),
        ([(0, "112"), (48.5, "130")], "warning", "average"),
        ([(0, "112"), (48.5, "128")], None, "near"),
        ([(0, "126"), (49, "146")], None, "near"),
        ([(0, "105"), (96, "137.1")], "warning", "average"),
        ([(0, "105"), (96.5, "138")], None, "near"),
    ],
)
def test_far_samples_give_an_estimate_then_an_average_then_nothing(
    points: list[Point], level: str | None, variant: str
) -> None:
    found = rate(*points)
    assert (found.level, found.variant) == (level, variant)


@pytest.mark.parametrize(
    ("points", "average"),
    [
        ([(0, "112"), (60, "124")], "4.8"),
        ([(0, "112"), (50, "122"), (54, "123")], "4.8"),
        ([(0, "112"), (48, "122")], None),
        ([(0, "112"), (100, "124")], None),
    ],
)
def test_the_average_over_a_long_gap_is_told(points: list[Point], average: str | None) -> None:
    assert rate(*points).average_per_day == (Decimal(average) if average else None)


def test_a_long_gap_that_ended_before_the_last_sample_still_counts() -> None:
    found = rate((0, "105"), (49, "125"), (54, "126"))
    assert (found.level, found.variant, found.assessable) == ("warning", "average", True)


@pytest.mark.parametrize(("later", "assessable"), [(24, True), (24.5, False)])
def test_an_old_last_sample_is_not_the_present(later: float, assessable: bool) -> None:
    assert rate((0, "118"), (20, "123"), later=later).assessable is assessable


@pytest.mark.parametrize(("later", "level"), [(24, "critical"), (48, "critical"), (48.5, None)])
def test_an_over_correction_that_was_never_rechecked_is_told_for_two_days(
    later: float, level: str | None
) -> None:
    assert rate((0, "110"), (20, "122"), later=later).level == level


@pytest.mark.parametrize(("later", "level"), [(14, "warning"), (14.5, None)])
def test_a_lowered_over_correction_is_told_for_a_day_after_it(
    later: float, level: str | None
) -> None:
    found = rate((0, "115"), (20, "125"), (30, "121"), later=later)
    assert found.level == level
    assert found.episode is not None


def test_an_early_steep_rise_below_the_limit_is_not_called_over_later() -> None:
    assert rate((0, "112"), (4, "118"), (10, "117")).level is None


def test_a_recent_rise_above_the_limit_is_remembered_for_a_planned_fall() -> None:
    assert rate((0, "110"), (18, "122"), (26, "117")).episode is not None
    assert rate((0, "118"), (20, "126")).episode is None
    assert rate((0, "120"), (3, "133.5"), (5, "120")).episode is None


@pytest.mark.parametrize(
    ("points", "level"),
    [
        ([(0, "120"), (20, "130")], "warning"),
        ([(0, "120"), (20, "130.1")], "critical"),
        ([(0, "119.9"), (20, "129.9")], "critical"),
        ([(0, "125.9"), (20, "134.4")], "warning"),
        ([(0, "122"), (20, "130")], "info"),
    ],
)
def test_f34_just_above_the_limit_at_usual_risk_panels_would_allow_it(
    points: list[Point], level: str
) -> None:
    found = rate(*points)
    assert found.level == level
    assert (found.variant == "contested") is (level == "warning")
    high = rate(*points, high_risk=True)
    assert high.level == ("warning" if level == "info" else "critical")


def test_f34_the_european_limit_of_a_later_day_is_not_contested() -> None:
    found = rate((0, "115"), (24, "121"), (48, "129.5"), profile="european")
    assert (found.level, found.variant) == ("critical", "fast")


# ---- modifiers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("last", "level"), [("128", "warning"), ("128.1", "critical")])
def test_between_two_methods_only_a_clear_excess_is_critical(last: str, level: str) -> None:
    found = rate((0, "118"), (24, last, "poc"))
    assert (found.level, found.notes) == (level, ("methods-differ",))


def test_a_point_of_care_value_does_not_hide_a_rise_within_one_method() -> None:
    found = rate((0, "119"), (0.1, "118.5", "poc"), (24.5, "128"))
    assert (found.level, found.notes) == ("critical", ())


def test_the_laboratory_value_that_stands_for_now_counts_beside_a_later_point_of_care_value() -> (
    None
):
    samples = chart((0, "118"), (23.5, "126.5"), (24, "125", "poc"))
    found = rate_of(samples, latest=samples[1])
    assert (found.level, found.variant, found.latest) == ("critical", "fast", samples[1])


@pytest.mark.parametrize(
    ("more", "note"),
    [
        ({"status": "preliminary"}, "preliminary"),
        ({"status": "unknown"}, "status-unknown"),
        ({"result_time": True}, "result-time"),
    ],
)
@pytest.mark.parametrize("weak_end", [0, 1])
def test_an_uncertain_sample_never_makes_a_critical_card(
    more: dict[str, Any], note: str, weak_end: int
) -> None:
    ends = [(0.0, "112"), (20.0, "124")]
    samples = [sample(*end, **(more if i == weak_end else {})) for i, end in enumerate(ends)]
    found = rate_of(samples)
    assert (found.level, found.notes) == ("warning", (note,))


@pytest.mark.parametrize(
    ("hours", "last", "level", "notes"),
    [
        (1.0, "132", None, ()),
        (1.01, "132", "critical", ("methods-differ",)),
        (1.0, "129", None, ()),
        (1.01, "129", "warning", ("methods-differ",)),
    ],
)
def test_f12_between_two_methods_within_an_hour_nothing_rises(
    hours: float, last: str, level: str | None, notes: tuple[str, ...]
) -> None:
    found = rate_of([sample(0, "121"), sample(hours, last, "poc")])
    assert (found.level, found.notes) == (level, notes)
    assert (found.episode is not None) is (notes == ("methods-differ",))


@pytest.mark.parametrize(("minutes", "rises"), [(15, False), (16, True)])
def test_f12_within_15_minutes_nothing_rises(minutes: float, rises: bool) -> None:
    found = rate((0, "112"), (minutes / 60, "121"))
    assert (found.level is not None) is rises
    later = rate((0, "112"), (minutes / 60, "121"), (6, "121"))
    assert later.level == "critical"


@pytest.mark.parametrize(("hours", "jumps"), [(1.0, False), (1.1, True)])
def test_f12_two_methods_within_an_hour_make_no_jump(hours: float, jumps: bool) -> None:
    found = rate_of([sample(0, "140"), sample(hours, "112", "poc")])
    assert (found.jump is not None) is jumps
    assert rate_of([sample(0, "140"), sample(0.5, "112")]).jump is not None


def test_dialysis_never_makes_a_critical_card() -> None:
    found = rate((0, "112"), (20, "124"), dialysis=True)
    assert (found.level, found.notes) == ("warning", ("dialysis",))


@pytest.mark.parametrize(
    ("points", "level"),
    [
        ([(-48, "136"), (0, "118"), (20, "127")], "warning"),
        ([(-48, "135.9"), (0, "118"), (20, "127")], "critical"),
        ([(-48.5, "136"), (0, "118"), (20, "127")], "critical"),
        ([(-366, "135"), (-30, "138"), (0, "118"), (20, "127")], "critical"),
        ([(-366.5, "135"), (-30, "138"), (0, "118"), (20, "127")], "warning"),
        ([(-300, "135.5"), (-30, "138"), (0, "118"), (20, "127")], "warning"),
    ],
)
def test_a_documented_acute_onset_lowers_the_level(points: list[Point], level: str) -> None:
    found = rate(*points)
    assert found.level == level
    assert ("acute" in found.notes) is (level == "warning")


def test_a_low_value_known_only_by_its_day_speaks_against_an_acute_onset() -> None:
    samples = [sample(-100, "130", day_only=True), *chart((-30, "138"), (0, "118"), (20, "127"))]
    assert rate_of(samples).level == "critical"


def test_an_acute_onset_lowers_nothing_at_high_risk() -> None:
    assert rate((-30, "138"), (0, "118"), (20, "127"), high_risk=True).level == "critical"


@pytest.mark.parametrize(
    ("points", "level"),
    [
        ([(0, "112"), (4, "124")], "critical"),
        ([(0, "112"), (4, "124.1")], "warning"),
        ([(0, "112"), (4.5, "124.1")], "critical"),
        ([(0, "112"), (2, "122"), (3, "126")], "critical"),
        ([(0, "112"), (2, "119.9"), (3, "126")], "warning"),
        ([(0, "124"), (6, "118"), (7, "124"), (20, "127")], "critical"),
        ([(0, "124"), (6, "117.9"), (7, "124"), (20, "127")], None),
        ([(0, "124"), (6, "117"), (12, "124"), (20, "126")], None),
        ([(0, "124"), (6, "117"), (12.5, "124"), (20, "126")], "critical"),
        ([(0, "120"), (6, "113"), (9, "124"), (20, "125")], None),
        ([(0, "120"), (6, "113"), (9, "124.1"), (20, "125")], "critical"),
    ],
)
def test_f33_a_jump_is_not_believed_without_a_repeat_and_a_refuted_lone_value_makes_no_rise(
    points: list[Point], level: str | None
) -> None:
    found = rate(*points)
    assert found.level == level
    assert (found.variant == "jump") is (level == "warning")


@pytest.mark.parametrize(
    ("points", "change"),
    [
        ([(0, "112"), (4, "124")], None),
        ([(0, "112"), (4, "124.1")], "12.1"),
        ([(0, "112"), (4.5, "124.1")], None),
        ([(0, "138"), (3, "120")], "-18"),
        ([(0, "105"), (24, "125")], None),
        ([(0, "105"), (24, "125.1")], "20.1"),
        ([(0, "105"), (24.5, "126")], None),
        ([(0, "125"), (3, "112"), (6, "125")], None),
        ([(-0.5, "125"), (3, "112"), (6, "125")], None),
        ([(-6.5, "125"), (3, "112"), (6, "125")], "13"),
        ([(0, "112"), (2, "126"), (3, "125")], None),
        ([(0, "112"), (2, "122"), (3, "126")], None),
        ([(0, "112"), (2, "121.9"), (3, "126")], "14"),
    ],
)
def test_an_implausible_change_to_the_last_sample_asks_for_a_repeat(
    points: list[Point], change: str | None
) -> None:
    jump = rate(*points).jump
    assert (jump.rise if jump else None) == (Decimal(change) if change else None)


def test_a_very_large_rise_keeps_its_level_and_asks_for_a_repeat() -> None:
    found = rate((0, "105"), (20, "126"))
    assert (found.level, found.notes) == ("critical", ("repeat-to-confirm",))


@pytest.mark.parametrize(
    ("glucose", "level", "note"),
    [
        (("300", "200"), "info", "glucose-shift"),
        (("300", "200.1"), "critical", ""),
        (("199.9", "90"), "critical", ""),
        (("200", "100"), "info", "glucose-shift"),
        (("100", "600"), "critical", "glucose-raised"),
        (("200", None), "warning", "glucose-one-end"),
        ((None, "200"), "warning", "glucose-one-end"),
        (("199.9", None), "critical", ""),
    ],
)
def test_glucose_corrects_or_weakens_a_rise(
    glucose: tuple[str | None, str | None], level: str, note: str
) -> None:
    samples = chart((0, "118"), (20, "127"))
    known = {s: Decimal(g) for s, g in zip(samples, glucose, strict=True) if g}
    found = rate_of(samples, glucose=known)
    assert (found.level, found.notes) == (level, (note,) if note else ())


def test_an_estimated_base_is_corrected_for_glucose_at_every_sample_or_not_at_all() -> None:
    samples = chart((0, "120"), (6, "124"), (28, "133"))
    glucose = {samples[0]: Decimal(600), samples[1]: Decimal(400), samples[2]: Decimal(150)}
    day = timedelta(hours=24)

    def estimates() -> list[RatePair]:
        rises = SodiumRises(tuple(samples), glucose, limits())
        return list(rises.estimated(samples[2], "day", day))

    assert [p.base for p in estimates()] == [Decimal("128.533")]
    del glucose[samples[1]]
    assert [p.glucose for p in estimates()] == ["one-end"]
    glucose |= {samples[0]: Decimal(100), samples[2]: Decimal(600)}
    assert [p.glucose for p in estimates()] == ["raised"]


# ---- what is left out ------------------------------------------------------------------------------------


def test_bounds_and_days_are_no_ground_for_a_rate() -> None:
    end = sample(20, "127")
    assert not rate_of([sample(0, "110", comparator="<"), end]).assessable
    assert not rate_of([sample(0, "110", day_only=True), end]).assessable


def test_no_sample_at_all_is_not_assessable() -> None:
    found = assess(Snapshot(now=NOW), limits(), sets(), LABS).rate
    assert (found.assessable, found.level, found.rise_now, found.limit) == (
        False,
        None,
        Decimal(0),
        Decimal(8),
    )


# ---- long series ------------------------------------------------------------------------------------------


def saw_tooth(count: int, minutes: int) -> list[Sample]:
    """Values that rise and fall again and again, as a hostile or a broken record may send them."""
    return [sample(n * minutes / 60, str(116 + n * 7 % 25)) for n in range(count)]


def calls_of(count: int, minutes: int) -> int:
    """How many functions of the service one verdict on such a series calls."""
    calls = 0

    def count_call(frame: FrameType, event: str, _: object) -> None:
        nonlocal calls
        calls += event == "call" and "cds_service" in frame.f_code.co_filename

    samples = saw_tooth(count, minutes)
    sys.setprofile(count_call)
    try:
        rate_of(samples)
    finally:
        sys.setprofile(None)
    return calls


def test_the_work_grows_with_the_samples_and_not_with_their_pairs() -> None:
    """Eight times as many samples in the same days take about eight times the work, not 64."""
    assert calls_of(1600, 3) < 12 * calls_of(200, 24)


kinds_of_sample = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["preliminary", "unknown"]),
        "result_time": st.just(True),
        "method": st.just("poc"),
    },
)
long_series = st.lists(
    st.tuples(st.integers(0, 720), st.integers(1100, 1420), kinds_of_sample),
    min_size=2,
    max_size=40,
    unique_by=lambda point: point[0],
)


@settings(max_examples=150, deadline=None)
@given(
    long_series,
    st.lists(st.sampled_from([100, 190, 300, 500]), max_size=20),
    st.booleans(),
    st.sampled_from(["aasld", "european"]),
)
def test_the_verdict_is_that_of_looking_at_every_pair(
    points: list[tuple[int, int, dict[str, Any]]],
    glucose: list[int],
    high_risk: bool,
    profile: str,
) -> None:
    samples = [
        replace(sample(tenth / 10, str(Decimal(value) / 10)), **kind)
        for tenth, value, kind in sorted(points, key=lambda point: point[0])
    ]
    more: dict[str, Any] = {"high_risk": high_risk, "profile": profile}
    known = {s: Decimal(value) for s, value in zip(samples, glucose, strict=False)}
    fast = rate_of(samples, glucose=dict(known), **more)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RateRules, "past", every_pair)
        patch.setattr(RateRules, "far_apart", lambda rules, ends: [*ends])
        assert rate_of(samples, glucose=dict(known), **more) == fast


@settings(max_examples=150, deadline=None)
@given(long_series, st.integers(1, 8), st.sampled_from(["aasld", "european"]))
def test_the_rises_of_a_backtest_are_those_of_looking_at_every_sample(
    points: list[tuple[int, int, dict[str, Any]]], flat: int, profile: str
) -> None:
    """Sodium is flat, so that some values are far enough apart for a rise and others are not."""
    samples = [
        replace(sample(tenth / 10, str(130 + Decimal(value - 1260) / (10 * flat))), **kind)
        for tenth, value, kind in sorted(points, key=lambda point: point[0])
    ]
    fast = over_corrections(case_of(samples, profile=profile))
    seen = rate_of(samples, profile=profile)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RateRules, "far_apart", lambda rules, ends: [*ends])
        assert over_corrections(case_of(samples, profile=profile)) == fast
        assert rate_of(samples, profile=profile) == seen


def test_a_rise_that_ended_shortly_before_a_lower_value_is_an_over_correction_of_both() -> None:
    """From 120 to about 128 after 24 h: the last value alone rose by 4.5 only."""
    samples = chart((0, "120"), (23, "132"), (25, "124.5"))
    found = over_corrections(case_of(samples))
    assert [verdict.pair.end for verdict in found] == samples[1:]


def every_pair(rules: RateRules, ends: Sequence[Sample]) -> list[Verdict]:
    """The verdict on each rise within a day, and on each average."""
    pairs = [pair for end in ends for pair in rules.rises.to(end)]
    return [rules.judge(pair) for pair in pairs if pair.window != "two-days"]


# ---- laws ------------------------------------------------------------------------------------------------

tenths = st.integers(1050, 1450).map(lambda n: Decimal(n) / 10)
points = st.lists(
    st.tuples(st.integers(0, 900), tenths), min_size=1, max_size=8, unique_by=lambda p: p[0]
)


def clocked(pairs: list[tuple[int, Decimal]]) -> list[Sample]:
    """Samples at tenths of an hour, oldest first."""
    return [sample(tenth / 10, str(value)) for tenth, value in sorted(pairs)]


@settings(max_examples=150, deadline=None)
@given(points)
def test_sodium_that_only_falls_never_rises(pairs: list[tuple[int, Decimal]]) -> None:
    falling = sorted((value for _, value in pairs), reverse=True)
    samples = clocked(
        [(tenth, value) for (tenth, _), value in zip(sorted(pairs), falling, strict=True)]
    )
    found = rate_of(samples)
    assert found.level is None
    assert found.rise_now <= 0


@settings(max_examples=150, deadline=None)
@given(points)
def test_nothing_is_extrapolated_beyond_measured_values(pairs: list[tuple[int, Decimal]]) -> None:
    samples = clocked(pairs)
    rises = SodiumRises(tuple(samples), {}, limits())
    day_pairs = [p for end in samples for p in rises.to(end) if p.window == "day"]
    for pair in day_pairs:
        around = [s.value for s in pair.used[: 1 if pair.observed else 2]]
        assert min(around) <= pair.base <= max(around)
        assert abs(pair.end_value - pair.end.value) <= Decimal("0.001")
        assert pair.span <= timedelta(hours=24)


@settings(max_examples=150, deadline=None)
@given(points, st.randoms(use_true_random=False), st.booleans())
def test_order_and_repetition_do_not_matter(
    pairs: list[tuple[int, Decimal]], random: Any, high_risk: bool
) -> None:
    samples = clocked(pairs)
    shuffled = samples + samples[: len(samples) // 2]
    random.shuffle(shuffled)
    assert rate_of(samples, high_risk=high_risk) == rate_of(shuffled, high_risk=high_risk)


@settings(max_examples=150, deadline=None)
@given(tenths, tenths, st.integers(-120, 120), st.sampled_from(["aasld", "european"]))
def test_the_day_has_no_step_at_24_hours(
    base: Decimal, end: Decimal, seconds: int, profile: str
) -> None:
    assume(abs(end - base) <= 12)
    exact = rate_of(chart((0, str(base)), (24, str(end))), profile=profile)
    near = rate_of(chart((0, str(base)), (24 + seconds / 3600, str(end))), profile=profile)
    assert exact.now is not None
    assert near.now is not None
    assert abs(exact.now.rise - near.now.rise) <= Decimal("0.02")
    assert exact.limit == near.limit


@settings(max_examples=150, deadline=None)
@given(points, st.booleans(), st.booleans())
def test_a_card_always_says_what_it_rests_on(
    pairs: list[tuple[int, Decimal]], high_risk: bool, dialysis: bool
) -> None:
    found = rate_of(clocked(pairs), high_risk=high_risk, dialysis=dialysis)
    assert (found.level is None) == (found.worst is None) == (found.rule == "")
    if found.worst is not None:
        assert found.worst.used[-1] == found.worst.end
        assert found.worst.rise > 0
        assert not (dialysis and found.level == "critical")


# ---- F2: the onset may have been under two days


def after(
    event: str, hours_before_base: float, *points: Point, high_risk: bool = False
) -> RateView:
    """The verdict on these points, the event so many hours before the first of them."""
    samples = chart(*points)
    begun = samples[0].at - timedelta(hours=hours_before_base)
    recorded = Problem(
        concepts=frozenset({event}), active=True, encounter_diagnosis=False, since=begun
    )
    now = samples[-1].at
    case = assess(Snapshot(now=now, problems=(recorded,)), limits(), sets(), LABS)
    vars(case).update(
        series=Series(samples=tuple(samples), latest=samples[-1]),
        risk=OdsRisk(reasons=("malnutrition",) if high_risk else ()),
    )
    return rate_view(case)


TRAUB: list[Point] = [(0, "121"), (13, "127"), (24, "132")]


@pytest.mark.parametrize(
    ("event", "hours", "acute"),
    [
        ("stimulant-poisoning", 5, True),
        ("stimulant-poisoning", 48, True),
        ("stimulant-poisoning", 48.1, False),
        ("stimulant-poisoning", -1, False),
        ("irrigation", 24, True),
        ("irrigation", 24.1, False),
        ("headache", 5, False),
    ],
)
def test_f2_after_an_acute_setting_a_rise_is_one_level_lower(
    event: str, hours: float, acute: bool
) -> None:
    found = after(event, hours, *TRAUB)
    assert found.level == ("warning" if acute else "critical")
    assert ("acute-setting" in found.notes) is acute
    assert found.may_be_acute is acute
    assert (found.variant == "acute-setting") is acute


def test_f2_an_acute_setting_lowers_nothing_at_high_risk() -> None:
    found = after("labor", 5, *TRAUB, high_risk=True)
    assert found.level == "critical"
    assert not found.may_be_acute


@pytest.mark.parametrize(("hours", "acute"), [(-4, True), (-6, False)])
def test_f2_sodium_that_was_low_before_the_setting_is_not_acute(hours: float, acute: bool) -> None:
    found = after("labor", 5 + hours, (hours, "122"), *TRAUB)
    assert found.may_be_acute is acute


# ---- F42: high sodium that develops is no correction


@pytest.mark.parametrize(
    ("base", "end", "seen"),
    [("136", "146", False), ("135.9", "146", True), ("136", "145", True), ("140", "151", False)],
)
def test_f42_a_rise_from_normal_to_high_is_no_correction(base: str, end: str, seen: bool) -> None:
    assert (rate((0, base), (12, end), high_risk=True).level is not None) is seen
