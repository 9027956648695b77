"""Inserts that SQLite and PostgreSQL spell alike but SQLAlchemy keeps apart.

Each statement is made once, because that takes longer than running it.
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
    """Returns a statement that inserts rows with a new key; `rowcount` is their number."""
    return _insert_new(connection.dialect.name, table)


def insert_adding(connection: sa.Connection, table: sa.Table, sums: Sequence[str]) -> sa.Executable:
    """Returns a statement that inserts rows, or adds the columns `sums` to the row of that key."""
    return _insert_adding(connection.dialect.name, table, tuple(sums))


@cache
def _insert_new(dialect: str, table: sa.Table) -> sa.Executable:
    insert = _insert(dialect, table).on_conflict_do_nothing()
    # Without the option SQLAlchemy loses the count that PostgreSQL sends, and gives -1.
    return insert.execution_options(preserve_rowcount=True)


@cache
def _insert_adding(dialect: str, table: sa.Table, sums: tuple[str, ...]) -> sa.Executable:
    insert = _insert(dialect, table)
    grown = {name: table.c[name] + insert.excluded[name] for name in sums}
    return insert.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=grown)


def _insert(dialect: str, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    if dialect != "postgresql":
        return sqlite.insert(table)
    # These are some twenty modules, which a start on SQLite does without.
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table)
