"""Feedback in every form that EHRs send: kept, joined with its card, reported; a bad item costs no other."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask
from structlog.testing import capture_logs

from cds_service.demo.stories import Story
from cds_service.feedback.figures import Figures, _reason, figures
from cds_service.feedback.inbox import feedback_items
from cds_service.store.figures import Answer, FigureTables
from cds_service.store.tables import FEEDBACK
from cds_service.web.runtime import runtime_of
from tests.conftest import NOW
from tests.feedback.deployments import PATIENT_VIEW, a_call, close, deployment, feedback, settle

CARD = "c7a9858f-10ad-4fa3-aad0-b940c843514b"
AT = "2027-03-28T00:20:00Z"
ITEM = {"card": CARD, "outcome": "overridden", "outcomeTimestamp": AT}
OWN = "https://cds.example/fhir/CodeSystem/hyponatremia-override"
FHIR = "https://fhir.mercy.example/r4"
REASONS = {("", "other"): "Other"}

SPELLINGS: dict[str, Callable[[str], str]] = {
    "as sent": str,
    "upper case": str.upper,
    "urn": "urn:uuid:{}".format,
    "urn, upper case": lambda card: f"URN:UUID:{card.upper()}",
    "braces": "{{{}}}".format,
    "no dashes": lambda card: card.replace("-", ""),
    "blanks": " {} ".format,
}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    app = deployment(tmp_path)
    yield app
    close(app)


def post(app: Flask, body: object, mark: bytes = b"") -> Any:
    return app.test_client().post(
        f"{PATIENT_VIEW}/feedback",
        data=mark + json.dumps(body).encode(),
        content_type="application/json",
    )


def kept(app: Flask) -> list[Any]:
    with runtime_of(app).database.transaction() as connection:
        return list(connection.execute(sa.select(FEEDBACK).order_by(FEEDBACK.c.card)))


def report(app: Flask) -> Figures:
    tables = FigureTables(runtime_of(app).database)
    since = (NOW - timedelta(days=7)).astimezone(UTC).date()
    return figures(tables, [""], since, NOW + timedelta(hours=1), REASONS)


def cards(app: Flask, call: dict[str, Any]) -> list[dict[str, Any]]:
    answered = app.test_client().post(PATIENT_VIEW, json=call)
    assert answered.status_code == 200, answered.text
    settle(app)
    found: list[dict[str, Any]] = answered.get_json()["cards"]
    return found


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("outcome", ["overridden", "accepted"])
def test_feedback_joins_its_card_in_whatever_spelling_the_uuid_comes_back(
    app: Flask, stories: dict[str, Story], spelling: str, outcome: str
) -> None:
    call = a_call(stories["cramps-in-siadh"])
    (card,) = cards(app, call)
    assert str(UUID(card["uuid"])) == card["uuid"]
    sent = feedback(SPELLINGS[spelling](card["uuid"]), outcome, NOW)
    assert post(app, sent).get_json() == {"status": "ok", "received": 1}
    found = report(app)
    assert (getattr(found.total, outcome), found.unmatched) == (1, 0)
    assert cards(app, call) == []


def test_a_repeat_in_another_spelling_is_no_new_row(app: Flask) -> None:
    for spelling in SPELLINGS.values():
        suggestions = [{"id": spelling(CARD)}]
        sent = {"outcome": "accepted", "outcomeTimestamp": AT, "acceptedSuggestions": suggestions}
        assert post(app, {"feedback": [sent | {"card": spelling(CARD)}]}).status_code == 200
    (row,) = kept(app)
    assert (row.card, row.content) == (CARD, {"suggestions": [CARD]})


@pytest.mark.parametrize(
    ("again", "stays_away"),
    [
        ("Practitioner/7", True),
        ("Practitioner/7/_history/3", True),
        (f"{FHIR}/Practitioner/7", True),
        (f"{FHIR}/Practitioner/7/_history/3", True),
        (" Practitioner/7 ", True),
        ("Practitioner/70", False),
        ("PractitionerRole/7", False),
        ("", False),
    ],
)
@pytest.mark.parametrize("first", ["Practitioner/7", f"{FHIR}/Practitioner/7/_history/1"])
def test_suppression_knows_a_user_with_or_without_base_and_version(
    app: Flask, stories: dict[str, Story], first: str, again: str, stays_away: bool
) -> None:
    story = stories["cramps-in-siadh"]
    (card,) = cards(app, a_call(story, user=first))
    assert post(app, feedback(card["uuid"], "overridden", NOW)).status_code == 200
    assert (cards(app, a_call(story, user=again)) == []) is stays_away


@pytest.mark.parametrize(
    ("given", "content"),
    [
        ({"overrideReason": {"reason": {"code": "other", "system": OWN}}}, {"code": "other"}),
        (
            {"overrideReason": {"reason": {"code": "other", "system": f"{OWN}|1"}}},
            {"code": "other"},
        ),
        ({"overrideReason": {"code": "other", "system": OWN}}, {"code": "other"}),
        ({"overrideReason": {"code": "other"}}, {"code": "other"}),
        ({"overrideReason": {"reason": "other"}}, {"code": "other"}),
        ({"overrideReason": "other"}, {"code": "other"}),
        ({"overrideReason": {"reason": {"coding": [{"code": "other"}]}}}, {"code": "other"}),
        ({"overrideReason": {"reason": [{}, {"code": "other"}]}}, {"code": "other"}),
        ({"overrideReasons": [{"code": "other", "system": OWN}]}, {"code": "other"}),
        ({"overrideReasons": [{"reason": {"code": "other"}}, {"code": "x"}]}, {"code": "other"}),
        ({"overrideReasons": {"reason": {"code": "other"}}}, {"code": "other"}),
        ({"reason": {"code": "other"}}, {"code": "other"}),
        (
            {"overrideReason": {"reason": {"code": "other", "system": "urn:theirs"}}},
            {"code": "other", "system": "urn:theirs"},
        ),
    ],
)
def test_a_reason_is_read_in_every_shape_and_our_code_without_our_address(
    given: dict[str, Any], content: dict[str, str]
) -> None:
    (item,) = feedback_items({"feedback": [ITEM | given]}, NOW).items
    assert item.content == {"reason": content}


@pytest.mark.parametrize(
    ("given", "comment"),
    [
        ({"overrideReason": {"userComment": "seen"}}, "seen"),
        ({"overrideReason": {"reason": {}, "userComment": "seen"}}, "seen"),
        ({"overrideReason": "will see her again"}, "will see her again"),
        ({"overrideReason": {"reason": {"text": "will see her"}}}, "will see her"),
        ({"userComment": "seen"}, "seen"),
        ({"overrideReason": {}}, None),
        ({"overrideReason": {"reason": {}}}, None),
        ({"overrideReason": {"reason": None}}, None),
        ({"overrideReason": None}, None),
        ({"overrideReason": []}, None),
        ({"overrideReason": 7}, None),
        ({"overrideReason": {"extension": {"com.epic": {}}}}, None),
        ({}, None),
    ],
)
def test_words_are_a_comment_and_an_empty_reason_costs_nothing(
    given: dict[str, Any], comment: str | None
) -> None:
    (item,) = feedback_items({"feedback": [ITEM | given]}, NOW).items
    assert item.content == ({} if comment is None else {"comment": comment})


def test_a_reason_that_nests_without_end_breaks_nothing() -> None:
    deep: Any = {"code": "other"}
    for _ in range(300):
        deep = [{"reason": deep}]
    (item,) = feedback_items({"feedback": [ITEM | {"overrideReason": deep}]}, NOW).items
    assert item.content == {}


@pytest.mark.parametrize(
    "suggestions",
    ["one", ["one"], {"id": "one"}, [{"id": "one"}], [{"uuid": "one"}], [{}, None, {"id": "one"}]],
)
def test_accepted_suggestions_come_as_texts_and_as_objects(suggestions: object) -> None:
    accepted = ITEM | {"outcome": "accepted", "acceptedSuggestions": suggestions}
    (item,) = feedback_items({"feedback": [accepted]}, NOW).items
    assert item.content == {"suggestions": ["one"]}


@pytest.mark.parametrize("body", [{"feedback": [ITEM]}, {"feedback": ITEM}, ITEM, [ITEM]])
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8], ids=["", "byte order mark"])
def test_items_come_in_a_list_below_feedback_or_bare(app: Flask, body: object, mark: bytes) -> None:
    assert post(app, body, mark).get_json() == {"status": "ok", "received": 1}
    assert [row.card for row in kept(app)] == [CARD]


@pytest.mark.parametrize(
    "at",
    [
        "2027-03-28T00:20:00Z",
        "2027-03-28T02:20:00+02:00",
        "2027-03-28T02:20:00+0200",
        "2027-03-28 00:20:00",
        "2027-03-28 00:20:00 UTC",
        "2027-03-28T00:20:00 GMT",
        "2027-03-28 02:20:00 +0200",
        "2027-03-28 00:20:00 +0000 UTC",
        1806193200,
        1806193200000,
        1806193200.0,
        "1806193200",
        "1806193200000",
        "1806193200.5",
    ],
)
def test_the_time_of_an_outcome_is_read_in_many_forms(app: Flask, at: object) -> None:
    assert post(app, {"feedback": [ITEM | {"outcomeTimestamp": at}]}).status_code == 200
    (row,) = kept(app)
    assert abs(row.outcome_at - datetime(2027, 3, 28, 0, 20, tzinfo=UTC)) < timedelta(seconds=1)


@pytest.mark.parametrize(
    "at",
    [None, "", "yesterday", 5, 20261120, True, {}, -1806193200, 10**40, "2099-01-01T00:00:00Z"],
)
def test_a_time_that_is_none_or_lies_ahead_is_refused(app: Flask, at: object) -> None:
    assert post(app, {"feedback": [ITEM | {"outcomeTimestamp": at}]}).status_code == 400
    assert kept(app) == []


BAD_ITEMS = [
    (None, "An item of 'feedback' is not an object."),
    ({}, "'card'"),
    (ITEM | {"card": 5}, "'card'"),
    (ITEM | {"card": ""}, "'card'"),
    (ITEM | {"card": "x" * 101}, "'card'"),
    (ITEM | {"outcome": None}, "'outcome'"),
    (ITEM | {"outcomeTimestamp": "soon"}, "'outcomeTimestamp'"),
    (ITEM | {"outcome": "accepted"}, "'acceptedSuggestions'"),
    (ITEM | {"outcome": "accepted", "acceptedSuggestions": [{}]}, "'acceptedSuggestions'"),
]


@pytest.mark.parametrize(("bad", "named"), BAD_ITEMS)
def test_good_items_are_kept_beside_a_bad_one_that_the_answer_and_the_log_name(
    app: Flask, bad: object, named: str
) -> None:
    with capture_logs() as lines:
        answered = post(app, {"feedback": [ITEM, bad, ITEM | {"card": "second"}]})
    told = answered.get_json()
    (refused,) = told.pop("refused")
    assert (answered.status_code, told) == (200, {"status": "partial", "received": 2})
    assert refused["item"] == 2
    assert named in refused["reason"]
    assert [row.card for row in kept(app)] == [CARD, "second"]
    (line,) = [line for line in lines if line["event"] == "feedback-refused"]
    assert (line["count"], line["reason"]) == (1, refused["reason"])


@pytest.mark.parametrize(("bad", "named"), BAD_ITEMS)
def test_a_call_without_any_good_item_is_refused(app: Flask, bad: object, named: str) -> None:
    answered = post(app, {"feedback": [bad]})
    assert answered.status_code == 400
    assert named in answered.get_json(force=True)["issue"][0]["details"]["text"]


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ("Overridden", "overridden"),
        ("ignored", "ignored"),
        ("dismissed", "dismissed"),
        (" REJECTED ", "rejected"),
        ("snoozed for Jane Roe", "other"),
    ],
)
def test_another_outcome_is_stored_reported_apart_and_hides_no_card(
    app: Flask, stories: dict[str, Story], said: str, stored: str
) -> None:
    call = a_call(stories["cramps-in-siadh"])
    (card,) = cards(app, call)
    assert post(app, feedback(card["uuid"], said, NOW)).status_code == 200
    assert [row.outcome for row in kept(app)] == [stored]
    total = report(app).total
    if stored == "overridden":
        assert (total.overridden, total.others) == (1, {})
        return
    assert (total.overridden, total.others, total.unanswered) == (0, {stored: 1}, 0)
    assert [again["uuid"] for again in cards(app, call)] == [card["uuid"]]
    assert post(app, feedback(card["uuid"], "overridden", NOW)).status_code == 200
    total = report(app).total
    assert (total.overridden, total.others) == (1, {})


def test_reasons_are_counted_together_across_a_change_of_the_public_url(
    app: Flask, stories: dict[str, Story]
) -> None:
    bases = ("http://old.example/fhir", "https://new.example/terminology")
    names = ("cramps-in-siadh", "severe-without-symptoms")
    for base, name in zip(bases, names, strict=True):
        (card, *_) = cards(app, a_call(stories[name]))
        reason = {"code": "other", "system": f"{base}/CodeSystem/hyponatremia-override"}
        sent = feedback(card["uuid"], "overridden", NOW, overrideReason={"reason": reason})
        assert post(app, sent).status_code == 200
    assert [row.content for row in kept(app)] == 2 * [{"reason": {"code": "other"}}]
    assert report(app).total.reasons == {"Other": 2}


def test_a_reason_that_an_earlier_release_stored_with_our_address_is_ours_too() -> None:
    stored = Answer("card", "overridden", NOW, {"reason": {"code": "other", "system": OWN}}, True)
    assert _reason(stored, REASONS) == "Other"
