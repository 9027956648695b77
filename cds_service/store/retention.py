"""Deletes old rows, and lists what a database holds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from cds_service.store.engine import Database
from cds_service.store.feedback import COMMENT, without_comment
from cds_service.store.schema import newest_revision, revision
from cds_service.store.tables import AUDIT, FEEDBACK, ISSUED, METADATA, USED_TOKENS

_BATCH = 2000  # rows of one transaction: feedback waits for it on SQLite


class Cutoffs(Struct, frozen=True, kw_only=True):
    """The times before which rows are deleted."""

    issued: datetime
    feedback: datetime
    comments: datetime
    audit: datetime
    tokens: datetime


class Contents(Struct, frozen=True, kw_only=True):
    """The schema of a database, and the number and age of its rows."""

    schema: str | None
    newest: str | None
    rows: dict[str, int]
    oldest: dict[str, datetime | None]


_TIMES = {"issued": ISSUED.c.issued_at, "feedback": FEEDBACK.c.received_at, "audit": AUDIT.c.at}


def prune(database: Database, cutoffs: Cutoffs) -> dict[str, int]:
    """Deletes older rows and returns their number by table; daily counts (TALLY) stay."""
    deleted = {
        "comments": _drop_comments(database, cutoffs.comments),
        "feedback": _delete(database, FEEDBACK, FEEDBACK.c.received_at, cutoffs.feedback),
        "issued": _delete(database, ISSUED, ISSUED.c.issued_at, cutoffs.issued),
        "audit": _delete(database, AUDIT, AUDIT.c.at, cutoffs.audit),
        "replay": _delete(database, USED_TOKENS, USED_TOKENS.c.expires, cutoffs.tokens),
    }
    _empty_the_log(database)
    return deleted


def contents(database: Database) -> Contents:
    """Returns the number of rows in each table, the times of the oldest, and the schema.

    The database may have another schema; tables that it does not have are left out.
    """
    with database.looking() as connection:
        there = set(sa.inspect(connection).get_table_names())
        tables = [t for t in METADATA.sorted_tables if t.name in there]
        return Contents(
            schema=revision(connection),
            newest=newest_revision(),
            rows={
                t.name: connection.execute(sa.select(sa.func.count()).select_from(t)).scalar_one()
                for t in tables
            },
            oldest={
                name: connection.execute(sa.select(sa.func.min(column))).scalar_one()
                for name, column in _TIMES.items()
                if name in there
            },
        )


def _delete(database: Database, table: sa.Table, time: sa.Column[Any], before: datetime) -> int:
    key = sa.tuple_(*table.primary_key.columns)
    old = sa.select(*table.primary_key.columns).where(time < before).limit(_BATCH)
    statement = sa.delete(table).where(key.in_(old))
    return _in_batches(database, lambda connection: connection.execute(statement).rowcount)


def _drop_comments(database: Database, before: datetime) -> int:
    c = FEEDBACK.c
    commented = sa.cast(c.content, sa.Text).like(f'%"{COMMENT}"%')
    old = (
        sa.select(c.tenant, c.card, c.digest, c.content)
        .where(c.received_at < before, commented)
        .limit(_BATCH)
    )

    def drop_some(connection: sa.Connection) -> int:
        rows = connection.execute(old).all()
        for tenant, card, digest, content in rows:
            key = (c.tenant == tenant, c.card == card, c.digest == digest)
            change = sa.update(FEEDBACK).where(*key).values(content=without_comment(content))
            connection.execute(change)
        return len(rows)

    return _in_batches(database, drop_some)


def _empty_the_log(database: Database) -> None:
    """Writes SQLite's log into the file and cuts it, because it would keep its largest size."""
    if not database.is_sqlite:
        return
    with database.looking() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def _in_batches(database: Database, step: Callable[[sa.Connection], int]) -> int:
    """Repeats a step, each time in a transaction of its own, until it changes less than a batch."""
    total = 0
    while True:
        with database.transaction() as connection:
            if connection.dialect.name == "sqlite":
                # Without it deleted text stays in the file for a while.
                connection.exec_driver_sql("PRAGMA secure_delete=ON")
            number = step(connection)
        total += number
        if number < _BATCH:
            return total
