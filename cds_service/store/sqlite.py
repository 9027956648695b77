"""How each connection to one of our SQLite files begins."""

from __future__ import annotations

import sqlite3
import time

_PAUSE_S = 0.02
_MS = 1000


def prepare(connection: sqlite3.Connection, *, busy_ms: int, synchronous: str) -> None:
    """Wait so long for another writer, and let readers go on beside one (WAL)."""
    connection.execute(f"PRAGMA busy_timeout={busy_ms}")
    _to_wal(connection, time.monotonic() + busy_ms / _MS)
    connection.execute(f"PRAGMA synchronous={synchronous}")


def _to_wal(connection: sqlite3.Connection, until: float) -> None:
    # A file is switched once in its life, and SQLite does not wait for others there, whatever busy_timeout says.
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(_PAUSE_S)
        else:
            return
