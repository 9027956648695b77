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
        (a_body(context={"patientId": 7}), "context.patientId"),
        (a_body(context={"patientId": "1&_include=*"}), "context.patientId"),
        (a_body(context={"patientId": ".."}), "context.patientId"),
        (a_body(context={"patientId": "7", "encounterId": "a/b"}), "context.encounterId"),
        (a_body(prefetch=[]), "prefetch"),
        (a_body(fhirServer=3), "fhirServer"),
        (a_body(fhirAuthorization={"access_token": "t", "token_type": "Bearer"}), "fhirServer"),
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
    "authorization",
    [
        {"token_type": "Bearer"},
        {"access_token": "t", "token_type": "Basic"},
        {"access_token": "two\nlines", "token_type": "Bearer"},
        {"access_token": "t", "token_type": "Bearer", "patient": "8"},
    ],
)
def test_an_authorization_that_does_not_fit_is_refused(authorization: dict[str, str]) -> None:
    with pytest.raises(BadRequest):
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
    assert (call.lacks, call.selections, call.draft_orders) == (missing, (), ())


@pytest.mark.parametrize("name", ["selections", "draftOrders"])
@pytest.mark.parametrize("value", ["MedicationRequest/1", 3, {"resourceType": "Patient"}, [1]])
def test_malformed_orders_name_the_scope_as_the_likely_cause(name: str, value: object) -> None:
    with pytest.raises(BadRequest, match="scope"):
        taken(an_order_body(**{name: value}), "order-select")


def test_odd_draft_entries_are_skipped_and_the_rest_is_kept() -> None:
    order = {"resourceType": "MedicationRequest", "id": "1"}
    bundle: dict[str, Any] = {
        "resourceType": "Bundle",
        "entry": [None, 3, {}, {"resource": []}, {"resource": order}],
    }
    assert taken(an_order_body(draftOrders=bundle), "order-select").draft_orders == (order,)


@pytest.mark.parametrize(
    ("user", "signs"), [("Practitioner/7", True), ("Patient/7", False), (None, False), (3, False)]
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
