"""A hook call is taken or refused by its shape; the refusal says what to mend."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.errors import BadRequest
from cds_service.protocol.request import Drafts, HookRequest, hook_request

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
INSTANCE = "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"


def a_body(**changes: Any) -> dict[str, Any]:
    body = {"hook": "patient-view", "hookInstance": INSTANCE, "context": {"patientId": "7"}}
    return body | changes


def an_order_body(**context: Any) -> dict[str, Any]:
    orders = {"selections": [], "draftOrders": {"resourceType": "Bundle"}}
    return a_body(hook="order-select", context={"patientId": "7"} | orders | context)


def taken(body: object, hook: str = "patient-view") -> HookRequest:
    drafts: Drafts = "selected" if hook == "order-select" else "none"
    return hook_request(body, "service", hook, NOW, drafts=drafts)


def test_the_smallest_call_is_taken() -> None:
    request = taken(a_body())
    assert (request.patient_id, request.prefetch, request.fhir_server) == ("7", {}, None)


@pytest.mark.parametrize(
    ("body", "member"),
    [
        ([], "body"),
        (None, "body"),
        (a_body(hook=None), "hook"),
        (a_body(hook=""), "hook"),
        (a_body(hookInstance=3), "hookInstance"),
        (a_body(context=[]), "context"),
        (a_body(context={}), "context.patientId"),
        (a_body(context={"patientId": ""}), "context.patientId"),
        (a_body(context={"patientId": True}), "context.patientId"),
        (a_body(context={"patientId": ["7"]}), "context.patientId"),
        (a_body(context={"patientId": "Practitioner/7"}), "no Patient"),
        (a_body(context={"patientId": "https://ehr.test/r4/Group/7"}), "no Patient"),
        (a_body(context={"patientId": "https://ehr.test/7"}), "context.patientId"),
        (a_body(context={"patientId": "../Patient/7"}), "context.patientId"),
        (a_body(context={"patientId": "1&_include=*"}), "context.patientId"),
        (a_body(context={"patientId": ".."}), "context.patientId"),
        (a_body(hook="order-select"), "'patient-view'"),
    ],
)
def test_a_malformed_call_is_refused_with_the_member_that_is_wrong(
    body: object, member: str
) -> None:
    with pytest.raises(BadRequest) as refusal:
        taken(body)
    assert member in refusal.value.message


@pytest.mark.parametrize(
    ("patient_id", "encounter_id", "read"),
    [
        ("Patient/7", "Encounter/e", ("7", "e")),
        ("https://ehr.test/r4/Patient/7", "https://ehr.test/r4/Encounter/e", ("7", "e")),
        ("Patient/7/_history/2", " e ", ("7", "e")),
        (7, 8, ("7", "8")),
        ("7", None, ("7", None)),
        ("7", "", ("7", None)),
        # There is an encounter, and nobody can say which: not the same as none.
        ("7", "a/b/c", ("7", "")),
        ("7", "Practitioner/e", ("7", "")),
        ("7", True, ("7", "")),
    ],
)
def test_ids_are_read_with_or_without_type_base_and_version(
    patient_id: object, encounter_id: object, read: tuple[str, str | None]
) -> None:
    request = taken(a_body(context={"patientId": patient_id, "encounterId": encounter_id}))
    assert (request.patient_id, request.encounter_id) == read


@pytest.mark.parametrize(
    "authorization",
    [
        {},
        "",
        [],
        "Bearer t",
        {"token_type": "Bearer"},
        {"access_token": "", "token_type": "Bearer"},
        {"access_token": "t"},
        {"access_token": "t", "token_type": "Basic"},
        {"access_token": "two\nlines", "token_type": "Bearer"},
    ],
)
def test_an_authorization_that_cannot_be_used_gives_no_token_and_is_noted(
    authorization: object,
) -> None:
    server = "https://fhir.example.org"
    request = taken(a_body(fhirServer=server, fhirAuthorization=authorization))
    assert (request.fhir_server, request.token, request.odd_token) == (server, None, True)


def test_a_token_without_a_server_is_for_nobody() -> None:
    authorization = {"access_token": "t", "token_type": "Bearer"}
    assert taken(a_body(fhirAuthorization=authorization)).token is None


@pytest.mark.parametrize(
    "patient",
    ["7", "Patient/7", "https://fhir.example.org/Patient/7", "Patient/7/_history/1", "", None, {}],
)
def test_the_patient_of_the_authorization_may_be_named_in_any_form(patient: object) -> None:
    authorization = {"access_token": "t", "token_type": "Bearer", "patient": patient}
    server = "https://fhir.example.org"
    assert taken(a_body(fhirServer=server, fhirAuthorization=authorization)).token is not None


@pytest.mark.parametrize("patient", ["8", "Patient/8", "https://fhir.example.org/Patient/8"])
def test_a_token_for_another_patient_is_refused(patient: str) -> None:
    authorization = {"access_token": "t", "token_type": "Bearer", "patient": patient}
    with pytest.raises(BadRequest, match="differs"):
        taken(a_body(fhirServer="https://fhir.example.org", fhirAuthorization=authorization))


def test_a_token_is_kept_and_never_shown() -> None:
    authorization = {"access_token": "s3cret", "token_type": "bearer"}
    request = taken(a_body(fhirServer="https://fhir.example.org", fhirAuthorization=authorization))
    assert request.token is not None
    assert "s3cret" not in repr(request)


def test_epics_long_ids_and_extensions_are_taken() -> None:
    long_id = "eq081-VQEgP8drUUqCWzHfw3-" * 4
    body = a_body(context={"patientId": long_id}, extension={"com.epic.cdshooks.request": {}})
    assert taken(body).patient_id == long_id


@pytest.mark.parametrize("missing", ["selections", "draftOrders"])
def test_what_order_select_lacks_is_named_and_its_other_half_is_not_used(missing: str) -> None:
    body = an_order_body()
    del body["context"][missing]
    call = taken(body, "order-select")
    assert (call.lacks, call.selections, call.draft_bundle) == (missing, (), {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("selections", 3),
        ("selections", {}),
        ("selections", True),
        ("draftOrders", 3),
        ("draftOrders", "MedicationRequest/1"),
        ("draftOrders", {}),
    ],
)
def test_malformed_orders_name_the_scope_as_the_likely_cause(name: str, value: object) -> None:
    with pytest.raises(BadRequest, match="scope"):
        taken(an_order_body(**{name: value}), "order-select")


ORDER = {"resourceType": "MedicationRequest", "id": "1"}


@pytest.mark.parametrize(
    ("orders", "entries"),
    [
        ([ORDER], [ORDER]),
        (ORDER, [ORDER]),
        ({"resourceType": "Bundle", "entry": [ORDER]}, [ORDER]),
        ({"resourceType": "Bundle", "entry": {"resource": ORDER}}, [ORDER]),
        ([{"resourceType": "Bundle", "entry": [ORDER]}], [ORDER]),
        ({"entry": [{"resource": ORDER}]}, [ORDER]),
        ({"resourceType": "Bundle"}, []),
        ({"resourceType": "Bundle", "entry": None}, []),
        ([], []),
        # What cannot be read keeps its place.
        (
            {"resourceType": "Bundle", "entry": [None, 3, {"resource": []}, {"resource": ORDER}]},
            [None, None, [], ORDER],
        ),
    ],
)
def test_draft_orders_are_read_in_any_shape(orders: object, entries: list[object]) -> None:
    call = taken(an_order_body(draftOrders=orders), "order-select")
    assert [entry.get("resource") for entry in call.draft_bundle["entry"]] == entries


@pytest.mark.parametrize(
    ("selections", "read"),
    [
        ("MedicationRequest/1", ("MedicationRequest/1",)),
        (["MedicationRequest/1", None], ("MedicationRequest/1",)),
        ([1], ("1",)),
        # One that is no id stays: not every selection was found.
        (["MedicationRequest/1", {}], ("MedicationRequest/1", "")),
        ([], ()),
    ],
)
def test_selections_are_read_in_any_shape(selections: object, read: tuple[str, ...]) -> None:
    assert taken(an_order_body(selections=selections), "order-select").selections == read


@pytest.mark.parametrize(
    ("user", "signs"),
    [
        ("Practitioner/7", True),
        ("https://ehr.test/r4/Practitioner/7", True),
        ("Patient/7", False),
        (None, False),
        (3, False),
    ],
)
def test_only_a_practitioner_signs_orders_and_an_odd_user_breaks_nothing(
    user: object, signs: bool
) -> None:
    request = taken(a_body(context={"patientId": "7", "userId": user}))
    assert bool(request.practitioner) is signs


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=15), inner, max_size=3)
    ),
    max_leaves=10,
)
MEMBERS = st.sampled_from(
    ["hook", "hookInstance", "context", "prefetch", "fhirServer", "fhirAuthorization", "extension"]
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(MEMBERS, ANY_JSON), st.sampled_from(["patient-view", "order-select"]))
def test_any_members_are_taken_or_refused_and_never_crash(
    changes: dict[str, Any], hook: str
) -> None:
    body = an_order_body() | {"hook": hook} | changes
    with contextlib.suppress(BadRequest):
        assert taken(body, hook).hook == hook
