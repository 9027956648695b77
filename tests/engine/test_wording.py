"""Numbers, times and the trend line, as a clinician reads them in ten seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.engine.wording import ago, in_hours, number, room_left, when
from cds_service.sodium.results import Sample
from cds_service.sodium.wording import trend_line
from tests.sodium.cases import NOW, limits, sample

EASTERN = timedelta(hours=-5)


@pytest.mark.parametrize(
    ("value", "edges", "shown"),
    [
        ("128", (), "128"),
        ("128.0", (), "128"),
        ("128.00", (), "128"),
        ("1.2E+2", (), "120"),
        ("128.25", (), "128.3"),
        ("136.0027389073786", (), "136"),
        ("134.96", ("135",), "134.96"),
        ("134.94", ("135",), "134.9"),
        ("135.0027389", ("135",), "135.003"),
        ("119.999", ("120", "126"), "119.999"),
        ("119.96", ("135",), "120"),
        ("8.04", ("8",), "8.04"),
        ("8.0", ("8",), "8"),
        ("7.385", ("8", "6"), "7.4"),
        ("-0.04", (), "0"),
        ("0", (), "0"),
        ("-3.25", (), "-3.3"),
        ("NaN", (), "NaN"),
        ("1E+999999", (), "1e+999999"),
        (
            "134.99999999999999999999999999999999999",
            ("135",),
            "134.99999999999999999999999999999999999",
        ),
    ],
)
def test_a_number_is_short_and_never_rounded_across_an_edge(
    value: str, edges: tuple[str, ...], shown: str
) -> None:
    assert number(Decimal(value), [Decimal(e) for e in edges]) == shown


@given(st.decimals(min_value=50, max_value=200, places=3), st.integers(50, 200).map(Decimal))
def test_a_shown_number_lies_on_the_side_of_the_edge_where_the_value_lies(
    value: Decimal, edge: Decimal
) -> None:
    shown = Decimal(number(value, [edge]))
    assert (shown > edge, shown < edge) == (value > edge, value < edge)
    assert abs(shown - value) <= Decimal("0.05")


@given(st.decimals(min_value=0, max_value=20, places=3))
def test_room_before_a_limit_is_never_shown_larger_than_it_is(value: Decimal) -> None:
    shown = Decimal(room_left(value))
    assert value - Decimal("0.1") < shown <= value


@pytest.mark.parametrize(
    ("delta", "shown"),
    [
        (timedelta(minutes=-5), "0 min"),
        (timedelta(minutes=12), "12 min"),
        (timedelta(minutes=59, seconds=59), "59 min"),
        (timedelta(hours=1), "1 h"),
        (timedelta(hours=47, minutes=59), "47 h"),
        (timedelta(hours=48), "2 d"),
        (timedelta(days=40, hours=23), "40 d"),
    ],
)
def test_an_age_has_the_unit_that_people_use(delta: timedelta, shown: str) -> None:
    assert ago(delta) == shown


@pytest.mark.parametrize(
    ("delta", "shown"),
    [
        (timedelta(hours=20), "20"),
        (timedelta(hours=2, minutes=30), "2.5"),
        (timedelta(hours=24, minutes=1), "24"),
        (timedelta(minutes=1), "0.1"),
        (timedelta(0), "0.1"),
    ],
)
def test_a_span_in_hours_is_never_zero(delta: timedelta, shown: str) -> None:
    assert in_hours(delta) == shown


@pytest.mark.parametrize(
    ("moment", "zone", "day_only", "shown"),
    [
        (datetime(2026, 11, 15, 8, 30, tzinfo=UTC), None, False, "today 08:30"),
        (datetime(2026, 11, 14, 23, 10, tzinfo=UTC), None, False, "yesterday 23:10"),
        (datetime(2026, 11, 14, tzinfo=UTC), None, True, "yesterday"),
        (datetime(2026, 11, 1, tzinfo=UTC), None, True, "1 Nov"),
        (datetime(2026, 11, 1, 6, 5, tzinfo=UTC), None, False, "1 Nov 06:05"),
        (datetime(2025, 12, 31, tzinfo=UTC), None, True, "31 Dec 2025"),
        (datetime(2026, 11, 15, 3, 30, tzinfo=UTC), EASTERN, False, "yesterday 22:30"),
        (datetime(2026, 11, 15, tzinfo=UTC), EASTERN, True, "today"),
        (
            datetime(2026, 11, 15, 8, 30, tzinfo=timezone(timedelta(hours=9))),
            None,
            False,
            "today 08:30",
        ),
    ],
)
def test_a_time_reads_as_people_say_it(
    moment: datetime, zone: timedelta | None, day_only: bool, shown: str
) -> None:
    assert when(moment, NOW, zone, day_only) == shown


def line(*samples: Sample, zone: timedelta | None = None) -> str:
    return trend_line(samples, NOW, zone, limits())


def test_the_trend_is_read_at_a_glance() -> None:
    found = line(sample(-24 * 14, "139"), sample(-24, "133", day_only=True), sample(-1, "128"))
    assert found == "139 (1 Nov) · 133 (yesterday) · 128 today 11:00 ↓"


def test_two_values_of_one_day_carry_their_clock() -> None:
    found = line(sample(-30, "118"), sample(-6, "121"), sample(-1, "122"))
    assert found == "118 (yesterday) · 121 today 06:00 · 122 today 11:00"


def test_only_the_last_values_are_shown_oldest_first() -> None:
    samples = [sample(-24 * days, str(130 + days)) for days in range(2, 8)]
    assert line(*samples) == "135 (10 Nov) · 134 (11 Nov) · 133 (12 Nov) · 132 (13 Nov 12:00)"


def test_days_are_those_of_the_clients_clocks() -> None:
    assert line(sample(-8, "128"), zone=EASTERN) == "128 (yesterday 23:00)"
    assert line(sample(-8, "128")) == "128 today 04:00"


@pytest.mark.parametrize(
    ("before", "after", "arrow"),
    [
        ("130", "128", " ↓"),
        ("129.9", "128", ""),
        ("128", "130", " ↑"),
        ("128", "129.9", ""),
        ("128", "128", ""),
    ],
)
def test_the_arrow_needs_a_change_beyond_the_limit(before: str, after: str, arrow: str) -> None:
    assert line(sample(-48, before), sample(-1, after)).endswith("today 11:00" + arrow)


def test_a_bound_gets_no_arrow_and_no_values_no_line() -> None:
    assert (
        line(sample(-48, "128"), sample(-1, "110", comparator="<"))
        == "128 (13 Nov) · 110 today 11:00"
    )
    assert line() == ""
