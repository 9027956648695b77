"""Calls in the odd shapes that EHRs send: a complete call gets its cards, or a reason in words."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cds_service.errors import BadRequest, DataUnavailable
from tests.fhir_resources import (
    BASE,
    SALINE_3,
    Call,
    Card,
    Resource,
    coded,
    draft,
    pipeline,
    restriction_order,
    sodium,
)

Body = dict[str, Any]
OPENAPI = Path(__file__).parents[2] / "docs" / "openapi.yaml"
LOW = (sodium("123"),)
SALINE = draft(SALINE_3, ml=500)
PICKED = draft("sertraline")
CHART, ORDER = Call(record=LOW), Call(record=LOW, drafts=(PICKED,))
CALLS = {"patient-view": CHART, "order-select": ORDER}
NDC = "http://hl7.org/fhir/sid/ndc"


def a_body(call: Call) -> Body:
    """The call with every member that a client may send."""
    context = {"patientId": "p1", "encounterId": "v1", "userId": "Practitioner/doctor"}
    body = copy.deepcopy(call.body())
    body["context"] = context | body["context"]
    body["fhirServer"] = BASE
    body["fhirAuthorization"] = {
        "access_token": "opaque",
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "patient/*.read",
        "subject": "hyponatremia",
        "patient": "p1",
    }
    body["extension"] = {"com.example.timestamp": "2026-11-20"}
    return body


# ---- every optional member x everything that may stand in its place

DAMAGE: dict[str, Any] = {"null": None, "blank": "", "object": {}, "list": [], "wrong type": True}
REQUIRED = {"hook", "hookInstance", "context", "context.patientId"}
# What a call cannot do without, and why another member does not stand in for it.
NEEDED = {
    ("patient-view", "prefetch"): "it holds the results, and this test has no FHIR server",
    ("order-select", "prefetch"): "it holds the results, and this test has no FHIR server",
    ("order-select", "context.selections"): "order-select is about what was selected",
    ("order-select", "context.draftOrders"): "it holds the orders",
}
# These say that nothing is known to be selected: then every draft counts, and here it is the one.
HARMLESS = {("context.selections", "blank"), ("context.selections", "list")}


def described(schema: Body, path: str = "") -> Iterator[str]:
    """The members of the hook call as docs/openapi.yaml describes it, by their path."""
    for name, inner in schema.get("properties", {}).items():
        yield f"{path}{name}"
        if f"{path}{name}" != "context.draftOrders":
            yield from described(inner, f"{path}{name}.")


def members() -> list[str]:
    document = yaml.safe_load(OPENAPI.read_text(encoding="utf-8"))
    schema = document["components"]["schemas"]["HookRequest"]
    return [path for path in described(schema) if path not in REQUIRED]


def damaged(body: Body, path: str, value: object) -> Body:
    *outer, name = path.split(".")
    place = body
    for step in outer:
        place = place[step]
    place[name] = value
    return body


def test_the_complete_call_has_every_member_that_the_description_names() -> None:
    body = a_body(ORDER)
    for path in members():
        place = body
        for step in path.split("."):
            assert step in place, path
            place = place[step]


def test_the_description_names_every_member_that_is_read() -> None:
    assert {path.split(".")[0] for path in members()} == {
        *("fhirServer", "fhirAuthorization", "context", "prefetch", "extension")
    }


def unsigned(cards: list[Resource]) -> list[Resource]:
    """Cards whose suggested orders name no requester: without a user there is none."""
    kept = copy.deepcopy(cards)
    suggestions = [one for card in kept for one in card.get("suggestions", [])]
    for action in [action for one in suggestions for action in one["actions"]]:
        for signer in ("requester", "orderer"):
            action.get("resource", {}).pop(signer, None)
    return kept


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("path", members())
@pytest.mark.parametrize("hook", CALLS)
def test_no_optional_member_costs_a_complete_call_its_cards(
    hook: str, path: str, damage: str
) -> None:
    call = CALLS[hook]
    body = damaged(a_body(call), path, copy.deepcopy(DAMAGE[damage]))
    if (hook, path) in NEEDED and (path, damage) not in HARMLESS:
        with pytest.raises((BadRequest, DataUnavailable)) as refused:
            call.answer(body)
        assert len(refused.value.message) > len("The member is wrong.")
        return
    assert unsigned(call.answer(body).cards) == unsigned(call.evaluation().cards)


# ---- shapes of public requests (the facts of odd-calls.md, rebuilt)


def context(**members: Any) -> Callable[[Body], None]:
    return lambda body: body["context"].update(members)


def top(**members: Any) -> Callable[[Body], None]:
    return lambda body: body.update(members)


def as_entries(body: Body) -> None:
    for key, value in body["prefetch"].items():
        body["prefetch"][key] = {"response": {"status": "200 OK"}, "resource": value}


def bare_entries(body: Body) -> None:
    bundle = body["context"]["draftOrders"]
    bundle["entry"] = [entry["resource"] for entry in bundle["entry"]]


def without_id(body: Body) -> None:
    del body["context"]["draftOrders"]["entry"][0]["resource"]["id"]


def by_urn(body: Body) -> None:
    without_id(body)
    urn = "urn:uuid:3f0c1e1e-0000-4000-8000-000000000001"
    body["context"]["draftOrders"]["entry"][0]["fullUrl"] = urn
    body["context"]["selections"] = [urn]


def by_order_set(body: Body) -> None:
    (picked,) = body["context"]["selections"]
    group = {
        "resourceType": "RequestGroup",
        "id": "set",
        "subject": {"reference": "Patient/p1"},
        "action": [{"title": "medicine", "action": [{"resource": {"reference": picked}}]}],
    }
    entry = {"fullUrl": "urn:uuid:set", "resource": group}
    body["context"]["draftOrders"]["entry"].append(entry)
    body["context"]["selections"] = ["urn:uuid:set"]


def selection(form: str) -> Callable[[Body], None]:
    def change(body: Body) -> None:
        (picked,) = body["context"]["selections"]
        body["context"]["selections"] = [form.format(picked, picked.partition("/")[2])]

    return change


def subject(**members: Any) -> Callable[[Body], None]:
    def change(body: Body) -> None:
        for entry in body["context"]["draftOrders"]["entry"]:
            entry["resource"]["subject"] = members

    return change


SHAPES: dict[str, Callable[[Body], None]] = {
    "patientId with its type": context(patientId="Patient/p1"),
    "patientId as an address": context(patientId="https://ehr.example/r4/Patient/p1"),
    "encounterId with its type": context(encounterId="Encounter/v1"),
    "encounterId blank": context(encounterId=""),
    "userId as an address": context(userId="https://ehr.example/r4/Practitioner/doctor"),
    "authorization empty": top(fhirAuthorization={}),
    "authorization with empty values": top(
        fhirAuthorization={"access_token": "", "token_type": "", "expires_in": "", "scope": ""}
    ),
    "authorization of another type": top(
        fhirServer=BASE, fhirAuthorization={"access_token": "t", "token_type": "BearerToken"}
    ),
    "authorization without a server": top(
        fhirAuthorization={"access_token": "t", "token_type": "Bearer"}
    ),
    "authorization with the patient's address": top(
        fhirServer=BASE,
        fhirAuthorization={
            "access_token": "t",
            "token_type": "Bearer",
            "patient": "https://ehr.example/r4/Patient/p1",
        },
    ),
    "prefetch as entries": as_entries,
}
ORDER_SHAPES: dict[str, Callable[[Body], None]] = {
    "drafts as a list": lambda body: body["context"].update(draftOrders=[copy.deepcopy(PICKED)]),
    "draft as one resource": lambda body: body["context"].update(draftOrders=copy.deepcopy(PICKED)),
    "entries that are resources": bare_entries,
    "draft without an id": without_id,
    "selected by its fullUrl": by_urn,
    "selected through an order set": by_order_set,
    "selected with a version": selection("{0}/_history/1"),
    "selected by an address": selection("https://ehr.example/r4/{0}"),
    "selected under the name of DSTU2": selection("MedicationOrder/{1}"),
    "selected with a blank": selection("{0} "),
    "selected by its id alone": selection("{1}"),
    "selected in another case": selection("medicationrequest/{1}"),
    "selected is what was not drafted": selection("{0}x"),
    "selections as one text": lambda body: body["context"].update(
        selections=body["context"]["selections"][0]
    ),
    "selections with null": lambda body: body["context"]["selections"].append(None),
    "nothing selected": context(selections=[]),
    "subject by identifier": subject(identifier={"system": "urn:mrn", "value": "1"}),
    "subject by name": subject(display="A. Patient"),
    "subject empty": subject(),
    "subject under another base": subject(reference="https://inner.example/Patient/p1"),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("hook", CALLS)
def test_a_complete_call_in_an_odd_shape_gets_its_cards(hook: str, shape: str) -> None:
    call = CALLS[hook]
    body = copy.deepcopy(call.body())
    SHAPES[shape](body)
    assert call.answer(body).cards == call.evaluation().cards


@pytest.mark.parametrize("shape", ORDER_SHAPES)
def test_a_selected_order_in_an_odd_shape_gets_its_cards(shape: str) -> None:
    body = copy.deepcopy(ORDER.body())
    ORDER_SHAPES[shape](body)
    answered = [Card.of(raw) for raw in ORDER.answer(body).cards]
    assert [card.head for card in answered] == [card.head for card in ORDER.cards()]


@pytest.mark.parametrize(
    ("shape", "removable"),
    [
        ("selected with a version", True),
        ("selected through an order set", True),
        ("draft without an id", False),
        ("selected by its fullUrl", False),
    ],
)
def test_a_button_removes_only_a_draft_that_the_ehr_can_find(shape: str, removable: bool) -> None:
    call = Call(record=(sodium("132"),), drafts=(SALINE,))
    body = copy.deepcopy(call.body())
    ORDER_SHAPES[shape](body)
    (card,) = [Card.of(raw) for raw in call.answer(body).cards]
    assert card.removes == ([f"MedicationRequest/{SALINE['id']}"] if removable else [])
    assert card.head == call.cards()[0].head


REFUSED: dict[str, tuple[Callable[[Body], None], str]] = {
    "no patientId": (lambda body: body["context"].pop("patientId"), "'context.patientId'"),
    "another type as patientId": (context(patientId="Practitioner/p1"), "no Patient"),
    "no hookInstance": (lambda body: body.pop("hookInstance"), "'hookInstance'"),
    "a token for another patient": (
        top(fhirAuthorization={"patient": "Patient/other"}),
        "'fhirAuthorization.patient' differs",
    ),
    "no selections": (lambda body: body["context"].pop("selections"), "scope"),
    "drafts as a name": (context(draftOrders="Bundle/1"), "scope"),
    "draft of another patient": (subject(reference="Patient/other"), "Draft order 1 names another"),
    "draft of a group": (subject(reference="Group/p1"), "Draft order 1 names another"),
}


@pytest.mark.parametrize("shape", REFUSED)
def test_what_cannot_be_answered_says_what_to_mend_and_quotes_nothing(shape: str) -> None:
    change, words = REFUSED[shape]
    body = copy.deepcopy(ORDER.body())
    change(body)
    with pytest.raises(BadRequest) as refused:
        ORDER.answer(body)
    assert words in refused.value.message
    assert "other/" not in refused.value.message
    assert "p1" not in refused.value.message


@pytest.mark.parametrize(
    ("shape", "every"),
    [
        ("selected with a version", False),
        ("selected is what was not drafted", True),
        ("nothing selected", True),
    ],
)
def test_the_explanation_says_if_every_draft_counts_as_selected(shape: str, every: bool) -> None:
    body = copy.deepcopy(ORDER.body())
    ORDER_SHAPES[shape](body)
    explained = pipeline().explain(ORDER.answer(body), ORDER.service)
    assert explained.get("everyDraftCounts", False) is every


# ---- an order that was not read or not identified is never silence

UNREADABLE_ORDERS: dict[str, tuple[object, str]] = {
    "no entry": ({"resourceType": "Bundle"}, "No draft order came"),
    "an empty list": ([], "No draft order came"),
    "only a patient": ([{"resourceType": "Patient", "id": "p1"}], "No draft order came"),
    "an entry without a resource": (
        {"resourceType": "Bundle", "entry": [{"fullUrl": "urn:uuid:1"}]},
        "could not be read",
    ),
    "a resource without a type": ([{"id": "d1"}], "could not be read"),
    "another kind of order": ([restriction_order() | {"oralDiet": {}}], "could not be read"),
    "an order set without its orders": (
        [{"resourceType": "RequestGroup", "id": "g", "action": [{"title": "x"}]}],
        "could not be read",
    ),
}


@pytest.mark.parametrize("orders", UNREADABLE_ORDERS)
def test_a_selection_of_which_no_draft_could_be_read_is_not_silence(orders: str) -> None:
    value, words = UNREADABLE_ORDERS[orders]
    body = copy.deepcopy(ORDER.body())
    body["context"] |= {"draftOrders": value, "selections": ["MedicationRequest/d1"]}
    with pytest.raises(DataUnavailable, match=words):
        ORDER.answer(body)
    told = Call(record=LOW, drafts=(PICKED,), explain_missing=True)
    (card,) = [Card.of(raw) for raw in told.answer(copy.deepcopy(body)).cards]
    assert card.head == "sodiumNotChecked info"


def ordered(**medication: Any) -> Resource:
    """A draft that names its medicine in these members only."""
    resource = draft("sertraline")
    del resource["medicationCodeableConcept"]
    return resource | medication


UNIDENTIFIED: dict[str, tuple[Body, str]] = {
    "NDC alone": (
        {"medicationCodeableConcept": coded(NDC, "00049490030")}, "code system NDC"
    ),
    "RxNorm alone": (
        {"medicationCodeableConcept": coded("http://www.nlm.nih.gov/research/umls/rxnorm", "155137")},
        "code system RxNorm",
    ),
    "a local code alone": (
        {"medicationCodeableConcept": coded("urn:example:formulary", "4711")},
        "a system that this service does not hold",
    ),
    "a code without a system": (
        {"medicationCodeableConcept": {"coding": [{"code": "4711"}]}}, "no code system"
    ),
    "an empty concept": ({"medicationCodeableConcept": {}}, "no code system and no name"),
    "a blank text": ({"medicationCodeableConcept": {"text": "  "}}, "no code system and no name"),
    "a number": ({"medicationCodeableConcept": 5}, "no code system and no name"),
    "digits as a text": ({"medicationCodeableConcept": {"text": "12,5"}}, "no code system and no name"),
    "a code with digits as its text": (
        {"medicationCodeableConcept": coded(NDC, "00049490030", "00049490030")}, "code system NDC"
    ),
    "an empty reference": ({"medicationReference": {}}, "no code system and no name"),
    "an identifier": (
        {"medicationReference": {"identifier": {"system": NDC, "value": "00049490030"}}},
        "code system NDC",
    ),
    "the kind of an identifier": (
        {"medicationReference": {"identifier": {"type": {"text": "Local code"}}}},
        "no code system and no name",
    ),
    "an empty Medication": (
        {
            "medicationReference": {"reference": "#m"},
            "contained": [{"resourceType": "Medication", "id": "m"}],
        },
        "no code system and no name",
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", UNIDENTIFIED)
def test_a_selected_order_that_nobody_can_name_is_not_silence(form: str) -> None:
    medication, words = UNIDENTIFIED[form]
    order = ordered(**copy.deepcopy(medication))
    with pytest.raises(DataUnavailable, match=f"could not be identified .*{words}"):
        Call(record=LOW, drafts=(order,)).cards()
    (card,) = Call(record=LOW, drafts=(order,), explain_missing=True).cards()
    assert f"could not be identified ({card.summary.partition('(')[2]}" in card.summary
    assert words in card.summary
    assert "before you sign" in card.detail
    assert Call(record=LOW, drafts=(SALINE, order)).cards(), "it was not selected"


NAMED: dict[str, Body] = {
    "display of a reference": {"medicationReference": {"display": "SERTRALINE HCL 50 MG PO TABS"}},
    "display beside a Medication that says only a code": {
        "medicationReference": {"reference": "#m", "display": "SERTRALINE HCL 50 MG PO TABS"},
        "contained": [
            {"resourceType": "Medication", "id": "m", "code": coded("urn:example:local", "1")}
        ],
    },
    "value of an identifier": {"medicationReference": {"identifier": {"value": "Sertraline 50 mg"}}},
    "type of an identifier": {
        "medicationReference": {"identifier": {"type": {"text": "sertraline 50 mg tablet"}}}
    },
    "contained, named like a resource": {
        "medicationReference": {"reference": "Medication/m"},
        "contained": [
            {"resourceType": "Medication", "id": "m", "code": {"text": "sertraline 50 mg"}}
        ],
    },
    "bare words": {"medicationCodeableConcept": "sertraline 50 mg"},
    "a code as a number": {
        "medicationCodeableConcept": {
            "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": 312941}]
        }
    },
}  # fmt: skip


@pytest.mark.parametrize("form", NAMED)
def test_a_medicine_is_known_by_whatever_names_it(form: str) -> None:
    (card,) = Call(record=LOW, drafts=(ordered(**copy.deepcopy(NAMED[form])),)).cards()
    assert card.summary.startswith("Sertraline")


def test_a_medicine_is_read_whatever_the_type_of_its_order() -> None:
    order = PICKED | {"resourceType": "VendorPrescription"}
    (card,) = Call(record=LOW, drafts=(order,)).cards()
    assert card.summary.startswith("Sertraline")


# ---- any damage to any element of the orders

SPOILT: dict[str, Any] = {
    "absent": ..., "null": None, "blank": "", "object": {}, "list": [], "true": True, "number": 7,
    "digits": "12,5", "inside a list": [None],
}  # fmt: skip
REFERRED = ordered(
    medicationReference={"reference": "#m"},
    contained=[
        {
            "resourceType": "Medication",
            "id": "m",
            "code": coded(
                "http://www.nlm.nih.gov/research/umls/rxnorm", "312941", "sertraline 50 mg"
            ),
        }
    ],
)
SPOILT_CALLS = {
    "concept": ORDER,
    "reference": Call(record=LOW, drafts=(REFERRED,)),
    "saline": Call(record=LOW, drafts=(SALINE,)),
}
# What looks like a draft whose medicine is still to be chosen, by path and damage.
STILL_TO_BE_CHOSEN = {
    (f"draftOrders.entry.0.resource.{member}", damage)
    for member in ("medicationCodeableConcept", "medicationReference")
    for damage in ("absent", "null")
}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place below a JSON value, as the steps that lead to it."""
    steps = value.items() if isinstance(value, dict) else enumerate(value)
    for step, inner in steps:
        yield (*path, step)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, step))


def spoilt(body: Body, path: tuple[Any, ...], value: object) -> Body:
    place = body["context"]
    for step in path[:-1]:
        place = place[step]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = copy.deepcopy(value)
    return body


@pytest.mark.parametrize("damage", SPOILT)
@pytest.mark.parametrize("kind", SPOILT_CALLS)
def test_no_damage_to_a_selected_order_is_silence(kind: str, damage: str) -> None:
    call, silent = SPOILT_CALLS[kind], set()
    whole = call.body()
    for path in places(whole["context"]):
        name = ".".join(map(str, path))
        with contextlib.suppress(BadRequest, DataUnavailable):
            if not call.answer(spoilt(copy.deepcopy(whole), path, SPOILT[damage])).cards:
                silent.add((name, damage))
    assert silent <= STILL_TO_BE_CHOSEN


def test_a_draft_whose_medicine_is_still_to_be_chosen_has_a_named_reason() -> None:
    evaluation = Call(record=LOW, drafts=(ordered(),)).evaluation()
    assert (evaluation.cards, evaluation.reason) == ([], "no selected order concerns a rule")
