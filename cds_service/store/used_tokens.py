"""Stores which tokens were used, for all workers and nodes, so that none is used twice."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from cds_service.errors import SettingsError, StoreUnavailable
from cds_service.store.desk import Desk
from cds_service.store.engine import prepare_connections
from cds_service.store.files import WatchedFile, make_private
from cds_service.store.statements import insert_new
from cds_service.store.tables import USED_TOKENS

_FILE = "replay.db"
_BUSY_MS = 250  # below what a call waits, so that the reason of a failure is known
_PURGE_EVERY = timedelta(minutes=1)


class UsedTokens:
    """The table of used token identifiers."""

    def __init__(self, engine: sa.Engine, desk: Desk | None = None) -> None:
        """`desk` is that of the database if this table is in one that has other tables too."""
        self._engine = engine
        self._desk = desk or Desk()
        self._file = WatchedFile(engine)
        self._lock = threading.Lock()
        self._next_purge: datetime | None = None

    def first_use(self, tenant: str, digest: str, expires: datetime, now: datetime) -> bool:
        """Takes this identifier, and returns True if it was new, in one statement.

        Raises StoreUnavailable on an outage.
        """
        return self._desk.ask(partial(self._first_use, tenant, digest, expires, now))

    def forget(self, tenant: str, digest: str) -> None:
        """Makes an identifier new again. Raises StoreUnavailable on an outage."""
        self._desk.ask(partial(self._forget, tenant, digest))

    def _first_use(self, tenant: str, digest: str, expires: datetime, now: datetime) -> bool:
        row = {"tenant": tenant, "digest": digest, "expires": expires}
        if self._file.is_another:
            raise StoreUnavailable("FileGone")  # the other workers may write into another file
        try:
            with self._engine.begin() as connection:
                if self._is_time_to_purge(now):
                    connection.execute(sa.delete(USED_TOKENS).where(USED_TOKENS.c.expires < now))
                taken = connection.execute(insert_new(connection, USED_TOKENS), row).rowcount
        except sa.exc.SQLAlchemyError as error:
            raise StoreUnavailable(type(error).__name__) from None
        return taken == 1

    def _forget(self, tenant: str, digest: str) -> None:
        c = USED_TOKENS.c
        try:
            with self._engine.begin() as connection:
                given_back = sa.delete(USED_TOKENS).where(c.tenant == tenant, c.digest == digest)
                connection.execute(given_back)
        except sa.exc.SQLAlchemyError as error:
            raise StoreUnavailable(type(error).__name__) from None

    def _is_time_to_purge(self, now: datetime) -> bool:
        with self._lock:
            due = self._next_purge is None or now >= self._next_purge
            if due:
                self._next_purge = now + _PURGE_EVERY
            return due


def used_tokens_file(folder: Path) -> sa.Engine:
    """Opens an SQLite file for used tokens only, because they are written far more often."""
    folder.mkdir(parents=True, exist_ok=True)
    _keep_private(folder / _FILE)
    engine = sa.create_engine(f"sqlite:///{folder / _FILE}")
    # A power cut may forget the tokens of the last second; no call waits for the disk.
    prepare_connections(engine, busy_ms=_BUSY_MS, synchronous="NORMAL")
    try:
        # "If not exists" in the statement itself: several workers may start at once.
        with engine.begin() as connection:
            connection.execute(sa.schema.CreateTable(USED_TOKENS, if_not_exists=True))
            for index in USED_TOKENS.indexes:
                connection.execute(sa.schema.CreateIndex(index, if_not_exists=True))
    except sa.exc.SQLAlchemyError as error:
        raise SettingsError(
            f"CDS_DATA_DIR: {_FILE} cannot be made ({type(error).__name__})"
        ) from None
    return engine


def _keep_private(path: Path) -> None:
    try:
        make_private(path)
    except OSError as error:
        raise SettingsError(
            f"CDS_DATA_DIR: {path.name} cannot be made ({type(error).__name__})"
        ) from None
