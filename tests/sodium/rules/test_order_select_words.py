"""The words of the order-select cards fit what the rules say: every key, every fact, every length."""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from string import Template

import msgspec
import pytest

from cds_service.engine.finding import Finding, Line, Silence
from cds_service.knowledge.load import default_hooks_dir
from cds_service.knowledge.words import RuleFile
from cds_service.sodium.rules.book import BOOK
from cds_service.terminology.types import RecordText
from tests.sodium.patients import drugs, words
from tests.sodium.rules.orders import all_scenes

HOOKS = default_hooks_dir()
RULES = sorted(BOOK.order)
BY_THE_PIPELINE = {"OS-UNREADABLE"}
PREFIXES = ("symptom:", "evidence:", "drugclass:", "lab:", "line:")
DETAIL_LINE = 125  # characters, after substitution; cards cut at 1,500 in all


@cache
def service() -> RuleFile:
    text = (HOOKS / "orders.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text, parse_float=Decimal), RuleFile)


@cache
def outcomes() -> tuple[tuple[Finding, ...], tuple[Silence, ...]]:
    said = [outcome for scene in all_scenes() for outcome in scene.outcomes().values()]
    return tuple(o for o in said if isinstance(o, Finding)), tuple(
        o for o in said if isinstance(o, Silence)
    )


def names(text: str) -> set[str]:
    return set(Template(text).get_identifiers())


def lines(finding: Finding) -> tuple[Line, ...]:
    return (*finding.do, *finding.why)


def text_of(rule: str, line: Line) -> str:
    return service().rules[rule].lines.get(line.key) or words().lines[line.key]


def spoken(fact: str) -> str:
    """A fact as a card shows it."""
    parts = fact.split("|")
    if not any(part.startswith(PREFIXES) for part in parts):
        return fact
    return ", ".join(_word(part) if part.startswith(PREFIXES) else part for part in parts)


def _word(part: str) -> str:
    kind, _, key = part.partition("@")[0].partition(":")
    table: Mapping[str, Mapping[str, str]] = {
        "symptom": words().symptoms,
        "evidence": words().evidence,
        "drugclass": words().drug_classes,
        "lab": words().labs,
        "line": words().lines,
    }
    return table[kind][key]


def shown(text: str, facts: Mapping[str, str | RecordText]) -> str:
    return Template(text).substitute(
        {
            key: fact.value if isinstance(fact, RecordText) else spoken(fact)
            for key, fact in facts.items()
        }
    )


def test_rules_words_and_precedence_name_the_same_rules() -> None:
    assert set(service().rules) - BY_THE_PIPELINE == set(RULES)


def test_every_finding_says_its_own_rule_and_order() -> None:
    for scene in all_scenes():
        for rule, outcome in scene.outcomes().items():
            assert outcome.rule == rule
            assert outcome.order == scene.order.reference


@pytest.mark.parametrize("rule", RULES)
def test_every_variant_and_indicator_of_the_words_is_used_and_no_other(rule: str) -> None:
    said = [f for f in outcomes()[0] if f.rule == rule]
    words = service().rules[rule]
    compare(f"{rule}: variants", {f.variant for f in said}, set(words.summary))
    compare(f"{rule}: indicators", {f.indicator for f in said}, set(words.indicators))


@pytest.mark.parametrize("rule", RULES)
def test_every_own_line_and_own_silence_is_used(rule: str) -> None:
    used = {line.key for f in outcomes()[0] if f.rule == rule for line in lines(f)}
    own = set(service().rules[rule].lines)
    compare(f"{rule}: lines", used & own, own)
    reasons = {s.reason for s in outcomes()[1] if s.rule == rule}
    own = set(service().rules[rule].silence)
    compare(f"{rule}: silence", reasons & own, own)


def compare(what: str, shown_by_scenes: set[str], in_hooks: set[str]) -> None:
    """Fails with what no scene shows, and with what scenes show that hooks/ does not know."""
    without_scene, without_words = in_hooks - shown_by_scenes, shown_by_scenes - in_hooks
    assert not without_scene, (
        f"{what}: no scene shows {sorted(without_scene)}: add one to SCENES of a test module in "
        "tests/sodium/rules/"
    )
    assert not without_words, f"{what}: orders.toml has no {sorted(without_words)}"


def test_every_line_has_exactly_its_facts() -> None:
    for finding in outcomes()[0]:
        for line in lines(finding):
            assert names(text_of(finding.rule, line)) == set(line.facts), (finding.rule, line.key)


def test_every_line_is_short_enough_to_read() -> None:
    for finding in outcomes()[0]:
        for line in lines(finding):
            text = shown(text_of(finding.rule, line), line.facts)
            assert len(text) <= DETAIL_LINE, text


def test_every_summary_has_exactly_its_facts() -> None:
    for finding in outcomes()[0]:
        text = service().rules[finding.rule].summary[finding.variant]
        assert names(text) == set(finding.facts), (finding.rule, finding.variant)


def test_every_silence_has_words_with_exactly_its_facts() -> None:
    for silence in outcomes()[1]:
        text = (
            service().rules[silence.rule].silence.get(silence.reason)
            or words().silence[silence.reason]
        )
        assert names(text) == set(silence.facts), (silence.rule, silence.reason)


def test_every_button_has_words_with_exactly_its_facts() -> None:
    for finding in outcomes()[0]:
        for button in finding.suggestions:
            known = words().suggestions[button.kind]
            used = names(known.label) | names(known.description)
            assert used == set(button.facts), (finding.rule, button.kind)
            assert shown(known.label, button.facts)


def test_every_card_has_a_button_or_says_what_to_do() -> None:
    for finding in outcomes()[0]:
        assert finding.suggestions or finding.do


LONGEST: Mapping[str, tuple[str, ...]] = {
    "na": ("<125.55",),
    "rise": ("12.25",),
    "limit": ("10",),
    "hours": ("23.5",),
    "age": ("729 d",),
    "years": ("104",),
    "days": ("365",),
    "glucose": ("1234.5",),
    "start": ("10",),
    "step": ("10",),
    "max": ("30",),
}


def longest(rule: str, variant: str) -> Iterator[dict[str, str]]:
    """The facts of each finding seen, with the longest words that could stand in their place."""
    lowering = [n for n, d in drugs().items() if d.group or d.cls == "desmopressin"]
    culprit = max((n for n in lowering), key=len)
    for finding in outcomes()[0]:
        if (finding.rule, finding.variant) == (rule, variant):
            facts = {key: spoken(str(fact)) for key, fact in finding.facts.items()}
            facts |= {key: LONGEST[key][0] for key in facts if key in LONGEST}
            if rule in ("OS-LOW", "OS-COMBO", "OS-BASE", "OS-DIUR-CRAMP"):
                facts |= {key: culprit for key in ("drug", "partner") if key in facts}
            if rule.startswith(("OS-HTS", "OS-VAP-HTS")):
                facts |= {key: "concentrated saline" for key in ("drug", "partner") if key in facts}
            if "condition" in facts or "why" in facts:
                word = max(
                    itertools.chain(words().evidence.values(), words().symptoms.values()), key=len
                )
                facts |= {key: word for key in ("condition", "why") if key in facts}
            yield facts


@pytest.mark.parametrize("rule", RULES)
def test_the_longest_summary_stays_under_140_characters(rule: str) -> None:
    for variant, text in service().rules[rule].summary.items():
        for facts in longest(rule, variant):
            summary = Template(text).substitute(facts)
            assert len(summary) < 140, summary


@pytest.mark.parametrize("rule", RULES)
def test_a_summary_begins_with_what_was_ordered(rule: str) -> None:
    fixed = (
        "Fluid restriction",
        "Salt tablets",
        "Effervescent tablets",
        "Balanced fluid",
        "Parenteral nutrition",
        "Hypotonic fluid",
        "Dialysis",
        "Water by tube",
    )
    for text in service().rules[rule].summary.values():
        assert text.startswith(("$drug", "Fluids encouraged", *fixed)), text


def test_f45_no_button_is_later_than_what_its_card_says() -> None:
    """A card that says today, daily or within days offers no sodium in weeks alone."""
    soon = re.compile(r"\b(?:today|daily|within (?:days|\d+ days))\b")
    late = [
        (finding.rule, [text_of(finding.rule, line) for line in lines(finding)])
        for finding in outcomes()[0]
        if any(s.kind == "recheck-sodium-weeks" for s in finding.suggestions)
        and any(soon.search(text_of(finding.rule, line)) for line in lines(finding))
        and not any("weeks" in text_of(finding.rule, line) for line in lines(finding))
    ]
    assert late == []
