"""A hook call that is read in part gives what the same call gives when it is read whole."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from msgspec import Raw

import cds_service.records
from cds_service.demo.stories import Story, default_fixtures_dir, load_stories
from cds_service.errors import BadRequest
from cds_service.protocol.wire import decode, encode
from cds_service.records.partial_decode import Resource, as_sent, decode_call
from tests.records.test_reader_hostile import JSON, places, put

STORIES = dict(load_stories(default_fixtures_dir()))
READERS = (
    *(
        "dosage",
        "labs",
        "medications",
        "prefetch",
        "problems",
        "products",
        "reader",
        "references",
    ),
    *("times", "versions"),
)
ACCESSORS = {
    "text",
    "flag",
    "number",
    "items",
    "child",
    "concept_of",
    "concepts",
    "plain_concepts",
    "value_of",
    "get",
}
FORMS = {"form", "instructions", "first_identifier"}
TYPED = {
    name for name, kind in get_type_hints(Resource).items() if kind not in (Any, Raw)
}  # a form already
# Names that the readers look up only inside a member of a resource.
INSIDE = {
    *(
        "asNeededBoolean",
        "asNeededCodeableConcept",
        "boundsDuration",
        "boundsPeriod",
        "coding",
        "concept",
        "count",
    ),
    *(
        "dayOfWeek",
        "denominator",
        "display",
        "dose",
        "doseAndRate",
        "doseQuantity",
        "end",
        "entry",
        "event",
    ),
    *(
        "expectedSupplyDuration",
        "frequency",
        "frequencyMax",
        "fullUrl",
        "instruction",
        "isActive",
        "item",
    ),
    *(
        "itemCodeableConcept",
        "itemReference",
        "link",
        "modifier",
        "numberOfRepeatsAllowed",
        "numerator",
        "nutrient",
    ),
    *(
        "patientInstruction",
        "period",
        "periodMax",
        "periodUnit",
        "periodUnits",
        "quantity",
        "rateQuantity",
    ),
    *(
        "rateRatio",
        "reference",
        "relation",
        "repeat",
        "resource",
        "route",
        "severity",
        "start",
        "strength",
    ),
    *(
        "strengthRatio",
        "system",
        "text",
        "timing",
        "total",
        "unit",
        "url",
        "validityPeriod",
        "value",
    ),
    *("lastUpdated", "comparator"),
}


def looked_up() -> Iterator[tuple[str, str]]:
    """Every name of a member that a reader spells out, with its module."""
    folder = Path(cds_service.records.__file__).parent
    for module in READERS:
        for node in ast.walk(ast.parse((folder / f"{module}.py").read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = getattr(node.func, "id", getattr(node.func, "attr", ""))
                spelled = node.args if called in ACCESSORS | FORMS else []
            elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
                spelled = [node.left]
            elif isinstance(node, ast.Assign | ast.For):
                spelled = list(
                    getattr(node.value if isinstance(node, ast.Assign) else node.iter, "elts", [])
                )
            else:
                continue
            for name in spelled:
                if (
                    isinstance(name, ast.Constant)
                    and isinstance(name.value, str)
                    and name.value.isalnum()
                ):
                    yield name.value, module


def test_every_member_that_a_reader_asks_for_is_read() -> None:
    known = set(Resource.__annotations__) | INSIDE
    others = {
        "Observation",
        "Condition",
        "Encounter",
        "Patient",
        "Medication",
        "Specimen",
        "Device",
        "Bundle",
        "other",
    }
    others |= {
        "code",
        "unit",
        "unnamed",
        "n",
        "no",
        "active",
        "empty",
        "failed",
        "absent",
        "satisfied",
        "OperationOutcome",
    }
    missing = sorted({(name, module) for name, module in looked_up() if name not in known | others})
    assert missing == []


def test_what_is_a_form_already_is_asked_for_as_one() -> None:
    """The other accessors would take it for absent: a subject that is absent is another patient's."""
    assert {"subject", "specimen", "meta", "valueQuantity"} <= TYPED
    folder = Path(cds_service.records.__file__).parent
    for module in (*READERS, "call_records", "medications"):
        for node in ast.walk(ast.parse((folder / f"{module}.py").read_text(encoding="utf-8"))):
            called = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
            if called in ACCESSORS - {"get"} and isinstance(node, ast.Call):
                names = {
                    a.value
                    for a in node.args
                    if isinstance(a, ast.Constant) and isinstance(a.value, str)
                }
                assert not names & TYPED, f"{module}: {called}({names})"


@pytest.mark.parametrize("name", sorted(STORIES))
def test_a_story_is_read_in_part(name: str) -> None:
    """Else the tests below would compare the whole reading with itself."""
    call = STORIES[name].request
    patient = {"resourceType": "Patient", "id": "another", "vendorField": 1}
    body = encode(call | {"prefetch": call["prefetch"] | {"unasked": patient}})
    assert "vendorField" not in decode_call(body)["prefetch"]["unasked"]


def answers(
    client: FlaskClient, story: Story, call: dict[str, Any]
) -> tuple[tuple[int, Any], tuple[int, Any]]:
    """Status and body of a call, and of the same call with a key beside its own that is no Bundle."""
    odd = call | {"prefetch": {**call["prefetch"], "somebody-elses": []}}
    assert not any(type(value) is Raw for value in _values(decode_call(encode(odd))))
    found = []
    for body in (call, odd):
        response = client.post(
            f"/cds-services/{story.file.service}",
            data=encode(body),
            headers={"Content-Type": "application/json"},
        )
        found.append((response.status_code, _without_ids(response.get_json(force=True))))
    return found[0], found[1]


@pytest.mark.parametrize("name", sorted(STORIES))
def test_a_story_gets_the_same_cards_whether_it_is_read_in_part_or_whole(
    name: str, client: FlaskClient, stories: dict[str, Story]
) -> None:
    story = stories[name]
    call = client.get(f"/demo/stories/{name}/request").get_json()
    part, whole = answers(client, story, call)
    assert part == whole


SPOILT = (
    "cramps-in-siadh",
    "sertraline-with-thiazide",
    "laboratory-artefact",
    "spironolactone-in-cirrhosis",
)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), name=st.sampled_from(SPOILT), value=JSON)
def test_whatever_stands_anywhere_reads_the_same_in_part_and_whole(
    data: st.DataObject, client: FlaskClient, name: str, value: Any
) -> None:
    call = client.get(f"/demo/stories/{name}/request").get_json()
    where = [place for place in places(call["prefetch"]) if place]
    spoilt = call | {"prefetch": put(call["prefetch"], data.draw(st.sampled_from(where)), value)}
    assume(_is_json(spoilt))
    part, whole = answers(client, STORIES[name], spoilt)
    assert part == whole


def test_a_resource_is_given_back_as_it_was_sent() -> None:
    order = {
        "resourceType": "MedicationRequest",
        "id": "m",
        "status": "active",
        "vendorField": [1, {"x": None}],
    }
    other = order | {"vendorField": "of another one with the same id"}
    call = {
        "prefetch": {
            "medications": {
                "resourceType": "Bundle",
                "entry": [{"resource": order}, {"resource": other}],
            }
        }
    }
    body = encode(call)
    prefetch = decode_call(body)["prefetch"]
    read = [entry["resource"] for entry in prefetch["medications"]["entry"]]
    assert "vendorField" not in read[0]
    assert [as_sent(resource, prefetch, body) for resource in read] == [order, other]
    assert as_sent(order, prefetch, body) is order


def in_a_bundle(order: dict[str, Any]) -> object:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": order}]}


@pytest.mark.parametrize("sent", [in_a_bundle, lambda order: order, lambda order: [order]])
def test_a_stopped_order_keeps_what_no_rule_reads(
    sent: Callable[[dict[str, Any]], object], client: FlaskClient
) -> None:
    call = client.get("/demo/stories/moderate-in-cirrhosis/request").get_json()
    orders = [entry["resource"] for entry in call["prefetch"]["medications"]["entry"]]
    order = next(o for o in orders if "furosemide" in json.dumps(o).lower())
    order |= {
        "priority": "routine",
        "groupIdentifier": {"value": "7"},
        "substitution": {"allowedBoolean": False},
    }
    call["prefetch"]["medications"] = sent(order)

    cards = client.post("/cds-services/hyponatremia-patient-view", json=call).get_json()["cards"]
    actions = [
        a for card in cards for suggestion in card["suggestions"] for a in suggestion["actions"]
    ]
    stopped = [action["resource"] for action in actions if action["type"] == "update"]
    assert [stop | {"status": "active"} for stop in stopped] == [
        {name: value for name, value in order.items() if name != "text"}
        | {"statusReason": stopped[0]["statusReason"]}
    ]


@pytest.mark.parametrize(
    "body",
    [
        b'{"prefetch": {"x": {"unread": NaN}}}',
        b'{"prefetch": {"x": {"unread": "\xff"}}}',
        b'{"prefetch": {"x": {"unread": "\\ud800"}}}',
        b'{"prefetch": {"x": {"unread": {"\\uDC00": [1]}}}}',
        b'{"prefetch": {"x": {"unread": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}}",
        b'{"prefetch": {"x": {"unread": [1,]}}}',
    ],
)
def test_what_is_no_json_is_refused_in_a_member_that_nobody_reads_too(
    client: FlaskClient, body: bytes
) -> None:
    response = client.post(
        "/cds-services/hyponatremia-patient-view",
        data=body,
        headers={"Content-Type": "application/json"},
    )
    assert response.status_code == 400
    assert "not valid JSON" in response.text


@pytest.mark.parametrize(
    "empty", [{"note": []}, {"dosageInstruction": [{}]}, {"priority": ""}, {"requester": None}]
)
def test_an_order_with_an_empty_member_is_not_given_back_and_its_card_stays(
    client: FlaskClient, empty: dict[str, Any]
) -> None:
    call = client.get("/demo/stories/moderate-in-cirrhosis/request").get_json()
    orders = [entry["resource"] for entry in call["prefetch"]["medications"]["entry"]]
    for order in orders:
        order |= empty
    response = client.post("/cds-services/hyponatremia-patient-view", json=call)
    (card, *_) = response.get_json()["cards"]
    actions = [action for suggestion in card["suggestions"] for action in suggestion["actions"]]
    assert "furosemide" in card["detail"].lower()
    assert [action for action in actions if action["type"] == "update"] == []


def _is_json(call: dict[str, Any]) -> bool:
    """Whether the strict decoder takes it: what it refuses may pass in a member that nobody reads."""
    try:
        decode(encode(call))
    except (BadRequest, UnicodeEncodeError):
        return False
    return True


def _values(value: Any) -> Iterator[Any]:
    yield value
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _values(inner)


def _without_ids(answer: Any) -> Any:
    return (
        {name: value for name, value in answer.items() if name != "issue"}
        if "issue" in answer
        else answer
    )
