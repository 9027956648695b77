"""Feedback rows and used tokens: once each, per tenant, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from cds_service.errors import BadRequest
from cds_service.store.engine import Database
from cds_service.store.feedback import FeedbackTable
from cds_service.store.used_tokens import UsedTokens
from tests.store.test_retention import a_feedback

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)


def test_a_repeat_is_no_new_row(database: Database) -> None:
    table = FeedbackTable(database)
    assert table.add([a_feedback("a", 0), a_feedback("b", 0)]) == 2
    assert table.add([a_feedback("a", 0), a_feedback("c", 0)]) == 1
    assert table.count("mercy") == 3


def test_the_same_feedback_from_many_threads_is_one_row(database: Database) -> None:
    table = FeedbackTable(database)
    with ThreadPoolExecutor(8) as pool:
        new = list(pool.map(lambda _: table.add([a_feedback("a", 0)]), range(40)))
    assert sum(new) == 1
    assert table.count("mercy") == 1


def test_a_tenant_sees_its_own_rows_only(database: Database) -> None:
    table = FeedbackTable(database)
    table.add([a_feedback("a", 0)])
    assert table.add([a_feedback("a", 0) | {"tenant": "grace"}]) == 1
    assert (table.count("mercy"), table.count("grace"), table.count("")) == (1, 1, 0)


def test_text_that_no_database_takes_is_the_callers_mistake(database: Database) -> None:
    with pytest.raises(BadRequest):
        FeedbackTable(database).add([a_feedback("a\ud800", 0)])
    assert database.problem == ""


def test_a_token_is_new_exactly_once(database: Database) -> None:
    table = UsedTokens(database.engine)
    expires = NOW + timedelta(minutes=5)
    assert table.first_use("mercy", "jti", expires, NOW)
    assert not table.first_use("mercy", "jti", expires, NOW)
    assert table.first_use("grace", "jti", expires, NOW)
