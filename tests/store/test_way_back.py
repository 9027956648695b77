"""A hospital can take back a release without its backup: upgrade, write, go back, write, upgrade."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from cds_service.store import engine as store_engine
from cds_service.store import schema
from cds_service.store.engine import make_engine, open_database, sqlite_url, upgrade
from cds_service.store.recorder import insert_calls
from cds_service.store.schema import known_revisions, revision
from cds_service.store.tables import AUDIT, ISSUED
from tests.patience import PATIENCE_S, until
from tests.store.test_recorder import a_call

FIRST_WITH_CALLS = "0003"
OLDER = [one for one in known_revisions()[:-1] if one >= FIRST_WITH_CALLS]
Write = Callable[[str], None]


def bring_to(engine: sa.Engine, wanted: str) -> None:
    """Makes the schema that an older release made."""
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, wanted)


def older_release(engine: sa.Engine) -> Write:
    """Returns what an older release does for one call: it knows the columns of its own time."""
    then = sa.MetaData()
    then.reflect(engine, only=["audit", "issued"])

    def write(call: str) -> None:
        record = a_call(call)
        with engine.begin() as connection:
            for table, row in (("audit", record.audit), *(("issued", r) for r in record.issued)):
                columns = {column.name for column in then.tables[table].columns}
                own = {name: value for name, value in row.items() if name in columns}
                connection.execute(sa.insert(then.tables[table]).values(own))

    return write


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Returns an empty database of each kind."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path)
    return str(request.getfixturevalue("postgres").fresh("way_back"))


@pytest.fixture(autouse=True)
def patient_with_postgresql(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine PostgreSQL may be slow to connect; it is not down for that."""
    monkeypatch.setitem(store_engine._WIRE_LIMITS, "connect_timeout", int(PATIENCE_S))


@pytest.mark.parametrize("older", OLDER)
def test_each_older_release_writes_beside_and_after_this_one_and_no_row_is_lost(
    older: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(url)
    bring_to(engine, older)
    old_write = older_release(engine)
    old_write("before")

    upgrade(engine)
    database = open_database(url)
    with database.transaction() as connection:
        insert_calls(connection, [a_call("upgraded")])

    known = known_revisions()
    with monkeypatch.context() as back:
        back.setattr(schema, "known_revisions", lambda: known[: known.index(older) + 1])
        upgrade(engine)  # as `db upgrade` and the start of the older release do
        open_database(url).close()
    old_write("back")

    upgrade(engine)
    with database.transaction() as connection:
        insert_calls(connection, [a_call("again")])
        calls = set(connection.execute(sa.select(AUDIT.c.call)).scalars())
        cards = connection.execute(sa.select(sa.func.count()).select_from(ISSUED)).scalar_one()
        assert revision(connection) == known[-1]
    assert calls == {"before", "upgraded", "back", "again"}
    assert cards == len(calls)
    database.close()
    engine.dispose()


@pytest.mark.parametrize("older", OLDER)
def test_an_upgrade_that_waits_for_a_backup_holds_up_no_older_node(older: str, url: str) -> None:
    old, backup, ours = make_engine(url), make_engine(url), make_engine(url, patient=True)
    bring_to(old, older)
    write, written, done, waits = older_release(old), itertools.count(1), threading.Event(), []
    count = [0]

    def serve() -> None:
        while not done.wait(0.02):  # a lock of SQLite goes to whoever asks at the right moment
            write(f"call-{count[0]}")
            count[0] = next(written)

    def more() -> None:
        wanted = count[0] + 3
        until(lambda: count[0] >= wanted or serving.done())

    with ThreadPoolExecutor(2) as pool:
        serving = pool.submit(serve)
        try:
            more()
            with backup.connect() as connection:
                connection.execute(sa.text("SELECT count(*) FROM audit"))  # as pg_dump: to the end
                upgrading = pool.submit(upgrade, ours, lambda: waits.append(count[0]))
                until(lambda: waits or upgrading.done() or serving.done())
                more()
            upgrading.result()
            more()
        finally:
            done.set()
        serving.result()
    with ours.connect() as connection:
        assert revision(connection) == known_revisions()[-1]
        calls = connection.execute(sa.select(sa.func.count()).select_from(AUDIT)).scalar_one()
    assert calls == count[0]
    for engine in (old, backup, ours):
        engine.dispose()
