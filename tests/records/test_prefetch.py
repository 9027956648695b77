"""What each shape of a prefetched value counts as, and what a template becomes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.errors import BadRequest
from cds_service.records.prefetch import Query, Source, State, fill, judge, prefetched, query
from cds_service.sodium.snapshot import Missing

SODIUM = Query(key="sodium", url="Observation?patient=7", expected="Observation")
NEWEST = Query(key="sodium", url="Observation?patient=7", expected="Observation", enough=2)
PATIENT = Query(key="patient", url="Patient/7", expected="Patient", identity="7")
ENCOUNTER = Query(key="encounter", url="Encounter/9", expected="Encounter", identity="9")


def observation(name: str, **more: object) -> dict[str, Any]:
    return {"resourceType": "Observation", "id": name, **more}


def outcome(severity: str) -> dict[str, Any]:
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": severity, "code": "processing"}],
    }


def bundle(*resources: dict[str, Any], **more: object) -> dict[str, Any]:
    return {
        "resourceType": "Bundle",
        "entry": [{"resource": resource} for resource in resources],
        **more,
    }


ONE = observation("1")
NEXT = [{"relation": "self", "url": "x"}, {"relation": "next", "url": "?page=2"}]


@pytest.mark.parametrize(
    ("value", "state", "count"),
    [
        (None, "empty", 0),
        (bundle(), "empty", 0),
        ({"resourceType": "Bundle"}, "empty", 0),
        ({"resourceType": "Bundle", "entry": None}, "empty", 0),
        (bundle(total=0), "empty", 0),
        (bundle(outcome("warning"), total=0), "empty", 0),
        (bundle(outcome("information")), "empty", 0),
        ([], "empty", 0),
        (bundle(ONE), "satisfied", 1),
        (bundle(ONE, outcome("warning")), "satisfied", 1),
        (bundle(ONE, ONE), "satisfied", 1),
        (bundle(ONE, {"resourceType": "Medication", "id": "1"}), "satisfied", 2),
        ({"resourceType": "Bundle", "entry": {"resource": ONE}}, "satisfied", 1),
        ([ONE, observation("2")], "satisfied", 2),
        (ONE, "satisfied", 1),
        (outcome("error"), "failed", 0),
        (outcome("warning"), "failed", 0),
        (bundle(outcome("fatal")), "failed", 0),
        (bundle(ONE, outcome("error")), "failed", 1),
        (bundle(total=3), "failed", 0),
        (bundle(ONE, total=3), "failed", 1),
        ({"resourceType": "Bundle", "entry": [7]}, "failed", 0),
        ({"resourceType": "Bundle", "entry": [{"resource": ONE}, {"fullUrl": "x"}]}, "failed", 1),
        (bundle(ONE, {"resourceType": "x", "id": "1"}), "failed", 1),
        ({"resourceType": "Patient", "id": "7"}, "failed", 0),
        (bundle({"resourceType": "Patient", "id": "7"}), "failed", 0),
        ({}, "failed", 0),
        ("Bundle", "failed", 0),
        (7, "failed", 0),
        (False, "failed", 0),
    ],
)
def test_the_state_of_a_prefetched_search(value: object, state: State, count: int) -> None:
    source = judge(SODIUM, value)
    assert (source.state, len(source.resources)) == (state, count)
    assert (source.missing is None) == (state != "failed")
    in_part = source.missing in (Missing.TRUNCATED, Missing.IN_PART)
    assert in_part == (state == "failed" and count > 0)


@pytest.mark.parametrize("link", [NEXT, NEXT[1]])
def test_a_page_with_a_next_link_is_cut_off_until_it_is_followed(link: object) -> None:
    source = judge(SODIUM, bundle(ONE, link=link))
    assert (source.state, source.missing, source.next_link) == (
        "satisfied",
        Missing.TRUNCATED,
        "?page=2",
    )


def test_a_next_link_that_cannot_be_read_still_says_that_there_is_more() -> None:
    assert judge(SODIUM, bundle(ONE, link=[{"relation": "next"}])).missing is Missing.TRUNCATED


def times(*values: str | None) -> dict[str, Any]:
    return bundle(
        *(observation(str(n), effectiveDateTime=value) for n, value in enumerate(values)),
        link=NEXT,
        total=99,
    )


@pytest.mark.parametrize(
    ("page", "missing"),
    [
        (times("2026-11-22T04:00:00Z", "2026-11-21T22:30:00-05:00"), None),
        (times("2026-11-22", "2026-11-22T10:00:00Z", "2026-11-20"), None),
        (times("2026-11-22T04:00:00Z", "2026-11-21T23:30:00-05:00"), Missing.TRUNCATED),
        (times("2026-11-20", "2026-11-22"), Missing.TRUNCATED),
        (times("2026-11-22", None), Missing.TRUNCATED),
        (times("2026-11-22", "some time ago"), Missing.TRUNCATED),
        (times("2026-11-22"), Missing.TRUNCATED),
    ],
)
def test_the_newest_results_are_enough_where_the_server_visibly_sorted(
    page: dict[str, Any], missing: Missing | None
) -> None:
    assert judge(NEWEST, page).missing is missing


@pytest.mark.parametrize(
    ("value", "state"),
    [
        ({"resourceType": "Patient", "id": "7"}, "satisfied"),
        (bundle({"resourceType": "Patient", "id": "7"}), "satisfied"),
        ([{"resourceType": "Patient", "id": "7"}], "satisfied"),
        (None, "empty"),
        ({"resourceType": "Patient"}, "failed"),
        ({"resourceType": "Patient", "id": 7}, "satisfied"),
        (
            {"response": {"status": "200"}, "resource": {"resourceType": "Patient", "id": "7"}},
            "satisfied",
        ),
        ({"response": {"status": "404"}}, "failed"),
        (bundle(), "failed"),
        (outcome("error"), "failed"),
        (ONE, "failed"),
        ("7", "failed"),
    ],
)
def test_the_state_of_a_prefetched_patient(value: object, state: State) -> None:
    source = judge(PATIENT, value)
    assert source.state == state
    assert source.missing is (None if state == "satisfied" else Missing.FAILED)


@pytest.mark.parametrize(
    "value",
    [{"resourceType": "Patient", "id": "8"}, bundle({"resourceType": "Patient", "id": "8"})],
)
def test_another_patient_than_that_of_the_context_is_a_bad_request(value: object) -> None:
    with pytest.raises(BadRequest):
        judge(PATIENT, value)


def test_another_encounter_is_only_not_the_one_we_need() -> None:
    assert judge(ENCOUNTER, {"resourceType": "Encounter", "id": "8"}).state == "failed"


def test_a_key_is_found_under_our_name_or_the_clients() -> None:
    names = ("-sodium", "-na")
    assert prefetched(SODIUM, {"sodium": bundle(ONE), "-na": None}, names).state == "satisfied"
    assert prefetched(SODIUM, {"-na": bundle(ONE)}, names).state == "satisfied"
    assert (
        prefetched(SODIUM, {"sodium": outcome("error"), "-na": bundle(ONE)}, names).state
        == "satisfied"
    )
    assert prefetched(SODIUM, {"-sodium": outcome("error"), "-na": None}, names).state == "empty"
    assert prefetched(SODIUM, {"other": bundle(ONE)}, names) == Source(state="absent")


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "resourceType",
                    "entry",
                    "resource",
                    "link",
                    "relation",
                    "url",
                    "issue",
                    "id",
                    "total",
                ]
            ),
            inner
            | st.sampled_from(["Bundle", "Observation", "OperationOutcome", "Patient", "next"]),
            max_size=4,
        )
    ),
    max_leaves=15,
)


@settings(max_examples=300)
@given(value=ANY_JSON)
def test_no_json_breaks_the_reading_and_none_but_an_empty_answer_is_empty(value: object) -> None:
    source = judge(SODIUM, value)
    if source.state == "empty" and isinstance(value, dict):
        assert value["resourceType"] == "Bundle"
    if source.state == "satisfied":
        assert any(resource.resource_type == "Observation" for resource in source.resources)


CONTEXT = {"patientId": "e.Xy-1_2", "encounterId": "9"}


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("Patient/{{context.patientId}}", "Patient/e.Xy-1_2"),
        ("Encounter/{{ context.encounterId }}", "Encounter/9"),
        ("Observation?patient={{context.patientId}}&code=http://loinc.org|2951-2", None),
    ],
)
def test_a_template_is_filled_with_the_ids_of_the_context(
    template: str, filled: str | None
) -> None:
    expected = filled or "Observation?patient=e.Xy-1_2&code=http://loinc.org|2951-2"
    assert fill(template, CONTEXT) == expected


def test_a_template_does_not_apply_where_the_context_lacks_its_id() -> None:
    assert (
        fill("Encounter/{{context.encounterId}}", {"patientId": "7", "encounterId": None}) is None
    )


@pytest.mark.parametrize(
    "bad", ["", ".", "..", "1&_include=*", "1/2", "1 2", "1\n", "é", "x" * 257, "1%2e"]
)
def test_an_id_that_would_change_the_query_is_a_bad_request(bad: str) -> None:
    with pytest.raises(BadRequest):
        fill("Patient/{{context.patientId}}", {"patientId": bad})


def test_a_token_that_clients_cannot_resolve_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        fill("Patient/{{userPatientId}}", CONTEXT)


@pytest.mark.parametrize(
    ("template", "expected", "identity", "enough"),
    [
        ("Patient/{{context.patientId}}", "Patient", "e.Xy-1_2", None),
        (
            "Observation?patient={{context.patientId}}&_sort=-date&_count=20",
            "Observation",
            None,
            20,
        ),
        ("Condition?patient={{context.patientId}}&_count=200", "Condition", None, None),
    ],
)
def test_a_query_knows_what_it_expects(
    template: str, expected: str, identity: str | None, enough: int | None
) -> None:
    asked = query("key", template, CONTEXT)
    assert asked is not None
    assert (asked.expected, asked.identity, asked.enough) == (expected, identity, enough)
