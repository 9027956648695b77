"""Records and drafts of other FHIR versions: read as far as their names allow, and never taken for "all clear"."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cds_service.app import create_app
from cds_service.settings import Settings
from cds_service.trust.registry import Client, Registry
from tests.conftest import NOW

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ME = {"reference": "Patient/p"}
SERTRALINE = {
    "coding": [{"display": "Sertraline 25 MG Oral Tablet", "system": RXNORM, "code": "312940"}],
    "text": "Sertraline 25 MG Oral Tablet",
}
HCTZ = {
    "coding": [
        {"display": "Hydrochlorothiazide 25 MG Oral Tablet", "system": RXNORM, "code": "310798"}
    ]
}
NONE: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": 0}
DAY = NOW.date().isoformat()

DSTU2 = {  # as the sandbox drafts it for its default server
    "resourceType": "MedicationOrder",
    "id": "order-123",
    "status": "draft",
    "patient": ME,
    "dateWritten": DAY,
    "medicationCodeableConcept": SERTRALINE,
    "reasonCodeableConcept": {"text": "depression"},
    "dosageInstruction": [
        {
            "doseQuantity": {"value": 1, "code": "{pill}"},
            "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnits": "d"}},
        }
    ],
}
STU3 = {
    "resourceType": "MedicationRequest",
    "id": "request-123",
    "status": "draft",
    "category": {"text": "outpatient"},
    "subject": ME,
    "authoredOn": DAY,
    "medicationCodeableConcept": SERTRALINE,
    "reasonCode": {"text": "depression"},
    "dosageInstruction": [{"doseQuantity": {"value": 1, "code": "{pill}"}}],
}
R5 = {
    "resourceType": "MedicationRequest",
    "id": "request-5",
    "status": "draft",
    "intent": "order",
    "subject": ME,
    "medication": {"concept": SERTRALINE},
}
DSTU1 = {
    "resourceType": "MedicationPrescription",
    "id": "p1",
    "status": "active",
    "patient": ME,
    "medication": ME,
}


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "entry": [{"resource": resource} for resource in resources]}


def sodium(value: int, **more: Any) -> dict[str, Any]:
    observation = {
        "resourceType": "Observation",
        "id": "na",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2951-2"}]},
        "subject": ME,
        "effectiveDateTime": (NOW - timedelta(hours=20)).isoformat(),
        "valueQuantity": {"value": value, "unit": "mmol/L"},
    }
    return bundle({**observation, **more})


def call(draft: dict[str, Any], **prefetch: Any) -> dict[str, Any]:
    given = {
        "patient": {"resourceType": "Patient", "id": "p", "birthDate": "1950-01-01"},
        "sodium": sodium(139),
        "medications": NONE,
        "conditions": NONE,
    }
    return {
        "hook": "order-select",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {
            "userId": "Practitioner/1",
            "patientId": "p",
            "selections": [f"{draft['resourceType']}/{draft['id']}"],
            "draftOrders": bundle(draft),
        },
        "prefetch": {
            key: value for key, value in {**given, **prefetch}.items() if value is not ...
        },
    }


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """The service for a client that shows errors as "all clear"."""
    settings = Settings(mode="demo", data_dir=tmp_path_factory.mktemp("telling"))
    registry = Registry(anonymous=Client(explain_missing_data=True))
    return create_app(settings, registry=lambda: registry, clock=lambda: NOW)


def answer(client: FlaskClient, body: dict[str, Any]) -> tuple[int, list[str]]:
    response = client.post("/cds-services/hyponatremia-order-select", json=body)
    body = response.get_json(force=True)
    if response.status_code == 200:
        return 200, [card["source"]["topic"]["code"] for card in body["cards"]]
    return response.status_code, [body["issue"][0]["details"]["text"]]


@pytest.mark.parametrize("draft", [DSTU2, STU3, R5], ids=["DSTU2", "STU3", "R5"])
def test_a_draft_of_another_version_is_read(client: FlaskClient, draft: dict[str, Any]) -> None:
    assert answer(client, call(draft, sodium=sodium(128))) == (200, ["sodiumLoweringDrug"])


def test_a_medication_list_of_an_older_version_is_read(client: FlaskClient) -> None:
    listed = {**DSTU2, "id": "m1", "status": "active", "medicationCodeableConcept": HCTZ}
    body = call(DSTU2, medications=bundle(listed))
    assert answer(client, body) == (200, ["sodiumLoweringCombination"])


def test_results_of_the_first_draft_version_are_never_all_clear(client: FlaskClient) -> None:
    first = sodium(
        120, name={"coding": [{"system": "http://loinc.org", "code": "2951-2"}]}, code=None
    )
    status, (text,) = answer(client, call(DSTU2, sodium=first))
    assert status == 412
    assert text.endswith("The results are of another FHIR version than R4. (cause: fhir-version)")


@pytest.mark.parametrize(
    "medications",
    [bundle(DSTU1), ..., {"resourceType": "OperationOutcome", "issue": [{"severity": "error"}]}],
    ids=["another version", "absent", "failed"],
)
def test_silence_about_a_second_drug_needs_the_medication_list(
    client: FlaskClient, medications: Any
) -> None:
    status, (text,) = answer(client, call(DSTU2, medications=medications))
    assert status == 412
    assert text.startswith("The current medicines are needed")
    assert answer(client, call(DSTU2)) == (200, [])


@pytest.mark.parametrize(
    "reference", ["Medication/9", "urn:uuid:9", "#9", "https://elsewhere.example/fhir/Medication/9"]
)
def test_a_selected_order_whose_medicine_cannot_be_read_is_no_all_clear(
    client: FlaskClient, reference: str
) -> None:
    draft = {
        **{name: value for name, value in STU3.items() if name != "medicationCodeableConcept"},
        "medicationReference": {"reference": reference},
    }
    status, (text,) = answer(client, call(draft))
    assert status == 412
    assert text.startswith("A selected order could not be read")


def test_a_part_of_the_sodium_results_is_all_clear_only_if_it_reaches_back_newest_first(
    client: FlaskClient,
) -> None:
    def cut(*hours: int) -> dict[str, Any]:
        found = bundle()
        for number, ago in enumerate(hours):
            when = (NOW - timedelta(hours=ago)).isoformat()
            found["entry"] += sodium(139, id=f"na{number}", effectiveDateTime=when)["entry"]
        return {**found, "link": [{"relation": "next", "url": "https://ehr.example/fhir?page=2"}]}

    assert answer(client, call(DSTU2, sodium=cut(10, 30, 500))) == (200, [])
    for hours in ((500, 30, 10), (10, 30), (10,)):
        status, (text,) = answer(client, call(DSTU2, sodium=cut(*hours)))
        assert (status, text.startswith("Only a part of the sodium results")) == (412, True)


def test_clients_that_show_errors_as_all_clear_get_a_card_instead(telling: Flask) -> None:
    body = call(DSTU2, medications=bundle(DSTU1))
    response = telling.test_client().post("/cds-services/hyponatremia-order-select", json=body)
    (card,) = response.get_json()["cards"]
    assert card["indicator"] == "info"
    assert card["summary"].startswith("Sertraline: current medicines could not be checked")
    assert "record version not supported" in card["summary"]


HL7_LIKE = [  # the mix of drafts that the definition of order-select shows, and nothing prefetched
    (
        "PractitionerRole/7",
        [{**STU3, "id": "amox", "medicationCodeableConcept": {"text": "Amoxicillin"}}],
    ),
    (
        "Practitioner/7",
        [{**DSTU2, "id": "amox", "medicationCodeableConcept": {"text": "Amoxicillin"}}],
    ),
    ("Practitioner/7", [STU3]),
    ("Practitioner/7", [DSTU2]),
]
DIET = {
    "resourceType": "NutritionOrder",
    "id": "diet",
    "status": "draft",
    "patient": ME,
    "dateTime": "2014-09-17",
    "orderer": {"display": "Dr. Example"},
    "oralDiet": {"type": [{"text": "Pureed diet"}], "schedule": [{"repeat": {"periodUnits": "d"}}]},
    "supplement": {"productName": "Pudding"},
}


@pytest.mark.parametrize(("user", "drafts"), HL7_LIKE)
def test_calls_as_the_hook_definitions_show_them_are_answered(
    client: FlaskClient, user: str, drafts: list[dict[str, Any]]
) -> None:
    body = call(DIET)
    names = [f"{draft['resourceType']}/{draft['id']}" for draft in (DIET, *drafts)]
    body["context"] |= {"userId": user, "selections": names, "draftOrders": bundle(DIET, *drafts)}
    del body["prefetch"]
    status, _ = answer(client, body)
    assert status == (200 if drafts[0]["id"] == "amox" else 412)


def test_a_draft_is_read_together_with_the_medication_that_it_names_by_a_urn(
    client: FlaskClient,
) -> None:
    urn = "urn:uuid:0c2f4a7e-8a4b-4f5e-9d55-6f1a2b3c4d5e"
    draft = {
        **{name: value for name, value in STU3.items() if name != "medicationCodeableConcept"},
        "medicationReference": {"reference": urn},
    }
    body = call(draft, sodium=sodium(128))
    medication = {"resourceType": "Medication", "id": "m", "code": SERTRALINE}
    body["context"]["draftOrders"]["entry"].append({"fullUrl": urn, "resource": medication})
    assert answer(client, body) == (200, ["sodiumLoweringDrug"])
