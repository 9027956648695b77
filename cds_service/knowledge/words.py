"""What hooks/ says in words: services, rules, cards, citations. Frozen, and checked at load."""

from __future__ import annotations

from datetime import date
from typing import Literal

from msgspec import Struct

Evidence = Literal["verified", "secondary", "unverified", "design"]
Indicator = Literal["info", "warning", "critical"]
Slot = Literal["sodium", "rate", "order"]  # findings of one slot share a card


class Citation(Struct, frozen=True, forbid_unknown_fields=True):
    """A guideline, label or paper: one table of citations.toml."""

    title: str
    year: int
    short: str  # as a card names it: "AASLD 2021"
    url: str | None = None
    note: str = ""


class RuleWords(Struct, frozen=True, forbid_unknown_fields=True):
    """One rule and the words of its card: one table `[rules.<id>]` of chart.toml or orders.toml."""

    topic: str  # a key of topics.toml
    when: str  # in plain words, for /basis
    indicators: list[Indicator]  # those the rule may use
    summary: dict[str, str]  # variants; string.Template with $names
    sources: list[str]  # keys of citations.toml, the leading one first
    evidence: Evidence
    overrides: list[str] = []  # keys of override-reasons.toml
    lines: dict[str, str] = {}  # detail lines of this rule alone
    silence: dict[str, str] = {}  # why it did not fire
    hooks: list[str] = []  # on which hooks it speaks; empty: on those of its file
    slot: Slot | dict[str, Slot] | None = None  # which card it shares, or which by its variant
    holds_back: list[str] = []  # rules that are no bullet of its card

    def slot_of(self, variant: str) -> Slot:
        """Returns which card a finding of this rule shares with others."""
        if isinstance(self.slot, dict):
            return self.slot[variant]
        return self.slot or "sodium"


class RuleFile(Struct, frozen=True, forbid_unknown_fields=True):
    """chart.toml or orders.toml: rules in order of precedence, and where they speak."""

    hooks: list[str]
    slot: Slot
    rules: dict[str, RuleWords]


class ServiceWords(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One CDS service: one table `[services.<its id>]` of services.toml."""

    hook: str
    hook_version: str
    title: str
    description: str
    usage_requirements: str


class ServicesFile(Struct, frozen=True, forbid_unknown_fields=True):
    """services.toml: all CDS services, and the prefetch that each of them asks for."""

    services: dict[str, ServiceWords]
    prefetch: dict[str, str]


class SuggestionWords(Struct, frozen=True, forbid_unknown_fields=True):
    """The button and the action text of one kind of suggestion."""

    label: str
    description: str
    excludes: list[str] = []  # kinds that make no sense together with this one


class CardWords(Struct, frozen=True, forbid_unknown_fields=True):
    """What every card says around its own lines: words.toml [card]."""

    not_checked: str
    basis: str  # of the link to /basis
    trend: str  # before the last values
    more: str  # above what does not fit into the first part
    unnamed_order: str  # in place of the drug, if no drug of the order is known


class SharedWords(Struct, frozen=True, forbid_unknown_fields=True):
    """words.toml: what cards of both services share."""

    footer: str
    demo_label: str
    card: CardWords
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
