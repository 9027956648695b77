"""hooks/regulatory/: what a manufacturer has to show, as data that is checked against hooks/."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
from msgspec import Struct

from cds_service.errors import KnowledgeError
from cds_service.knowledge.load import Knowledge, default_hooks_dir

T = TypeVar("T")
FOLDER = "regulatory"  # below hooks/
_NAMES = ("sources", "purpose", "us", "attributes", "europe", "hazards", "usability", "safer")
ALL_RULES = "all"


class Text(Struct, frozen=True, forbid_unknown_fields=True):
    """A law, guidance or standard, and how we know its text."""

    title: str
    publisher: str
    year: int
    url: str
    read: Literal["full", "secondary"]


class Manufacturer(Struct, frozen=True, forbid_unknown_fields=True):
    """Who answers for the product; empty until somebody does."""

    name: str
    address: str
    responsible: str
    signed: str
    developer: str
    funding: str

    @property
    def draft(self) -> bool:
        """Whether no manufacturer has signed."""
        return not (self.name and self.responsible and self.signed)


class Purpose(Struct, frozen=True, forbid_unknown_fields=True):
    """What the product is for, and what it is not for."""

    statement: str
    indication: str
    patients: str
    users: str
    setting: str
    principle: str
    not_for: list[str]
    benefit: str


class PurposeFile(Struct, frozen=True, forbid_unknown_fields=True):
    """purpose.toml."""

    manufacturer: Manufacturer
    purpose: Purpose


class Criterion(Struct, frozen=True, forbid_unknown_fields=True):
    """One of the four criteria of section 520(o)(1)(E)."""

    title: str
    answer: Literal["yes", "by group", "by rule"]
    why: str


class Group(Struct, frozen=True, forbid_unknown_fields=True):
    """Rules that the criteria judge alike."""

    title: str
    urgency: Literal["time-critical", "time-critical in part", "not time-critical"]
    criterion_3: Literal["yes", "in part", "no"]
    conclusion: Literal["no device", "device in part", "device"]
    why: str
    rules: list[str]


class UsFile(Struct, frozen=True, forbid_unknown_fields=True):
    """us.toml."""

    sources: list[str]
    about: str
    criteria: dict[str, Criterion]
    groups: dict[str, Group]


class Attribute(Struct, frozen=True, forbid_unknown_fields=True):
    """One source attribute of 45 CFR 170.315(b)(11)(iv)(A)."""

    number: int
    title: str
    answer: str
    used: Literal["yes", "no", ""] = ""  # of the data that the attribute is about
    rules: list[str] = []  # whose cards the data may change; or "all"


class AttributesFile(Struct, frozen=True, forbid_unknown_fields=True):
    """attributes.toml."""

    sources: list[str]
    about: str
    attributes: dict[str, Attribute]


class Point(Struct, frozen=True, forbid_unknown_fields=True):
    """One question of European law, with our answer."""

    title: str
    conclusion: str
    sources: list[str]
    text: str


class EuropeFile(Struct, frozen=True, forbid_unknown_fields=True):
    """europe.toml."""

    points: list[Point]


class Control(Struct, frozen=True, forbid_unknown_fields=True):
    """A measure against a hazard, and the tests that prove it."""

    kind: Literal["design", "protection", "information"]
    text: str
    tests: list[str]


class Hazard(Struct, frozen=True, forbid_unknown_fields=True):
    """One hazard, from its cause to what remains of it."""

    title: str
    cause: str
    situation: str
    harm: str
    severity: str
    remains: str
    controls: list[Control]


class HazardsFile(Struct, frozen=True, forbid_unknown_fields=True):
    """hazards.toml."""

    sources: list[str]
    severities: dict[str, str]  # the worst first
    hazards: dict[str, Hazard]


class User(Struct, frozen=True, forbid_unknown_fields=True):
    """A group of users."""

    who: str
    knows: str
    does: str


class Scenario(Struct, frozen=True, forbid_unknown_fields=True):
    """A task, how its use can go wrong, and what in the design speaks against it."""

    task: str
    error: str
    hazards: list[str]
    design: str
    tests: list[str]


class Evaluation(Struct, frozen=True, forbid_unknown_fields=True):
    """What was done to evaluate the use, and what is still to be done."""

    done: list[str]
    open: list[str]


class UsabilityFile(Struct, frozen=True, forbid_unknown_fields=True):
    """usability.toml."""

    sources: list[str]
    environment: str
    users: list[User]
    scenarios: list[Scenario]
    evaluation: Evaluation


class Practice(Struct, frozen=True, forbid_unknown_fields=True):
    """A practice of a SAFER Guide: what the product brings, and what is left to the site."""

    guide: str
    practice: str
    who: Literal["product", "both", "site"]
    brings: str
    site: str
    tests: list[str]


class SaferFile(Struct, frozen=True, forbid_unknown_fields=True):
    """safer.toml."""

    sources: list[str]
    about: str
    practices: list[Practice]


class Regulatory(Struct, frozen=True, kw_only=True):
    """Everything in hooks/regulatory/, checked."""

    sources: Mapping[str, Text]
    purpose: PurposeFile
    us: UsFile
    attributes: AttributesFile
    europe: EuropeFile
    hazards: HazardsFile
    usability: UsabilityFile
    safer: SaferFile

    @property
    def tests(self) -> set[str]:
        """Returns the name of every test that a control, a scenario or a practice rests on."""
        found = {
            name for one in self.hazards.hazards.values() for c in one.controls for name in c.tests
        }
        found |= {name for scenario in self.usability.scenarios for name in scenario.tests}
        return found | {name for practice in self.safer.practices for name in practice.tests}


def load_regulatory(hooks: Path, knowledge: Knowledge) -> Regulatory:
    """Reads hooks/regulatory/, or ours if this hooks/ has none; KnowledgeError names what is wrong.

    Its text changes no card, so that it is not part of the fingerprint of hooks/.
    """
    folder = hooks / FOLDER
    if not folder.is_dir():
        folder = default_hooks_dir() / FOLDER
    unknown = {path.name for path in folder.iterdir()} - {f"{name}.toml" for name in _NAMES}
    for name in sorted(unknown):
        raise KnowledgeError(f"{FOLDER}/{name}: no such file is read; allowed: {', '.join(_NAMES)}")
    read = Regulatory(
        sources=_file(folder, "sources", dict[str, Text]),
        purpose=_file(folder, "purpose", PurposeFile),
        us=_file(folder, "us", UsFile),
        attributes=_file(folder, "attributes", AttributesFile),
        europe=_file(folder, "europe", EuropeFile),
        hazards=_file(folder, "hazards", HazardsFile),
        usability=_file(folder, "usability", UsabilityFile),
        safer=_file(folder, "safer", SaferFile),
    )
    for problem in (*_unsound(read), *_groups_unsound(read.us, knowledge)):
        raise KnowledgeError(f"{FOLDER}/{problem}")
    return read


def group_of(us: UsFile, rule: str) -> Group:
    """Returns the group of a rule; each rule has exactly one."""
    return next(group for group in us.groups.values() if rule in group.rules)


def _file(folder: Path, name: str, wanted: type[T]) -> T:
    place = f"{FOLDER}/{name}.toml"
    try:
        return msgspec.convert(tomllib.loads((folder / f"{name}.toml").read_text("utf-8")), wanted)
    except (OSError, UnicodeDecodeError):
        raise KnowledgeError(f"{place}: the file is missing or no UTF-8 text") from None
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise KnowledgeError(f"{place}: {error}") from None


def _unsound(read: Regulatory) -> Iterator[str]:
    """Yields each name that the files use and none of them defines."""
    files = {
        "us": read.us.sources,
        "attributes": read.attributes.sources,
        "europe": [source for point in read.europe.points for source in point.sources],
        "hazards": read.hazards.sources,
        "usability": read.usability.sources,
        "safer": read.safer.sources,
    }
    for file, sources in files.items():
        for source in sorted(set(sources) - read.sources.keys()):
            yield f"{file}.toml: '{source}' is no source of sources.toml"
    yield from _hazards_unsound(read.hazards)
    named = {name for scenario in read.usability.scenarios for name in scenario.hazards}
    for name in sorted(named - read.hazards.hazards.keys()):
        yield f"usability.toml: '{name}' is no hazard of hazards.toml"


def _hazards_unsound(log: HazardsFile) -> Iterator[str]:
    for name, hazard in log.hazards.items():
        if hazard.severity not in log.severities:
            yield f"hazards.toml: [hazards.{name}] severity '{hazard.severity}' is not defined"
        if not hazard.controls or not all(control.tests for control in hazard.controls):
            yield f"hazards.toml: [hazards.{name}] has no control, or one without a test"


def _groups_unsound(us: UsFile, knowledge: Knowledge) -> Iterator[str]:
    """Yields each rule that is not in one group, and each that is less urgent than its cards."""
    placed = Counter(rule for group in us.groups.values() for rule in group.rules)
    for rule in sorted(placed.keys() - knowledge.rules.keys()):
        yield f"us.toml: '{rule}' is no rule of hooks/"
    for rule, words in knowledge.rules.items():
        if placed[rule] != 1:
            yield f"us.toml: {rule} must be in one group and is in {placed[rule]}"
        elif "critical" in words.indicators and not _says_why_critical(us, rule):
            yield f"us.toml: {rule} may be critical, and its group says nothing of that"


def _says_why_critical(us: UsFile, rule: str) -> bool:
    """Whether the group is one of emergencies, or says why critical is no haste there."""
    group = group_of(us, rule)
    return group.urgency != "not time-critical" or "critical" in group.why
