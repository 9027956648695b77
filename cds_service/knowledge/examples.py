"""A real card for each rule, as the stories of fixtures/ give it: docs/clinical-examples.json.

It is written beside docs/clinical-basis.md: a page about a rule costs no call of the service.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec
from msgspec import Struct

NAME = "clinical-examples.json"


class InStory(Struct, frozen=True, kw_only=True):
    """A story in which a rule speaks."""

    story: str
    title: str
    why: str
    profile: str
    leads: bool  # the card is the rule's own; otherwise the rule is a line of it


class RuleExample(Struct, frozen=True, kw_only=True):
    """The card of a rule, the numbers that it read for it, and the stories in which it speaks."""

    story: str
    profile: str
    indicator: str
    summary: str
    detail: str  # Markdown, without the line that names the basis
    buttons: list[str]
    leads: bool  # the card is the rule's own; otherwise the rule is a line of it
    numbers: list[str]  # keys of thresholds.toml
    stories: list[InStory]


class Examples(Struct, frozen=True, kw_only=True):
    """All of docs/clinical-examples.json."""

    knowledge: str  # SHA-256 of the hooks/ with which the cards were made
    rules: dict[str, RuleExample]


def examples_text(examples: Examples) -> str:
    """Returns the document; the same examples always give the same text."""
    lines = msgspec.json.format(msgspec.json.encode(examples, order="sorted"), indent=1)
    return lines.decode() + "\n"


@cache
def examples() -> Examples:
    """Returns the examples: they lie inside an installed package, and beside it in a checkout."""
    package = Path(__file__).parents[1]
    bundled = package / "docs" / NAME
    path = bundled if bundled.is_file() else package.parent / "docs" / NAME
    return msgspec.json.decode(path.read_bytes(), type=Examples)
