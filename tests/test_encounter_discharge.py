"""encounter-discharge over the whole service: what the record says of the stay, and what is said if it says nothing."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.cli.replay import evaluate
from cds_service.errors import DataUnavailable
from cds_service.pipeline import Evaluation
from cds_service.trust.registry import Client
from tests.fhir_resources import (
    NOW,
    Call,
    Resource,
    instant,
    named,
    pipeline,
    problem,
    restriction_order,
    sodium,
    sodiums,
    taking,
)

SERVICE = "hyponatremia-encounter-discharge"


def going_home(
    *record: Resource, stay_days: float | None = 10, visit: str = "v1"
) -> dict[str, Any]:
    """Returns a call about a stay that began so many days ago; None: the encounter does not say when."""
    encounter = named(
        "Encounter",
        status="in-progress",
        subject={"reference": "Patient/p1"},
        period=None if stay_days is None else {"start": instant(days=stay_days)},
        **{"class": {"code": "IMP"}},
    )
    body = Call(record=record).body()
    body["prefetch"]["encounter"] = encounter | {"id": visit}
    body["context"]["encounterId"] = visit
    return body | {"hook": "encounter-discharge"}


def answer(body: dict[str, Any], client: Client | None = None) -> Evaluation:
    return evaluate(pipeline(), SERVICE, body, NOW, client or Client())


def heads(body: dict[str, Any]) -> list[tuple[str, str]]:
    return [(c["source"]["topic"]["code"], c["indicator"]) for c in answer(body).cards]


def text(body: dict[str, Any], client: Client | None = None) -> str:
    return "\n".join(f"{card['summary']}\n{card['detail']}" for card in answer(body, client).cards)


def test_the_stay_begins_where_the_encounter_says() -> None:
    series = sodiums((0, "141"), (24 * 12 - 2, "135"), first_hours=2)
    assert heads(going_home(*series, stay_days=13)) == [("dischargeLowSodium", "warning")]
    assert heads(going_home(*series, stay_days=11)) == []


@pytest.mark.parametrize("start", ["", "no date", "2031-01-01T00:00:00Z"])
def test_a_start_that_cannot_be_read_is_said(start: str) -> None:
    body = going_home(sodium("128"))
    body["prefetch"]["encounter"]["period"] = {"start": start}
    assert "When this stay began is not known: the last 30 days count." in text(body)


def test_without_an_encounter_the_last_thirty_days_count() -> None:
    body = going_home(sodium("139"), taking("sertraline", days=29))
    del body["context"]["encounterId"], body["prefetch"]["encounter"]
    assert heads(body) == []  # 29 days on the drug, and sodium is normal
    fresh = going_home(sodium("139"), taking("sertraline", days=5))
    del fresh["context"]["encounterId"], fresh["prefetch"]["encounter"]
    assert heads(fresh) == [("dischargeNewDrug", "info")]
    assert "the last 30 days count" in text(fresh)


def test_a_low_sodium_and_a_new_drug_share_a_card_with_one_date() -> None:
    body = going_home(sodium("128"), taking("sertraline", days=4))
    [card] = answer(body).cards
    assert card["source"]["topic"]["code"] == "dischargeLowSodium"
    assert "sertraline: the cause?" in card["detail"]
    assert "Sertraline started in this stay" not in card["detail"]  # one voice
    assert card["detail"].count("Repeat sodium") == 1
    [suggestion] = card["suggestions"]
    assert suggestion["label"] == "Repeat sodium on 23 Nov"
    [action] = suggestion["actions"]
    assert action["resource"]["occurrenceDateTime"].startswith("2026-11-23")


def test_after_a_fast_rise_there_are_two_cards_and_one_date() -> None:
    rise = sodiums((0, "112"), (18, "123"), (38, "124"), (62, "126"), first_hours=30)
    body = going_home(*rise, taking("hydrochlorothiazide", days=3))
    cards = answer(body).cards
    assert [card["source"]["topic"]["code"] for card in cards] == [
        "dischargeLowSodium",
        "dischargeAfterOvercorrection",
    ]
    assert sum("Repeat sodium" in card["detail"] for card in cards) == 1
    assert len([s for card in cards for s in card.get("suggestions", [])]) == 1


def test_a_restriction_that_runs_is_named_if_it_was_read_and_else_said_to_be_unread() -> None:
    body = going_home(sodium("128"))
    assert "Diet and other orders were not read" in text(body)
    running = restriction_order("active")
    body["prefetch"]["NutritionOrder"] = {
        "resourceType": "Bundle",
        "type": "searchset",
        "entry": [{"resource": running}],
    }
    client = Client(extra_sources=("NutritionOrder",))
    told = text(body, client)
    assert "Fluid restriction" in told
    assert "end it, or write" in told
    assert "were not read" not in told


def test_a_medicine_list_that_was_not_read_is_no_silence() -> None:
    body = going_home(sodium("139"))
    del body["prefetch"]["medications"]
    with pytest.raises(DataUnavailable):
        answer(body)
    [card] = answer(body, Client(explain_missing_data=True)).cards
    assert card["summary"].startswith("Medicines could not be checked before discharge")


def test_a_sodium_that_was_not_read_is_no_silence() -> None:
    body = going_home()
    del body["prefetch"]["sodium"]
    [card] = answer(body, Client(explain_missing_data=True)).cards
    assert card["summary"].startswith("Sodium could not be checked before discharge")


def test_a_sodium_of_the_stay_that_cannot_be_read_is_no_silence_about_the_stay() -> None:
    series = sodiums((0, "141"), (30, "136"), (58, "134"), first_hours=2)
    assert heads(going_home(*series)) == [("dischargeLowSodium", "warning")]
    series[0]["valueQuantity"] = {"value": 141, "unit": "furlong"}
    with pytest.raises(DataUnavailable, match="its unit is not known"):
        answer(going_home(*series))
    told = text(going_home(*series), Client(explain_missing_data=True))
    assert told.startswith("Sodium could not be checked before discharge: a result came")
    before_the_stay = going_home(*series, stay_days=2)
    assert heads(before_the_stay) == []


def test_comfort_care_gets_no_card() -> None:
    body = going_home(sodium("118"), problem("385763009"))
    evaluation = answer(body)
    assert evaluation.cards == []
    assert "comfort" in evaluation.reason
