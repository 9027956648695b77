"""Checks that the files of hooks/ agree: a name that one file uses is known to another."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from functools import cache
from itertools import pairwise
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, get_args

from msgspec.structs import asdict, replace

from cds_service.errors import KnowledgeError
from cds_service.knowledge.limits import PROFILES, Cited, Limits, Unit
from cds_service.knowledge.names import (
    AnalyteSet,
    ClassSet,
    ConceptSet,
    DrugSet,
    IntentSet,
    LineSet,
    ProblemSet,
    StatusSet,
    TierSet,
)
from cds_service.knowledge.words import EventKind, Evidence, FluidNumber, Lab, RuleWords, Tier

if TYPE_CHECKING:
    from cds_service.knowledge.load import Knowledge


PREFETCH_KEYS = (
    "patient",
    "encounter",
    "sodium",
    "glucose",
    "labs",
    "vitals",
    "conditions",
    "medications",
    "pastMedications",
)
OPTIONAL_KEYS = (
    "MedicationStatement",
    "MedicationAdministration",
    "NutritionOrder",
    "ServiceRequest",
    "Procedure",
    "AllergyIntolerance",
    "Flag",
)
SUMMARY_LIMIT = 139  # CDS Hooks: fewer than 140 characters
_RISING = (("severe_below", "moderate_below", "mild_below"), ("plausible_from", "plausible_to"))
_POSITIVE = (
    "rate_limit_day",
    "rate_limit_first_day",
    "rate_limit_first_day_risk",
    "rate_limit_two_days",
    "rate_limit_two_days_risk",
    "rate_window_hours",
    "fluid_ml_day",
)
# Where a name of each kind is defined, or which names there are.
_DEFINED = {
    "analyte": "define it in knowledge/labs.toml",
    "cls": "define it in knowledge/words.toml [drug_classes]",
    "drug": "define it in knowledge/sodium-drugs.toml",
    "drug class": "define it in knowledge/words.toml [drug_classes]",
    "holds_back": "it is no [rules.<id>] of chart.toml, orders.toml or discharge.toml",
    "intent": "knowledge/orders.toml [reading] order_intents has those of FHIR",
    "line": "no key of a line in hooks/ begins so",
    "overrides": "define it in knowledge/override-reasons.toml",
    "problem": "define it in knowledge/conditions.toml or knowledge/procedures.toml",
    "profile": f"allowed: {', '.join(PROFILES)}",
    "rule": "it is no [rules.<id>] of chart.toml, orders.toml or discharge.toml",
    "source": "define it in knowledge/citations.toml",
    "sources": "define it in knowledge/citations.toml",
    "status": "knowledge/orders.toml [reading] order_statuses has those of FHIR",
    "tier": f"allowed: {', '.join(get_args(Tier))}",
    "topic": "define it in knowledge/topics.toml",
}
_FACTOR = re.compile(r"\d{1,9}(?:\.\d{1,9})?", re.ASCII)
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
    yield from _lab_problems(knowledge.terms.labs)
    yield from _word_problems(knowledge)
    yield from _set_problems(knowledge)
    yield from _history_problems(knowledge)
    if not knowledge.services:
        yield "services.toml: it holds no service: expected one table [services.<id>] for each"
    for service in knowledge.services.values():
        yield from _key_problems("prefetch", service.prefetch, PREFETCH_KEYS)
        yield from _key_problems("optionalPrefetch", service.optional, OPTIONAL_KEYS)
    files = knowledge.rule_files
    known = {rule for file in files.values() for rule in file.rules}
    if len(known) < sum(len(file.rules) for file in files.values()):
        yield f"{', '.join(files)}: a rule is in two of these files"
    for name, file in files.items():
        for rule, words in file.rules.items():
            place = f"{name}: [rules.{rule}]"
            yield from _rule_problems(knowledge, place, words)
            yield from _unknown(place, "holds_back", words.holds_back, known)


def _key_problems(table: str, templates: Iterable[str], keys: tuple[str, ...]) -> Iterator[str]:
    if tuple(templates) != keys:
        yield f"services.toml: [{table}] must hold exactly {', '.join(keys)}, in this order"


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
    numbers = {
        f"knowledge/{file}.toml: [numbers.{name}]": number
        for file, listed in (
            ("fluids", asdict(knowledge.fluids.numbers)),
            ("history", asdict(knowledge.history.numbers)),
        )
        for name, number in listed.items()
    }
    for place, number in numbers.items():
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


def _history_problems(knowledge: Knowledge) -> Iterator[str]:
    history, classes = knowledge.history, knowledge.words.drug_classes
    numbers = asdict(history.numbers).items()
    cited = {f"[numbers.{name}]": number.source for name, number in numbers}
    cited["[windows]"] = history.windows.source
    cited["[disposition]"] = history.disposition.source
    cited |= {f"[worklist.{name}]": words.source for name, words in history.worklist.items()}
    cited |= {f"[warns.{kind}]": warns.source for kind, warns in history.warns.items()}
    for kind in get_args(EventKind):
        if kind not in history.warns:
            yield f"knowledge/history.toml: [warns.{kind}] is missing"
    for place, source in cited.items():
        yield from _unknown(
            f"knowledge/history.toml: {place}", "source", [source], knowledge.citations
        )
    for name, words in history.worklist.items():
        place = f"knowledge/history.toml: [worklist.{name}]"
        yield from _unknown(place, "drug class", [*words.first, *words.second], classes)
        rules = [words.rule] if words.rule else []
        yield from _unknown(place, "holds_back", rules, knowledge.rules)


def _lab_problems(labs: Mapping[str, Lab]) -> Iterator[str]:
    """Says what is wrong with the units that one code gives a meaning of their own."""
    for key, lab in labs.items():
        place = f"knowledge/labs.toml: [{key}.by_code]"
        for code, units in lab.by_code.items():
            if code not in lab.loinc:
                yield f"{place}: code '{code}' is not in [{key}.loinc]"
            yield from _factor_problems(f"{place} {code}", units)
        if lab.by_code and lab.unit.lower() not in lab.units:
            yield f"{place}: [{key}] has no unit of the rules, to which a factor leads"


def _factor_problems(place: str, units: Mapping[str, str]) -> Iterator[str]:
    for unit, text in units.items():
        if not _FACTOR.fullmatch(text) or not Decimal(text):
            yield f"{place}: the factor '{text}' of '{unit}' is no number above zero"
        if unit != unit.lower():
            yield f"{place}: the unit '{unit}' is not written in lower case"


def _set_problems(knowledge: Knowledge) -> Iterator[str]:
    """Returns each member of a concept set is in the file that the kind of the set names."""
    terms, reading = knowledge.terms, knowledge.orders.reading
    tables: dict[type[ConceptSet], tuple[str, Collection[str]]] = {
        ProblemSet: ("problem", {**terms.concepts, **terms.procedures}),
        ClassSet: ("drug class", knowledge.words.drug_classes),
        DrugSet: ("drug", terms.drugs),
        AnalyteSet: ("analyte", terms.labs),
        TierSet: ("tier", get_args(Tier)),
        StatusSet: ("status", ("", *reading.order_statuses)),
        IntentSet: ("intent", ("", *reading.order_intents)),
    }
    place = "knowledge/orders.toml: [reading]"
    yield from _unknown(place, "status", reading.ignored_statuses, reading.order_statuses)
    yield from _unknown(place, "intent", reading.ignored_intents, reading.order_intents)
    for name, chosen in knowledge.sets.by_name():
        place = f"knowledge/concept-sets.toml: [{name}]"
        yield from _unknown(place, "source", [chosen.source], knowledge.citations)
        if isinstance(chosen, LineSet):
            begun = _begun(knowledge, chosen.members)
            yield from _unknown(place, "line", chosen.members, begun)
            continue
        what, known = tables[type(chosen)]
        yield from _unknown(place, what, chosen.members, known)


def _begun(knowledge: Knowledge, starts: Iterable[str]) -> list[str]:
    """Returns those with which the key of a line begins, of words.toml or of a rule."""
    rules = knowledge.rules.values()
    keys = {*knowledge.words.lines, *(key for rule in rules for key in rule.lines)}
    return [start for start in starts if any(key.startswith(start) for key in keys)]


def _word_problems(knowledge: Knowledge) -> Iterator[str]:
    words = knowledge.words
    for name, drug in knowledge.terms.drugs.items():
        yield from _unknown(
            f"knowledge/sodium-drugs.toml: [{name}]", "cls", [drug.cls], words.drug_classes
        )
    for name, cited in knowledge.citations.items():
        place = f"knowledge/citations.toml: [{name}]"
        yield from _unknown(place, "drug", cited.drugs, knowledge.terms.drugs)
    yield from _missing_words(knowledge)
    for key, line in words.lines.items():
        yield from _text_problems(f"knowledge/words.toml: [lines] {key}", line)
    for key, suggestion in words.suggestions.items():
        yield from _text_problems(f"knowledge/words.toml: [suggestions.{key}]", suggestion.label)
        yield from _text_problems(
            f"knowledge/words.toml: [suggestions.{key}]", suggestion.description
        )


def _missing_words(knowledge: Knowledge) -> Iterator[str]:
    """Says which name that a card or the basis may show has no words in words.toml."""
    words, sets = knowledge.words, knowledge.sets
    symptoms = {name for shown in sets.symptoms for name in shown.members}
    evidence = {name for shown in sets.evidence for name in shown.members}
    needed: tuple[tuple[str, Collection[str], Collection[str], str], ...] = (
        ("source_label", PROFILES, words.source_label, "it is a profile"),
        ("evidence_flags", get_args(Evidence), words.evidence_flags, "it is a flag"),
        ("sources", (*PREFETCH_KEYS, *OPTIONAL_KEYS), words.sources, "it is a prefetch key"),
        ("labs", knowledge.terms.labs, words.labs, "it is in knowledge/labs.toml"),
        ("symptoms", symptoms, words.symptoms, "a card may name it (knowledge/concept-sets.toml)"),
        ("evidence", evidence, words.evidence, "a card may name it (knowledge/concept-sets.toml)"),
    )
    for key, one in words.contested.items():
        place = f"knowledge/words.toml: [contested.{key}]"
        yield from _unknown(place, "sources", one.sources, knowledge.citations)
    for table, names, known, why in needed:
        for name in sorted(set(names) - set(known)):
            yield f"knowledge/words.toml: [{table}] has no '{name}': add its words, because {why}"


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
            yield f"{place}: {what} '{name}' is not known ({_DEFINED[what]})"


def _text_problems(place: str, text: str) -> Iterator[str]:
    if not text.strip():
        yield f"{place}: the text is empty"
    if "$" in text and not Template(text).is_valid():
        yield f"{place}: a '$' that is no $name"
    if "<" in text.replace("< ", "").replace("<=", "") and re.search(r"<[A-Za-z/!]", text):
        yield f"{place}: HTML is not allowed in card text"


# ---- which $names each text may hold, and which texts a rule shows at all (facts.toml)


FACTS = Path(__file__).with_name("facts.toml")
_NO_LONGER = "if the code no longer shows it, run `make facts`"
# What fills the words of a missing source, by how their key ends.
MISSING = {"status": ("status",), "since": ("since", "calls")}
AMOUNT = ("amount",)  # what fills the texts of a suggested order

Facts = Mapping[str, Mapping[str, list[str]]]


@cache
def known_facts() -> Facts:
    """Returns the names that are filled in each text, by the kind of text and its key."""
    return tomllib.loads(FACTS.read_text(encoding="utf-8"))


def facts_problems(knowledge: Knowledge) -> Iterator[str]:
    """Says which text hooks/ lacks, which $name no rule fills, and which text no rule shows.

    Texts that no rule shows come last, and all at once: a new rule has several.
    """
    facts = known_facts()
    yield from _lacking(knowledge, facts)
    idle: dict[str, list[str]] = {}
    for place, key, text, allowed in _texts(knowledge, facts):
        if allowed is None:
            idle.setdefault(place, []).append(key)
            continue
        unfilled = [n for n in Template(text).get_identifiers() if n not in allowed]
        names = ", ".join(f"${known}" for known in allowed) or "no $name"
        for name in unfilled:
            yield f"{place} {key}: nothing fills '${name}' here; allowed: {names}"
    if idle:
        yield _idle_texts(idle, facts)


Text = tuple[str, str, str, Collection[str] | None]  # place, key, words, the names that are filled


def _texts(knowledge: Knowledge, facts: Facts) -> Iterator[Text]:
    """Yields each text of hooks/ in which a rule fills names."""
    words = knowledge.words
    for file, rules in knowledge.rule_files.items():
        for rule, own in rules.rules.items():
            yield from _texts_of_rule(f"{file}: [rules.{rule}]", rule, own, facts)
    for kind, texts in (("lines", words.lines), ("silence", words.silence)):
        for key, text in texts.items():
            yield f"knowledge/words.toml: [{kind}]", key, text, facts[kind].get(key)
    for key, text in words.missing.items():
        allowed = MISSING.get(key.rpartition("-")[2], ())
        yield "knowledge/words.toml: [missing]", key, text, allowed
    for key, suggestion in words.suggestions.items():
        place = f"knowledge/words.toml: [suggestions.{key}]"
        yield place, "label", suggestion.label, facts["suggestions"].get(key)
        yield place, "description", suggestion.description, facts["suggestions"].get(key)
    for name, template in knowledge.orders.templates.items():
        place = f"knowledge/orders.toml: [templates.{name}]"
        yield place, "instruction", template.instruction, AMOUNT


def _texts_of_rule(place: str, rule: str, words: RuleWords, facts: Facts) -> Iterator[Text]:
    for kind, texts in _own_texts(words).items():
        for key, text in texts.items():
            yield place, f"{kind}.{key}", text, facts[kind].get(f"{rule}.{key}")


def _own_texts(words: RuleWords) -> Mapping[str, Mapping[str, str]]:
    return {"summary": words.summary, "lines": words.lines, "silence": words.silence}


def _idle_texts(idle: Mapping[str, list[str]], facts: Facts) -> str:
    """Returns one message about all texts that no rule is recorded to show, and what to do."""
    named = "; ".join(f"{place} {', '.join(keys)}" for place, keys in idle.items())
    recorded = {name.partition(".")[0] for kind in facts.values() for name in kind}
    rules = [place.partition("[rules.")[2].rstrip("]") for place in idle if "[rules." in place]
    steps = [
        f'declare {rule} with @chart_rule("{rule}"), @discharge_rule("{rule}") or '
        f'@order_rule("{rule}", ...) '
        "in cds_service/sodium/rules/"
        for rule in rules
        if rule not in recorded
    ]
    steps.append(
        "no scene or story shows it: remove the text, or add a scene to SCENES in "
        "tests/sodium/rules/ or a story, then run `make facts`"
    )
    return f"{named}: no rule shows this text ({'; '.join(steps)})"


def _lacking(knowledge: Knowledge, facts: Facts) -> Iterator[str]:
    """Says which text that a rule, the pipeline or a card shows is not in hooks/."""
    words = knowledge.words
    shared: Mapping[str, Collection[str]] = {
        "summary": (),
        "lines": words.lines,
        "silence": words.silence,
        "suggestions": words.suggestions,
    }
    rules = knowledge.rules
    for kind, name in ((kind, name) for kind, recorded in facts.items() for name in recorded):
        rule, _, key = name.rpartition(".")
        own = rules.get(rule)
        if not rule and name not in shared[kind]:
            yield (
                f"knowledge/words.toml: [{kind}] has no '{name}': a card needs this text "
                f"({_NO_LONGER})"
            )
        if own is not None and key not in _own_texts(own)[kind]:
            file = next(f for f, its in knowledge.rule_files.items() if rule in its.rules)
            yield (
                f"{file}: [rules.{rule}] has no {kind}.{key}: its card needs this text "
                f"({_NO_LONGER})"
            )
