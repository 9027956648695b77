"""`cds-service replay`: the cards of a story, at the story's own time."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console

from cds_service.cli.offline import chosen_stories, offline_pipeline, replay
from cds_service.cli.terminal import print_cards
from cds_service.demo.stories import default_fixtures_dir
from cds_service.knowledge.load import default_hooks_dir
from cds_service.protocol.wire import encode


@click.command("replay")
@click.argument("names", metavar="[STORY]...", nargs=-1)
@click.option("--list", "only_list", is_flag=True, help="List the stories and stop.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the CDS Hooks answers, one JSON object a line."
)
@click.option(
    "--hooks", type=click.Path(path_type=Path, file_okay=False), help="Another hooks/ folder."
)
@click.option(
    "--fixtures", type=click.Path(path_type=Path, file_okay=False), help="Another fixtures/ folder."
)
def command(
    names: tuple[str, ...],
    only_list: bool,
    as_json: bool,
    hooks: Path | None,
    fixtures: Path | None,
) -> None:
    """Show the cards of one STORY, of several, or of all.

    \b
    Examples:
      cds-service replay cramps-in-siadh
      cds-service replay --json saline-3-percent-mild | python -m json.tool
    """
    stories = chosen_stories(fixtures or default_fixtures_dir(), names)
    console = Console(highlight=False)
    if only_list:
        for story in stories:
            console.print(f"[bold]{story.name}[/bold]  {story.file.title}")
        return
    pipeline = offline_pipeline(hooks or default_hooks_dir())
    for story in stories:
        cards = replay(pipeline, story).cards
        if as_json:
            sys.stdout.write(encode({"story": story.name, "cards": cards}).decode() + "\n")
            continue
        console.print(f"\n[bold]{story.name}[/bold]  {story.file.title}")
        print_cards(console, cards)
