"""In a demo a card that was answered does not come twice: as long as the chart stays open."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from flask import Flask
from jwt.algorithms import ECAlgorithm

from cds_service.app import create_app
from cds_service.demo.pages import demo_pages
from cds_service.demo.stories import Story
from cds_service.demo.test_ehr import new_test_ehr
from cds_service.engine.cards import EXTENSION_NAME
from cds_service.settings import Settings
from cds_service.trust.registry import Registry
from cds_service.web.runtime import utc_now
from tests.feedback.deployments import close, feedback, settle

BASE = "http://cds.test"
STORY = "saline-3-percent-mild"
SELECT, SIGN = "/cds-services/hyponatremia-order-select", "/cds-services/hyponatremia-order-sign"


@pytest.fixture
def demo(tmp_path: Path, stories: dict[str, Story]) -> Iterator[Flask]:
    made = new_test_ehr()
    registry = Registry.demo(f"{BASE}/demo/fhir", test_ehr=made.public)
    settings = Settings(mode="demo", data_dir=tmp_path, public_url=BASE, explain=True)
    app = create_app(settings, pages=demo_pages(stories, made), registry=lambda: registry)
    yield app
    close(app)


def _opened(demo: Flask) -> str:
    """Opens the chart as a visitor does and returns the user that the page names in its calls."""
    page = demo.test_client().get(f"/chart/{STORY}").get_data(as_text=True)
    (user,) = re.findall(r'data-user="([^"]+)"', page)
    return str(user)


def _told(story: Story) -> dict[str, Any]:
    """Returns the call of a story, as the page sends it."""
    call: dict[str, Any] = json.loads(json.dumps(story.request_at(utc_now()), default=float))
    return call | {"fhirServer": f"{BASE}/demo/fhir"}


@pytest.fixture
def picked(stories: dict[str, Story]) -> dict[str, Any]:
    return _told(stories[STORY])


def _by(call: dict[str, Any], user: str, *, sign: bool = False) -> dict[str, Any]:
    changed: dict[str, Any] = json.loads(json.dumps(call))
    changed["context"]["userId"] = user
    if sign:
        del changed["context"]["selections"]
        changed["hook"] = "order-sign"
    return changed


def _nobody(demo: Flask, path: str) -> dict[str, str]:
    return {}


def _test_ehr(demo: Flask, path: str) -> dict[str, str]:
    given = demo.test_client().get("/demo/test-ehr").get_json()
    now = int(time.time())
    claims = {
        "iss": given["issuer"],
        "aud": f"{given['base']}{path}",
        "iat": now,
        "exp": now + 120,
        "jti": uuid.uuid4().hex,
        "tenant": "fhir",
    }
    key: Any = ECAlgorithm.from_jwk({k: v for k, v in given["key"].items() if k != "use"})
    token = jwt.encode(claims, key, "ES384", {"kid": given["key"]["kid"], "typ": "JWT"})
    return {"Authorization": f"Bearer {token}"}


Caller = Callable[[Flask, str], dict[str, str]]
CALLERS = pytest.mark.parametrize("caller", [_nobody, _test_ehr], ids=["anonymous", "signed"])


def _answer(demo: Flask, path: str, call: dict[str, Any], caller: Caller) -> dict[str, Any]:
    sent = demo.test_client().post(path, json=call, headers=caller(demo, path))
    assert sent.status_code == 200, sent.text
    settle(demo)
    answer: dict[str, Any] = sent.get_json()
    return answer


def _cards(demo: Flask, path: str, call: dict[str, Any], caller: Caller) -> list[str]:
    return [card["summary"] for card in _answer(demo, path, call, caller)["cards"]]


def _dismiss(demo: Flask, call: dict[str, Any], caller: Caller, outcome: str) -> None:
    [card] = _answer(demo, SELECT, call, caller)["cards"]
    path = f"{SELECT}/feedback"
    body = feedback(card["uuid"], outcome, utc_now())
    sent = demo.test_client().post(path, json=body, headers=caller(demo, path))
    assert sent.status_code == 200, sent.text


@CALLERS
@pytest.mark.parametrize("outcome", ["overridden", "accepted"])
def test_a_card_that_was_answered_does_not_come_twice_in_one_visit(
    caller: Caller, outcome: str, demo: Flask, picked: dict[str, Any]
) -> None:
    user = _opened(demo)
    _dismiss(demo, _by(picked, user), caller, outcome)
    answer = _answer(demo, SIGN, _by(picked, user, sign=True), caller)
    assert answer["cards"] == []
    assert answer["extension"][EXTENSION_NAME]["suppressed"], "the page says why"


@CALLERS
@pytest.mark.parametrize("outcome", ["overridden", "accepted"])
def test_a_chart_that_is_opened_anew_tells_its_story_again_and_begins_a_memory_of_its_own(
    caller: Caller, outcome: str, demo: Flask, picked: dict[str, Any]
) -> None:
    first, second = _opened(demo), _opened(demo)
    assert first != second
    _dismiss(demo, _by(picked, first), caller, outcome)
    assert _cards(demo, SELECT, _by(picked, second), caller) != []
    assert _cards(demo, SIGN, _by(picked, second, sign=True), caller) != []
    _dismiss(demo, _by(picked, second), caller, outcome)
    assert _cards(demo, SIGN, _by(picked, second, sign=True), caller) == []


def test_a_sodium_that_is_lower_brings_the_card_again(demo: Flask, picked: dict[str, Any]) -> None:
    user = _opened(demo)
    _dismiss(demo, _by(picked, user), _nobody, "overridden")
    worse = _by(picked, user, sign=True)
    for result in worse["prefetch"]["sodium"]["entry"]:
        result["resource"]["valueQuantity"]["value"] -= 4
        result["resource"]["id"] += "-new"
    assert _cards(demo, SIGN, worse, _nobody) != []


def test_what_was_seen_and_not_answered_is_shown_as_often_as_a_visitor_asks(
    demo: Flask, stories: dict[str, Story]
) -> None:
    call = _by(_told(stories["isotonic-saline-in-heart-failure"]), _opened(demo))
    answers = [_answer(demo, SELECT, call, _nobody)["cards"] for _ in range(2)]
    assert [[card["indicator"] for card in cards] for cards in answers] == [["info"]] * 2


def test_another_client_of_the_demo_is_told_each_time(demo: Flask, picked: dict[str, Any]) -> None:
    """The Sandbox and a caller with curl keep one user: a story would stay silent for them."""
    call = _by(picked, "Practitioner/demo-clinician")
    _dismiss(demo, call, _nobody, "overridden")
    assert _cards(demo, SIGN, _by(call, "Practitioner/demo-clinician", sign=True), _nobody) != []
