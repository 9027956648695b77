"""Statements that SQLite and PostgreSQL spell alike but SQLAlchemy keeps apart.

Each is put together once: that takes longer than running it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql


def insert_new(connection: sa.Connection, table: sa.Table) -> sa.Executable:
    """Insert rows; those whose key is there already change nothing. `rowcount` says how many were new."""
    return _insert_new(connection.dialect.name, table)


def insert_adding(connection: sa.Connection, table: sa.Table, sums: Sequence[str]) -> sa.Executable:
    """Insert rows; where the key is there already these columns grow by the new row's."""
    return _insert_adding(connection.dialect.name, table, tuple(sums))


@cache
def _insert_new(dialect: str, table: sa.Table) -> sa.Executable:
    # Without the option SQLAlchemy forgets the count that PostgreSQL tells, and says -1.
    return (
        _insert(dialect, table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
    )


@cache
def _insert_adding(dialect: str, table: sa.Table, sums: tuple[str, ...]) -> sa.Executable:
    insert = _insert(dialect, table)
    grown = {name: table.c[name] + insert.excluded[name] for name in sums}
    return insert.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=grown)


def _insert(dialect: str, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    if dialect != "postgresql":
        return sqlite.insert(table)
    from sqlalchemy.dialects import (
        postgresql,
    )  # some twenty modules, which a start on SQLite does without

    return postgresql.insert(table)
