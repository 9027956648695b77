"""The words of cards in other languages: one file knowledge/words-<language>.toml for each.

A file has the same keys as the English words. What it lacks is shown in English.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from string import Template
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct
from msgspec.structs import asdict, replace

from cds_service.errors import KnowledgeError
from cds_service.knowledge.review import Reviews, translation_of
from cds_service.knowledge.words import (
    Citation,
    DietTemplate,
    Lab,
    OrderWords,
    OverrideReason,
    RuleFile,
    RuleWords,
    SharedWords,
    SuggestionWords,
    Terms,
)

if TYPE_CHECKING:
    from cds_service.knowledge.load import Knowledge, Service

ENGLISH = "en"
MONTHS_IN_A_YEAR = 12
SUMMARY_BELOW = 140  # characters (CDS Hooks, card.summary)
Path = tuple[str, ...]  # of a text: ("rules", "PV-MILD", "summary", "main")

# The tables of words.toml that a card shows, each with words by key.
_TABLES = (
    *("source_label", "symptoms", "evidence", "sources", "missing", "unused", "code_systems"),
    *("drug_classes", "labs", "lines"),
)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")


class SpeechWords(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a language writes numbers, times and the names that are made of numbers."""

    decimal: str  # the sign before the decimals
    now: str
    today: str
    yesterday: str
    tomorrow: str
    months: list[str]  # short names, January first
    day: str  # of this year, with $day and $month
    day_and_year: str  # with $day, $month and $year
    month_and_year: str
    on: str  # before a day in a sentence, with $day
    moment: str  # with $day and $clock
    clock: str  # with $hour and $minute
    minutes: str  # a span, with $count
    hours: str
    days: str
    saline: str  # with $percent
    saline_mixture: str  # a bag that is mixed, with $percent
    glucose_corrected: str  # behind a corrected sodium, with $measured
    lipids: str  # behind a sodium that very high triglycerides may make read low


class LanguageHead(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a file says of its language."""

    name: str  # as its own readers call it
    not_reviewed: str  # on each card until the file is signed
    note: str  # for whoever reviews it


class Language(Struct, frozen=True, kw_only=True):
    """One file knowledge/words-<code>.toml."""

    code: str  # ISO 639-1: "de"
    head: LanguageHead
    speech: SpeechWords
    texts: Mapping[Path, str]
    unfit: Mapping[Path, str] = {}  # why a text is not shown, by its path


def language_of(name: str, table: Mapping[str, Any]) -> Language:
    """Returns one file as it was parsed; KnowledgeError names the key that is wrong."""
    rest = dict(table)
    head = _part(name, rest.pop("language", {}), "language", LanguageHead)
    speech = _part(name, rest.pop("speech", {}), "speech", SpeechWords)
    if len(speech.months) != MONTHS_IN_A_YEAR:
        raise KnowledgeError(f"{name}: [speech] months: twelve names are needed")
    texts = dict(_flat(name, (), rest))
    return Language(code=translation_of(name), head=head, speech=speech, texts=texts)


def _part(name: str, value: object, key: str, wanted: type[Any]) -> Any:
    try:
        return msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        raise KnowledgeError(f"{name}: [{key}] {error}") from None


def _flat(name: str, path: Path, table: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(name, (*path, key), value)
        elif isinstance(value, str):
            yield (*path, key), value
        else:
            raise KnowledgeError(f"{name}: {'.'.join((*path, key))} must be a text")


# ---- what there is to translate


def english_texts(knowledge: Knowledge) -> dict[Path, str]:
    """Returns every text that a card, its buttons or discovery may show, by its path."""
    return {
        **_shared_texts(knowledge.words),
        **_rule_texts(knowledge.rule_files),
        **_named_texts(knowledge),
        **_order_texts(knowledge.orders),
        **_service_texts(knowledge.services),
    }


def _shared_texts(words: SharedWords) -> dict[Path, str]:
    texts: dict[Path, str] = {("footer",): words.footer, ("demo_label",): words.demo_label}
    texts |= {("card", key): text for key, text in asdict(words.card).items()}
    texts |= {("plot", key): text for key, text in asdict(words.plot).items()}
    for table in _TABLES:
        texts |= {(table, key): text for key, text in getattr(words, table).items()}
    for key, suggestion in words.suggestions.items():
        texts["suggestions", key, "label"] = suggestion.label
        texts["suggestions", key, "description"] = suggestion.description
    return texts


def _rule_texts(files: Mapping[str, RuleFile]) -> dict[Path, str]:
    return {
        ("rules", rule, part, key): text
        for file in files.values()
        for rule, words in file.rules.items()
        for part, texts in (("summary", words.summary), ("lines", words.lines))
        for key, text in texts.items()
    }


def _named_texts(knowledge: Knowledge) -> dict[Path, str]:
    texts: dict[Path, str] = {
        ("overrides", key): reason.display for key, reason in knowledge.overrides.items()
    }
    texts |= {("topics", key): text for key, text in knowledge.topics.items()}
    texts |= {("citations", key): one.short for key, one in knowledge.citations.items()}
    labs = knowledge.terms.labs.items()
    texts |= {("tests", key): lab.title for key, lab in labs if lab.order}
    return texts | {("drugs", name): name for name in _names(knowledge)}


def _order_texts(words: OrderWords) -> dict[Path, str]:
    texts: dict[Path, str] = {("stop", "reason"): words.stop.reason}
    for name, template in words.templates.items():
        texts["templates", name, "instruction"] = template.instruction
        if isinstance(template, DietTemplate):
            texts["templates", name, "text"] = template.text
    return texts


def _service_texts(services: Mapping[str, Service]) -> dict[Path, str]:
    return {
        ("services", name, part): getattr(service, part)
        for name, service in services.items()
        for part in ("title", "description", "usage_requirements")
    }


def missing_words(knowledge: Knowledge, language: Language) -> list[str]:
    """Returns the paths of the texts that a language lacks, so that they are shown in English.

    A citation may keep its English name in any language: it is not listed. Nor is a text that does
    not fit: it has a reason of its own.
    """
    return [
        ".".join(path)
        for path in english_texts(knowledge)
        if path not in language.texts and path not in language.unfit and path[0] != "citations"
    ]


# ---- whether a translation may be shown


def fitted(language: Language, knowledge: Knowledge) -> Language:
    """Returns a language with the texts that may be shown in place of the English ones.

    The others are left out, with the reason in `unfit`. The most common one is that the English
    text has changed since, so that an old number could be shown.
    """
    english = english_texts(knowledge)
    fits: dict[Path, str] = {}
    unfit: dict[Path, str] = {}
    for path, text in language.texts.items():
        why = _misfit(path, text, english.get(path), language.speech.decimal)
        if why:
            unfit[path] = why
        else:
            fits[path] = text
    return replace(language, texts=fits, unfit=unfit)


def _misfit(path: Path, text: str, english: str | None, decimal: str) -> str:
    """Returns why a text may not be shown, "" if it may."""
    if english is None:
        return "there is no such text in English"
    if not text.strip():
        return "the text is empty"
    if "$" in text and not Template(text).is_valid():
        return "a '$' that is no $name"
    if "<" in text and re.search(r"<[A-Za-z/!]", text):
        return "HTML is not allowed in card text"
    if names_in(text) != names_in(english):
        shown = ", ".join(f"${name}" for name in sorted(names_in(english))) or "no $name"
        return f"it must hold the same names as the English text: {shown}"
    these, those = _written(text, decimal), _written(english)
    if these != those and _counted(these) != _counted(those):
        return f"its numbers differ from those of the English text: {english}"
    if "summary" in path and len(text) >= SUMMARY_BELOW:
        return f"{len(text)} characters, fewer than {SUMMARY_BELOW} are allowed"
    return ""


def names_in(text: str) -> set[str]:
    """Returns the $names of a text."""
    return set(Template(text).get_identifiers()) if "$" in text else set()


def numbers_in(text: str, decimal: str = "") -> Counter[Decimal]:
    """Returns how often each number is in a text; `decimal` is the sign before decimals.

    Without it the text is English: a point before decimals, a comma between thousands.
    """
    return _counted(_written(text, decimal))


def _written(text: str, decimal: str = "") -> list[str]:
    """Returns the numbers of a text as they are written, with a point before decimals."""
    plain = text.replace(decimal, ".") if decimal else _THOUSANDS.sub("", text)
    return _NUMBER.findall(plain)


def _counted(written: list[str]) -> Counter[Decimal]:
    return Counter(part for one in written for part in _numbers(one))


def _numbers(written: str) -> Iterator[Decimal]:
    """Yields "1.5" as it is; a list such as "1,2" and a date such as "1.2.2026" in their parts."""
    if written.count(".") == 1 and "," not in written:
        yield Decimal(written)
    else:
        yield from map(Decimal, re.findall(r"\d+", written))


# ---- the knowledge with the words of a language


def in_language(knowledge: Knowledge, language: Language) -> Knowledge:
    """Returns the same knowledge with the words of a language, English where it has none."""
    texts = language.texts
    rules = {
        name: replace(
            file, rules={rule: _rule(texts, rule, words) for rule, words in file.rules.items()}
        )
        for name, file in knowledge.rule_files.items()
    }
    known = {rule: words for file in rules.values() for rule, words in file.rules.items()}
    return replace(
        knowledge,
        words=_words(texts, knowledge.words),
        rule_files=rules,
        services={
            name: _service(texts, service, known) for name, service in knowledge.services.items()
        },
        overrides={key: _override(texts, key, one) for key, one in knowledge.overrides.items()},
        topics=_table(texts, "topics", knowledge.topics),
        citations={key: _citation(texts, key, one) for key, one in knowledge.citations.items()},
        terms=_terms(texts, knowledge.terms),
        orders=_orders(texts, knowledge.orders),
    )


def drug_names(knowledge: Knowledge, language: Language) -> dict[str, str]:
    """Returns what the language calls each ingredient, and each strong salt of fluids.toml."""
    return _table(language.texts, "drugs", {name: name for name in _names(knowledge)})


def _names(knowledge: Knowledge) -> list[str]:
    return [*dict.fromkeys((*knowledge.terms.drugs, *knowledge.fluids.strong_salts.salts))]


def _table(texts: Mapping[Path, str], table: str, english: Mapping[str, str]) -> dict[str, str]:
    return {key: texts.get((table, key), text) for key, text in english.items()}


def _words(texts: Mapping[Path, str], words: SharedWords) -> SharedWords:
    tables = {table: _table(texts, table, getattr(words, table)) for table in _TABLES}
    return replace(
        words,
        footer=texts.get(("footer",), words.footer),
        demo_label=texts.get(("demo_label",), words.demo_label),
        card=replace(words.card, **_table(texts, "card", asdict(words.card))),
        plot=replace(words.plot, **_table(texts, "plot", asdict(words.plot))),
        suggestions={
            key: _suggestion(texts, key, suggestion)
            for key, suggestion in words.suggestions.items()
        },
        **tables,
    )


def _suggestion(texts: Mapping[Path, str], key: str, words: SuggestionWords) -> SuggestionWords:
    return replace(
        words,
        label=texts.get(("suggestions", key, "label"), words.label),
        description=texts.get(("suggestions", key, "description"), words.description),
    )


def _rule(texts: Mapping[Path, str], rule: str, words: RuleWords) -> RuleWords:
    def of(part: str, english: Mapping[str, str]) -> dict[str, str]:
        return {key: texts.get(("rules", rule, part, key), text) for key, text in english.items()}

    return replace(words, summary=of("summary", words.summary), lines=of("lines", words.lines))


def _service(
    texts: Mapping[Path, str], service: Service, rules: Mapping[str, RuleWords]
) -> Service:
    def of(part: str, english: str) -> str:
        return texts.get(("services", service.id, part), english)

    return replace(
        service,
        title=of("title", service.title),
        description=of("description", service.description),
        usage_requirements=of("usage_requirements", service.usage_requirements),
        rules={rule: rules[rule] for rule in service.rules},
    )


def _override(texts: Mapping[Path, str], key: str, reason: OverrideReason) -> OverrideReason:
    return replace(reason, display=texts.get(("overrides", key), reason.display))


def _citation(texts: Mapping[Path, str], key: str, one: Citation) -> Citation:
    return replace(one, short=texts.get(("citations", key), one.short))


def _terms(texts: Mapping[Path, str], terms: Terms) -> Terms:
    def of(key: str, lab: Lab) -> Lab:
        return replace(lab, title=texts.get(("tests", key), lab.title))

    return replace(terms, labs={key: of(key, lab) for key, lab in terms.labs.items()})


def _orders(texts: Mapping[Path, str], words: OrderWords) -> OrderWords:
    templates = {}
    for name, template in words.templates.items():
        instruction = texts.get(("templates", name, "instruction"), template.instruction)
        changed = replace(template, instruction=instruction)
        if isinstance(changed, DietTemplate):
            changed = replace(changed, text=texts.get(("templates", name, "text"), changed.text))
        templates[name] = changed
    reason = texts.get(("stop", "reason"), words.stop.reason)
    return replace(words, templates=templates, stop=replace(words.stop, reason=reason))


# ---- which languages are signed


def is_signed(code: str, reviews: Reviews) -> bool:
    """Whether a clinician has signed the file of a language as it is now."""
    return any(translation_of(name) == code for name in reviews.signed)


def only_signed(knowledge: Knowledge) -> Knowledge:
    """Returns the knowledge without the languages that are not signed (CDS_REQUIRE_SIGNED)."""
    signed = {
        code: language
        for code, language in knowledge.languages.items()
        if is_signed(code, knowledge.reviews)
    }
    return replace(knowledge, languages=signed)
