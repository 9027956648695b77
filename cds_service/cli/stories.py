"""`cds-service stories`: keeps the prefetch in each story's request.json equal to its record.json."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import click

from cds_service.demo.fhir_server import MemoryServer, Query
from cds_service.demo.stories import Story, default_fixtures_dir, load_stories
from cds_service.errors import NotFound
from cds_service.knowledge.load import Knowledge, default_hooks_dir, load_knowledge
from cds_service.protocol.outcome import operation_outcome
from cds_service.records.prefetch import fill

_FAILURE = operation_outcome("exception", "The results could not be read.", "none")
_BASE = "http://127.0.0.1:8642/demo/fhir"


@click.command("stories")
@click.option("--write", is_flag=True, help="Rewrite request.json where it differs.")
@click.option(
    "--fixtures", type=click.Path(path_type=Path, file_okay=False), help="Another fixtures/ folder."
)
def command(write: bool, fixtures: Path | None) -> None:
    """Check that request.json of each story carries what an EHR would prefetch from its record.json.

    After a change of a record.json or of a prefetch template, run it with --write.
    """
    folder = fixtures or default_fixtures_dir()
    knowledge = load_knowledge(default_hooks_dir())
    stale = []
    for story in load_stories(folder).values():
        wanted = {**story.request, "prefetch": prefetch_of(story, knowledge)}
        if wanted == story.request:
            continue
        stale.append(story.name)
        if write:
            (folder / story.name / "request.json").write_text(_pretty(wanted), encoding="utf-8")
    if not stale:
        click.echo("Every request.json fits its record.json.")
    elif write:
        click.echo(f"Rewritten: {', '.join(stale)}.")
    else:
        click.echo(f"Stale: {', '.join(stale)}. Run it with --write.", err=True)
        sys.exit(1)


def prefetch_of(story: Story, knowledge: Knowledge) -> dict[str, Any]:
    """What an EHR sends for the templates of the story's service; what it cannot resolve is left out."""
    server = MemoryServer(_BASE, story.resources)
    context = story.request["context"]
    found: dict[str, Any] = {}
    for key, template in knowledge.services[story.file.service].prefetch.items():
        url = fill(template, context)
        if key in story.file.failing:
            found[key] = _FAILURE
        elif url is not None:
            found[key] = _answer(server, url)
    return found


def _answer(server: MemoryServer, url: str) -> dict[str, Any] | None:
    path, question, search = url.partition("?")
    if question:
        bundle = server.search(Query(type=path, parameters=dict(parse_qsl(search))))
        return {name: member for name, member in bundle.items() if name != "link"}
    try:
        return server.read(*path.split("/"))
    except NotFound:
        return None


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=_number) + "\n"


def _number(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(type(value).__name__)
