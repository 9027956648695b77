"""Cards of an EHR that opens the SMART app link to it, without a word of the patient."""

from __future__ import annotations

import json

import pytest

from cds_service.cli.replay import evaluate
from cds_service.protocol.card import InvalidCard, check_cards
from cds_service.protocol.limits import CardLimits
from cds_service.trust.client import SmartLaunch
from cds_service.trust.registry import Client
from tests.fhir_resources import NOW, Call, pipeline, sodium

APP = SmartLaunch(client_id="sodium-app")
VIEW = "hyponatremia-patient-view"


def links(client: Client) -> list[dict[str, str]]:
    body = Call(record=(sodium("118"),)).body()
    [card] = evaluate(pipeline(), VIEW, body, NOW, client).cards
    found: list[dict[str, str]] = card.get("links", [])
    return found


def test_the_first_link_opens_the_app_and_names_the_rule_alone() -> None:
    app, *others = links(Client(name="mercy", anonymous=False, smart=APP))
    assert app["type"] == "smart"
    assert app["url"].endswith("/smart/mercy/launch")
    assert app["appContext"] == "PV-SEV"
    assert not any(word in json.dumps(app) for word in ("p1", "118", "v1", "doctor"))
    assert {link["type"] for link in others} == {"absolute"}


@pytest.mark.parametrize(
    "client",
    [Client(name="mercy"), Client(name="mercy", smart=APP, card_limits=CardLimits(no_links=True))],
    ids=["no app", "no links"],
)
def test_other_ehrs_get_no_link_to_the_app(client: Client) -> None:
    assert not any(link["type"] == "smart" for link in links(client))


def test_an_app_context_on_another_link_is_our_mistake() -> None:
    body = Call(record=(sodium("118"),)).body()
    [card] = evaluate(pipeline(), VIEW, body, NOW, Client()).cards
    card["links"] = [
        {"label": "x", "url": "https://x.example", "type": "absolute", "appContext": "y"}
    ]
    with pytest.raises(InvalidCard, match="link"):
        check_cards([card])
