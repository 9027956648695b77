"""Which schema a database has, and how it gets ours.

Alembic is imported only where there is something to migrate: it takes longer to import than the rest of a start
that finds its schema in place, or an empty file to put it in.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import sqlalchemy as sa

from cds_service.store.tables import METADATA

_MIGRATIONS = Path(__file__).parent / "migrations"
_NUMBER = len("0001")
_VERSIONS = sa.Table(  # as alembic makes it
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


@cache
def known_revisions() -> tuple[str, ...]:
    """The revisions of this release, oldest first; the files of migrations are named by them."""
    return tuple(
        sorted(path.stem[:_NUMBER] for path in (_MIGRATIONS / "versions").glob("[0-9]*_*.py"))
    )


def newest_revision() -> str:
    """The schema that this release works with."""
    return known_revisions()[-1]


def revision(connection: sa.Connection) -> str | None:
    """The schema that a database has; None where it has none of ours."""
    if not sa.inspect(connection).has_table(_VERSIONS.name):
        return None
    found = connection.scalar(sa.select(_VERSIONS.c.version_num))
    return None if found is None else str(found)


def migrate(connection: sa.Connection) -> bool:
    """Bring the schema to the newest revision; False where it is one that this release does not know.

    In SQLite, all of it or nothing: two may start on one file, and each may be killed at any moment.
    """
    found = revision(connection)
    if found == newest_revision():
        return True
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(
            "BEGIN IMMEDIATE"
        )  # sqlite3 itself begins before rows only, not before tables
        found = revision(connection)  # another start may have made them meanwhile
        if found == newest_revision():
            return True
    if found is not None and found not in known_revisions():
        return False
    if connection.dialect.name == "sqlite" and not sa.inspect(connection).get_table_names():
        _make(connection)
        return True
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    return True


def _make(connection: sa.Connection) -> None:
    """In an empty SQLite file, what all migrations would make one after the other; a test compares the two."""
    METADATA.create_all(connection)
    _VERSIONS.create(connection)
    connection.execute(sa.insert(_VERSIONS).values(version_num=newest_revision()))
