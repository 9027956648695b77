"""Which $names each text of hooks/ may hold, and which texts a rule shows at all: facts.toml.

The file is no knowledge but a record of the code: `make facts` writes it from all that the rules
say in the tests. So a $name that no rule fills stops the
start, and not the first card that needs it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from cds_service.knowledge.words import RuleWords

if TYPE_CHECKING:
    from cds_service.knowledge.load import Knowledge

FACTS = Path(__file__).with_name("facts.toml")
AMOUNT = ("amount",)  # what fills the texts of a suggested order

Facts = Mapping[str, Mapping[str, list[str]]]


@cache
def known_facts() -> Facts:
    """Returns the names that are filled in each text, by the kind of text and its key."""
    return tomllib.loads(FACTS.read_text(encoding="utf-8"))


def facts_problems(knowledge: Knowledge) -> Iterator[str]:
    """Says of each text of hooks/ which $name no rule fills, or that no rule shows the text."""
    facts = known_facts()
    words = knowledge.words
    for file, rules in knowledge.rule_files.items():
        for rule, own in rules.rules.items():
            yield from _rule_problems(f"{file}: [rules.{rule}]", rule, own, facts)
    for kind, texts in (("lines", words.lines), ("silence", words.silence)):
        for key, text in texts.items():
            place = f"knowledge/words.toml: [{kind}] {key}"
            yield from _text_problems(place, text, facts[kind].get(key))
    for key, suggestion in words.suggestions.items():
        place = f"knowledge/words.toml: [suggestions.{key}]"
        for text in (suggestion.label, suggestion.description):
            yield from _text_problems(place, text, facts["suggestions"].get(key))
    for name, template in knowledge.orders.templates.items():
        place = f"knowledge/orders.toml: [templates.{name}]"
        yield from _text_problems(place, template.instruction, AMOUNT)


def _rule_problems(place: str, rule: str, words: RuleWords, facts: Facts) -> Iterator[str]:
    kinds = {"summary": words.summary, "lines": words.lines, "silence": words.silence}
    for kind, texts in kinds.items():
        for key, text in texts.items():
            allowed = facts[kind].get(f"{rule}.{key}")
            yield from _text_problems(f"{place} {kind}.{key}", text, allowed)


def _text_problems(
    place: str, text: str, allowed: list[str] | tuple[str, ...] | None
) -> Iterator[str]:
    if allowed is None:
        yield f"{place}: no rule shows this text (if the code now does, run `make facts`)"
        return
    for name in Template(text).get_identifiers():
        if name not in allowed:
            names = ", ".join(f"${known}" for known in allowed) or "no $name"
            yield f"{place}: nothing fills '${name}' here; allowed: {names}"
