"""Finds out which schema a database has, and brings it to ours.

Alembic is imported only if there is something to migrate, because its import takes longer than the
rest of a start that finds its schema in place or an empty file.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import sqlalchemy as sa

from cds_service.store.tables import METADATA

_MIGRATIONS = Path(__file__).parent / "migrations"
_NUMBER = len("0001")
_UPGRADE_LOCK = 0x6364735F  # any number that no other program takes in this database
_LOCK_MS = 500  # whoever writes to a table waits behind the one who waits to change it
_LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL's code
_REVISION = re.compile(r"\d{4}", re.ASCII)
_VERSIONS = sa.Table(  # as alembic makes it
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


@cache
def known_revisions() -> tuple[str, ...]:
    """Returns the revisions of this release, oldest first; migration files are named by them."""
    return tuple(
        sorted(path.stem[:_NUMBER] for path in (_MIGRATIONS / "versions").glob("[0-9]*_*.py"))
    )


def newest_revision() -> str:
    """Returns the schema that this release works with."""
    return known_revisions()[-1]


def is_usable(present: str | None) -> bool:
    """Returns True for our schema and that of a later release, because migrations only add."""
    if present is None or not _REVISION.fullmatch(present):
        return False
    return present >= newest_revision()


def revision(connection: sa.Connection) -> str | None:
    """Returns the schema of a database, or None if it has none of ours."""
    if not sa.inspect(connection).has_table(_VERSIONS.name):
        return None
    number = connection.scalar(sa.select(_VERSIONS.c.version_num))
    return None if number is None else str(number)


def is_held(error: sa.exc.SQLAlchemyError) -> bool:
    """Returns True if a migration found a table in use, by a backup or a long query."""
    code = getattr(error.orig, "sqlstate", "") if isinstance(error, sa.exc.DBAPIError) else ""
    return bool(code == _LOCK_NOT_AVAILABLE)


def migrate(connection: sa.Connection) -> bool:
    """Brings the schema to the newest revision; returns False if the schema is not one of ours.

    The schema of a later release is left as it is. A database is migrated completely or not at all,
    by one process at a time, because two services may start on one file, two upgrades may be asked
    of one server, and each may be killed at any moment. Raises an error that `is_held` knows if
    somebody uses a table of a server meanwhile.
    """
    sqlite = connection.dialect.name == "sqlite"
    if is_usable(revision(connection)):
        return True
    if sqlite:
        # By itself sqlite3 begins a transaction before rows are changed, but not before tables are.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_LOCK_MS}")
        # The pod of an older Job may still be at work; held until the transaction is over.
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_UPGRADE_LOCK)))
    present = revision(connection)  # another start may have made the tables meanwhile
    if is_usable(present):
        return True
    if present is not None and present not in known_revisions():
        return False
    if sqlite and not sa.inspect(connection).get_table_names():
        # In an empty file this makes what all migrations would; a test compares the two.
        METADATA.create_all(connection)
        _VERSIONS.create(connection)
        connection.execute(sa.insert(_VERSIONS).values(version_num=newest_revision()))
        return True
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    return True
