"""The demo: its FHIR server behaves like one, and live reads give the cards that prefetch gives."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient

from cds_service.demo.stories import Story, default_fixtures_dir, load_stories
from tests.conftest import NOW
from tests.patience import PATIENCE_S

NAMES = [
    name
    for name, story in load_stories(default_fixtures_dir()).items()
    if not (story.file.failing or story.file.explain_missing_data)
]


def cards_of(answer: dict[str, Any]) -> list[tuple[str, ...]]:
    """What a clinician reads of an answer."""
    return [
        (c["indicator"], c["summary"], c["detail"], *(s["label"] for s in c.get("suggestions", [])))
        for c in answer["cards"]
    ]


@pytest.mark.parametrize("name", NAMES)
def test_live_reads_give_the_same_cards_as_prefetch(
    server: str, stories: dict[str, Story], name: str
) -> None:
    story = stories[name]
    url = f"{server}/cds-services/{story.file.service}"
    call = json.loads(json.dumps(story.request_at(NOW), default=float))
    with_prefetch = requests.post(url, json=call, timeout=PATIENCE_S)
    del call["prefetch"]
    token = {
        "access_token": "a-token",
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "",
        "subject": "cds",
    }
    live = requests.post(
        url,
        json=call | {"fhirServer": f"{server}/demo/fhir", "fhirAuthorization": token},
        timeout=PATIENCE_S,
    )
    assert (with_prefetch.status_code, live.status_code) == (200, 200)
    assert cards_of(live.json()) == cards_of(with_prefetch.json())


def test_the_answer_explains_itself_without_values(server: str, stories: dict[str, Story]) -> None:
    call = json.loads(json.dumps(stories["normal-sodium"].request_at(NOW), default=float))
    answer = requests.post(
        f"{server}/cds-services/hyponatremia-patient-view", json=call, timeout=PATIENCE_S
    ).json()
    told_why = answer["extension"]["org.hyponatremia-cds.explanation"]
    assert told_why["sources"]["sodium"] == "satisfied (prefetch)"
    assert {row["rule"] for row in told_why["silent"]} >= {"PV-MILD", "PV-SEV", "RATE-OVER"}
    assert "139" not in json.dumps(told_why["silent"])


def test_metadata_says_r4(client: FlaskClient) -> None:
    response = client.get("/demo/fhir/metadata", headers={"Accept": "application/json+fhir"})
    assert response.status_code == 200
    assert response.get_json(force=True)["fhirVersion"] == "4.0.1"


def test_patients_can_be_listed_and_counted(client: FlaskClient, stories: dict[str, Story]) -> None:
    bundle = client.get("/demo/fhir/Patient?_count=500").get_json(force=True)
    assert bundle["total"] == len(stories)


def test_get_and_post_search_agree(client: FlaskClient) -> None:
    asked = {
        "patient": "rising-too-fast",
        "code": "http://loinc.org|2951-2",
        "_sort": "-date",
        "_count": "2",
    }
    got = client.get("/demo/fhir/Observation", query_string=asked).get_json(force=True)
    posted = client.post("/demo/fhir/Observation/_search", data=asked).get_json(force=True)
    assert got == posted
    assert (got["total"], len(got["entry"])) == (4, 2)
    times = [e["resource"]["effectiveDateTime"] for e in got["entry"]]
    assert times == sorted(times, reverse=True)


def test_the_next_page_goes_on_where_the_first_ended(client: FlaskClient) -> None:
    first = client.get("/demo/fhir/Observation?patient=rising-too-fast&_count=3").get_json(
        force=True
    )
    (link,) = [lk["url"] for lk in first["link"] if lk["relation"] == "next"]
    second = client.get(link.removeprefix("http://cds.test")).get_json(force=True)
    ids = [e["resource"]["id"] for page in (first, second) for e in page["entry"]]
    assert len(set(ids)) == 4


def test_an_unknown_search_parameter_is_refused_not_ignored(client: FlaskClient) -> None:
    assert client.get("/demo/fhir/Observation?combo-code=2951-2").status_code == 400


def test_an_unknown_resource_is_404(client: FlaskClient) -> None:
    assert client.get("/demo/fhir/Patient/nobody").status_code == 404
    assert client.get("/demo/fhir/Observation?patient=nobody").get_json(force=True)["total"] == 0


def test_a_story_is_told_in_the_present(client: FlaskClient, stories: dict[str, Story]) -> None:
    call = client.get("/demo/stories/rising-too-fast/request").get_json()
    times = [e["resource"]["effectiveDateTime"] for e in call["prefetch"]["sodium"]["entry"]]
    assert max(times).startswith("2027-03-28T00:00")  # half an hour before NOW, in UTC
    record = client.get("/demo/fhir/Observation?patient=rising-too-fast&_sort=-date").get_json(
        force=True
    )
    assert [e["resource"]["effectiveDateTime"] for e in record["entry"]] == times


def test_the_start_page_lists_every_story(client: FlaskClient, stories: dict[str, Story]) -> None:
    page = client.get("/").text
    for name in stories:
        assert name in page
    assert "not for care" in page
