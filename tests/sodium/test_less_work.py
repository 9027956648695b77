"""Work that is left out, or done once, changes no answer: of two knowledges, of two records."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from cds_service.sodium.case import Case, assess
from cds_service.sodium.correction_rate import believed
from cds_service.sodium.results import Sample
from cds_service.sodium.rules.book import BOOK
from cds_service.sodium.snapshot import Missing, Named, Order, Patient, Problem, Snapshot
from tests.sodium.cases import LABS, NOW, lab, limits, sample, snapshot
from tests.sodium.patients import ago, sets


def test_a_set_of_names_in_another_knowledge_has_the_names_of_that_knowledge() -> None:
    shipped = sets().cirrhosis
    (first, *others) = shipped.members
    assert first in shipped, "the shipped set was asked first, so that its names are kept"
    edited = replace(shipped, members=[*others, "a-new-problem"])
    assert "a-new-problem" in edited, "a name that the other knowledge has is a member there"
    assert first not in edited, "a name that the other knowledge left out is no member there"
    assert edited.among(frozenset({first, "a-new-problem"})) == ("a-new-problem",)
    assert first in shipped, "the first knowledge keeps its own names"


def test_members_are_found_in_the_order_of_the_file() -> None:
    members = sets().severe.members
    assert sets().severe.among(frozenset(reversed(members))) == tuple(members)


def test_a_record_that_was_read_in_part_is_complete_only_for_what_was_read() -> None:
    whole = snapshot()
    assert whole.complete("labs", "medications", "conditions")
    cut = replace(whole, missing={"vitals": Missing.TRUNCATED, "encounter": Missing.NOT_APPLICABLE})
    assert not cut.complete("labs"), "vital signs are a part of the results"
    assert not cut.complete("conditions", "vitals")
    assert cut.complete("medications", "conditions", "encounter")
    assert whole.complete("labs"), "the first record keeps its own answer"


def test_the_shown_sodium_is_that_of_each_profile_and_of_each_record() -> None:
    close = lab("134.96")
    shown = [_case(snapshot(close), profile).shown_sodium for profile in ("aasld", "european")]
    assert shown == ["134.96", "134.96"], "a sodium below an edge is not rounded to it"
    assert _case(snapshot(lab("141")), "aasld").shown_sodium == "141"


@pytest.mark.parametrize("value", ["141", "146", "150"])
def test_medicines_are_not_read_for_a_sodium_that_is_not_low(value: str) -> None:
    def read() -> tuple[Order, ...]:
        raise AssertionError("the medication list was read")

    whole = snapshot(lab(value))
    case = _case(replace(whole, read_named=Named, read_exposures=read), "aasld")
    for judge in BOOK.chart.values():
        judge(case)


@pytest.mark.parametrize(("years", "at_risk"), [(50, False), (70, True)])
def test_without_a_known_problem_only_age_is_a_risk_of_falls(years: int, at_risk: bool) -> None:
    born = NOW.date().replace(year=NOW.year - years)
    low = replace(snapshot(lab("128")), patient=Patient(birth_date=born))
    unknown = Problem(
        concepts=frozenset(), active=True, encounter_diagnosis=True, since=ago(hours=1)
    )
    for record in (low, replace(low, problems=(unknown,))):
        found = _case(record, "aasld").symptoms
        assert found.falls_risk is at_risk
        assert not (found.severe)
        assert not (found.moderate)
        assert not (found.mild)
        assert not (found.seizure)


apart = st.lists(
    st.tuples(st.integers(1, 240), st.integers(1150, 1450), st.sampled_from(["lab", "poc"])),
    min_size=1,
    max_size=7,
)


@settings(max_examples=200, deadline=None)
@given(apart)
def test_a_value_that_the_next_one_agrees_with_is_always_believed(
    points: list[tuple[int, int, str]],
) -> None:
    hour, series = 0.0, list[Sample]()
    for tenths, value, method in points:
        hour += tenths / 10
        series.append(sample(hour, str(value / 10), method))  # type: ignore[arg-type]
    numbers = limits()
    near = min(numbers.jump_lone_above, numbers.jump_above)
    kept = believed(series, numbers)
    for one, after in pairwise(series):
        if abs(one.value - after.value) <= near:
            assert one in kept, f"{one.shown} before {after.shown} was not believed"
    assert series[-1] in kept, "no later value refutes the newest"


def _case(record: Snapshot, profile: str) -> Case:
    return assess(record, limits(profile), sets(), LABS)
