"""How long rows are kept: deleting what is old, and what is left afterwards."""

from __future__ import annotations

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
    """Rows from before these times go."""

    issued: datetime
    feedback: datetime
    comments: datetime
    audit: datetime
    tokens: datetime


class Contents(Struct, frozen=True, kw_only=True):
    """What a database holds."""

    schema: str | None
    newest: str | None
    rows: dict[str, int]
    oldest: dict[str, datetime | None]


_TIMES = {"issued": ISSUED.c.issued_at, "feedback": FEEDBACK.c.received_at, "audit": AUDIT.c.at}


def prune(database: Database, cutoffs: Cutoffs) -> dict[str, int]:
    """Delete what is older, batch by batch; the number of rows by table. Daily counts (TALLY) stay."""
    return {
        "comments": _drop_comments(database, cutoffs.comments),
        "feedback": _delete(database, FEEDBACK, FEEDBACK.c.received_at, cutoffs.feedback),
        "issued": _delete(database, ISSUED, ISSUED.c.issued_at, cutoffs.issued),
        "audit": _delete(database, AUDIT, AUDIT.c.at, cutoffs.audit),
        "replay": _delete(database, USED_TOKENS, USED_TOKENS.c.expires, cutoffs.tokens),
    }


def contents(database: Database) -> Contents:
    """How many rows there are in each table, from when the oldest are, and which schema it is.

    It may be asked of a database with another schema: tables that are not there are left out.
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
    deleted = 0
    while True:
        with database.transaction() as connection:
            _erase_for_good(connection)
            number = connection.execute(sa.delete(table).where(key.in_(old))).rowcount
        deleted += number
        if number < _BATCH:
            return deleted


def _drop_comments(database: Database, before: datetime) -> int:
    c = FEEDBACK.c
    commented = sa.cast(c.content, sa.Text).like(f'%"{COMMENT}"%')
    old = (
        sa.select(c.tenant, c.card, c.digest, c.content)
        .where(c.received_at < before, commented)
        .limit(_BATCH)
    )
    change = sa.update(FEEDBACK).where(
        c.tenant == sa.bindparam("of"), c.card == sa.bindparam("on"), c.digest == sa.bindparam("is")
    )
    dropped = 0
    while True:
        with database.transaction() as connection:
            _erase_for_good(connection)
            rows = connection.execute(old).all()
            for tenant, card, digest, content in rows:
                left = without_comment(content)
                connection.execute(
                    change.values(content=left), {"of": tenant, "on": card, "is": digest}
                )
        dropped += len(rows)
        if len(rows) < _BATCH:
            return dropped


def _erase_for_good(connection: sa.Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(
            "PRAGMA secure_delete=ON"
        )  # else deleted text stays in the file for a while
