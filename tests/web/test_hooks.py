"""The public interface as an EHR meets it: discovery, calls, errors, feedback."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient

from cds_service.demo.stories import Story
from cds_service.knowledge.load import default_hooks_dir, load_knowledge
from tests.conftest import NOW

PATIENT_VIEW = "/cds-services/hyponatremia-patient-view"
ORDER_SELECT = "/cds-services/hyponatremia-order-select"
SANDBOX = "https://sandbox.cds-hooks.org"


def a_call(story: Story) -> dict[str, Any]:
    call: dict[str, Any] = json.loads(json.dumps(story.request_at(NOW), default=float))
    return call


def issue(response: Any) -> dict[str, Any]:
    """The issue of an OperationOutcome, which every error must be."""
    body = response.get_json(force=True)
    assert body["resourceType"] == "OperationOutcome"
    assert response.mimetype == "application/fhir+json"
    found: dict[str, Any] = body["issue"][0]
    assert found["diagnostics"].startswith("correlation id ")
    return found


@pytest.mark.parametrize("path", ["/cds-services", "/cds-services/", "/cds-services//"])
def test_discovery_lists_the_services_wherever_a_slash_was_pasted(
    client: FlaskClient, path: str
) -> None:
    response = client.get(path)
    assert response.status_code == 200
    services = response.get_json()["services"]
    declared = load_knowledge(default_hooks_dir()).services.values()
    listed = [(service["id"], service["hook"]) for service in services]
    assert listed == sorted((service.id, service.hook) for service in declared)
    assert {("hyponatremia-order-select", "order-select")} <= set(listed)
    assert {("hyponatremia-patient-view", "patient-view")} <= set(listed)
    assert {("hyponatremia-order-sign", "order-sign")} <= set(listed)
    versions = {service["hook"]: service["hookVersion"] for service in services}
    assert versions == {
        "patient-view": "1.0",
        "order-select": "1.0",
        "order-sign": "1.1",
        "encounter-discharge": "1.0",
    }
    for service in services:
        assert service["version"].startswith("3.0.0")
        assert service["title"]
        assert "dults" in service["usageRequirements"]
        assert "hard stop" in service["usageRequirements"]


def test_all_services_ask_for_the_same_data_with_tokens_every_client_can_fill(
    client: FlaskClient,
) -> None:
    first, *others = (s["prefetch"] for s in client.get("/cds-services").get_json()["services"])
    assert others == [first] * len(others)
    assert list(first) == [
        "patient",
        "encounter",
        "sodium",
        "glucose",
        "labs",
        "vitals",
        "conditions",
        "medications",
        "pastMedications",
    ]
    for template in first.values():
        rest = template.replace("{{context.patientId}}", "").replace("{{context.encounterId}}", "")
        assert "{{" not in rest
        assert "$" not in rest


def test_a_call_is_answered_with_cards_that_may_not_be_stored(
    client: FlaskClient, stories: dict[str, Story]
) -> None:
    response = client.post(PATIENT_VIEW, json=a_call(stories["cramps-in-siadh"]))
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    (card,) = response.get_json()["cards"]
    assert card["source"]["label"].startswith("DEMO, not for care")
    assert card["source"]["url"] == "http://cds.test/basis#PV-MILD-SYMP"


def test_the_same_call_gets_the_same_answer(client: FlaskClient, stories: dict[str, Story]) -> None:
    call = a_call(stories["saline-3-percent-mild"])
    assert client.post(ORDER_SELECT, json=call).data == client.post(ORDER_SELECT, json=call).data


def test_a_delete_names_the_selected_draft(client: FlaskClient, stories: dict[str, Story]) -> None:
    call = a_call(stories["saline-3-percent-mild"])
    (card,) = client.post(ORDER_SELECT, json=call).get_json()["cards"]
    deletes = [a for s in card["suggestions"] for a in s["actions"] if a["type"] == "delete"]
    assert [a["resourceId"] for a in deletes] == call["context"]["selections"]


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        (PATIENT_VIEW, b"{", {"Content-Type": "application/json"}, 400),
        (PATIENT_VIEW, b"", {"Content-Type": "application/json"}, 400),
        (PATIENT_VIEW, b"[]", {"Content-Type": "application/json"}, 400),
        (PATIENT_VIEW, b'{"a": NaN}', {"Content-Type": "application/json"}, 400),
        (PATIENT_VIEW, b"{}", {"Content-Type": "text/plain"}, 415),
        (PATIENT_VIEW, b"{}", {}, 415),
        (
            PATIENT_VIEW,
            b"\x1f\x8b",
            {"Content-Type": "application/json", "Content-Encoding": "br"},
            415,
        ),
        (PATIENT_VIEW, b" " * 2_000_001, {"Content-Type": "application/json"}, 413),
        ("/cds-services/no-such-service", b"{}", {"Content-Type": "application/json"}, 404),
        (
            "/cds-services/no-such-service/feedback",
            b"{}",
            {"Content-Type": "application/json"},
            404,
        ),
        ("/cds-services/../health", b"{}", {"Content-Type": "application/json"}, 404),
    ],
)
def test_what_cannot_be_answered_is_refused_with_its_status(
    client: FlaskClient, path: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    response = client.post(path, data=body, headers=headers)
    assert response.status_code == status
    issue(response)


@pytest.mark.parametrize(
    ("wrapped", "headers"),
    [
        (lambda body: b"\xef\xbb\xbf" + body, {}),
        (lambda body: body, {"Content-Type": "text/json; charset=utf-8"}),
        (gzip.compress, {"Content-Encoding": "gzip"}),
        (gzip.compress, {"Content-Encoding": "X-GZIP"}),
        (lambda body: gzip.compress(b"\xef\xbb\xbf" + body), {"Content-Encoding": "gzip"}),
        (lambda body: body, {"Content-Encoding": "identity"}),
    ],
    ids=["mark", "text/json", "gzip", "x-gzip", "gzip and mark", "identity"],
)
def test_a_body_may_be_wrapped_as_clients_wrap_it(
    client: FlaskClient,
    stories: dict[str, Story],
    wrapped: Callable[[bytes], bytes],
    headers: dict[str, str],
) -> None:
    call = a_call(stories["cramps-in-siadh"])
    sent = {"Content-Type": "application/json"} | headers
    response = client.post(PATIENT_VIEW, data=wrapped(json.dumps(call).encode()), headers=sent)
    assert response.get_json() == client.post(PATIENT_VIEW, json=call).get_json()
    assert response.get_json()["cards"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (gzip.compress(bytes(60_000_000)), 413, "when it is decompressed"),
        (gzip.compress(b" " * 1_000_000), 413, "200 times"),
        (gzip.compress(b"{}")[:-3], 400, "one whole gzip member"),
        (gzip.compress(b"{}") * 2, 400, "one whole gzip member"),
        (b"{}", 400, "not valid gzip"),
        (gzip.compress(b""), 400, "empty"),
        (gzip.compress(b"{"), 400, "not valid JSON"),
    ],
    ids=["bomb", "ratio", "cut", "two members", "plain", "empty", "no JSON"],
)
def test_t42_a_compressed_body_is_bounded_and_checked(
    client: FlaskClient, body: bytes, status: int, words: str
) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    tracemalloc.start()
    response = client.post(PATIENT_VIEW, data=body, headers=headers)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert response.status_code == status
    assert words in issue(response)["details"]["text"]
    assert peak < 10_000_000, "more was decompressed than the limit of a body"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"a": 1,\n "b": }', "line 2, column 7."),
        ('{"ä": NaN}'.encode(), "line 1, column 7."),
        (b"{} x", "line 1, column 4."),
        (b'{"a"', "it ends too early."),
        (b'{"a": "\xff"}', "it is not UTF-8."),
        (b"[" * 20_000, "it is nested too deeply."),
    ],
)
def test_a_body_that_is_no_json_says_where_it_breaks(
    client: FlaskClient, body: bytes, words: str
) -> None:
    response = client.post(PATIENT_VIEW, data=body, content_type="application/json")
    assert response.status_code == 400
    assert issue(response)["details"]["text"] == f"The body is not valid JSON: {words}"


def test_a_wrong_method_says_which_ones_there_are(client: FlaskClient) -> None:
    response = client.get(PATIENT_VIEW)
    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]


def test_a_hook_sent_to_the_other_service_is_refused_and_says_why(
    client: FlaskClient, stories: dict[str, Story]
) -> None:
    response = client.post(ORDER_SELECT, json=a_call(stories["cramps-in-siadh"]))
    assert response.status_code == 400
    assert "'order-select'" in issue(response)["details"]["text"]


def test_sodium_neither_prefetched_nor_readable_is_412_and_names_the_key(
    client: FlaskClient, stories: dict[str, Story]
) -> None:
    call = a_call(stories["cramps-in-siadh"])
    del call["prefetch"]["sodium"]
    response = client.post(PATIENT_VIEW, json=call)
    assert response.status_code == 412
    assert "'sodium'" in issue(response)["details"]["text"]


def test_an_unnamed_fhir_server_is_not_called_and_the_refusal_names_the_flag(
    client: FlaskClient, stories: dict[str, Story]
) -> None:
    call = a_call(stories["cramps-in-siadh"])
    del call["prefetch"]["sodium"]
    response = client.post(PATIENT_VIEW, json=call | {"fhirServer": "http://127.0.0.1:1/fhir"})
    assert response.status_code == 412
    assert "--fhir-base" in issue(response)["details"]["text"]


def test_an_unrelated_order_needs_no_sodium_at_all(
    client: FlaskClient, stories: dict[str, Story]
) -> None:
    call = a_call(stories["acetaminophen"])
    del call["prefetch"]
    response = client.post(ORDER_SELECT, json=call)
    assert (response.status_code, response.get_json()) == (200, {"cards": []})


@pytest.mark.parametrize("story", ["saline-3-percent-mild", "tolvaptan-start"])
def test_saline_or_a_vaptan_without_readable_sodium_asks_for_one(
    client: FlaskClient, stories: dict[str, Story], story: str
) -> None:
    call = a_call(stories[story])
    del call["prefetch"]["sodium"]
    (card,) = client.post(ORDER_SELECT, json=call).get_json()["cards"]
    assert card["source"]["topic"]["code"] == "sodiumNeededFirst"


def test_another_patients_chart_in_the_prefetch_is_refused(
    client: FlaskClient, stories: dict[str, Story]
) -> None:
    call = a_call(stories["cramps-in-siadh"])
    call["prefetch"]["patient"]["id"] = "somebody-else"
    assert client.post(PATIENT_VIEW, json=call).status_code == 400


@pytest.mark.parametrize(
    ("missing", "named"), [("conditions", "problem list"), ("medications", "current medicines")]
)
def test_a_missing_source_is_named_and_withholds_the_restriction(
    client: FlaskClient, stories: dict[str, Story], missing: str, named: str
) -> None:
    call = a_call(stories["cramps-in-siadh"])
    del call["prefetch"][missing]
    (card,) = client.post(PATIENT_VIEW, json=call).get_json()["cards"]
    assert f"Not checked: {named}" in card["detail"]
    assert not [s for s in card.get("suggestions", []) if "fluids" in s["label"]]


def test_a_crashing_rule_is_a_500_and_never_an_empty_answer(
    app: Flask, client: FlaskClient, stories: dict[str, Story], monkeypatch: pytest.MonkeyPatch
) -> None:
    from cds_service.sodium.rules.book import BOOK

    def crash(case: object) -> Any:
        raise ZeroDivisionError("sodium 131 of Nora Lindqvist")

    monkeypatch.setitem(BOOK.chart, "PV-MILD", crash)
    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)
    response = client.post(PATIENT_VIEW, json=a_call(stories["cramps-in-siadh"]))
    assert response.status_code == 500
    assert issue(response)["code"] == "exception"
    assert "Nora" not in response.text


def test_the_sandbox_may_call_and_sees_errors_too(client: FlaskClient) -> None:
    asked = {
        "Origin": SANDBOX,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    preflight = client.options(PATIENT_VIEW, headers=asked)
    assert preflight.status_code in (200, 204)
    assert preflight.headers["Access-Control-Allow-Origin"] == SANDBOX
    assert {"authorization", "content-type"} <= {
        h.strip().lower() for h in preflight.headers["Access-Control-Allow-Headers"].split(",")
    }
    error = client.post(
        PATIENT_VIEW, data=b"{", headers={"Origin": SANDBOX, "Content-Type": "application/json"}
    )
    assert error.status_code == 400
    assert error.headers["Access-Control-Allow-Origin"] == SANDBOX


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "https://sandbox.cds-hooks.org.evil.example", "null"]
)
def test_a_foreign_page_may_not_call(client: FlaskClient, origin: str) -> None:
    answer = client.get("/cds-services", headers={"Origin": origin})
    assert "Access-Control-Allow-Origin" not in answer.headers


def _without_orders(stories: dict[str, Story]) -> dict[str, Any]:
    """What the public sandbox sends when its open Rx View tab is pressed again."""
    call = a_call(stories["sertraline-with-low-sodium"])
    call["context"] = {
        "patientId": call["context"]["patientId"],
        "userId": "Practitioner/COREPRACTITIONER1",
    }
    return call


def test_order_select_without_its_orders_names_the_scope_as_the_likely_cause(
    client: FlaskClient, stories: dict[str, Story]
) -> None:
    response = client.post(ORDER_SELECT, json=_without_orders(stories))
    assert response.status_code == 400
    assert "scope" in issue(response)["details"]["text"]


def test_a_client_that_shows_errors_as_all_clear_is_told_on_a_card_that_no_order_came(
    client: FlaskClient, stories: dict[str, Story]
) -> None:
    sandbox = {
        "Authorization": f"Bearer {jwt.encode({'iss': SANDBOX}, 'x' * 32, algorithm='HS256')}"
    }
    response = client.post(ORDER_SELECT, json=_without_orders(stories), headers=sandbox)
    assert response.status_code == 200
    (card,) = response.get_json()["cards"]
    assert card["indicator"] == "info"
    assert card["summary"] == "No order came with this call: nothing was checked"
    assert "no all-clear" in card["detail"]
    assert card["source"]["topic"]["code"] == "sodiumNotChecked"
    assert "suggestions" not in card


def test_feedback_is_kept_and_a_repeat_is_harmless(client: FlaskClient) -> None:
    item = {
        "card": "c7a9858f-10ad-4fa3-aad0-b940c843514b",
        "outcome": "accepted",
        "acceptedSuggestions": [{"id": "993fd9a2-ec2c-4ddb-b70c-457e8f58eb1e"}],
        "outcomeTimestamp": "2026-11-20T09:00:00Z",
    }
    for _ in range(2):
        response = client.post(f"{PATIENT_VIEW}/feedback", json={"feedback": [item]})
        assert response.status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"feedback": []},
        {"feedback": [{"card": "a", "outcome": "", "outcomeTimestamp": "2026-11-20T09:00:00Z"}]},
        {
            "feedback": [
                {"card": "a", "outcome": "accepted", "outcomeTimestamp": "2026-11-20T09:00:00Z"}
            ]
        },
        {"feedback": [{"card": "a", "outcome": "overridden"}]},
        {
            "feedback": [
                {"card": "a", "outcome": "overridden", "outcomeTimestamp": "2099-01-01T00:00:00Z"}
            ]
        },
        {
            "feedback": [
                {"card": "", "outcome": "overridden", "outcomeTimestamp": "2026-11-20T09:00:00Z"}
            ]
        },
    ],
)
def test_malformed_feedback_is_refused(client: FlaskClient, body: object) -> None:
    response = client.post(f"{PATIENT_VIEW}/feedback", json=body)
    assert response.status_code == 400
    issue(response)


@pytest.mark.parametrize("name", ["hyponatremia-topic", "hyponatremia-override"])
def test_our_code_systems_are_where_cards_say(client: FlaskClient, name: str) -> None:
    body = client.get(f"/fhir/CodeSystem/{name}").get_json(force=True)
    assert body["url"] == f"http://cds.test/fhir/CodeSystem/{name}"
    assert body["count"] == len(body["concept"])


def test_the_basis_page_has_the_place_that_each_card_links_to(
    client: FlaskClient, app: Flask
) -> None:
    page = client.get("/basis").text
    for service in load_knowledge(default_hooks_dir()).services:
        from cds_service.web.runtime import EXTENSION

        rules = app.extensions[EXTENSION].pipeline.knowledge.services[service].rules
        for rule in rules:
            assert f'id="{rule}"' in page
    assert "Not clinically reviewed" in page
