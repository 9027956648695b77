"""order-sign: all drafts of a session are judged together, and nothing that was answered comes twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from cds_service.cli.replay import evaluate
from cds_service.demo.stories import Story
from cds_service.trust.registry import Client
from tests.conftest import NOW as TODAY
from tests.feedback.deployments import a_call, close, deployment, feedback, settle
from tests.fhir_resources import (
    NOW,
    Call,
    Resource,
    draft,
    pipeline,
    problem,
    restriction_order,
    sodium,
)

SELECT, SIGN = "hyponatremia-order-select", "hyponatremia-order-sign"
SALINE = ("", "Sodium chloride 3% 250 mL")


def saline(ml: float = 250) -> Resource:
    return draft("sodium chloride", ml=ml, medicationCodeableConcept={"text": SALINE[1]})


def signing(*drafts: Resource, record: tuple[Resource, ...] = ()) -> dict[str, Any]:
    """Returns a call that signs these drafts: all of them, and no selections."""
    body = Call(record=record, drafts=drafts).body()
    del body["context"]["selections"]
    return body | {"hook": "order-sign"}


def said(body: dict[str, Any]) -> str:
    """Returns all that the cards of a call say."""
    found = evaluate(pipeline(None), SIGN, body, NOW, Client()).cards
    return "\n".join(f"{card['summary']}\n{card['detail']}" for card in found).casefold()


@pytest.mark.parametrize(
    ("drafts", "value", "words"),
    [
        ((draft("sertraline"), draft("hydrochlorothiazide")), "138", "sertraline plus hydrochlorothiazide"),
        ((draft("hydrochlorothiazide"), draft("sertraline")), "138", "hydrochlorothiazide plus sertraline"),
        ((draft("tolvaptan"), restriction_order()), "124", "24 h of a vaptan"),
        ((draft("tolvaptan"), saline()), "122", "hypertonic saline"),
        ((draft("sertraline"), draft(("", "Zoloft 50 mg"))), "131", "two orders of sertraline"),
    ],
    ids=["ssri+thiazide", "thiazide+ssri", "vaptan+restriction", "vaptan+saline", "two names"],
)  # fmt: skip
def test_what_is_signed_together_is_seen_together(
    drafts: tuple[Resource, ...], value: str, words: str
) -> None:
    record = (sodium(value), problem("E22.2"))
    together = said(signing(*drafts, record=record))
    assert words in together, together
    for one in drafts:
        alone = said(signing(one, record=record))
        assert words not in alone, alone


def test_a_combination_that_is_signed_is_said_once() -> None:
    drafts = draft("sertraline"), draft("hydrochlorothiazide")
    body = signing(*drafts, record=(sodium("138"),))
    found = evaluate(pipeline(None), SIGN, body, NOW, Client()).cards
    topics = [card["source"]["topic"]["code"] for card in found]
    assert topics.count("sodiumLoweringCombination") == 1, topics


def test_every_draft_counts_and_each_order_has_one_card() -> None:
    """The EHR selects nothing at this hook: what concerns no rule does not hide what does."""
    record = (sodium("132"), sodium("132", hours=30))
    found = evaluate(
        pipeline(None), SIGN, signing(draft("metformin"), saline(), record=record), NOW, Client()
    ).cards
    assert [card["source"]["topic"]["code"] for card in found] == ["hypertonicSalineMild"]


def test_selections_that_an_ehr_sends_all_the_same_do_not_narrow_it() -> None:
    record = (sodium("132"), sodium("132", hours=30))
    body = signing(draft("metformin"), saline(), record=record)
    body["context"]["selections"] = [
        f"MedicationRequest/{body['context']['draftOrders']['entry'][0]['resource']['id']}"
    ]
    assert "3% saline" in said(body)


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
@pytest.mark.parametrize("contained", [False, True], ids=["beside", "inside"])
def test_an_order_set_counts_as_its_orders(hook: str, contained: bool) -> None:
    order = saline()
    order_set: dict[str, Any] = {
        "resourceType": "RequestGroup",
        "id": "set",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": "Patient/p1"},
        "action": [{"action": [{"resource": {"reference": f"MedicationRequest/{order['id']}"}}]}],
    }
    drafts: tuple[Resource, ...] = (order_set, order)
    if contained:
        order_set["contained"] = [order]
        order_set["action"] = [{"resource": {"reference": f"#{order['id']}"}}]
        drafts = (order_set,)
    call = Call(record=(sodium("132"), sodium("132", hours=30)), drafts=drafts)
    body = call.body() | {"hook": hook}
    service = f"hyponatremia-{hook}"
    [card] = evaluate(pipeline(None), service, body, NOW, Client()).cards
    assert card["source"]["topic"]["code"] == "hypertonicSalineMild"


def test_an_order_set_that_names_an_order_which_did_not_come_is_no_silence() -> None:
    order_set: dict[str, Any] = {
        "resourceType": "RequestGroup",
        "id": "set",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": "Patient/p1"},
        "action": [{"resource": {"reference": "MedicationRequest/elsewhere"}}],
    }
    client = Client(explain_missing_data=True)
    body = signing(order_set, record=(sodium("132"),))
    [card] = evaluate(pipeline(None), SIGN, body, NOW, client).cards
    assert "could not be read" in card["summary"]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    app = deployment(tmp_path)
    yield app
    close(app)


def topics(app: Flask, service: str, call: dict[str, Any]) -> list[str]:
    return [card["source"]["topic"]["code"] for card in answered(app, service, call)]


def answered(app: Flask, service: str, call: dict[str, Any]) -> list[dict[str, Any]]:
    response = app.test_client().post(f"/cds-services/{service}", json=call)
    assert response.status_code == 200, response.text
    settle(app)
    found: list[dict[str, Any]] = response.get_json()["cards"]
    return found


def to_sign(call: dict[str, Any]) -> dict[str, Any]:
    """Returns the same session at its end."""
    again: dict[str, Any] = json.loads(json.dumps(call))
    del again["context"]["selections"]
    return again | {"hook": "order-sign"}


STORY, TOPIC = "saline-3-percent-mild", "hypertonicSalineMild"


def test_what_was_answered_when_it_was_picked_does_not_come_again_when_it_is_signed(
    app: Flask, stories: dict[str, Story]
) -> None:
    call = a_call(stories[STORY])
    [card] = answered(app, SELECT, call)
    assert topics(app, SIGN, to_sign(call)) == [TOPIC]  # it was shown, and nobody answered it
    sent = feedback(card["uuid"], "overridden", TODAY)
    url = f"/cds-services/{SELECT}/feedback"
    assert app.test_client().post(url, json=sent).status_code == 200
    assert topics(app, SIGN, to_sign(call)) == []
    other = a_call(stories[STORY], user="Practitioner/8")
    assert topics(app, SIGN, to_sign(other)) == [TOPIC]


def test_it_comes_again_when_the_patient_is_worse_or_another_order_is_signed(
    app: Flask, stories: dict[str, Story]
) -> None:
    call = a_call(stories[STORY])
    [card] = answered(app, SELECT, call)
    sent = feedback(card["uuid"], "overridden", TODAY)
    app.test_client().post(f"/cds-services/{SELECT}/feedback", json=sent)
    more = to_sign(call)
    entry = more["context"]["draftOrders"]["entry"]
    thiazide = draft("hydrochlorothiazide")
    subject = entry[0]["resource"]["subject"]
    entry.append({"resource": thiazide | {"subject": subject}})
    assert topics(app, SIGN, more) != []
    worse = to_sign(call)
    for result in worse["prefetch"]["sodium"]["entry"]:
        result["resource"]["valueQuantity"]["value"] -= 4
        result["resource"]["id"] += "-new"
    assert topics(app, SIGN, worse) != []


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
def test_a_member_of_an_order_set_that_did_not_come_is_told_as_not_read(hook: str) -> None:
    """It was told as an order with a code and no name; at order-select twice."""
    order = draft("sertraline")
    members = (f"MedicationRequest/{order['id']}", "MedicationRequest/elsewhere")
    order_set: dict[str, Any] = {
        "resourceType": "RequestGroup",
        "id": "set",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": "Patient/p1"},
        "action": [{"resource": {"reference": member}} for member in members],
    }
    body = Call(record=(sodium("131"),), drafts=(order_set, order)).body()
    body["context"]["selections"] = ["RequestGroup/set"]
    if hook == "order-sign":
        del body["context"]["selections"]
    found = evaluate(pipeline(None), f"hyponatremia-{hook}", body | {"hook": hook}, NOW, Client())
    [card] = [card for card in found.cards if "ertraline" in card["summary"]]
    assert "Not read: at least one order, or what it points to." in card["detail"]
    assert "Not recognised" not in card["detail"]


def test_an_order_with_a_code_and_no_name_is_counted_in_words_that_fit_one() -> None:
    unknown = draft("sertraline") | {
        "id": "unknown",
        "medicationCodeableConcept": {"coding": [{"system": "http://local", "code": "4711"}]},
    }
    found = said(signing(draft("sertraline"), unknown, record=(sodium("131"),)))
    assert "not recognised: 1 of the orders (a code and no name)." in found
    assert "not read: at least" not in found
