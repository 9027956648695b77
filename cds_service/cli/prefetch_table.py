"""`cds-service prefetch-table`: what an EHR's analyst types in, query by query."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import click
from msgspec import Struct, field

from cds_service.cli.vendors import VENDORS, Vendor
from cds_service.knowledge.load import Service, load_knowledge
from cds_service.pipeline import HOOKS
from cds_service.protocol.wire import encode
from cds_service.records.gather import EXTRA_TEMPLATES
from cds_service.records.site_codes import asking_for, site_codes
from cds_service.settings import Settings, settings_from_environment
from cds_service.trust.registry import Client, ExtraSource, Registry

# What happens without each key: docs/reading-records.md says it at length, a test holds it true.
WITHOUT: Mapping[str, str] = {
    "patient": "age is not known: warnings are shown, no fluid restriction, no stop of a drug is offered",
    "encounter": "judged by the times that hold in hospital, and the card says so",
    "sodium": "REQUIRED: no advice at all (412, or a card that says so)",
    "glucose": "sodium is not corrected for high glucose, and the card says so",
    "labs": "potassium, kidney, osmolality, blood pressure and weight are not checked, and the card says so",
    "conditions": "symptoms and causes are not checked: no fluid restriction, no stop of a drug is offered",
    "medications": "causes among the drugs are not checked: no fluid restriction, no stop of a drug is offered",
}
SOMEWHERE = "https://<where this service is reached>"


class Asked(Struct, frozen=True, kw_only=True):
    """For whom the table is printed."""

    title: str
    vendor: Vendor
    names: Mapping[str, str] = field(default_factory=dict)  # our key -> the name that this EHR uses
    services: tuple[str, ...] = ()
    live: tuple[ExtraSource, ...] = ()  # resource types that are only ever read live


@click.command("prefetch-table")
@click.option(
    "--client",
    "named",
    default="generic",
    help=f"A client of clients.toml, or: {', '.join(VENDORS)}.",
)
@click.option("--service", help="One service only.")
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Default: CDS_CLIENTS_FILE.",
)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(named: str, service: str | None, path: Path | None, as_json: bool) -> None:
    """Print each prefetch key with its query, its scopes, and what happens without it.

    For EHRs that do not read discovery (Epic). Each query is one line: copy it whole.

    \b
    Example:
      cds-service prefetch-table --client epic
    """
    settings = settings_from_environment()
    asked = _asked(named, path or settings.clients_file, settings)
    services = _services(settings, asked, service)
    if as_json:
        sys.stdout.write(encode({s.id: _rows(s, asked) for s in services}).decode() + "\n")
        return
    _print(services, asked, settings)


def _asked(named: str, path: Path | None, settings: Settings) -> Asked:
    """A client of the registry before a vendor of the same name."""
    clients: dict[str, Client] = {}
    if path is not None:
        registry = Registry.load(path, allow_http=settings.mode != "production")
        clients = {client.name: client for client in registry.clients}
    if named in clients:
        client = clients[named]
        return Asked(
            title=f"clients.{named}",
            vendor=VENDORS["generic"],
            names={key: names[0] for key, names in client.prefetch_aliases.items() if names},
            services=client.services,
            live=client.extra_sources,
        )
    if named in VENDORS:
        return Asked(title=VENDORS[named].title, vendor=VENDORS[named])
    there = ", ".join([*clients, *VENDORS])
    raise click.BadParameter(f"no such client; there are: {there}", param_hint="--client")


def _services(settings: Settings, asked: Asked, wanted: str | None) -> list[Service]:
    knowledge = load_knowledge(settings.hooks_dir)
    there = asking_for(knowledge, site_codes(knowledge.terms, codes=settings.local_codes)).services
    if wanted is not None and wanted not in there:
        raise click.BadParameter(f"there are: {', '.join(there)}", param_hint="--service")
    return [
        service
        for id_, service in there.items()
        if wanted in (None, id_) and (not asked.services or id_ in asked.services)
    ]


def _rows(service: Service, asked: Asked) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for key, template in service.prefetch.items():
        scopes = list(asked.vendor.scopes_of(key, template))
        name = asked.names.get(key, key)
        rows.append(
            {"key": key, "name": name, "query": template, "scopes": scopes, "without": WITHOUT[key]}
        )
    return rows


def _print(services: list[Service], asked: Asked, settings: Settings) -> None:
    vendor, base = asked.vendor, settings.public_url.rstrip("/") or SOMEWHERE
    click.echo(f"For {asked.title}; {vendor.guide} says what goes where.")
    click.echo(
        "* A key that is not sent is read live, if the FHIR server is registered and the token's scopes allow it."
    )
    click.echo("  'without it' is what happens where neither works.")
    for note in vendor.notes:
        click.echo(f"* {note}")
    click.echo("\nService URLs")
    for service in services:
        click.echo(f"  {service.hook:<14} {base}/cds-services/{service.id}")
    for group in _alike(services):
        click.echo(f"\nPrefetch of {' and '.join(service.hook for service in group)}")
        for row in _rows(group[0], asked):
            _print_row(row, vendor)
    if any(HOOKS[service.hook].drafts != "none" for service in services):
        click.echo(f"\nOrders in the call\n  {vendor.orders}")
    if asked.live:
        click.echo("\nRead live besides (no prefetch key)")
        for kind in asked.live:
            click.echo(f"  patient/{kind}.read (.rs)\n{EXTRA_TEMPLATES[kind]}")


def _print_row(row: dict[str, object], vendor: Vendor) -> None:
    ours = "" if row["name"] == row["key"] else f"   (our {row['key']})"
    scopes = row["scopes"] if isinstance(row["scopes"], list) else []
    click.echo(f"\n  {vendor.key_title}: {row['name']}{ours}")
    click.echo(f"  without it: {row['without']}")
    click.echo(f"  scopes: {', '.join(scopes)}")
    click.echo(f"  {vendor.query_title}:\n{row['query']}")


def _alike(services: list[Service]) -> list[list[Service]]:
    """Services in groups that ask for the same."""
    groups: list[list[Service]] = []
    for service in services:
        same = next((group for group in groups if group[0].prefetch == service.prefetch), None)
        if same is None:
            groups.append([service])
        else:
            same.append(service)
    return groups
