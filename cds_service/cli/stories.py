"""`cds-service stories` and `cds-service diff-stories` work on the patients of fixtures/."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import click
from msgspec import Struct
from msgspec.structs import asdict

from cds_service.cli.replay import (
    FIXTURES_FOLDER,
    answer_story,
    chosen_stories,
    offline_pipeline,
    print_json,
)
from cds_service.demo.fhir_server import MemoryServer, Query
from cds_service.demo.stories import Story, default_fixtures_dir, load_stories
from cds_service.errors import NotFound, ServiceError
from cds_service.knowledge.load import Knowledge, default_hooks_dir, load_knowledge
from cds_service.pipeline import Pipeline
from cds_service.protocol.documents import operation_outcome
from cds_service.records.prefetch import fill

_FAILURE = operation_outcome("exception", "The results could not be read.", "none")
_BASE = "http://127.0.0.1:8642/demo/fhir"

Card = dict[str, Any]


@click.command("stories")
@click.option("--write", is_flag=True, help="Rewrite each request.json that differs.")
@FIXTURES_FOLDER
def stories(write: bool, fixtures: Path | None) -> None:
    """Check each story's request.json against its record.json.

    The prefetch in request.json must be what an EHR would send for record.json. After a change of a
    record.json or of a prefetch template, run it with --write.
    """
    folder = fixtures or default_fixtures_dir()
    # The story of a new rule gets its prefetch before `make facts` records what the rule shows.
    knowledge = load_knowledge(default_hooks_dir(), check_facts=False)
    stale = []
    for story in load_stories(folder).values():
        wanted = {**story.request, "prefetch": prefetch_of(story, knowledge)}
        if wanted == story.request:
            continue
        stale.append(story.name)
        if write:
            text = json.dumps(wanted, indent=2, ensure_ascii=False, default=_number)
            (folder / story.name / "request.json").write_text(text + "\n", encoding="utf-8")
    if not stale:
        click.echo("Every request.json fits its record.json.")
    elif write:
        click.echo(f"Rewritten: {', '.join(stale)}.")
    else:
        click.echo(f"Stale: {', '.join(stale)}. Run it with --write.", err=True)
        sys.exit(1)


def prefetch_of(story: Story, knowledge: Knowledge) -> dict[str, Any]:
    """Returns what an EHR would send as prefetch for the templates of the story's service.

    A template that the EHR cannot resolve is left out.
    """
    server = MemoryServer(_BASE, story.resources)
    context = story.request["context"]
    prefetch: dict[str, Any] = {}
    for key, template in knowledge.services[story.file.service].prefetch.items():
        url = fill(template, context)
        if key in story.file.failing:
            prefetch[key] = _FAILURE
        elif url is not None:
            prefetch[key] = _answer(server, url)
    return prefetch


def _answer(server: MemoryServer, url: str) -> dict[str, Any] | None:
    path, question, search = url.partition("?")
    if question:
        bundle = server.search(Query(type=path, parameters=dict(parse_qsl(search))))
        return {name: member for name, member in bundle.items() if name != "link"}
    try:
        return server.read(*path.split("/"))
    except NotFound:
        return None


def _number(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(type(value).__name__)


class Change(Struct, frozen=True, kw_only=True):
    """A change is one difference on one card; `old` or `new` may be empty."""

    story: str
    card: str  # topic code
    what: str  # card, indicator, summary, line, suggestion, order
    old: str = ""
    new: str = ""


@click.command("diff-stories")
@click.argument(
    "old", metavar="OLD_HOOKS", type=click.Path(path_type=Path, file_okay=False, exists=True)
)
@click.argument(
    "new", metavar="NEW_HOOKS", type=click.Path(path_type=Path, file_okay=False, exists=True)
)
@click.option("--json", "as_json", is_flag=True, help="Print the changes as JSON.")
@FIXTURES_FOLDER
def diff_stories(old: Path, new: Path, as_json: bool, fixtures: Path | None) -> None:
    """Compare the stories' cards under two hooks/ folders.

    Exit code 0: no card changes. 1: some do. 78: one of the folders is not sound.

    \b
    Example, after an edit of a copy:
      cds-service diff-stories hooks my-copy-of-hooks
    """
    replayed = chosen_stories(fixtures or default_fixtures_dir())
    before, after = offline_pipeline(old), offline_pipeline(new)
    differences = [change for story in replayed for change in changes(story, before, after)]
    if as_json:
        print_json({"stories": len(replayed), "changes": [asdict(d) for d in differences]})
    else:
        _print_changes(differences, len(replayed))
    sys.exit(1 if differences else 0)


def changes(story: Story, old: Pipeline, new: Pipeline) -> Iterator[Change]:
    """Yields what a reader of this story's cards would see differently."""
    before, after = _cards_by_topic(old, story), _cards_by_topic(new, story)
    for topic in dict.fromkeys((*before, *after)):
        if topic not in after:
            yield Change(story=story.name, card=topic, what="card", old=before[topic]["summary"])
        elif topic not in before:
            yield Change(story=story.name, card=topic, what="card", new=after[topic]["summary"])
        else:
            yield from _card_changes(story.name, topic, before[topic], after[topic])
    if list(before) != list(after) and set(before) == set(after):
        yield Change(
            story=story.name, card="", what="order", old=", ".join(before), new=", ".join(after)
        )


def _cards_by_topic(pipeline: Pipeline, story: Story) -> dict[str, Card]:
    """Returns the story's cards; an error is shown as a card, so that it is compared too."""
    try:
        cards = answer_story(pipeline, story).cards
    except ServiceError as error:
        topic = {"topic": {"code": f"HTTP {error.status}"}}
        cards = [{"summary": error.message, "indicator": "", "detail": "", "source": topic}]
    by_topic: dict[str, Card] = {}
    for card in cards:
        topic = card["source"]["topic"]["code"]
        same = sum(name.partition(" ")[0] == topic for name in by_topic)
        by_topic[f"{topic} ({same + 1})" if same else topic] = card
    return by_topic


def _card_changes(story: str, topic: str, old: Card, new: Card) -> Iterator[Change]:
    for what in ("indicator", "summary"):
        if old[what] != new[what]:
            yield Change(story=story, card=topic, what=what, old=old[what], new=new[what])
    for what, before, after in (
        ("line", _lines(old), _lines(new)),
        ("suggestion", _suggestions(old), _suggestions(new)),
    ):
        removed = [text for text in before if text not in after]
        added = [text for text in after if text not in before]
        yield from (Change(story=story, card=topic, what=what, old=text) for text in removed)
        yield from (Change(story=story, card=topic, what=what, new=text) for text in added)
        if not removed and not added and before != after:
            yield Change(
                story=story,
                card=topic,
                what=f"{what} order",
                old=" / ".join(before),
                new=" / ".join(after),
            )


def _lines(card: Card) -> list[str]:
    return [line.removeprefix("- ") for line in card["detail"].splitlines() if line]


def _suggestions(card: Card) -> list[str]:
    """Returns each button with its actions, so that one more order is a change too."""
    return [
        f"{s['label']}: {'; '.join(a['description'] for a in s['actions'])}"
        for s in card.get("suggestions", [])
    ]


def _print_changes(differences: list[Change], stories_replayed: int) -> None:
    if not differences:
        click.echo(f"No card changes in {stories_replayed} stories.")
        return
    head = ("", "")
    for change in differences:
        if head != (change.story, change.card):
            head = (change.story, change.card)
            click.echo(f"\n{change.story}: {change.card}".rstrip(": "))
        if change.old:
            click.echo(f"  - {change.what}: {change.old}")
        if change.new:
            click.echo(f"  + {change.what}: {change.new}")
    touched = len({change.story for change in differences})
    click.echo(f"\n{touched} of {stories_replayed} stories change.")
