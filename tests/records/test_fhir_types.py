"""FHIR is read in one way: decoded at once or member by member, odd JSON gives the same types."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cds_service.cli.replay import answer_story
from cds_service.demo.stories import Story, default_fixtures_dir, load_stories
from cds_service.errors import BadRequest
from cds_service.knowledge.load import default_hooks_dir, load_knowledge
from cds_service.knowledge.names import DrugClass
from cds_service.protocol.wire import decode, encode
from cds_service.records import fhir_types, medications
from cds_service.records.bounds import MAX_CONCEPTS
from cds_service.records.dosage import Dosage, dosage, given_as
from cds_service.records.fhir_types import (
    Concept,
    Entry,
    Form,
    Resource,
    as_resource,
    coerced,
    decode_call,
    decode_resource,
)
from cds_service.records.prefetch import Source
from cds_service.records.read_context import ReadContext
from cds_service.records.reader import CallRecords, order_resource
from cds_service.sodium.snapshot import Order
from cds_service.terminology.vocabulary import CodeLists, vocabulary
from tests.fhir_resources import Call, pipeline, sodium, taking
from tests.records.test_reader_hostile import FULL, JSON, PLACES, places, put

STORIES = dict(load_stories(default_fixtures_dir()))
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
DOSE = {"value": 25, "unit": "mg", "code": "mg"}
REPEAT = {
    "boundsPeriod": {"start": "2026-11-01", "end": "2026-11-30"},
    "frequency": 2,
    "period": 1.0,
    "periodUnit": "d",
}
INSTRUCTION: dict[str, Any] = {
    "text": " one in the morning ",
    "timing": {"repeat": REPEAT, "code": {"text": "Daily"}, "event": ["2026-11-20"]},
    "asNeededBoolean": False,
    "route": {"coding": [{"code": "26643006"}], "text": "oral"},
    "doseAndRate": [
        {
            "doseQuantity": DOSE,
            "rateRatio": {"numerator": DOSE, "denominator": {"value": 1, "unit": "h"}},
        }
    ],
}


def resource(value: Mapping[str, Any]) -> Resource:
    """A resource as a server would send it."""
    read = decode_resource(encode(value))
    assert read is not None
    return read


def member_by_member(value: Mapping[str, Any]) -> Resource:
    """The same without msgspec's help at any depth."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fhir_types, "tolerant", coerced)
        return coerced(Resource, decode(encode(value)))


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(where=st.sampled_from(PLACES), value=JSON)
def test_a_resource_reads_the_same_decoded_at_once_and_member_by_member(
    where: tuple[int, tuple[Any, ...]], value: Any
) -> None:
    number, place = where
    spoilt = put(FULL[number], place, value)
    assume(_is_json(spoilt))
    assert resource(spoilt) == member_by_member(spoilt)


def test_what_is_sound_never_takes_the_slow_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the test above compares it with itself."""

    def slow(kind: type[Form], value: object) -> Form:
        raise AssertionError(kind)

    monkeypatch.setattr(fhir_types, "coerced", slow)
    for sound in FULL:
        assert resource(sound).id == sound["id"]
    for story in STORIES.values():
        assert decode_call(encode(story.request))["prefetch"]


@pytest.mark.parametrize(
    ("sent", "member", "read"),
    [
        ({"id": 5}, "id", "5"),
        ({"id": 5.5}, "id", ""),
        ({"id": True}, "id", ""),
        ({"status": 5}, "status", ""),
        ({"status": ["active"]}, "status", ""),
        ({"id": "x" * 1001}, "id", "x" * 1000),
        ({"deceasedBoolean": "true"}, "deceased_boolean", None),
        ({"code": [5, {"text": "x"}]}, "code", (Concept(text="x"),)),
        ({"note": {"text": "x"}}, "note", (fhir_types.Note(text="x"),)),
        ({"valueQuantity": [{"unit": "x"}]}, "value_quantity", fhir_types.Quantity(unit="x")),
        ({"valueQuantity": "5 mg"}, "value_quantity", None),
        # A subject that cannot be read is another patient's, such a medication of another version.
        ({"subject": "Patient/p"}, "subject", fhir_types.Reference()),
        ({"subject": None}, "subject", None),
        ({"medication": 5}, "medication", fhir_types.Choice()),
        ({"medication": None}, "medication", None),
        ({}, "medication", msgspec.UNSET),
        # An entry that cannot be read keeps its place: the page is less than whole.
        ({"entry": [5, {"resource": [{}]}]}, "entry", (None, Entry())),
    ],
)
def test_what_does_not_fit_reads_as_absent(sent: dict[str, Any], member: str, read: object) -> None:
    assert getattr(resource(sent), member) == read


def test_a_list_nested_without_end_costs_itself() -> None:
    value: dict[str, Any] = {"resourceType": "Medication", "id": 5}
    for _ in range(400):
        value = {"resourceType": "Medication", "id": 5, "contained": [value]}
    assert as_resource(value) == Resource()


def test_a_story_is_read_in_part() -> None:
    """What no reader needs is passed over."""
    names = {field.encode_name for field in msgspec.structs.fields(Resource)}
    assert not names & {"text", "performer", "referenceRange", "interpretation", "requester"}


def test_an_order_is_given_back_as_it_was_sent() -> None:
    order = {
        "resourceType": "MedicationRequest",
        "id": "m",
        "status": "active",
        "vendorField": [1, {"x": None}],
    }
    other = order | {"status": "stopped", "vendorField": "of another one with the same id"}
    sent = [{"resource": other}, {"resource": order}]
    body = encode({"prefetch": {"medications": {"resourceType": "Bundle", "entry": sent}}})
    source = Source(state="satisfied", resources=(resource(order), resource(other)))
    call = CallRecords(patient_id="p", now=NOW, sources={"medications": source}, bodies=(body,))
    assert order_resource(call, "MedicationRequest/m") == order
    assert order_resource(call, "MedicationRequest/n") is None
    assert order_resource(msgspec.structs.replace(call, bodies=()), "MedicationRequest/m") is None


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the orders that are read, each time that one is."""
    found: list[str] = []

    def exposure(resource: Resource, context: ReadContext) -> Order | None:
        found.append(resource.id)
        return medications.exposure(resource, context)

    monkeypatch.setattr("cds_service.records.reader.exposure", exposure)
    return found


def test_with_normal_sodium_and_no_vaptan_on_the_list_no_order_is_read(read: list[str]) -> None:
    orders = (taking("sertraline"), taking("hydrochlorothiazide"))
    assert Call(record=(sodium("139"), *orders)).cards() == []
    assert read == []


def test_with_normal_sodium_a_vaptan_on_the_list_is_read_and_judged(read: list[str]) -> None:
    orders = (taking("sertraline"), taking("tolvaptan"), taking("clarithromycin"))
    (card, *_) = Call(record=(sodium("139"), *orders)).cards()
    assert "clarithromycin" in card.summary.lower()
    assert sorted(read) == sorted(str(order["id"]) for order in orders)


def test_what_a_list_is_said_to_name_leaves_out_no_drug_and_no_unknown_medicine() -> None:
    """A patient whose list seems to name no vaptan is never asked about one (PV-VAPTAN)."""
    seen: set[str] = set()
    for name, story in STORIES.items():
        case = answer_story(pipeline(), story).case
        if case is None:
            continue
        orders = case.snapshot.exposures
        classes = {drug.cls for order in orders if not order.saline for drug in order.drugs}
        assert classes <= case.snapshot.named.classes, name
        if any(order.unidentified or order.unread for order in orders):
            assert case.snapshot.named.nameless, name
        seen |= classes
    assert DrugClass.VAPTAN in seen, "no story lists a vaptan, so that this test shows nothing"


def test_a_medicine_of_which_not_every_ingredient_is_read_may_hold_a_vaptan() -> None:
    """The list then does not say that no vaptan is taken."""
    named = taking("sertraline")["medicationCodeableConcept"]
    ingredients = [{"itemCodeableConcept": named}] * (MAX_CONCEPTS + 1)
    inside = {"resourceType": "Medication", "id": "m", "ingredient": ingredients}
    many = taking("sertraline") | {
        "contained": [inside],
        "medicationReference": {"reference": "#m"},
    }
    del many["medicationCodeableConcept"]
    case = Call(record=(sodium("139"), many)).evaluation().case
    assert case is not None
    assert not case.medicines_known


def test_with_low_sodium_each_order_is_read_once_and_the_drug_is_named(read: list[str]) -> None:
    orders = (taking("sertraline"), taking("amlodipine"))
    (card, *_) = Call(record=(sodium("128"), *orders)).cards()
    assert "sertraline" in card.detail.lower()
    assert sorted(read) == sorted(str(order["id"]) for order in orders)


def test_an_order_of_another_patient_is_counted_though_the_list_is_not_read(
    read: list[str],
) -> None:
    foreign = taking("sertraline") | {"subject": {"reference": "Patient/somebody-else"}}
    case = Call(record=(sodium("139"),)).answer(_with(foreign)).case
    assert case is not None
    assert case.snapshot.dropped_foreign == 1
    assert read == []


def _with(order: dict[str, Any]) -> dict[str, Any]:
    body = Call(record=(sodium("139"),)).body()
    body["prefetch"]["medications"] = {
        "resourceType": "Bundle",
        "type": "searchset",
        "entry": [{"resource": order}],
    }
    return body


def answers(
    client: FlaskClient, story: Story, call: dict[str, Any]
) -> tuple[tuple[int, Any], tuple[int, Any]]:
    """Status and body of a call, and of the same call with another key that is no Bundle."""
    odd = call | {"prefetch": {**call["prefetch"], "somebody-elses": 5}}
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
def test_a_story_gets_the_same_cards_whether_it_is_decoded_at_once_or_member_by_member(
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
def test_whatever_stands_anywhere_reads_the_same_decoded_at_once_or_not(
    data: st.DataObject, client: FlaskClient, name: str, value: Any
) -> None:
    call = client.get(f"/demo/stories/{name}/request").get_json()
    where = [place for place in places(call["prefetch"]) if place]
    spoilt = call | {"prefetch": put(call["prefetch"], data.draw(st.sampled_from(where)), value)}
    assume(_is_json(spoilt))
    part, whole = answers(client, STORIES[name], spoilt)
    assert part == whole


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
def test_what_is_no_json_is_refused_in_a_member_that_is_not_read_too(
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
    """Whether the strict decoder takes it; what it refuses may pass in a member that is not read."""
    try:
        decode(encode(call))
    except (BadRequest, UnicodeEncodeError):
        return False
    return True


def _without_ids(answer: Any) -> Any:
    return (
        {name: value for name, value in answer.items() if name != "issue"}
        if "issue" in answer
        else answer
    )


@pytest.fixture(scope="module")
def lists() -> CodeLists:
    knowledge = load_knowledge(default_hooks_dir())
    return vocabulary(knowledge.terms, knowledge.fluids, knowledge.orders).code_lists


@pytest.mark.parametrize("second", [{}, {"text": "and one at noon"}, {"value": 50, "unit": "mg"}])
def test_a_second_dose_that_cannot_be_read_leaves_the_day_s_dose_open(
    second: object, lists: CodeLists
) -> None:
    order = {"dosageInstruction": [INSTRUCTION | {"doseQuantity": second}]}
    assert dosage(resource(order), lists, None, NOW).daily_dose_mg is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda order: order,
        lambda order: order["dosageInstruction"][0],  # DSTU2 has one object
        lambda order: {"dosageInstruction": order["dosageInstruction"] + [5]},
        lambda order: {"dosageInstruction": [INSTRUCTION | {"patientInstruction": 5}]},
        lambda order: {
            "dosageInstruction": [INSTRUCTION | {"doseAndRate": {"doseQuantity": [DOSE]}}]
        },
    ],
)
def test_one_odd_member_costs_itself_and_not_the_dose(spoil: Any, lists: CodeLists) -> None:
    order = {"dosageInstruction": [INSTRUCTION]}
    made = spoil(order)
    order = made if "dosageInstruction" in made else {"dosageInstruction": made}
    found = dosage(resource(order), lists, None, NOW)
    assert isinstance(found, Dosage)
    assert found.daily_dose_mg == Decimal(50)
    given = given_as(resource(order), lists)
    assert given.words == "one in the morning"
    assert [route.text for route in given.routes] == ["oral"]
    assert msgspec.json.encode(found.duration_days) == msgspec.json.encode(Decimal(29))
