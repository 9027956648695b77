"""What is deleted after its time, and what is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from cds_service.store.engine import Database, open_database, sqlite_url
from cds_service.store.feedback import FeedbackRow, FeedbackTable
from cds_service.store.retention import Cutoffs, contents, prune
from cds_service.store.tables import FEEDBACK, TALLY
from tests.feedback.simulated import fill

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=10_000)


def cutoffs(**days: int) -> Cutoffs:
    named = {name: NOW - timedelta(days=number) for name, number in days.items()}
    times = dict.fromkeys(("issued", "feedback", "comments", "audit", "tokens"), LONG_AGO) | named
    return Cutoffs(**times)


def a_feedback(card: str, days: int, comment: str = "") -> FeedbackRow:
    at = NOW - timedelta(days=days)
    return {
        "tenant": "mercy", "card": card, "digest": card, "service": "s", "outcome": "overridden",
        "outcome_at": at, "received_at": at, "content": {"comment": comment} if comment else {},
    }  # fmt: skip


def test_rows_go_after_their_time_and_the_daily_counts_stay(database: Database) -> None:
    fill(database, "mercy", cards=5000, answers=1000, until=NOW, days=300)
    with database.transaction() as connection:
        counted = connection.execute(sa.select(sa.func.sum(TALLY.c.returned))).scalar_one()
    deleted = prune(database, cutoffs(issued=100, feedback=200))
    assert 3200 < deleted["issued"] < 3400
    assert 250 < deleted["feedback"] < 370
    left = contents(database)
    assert left.rows["issued"] == 5000 - deleted["issued"]
    oldest = left.oldest["issued"]
    assert oldest is not None
    assert oldest >= NOW - timedelta(days=100)
    with database.transaction() as connection:
        assert (
            connection.execute(sa.select(sa.func.sum(TALLY.c.returned))).scalar_one()
            == counted
            == 5000
        )


def test_comments_go_first_and_only_that_there_was_one_stays(database: Database) -> None:
    table = FeedbackTable(database)
    table.add([a_feedback("old", 91, "Jane Roe refuses"), a_feedback("new", 89, "see note")])
    assert prune(database, cutoffs(comments=90))["comments"] == 1
    assert prune(database, cutoffs(comments=90))["comments"] == 0
    with database.transaction() as connection:
        kept = dict(connection.execute(sa.select(FEEDBACK.c.card, FEEDBACK.c.content)).all())
    assert kept == {"old": {"commented": True}, "new": {"comment": "see note"}}


def test_a_deleted_comment_is_gone_from_the_file(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/one.db")
    FeedbackTable(database).add([a_feedback("old", 91, "SENTINEL-COMMENT")])
    prune(database, cutoffs(comments=90))
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.engine.dispose()
    assert b"SENTINEL-COMMENT" not in b"".join(p.read_bytes() for p in tmp_path.glob("one.db*"))


def test_after_a_large_prune_the_log_of_sqlite_is_small_again(tmp_path: Path) -> None:
    database = open_database(sqlite_url(tmp_path))
    fill(database, "mercy", cards=5000, answers=5000, until=NOW, days=300)
    prune(database, cutoffs(issued=1, feedback=1))
    log = tmp_path / "hyponatremia-cds.db-wal"
    assert log.stat().st_size == 0
    database.close()
