"""What the commands share that work on the store: which database, and opened without a service."""

from __future__ import annotations

import click

from cds_service.errors import SettingsError
from cds_service.settings import Settings, settings_from_environment
from cds_service.store.engine import BEHIND, Database, make_engine, sqlite_url


def the_database(*, any_schema: bool = False) -> tuple[Settings, Database]:
    """The database that CDS_DATABASE_URL names, else the SQLite file in CDS_DATA_DIR, which must be there.

    SettingsError where it does not answer, or has another schema than this release's.
    """
    settings = settings_from_environment()
    if not settings.database_url and not settings.data_dir.is_dir():
        raise SettingsError("CDS_DATA_DIR: there is no such folder; nothing has been stored yet")
    url = settings.database_url or sqlite_url(settings.data_dir)
    database = Database(make_engine(url, patient=True))
    click.get_current_context().call_on_close(database.close)
    if not any_schema and not database.ping():
        wrong = database.problem == "wrong schema"
        raise SettingsError(
            f"CDS_DATABASE_URL: {BEHIND if wrong else 'the database does not answer'}"
        )
    return settings, database
