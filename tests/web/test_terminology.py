"""Our code systems and value sets, in which the codes of a card can be looked up."""

from __future__ import annotations

import pytest
from fhir.resources.R4B.codesystem import CodeSystem
from fhir.resources.R4B.valueset import ValueSet
from flask import Flask
from flask.testing import FlaskClient

from cds_service.web.runtime import runtime_of

HL7 = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"


@pytest.mark.parametrize("name", ["hyponatremia-topic", "hyponatremia-override"])
def test_they_are_valid_r4_and_name_each_other(client: FlaskClient, name: str) -> None:
    system = client.get(f"/fhir/CodeSystem/{name}").get_json(force=True)
    values = client.get(f"/fhir/ValueSet/{name}").get_json(force=True)
    CodeSystem.model_validate(system)
    ValueSet.model_validate(values)
    assert system["valueSet"] == values["url"]
    assert values["compose"]["include"][0]["system"] == system["url"]


def test_every_reason_that_a_card_offers_is_in_the_value_set(
    client: FlaskClient, app: Flask
) -> None:
    compose = client.get("/fhir/ValueSet/hyponatremia-override").get_json(force=True)["compose"]
    listed = {concept["code"] for include in compose["include"] for concept in include["concept"]}
    services = runtime_of(app).pipeline.knowledge.services.values()
    offered = {code for s in services for rule in s.rules.values() for code in rule.overrides}
    assert offered <= listed
    borrowed = {i["system"]: {c["code"] for c in i["concept"]} for i in compose["include"]}[HL7]
    assert borrowed == {"need-more-info", "inappropriate-recipient"}


def test_an_unknown_one_is_404(client: FlaskClient) -> None:
    assert client.get("/fhir/ValueSet/other").status_code == 404


def test_health_and_readiness_say_nothing_of_versions(client: FlaskClient) -> None:
    assert client.get("/health").get_json() == {"status": "ok"}
    assert client.get("/ready").get_json() == {"status": "ready"}
