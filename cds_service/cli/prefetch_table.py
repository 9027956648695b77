"""`cds-service prefetch-table`: what an EHR's analyst types in."""

from __future__ import annotations

import sys

import click

from cds_service.knowledge.load import default_hooks_dir, load_knowledge
from cds_service.protocol.wire import encode


@click.command("prefetch-table")
@click.option("--service", help="One service only.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(service: str | None, as_json: bool) -> None:
    """Print each prefetch key and its template, for EHRs that do not read discovery (Epic)."""
    services = load_knowledge(default_hooks_dir()).services
    if service is not None and service not in services:
        raise click.BadParameter(f"there are: {', '.join(services)}", param_hint="--service")
    tables = {id_: dict(s.prefetch) for id_, s in services.items() if service in (None, id_)}
    if as_json:
        sys.stdout.write(encode(tables).decode() + "\n")
        return
    for id_, table in tables.items():
        click.echo(f"{id_}\n")
        for key, template in table.items():
            click.echo(f"{key}\n    {template}\n")
