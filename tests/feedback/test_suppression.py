"""An answered card stays away from the one who answered it, until the patient is worse; doubt shows it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from msgspec.structs import replace

from cds_service.demo.stories import Story
from cds_service.feedback.suppression import Grounds, answered_by, still_covers, window
from cds_service.store.shown import ShownCard
from tests.conftest import NOW
from tests.feedback.deployments import PATIENT_VIEW, a_call, close, deployment, feedback, settle
from tests.patience import PATIENCE_S
from tests.sodium.cases import limits
from tests.sodium.rules.cases import a_case

LIMITS = limits()
THEN = Grounds(
    topic="sodiumMild", indicator="warning", rules=frozenset({"PV-MILD:main", "PV-AGE:main"}), profile="aasld",
    drugs="d", sodium=Decimal(131), band="mild", symptoms=frozenset({"s"}), result="r",
)  # fmt: skip


@pytest.mark.parametrize(
    ("now", "slot", "covered"),
    [
        ({}, "sodium", True),
        ({"result": "new"}, "sodium", True),
        ({"rules": frozenset({"PV-MILD:main"})}, "sodium", True),
        ({"indicator": "info"}, "sodium", True),
        ({"symptoms": frozenset()}, "sodium", True),
        ({"sodium": Decimal("129.1"), "band": "mild"}, "sodium", True),
        ({"sodium": Decimal(135)}, "sodium", True),
        # worse
        ({"sodium": Decimal(129)}, "sodium", False),
        ({"band": "moderate", "sodium": Decimal("130.5")}, "sodium", False),
        ({"symptoms": frozenset({"s", "new"})}, "sodium", False),
        ({"indicator": "critical"}, "sodium", False),
        # other advice
        ({"rules": frozenset({"PV-MILD:restrict"})}, "sodium", False),
        ({"rules": THEN.rules | {"PV-GLU:main"}}, "sodium", False),
        ({"topic": "sodiumModerate"}, "sodium", False),
        ({"drugs": "other"}, "sodium", False),
        ({"profile": "european"}, "sodium", False),
        # no sodium to compare
        ({"sodium": None}, "sodium", True),
        ({"sodium": None, "result": "new"}, "sodium", False),
        # an order may harm by a rise too; a card on results is about those results
        ({"sodium": Decimal(133)}, "order", False),
        ({"sodium": Decimal("132.9")}, "order", True),
        ({"result": "new"}, "rate", False),
        ({}, "rate", True),
    ],
)
def test_an_answer_covers_the_same_advice_for_a_patient_who_is_no_worse(
    now: dict[str, Any], slot: str, covered: bool
) -> None:
    assert still_covers(THEN, replace(THEN, **now), slot, LIMITS) is covered


def shown(user: str, minutes_ago: float, card: str = "c", answered: float = 0) -> ShownCard:
    return ShownCard(
        card=card, issued_at=NOW - timedelta(minutes=minutes_ago), user_hash=user, topic="t", indicator="info",
        rules="r", profile="aasld", drugs_hash="", sodium="", band="mild", symptom_hashes="", result_hash="",
        outcome_at=NOW - timedelta(minutes=answered), received_at=NOW,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("showings", "answered"),
    [
        ([shown("me", 5)], True),
        ([shown("me", 5), shown("me", 1)], True),
        ([shown("you", 5)], False),
        ([shown("me", 5), shown("you", 1)], False),
        ([shown("you", 5), shown("me", 1)], False),  # within the hour: it may have been either
        ([shown("you", 90), shown("me", 1)], True),
        ([shown("you", 60.5), shown("me", 1)], True),
        ([shown("you", 59.5), shown("me", 1)], False),
        ([shown("me", 30, answered=40)], False),  # answered before it was shown: by whom?
        ([shown("me", 1, answered=2)], True),  # the EHR's clock is a little behind
        ([shown("", 5)], False),
    ],
)
def test_a_feedback_counts_for_the_user_who_was_shown_the_card(
    showings: list[ShownCard], answered: bool
) -> None:
    assert bool(list(answered_by(showings, "me", LIMITS))) is answered


@pytest.mark.parametrize(
    ("setting", "lasts"), [("inpatient", timedelta(hours=24)), ("outpatient", timedelta(days=30))]
)
def test_an_answer_lasts_a_day_in_hospital_and_a_month_outside(
    setting: str, lasts: timedelta
) -> None:
    assert window(a_case("131", setting=setting)) == lasts


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "postgresql"])
def app(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Flask]:
    url = ""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").migrated("suppression")
    app = deployment(tmp_path, url, clock)
    yield app
    close(app)


def topics(app: Flask, call: dict[str, Any]) -> list[str]:
    response = app.test_client().post(PATIENT_VIEW, json=call)
    assert response.status_code == 200, response.text
    settle(app)
    return [card["source"]["topic"]["code"] for card in response.get_json()["cards"]]


def answer(
    app: Flask, call: dict[str, Any], at: datetime, outcome: str = "overridden", **more: Any
) -> None:
    cards = app.test_client().post(PATIENT_VIEW, json=call).get_json()["cards"]
    settle(app)
    for card in cards:
        sent = feedback(card["uuid"], outcome, at, **more)
        assert app.test_client().post(f"{PATIENT_VIEW}/feedback", json=sent).status_code == 200


def sodium_changed(call: dict[str, Any], by: float) -> dict[str, Any]:
    newest = max(
        (entry["resource"] for entry in call["prefetch"]["sodium"]["entry"]),
        key=lambda resource: str(resource["effectiveDateTime"]),
    )
    newest["valueQuantity"]["value"] += by
    newest["id"] += "-new"
    return call


def test_an_answered_card_stays_away_from_its_reader_only(
    app: Flask, stories: dict[str, Story]
) -> None:
    story = stories["cramps-in-siadh"]
    assert topics(app, a_call(story)) == ["sodiumMildSymptomatic"]
    answer(app, a_call(story), NOW)
    assert topics(app, a_call(story)) == []
    assert topics(app, a_call(story, user="Practitioner/8")) == ["sodiumMildSymptomatic"]


def test_an_answer_is_known_to_the_very_next_call(
    app: Flask, stories: dict[str, Story], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of cards are written later than they are shown; a quick click was forgotten."""
    monkeypatch.setattr("cds_service.store.recorder._GATHER_S", 60)
    monkeypatch.setattr("cds_service.web.hooks.FEEDBACK_S", PATIENCE_S)
    call, web = a_call(stories["cramps-in-siadh"]), app.test_client()
    (card,) = web.post(PATIENT_VIEW, json=call).get_json()["cards"]
    sent = feedback(card["uuid"], "overridden", NOW)
    assert web.post(f"{PATIENT_VIEW}/feedback", json=sent).status_code == 200
    assert web.post(PATIENT_VIEW, json=call).get_json()["cards"] == []


@pytest.mark.parametrize(
    ("outcome", "reason", "rests"),
    [
        ("accepted", "", True),
        ("overridden", "already-managed", True),
        ("overridden", "specialist-plan", True),
        ("overridden", "benefit-outweighs", False),
        ("overridden", "", False),
    ],
)
def test_f51_a_card_that_someone_takes_care_of_rests_for_the_team_for_8_hours(
    app: Flask, stories: dict[str, Story], clock: Clock, outcome: str, reason: str, rests: bool
) -> None:
    story, given = stories["cramps-in-siadh"], {"overrideReason": {"reason": {"code": reason}}}
    answer(app, a_call(story), NOW, outcome, **(given if reason else {}))
    colleague = "Practitioner/8"
    clock.now = NOW + timedelta(hours=8)
    assert (topics(app, a_call(story, clock.now, colleague)) == []) is rests
    clock.now = NOW + timedelta(hours=8, minutes=1)
    assert topics(app, a_call(story, clock.now, colleague)) == ["sodiumMildSymptomatic"]


def test_f51_what_is_worse_ends_the_rest_of_the_team(app: Flask, stories: dict[str, Story]) -> None:
    story = stories["cramps-in-siadh"]
    answer(app, a_call(story), NOW, "accepted")
    worse = sodium_changed(a_call(story, user="Practitioner/8"), -2)
    assert topics(app, worse) == ["sodiumMildSymptomatic"]


def test_f51_a_reason_of_another_code_system_rests_nothing(
    app: Flask, stories: dict[str, Story]
) -> None:
    foreign = {"reason": {"code": "already-managed", "system": "http://ehr.example/reasons"}}
    story = stories["cramps-in-siadh"]
    answer(app, a_call(story), NOW, overrideReason=foreign)
    assert topics(app, a_call(story, user="Practitioner/8")) == ["sodiumMildSymptomatic"]


@pytest.mark.parametrize(
    ("hours", "change", "user", "again"),
    [
        (12, 0, "Practitioner/7", False),
        (12.1, 0, "Practitioner/7", True),
        (1, 0, "Practitioner/8", True),
        (1, 0, "", True),
        (1, -1.9, "Practitioner/7", False),
        (1, -2, "Practitioner/7", True),
        (1, 1.9, "Practitioner/7", False),
        (1, 2, "Practitioner/7", True),
    ],
)
def test_f51_an_unchanged_info_card_is_not_repeated_to_its_user_within_12_hours(
    app: Flask,
    stories: dict[str, Story],
    clock: Clock,
    hours: float,
    change: float,
    user: str,
    again: bool,
) -> None:
    story = stories["outdated-result"]
    first = app.test_client().post(PATIENT_VIEW, json=a_call(story)).get_json()["cards"]
    assert [card["indicator"] for card in first] == ["info"]
    settle(app)
    clock.now = NOW + timedelta(hours=hours)
    call = a_call(story, clock.now, user)
    assert bool(topics(app, sodium_changed(call, change) if change else call)) is again


def test_f51_a_warning_is_repeated_until_it_is_answered(
    app: Flask, stories: dict[str, Story]
) -> None:
    story = stories["cramps-in-siadh"]
    assert topics(app, a_call(story)) == topics(app, a_call(story)) == ["sodiumMildSymptomatic"]


def test_silence_after_feedback_is_explained(app: Flask, stories: dict[str, Story]) -> None:
    from cds_service.feedback.suppression import Who
    from cds_service.protocol.request import hook_request
    from cds_service.trust.client import Client
    from cds_service.trust.deadline import Deadline
    from cds_service.web.runtime import runtime_of

    call = a_call(stories["cramps-in-siadh"])
    answer(app, call, NOW)
    here = runtime_of(app)
    service = here.pipeline.knowledge.services["hyponatremia-patient-view"]
    names = here.pseudonyms
    who = Who(
        tenant="",
        patient=names.patient("", call.get("fhirServer") or "", call["context"]["patientId"]),
        user=names.user("", call.get("fhirServer") or "", "Practitioner/7"),
    )
    assert here.suppression is not None
    request = hook_request(call, service.id, "patient-view", NOW)
    memory = here.suppression.memory(who, NOW)
    evaluation = here.pipeline.answer(request, Client(), Deadline.after(2), memory)
    assert here.pipeline.explain(evaluation, service.id)["suppressed"] == ["PV-MILD-SYMP"]


def test_it_comes_back_when_sodium_falls(app: Flask, stories: dict[str, Story]) -> None:
    story = stories["cramps-in-siadh"]
    answer(app, a_call(story), NOW)
    assert topics(app, sodium_changed(a_call(story), -0.4)) == []
    assert topics(app, sodium_changed(a_call(story), -2)) != []


def test_it_comes_back_after_its_time(app: Flask, stories: dict[str, Story], clock: Clock) -> None:
    story = stories["cramps-in-siadh"]
    answer(app, a_call(story), NOW)
    clock.now = NOW + timedelta(days=29)
    assert topics(app, a_call(story, clock.now)) == []
    clock.now = NOW + timedelta(days=31)
    assert topics(app, a_call(story, clock.now)) == ["sodiumMildSymptomatic"]


def test_a_call_that_names_no_user_gets_every_card(app: Flask, stories: dict[str, Story]) -> None:
    story = stories["cramps-in-siadh"]
    answer(app, a_call(story, user=""), NOW)
    assert topics(app, a_call(story, user="")) == ["sodiumMildSymptomatic"]


def test_a_critical_card_never_stays_away(app: Flask, stories: dict[str, Story]) -> None:
    critical = [s for s in stories.values() if s.file.service == "hyponatremia-patient-view"]
    tried = 0
    for story in critical:
        cards = app.test_client().post(PATIENT_VIEW, json=a_call(story)).get_json().get("cards", [])
        if not any(card["indicator"] == "critical" for card in cards):
            continue
        tried += 1
        answer(app, a_call(story), NOW)
        left = app.test_client().post(PATIENT_VIEW, json=a_call(story)).get_json()["cards"]
        assert [c["uuid"] for c in left if c["indicator"] == "critical"] == [
            c["uuid"] for c in cards if c["indicator"] == "critical"
        ]
    assert tried


def test_a_store_that_is_down_shows_every_card_and_fast(
    tmp_path: Path, stories: dict[str, Story]
) -> None:
    app = deployment(tmp_path, "postgresql://nobody@127.0.0.1:9/none")
    response = app.test_client().post(PATIENT_VIEW, json=a_call(stories["cramps-in-siadh"]))
    assert [c["source"]["topic"]["code"] for c in response.get_json()["cards"]] == [
        "sodiumMildSymptomatic"
    ]
    assert app.test_client().get("/health").get_json() == {
        "status": "degraded",
        "degraded": ["database: unreachable"],
    }
    refused = app.test_client().post(
        f"{PATIENT_VIEW}/feedback", json=feedback("c", "overridden", NOW)
    )
    assert refused.status_code == 503
    assert refused.headers["Retry-After"]
    close(app)
