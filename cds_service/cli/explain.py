"""`cds-service explain`: why a hook call gets its cards, and why not the others."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import click

from cds_service.cli.offline import evaluate, offline_pipeline
from cds_service.cli.terminal import print_cards
from cds_service.errors import BadRequest, ServiceError
from cds_service.knowledge.limits import PROFILES
from cds_service.knowledge.load import default_hooks_dir
from cds_service.pipeline import Pipeline
from cds_service.protocol.wire import decode, encode
from cds_service.trust.registry import Client


@click.command("explain")
@click.argument("request", metavar="REQUEST.json", type=click.File("rb"))
@click.option(
    "--at", metavar="INSTANT", help="Evaluate as of this time (ISO 8601 with zone); default: now."
)
@click.option(
    "--profile", type=click.Choice(PROFILES), default=PROFILES[0], help="Guideline profile."
)
@click.option(
    "--hooks", type=click.Path(path_type=Path, file_okay=False), help="Another hooks/ folder."
)
@click.option("--json", "as_json", is_flag=True, help="Print cards and explanation as JSON.")
def command(
    request: BinaryIO, at: str | None, profile: str, hooks: Path | None, as_json: bool
) -> None:
    """Say of a hook call in REQUEST.json ("-" for standard input) what each rule made of it.

    Only its prefetch is looked at; no FHIR server is called. The output names values of the request:
    treat it as the record itself.

    \b
    Example:
      cds-service explain fixtures/cramps-in-siadh/request.json --at 2026-11-20T09:00:00Z
    """
    pipeline = offline_pipeline(hooks or default_hooks_dir())
    body = decode(request.read())
    if not isinstance(body, dict):
        raise BadRequest("The body is not a JSON object.")
    service = _service(pipeline, str(body.get("hook")))
    try:
        evaluation = evaluate(pipeline, service, body, _instant(at), Client(profile=profile))
    except ServiceError as error:
        click.echo(f"{error.status}: {error.message}")
        sys.exit(1)
    told = pipeline.explain(evaluation, service, with_values=True)
    if as_json:
        sys.stdout.write(encode({"cards": evaluation.cards, "explanation": told}).decode() + "\n")
        return
    _print(evaluation.cards, told)


def _print(cards: list[dict[str, object]], told: dict[str, object]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    print_cards(console, cards)
    sources = told.get("sources", {})
    if isinstance(sources, dict):
        console.print("\n[bold]Sources[/bold]")
        for key, state in sources.items():
            console.print(f"  {key}: {state}")
    if told.get("reason"):
        console.print(f"\n{told['reason']}")
    console.print(f"\n[bold]Fired[/bold]  {', '.join(map(str, told.get('fired', []) or ['none']))}")  # type: ignore[call-overload]
    table = Table("Silent rule", "because", box=None, pad_edge=False)
    silent = told.get("silent", [])
    for row in silent if isinstance(silent, list) else []:
        table.add_row(row["rule"], row["because"])
    console.print(table)


def _service(pipeline: Pipeline, hook: str) -> str:
    for service in pipeline.knowledge.services.values():
        if service.hook == hook:
            return service.id
    raise BadRequest("The member 'hook' names no hook that this service answers.")


def _instant(at: str | None) -> datetime:
    if at is None:
        return datetime.now(UTC)
    try:
        instant = datetime.fromisoformat(at)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise click.BadParameter(
            "give an instant with its zone, as in 2026-11-20T09:00:00Z", param_hint="--at"
        )
    return instant
