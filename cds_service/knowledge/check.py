"""Checks that the files of hooks/ agree: a name that one file uses is known to another."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, get_args

from msgspec.structs import asdict, replace

from cds_service.errors import KnowledgeError
from cds_service.knowledge.limits import PROFILES, Cited, Limits, Unit
from cds_service.knowledge.names import AnalyteSet, ClassSet, ConceptSet, DrugSet, ProblemSet
from cds_service.knowledge.words import Evidence, FluidNumber, RuleWords

if TYPE_CHECKING:
    from cds_service.knowledge.load import Knowledge


PREFETCH_KEYS = ("patient", "encounter", "sodium", "glucose", "labs", "conditions", "medications")
SUMMARY_LIMIT = 139  # CDS Hooks: fewer than 140 characters
_RISING = (("severe_below", "moderate_below", "mild_below"), ("plausible_from", "plausible_to"))
_POSITIVE = (
    "rate_limit_day",
    "rate_limit_first_day",
    "rate_limit_two_days",
    "rate_window_hours",
    "fluid_ml_day",
)
_TOPIC = re.compile(r"[A-Za-z0-9]{1,100}")  # Epic: letters and digits only, at most 100


def check_references(knowledge: Knowledge) -> None:
    """Raises KnowledgeError at the first name that leads nowhere; it names file and key."""
    for problem in _problems(knowledge):
        raise KnowledgeError(problem)


def _problems(knowledge: Knowledge) -> Iterator[str]:
    yield from _topic_problems(knowledge)
    yield from _number_problems(knowledge)
    for limits in knowledge.limits.values():
        yield from _limit_problems(limits)
    yield from _word_problems(knowledge)
    yield from _set_problems(knowledge)
    if not knowledge.services:
        yield "services.toml: it holds no service: expected one table [services.<id>] for each"
    for service in knowledge.services.values():
        if tuple(service.prefetch) != PREFETCH_KEYS:
            keys = ", ".join(PREFETCH_KEYS)
            yield f"services.toml: [prefetch] must hold exactly {keys}, in this order"
    files = knowledge.rule_files
    known = {rule for file in files.values() for rule in file.rules}
    if len(known) < sum(len(file.rules) for file in files.values()):
        yield f"{' and '.join(files)}: a rule is in both files"
    for name, file in files.items():
        for rule, words in file.rules.items():
            place = f"{name}: [rules.{rule}]"
            yield from _rule_problems(knowledge, place, words)
            yield from _unknown(place, "holds_back", words.holds_back, known)


def _topic_problems(knowledge: Knowledge) -> Iterator[str]:
    for code in knowledge.topics:
        if not _TOPIC.fullmatch(code):
            yield f"knowledge/topics.toml: '{code}' is not letters and digits, at most 100"


def _number_problems(knowledge: Knowledge) -> Iterator[str]:
    for name, threshold in knowledge.thresholds.items():
        place = f"knowledge/thresholds.toml: [{name}]"
        yield from _unknown(place, "profile", threshold.profiles, PROFILES)
        if threshold.unit not in knowledge.units:
            yield _no_unit(place, threshold.unit, knowledge.units)
            continue
        unit = knowledge.units[threshold.unit]
        allowed = replace(
            unit,
            least=unit.least if threshold.least is None else threshold.least,
            most=unit.most if threshold.most is None else threshold.most,
        )
        yield from _cited_problems(place, threshold, allowed, knowledge)
        for profile, cited in threshold.profiles.items():
            own = f"knowledge/thresholds.toml: [{name}.profiles.{profile}]"
            yield from _cited_problems(own, cited, allowed, knowledge)
    for name, number in asdict(knowledge.fluids.numbers).items():
        place = f"knowledge/fluids.toml: [numbers.{name}]"
        if number.unit not in knowledge.units:
            yield _no_unit(place, number.unit, knowledge.units)
        else:
            yield from _implausible(place, number, knowledge.units[number.unit])


def _no_unit(place: str, unit: str, known: Collection[str]) -> str:
    return f"{place}: unit '{unit}' is not one of knowledge/units.toml: {', '.join(known)}"


def _cited_problems(
    place: str, number: Cited, allowed: Unit, knowledge: Knowledge
) -> Iterator[str]:
    """A number is plausible, and says where it comes from."""
    yield from _implausible(place, number, allowed)
    yield from _unknown(place, "source", [number.source], knowledge.citations)
    for part in ("where", "why"):
        if not getattr(number, part).strip():
            yield f"{place}: '{part}' is empty"


def _implausible(place: str, number: Cited | FluidNumber, allowed: Unit) -> Iterator[str]:
    if not allowed.least <= number.value <= allowed.most:
        yield (
            f"{place}: {number.value} is not between {allowed.least} and {allowed.most}; if it is "
            "meant, widen 'least' or 'most'"
        )


def _limit_problems(limits: Limits) -> Iterator[str]:
    """Numbers that contradict each other: rules rest on their order without asking."""
    place = f"knowledge/thresholds.toml: profile {limits.profile}:"
    for names in _RISING:
        values = [getattr(limits, name) for name in names]
        if any(above <= below for below, above in pairwise(values)):
            yield f"{place} {', '.join(names)} must rise, and are {', '.join(map(str, values))}"
    for name in _POSITIVE:
        limit = getattr(limits, name)
        if limit <= type(limit)(0):
            yield f"{place} {name} must be more than 0"


def _set_problems(knowledge: Knowledge) -> Iterator[str]:
    """Returns each member of a concept set is in the file that the kind of the set names."""
    terms = knowledge.terms
    tables: dict[type[ConceptSet], tuple[str, Collection[str]]] = {
        ProblemSet: ("problem", terms.concepts),
        ClassSet: ("drug class", knowledge.words.drug_classes),
        DrugSet: ("drug", terms.drugs),
        AnalyteSet: ("analyte", terms.labs),
    }
    for name, chosen in knowledge.sets.by_name():
        place = f"knowledge/concept-sets.toml: [{name}]"
        yield from _unknown(place, "source", [chosen.source], knowledge.citations)
        if type(chosen) in tables:
            what, known = tables[type(chosen)]
            yield from _unknown(place, what, chosen.members, known)


def _word_problems(knowledge: Knowledge) -> Iterator[str]:
    words = knowledge.words
    for name, drug in knowledge.terms.drugs.items():
        yield from _unknown(
            f"knowledge/sodium-drugs.toml: [{name}]", "cls", [drug.cls], words.drug_classes
        )
    for profile in PROFILES:
        if profile not in words.source_label:
            yield f"knowledge/words.toml: [source_label] has no '{profile}'"
    for flag in get_args(Evidence):
        if flag not in words.evidence_flags:
            yield f"knowledge/words.toml: [evidence_flags] has no '{flag}'"
    for key, line in words.lines.items():
        yield from _text_problems(f"knowledge/words.toml: [lines] {key}", line)
    for key, suggestion in words.suggestions.items():
        yield from _text_problems(f"knowledge/words.toml: [suggestions.{key}]", suggestion.label)
        yield from _text_problems(
            f"knowledge/words.toml: [suggestions.{key}]", suggestion.description
        )


def _rule_problems(knowledge: Knowledge, place: str, words: RuleWords) -> Iterator[str]:
    yield from _unknown(place, "topic", [words.topic], knowledge.topics)
    yield from _unknown(place, "sources", words.sources, knowledge.citations)
    yield from _unknown(place, "overrides", words.overrides, knowledge.overrides)
    needed = ("sources", "indicators", "when", "summary")
    yield from (f"{place}: '{part}' is empty" for part in needed if not getattr(words, part))
    if words.when and not words.when.strip():
        yield f"{place}: 'when' is empty"
    slots = words.slot if isinstance(words.slot, dict) else words.summary
    for variant in sorted(set(slots) ^ set(words.summary)):
        yield f"{place}: 'slot' and 'summary' differ in the variant '{variant}'"
    for variant, text in words.summary.items():
        yield from _text_problems(f"{place} summary.{variant}", text)
        if len(text) > SUMMARY_LIMIT:
            yield f"{place} summary.{variant}: {len(text)} characters, at most {SUMMARY_LIMIT}"
    for key, text in words.lines.items():
        yield from _text_problems(f"{place} lines.{key}", text)


def _unknown(place: str, what: str, used: Collection[str], known: Collection[str]) -> Iterator[str]:
    for name in used:
        if name not in known:
            yield f"{place}: {what} '{name}' is not known"


def _text_problems(place: str, text: str) -> Iterator[str]:
    if not text.strip():
        yield f"{place}: the text is empty"
    if not Template(text).is_valid():
        yield f"{place}: a '$' that is no $name"
    if "<" in text.replace("< ", "").replace("<=", "") and re.search(r"<[A-Za-z/!]", text):
        yield f"{place}: HTML is not allowed in card text"


# ---- which $names each text may hold, and which texts a rule shows at all (facts.toml)


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
            yield from _unfilled_of_rule(f"{file}: [rules.{rule}]", rule, own, facts)
    for kind, texts in (("lines", words.lines), ("silence", words.silence)):
        for key, text in texts.items():
            place = f"knowledge/words.toml: [{kind}] {key}"
            yield from _unfilled(place, text, facts[kind].get(key))
    for key, suggestion in words.suggestions.items():
        place = f"knowledge/words.toml: [suggestions.{key}]"
        for text in (suggestion.label, suggestion.description):
            yield from _unfilled(place, text, facts["suggestions"].get(key))
    for name, template in knowledge.orders.templates.items():
        place = f"knowledge/orders.toml: [templates.{name}]"
        yield from _unfilled(place, template.instruction, AMOUNT)


def _unfilled_of_rule(place: str, rule: str, words: RuleWords, facts: Facts) -> Iterator[str]:
    kinds = {"summary": words.summary, "lines": words.lines, "silence": words.silence}
    for kind, texts in kinds.items():
        for key, text in texts.items():
            allowed = facts[kind].get(f"{rule}.{key}")
            yield from _unfilled(f"{place} {kind}.{key}", text, allowed)


def _unfilled(place: str, text: str, allowed: list[str] | tuple[str, ...] | None) -> Iterator[str]:
    if allowed is None:
        yield f"{place}: no rule shows this text (if the code now does, run `make facts`)"
        return
    for name in Template(text).get_identifiers():
        if name not in allowed:
            names = ", ".join(f"${known}" for known in allowed) or "no $name"
            yield f"{place}: nothing fills '${name}' here; allowed: {names}"
