"""What the documents show of a command is what the command says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from cds_service.cli import cli
from cds_service.demo.stories import default_fixtures_dir, load_stories
from cds_service.settings import Settings

DOCS = Path(__file__).parents[2] / "docs"
EPIC = (DOCS / "ehr" / "epic.md").read_text(encoding="utf-8")
CONTAINER = (DOCS / "container.md").read_text(encoding="utf-8")
_BUTTONS = re.findall(r"^([a-z0-9-]+) +any +(\[.*)$", EPIC, re.MULTILINE)


@pytest.mark.parametrize(("story", "shown"), _BUTTONS, ids=[story for story, _ in _BUTTONS])
def test_the_guide_of_epic_shows_the_buttons_that_a_story_has(story: str, shown: str) -> None:
    answer = json.loads(CliRunner().invoke(cli, ["replay", story, "--json"]).output)
    cards = answer["cards"]
    labels = [one["label"] for card in cards for one in card.get("suggestions", [])]
    for label in re.findall(r"\[ (.*?)(?: \.\.\.)? \]", shown):
        assert any(found.startswith(label) for found in labels), labels


def test_the_guide_of_the_container_counts_the_stories_that_are_loaded() -> None:
    stories = [one for one in load_stories(default_fixtures_dir()).values() if not one.file.failing]
    resources = sum(len(story.resources) for story in stories)
    for story in load_stories(default_fixtures_dir()).values():
        left_out = f"Left out: {story.name}, which is about a FHIR server that fails."
        assert (left_out in CONTAINER) == bool(story.file.failing)
    assert f"holds {len(stories)} stories ({resources} resources)" in CONTAINER


def test_the_guide_of_the_container_allows_the_time_that_a_stop_takes() -> None:
    drain = Settings.model_fields["drain_seconds"].default
    assert "allow it `CDS_DRAIN_SECONDS` + 5 s" in CONTAINER
    assert f"`docker stop -t {drain + 5}` for the default of {drain} s" in CONTAINER


def test_check_counts_the_numbers_as_the_basis_does() -> None:
    counted = json.loads(CliRunner().invoke(cli, ["check", "--json"]).output)["counts"]["numbers"]
    for name in ("clinical-basis.md", "regulatory/validation.md"):
        assert f"Of {counted} numbers, by evidence" in (DOCS / name).read_text(encoding="utf-8")
