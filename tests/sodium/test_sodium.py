"""The sodium series: what is usable, which result is the latest, its band, age and trend."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.sodium.case import assess
from cds_service.sodium.results import Band, Freshness, Series, series_of
from cds_service.sodium.snapshot import LabResult, Moment, Setting, Snapshot
from cds_service.sodium.sodium import SodiumView, sodium_view
from tests.sodium.cases import LABS, NOW, hours_ago, lab, limits, sample, snapshot
from tests.sodium.patients import sets

DAY = 24.0


def series(*labs: LabResult, profile: str = "aasld", **more: Any) -> Series:
    return series_of(snapshot(*labs, **more), limits(profile), LABS)


def view(*labs: LabResult, profile: str = "aasld", **more: Any) -> SodiumView:
    patient = snapshot(*labs, **more)
    return sodium_view(patient, series_of(patient, limits(profile), LABS), limits(profile), {})


def values(found: Series) -> list[str]:
    return [s.shown for s in found.samples]


# ---- bands -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "value", "band"),
    [
        ("aasld", "136", Band.NORMAL),
        ("aasld", "135.4", Band.NORMAL),
        ("aasld", "135.1", Band.NORMAL),
        ("aasld", "135", Band.MILD),
        ("aasld", "126", Band.MILD),
        ("aasld", "125.9", Band.MODERATE),
        ("aasld", "125.5", Band.MODERATE),
        ("aasld", "125", Band.MODERATE),
        ("aasld", "120", Band.MODERATE),
        ("aasld", "119.9", Band.SEVERE),
        ("european", "135", Band.NORMAL),
        ("european", "134.9", Band.MILD),
        ("european", "130", Band.MILD),
        ("european", "129.9", Band.MODERATE),
        ("european", "125", Band.MODERATE),
        ("european", "124.9", Band.SEVERE),
    ],
)
def test_a_value_between_two_whole_numbers_belongs_to_the_more_severe_band(
    profile: str, value: str, band: Band
) -> None:
    found = view(lab(value), profile=profile)
    assert (found.band, found.measured) == (band, band)
    assert found.low is (band is not Band.NORMAL)


def test_a_value_is_never_rounded_before_it_is_compared() -> None:
    found = view(lab("135.0027389073786"))
    assert found.band is Band.NORMAL
    assert found.latest is not None
    assert found.latest.shown == "135.003"


def test_the_band_in_use_is_that_of_the_corrected_value_and_the_measured_one_is_kept() -> None:
    patient = snapshot(lab("124"))
    found = series_of(patient, limits(), LABS)
    seen = sodium_view(patient, found, limits(), {found.samples[0]: Decimal("128.8")})
    assert (seen.measured, seen.band) == (Band.MODERATE, Band.MILD)


def test_no_sodium_is_an_empty_view() -> None:
    assert view() == SodiumView()


# ---- which results are usable ----------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled", "registered"])
def test_a_withdrawn_result_is_dropped_without_a_word(status: str) -> None:
    found = view(lab("110", status=status), hours_ago("138", 1))
    assert found.latest is not None
    assert found.latest.shown == "138"
    assert found.newest_rejected is None


@pytest.mark.parametrize(
    ("status", "kept"), [("unknown", "unknown"), ("", "unknown"), ("corrected", "corrected")]
)
def test_a_result_without_a_clear_status_is_used_and_marked(status: str, kept: str) -> None:
    assert [s.status for s in series(lab("128", status=status)).samples] == [kept]


@pytest.mark.parametrize(
    ("hours", "used"), [(1.0, True), (23.9, True), (24.0, False), (24.1, False)]
)
def test_a_preliminary_result_counts_only_while_it_is_young(hours: float, used: bool) -> None:
    assert bool(series(hours_ago("122", hours, status="preliminary")).samples) is used


def test_a_preliminary_result_counts_only_while_it_is_the_newest() -> None:
    assert values(series(hours_ago("122", 2, status="preliminary"), hours_ago("128", 1))) == ["128"]


@pytest.mark.parametrize(
    ("value", "unit", "why"),
    [
        ("135", "mg/dL", "unit"),
        ("135", "%", "unit"),
        ("89.9", "", "unit"),
        ("190.1", "", "unit"),
        ("190.1", "mmol/L", "implausible"),
        ("69.9", "mmol/L", "implausible"),
        ("NaN", "mmol/L", "implausible"),
        ("Infinity", "mmol/L", "implausible"),
        ("1E+999999", "mmol/L", "implausible"),
    ],
)
def test_a_wrong_unit_or_value_is_left_out_and_told(value: str, unit: str, why: str) -> None:
    found = view(lab(value, unit=unit), hours_ago("131", 5))
    assert found.latest is not None
    assert found.latest.shown == "131"
    assert found.newest_rejected is not None
    assert found.newest_rejected.why == why
    assert len(found.newest_rejected.shown) < 12


def test_a_rejected_result_older_than_the_latest_is_not_told() -> None:
    found = view(hours_ago("135", 5, unit="mg/dL"), lab("131"))
    assert found.newest_rejected is None
    assert [r.why for r in found.rejected] == ["unit"]


def test_a_rejected_result_that_is_the_only_one_is_told() -> None:
    found = view(lab("135", unit="mg/dL"))
    assert found.latest is None
    assert found.newest_rejected is not None
    assert (found.newest_rejected.shown, found.newest_rejected.unit) == ("135", "mg/dL")


@pytest.mark.parametrize(
    ("value", "flagged"), [("70", True), ("88", True), ("89.9", True), ("90", False)]
)
def test_a_value_below_the_plausible_range_counts_as_severe_and_is_flagged(
    value: str, flagged: bool
) -> None:
    found = view(lab(value), hours_ago("131", 5))
    assert found.latest is not None
    assert (found.latest.shown, found.band, found.latest.below_plausible) == (
        value,
        Band.SEVERE,
        flagged,
    )


@pytest.mark.parametrize("value", ["90", "190"])
def test_a_plausible_value_without_a_unit_is_used_and_flagged(value: str) -> None:
    assert [s.unit_missing for s in series(lab(value, unit="")).samples] == [True]


def test_no_unit_of_sodium_is_converted() -> None:
    assert set(LABS["sodium"].units.values()) == {"1"}


@pytest.mark.parametrize("unit", ["mmol/L", "meq/L", "mEq/L", "MEQ/L", "mmol/l"])
def test_the_units_of_real_laboratories_are_read(unit: str) -> None:
    assert [s.unit_missing for s in series(lab("128", unit=unit)).samples] == [False]


@pytest.mark.parametrize(
    ("comparator", "value", "profile", "band"),
    [
        ("<", "110", "aasld", Band.SEVERE),
        ("<", "120", "aasld", Band.SEVERE),
        ("<=", "120", "aasld", Band.MODERATE),
        ("<", "135", "european", Band.MILD),
        (">", "136", "aasld", Band.NORMAL),
        (">=", "135.5", "aasld", Band.NORMAL),
    ],
)
def test_a_bound_is_used_where_it_tells_enough(
    comparator: str, value: str, profile: str, band: Band
) -> None:
    found = view(lab(value, comparator=comparator), profile=profile)
    assert found.latest is not None
    assert (found.latest.shown, found.band) == (comparator + value, band)


@pytest.mark.parametrize(
    ("comparator", "value"),
    [("<", "140"), ("<=", "135.1"), (">", "135"), (">", "120"), ("~", "120")],
)
def test_a_bound_that_tells_nothing_is_dropped(comparator: str, value: str) -> None:
    found = series(lab(value, comparator=comparator))
    assert found.samples == ()
    assert [r.why for r in found.rejected] == ["comparator"]


def test_urine_is_never_blood() -> None:
    found = series(lab("40", urine=True), lab("118", urine=True))
    assert found.samples == ()
    assert {r.why for r in found.rejected} == {"specimen"}


# ---- times -----------------------------------------------------------------------------------------------


def test_a_result_without_a_time_is_dropped() -> None:
    timeless = LabResult(
        analyte="sodium", value=Decimal(118), unit="mmol/L", time=None, status="final"
    )
    assert [r.why for r in series(timeless).rejected] == ["time"]


@pytest.mark.parametrize(("minutes", "used"), [(10, True), (10.5, False)])
def test_a_result_may_be_ahead_only_as_far_as_clocks_differ(minutes: float, used: bool) -> None:
    found = view(lab("128", -timedelta(minutes=minutes)))
    assert (found.latest is not None) is used
    assert found.age == timedelta(0)


@pytest.mark.parametrize(("days", "used"), [(730, True), (730.5, False)])
def test_very_old_results_are_not_looked_at(days: float, used: bool) -> None:
    assert bool(series(lab("128", timedelta(days=days))).samples) is used


def test_a_date_without_a_clock_is_compared_as_a_date() -> None:
    east = timezone(timedelta(hours=13))
    today_there = LabResult(
        analyte="sodium",
        value=Decimal(128),
        unit="mmol/L",
        time=Moment(at=datetime(2026, 11, 16, tzinfo=UTC), day_only=True),
        status="final",
    )
    assert series(today_there).samples == ()
    ahead = Snapshot(now=NOW, zone=east.utcoffset(None), labs=(today_there,))
    assert values(series_of(ahead, limits(), LABS)) == ["128"]


def test_a_result_keeps_what_its_time_rests_on() -> None:
    found = series(hours_ago("128", 12, day_only=True), hours_ago("129", 1, result_time=True))
    assert [(s.day_only, s.result_time, s.exact) for s in found.samples] == [
        (True, False, False),
        (False, True, True),
    ]


# ---- one sample per draw ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"status": "corrected"}, {"status": "amended"}),
        ({"status": "amended"}, {"status": "final"}),
        ({"status": "final"}, {"status": "unknown"}),
        ({"status": "unknown"}, {"status": "preliminary"}),
        ({"status": "final", "method": "poc"}, {"status": "preliminary"}),
        ({"method": "lab"}, {"method": "poc"}),
        ({"updated": NOW}, {"updated": NOW - timedelta(minutes=1)}),
        ({"updated": NOW}, {"updated": None}),
    ],
)
def test_of_two_reports_with_one_identifier_the_better_counts(
    better: dict[str, Any], worse: dict[str, Any]
) -> None:
    pair = [
        hours_ago("128", 1, identity="x|1", **better),
        hours_ago("122", 3, identity="x|1", **worse),
    ]
    assert values(series(*pair)) == ["128"]
    assert values(series(*reversed(pair))) == ["128"]


@pytest.mark.parametrize(("minutes", "count"), [(0, 1), (1, 1), (1.5, 2)])
def test_two_results_of_one_method_within_a_minute_are_one_sample(
    minutes: float, count: int
) -> None:
    again = lab("128", timedelta(minutes=minutes), status="corrected")
    found = series(lab("118"), again)
    assert len(found.samples) == count
    assert "128" in values(found)


def test_two_methods_at_one_time_stay_two_samples() -> None:
    assert values(series(lab("128"), lab("130", method="poc"))) == ["130", "128"]


def test_f12_a_falsely_low_value_is_no_sample() -> None:
    found = series(lab("128"), lab("140", method="poc"))
    assert values(found) == ["140"]
    assert [s.shown for s in found.falsely_low] == ["128"]


def test_where_nothing_tells_two_reports_apart_the_lower_counts() -> None:
    assert values(series(lab("128"), lab("118"))) == ["118"]


# ---- the latest ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minutes", "point_of_care", "latest", "other"),
    [
        (60, "132.9", "128", None),
        (60, "123.1", "128", None),
        (60, "133", "133", "128"),
        (60, "123", "123", "128"),
        (60.5, "133", "133", None),
        (60.5, "118", "118", None),
    ],
)
def test_the_laboratory_stands_for_both_methods_only_if_they_agree(
    minutes: float, point_of_care: str, latest: str, other: str | None
) -> None:
    found = series(lab("128", timedelta(minutes=minutes)), lab(point_of_care, method="poc"))
    assert found.latest is not None
    assert found.latest.shown == latest
    assert (found.other_method.shown if found.other_method else None) == other


def test_f12_a_direct_value_shortly_before_that_disagrees_is_used() -> None:
    found = series(lab("128"), lab("140", timedelta(minutes=30), method="poc"))
    assert (found.latest, found.other_method) == (found.samples[0], *found.falsely_low)
    lower = series(lab("128"), lab("120", timedelta(minutes=30), method="poc"))
    assert (lower.latest, lower.other_method) == (lower.samples[0], lower.samples[1])


# ---- age -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "hours", "freshness"),
    [
        ("inpatient", 24, Freshness.CURRENT),
        ("inpatient", 24.5, Freshness.AGING),
        ("inpatient", 72, Freshness.AGING),
        ("inpatient", 72.5, Freshness.STALE),
        ("outpatient", 30 * DAY, Freshness.CURRENT),
        ("outpatient", 30.5 * DAY, Freshness.AGING),
        ("outpatient", 90 * DAY, Freshness.AGING),
        ("outpatient", 90.5 * DAY, Freshness.STALE),
    ],
)
def test_a_result_ages_by_setting(setting: Setting, hours: float, freshness: Freshness) -> None:
    found = view(hours_ago("120", hours), setting=setting)
    assert found.freshness is freshness
    assert found.age == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("setting", "days", "freshness", "decides"),
    [
        ("inpatient", 0.5, Freshness.CURRENT, False),
        ("inpatient", 7, Freshness.CURRENT, True),
        ("inpatient", 7.5, Freshness.AGING, True),
        ("inpatient", 90, Freshness.AGING, True),
        ("inpatient", 90.5, Freshness.STALE, False),
        ("outpatient", 14, Freshness.CURRENT, False),
        ("outpatient", 14.5, Freshness.AGING, True),
        ("outpatient", 90, Freshness.AGING, False),
        ("outpatient", 90.5, Freshness.STALE, False),
    ],
)
def test_a_very_low_value_that_was_never_repeated_lapses_by_times_of_its_own(
    setting: Setting, days: float, freshness: Freshness, decides: bool
) -> None:
    found = view(lab("119.9", timedelta(days=days)), setting=setting)
    assert found.freshness is freshness
    ordinary = view(lab("120", timedelta(days=days)), setting=setting)
    assert (found.freshness is not ordinary.freshness) is decides


def test_an_upper_bound_that_low_is_an_unrepeated_severe_value_too() -> None:
    for comparator, freshness in (("<", Freshness.CURRENT), ("<=", Freshness.STALE)):
        bound = lab("120", timedelta(days=5), comparator=comparator)
        assert view(bound, setting="inpatient").freshness is freshness


# ---- trend -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "hours", "newest", "falls"),
    [
        ("132", 72, "128", True),
        ("131.9", 72, "128", False),
        ("132", 72.5, "128", False),
        ("133", 72.5, "128", True),
        ("133", 90 * DAY, "128", True),
        ("132.9", 90 * DAY, "128", False),
        ("133", 90.5 * DAY, "128", False),
        ("141", 24, "137", True),
        ("142", 24, "137.1", False),
    ],
)
def test_falling_needs_a_drop_a_time_and_a_low_end(
    before: str, hours: float, newest: str, falls: bool
) -> None:
    found = view(hours_ago(before, hours), lab(newest))
    assert (found.falling is not None) is falls


def test_a_fall_is_told_from_the_highest_value_with_its_time() -> None:
    fall = view(hours_ago("140", 60), hours_ago("136", 30), lab("131")).falling
    assert fall is not None
    assert (fall.amount, fall.over, fall.start.shown) == (Decimal(9), timedelta(hours=60), "140")


@pytest.mark.parametrize(
    ("before", "hours", "newest", "is_acute"),
    [
        ("142", 20, "128", True),
        ("138", 48, "130", True),
        ("137.9", 48, "130", False),
        ("138", 48.5, "130", False),
        ("146", 20, "136", False),
    ],
)
def test_a_fall_within_two_days_to_a_low_value_is_acute(
    before: str, hours: float, newest: str, is_acute: bool
) -> None:
    assert (view(hours_ago(before, hours), lab(newest)).acute is not None) is is_acute


def test_a_fall_between_two_methods_is_not_acute() -> None:
    assert view(hours_ago("140", 20, method="poc"), lab("128")).acute is None


def test_f3_a_fall_too_large_to_believe_is_acute_and_marked() -> None:
    unbelieved = view(hours_ago("141", 20), lab("120")).acute
    confirmed = view(hours_ago("141", 20), hours_ago("122", 3), lab("120")).acute
    fast = view(hours_ago("140", 4), lab("127")).acute
    slow = view(hours_ago("140", 4.1), lab("127")).acute
    assert unbelieved is not None
    assert unbelieved.unbelieved
    assert fast is not None
    assert fast.unbelieved
    assert confirmed is not None
    assert not confirmed.unbelieved
    assert slow is not None
    assert not slow.unbelieved


def test_f3_a_fall_from_a_lone_high_value_is_not_acute() -> None:
    lone = view(hours_ago("130", 8), hours_ago("142", 5), hours_ago("131", 2), lab("130"))
    assert lone.acute is None


@pytest.mark.parametrize(
    ("values", "amount"),
    [
        (("145", "130"), "15"),  # 145 is not high
        (("146", "130"), None),  # high sodium that was corrected
        (("146", "129.9"), "15.1"),  # it counts from 145
        (("149", "144", "139", "135"), None),
        (("149", "144", "139", "131"), None),
        (("149", "140", "129"), "16"),
    ],
)
def test_f42_a_fall_from_high_sodium_counts_from_145_and_only_to_below_130(
    values: tuple[str, ...], amount: str | None
) -> None:
    hours = [40 * (len(values) - 1 - place) / (len(values) - 1) for place in range(len(values))]
    fall = view(*[hours_ago(value, h) for value, h in zip(values, hours, strict=True)]).acute
    assert (fall and fall.amount) == (amount and Decimal(amount))


def test_f42_high_sodium_counts_for_two_days_before_the_fall_began() -> None:
    for hours, counts in ((78.1, True), (78, False)):
        fell = view(hours_ago("147", hours), hours_ago("140", 30), lab("131"))
        assert (fell.acute is not None) is counts


def test_f42_an_unbelieved_fall_from_high_sodium_is_no_acute_fall() -> None:
    assert view(hours_ago("160", 4), lab("122")).acute is None
    assert view(hours_ago("160", 24), hours_ago("124", 3), lab("122")).acute is not None


def test_a_fall_that_glucose_explains_is_not_acute() -> None:
    patient = snapshot(hours_ago("140", 20), lab("131"))
    found = series_of(patient, limits(), LABS)
    corrected = {found.samples[1]: Decimal("134")}
    assert sodium_view(patient, found, limits(), {}).acute is not None
    assert sodium_view(patient, found, limits(), corrected).acute is None


@pytest.mark.parametrize(
    ("measured_before", "corrected_before", "is_acute"),
    [("139", None, True), ("138.9", "140", False), ("139", "138.9", False), ("139", "150", True)],
)
def test_f41_a_fall_is_acute_as_measured_and_as_corrected_and_the_smaller_is_told(
    measured_before: str, corrected_before: str | None, is_acute: bool
) -> None:
    patient = snapshot(hours_ago(measured_before, 20), lab("131"))
    found = series_of(patient, limits(), LABS)
    corrected = {found.samples[0]: Decimal(corrected_before)} if corrected_before else {}
    fall = sodium_view(patient, found, limits(), corrected).acute
    assert (fall is not None) is is_acute
    assert fall is None or fall.amount == 8


def test_a_fall_with_another_explanation_is_not_acute() -> None:
    results = [lab("290", analyte="serum-osmolality"), lab("14", analyte="bun")]
    results += [lab("100", analyte="glucose"), hours_ago("140", 20), lab("128")]
    case = assess(snapshot(*results), limits(), sets(), LABS)
    assert case.pseudo is not None
    assert sodium_view(case.snapshot, case.series, limits(), {}).acute is not None
    assert case.sodium.acute is None


@pytest.mark.parametrize(
    ("results", "since"),
    [
        ([("131", 60), ("133", 30), ("134", 0)], 60),
        # F46: three values over 30 days
        ([("131", 30), ("133", 15), ("134", 0)], 30),
        ([("131", 29.9), ("133", 15), ("134", 0)], None),
        ([("131", 60), ("134", 0)], None),
        # within 3 of each other: another value before it does not count
        ([("130.9", 60), ("133", 40), ("132", 20), ("133.9", 0)], 60),
        ([("130.8", 60), ("133", 40), ("132", 20), ("133.9", 0)], 40),
        ([("136", 60), ("133", 40), ("132", 20), ("134", 0)], 40),
        # F46: no gap of more than 90 days
        ([("131", 135), ("132", 45), ("131", 15), ("131", 0)], 135),
        ([("131", 135.1), ("132", 45), ("131", 15), ("131", 0)], 45),
        ([("126", 602), ("130", 600), ("132", 0.5), ("132", 0)], None),
        # F46: not below every other value of a year
        ([("132", 80), ("133", 40), ("132", 0)], 80),
        ([("132", 80), ("133", 40), ("131.9", 0)], None),
        ([("131.9", 365), ("132", 80), ("133", 40), ("131.9", 0)], 80),
        ([("131.8", 366), ("132", 80), ("133", 40), ("131.9", 0)], None),
        # F46: none that is 4 higher within 120 days
        ([("136", 120), ("132", 80), ("133", 40), ("132", 0)], None),
        ([("136", 120.1), ("132", 80), ("133", 40), ("132", 0)], 80),
        ([("135.9", 120), ("132", 80), ("133", 40), ("132", 0)], 80),
        # across bands, and after lower values
        ([("125", 60), ("126", 30), ("127", 0)], 60),
        ([("120", 90), ("131", 61), ("133", 30), ("134", 0)], 61),
    ],
)
def test_f46_a_low_sodium_is_stable_after_many_like_values(
    results: list[tuple[str, float]], since: float | None
) -> None:
    stable = view(*(lab(v, timedelta(days=d)) for v, d in results)).stable_since
    assert stable == (None if since is None else NOW - timedelta(days=since))


@pytest.mark.parametrize(
    ("results", "since"),
    [
        ([("129", 540), ("130", 390), ("129", 150), ("130", 0)], 540),
        ([("129", 540), ("130", 390), ("129", 139.9), ("130", 0)], None),
        ([("130", 390), ("129", 150), ("130", 0)], None),
        ([("134", 540), ("130", 390), ("129", 150), ("130", 0)], None),
        ([("129", 540), ("130", 390), ("129", 150), ("128", 0)], None),
        ([("129", 540), ("130", 390), ("134", 100), ("130", 0)], None),
    ],
)
def test_f21_four_like_values_with_months_between_them_are_long_known(
    results: list[tuple[str, float]], since: float | None
) -> None:
    found = view(*(lab(v, timedelta(days=d)) for v, d in results))
    assert found.sparse_since == (None if since is None else NOW - timedelta(days=since))
    assert found.stable_since is None


# ---- wild input ------------------------------------------------------------------------------------------

wild = st.builds(
    hours_ago,
    st.sampled_from(
        ["60", "88", "118", "125.5", "128", "131.04", "135", "139", "200", "NaN", "-1"]
    ),
    st.sampled_from([-30.0, -0.1, 0.0, 0.01, 0.5, 3.0, 20.0, 47.9, 300.0, 20000.0]),
    status=st.sampled_from(["final", "corrected", "preliminary", "unknown", "cancelled", "x"]),
    method=st.sampled_from(["lab", "poc"]),
    unit=st.sampled_from(["mmol/L", "", "mg/dL"]),
    comparator=st.sampled_from(["", "", "<", ">="]),
    day_only=st.booleans(),
    identity=st.sampled_from(["", "", "a"]),
    updated=st.sampled_from([None, NOW]),
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(wild, max_size=8).flatmap(lambda labs: st.tuples(st.just(labs), st.permutations(labs)))
)
def test_no_record_breaks_the_view_and_its_order_does_not_matter(
    labs: tuple[list[LabResult], list[LabResult]],
) -> None:
    recorded, shuffled = labs
    assert view(*recorded) == view(*shuffled)


@settings(max_examples=100, deadline=None)
@given(st.lists(wild, max_size=6))
def test_results_sent_twice_count_once(labs: list[LabResult]) -> None:
    assert series(*labs, *labs).samples == series(*labs).samples


def test_a_sample_knows_whether_it_is_a_number_at_an_instant() -> None:
    assert sample(0, "128").exact
    assert not sample(0, "110", comparator="<").exact
