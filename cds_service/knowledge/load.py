"""hooks/ becomes one frozen `Knowledge`, or the start stops and names file and key."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, inspect
from msgspec.structs import asdict, replace

from cds_service.errors import KnowledgeError
from cds_service.knowledge.check import check_references, facts_problems
from cds_service.knowledge.languages import Language, fitted, language_of
from cds_service.knowledge.limits import PROFILES, Limits, Threshold, Unit, limits_of
from cds_service.knowledge.names import ConceptSets, check_names
from cds_service.knowledge.review import Reviews, review_state, translation_of
from cds_service.knowledge.words import (
    Citation,
    Concept,
    Drug,
    Fluids,
    History,
    Lab,
    NameList,
    OrderWords,
    OverrideReason,
    ProcedureWords,
    RuleFile,
    RuleWords,
    ServicesFile,
    ServiceWords,
    SharedWords,
    Terms,
)

T = TypeVar("T")
LOINC = "http://loinc.org"
SERVICES = "services.toml"
RULE_FILES = ("chart.toml", "orders.toml", "discharge.toml")
# The files of drug names (F29).
LANGUAGES = (
    *("ar", "bg", "da", "de", "el", "en", "es", "fr", "it", "ja", "ko"),
    *("nl", "no", "pl", "pt", "ru", "sv", "uk", "zh"),
)
KNOWLEDGE_FILES = (
    "citations",
    "concept-sets",
    "conditions",
    "fluids",
    "history",
    "labs",
    *(f"names-{language}" for language in LANGUAGES),
    "orders",
    "override-reasons",
    "procedures",
    "reviewed",
    "sodium-drugs",
    "thresholds",
    "topics",
    "units",
    "words",
)
FILES = (SERVICES, *RULE_FILES, *(f"knowledge/{name}.toml" for name in KNOWLEDGE_FILES))


class Service(Struct, frozen=True, kw_only=True):
    """One CDS service: its id is the end of its URL, its prefetch is what EHRs see."""

    id: str
    hook: str
    hook_version: str
    title: str
    description: str
    usage_requirements: str
    prefetch: Mapping[str, str]
    optional: Mapping[str, str]  # what a client's registry entry may list in `extra_sources`
    leaves_out: list[str]  # rules that it does not ask, on purpose
    rules: Mapping[str, RuleWords]  # those that speak on its hook, in order of precedence


class Knowledge(Struct, frozen=True, kw_only=True):
    """Everything in hooks/, checked."""

    services: Mapping[str, Service]
    rule_files: Mapping[str, RuleFile]
    terms: Terms
    fluids: Fluids
    sets: ConceptSets
    orders: OrderWords
    history: History
    units: Mapping[str, Unit]
    thresholds: Mapping[str, Threshold]
    limits: Mapping[str, Limits]  # by profile
    citations: Mapping[str, Citation]
    overrides: Mapping[str, OverrideReason]
    topics: Mapping[str, str]
    words: SharedWords
    languages: Mapping[str, Language]  # by code, beside English
    reviews: Reviews
    sha256: str  # of all files: which knowledge gave a card

    @property
    def rules(self) -> dict[str, RuleWords]:
        """Returns all rules in order of precedence, those about the chart first."""
        return {
            name: rule for file in self.rule_files.values() for name, rule in file.rules.items()
        }


def default_hooks_dir() -> Path:
    """hooks/ lies inside an installed package, and beside it in a checkout."""
    package = Path(__file__).parents[1]
    bundled = package / "hooks"
    return bundled if bundled.is_dir() else package.parent / "hooks"


def load_knowledge(hooks: Path, *, check_facts: bool = True) -> Knowledge:
    """Reads and checks a hooks folder; KnowledgeError names the file and the key that is wrong.

    Without `check_facts` it takes a text that no rule is known to show: `make facts` records them.
    """
    if not (hooks / "knowledge").is_dir():
        raise KnowledgeError(
            f"{hooks} is not a hooks folder: it has no knowledge/ (see CDS_HOOKS_DIR)"
        )
    return knowledge_of(read_files(hooks), check_facts=check_facts)


def knowledge_of(texts: Mapping[str, str], *, check_facts: bool) -> Knowledge:
    """Makes it of the texts of the files."""
    terms = Terms(
        drugs=_with_names(texts, _tables(texts, "knowledge/sodium-drugs.toml", Drug)),
        concepts=_tables(texts, "knowledge/conditions.toml", Concept),
        procedures=_tables(texts, "knowledge/procedures.toml", ProcedureWords),
        labs=_tables(texts, "knowledge/labs.toml", Lab),
    )
    thresholds = _tables(texts, "knowledge/thresholds.toml", Threshold)
    rule_files = {name: _rule_file(texts, name) for name in RULE_FILES}
    knowledge = Knowledge(
        services=_services(texts, terms, rule_files.values()),
        rule_files=rule_files,
        terms=terms,
        fluids=_whole(texts, "knowledge/fluids.toml", Fluids),
        sets=_whole(texts, "knowledge/concept-sets.toml", ConceptSets),
        orders=_whole(texts, "knowledge/orders.toml", OrderWords),
        history=_whole(texts, "knowledge/history.toml", History),
        units=_tables(texts, "knowledge/units.toml", Unit),
        thresholds=thresholds,
        limits={profile: limits_of(profile, thresholds) for profile in PROFILES},
        citations=_tables(texts, "knowledge/citations.toml", Citation),
        overrides=_tables(texts, "knowledge/override-reasons.toml", OverrideReason),
        topics=_whole(texts, "knowledge/topics.toml", dict[str, str]),
        words=_whole(texts, "knowledge/words.toml", SharedWords),
        languages={
            translation_of(name): language_of(name, _parse(texts, name))
            for name in texts
            if translation_of(name)
        },
        reviews=review_state(texts),
        sha256=_digest(texts),
    )
    languages = {code: fitted(one, knowledge) for code, one in knowledge.languages.items()}
    knowledge = replace(knowledge, languages=languages)
    check_references(knowledge)
    check_names(knowledge)
    for problem in facts_problems(knowledge) if check_facts else ():
        raise KnowledgeError(problem)
    return knowledge


def read_files(hooks: Path) -> dict[str, str]:
    """Returns the text of each TOML file, by its name below hooks/; an unknown one is an error.

    Notes in Markdown may be beside them, and regulatory/, from which no card is made.
    """
    texts = {}
    for path in sorted(hooks.rglob("*")):
        name = path.relative_to(hooks).as_posix()
        if name.startswith("."):  # a mounted ConfigMap keeps its older versions there
            continue
        if path.is_dir() or path.suffix == ".md" or name.startswith("regulatory/"):
            continue
        if name not in FILES and not translation_of(name):
            raise KnowledgeError(
                f"{name}: no such file is read; hooks/ may hold {', '.join(FILES)}, and "
                "knowledge/words-<language>.toml"
            )
        try:
            texts[name] = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise KnowledgeError(f"{name}: cannot be read as UTF-8 text") from None
    return texts


def _parse(texts: Mapping[str, str], name: str) -> dict[str, Any]:
    if name not in texts:
        raise KnowledgeError(f"{name}: the file is missing")
    try:
        return _toml(texts[name])
    except tomllib.TOMLDecodeError as error:
        raise KnowledgeError(f"{name}: {error}") from None


@lru_cache(maxsize=64)
def _toml(text: str) -> dict[str, Any]:
    """Parsed once: the workers of one start, and stories beside each other, read the same files."""
    return tomllib.loads(text, parse_float=Decimal)


def _convert(value: object, wanted: type[T], place: str) -> T:
    try:
        return msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        raise KnowledgeError(f"{place}: {_explained(str(error), value, wanted)}") from None


_STEP = re.compile(r"\.(\w+)|(\[\.\.\.\])|\[\d+\]")  # of a path: a key, any key, a place in a list


def _explained(message: str, value: object, wanted: Any) -> str:
    """Returns what msgspec says of a wrong value, with each key named and what is allowed there."""
    allowed: list[str] = []
    way: list[str] = []
    kind, table = inspect.type_info(wanted), value
    for step in _STEP.finditer(message.partition(" - at `")[2]):
        key = step[1] or ""
        if step[2]:
            key = _failing_key(value, way, table, wanted)
            message = message.replace(step[2], f".{key}", 1)
        way.append(key)
        kind = _inside(kind, key)
        table = table.get(key) if isinstance(table, dict) else table
    kinds = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    for literal in kinds if "Invalid enum value" in message else ():
        if isinstance(literal, inspect.LiteralType):
            allowed += [str(name) for name in literal.values if name != ""]
    return f"{message}; allowed: {', '.join(allowed)}" if allowed else message


def _failing_key(value: object, way: Sequence[str], table: object, wanted: Any) -> str:
    """Returns the first key of a table inside `value` that is wrong; msgspec says only "[...]"."""
    keys = list(table) if isinstance(table, dict) else []
    for key in keys:
        try:
            msgspec.convert(_only(value, way, key), wanted)
        except msgspec.ValidationError:
            return str(key)
    return "[...]"


def _only(value: Any, way: Sequence[str], key: str) -> Any:
    """Returns the same value with one key only in the table at the end of the way."""
    if not way:
        return {key: value[key]}
    return {**value, way[0]: _only(value[way[0]], way[1:], key)}


def _inside(kind: Any, key: str) -> Any:
    """Returns the type of a member, of a table's values, or of a list's items."""
    if isinstance(kind, inspect.UnionType):
        inner = [_inside(one, key) for one in kind.types]
        return next((one for one in inner if one is not None), None)
    if isinstance(kind, inspect.StructType):
        return next((field.type for field in kind.fields if field.encode_name == key), None)
    if isinstance(kind, inspect.DictType):
        return kind.value_type
    return kind.item_type if isinstance(kind, inspect.ListType) else None


def _whole(texts: Mapping[str, str], name: str, wanted: type[T]) -> T:
    table = _parse(texts, name)
    _refuse_quoted(table, name)
    return _convert(table, wanted, name)


def _tables(texts: Mapping[str, str], name: str, wanted: type[T]) -> dict[str, T]:
    """Returns one object per table, so that a message can name the table."""
    tables = {}
    for key, table in _parse(texts, name).items():
        place = f"{name}: [{key}]"
        _refuse_quoted(table, place)
        tables[key] = _convert(table, wanted, place)
    return tables


def _with_names(texts: Mapping[str, str], drugs: Mapping[str, Drug]) -> dict[str, Drug]:
    """Returns the drugs with the names of every names-<language>.toml added (F29)."""
    named = dict(drugs)
    for file in (f"knowledge/names-{language}.toml" for language in LANGUAGES):
        for key, listed in _tables(texts, file, NameList).items():
            _add_names(named, listed, f"{file}: [{key}]")
    return named


def _add_names(drugs: dict[str, Drug], listed: NameList, place: str) -> None:
    for ingredient in {*listed.names, *listed.brands, *listed.combinations}:
        if ingredient not in drugs:
            raise KnowledgeError(f"{place} '{ingredient}' is no ingredient of sodium-drugs.toml")
        drug = drugs[ingredient]
        drugs[ingredient] = replace(
            drug,
            names=[*drug.names, *listed.names.get(ingredient, ())],
            brands=[*drug.brands, *listed.brands.get(ingredient, ())],
            combination_brands=[
                *drug.combination_brands,
                *listed.combinations.get(ingredient, ()),
            ],
        )


def _refuse_quoted(table: object, place: str) -> None:
    """Refuses a `value`, `least` or `most` in quotation marks, which msgspec would take."""
    members = table.items() if isinstance(table, dict) else ()
    for key, value in members:
        if isinstance(value, dict):
            _refuse_quoted(value, f"{place} {key}")
        elif key in ("value", "least", "most") and isinstance(value, str):
            raise KnowledgeError(f"{place}: write '{key}' as a number, without quotation marks")


def _rule_file(texts: Mapping[str, str], name: str) -> RuleFile:
    """Rules are converted one by one first, so that a message names the rule."""
    table = _parse(texts, name)
    for rule, words in table.get("rules", {}).items():
        _convert(words, RuleWords, f"{name}: [rules.{rule}]")
    file = _convert(table, RuleFile, name)
    rules = {
        rule: replace(words, hooks=words.hooks or file.hooks, slot=words.slot or file.slot)
        for rule, words in file.rules.items()
    }
    return replace(file, rules=rules)


def _services(
    texts: Mapping[str, str], terms: Terms, rule_files: Iterable[RuleFile]
) -> dict[str, Service]:
    table = _parse(texts, SERVICES)
    for service_id, words in table.get("services", {}).items():
        _convert(words, ServiceWords, f"{SERVICES}: [services.{service_id}]")
    file = _convert(table, ServicesFile, SERVICES)
    lists = _code_lists(terms)
    prefetch = {
        key: _fill(template, lists, f"{SERVICES}: [prefetch] {key}")
        for key, template in file.prefetch.items()
    }
    rules = [rule for rule_file in rule_files for rule in rule_file.rules.items()]
    return {
        service_id: Service(
            id=service_id,
            prefetch=prefetch,
            optional=file.optional_prefetch,
            rules={rule: spoken for rule, spoken in rules if words.hook in spoken.hooks},
            **asdict(words),
        )
        for service_id, words in file.services.items()
    }


def _code_lists(terms: Terms) -> dict[str, str]:
    """Returns the codes that each Observation prefetch asks for, as a FHIR token list."""
    lists: dict[str, list[str]] = {}
    for lab in terms.labs.values():
        if lab.prefetch:
            lists.setdefault(lab.prefetch, []).extend(f"{LOINC}|{code}" for code in lab.loinc)
    return {key: ",".join(dict.fromkeys(codes)) for key, codes in lists.items()}


def _fill(template: str, lists: Mapping[str, str], place: str) -> str:
    filled = template
    for key, codes in lists.items():
        filled = filled.replace(f"${key}", codes)
    if "$" in filled:
        raise KnowledgeError(
            f"{place}: unknown code list; use one of {', '.join('$' + key for key in lists)}"
        )
    return filled


def _digest(texts: Mapping[str, str]) -> str:
    digest = hashlib.sha256()
    for name, text in sorted(texts.items()):
        digest.update(f"{name}\0{text}\0".encode())
    return digest.hexdigest()
