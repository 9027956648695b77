"""Statements that SQLite and PostgreSQL spell alike but SQLAlchemy keeps apart."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite


def insert_new(connection: sa.Connection, table: sa.Table) -> sa.Executable:
    """Insert rows; those whose key is there already change nothing. `rowcount` says how many were new."""
    # Without the option SQLAlchemy forgets the count that PostgreSQL tells, and says -1.
    return _insert(connection, table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)


def insert_adding(connection: sa.Connection, table: sa.Table, sums: Sequence[str]) -> sa.Executable:
    """Insert rows; where the key is there already these columns grow by the new row's."""
    insert = _insert(connection, table)
    grown = {name: table.c[name] + insert.excluded[name] for name in sums}
    return insert.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=grown)


def _insert(connection: sa.Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
