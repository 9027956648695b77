"""Issued cards and audit rows on their way to the database: never lost where it can be helped, never in the way."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from cds_service.errors import StoreUnavailable
from cds_service.store.engine import Database, make_engine, open_database
from cds_service.store.recorder import CallRecord, Recorder, Tally
from cds_service.store.tables import AUDIT, ISSUED, TALLY
from tests.databases import Server
from tests.patience import PATIENCE_S

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)


def a_call(call: str, *, tenant: str = "mercy", cards: int = 1, service: str = "pv") -> CallRecord:
    audit = {
        "tenant": tenant, "call": call, "at": NOW, "correlation": "c", "service": service, "status": 200,
        "profile": "aasld", "patient_hash": "p", "user_hash": "u", "cards": cards, "fired": "PV-MILD",
        "suppressed": "", "shadow": False, "sources": {"sodium": "satisfied"}, "knowledge": "k",
        "milliseconds": 3,
    }  # fmt: skip
    issued = {
        "tenant": tenant, "call": call, "issued_at": NOW, "service": service, "rule": "PV-MILD",
        "profile": "aasld", "topic": "t", "indicator": "info", "rules": "PV-MILD:main", "patient_hash": "p",
        "user_hash": "u", "drugs_hash": "d", "sodium": "131", "band": "mild", "symptom_hashes": "",
        "result_hash": "r", "suggestions": ["s"], "knowledge": "k",
    }  # fmt: skip
    return CallRecord(
        audit=audit,
        issued=[issued | {"card": f"card-{n}"} for n in range(cards)],
        tallies=[Tally(tenant, date(2026, 11, 22), service, "PV-MILD", "aasld", "fired")],
    )


@pytest.fixture
def recorder(database: Database) -> Iterator[Recorder]:
    recorder = Recorder(database, 1000)
    yield recorder
    recorder.close(1)


def rows(database: Database, table: sa.Table) -> int:
    with database.transaction() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def fired(database: Database) -> int:
    with database.transaction() as connection:
        return int(connection.execute(sa.select(sa.func.sum(TALLY.c.fired))).scalar_one() or 0)


def test_the_rows_of_every_call_arrive(database: Database, recorder: Recorder) -> None:
    for n in range(450):
        recorder.put(a_call(f"call-{n}", cards=2))
    assert recorder.flush(PATIENCE_S)
    assert (rows(database, AUDIT), rows(database, ISSUED), fired(database)) == (450, 900, 450)


def test_who_waits_for_the_rows_does_not_wait_for_calls_to_go_with_them(
    database: Database, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cds_service.store.recorder._GATHER_S", 60)
    recorder.put(a_call("the last before the stop"))
    assert recorder.flush(PATIENCE_S)
    assert rows(database, AUDIT) == 1


def test_catching_up_ends_while_calls_keep_coming(
    database: Database, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy worker's queue is never empty, and the answer to feedback would wait for that."""
    monkeypatch.setattr("cds_service.store.recorder._GATHER_S", 60)
    for n in range(3):
        recorder.put(a_call(f"before-{n}"))
    write = recorder._write_once

    def another_comes(records: Any) -> None:
        recorder.put(a_call(f"later-{time.monotonic()}"))
        write(records)

    monkeypatch.setattr(recorder, "_write_once", another_comes)
    began = time.monotonic()
    recorder.catch_up(PATIENCE_S)
    monkeypatch.setattr(recorder, "_write_once", write)
    assert time.monotonic() - began < PATIENCE_S
    assert rows(database, AUDIT) >= 3


@pytest.mark.parametrize("trouble", ["database", "threads"])
def test_catching_up_does_not_wait_for_what_cannot_write(
    database: Database, recorder: Recorder, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    if trouble == "threads":
        monkeypatch.setattr("threading.Thread.start", _no_thread)
    else:
        monkeypatch.setattr(database, "problem", "unreachable")
        monkeypatch.setattr(recorder, "_write_once", _refused)
    recorder.put(a_call("waits"))
    began = time.monotonic()
    recorder.catch_up(PATIENCE_S)
    assert time.monotonic() - began < PATIENCE_S
    assert recorder.waiting == 1


def _no_thread(thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def _refused(records: object) -> None:
    raise StoreUnavailable("unreachable")


def test_a_call_that_is_written_twice_counts_once(database: Database, recorder: Recorder) -> None:
    recorder.put(a_call("same"))
    recorder.put(a_call("same"))
    assert recorder.flush(PATIENCE_S)
    assert (rows(database, AUDIT), rows(database, ISSUED), fired(database)) == (1, 1, 1)


def test_two_tenants_keep_their_own_counts(database: Database, recorder: Recorder) -> None:
    recorder.put(a_call("a", tenant="mercy"))
    recorder.put(a_call("a", tenant="grace"))
    assert recorder.flush(PATIENCE_S)
    assert rows(database, TALLY) == 2


def test_one_row_that_the_database_refuses_costs_no_other(
    database: Database, recorder: Recorder
) -> None:
    recorder.put(a_call("good"))
    recorder.put(a_call("bad", service="broken \ud800 text"))
    recorder.put(a_call("better"))
    assert recorder.flush(PATIENCE_S)
    assert rows(database, AUDIT) == 2
    assert recorder.dropped == 1


def test_a_full_queue_drops_and_counts_and_takes_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = Database(make_engine("postgresql://nobody@127.0.0.1:9/none"))
    recorder = Recorder(stuck, 5)
    transaction, waiting = Database.transaction, set[int]()

    def watched(database: Database) -> Any:
        waiting.add(threading.get_ident())
        return transaction(database)

    monkeypatch.setattr(Database, "transaction", watched)
    for n in range(500):
        recorder.put(a_call(f"call-{n}"))
    assert threading.get_ident() not in waiting, "a call waits for the database"
    assert recorder.dropped >= 490 - 5
    assert recorder.problem == "rows of calls were dropped"
    recorder.close(0)


def test_an_outage_loses_nothing_that_fits_into_the_queue(postgres: Server) -> None:
    url = postgres.migrated("outage")
    database = open_database(url)
    recorder = Recorder(database, 1000)
    recorder.put(a_call("before"))
    assert recorder.flush(PATIENCE_S)
    postgres.stop()
    for n in range(300):
        recorder.put(a_call(f"during-{n}"))
    assert not recorder.flush(0.5)
    assert str(database.problem) == "unreachable"
    postgres.start()
    assert recorder.flush(20)
    assert rows(database, AUDIT) == 301
    assert database.problem == ""
    recorder.close(1)
    database.engine.dispose()


def test_a_full_disk_keeps_rows_until_there_is_room(tmp_path: object) -> None:
    """SQLite's own page limit gives its own "database or disk is full"."""
    database = open_database(f"sqlite:///{tmp_path}/full.db")
    limit = {"pages": 1}

    @sa.event.listens_for(database.engine, "begin")
    def limited(connection: sa.Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count={limit['pages']}")

    recorder = Recorder(database, 1000)
    for n in range(200):
        recorder.put(a_call(f"call-{n}"))
    assert not recorder.flush(0.7)
    assert database.problem == "does not take writes"
    limit["pages"] = 1_000_000
    assert recorder.flush(20)
    assert rows(database, AUDIT) == 200
    recorder.close(1)
    database.engine.dispose()
