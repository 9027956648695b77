"""Opens the database: by default an SQLite file, which is migrated at the start.

A PostgreSQL database is given by its URL, and migrated by a command.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa

from cds_service.errors import SettingsError, StoreUnavailable
from cds_service.store.desk import Desk
from cds_service.store.files import WatchedFile, file_of, make_private
from cds_service.store.schema import is_held, is_usable, known_revisions, migrate, revision

Problem = Literal["", "unreachable", "wrong schema", "does not take writes", "its file is gone"]
BEHIND = "the schema of the database is not this release's; run `cds-service db upgrade`"
FOREIGN = "the schema of the database is not of this service"
HELD = "another transaction keeps a table in use, such as a backup; upgrade after it"

_POSTGRESQL = "postgresql+psycopg"
_SERVER_LIMITS = {
    "pool_pre_ping": True,  # replaces a connection that a restart of the server broke
    "pool_size": 8,
    "max_overflow": 4,
    "pool_timeout": 2,
}
_WIRE_LIMITS = {
    "connect_timeout": 2,
    "tcp_user_timeout": 5000,
    "keepalives_idle": 5,  # the host behind an address may be another one since
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "application_name": "hyponatremia-cds",
    # A prepared statement belongs to one connection of the server; behind PgBouncer with pooled
    # transactions the next client gets that connection, and its statement is there twice or never.
    "prepare_threshold": None,
}
_THIS_MACHINE = ("", "127.0.0.1", "localhost", "::1")
_BUSY_MS = 5000
_MS = 1000
_WAL_PAUSE_S = 0.02
_UPGRADE_S = 1500  # less than the Job of deploy/kubernetes may take
_UPGRADE_PAUSE_S = 2  # for all that waited behind an attempt
_LARGEST_WAL_BYTES = 64_000_000  # what a checkpoint leaves of a log that grew beyond it
_STATEMENT_LIMIT = "-c statement_timeout=5000"
_NO_STATEMENT_LIMIT = "-c statement_timeout=0"  # the role may have one of its own


class RowRefused(Exception):
    """The database works and refuses this row, so the row is wrong."""


class Database:
    """One database and its health; all threads share it, and a fork opens it again."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.problem: Problem = ""
        self.desk = Desk(self._note_silence)
        self._schema_seen = False
        self._file = WatchedFile(engine)
        self._lock = threading.Lock()

    @property
    def is_sqlite(self) -> bool:
        """True for a file of our own, which needs no operator."""
        return self.engine.dialect.name == "sqlite"

    @property
    def shown(self) -> str:
        """Which database this is, without its user and its password."""
        url = self.engine.url
        kind = url.get_backend_name()
        return f"{kind} {url.database}" if not url.host else f"{kind} {url.host}/{url.database}"

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Gives a connection whose work is committed at the end, or not at all.

        Raises StoreUnavailable (503) if the database cannot do the work now, and RowRefused if it
        never will.
        """
        self._look_at_file()
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
        """Gives a connection for reading, to any schema; SettingsError if there is no database."""
        try:
            with self.engine.connect() as connection:
                yield connection
        except sa.exc.SQLAlchemyError as error:
            raise _unopened(error) from None

    def ping(self) -> bool:
        """Returns True if the database works and has our schema; brings `problem` up to date."""
        known = self.problem
        try:
            with self.transaction() as connection:
                connection.execute(sa.text("SELECT 1"))
        except StoreUnavailable:
            return False
        if known == "does not take writes":
            self.problem = known  # only a write can show that it is over
        return True

    def _note_silence(self) -> None:
        self.problem = "unreachable"  # until a transaction succeeds

    def close(self) -> None:
        """Closes all connections."""
        self.engine.dispose()

    def reopen(self) -> None:
        """Leaves the connections to the parent; a process calls this after it was forked."""
        self.engine.dispose(close=False)

    def _look_at_file(self) -> None:
        """Opens a file that was put in the place of ours; refuses to write if there is no file."""
        if not self._file.is_another:
            return
        self.engine.dispose()
        self._schema_seen = False
        if self._file.is_gone:
            # Connecting would make a new and empty file.
            self.problem = "its file is gone"
            raise StoreUnavailable("FileGone")
        self._file.accept()

    def _look_at_schema(self, connection: sa.Connection) -> None:
        """Checks the schema once, because a server that was down at the start may hold another."""
        if self._schema_seen:
            return
        if not is_usable(revision(connection)):
            self.problem = "wrong schema"
            raise StoreUnavailable("WrongSchema")
        with self._lock:
            self._schema_seen = True


def open_database(url: str) -> Database:
    """Opens the database of a deployment, and brings an SQLite file to our schema.

    Raises SettingsError for a PostgreSQL database with another schema, and for a database that
    cannot be opened at all. If a PostgreSQL server does not answer now, `problem` is set.
    """
    engine = make_engine(url)
    if path := file_of(engine):
        _keep_private(path)
    database = Database(engine)
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


def refuse_unchecked(url: str) -> None:
    """Raises SettingsError if the database is on another machine and nothing checks which one.

    Without `sslmode=verify-full` anybody between the two machines can answer in its place. A URL
    that cannot be read passes: `open_database` names that fault better.
    """
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        return
    if parsed.get_backend_name() == "sqlite" or parsed.query.get("sslmode") == "verify-full":
        return
    hosts = [parsed.host or "", *_hosts(parsed.query.get("host"))]
    hosts += _hosts(parsed.query.get("hostaddr"))
    if not all(host in _THIS_MACHINE or host.startswith("/") for host in hosts):
        raise SettingsError(
            "CDS_DATABASE_URL: production checks the certificate of a database on another machine; "
            "add ?sslmode=verify-full&sslrootcert=/path/ca.pem"
        )


def _hosts(value: str | tuple[str, ...] | None) -> list[str]:
    """Returns the hosts that one parameter of the URL names."""
    texts = (value,) if isinstance(value, str) else value or ()
    return [host for text in texts for host in text.split(",")]


def _keep_private(path: Path) -> None:
    try:
        make_private(path)
    except OSError as error:
        raise SettingsError(
            f"CDS_DATABASE_URL: the file cannot be opened ({type(error).__name__})"
        ) from None


def make_engine(url: str, *, patient: bool = False) -> sa.Engine:
    """Returns an engine for this URL; a `patient` one has no time limit for a statement."""
    try:
        parsed = sa.make_url(url)
        if parsed.get_backend_name() not in ("sqlite", "postgresql", "postgres"):
            raise SettingsError("CDS_DATABASE_URL: use sqlite:///... or postgresql://...")
        if parsed.get_backend_name() != "sqlite":
            parsed = parsed.set(drivername=_POSTGRESQL)
            options = _NO_STATEMENT_LIMIT if patient else _STATEMENT_LIMIT
            wire = {**_WIRE_LIMITS, "options": options}
            engine = sa.create_engine(parsed, connect_args=wire, **_SERVER_LIMITS)
            if not patient:
                _give_up_silent_servers(engine)
            return engine
        engine = sa.create_engine(parsed)
    except ImportError:
        raise SettingsError(
            "CDS_DATABASE_URL: the driver is not installed; install the extra [postgresql] "
            "(docs/operations.md)"
        ) from None
    except sa.exc.SQLAlchemyError as error:
        raise _unopened(error) from None
    # FULL makes an acknowledged feedback survive a power cut.
    prepare_connections(engine, busy_ms=_BUSY_MS, synchronous="FULL")
    return engine


def _give_up_silent_servers(engine: sa.Engine) -> None:
    from cds_service.store.postgresql import BoundedConnection  # its driver may not be installed

    def connect(_: object, __: object, arguments: list[str], options: dict[str, Any]) -> object:
        return BoundedConnection.connect(*arguments, **options)

    sa.event.listen(engine, "do_connect", connect)


def prepare_connections(engine: sa.Engine, *, busy_ms: int, synchronous: str) -> None:
    """Sets up each connection to an SQLite file of ours.

    A connection waits for another writer for `busy_ms`, and readers go on beside a writer (WAL).
    """

    def prepare(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(f"PRAGMA busy_timeout={busy_ms}")
        _switch_to_wal(connection, time.monotonic() + busy_ms / _MS)
        connection.execute(f"PRAGMA journal_size_limit={_LARGEST_WAL_BYTES}")
        connection.execute(f"PRAGMA synchronous={synchronous}")

    sa.event.listen(engine, "connect", prepare)


def _switch_to_wal(connection: sqlite3.Connection, until: float) -> None:
    # A file is switched once in its life, and busy_timeout has no effect on that statement.
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_WAL_PAUSE_S)
        else:
            return


def sqlite_url(folder: Path) -> str:
    """Returns the URL of the SQLite file in a folder; makes the folder if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / 'hyponatremia-cds.db'}"


def upgrade(engine: sa.Engine, on_wait: Callable[[], object] = lambda: None) -> None:
    """Brings the schema to the newest revision, if it is not there or beyond it already.

    A table of a server that somebody uses, such as a backup, is waited for in many short attempts,
    because every node that writes would wait behind a long one. Calls `on_wait` after each of them.
    """
    end = time.monotonic() + _UPGRADE_S
    while not _upgraded(engine):
        if time.monotonic() > end:
            raise SettingsError(f"CDS_DATABASE_URL: {HELD}")
        on_wait()
        time.sleep(_UPGRADE_PAUSE_S)


def _upgraded(engine: sa.Engine) -> bool:
    """Returns True after the migration, and False if a table is in use."""
    try:
        with engine.begin() as connection:
            if not migrate(connection):
                raise SettingsError(f"CDS_DATABASE_URL: {FOREIGN}")
    except sa.exc.SQLAlchemyError as error:
        if not is_held(error):
            raise _unopened(error) from None
        return False
    finally:
        engine.dispose()
    return True


def _refuse_other_schema(connection: sa.Connection) -> None:
    present = revision(connection)
    if is_usable(present):
        return
    if present is None or present in known_revisions():
        raise SettingsError(f"CDS_DATABASE_URL: {BEHIND}")
    raise SettingsError(f"CDS_DATABASE_URL: {FOREIGN}")


def _unopened(error: Exception) -> SettingsError:
    # The text of a database error may hold the URL with its password.
    return SettingsError(
        f"CDS_DATABASE_URL: the database cannot be opened ({type(error).__name__})"
    )


def _kind(error: sa.exc.SQLAlchemyError) -> Problem:
    """Tells a server that did not answer from one that could not write, say by a full disk."""
    if isinstance(error, sa.exc.TimeoutError):
        return "unreachable"
    if isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated:
        return "unreachable"
    if isinstance(error, sa.exc.OperationalError) and error.statement is None:
        return "unreachable"  # it broke while it connected
    return "does not take writes"
