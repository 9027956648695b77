"""`cds-service prefetch-table` prints the queries that an EHR's analyst types in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

import click
from msgspec import Struct, field

from cds_service.cli.client import REGISTRY_FILE
from cds_service.cli.manners import did_you_mean
from cds_service.cli.replay import print_json
from cds_service.knowledge.load import Service, load_knowledge
from cds_service.pipeline import HOOKS
from cds_service.records.site_codes import asking_for, site_codes
from cds_service.settings import Settings, naming, settings_from_environment
from cds_service.trust.registry import Client, ExtraSource, Registry

_SMART = {
    "Patient": "patient/Patient.read (SMART v2: .r)",
    "Encounter": "patient/Encounter.read (.r)",
    "Observation": "patient/Observation.read (.rs)",
    "Condition": "patient/Condition.read (.rs)",
    "MedicationRequest": "patient/MedicationRequest.read (.rs)",
    "Medication": "patient/Medication.read (.r)",
}
_VITALS = "vitals"


class Vendor(Struct, frozen=True, kw_only=True):
    """A vendor is the maker of an EHR, described as far as its public documents go (docs/ehr/).

    Nothing of it was tried with a real EHR.
    """

    title: str
    guide: str
    key_title: str = "key"
    query_title: str = "query"
    scopes: Mapping[str, str] = field(default_factory=lambda: _SMART)  # resource type -> its scope
    other_scope: str = "patient/{kind}.read (.rs)"  # of a resource type that `scopes` lacks
    vitals_scope: str = ""  # set if vital signs have a scope of their own
    orders: str = (
        "context.draftOrders comes with the call; "
        "a site that filters it must let medication orders through."
    )
    notes: tuple[str, ...] = ()

    def scopes_of(self, key: str, template: str) -> tuple[str, ...]:
        """Returns the scopes that a query needs, with those of the resources that it includes."""
        kinds = [template.partition("?")[0].partition("/")[0]]
        if "_include=MedicationRequest:medication" in template:
            kinds.append("Medication")
        scopes = tuple(self.scopes.get(kind, self.other_scope.format(kind=kind)) for kind in kinds)
        return (self.vitals_scope,) if self.vitals_scope and key == _VITALS else scopes


VENDORS: Mapping[str, Vendor] = {
    "epic": Vendor(
        title="Epic",
        guide="docs/ehr/epic.md",
        key_title="Prefetch Property Name",
        query_title="FHIR Query",
        scopes={
            "Patient": "Patient.Read (R4)",
            "Encounter": "Encounter.Read (R4)",
            "Observation": "Observation.Search (Labs) (R4)",
            "Condition": (
                "Condition.Search (Problems) (R4), Condition.Search (Encounter Diagnosis) (R4)"
            ),
            "MedicationRequest": "MedicationRequest.Search (R4)",
            "Medication": "Medication.Read (R4)",
        },
        other_scope="{kind}.Search (R4)",
        vitals_scope="Observation.Search (Vitals) (R4)",
        orders=(
            "MedicationRequest (Unsigned Order), ServiceRequest (Unsigned Order): "
            "without them Epic leaves out context.draftOrders."
        ),
        notes=(
            "Epic does not read discovery: "
            "type each line into the OurPractice Advisory (LGL) record of the service.",
            "The service URL must equal an Endpoint URI of the client ID, letter for letter.",
        ),
    ),
    "oracle-health": Vendor(
        title="Oracle Health",
        guide="docs/ehr/oracle-health.md",
        notes=(
            "Oracle's page names patient-view as the only hook, "
            "and does not say whether prefetch is sent: ask both.",
            "Without prefetch every key is read live, with the scopes below.",
        ),
    ),
    "athenahealth": Vendor(
        title="athenahealth",
        guide="docs/ehr/athenahealth.md",
        notes=(
            "athenahealth's public pages do not describe prefetch or scopes: "
            "ask its CDS Hooks team for both.",
        ),
    ),
    "generic": Vendor(title="any EHR", guide="docs/ehr/generic.md"),
}

# docs/reading-records.md explains these at length, and a test compares them with real answers.
WITHOUT: Mapping[str, str] = {
    "patient": (
        "age is not known: warnings are shown, no fluid restriction, no stop of a drug is offered"
    ),
    "encounter": "judged by the times that hold in hospital, and the card says so",
    "sodium": "REQUIRED: no advice at all (412, or a card that says so)",
    "glucose": "sodium is not corrected for high glucose, and the card says so",
    "labs": (
        "potassium, kidney, osmolality and other results are not checked, and the card says so"
    ),
    "vitals": "blood pressure, weight and coma scale are not checked, and the card says so",
    "conditions": (
        "symptoms and causes are not checked: no fluid restriction, no stop of a drug is offered"
    ),
    "medications": (
        "causes among the drugs are not checked: no fluid restriction, no stop of a drug is offered"
    ),
    "pastMedications": (
        "drugs that ended lately are not checked: "
        "no fluid restriction, no stop of a drug is offered"
    ),
}
# What each optional key adds. Nothing is withheld without it.
ADDS: Mapping[str, str] = {
    "MedicationStatement": "medicines that the patient reports",
    "MedicationAdministration": "doses that were given, and infusions that are running",
    "NutritionOrder": "a fluid restriction that is ordered already",
    "ServiceRequest": "a fluid restriction or comfort care that is ordered already",
    "Procedure": "operations and births of the last 30 days",
    "AllergyIntolerance": "low sodium that a drug caused before",
    "Flag": "comfort care",
}
SOMEWHERE = "https://<where this service is reached>"


class Recipient(Struct, frozen=True, kw_only=True):
    """The recipient of the table is a client of the registry or a vendor."""

    title: str
    vendor: Vendor
    names: Mapping[str, str] = field(default_factory=dict)  # our key -> the name that this EHR uses
    services: tuple[str, ...] = ()
    optional: tuple[ExtraSource, ...] = get_args(ExtraSource)
    registered: bool = False


@click.command("prefetch-table")
@click.option(
    "--client",
    "named",
    default="generic",
    help=f"A client of clients.toml, or: {', '.join(VENDORS)}.",
)
@click.option("--service", help="One service only.")
@REGISTRY_FILE
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def prefetch_table(named: str, service: str | None, path: Path | None, as_json: bool) -> None:
    """Print the prefetch queries for an EHR's analyst.

    Each key is shown with its query, its scopes, and what happens without it. It is for EHRs that
    do not read discovery (Epic). Each query is one line: copy it whole.

    \b
    Example:
      cds-service prefetch-table --client epic
    """
    settings = settings_from_environment()
    recipient = _recipient(named, path or settings.clients_file, settings)
    services = _services(settings, recipient, service)
    if as_json:
        # A vendor's table has the keys of discovery; a client's has what its entry lists, too.
        more = recipient.optional if recipient.registered else ()
        print_json(
            {s.id: [*_rows(s, recipient), *_optional_rows(s, recipient, more)] for s in services}
        )
        return
    _print(services, recipient, settings.public_url.rstrip("/") or SOMEWHERE)


def _recipient(named: str, path: Path | None, settings: Settings) -> Recipient:
    """Returns the client or vendor of this name; a client goes before a vendor of the same name."""
    clients: dict[str, Client] = {}
    if path is not None:
        registry = Registry.load(path, allow_http=settings.mode != "production")
        clients = {client.name: client for client in registry.clients}
    if named in clients:
        client = clients[named]
        return Recipient(
            title=f"clients.{named}",
            vendor=VENDORS[client.vendor or "generic"],
            names={key: names[0] for key, names in client.prefetch_aliases.items() if names},
            services=client.services,
            optional=client.extra_sources,
            registered=True,
        )
    if named in VENDORS:
        return Recipient(title=VENDORS[named].title, vendor=VENDORS[named])
    raise click.BadParameter(
        f"no such client{did_you_mean(named, [*clients, *VENDORS])}", param_hint="--client"
    )


def _services(settings: Settings, recipient: Recipient, wanted: str | None) -> list[Service]:
    knowledge = load_knowledge(settings.hooks_dir)
    codes = site_codes(knowledge.terms, codes=settings.local_codes, named=naming)
    services = asking_for(knowledge, codes).services
    if wanted is not None and wanted not in services:
        raise click.BadParameter(f"there are: {', '.join(services)}", param_hint="--service")
    names = [wanted] if wanted is not None else list(services)
    return [
        services[name] for name in names if not recipient.services or name in recipient.services
    ]


def _rows(service: Service, recipient: Recipient) -> list[dict[str, Any]]:
    return [
        {
            "key": key,
            "name": recipient.names.get(key, key),
            "query": template,
            "scopes": list(recipient.vendor.scopes_of(key, template)),
            "without": WITHOUT[key],
        }
        for key, template in service.prefetch.items()
    ]


def _optional_rows(
    service: Service, recipient: Recipient, keys: Iterable[ExtraSource]
) -> list[dict[str, Any]]:
    return [
        {
            "key": key,
            "name": recipient.names.get(key, key),
            "query": service.optional[key],
            "scopes": list(recipient.vendor.scopes_of(key, service.optional[key])),
            "adds": ADDS[key],
        }
        for key in keys
    ]


def _print(services: list[Service], recipient: Recipient, base: str) -> None:
    vendor = recipient.vendor
    click.echo(f"For {recipient.title}; {vendor.guide} says what goes where.")
    click.echo(
        "* A key that is not sent is read live, "
        "if the FHIR server is registered and the token's scopes allow it."
    )
    click.echo("  'without it' is what happens if neither works.")
    for note in vendor.notes:
        click.echo(f"* {note}")
    click.echo("\nService URLs")
    for service in services:
        click.echo(f"  {service.hook:<14} {base}/cds-services/{service.id}")
    for group in _same_prefetch(services):
        click.echo(f"\nPrefetch of {' and '.join(service.hook for service in group)}")
        for row in _rows(group[0], recipient):
            _print_row(row, vendor)
    if any(HOOKS[service.hook].drafts != "none" for service in services):
        click.echo(f"\nOrders in the call\n  {vendor.orders}")
    if services and recipient.optional:
        named = "listed" if recipient.registered else "if the entry of the client lists them"
        click.echo(f"\nOptional keys ({named} in extra_sources): sent, or read live")
        for row in _optional_rows(services[0], recipient, recipient.optional):
            _print_row(row, vendor)


def _print_row(row: Mapping[str, Any], vendor: Vendor) -> None:
    ours = "" if row["name"] == row["key"] else f"   (our {row['key']})"
    click.echo(f"\n  {vendor.key_title}: {row['name']}{ours}")
    click.echo(f"  it adds: {row['adds']}" if "adds" in row else f"  without it: {row['without']}")
    click.echo(f"  scopes: {', '.join(row['scopes'])}")
    click.echo(f"  {vendor.query_title}:\n{row['query']}")


def _same_prefetch(services: list[Service]) -> list[list[Service]]:
    """Returns the services in groups with the same prefetch."""
    groups: list[list[Service]] = []
    for service in services:
        for group in groups:
            if group[0].prefetch == service.prefetch:
                group.append(service)
                break
        else:
            groups.append([service])
    return groups
