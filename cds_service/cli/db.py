"""`cds-service db`: bring the database to this release's schema, delete what is old, look at it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from cds_service.cli.store import the_database
from cds_service.store.engine import upgrade as upgrade_schema
from cds_service.store.retention import Cutoffs, contents
from cds_service.store.retention import prune as prune_rows


@click.group("db")
def command() -> None:
    """Look after the database that CDS_DATABASE_URL names (default: SQLite below CDS_DATA_DIR)."""


@command.command("upgrade")
def upgrade() -> None:
    """Bring the schema to this release's. SQLite is upgraded by the service itself; PostgreSQL by this."""
    _, database = the_database(any_schema=True)
    upgrade_schema(database.engine)
    click.echo(f"The schema is {contents(database).schema}.")


@command.command("prune")
def prune() -> None:
    """Delete what is older than the CDS_KEEP_..._DAYS settings say; run it every day.

    Comments in feedback go first; then feedback, issued cards and the audit of calls. Daily counts by rule
    and profile stay: they name no patient, no user and no card.
    """
    settings, database = the_database()
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


@command.command("status")
def status() -> None:
    """Print the schema, and how many rows there are. Ends with 1 where the schema is not this release's."""
    _, database = the_database(any_schema=True)
    found = contents(database)
    click.echo(f"Schema: {found.schema or 'none'}; this release works with {found.newest}.")
    for table, rows in found.rows.items():
        oldest = found.oldest.get(table)
        click.echo(f"{table}: {rows} rows" + (f", oldest {oldest:%Y-%m-%d}" if oldest else ""))
    if found.schema != found.newest:
        raise SystemExit(1)
