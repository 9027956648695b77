"""The database: SQLite in a file by default, migrated by itself; PostgreSQL by its URL, migrated by command."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from cds_service.errors import SettingsError, StoreUnavailable
from cds_service.store import sqlite
from cds_service.store.schema import known_revisions, migrate, newest_revision, revision

Problem = Literal["", "unreachable", "wrong schema", "does not take writes"]
BEHIND = "the schema of the database is not this release's; run `cds-service db upgrade`"
NEWER = "the database was made by a newer release of this service"

_POSTGRESQL = "postgresql+psycopg"
_SERVER_LIMITS = {
    "pool_pre_ping": True,  # a connection that a restart of the server broke is replaced before it is used
    "pool_size": 8,
    "max_overflow": 4,
    "pool_timeout": 2,
}
_WIRE_LIMITS = {
    "connect_timeout": 2,
    "tcp_user_timeout": 5000,
    "application_name": "hyponatremia-cds",
}
_BUSY_MS = 5000
_STATEMENT_LIMIT = "-c statement_timeout=5000"


class RowRefused(Exception):
    """The database answers, and refuses this row: the row is wrong, not the database."""


class Database:
    """One database and what is known of its health; shared by all threads, opened again after a fork."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.problem: Problem = ""
        self._schema_seen = False
        self._lock = threading.Lock()

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of ours, which needs no operator."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """A connection whose work is committed at the end, or not at all.

        StoreUnavailable (503) where the database cannot do it now, RowRefused where it never will.
        """
        try:
            with self.engine.begin() as connection:
                self._look_at_schema(connection)
                yield connection
        except (sa.exc.DataError, sa.exc.IntegrityError, UnicodeEncodeError) as error:
            raise RowRefused(type(error).__name__) from None
        except sa.exc.SQLAlchemyError as error:
            self.problem = _kind(error)
            raise StoreUnavailable(type(error).__name__) from None
        self.problem = ""

    @contextmanager
    def looking(self) -> Iterator[sa.Connection]:
        """A connection to a database of any schema, for reading. SettingsError where there is none."""
        try:
            with self.engine.connect() as connection:
                yield connection
        except sa.exc.SQLAlchemyError as error:
            raise _unopened(error) from None

    def ping(self) -> bool:
        """Whether it answers now and has our schema; `problem` is up to date afterwards."""
        known = self.problem
        try:
            with self.transaction() as connection:
                connection.execute(sa.text("SELECT 1"))
        except StoreUnavailable:
            return False
        if known == "does not take writes":
            self.problem = known  # only a write can tell that it is over
        return True

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()

    def reopen(self) -> None:
        """Leave inherited connections to the parent: what a process does after it was forked."""
        self.engine.dispose(close=False)

    def _look_at_schema(self, connection: sa.Connection) -> None:
        """Once: a server that was down when we started may turn out to hold another schema."""
        if self._schema_seen:
            return
        if revision(connection) != newest_revision():
            self.problem = "wrong schema"
            raise StoreUnavailable("WrongSchema")
        with self._lock:
            self._schema_seen = True


def open_database(url: str) -> Database:
    """The database of a deployment.

    SQLite is brought to our schema. A PostgreSQL with another schema, and whatever cannot be opened at all,
    is a SettingsError; a PostgreSQL that does not answer now is opened with `problem` set.
    """
    database = Database(make_engine(url))
    if database.is_sqlite:
        upgrade(database.engine)
        return database
    try:
        with database.engine.connect() as connection:
            _refuse_other_schema(connection)
    except sa.exc.OperationalError:
        database.problem = "unreachable"
    except sa.exc.SQLAlchemyError as error:
        raise _unopened(error) from None
    finally:
        database.engine.dispose()  # the workers open connections of their own
    return database


def make_engine(url: str, *, patient: bool = False) -> sa.Engine:
    """An engine for this URL; a `patient` one may take its time over a statement."""
    try:
        parsed = sa.make_url(url)
        if parsed.get_backend_name() not in ("sqlite", "postgresql", "postgres"):
            raise SettingsError("CDS_DATABASE_URL: use sqlite:///... or postgresql://...")
        if parsed.get_backend_name() != "sqlite":
            parsed = parsed.set(drivername=_POSTGRESQL)
            wire: dict[str, object] = dict(_WIRE_LIMITS)
            if not patient:
                wire["options"] = _STATEMENT_LIMIT
            return sa.create_engine(parsed, connect_args=wire, **_SERVER_LIMITS)
        engine = sa.create_engine(parsed)
    except ImportError:
        raise SettingsError(
            "CDS_DATABASE_URL: the driver is not installed; install hyponatremia-cds[postgresql]"
        ) from None
    except sa.exc.SQLAlchemyError as error:
        raise _unopened(error) from None
    sa.event.listen(engine, "connect", _prepare_sqlite)
    return engine


def sqlite_url(folder: Path) -> str:
    """The URL of the SQLite file in a folder, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / 'hyponatremia-cds.db'}"


def upgrade(engine: sa.Engine) -> None:
    """Bring the schema to the newest revision; does nothing where it is there already."""
    try:
        with engine.begin() as connection:
            if not migrate(connection):
                raise SettingsError(f"CDS_DATABASE_URL: {NEWER}")
    except sa.exc.SQLAlchemyError as error:
        raise _unopened(error) from None
    finally:
        engine.dispose()


def _refuse_other_schema(connection: sa.Connection) -> None:
    found = revision(connection)
    if found == newest_revision():
        return
    known = found is None or found in known_revisions()
    raise SettingsError(f"CDS_DATABASE_URL: {BEHIND if known else NEWER}")


def _unopened(error: Exception) -> SettingsError:
    # The text of a database error may hold the URL with its password.
    return SettingsError(
        f"CDS_DATABASE_URL: the database cannot be opened ({type(error).__name__})"
    )


def _kind(error: sa.exc.SQLAlchemyError) -> Problem:
    """Whether nobody answered, or somebody who could not write (a full disk, a read-only server)."""
    broken = isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated
    connecting = isinstance(error, sa.exc.OperationalError) and error.statement is None
    timeout = isinstance(error, sa.exc.TimeoutError)
    return "unreachable" if broken or connecting or timeout else "does not take writes"


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    # FULL makes an acknowledged feedback survive a power cut.
    sqlite.prepare(connection, busy_ms=_BUSY_MS, synchronous="FULL")
