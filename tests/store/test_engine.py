"""Opening a database: who migrates it, and what a wrong or absent one means for the start."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from cds_service.errors import SettingsError, StoreUnavailable
from cds_service.store import schema
from cds_service.store.engine import Database, make_engine, open_database, sqlite_url, upgrade
from cds_service.store.recorder import insert_calls
from cds_service.store.schema import known_revisions, migrate, newest_revision, revision
from cds_service.store.tables import AUDIT, METADATA
from tests.databases import Server
from tests.patience import until
from tests.store.test_recorder import a_call


def test_sqlite_needs_no_set_up(tmp_path: Path) -> None:
    database = open_database(sqlite_url(tmp_path / "new"))
    with database.transaction() as connection:
        assert revision(connection) == newest_revision()
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    database.engine.dispose()


def _files(folder: Path) -> dict[str, Path]:
    return {path.name: path for path in folder.iterdir()}


def test_a_file_that_others_could_read_is_closed_to_them_at_the_start(tmp_path: Path) -> None:
    open_database(sqlite_url(tmp_path)).close()
    for file in _files(tmp_path).values():
        file.chmod(0o644)
    database = open_database(sqlite_url(tmp_path))
    assert database.ping()
    open_to_others = {name for name, f in _files(tmp_path).items() if f.stat().st_mode & 0o077}
    assert open_to_others == set()
    database.close()


def test_a_database_whose_file_was_deleted_takes_nothing_and_says_so(tmp_path: Path) -> None:
    database = open_database(sqlite_url(tmp_path))
    assert database.ping()
    for file in _files(tmp_path).values():
        file.unlink()
    with pytest.raises(StoreUnavailable), database.transaction():
        pass
    assert database.problem == "its file is gone"
    assert not _files(tmp_path), "an empty file in its place would hide the loss"
    assert not database.ping()


def test_a_file_put_in_the_place_of_ours_is_the_one_that_is_used(tmp_path: Path) -> None:
    database = open_database(sqlite_url(tmp_path / "here"))
    with database.transaction() as connection:
        insert_calls(connection, [a_call("before")])
    backup = open_database(sqlite_url(tmp_path / "there"))
    backup.close()
    for file in _files(tmp_path / "here").values():
        file.unlink()
    for name, file in _files(tmp_path / "there").items():
        file.rename(tmp_path / "here" / name)
    with database.transaction() as connection:
        insert_calls(connection, [a_call("after")])
    assert database.problem == ""
    with open_database(sqlite_url(tmp_path / "here")).looking() as connection:
        assert connection.execute(sa.select(AUDIT.c.call)).scalars().all() == ["after"]


def test_a_foreign_file_in_the_place_of_ours_is_not_written_to(tmp_path: Path) -> None:
    database = open_database(sqlite_url(tmp_path))
    assert database.ping()
    for file in _files(tmp_path).values():
        file.unlink()
    (tmp_path / "hyponatremia-cds.db").touch()
    assert not database.ping()
    assert database.problem == "wrong schema"


def test_the_migrations_make_exactly_the_tables_of_the_code(database: Database) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with database.transaction() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, METADATA) == []


def test_an_empty_sqlite_file_gets_to_the_letter_what_the_migrations_make(tmp_path: Path) -> None:
    """A first start does without them: the next release's migrations must find what they expect."""
    made, migrated = (
        make_engine(sqlite_url(tmp_path / "made")),
        make_engine(sqlite_url(tmp_path / "migrated")),
    )
    upgrade(made)
    with migrated.begin() as connection:
        connection.execute(sa.text("CREATE TABLE somebodys (x INTEGER)"))  # not empty
    upgrade(migrated)
    with migrated.begin() as connection:
        connection.execute(sa.text("DROP TABLE somebodys"))
    assert _as_written(made) == _as_written(migrated)


def _as_written(engine: sa.Engine) -> set[tuple[str, ...]]:
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT type, name, tbl_name, sql FROM sqlite_master"))
        found = {tuple(" ".join(str(cell).split()) for cell in row) for row in rows}
        assert revision(connection) == newest_revision()
    engine.dispose()
    return found


def test_tenant_comes_first_in_every_key() -> None:
    for table in METADATA.sorted_tables:
        assert table.primary_key.columns.keys()[0] == "tenant", table.name


def test_a_postgresql_without_our_schema_refuses_to_start_and_says_what_to_do(
    postgres: Server,
) -> None:
    with pytest.raises(SettingsError, match="cds-service db upgrade"):
        open_database(postgres.fresh("empty"))


def test_a_postgresql_of_an_older_release_refuses_to_start_until_it_is_upgraded(
    postgres: Server,
) -> None:
    url = postgres.fresh("older")
    engine = make_engine(url)
    upgrade(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    engine.dispose()
    with pytest.raises(SettingsError, match="cds-service db upgrade"):
        open_database(url)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_an_older_release_works_on_the_database_of_a_newer_one(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = (
        sqlite_url(tmp_path)
        if kind == "sqlite"
        else request.getfixturevalue("postgres").fresh("newer")
    )
    engine = make_engine(url)
    upgrade(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        connection.exec_driver_sql("ALTER TABLE tally ADD COLUMN later INTEGER")
        connection.exec_driver_sql("CREATE TABLE later (tenant VARCHAR(128) PRIMARY KEY)")
    engine.dispose()
    database = open_database(url)
    with database.transaction() as connection:
        insert_calls(connection, [a_call("older")])
        assert revision(connection) == "9999"
    assert database.ping()
    upgrade(database.engine)  # as `db upgrade` of the older release does
    with database.transaction() as connection:
        assert revision(connection) == "9999"
        assert connection.exec_driver_sql("SELECT sum(fired) FROM tally").scalar_one() == 1
    database.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_database_of_another_program_refuses_to_start(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = sqlite_url(tmp_path)
    if kind == "postgresql":
        url = request.getfixturevalue("postgres").fresh("other_program")
    engine = make_engine(url)
    upgrade(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '5e471e1aff00'")
    engine.dispose()
    with pytest.raises(SettingsError, match="not of this service"):
        open_database(url)


def test_a_postgresql_that_does_not_answer_starts_degraded_and_recovers(postgres: Server) -> None:
    url = postgres.fresh("later")
    upgrade(make_engine(url))
    postgres.stop()
    database = open_database(url)
    assert str(database.problem) == "unreachable"
    with pytest.raises(StoreUnavailable), database.transaction():
        pass
    postgres.start()
    assert database.ping()
    assert database.problem == ""
    database.engine.dispose()


def test_a_server_that_comes_back_with_another_schema_is_never_written_to(postgres: Server) -> None:
    url = postgres.fresh("foreign")
    postgres.stop()
    database = open_database(url)
    postgres.start()
    with pytest.raises(StoreUnavailable), database.transaction():
        pytest.fail("no work may begin")
    assert database.problem == "wrong schema"
    database.engine.dispose()


def test_an_error_never_shows_the_password(tmp_path: Path) -> None:
    for url in (
        "mysql://user:hunter2@host/db",
        "postgresql//user:hunter2@host/db",
        f"sqlite:///{tmp_path}",
    ):
        with pytest.raises(SettingsError) as caught:
            open_database(url)
        assert "hunter2" not in str(caught.value)
        assert caught.value.__cause__ is None


def test_instants_come_back_as_utc(database: Database) -> None:
    from cds_service.store.tables import Instant

    zone = dt.timezone(dt.timedelta(hours=5, minutes=30))
    instant = dt.datetime(2026, 11, 22, 1, 15, tzinfo=zone)
    table = sa.Table("moments", sa.MetaData(), sa.Column("at", Instant))
    with database.transaction() as connection:
        table.create(connection)
        connection.execute(sa.insert(table), {"at": instant})
        (found,) = connection.execute(sa.select(table.c.at)).scalars()
    assert found == instant
    assert found.utcoffset() == dt.timedelta(0)


def test_the_files_of_the_migrations_are_named_by_their_revisions() -> None:
    """Else a database would be taken for another release's, or be left as it is."""
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    assert known_revisions() == tuple(
        sorted(script.revision for script in scripts.walk_revisions())
    )
    assert newest_revision() == scripts.get_current_head()


def test_a_first_start_and_one_with_the_schema_in_place_do_without_the_migrations(
    tmp_path: Path,
) -> None:
    """They take longer to import than the rest of such a start."""
    program = (
        "import sys; from cds_service.store.engine import open_database\n"
        f"open_database({sqlite_url(tmp_path)!r}); print('alembic' in sys.modules)"
    )
    for _ in range(2):
        started = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        assert started.stdout == "False\n"


def test_two_starts_on_one_empty_sqlite_file_both_find_it_made(tmp_path: Path) -> None:
    """A second node, or a command beside the first start: neither is refused, and the file opens ever after."""
    for number in range(15):
        url = f"sqlite:///{tmp_path / f'{number}.db'}"
        together = threading.Barrier(2)

        def start(url: str = url, together: threading.Barrier = together) -> None:
            engine = make_engine(url)
            together.wait()
            upgrade(engine)

        with ThreadPoolExecutor(2) as pool:
            for started in [pool.submit(start), pool.submit(start)]:
                started.result()
        assert _tables(url) == _made


def test_two_upgrades_of_one_postgresql_wait_for_each_other(postgres: Server) -> None:
    """The pod of an older Job may still be at work: the second one finds the tables made."""
    url = postgres.fresh("twice")
    first, second = make_engine(url, patient=True), make_engine(url, patient=True)
    waiting = sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    with ThreadPoolExecutor(1) as pool:
        with first.begin() as connection:
            assert migrate(connection)
            other = pool.submit(upgrade, second)
            until(lambda: connection.scalar(waiting))
        other.result()
    with second.connect() as connection:
        assert revision(connection) == newest_revision()
    for engine in (first, second):
        engine.dispose()


@pytest.mark.parametrize("dies_at", [2, 3, 5])
def test_a_first_start_that_dies_half_way_leaves_a_file_that_the_next_one_opens(
    tmp_path: Path, dies_at: int
) -> None:
    url = f"sqlite:///{tmp_path / 'half.db'}"
    done = subprocess.run([sys.executable, "-c", _DIES, url, str(dies_at)], check=False)
    assert done.returncode == 7
    upgrade(make_engine(url))
    assert _tables(url) == _made


_DIES = """
import os, sys
import sqlalchemy as sa
from cds_service.store.engine import make_engine, upgrade
engine, seen = make_engine(sys.argv[1]), []
@sa.event.listens_for(engine, "before_cursor_execute")
def count(connection, cursor, statement, *_):
    seen.append(statement.lstrip().startswith("CREATE TABLE"))
    if sum(seen) == int(sys.argv[2]):
        os._exit(7)
upgrade(engine)
"""
_made = sorted([*METADATA.tables, "alembic_version"])


def _tables(url: str) -> list[str]:
    engine = make_engine(url)
    with engine.connect() as connection:
        assert revision(connection) == newest_revision()
    return sorted(sa.inspect(engine).get_table_names())
