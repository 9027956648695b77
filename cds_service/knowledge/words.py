"""What hooks/ says in words: services, rules, cards, citations. Frozen, and checked at load."""

from __future__ import annotations

from datetime import date
from typing import Literal

from msgspec import Struct

Evidence = Literal["verified", "secondary", "unverified", "design"]
Indicator = Literal["info", "warning", "critical"]


class Citation(Struct, frozen=True, forbid_unknown_fields=True):
    """A guideline, label or paper: one table of citations.toml."""

    title: str
    year: int
    short: str  # as a card names it: "AASLD 2021"
    url: str | None = None
    note: str = ""


class RuleWords(Struct, frozen=True, forbid_unknown_fields=True):
    """One rule and the words of its card: one table `[rules.<rule id>]` of a service file."""

    topic: str  # a key of topics.toml
    when: str  # in plain words, for /basis
    indicators: list[Indicator]  # those the rule may use
    summary: dict[str, str]  # variants; string.Template with $names
    sources: list[str]  # keys of citations.toml, the leading one first
    evidence: Evidence
    overrides: list[str] = []  # keys of override-reasons.toml
    lines: dict[str, str] = {}  # detail lines of this rule alone
    silence: dict[str, str] = {}  # why it did not fire


class ServiceFile(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One CDS service: one file of hooks/, named by its id."""

    hook: Literal["patient-view", "order-select"]
    hook_version: str
    title: str
    description: str
    usage_requirements: str
    prefetch: dict[str, str]
    rules: dict[str, RuleWords]


class SuggestionWords(Struct, frozen=True, forbid_unknown_fields=True):
    """The button and the action text of one kind of suggestion."""

    label: str
    description: str
    excludes: list[str] = []  # kinds that make no sense together with this one


class SharedWords(Struct, frozen=True, forbid_unknown_fields=True):
    """words.toml: what cards of both services share."""

    footer: str
    demo_label: str
    source_label: dict[str, str]  # by profile
    evidence_flags: dict[Evidence, str]  # what each flag means, for /basis
    symptoms: dict[str, str]  # condition concept -> words on a card
    evidence: dict[str, str]  # volume and risk evidence -> words on a card
    sources: dict[str, str]  # prefetch key -> "current medicines"
    missing: dict[str, str]  # reason a source is missing -> "no answer in time"
    drug_classes: dict[str, str]
    labs: dict[str, str]  # analyte -> words on a card
    lines: dict[str, str]
    silence: dict[str, str]
    suggestions: dict[str, SuggestionWords]


class OverrideReason(Struct, frozen=True, forbid_unknown_fields=True):
    """A reason that a clinician may give for not following a card."""

    display: str
    system: str = ""  # empty: our own code system


class Review(Struct, frozen=True, forbid_unknown_fields=True):
    """A signature under one file of hooks/."""

    name: str
    role: str
    date: date
    sha256: str
