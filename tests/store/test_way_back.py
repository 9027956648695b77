"""A hospital can take back a release without its backup: upgrade, write, go back, write, upgrade."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from cds_service.store import schema
from cds_service.store.engine import make_engine, open_database, sqlite_url, upgrade
from cds_service.store.recorder import insert_calls
from cds_service.store.schema import known_revisions, revision
from cds_service.store.tables import AUDIT, ISSUED
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


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("older", OLDER)
def test_each_older_release_writes_beside_and_after_this_one_and_no_row_is_lost(
    older: str,
    kind: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = (
        sqlite_url(tmp_path)
        if kind == "sqlite"
        else request.getfixturevalue("postgres").fresh("way_back")
    )
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
