"""Identifiers of tokens that were used, so that none is used twice: shared by all workers and nodes."""

from __future__ import annotations

import sqlite3
import threading
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from cds_service.errors import SettingsError, StoreUnavailable
from cds_service.store import sqlite
from cds_service.store.statements import insert_new
from cds_service.store.tables import USED_TOKENS

_FILE = "replay.db"
_BUSY_MS = 500
_PURGE_EVERY = timedelta(minutes=1)


class UsedTokens:
    """The repository of used token identifiers."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._next_purge: datetime | None = None

    def first_use(self, tenant: str, digest: str, expires: datetime, now: datetime) -> bool:
        """Whether this identifier is new; it is then taken, in the same statement. StoreUnavailable on an outage."""
        row = {"tenant": tenant, "digest": digest, "expires": expires}
        try:
            with self._engine.begin() as connection:
                if self._is_time_to_purge(now):
                    connection.execute(sa.delete(USED_TOKENS).where(USED_TOKENS.c.expires < now))
                taken = connection.execute(insert_new(connection, USED_TOKENS), row).rowcount
        except sa.exc.SQLAlchemyError as error:
            raise StoreUnavailable(type(error).__name__) from None
        return taken == 1

    def _is_time_to_purge(self, now: datetime) -> bool:
        with self._lock:
            due = self._next_purge is None or now >= self._next_purge
            if due:
                self._next_purge = now + _PURGE_EVERY
            return due


def used_tokens_file(folder: Path) -> sa.Engine:
    """An SQLite file of its own: used tokens are written far more often than anything that must last."""
    folder.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(f"sqlite:///{folder / _FILE}")
    sa.event.listen(engine, "connect", _prepare)
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


def _prepare(connection: sqlite3.Connection, _: object) -> None:
    # A power cut may forget the last second's tokens; no call waits for the disk or for a stuck writer.
    sqlite.prepare(connection, busy_ms=_BUSY_MS, synchronous="NORMAL")
