"""`cds-service diff-stories`: what a change of hooks/ changes on the cards of the stories."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from msgspec import Struct
from msgspec.structs import asdict

from cds_service.cli.offline import chosen_stories, offline_pipeline, replay
from cds_service.demo.stories import Story, default_fixtures_dir
from cds_service.errors import ServiceError
from cds_service.pipeline import Pipeline
from cds_service.protocol.wire import encode

Card = dict[str, Any]


class Change(Struct, frozen=True, kw_only=True):
    """One difference on one card of one story; `old` or `new` is empty where there is nothing."""

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
@click.option(
    "--fixtures", type=click.Path(path_type=Path, file_okay=False), help="Another fixtures/ folder."
)
def command(old: Path, new: Path, as_json: bool, fixtures: Path | None) -> None:
    """Replay all stories under two hooks folders and say which cards change, and how.

    Exit code 0: no card changes. 1: some do. 78: one of the folders is not sound.

    \b
    Example, after an edit of a copy:
      cds-service diff-stories hooks my-copy-of-hooks
    """
    stories = chosen_stories(fixtures or default_fixtures_dir(), ())
    before, after = offline_pipeline(old), offline_pipeline(new)
    found = [change for story in stories for change in changes(story, before, after)]
    if as_json:
        told = {"stories": len(stories), "changes": [asdict(change) for change in found]}
        sys.stdout.write(encode(told).decode() + "\n")
    else:
        _print(found, len(stories))
    sys.exit(1 if found else 0)


def changes(story: Story, old: Pipeline, new: Pipeline) -> Iterator[Change]:
    """What a reader of this story's cards would see differently."""
    before, after = _by_topic(_cards(old, story)), _by_topic(_cards(new, story))
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


def _cards(pipeline: Pipeline, story: Story) -> list[Card]:
    """The story's cards; an answer that is an error stands as a card, so that it is compared too."""
    try:
        return replay(pipeline, story).cards
    except ServiceError as error:
        topic = {"topic": {"code": f"HTTP {error.status}"}}
        return [{"summary": error.message, "indicator": "", "detail": "", "source": topic}]


def _by_topic(cards: list[Card]) -> dict[str, Card]:
    found: dict[str, Card] = {}
    for card in cards:
        topic = card["source"]["topic"]["code"]
        again = sum(name.partition(" ")[0] == topic for name in found)
        found[f"{topic} ({again + 1})" if again else topic] = card
    return found


def _card_changes(story: str, topic: str, old: Card, new: Card) -> Iterator[Change]:
    for what in ("indicator", "summary"):
        if old[what] != new[what]:
            yield Change(story=story, card=topic, what=what, old=old[what], new=new[what])
    for what, before, after in (
        ("line", _lines(old), _lines(new)),
        ("suggestion", _suggestions(old), _suggestions(new)),
    ):
        gone = [text for text in before if text not in after]
        come = [text for text in after if text not in before]
        yield from (Change(story=story, card=topic, what=what, old=text) for text in gone)
        yield from (Change(story=story, card=topic, what=what, new=text) for text in come)
        if not gone and not come and before != after:
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
    """Each button with what it would do: one more order behind the same label is a change too."""
    return [
        f"{s['label']}: {'; '.join(a['description'] for a in s['actions'])}"
        for s in card.get("suggestions", [])
    ]


def _print(found: list[Change], stories: int) -> None:
    head = ("", "")
    for change in found:
        if head != (change.story, change.card):
            head = (change.story, change.card)
            click.echo(f"\n{change.story}: {change.card}".rstrip(": "))
        if change.old:
            click.echo(f"  - {change.what}: {change.old}")
        if change.new:
            click.echo(f"  + {change.what}: {change.new}")
    touched = len({change.story for change in found})
    click.echo(
        f"\n{touched} of {stories} stories change."
        if found
        else f"No card changes in {stories} stories."
    )
