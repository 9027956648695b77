"""The database: SQLite in a file by default, migrated by itself; any other by its URL."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from cds_service.errors import SettingsError


def open_database(url: str) -> sa.Engine:
    """An engine whose schema is current. SettingsError where the database cannot be opened."""
    try:
        engine = sa.create_engine(url)
        if engine.dialect.name == "sqlite":
            sa.event.listen(engine, "connect", _prepare_sqlite)
        migrate(engine)
    except (sa.exc.SQLAlchemyError, ImportError) as error:
        # The text of a database error may hold the URL with its password.
        raise SettingsError(
            f"CDS_DATABASE_URL: the database cannot be opened ({type(error).__name__})"
        ) from None
    return engine


def sqlite_url(folder: Path) -> str:
    """The URL of the SQLite file in a folder, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / 'hyponatremia-cds.db'}"


def migrate(engine: sa.Engine) -> None:
    """Bring the schema to the newest revision; does nothing where it is there already."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _prepare_sqlite(connection: object, _: object) -> None:
    # WAL lets readers go on while a feedback is written; FULL makes an acknowledged one survive a power cut.
    cursor = connection.cursor()  # type: ignore[attr-defined]  # a DB-API connection has no common type
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
