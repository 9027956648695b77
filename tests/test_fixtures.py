"""Every story gets the cards that its story.toml names; fixtures/ and hooks/ fit together."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from cds_service.cli.replay import answer_story
from cds_service.cli.stories import prefetch_of
from cds_service.demo.stories import ExpectedCard, Story, default_fixtures_dir, load_stories
from cds_service.pipeline import Pipeline
from tests import fhir_resources as records

STORIES = load_stories(default_fixtures_dir())
URN = re.compile(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return records.pipeline()


def _head(card: dict[str, Any]) -> tuple[str, str]:
    return card["source"]["topic"]["code"], card["indicator"]


def _meets(card: dict[str, Any], expected: ExpectedCard) -> None:
    labels = [s["label"] for s in card.get("suggestions", [])]
    result = f"{card['summary']}\n{card['detail']}"
    for words in expected.suggests:
        assert any(words.lower() in label.lower() for label in labels), (words, labels)
    if expected.suggests_nothing:
        assert labels == []
    for words in expected.says:
        assert words.lower() in result.lower(), (words, result)
    for words in expected.never:
        assert words.lower() not in "\n".join(labels).lower(), (words, labels)


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_a_story_gets_its_cards(story: Story, pipeline: Pipeline) -> None:
    cards = answer_story(pipeline, story).cards
    assert [_head(card) for card in cards] == [(e.topic, e.indicator) for e in story.file.cards]
    for card, expected in zip(cards, story.file.cards, strict=True):
        _meets(card, expected)


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_a_request_carries_what_an_ehr_would_prefetch_from_the_record(
    story: Story, pipeline: Pipeline
) -> None:
    assert story.request["prefetch"] == prefetch_of(story, pipeline.knowledge)


def test_every_topic_has_a_story_and_every_story_has_a_known_topic(pipeline: Pipeline) -> None:
    result = {card.topic for story in STORIES.values() for card in story.file.cards}
    assert result == set(pipeline.knowledge.topics)


def test_patients_of_different_stories_are_different_people() -> None:
    ids = [(r["resourceType"], r["id"]) for story in STORIES.values() for r in story.resources]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_the_sandbox_can_show_the_patient(story: Story) -> None:
    patient = next(r for r in story.resources if r["resourceType"] == "Patient")
    assert patient["name"][0]["given"], "the sandbox crashes on a name without given names"


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_shifted_cards_are_the_same_cards(story: Story, pipeline: Pipeline) -> None:
    """A story that is shifted to next year gets the same cards as at its own time."""
    from datetime import timedelta

    from cds_service.cli.replay import evaluate
    from cds_service.trust.registry import Client

    later = story.file.now + timedelta(days=400, hours=5, minutes=17, seconds=12)
    client = Client(
        profile=story.file.profile, explain_missing_data=story.file.explain_missing_data
    )
    cards = evaluate(pipeline, story.file.service, story.request_at(later), later, client).cards
    assert [_head(card) for card in cards] == [(e.topic, e.indicator) for e in story.file.cards]


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_testers_copy_draft_orders_that_a_validator_accepts(story: Story) -> None:
    """FHIR wants a `fullUrl` in each entry of such a Bundle, and no two alike."""
    entries = story.request["context"].get("draftOrders", {}).get("entry", [])
    urls = [entry.get("fullUrl", "") for entry in entries]
    assert [url for url in urls if not URN.fullmatch(url)] == []
    assert len(set(urls)) == len(urls)


def test_no_story_holds_a_real_looking_identifier() -> None:
    """All patients are synthetic: fixtures/ has no SSN, no phone number and no address."""
    for story in STORIES.values():
        text = json.dumps(story.record, default=str)
        assert not re.search(r"\d{3}-\d{2}-\d{4}|\"telecom\"|\"address\"", text), story.name


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_any_fhir_server_accepts_the_ids_of_a_story(story: Story) -> None:
    """HAPI and others refuse ids of digits only; R4 allows 64 letters, digits, '-' and '.'."""
    for resource in story.resources:
        assert re.fullmatch(r"(?=.*[A-Za-z])[A-Za-z0-9.-]{1,64}", resource["id"]), resource["id"]
