"""`cds-service db` upgrades the database, deletes old rows and shows what is stored."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache

import click
from msgspec import to_builtins

from cds_service.cli.manners import Group
from cds_service.errors import SettingsError
from cds_service.settings import Settings, folder_of, settings_from_environment
from cds_service.store.engine import BEHIND, Database, make_engine, sqlite_url
from cds_service.store.engine import upgrade as upgrade_schema
from cds_service.store.retention import Contents, Cutoffs, contents
from cds_service.store.retention import prune as prune_rows
from cds_service.store.schema import is_usable


def open_database(*, any_schema: bool = False) -> tuple[Settings, Database]:
    """Opens the database that CDS_DATABASE_URL names, else the SQLite file in CDS_DATA_DIR.

    Raises SettingsError if the folder does not exist, if the database does not answer, or (unless
    `any_schema`) if its schema is not this release's.
    """
    settings = settings_from_environment()
    with folder_of("data_dir", settings.data_dir):
        has_no_store = not settings.database_url and not settings.data_dir.is_dir()
    if has_no_store:
        raise SettingsError(
            f"CDS_DATA_DIR: {settings.data_dir.absolute()} does not exist; nothing is stored yet"
        )
    url = settings.database_url or sqlite_url(settings.data_dir)
    database = Database(make_engine(url, patient=True))
    click.get_current_context().call_on_close(database.close)
    if any_schema or database.ping():
        return settings, database
    if database.problem == "wrong schema":
        raise SettingsError(f"CDS_DATABASE_URL: {BEHIND}")
    raise SettingsError("CDS_DATABASE_URL: the database does not answer")


@click.group("db", cls=Group)
def db() -> None:
    """Look after the database of the service.

    It is the one that CDS_DATABASE_URL names, or else SQLite below CDS_DATA_DIR.
    """


def _tell_once() -> Callable[[], None]:
    """Returns what says, at its first call, for what the upgrade waits."""

    @cache
    def tell() -> None:
        click.echo("A table is in use, by a backup or a long query. Waiting for it.", err=True)

    return tell


@db.command("upgrade")
def upgrade() -> None:
    """Bring the schema to this release's.

    The service upgrades SQLite by itself; PostgreSQL needs this command. Nodes of the older release
    go on beside it; a table that a backup uses is waited for.
    """
    _, database = open_database(any_schema=True)
    upgrade_schema(database.engine, _tell_once())
    click.echo(f"The schema is {contents(database).schema}.")


@db.command("prune")
def prune() -> None:
    """Delete old rows; run it every day.

    The CDS_KEEP_..._DAYS settings say how old. Comments in feedback go first; then feedback, issued
    cards and the audit of calls. Daily counts by rule and profile stay: they name no patient, no
    user and no card.
    """
    settings, database = open_database()
    now = datetime.now(UTC)
    cutoffs = Cutoffs(
        issued=now - timedelta(days=settings.keep_issued_days),
        feedback=now - timedelta(days=settings.keep_feedback_days),
        comments=now - timedelta(days=settings.keep_comments_days),
        audit=now - timedelta(days=settings.keep_audit_days),
        tokens=now,
    )
    deleted = prune_rows(database, cutoffs)
    click.echo("Deleted: " + ", ".join(f"{n} {what}" for what, n in deleted.items()) + ".")


def _show_status(stored: Contents) -> None:
    click.echo(f"Schema: {stored.schema or 'none'}; this release works with {stored.newest}.")
    for table, rows in stored.rows.items():
        line = f"{table}: {rows} rows"
        if oldest := stored.oldest.get(table):
            line += f", oldest {oldest:%Y-%m-%d}"
        click.echo(line)


@db.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def status(as_json: bool) -> None:
    """Print the schema and the number of rows.

    Exit code 1 if the schema is neither this release's nor a later one's.
    """
    _, database = open_database(any_schema=True)
    stored = contents(database)
    if as_json:
        click.echo(json.dumps(to_builtins(stored), indent=1))
    else:
        _show_status(stored)
    if not is_usable(stored.schema):
        raise SystemExit(1)
