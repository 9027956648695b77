"""A database that neither answers nor breaks: a call waits a moment for it, and later ones not at all."""

from __future__ import annotations

import gc
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import psycopg
import pytest

from cds_service.errors import StoreUnavailable
from cds_service.store import desk as desks
from cds_service.store.desk import Desk
from cds_service.store.engine import Database, open_database, sqlite_url
from cds_service.store.feedback import FeedbackTable
from cds_service.store.postgresql import BoundedConnection
from cds_service.store.recorder import Recorder
from cds_service.store.shown import ShownTable
from cds_service.store.tables import AUDIT
from cds_service.store.used_tokens import UsedTokens, used_tokens_file
from tests.databases import Server
from tests.patience import PATIENCE_S
from tests.store.test_recorder import a_call, rows
from tests.store.test_retention import a_feedback

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SOON = NOW + timedelta(minutes=6)
HANGS_S = 60.0  # far above every limit: a call that waits for the work itself is seen
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="signals of POSIX")


def refused(work: Callable[[], object]) -> str:
    """Returns why the database was not used; fails if it was."""
    with pytest.raises(StoreUnavailable) as caught:
        work()
    return caught.value.cause


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + HANGS_S
    while not holds() and time.monotonic() < end:
        time.sleep(0.05)
    assert holds()


def test_who_asks_does_not_wait_for_work_that_hangs_and_the_next_ones_not_at_all() -> None:
    late: list[bool] = []
    desk, go_on = Desk(lambda: late.append(True)), threading.Event()
    assert refused(lambda: desk.ask(lambda: go_on.wait(HANGS_S))) == "NotInTime"
    assert late == [True]
    until(lambda: desk.resting)
    began: list[bool] = []
    assert refused(lambda: desk.ask(lambda: began.append(True))) == "LeftAlone"
    assert desk.begin(lambda: began.append(True)) is None
    go_on.set()
    until(lambda: not desk.resting)
    desk.ask(lambda: began.append(True), PATIENCE_S)
    assert began == [True], "it is asked again as soon as the thread that hung is back"


def test_work_whose_caller_has_gone_is_not_begun() -> None:
    desk, go_on = Desk(), threading.Event()
    begun: list[bool] = []
    for _ in range(4):
        desk.begin(lambda: go_on.wait(HANGS_S))
    assert refused(lambda: desk.ask(lambda: begun.append(True))) == "NotInTime"
    go_on.set()
    desk.ask(lambda: None, PATIENCE_S)
    assert begun == []


def test_an_error_of_the_work_reaches_who_asked() -> None:
    with pytest.raises(ZeroDivisionError):
        Desk().ask(lambda: 1 // 0, PATIENCE_S)


def test_a_caller_that_was_woken_late_waits_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine with too much to do, a second use of a token must not pass for an outage."""
    monkeypatch.setattr(desks, "_PUNCTUAL_S", -1.0)
    ready = threading.Event()
    threading.Timer(0.5, ready.set).start()
    assert Desk().ask(lambda: ready.wait(HANGS_S), 0.3)


def test_a_frozen_postgresql_costs_a_call_a_moment_and_comes_back_without_a_restart(
    postgres: Server,
) -> None:
    url = postgres.migrated("frozen")
    database = open_database(url)
    tokens, feedback = UsedTokens(database.engine, database.desk), FeedbackTable(database)
    shown, recorder = ShownTable(database), Recorder(database)

    def is_new(name: str) -> bool:
        return tokens.first_use("mercy", name, SOON, NOW)

    assert is_new("before")
    assert feedback.add([a_feedback("before", 1)]) == 1
    with postgres.frozen():
        assert refused(lambda: is_new("during")) == "NotInTime"
        assert database.problem == "unreachable"
        assert shown.begin("mercy", "p", NOW, NOW) is None
        recorder.put(a_call("during"))
        until(lambda: database.desk.resting)
        for n in range(200):  # these do not wait, or they would be "NotInTime"
            assert refused(partial(is_new, f"during {n}")) == "LeftAlone"
        assert refused(lambda: feedback.add([a_feedback("during", 1)])) == "LeftAlone"
    until(lambda: not database.desk.resting)
    until(lambda: database.ping())
    assert is_new("after")
    assert not is_new("before")
    assert feedback.add([a_feedback("after", 1)]) == 1
    assert recorder.flush(HANGS_S)
    assert rows(database, AUDIT) == 1
    assert not database.problem
    recorder.close(1)
    database.close()


def test_a_server_that_never_answers_again_does_not_keep_a_thread(
    postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address may belong to another server by now; the old one hangs for ever."""
    monkeypatch.setattr("cds_service.store.postgresql.ANSWER_S", 0.5)
    url = postgres.migrated("never")
    database = open_database(url)
    assert database.ping()
    with postgres.frozen():
        assert not database.ping()
        assert database.problem == "unreachable"
        with pytest.raises(StoreUnavailable), database.transaction():
            pytest.fail("a connection that hangs is not used again")
    assert database.ping()
    database.close()


def test_rows_that_a_server_does_not_take_in_time_are_given_up_without_a_word(
    postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several rows go in one pipeline of psycopg, which at its end wants to send once more."""
    printed: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", printed.append)
    connection = BoundedConnection.connect(postgres.fresh("rows"))

    def three_rows() -> None:
        with connection.pipeline():
            for n in range(3):
                connection.execute("SELECT %s", [n])
            monkeypatch.setattr("cds_service.store.postgresql.ANSWER_S", 0.0)

    with pytest.raises(psycopg.OperationalError):
        three_rows()
    assert connection.closed, "the pool would use it again"
    gc.collect()
    assert printed == []


def test_a_postgresql_that_is_frozen_at_the_start_does_not_stop_it(postgres: Server) -> None:
    url = postgres.migrated("start")
    with postgres.frozen():
        database = open_database(url)
        assert database.problem == "unreachable"
    assert database.ping()
    database.close()


def test_a_locked_sqlite_file_costs_a_token_a_moment(tmp_path: Path) -> None:
    tokens = UsedTokens(used_tokens_file(tmp_path))
    with locked(tmp_path / "replay.db"):
        refused(lambda: tokens.first_use("mercy", "one", SOON, NOW))
    assert tokens.first_use("mercy", "two", SOON, NOW)


def test_a_locked_sqlite_file_costs_feedback_its_time_and_no_longer(tmp_path: Path) -> None:
    database = open_database(sqlite_url(tmp_path))
    table = FeedbackTable(database)
    with locked(tmp_path / "hyponatremia-cds.db"):
        assert refused(lambda: table.add([a_feedback("one", 1)])) == "NotInTime"
        assert database.problem == "unreachable"
    until(lambda: not database.desk.resting)
    # The late work may have stored it meanwhile: the same feedback sent again is stored once.
    assert table.add([a_feedback("one", 1)]) in (0, 1)
    assert table.count("mercy") == 1
    database.close()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the file in a transaction, as another process may."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


def test_the_database_of_a_test_is_asked_at_its_desk(database: Database) -> None:
    assert database.desk.ask(database.ping, PATIENCE_S)
