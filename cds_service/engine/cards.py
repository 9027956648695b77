"""A finding, the words of hooks/ and the suggested orders become one card of CDS Hooks."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from string import Template
from typing import Any

from msgspec import Struct

from cds_service.engine.finding import Fact, Finding, Line, RemoveDraft, Silence, Suggestion
from cds_service.knowledge.load import Knowledge, Service
from cds_service.knowledge.words import RuleWords, SuggestionWords
from cds_service.protocol.defuse import defuse
from cds_service.sodium.case import Case
from cds_service.sodium.snapshot import Missing
from cds_service.sodium.wording import trend_line
from cds_service.terminology.match import RecordText

FIRST_PART = 600  # characters: what to do, why, what was not checked (design.md "Card text")
DETAIL_LIMIT = 1500
TOPIC_PATH = "/CodeSystem/hyponatremia-topic"
OVERRIDE_PATH = "/CodeSystem/hyponatremia-override"

_NO_FACTS: Mapping[str, str] = {}

# A suggestion and the text of its actions -> CDS Hooks actions; empty: it cannot be offered.
ActionWriter = Callable[[Suggestion, str], list[dict[str, Any]]]


class Desk(Struct, frozen=True, kw_only=True):
    """What a deployment adds to every card."""

    base_url: str  # public URL of the service, without trailing slash
    terminology_base: str  # <public URL>/fhir unless set
    secret: bytes
    tenant: str = ""
    demo: bool = False


class _Frame(Struct, frozen=True, kw_only=True):
    """What every card of one rule carries, whoever it is about; shared by all of them, so nobody may change it."""

    source: dict[str, Any]
    overrides: list[dict[str, str]]
    links: list[dict[str, str]]
    close: str  # the last line of the detail


class Writer:
    """Writes the cards of one service for one guideline profile; it remembers nothing of a patient."""

    def __init__(self, knowledge: Knowledge, service: Service, desk: Desk, profile: str) -> None:
        self._knowledge = knowledge
        self._words = knowledge.words
        self._service = service
        self._desk = desk
        self._profile = profile
        self._tables: Mapping[str, Mapping[str, str]] = {
            "symptom": self._words.symptoms,
            "evidence": self._words.evidence,
            "drugclass": self._words.drug_classes,
            "lab": self._words.labs,
            "line": self._words.lines,
        }
        self._frames: dict[str, _Frame] = {}

    def card(
        self, finding: Finding, case: Case, patient_id: str, actions: ActionWriter
    ) -> dict[str, Any]:
        """One card, complete but for the last check of `protocol.card`."""
        rule, frame = self._service.file.rules[finding.rule], self._frame(finding.rule)
        card_id = self._uuid(finding, case, patient_id)
        card: dict[str, Any] = {
            "uuid": card_id,
            "summary": self.summary(finding),
            "detail": self._detail(finding, rule, case),
            "indicator": finding.indicator,
            "source": frame.source,
        }
        written = [
            self._suggestion(s, f"{card_id}/{n}", actions)
            for n, s in enumerate(finding.suggestions)
        ]
        offered = [
            (s, w) for s, w in zip(finding.suggestions, written, strict=True) if w["actions"]
        ]
        if offered:
            card["suggestions"] = [w for _, w in offered]
            card["selectionBehavior"] = self._behavior(s for s, _ in offered)
        card["overrideReasons"] = frame.overrides
        card["links"] = frame.links
        return {name: value for name, value in card.items() if value}

    def summary(self, finding: Finding) -> str:
        """The headline, in the words of hooks/."""
        rule = self._service.file.rules[finding.rule]
        return self._fill(rule.summary[finding.variant], finding.facts)

    def silence(self, silence: Silence, *, with_values: bool = True) -> str:
        """Why a rule did not fire, in the words of hooks/; without values nothing of the patient is in it."""
        own = self._service.file.rules[silence.rule].silence
        template = own.get(silence.reason) or self._words.silence[silence.reason]
        return self._fill(
            template, silence.facts if with_values else dict.fromkeys(silence.facts, "…")
        )

    def not_checked(self, missing: Mapping[str, Missing]) -> str:
        """What could not be looked at, and why; empty where everything was."""
        named = [
            f"{self._words.sources[key]} ({self._words.missing[why.value]})"
            for key, why in missing.items()
            if why is not Missing.NOT_APPLICABLE and key in self._words.sources
        ]
        return f"Not checked: {', '.join(named)}." if named else ""

    def _unrecognised(self, case: Case) -> str:
        """Orders that carry a code and no name: they may be anything, so a card says that they are there."""
        count = case.snapshot.unrecognised
        return self._fill(self._words.lines["unrecognised"], {"count": str(count)}) if count else ""

    def _fill(self, template: str, facts: Mapping[str, Fact]) -> str:
        return _format(template) % (
            {name: self._say(fact) for name, fact in facts.items()} if facts else _NO_FACTS
        )

    def _say(self, fact: Fact) -> str:
        if isinstance(fact, RecordText):
            return defuse(fact.value)
        return ", ".join(self._translate(part) for part in fact.split("|")) if ":" in fact else fact

    def _translate(self, part: str) -> str:
        kind, _, key = part.partition(":")
        return self._tables[kind][key] if kind in self._tables else part

    def _line(self, line: Line, rule: RuleWords) -> str:
        template = rule.lines.get(line.key) or self._words.lines[line.key]
        return self._fill(template, line.facts)

    def _detail(self, finding: Finding, rule: RuleWords, case: Case) -> str:
        """What to do, why, what was not checked; then the way to the basis. Cut from the end of `why`."""
        do = [self._line(line, rule) for line in finding.do]
        do += [self.summary(other) for other in finding.absorbed]
        why = [(self._line(line, rule), line.keep) for line in finding.why]
        series = trend_line(case.sodium.samples, case.snapshot.now, case.snapshot.zone, case.limits)
        unchecked = " ".join(
            filter(None, (self.not_checked(case.snapshot.missing), self._unrecognised(case)))
        )
        close = self._frame(finding.rule).close
        while True:
            text = _assemble(do, series, [words for words, _ in why], unchecked) + close
            spare = [n for n, (_, keep) in enumerate(why) if not keep]
            if len(text) <= DETAIL_LIMIT or not spare:
                return text
            del why[spare[-1]]

    def _frame(self, rule_id: str) -> _Frame:
        if rule_id not in self._frames:
            rule = self._service.file.rules[rule_id]
            self._frames[rule_id] = _Frame(
                source=self._source(rule_id, rule),
                overrides=[self._override(key) for key in rule.overrides],
                links=self._links(rule),
                close=self._close(rule_id, rule),
            )
        return self._frames[rule_id]

    def _close(self, rule_id: str, rule: RuleWords) -> str:
        named = ", ".join(self._knowledge.citations[key].short for key in rule.sources)
        return f"\n\n[Basis of this card]({self._basis(rule_id)}): {named}. {self._words.footer}"

    def _basis(self, rule_id: str) -> str:
        return f"{self._desk.base_url}/basis#{rule_id}"

    def _source(self, rule_id: str, rule: RuleWords) -> dict[str, Any]:
        label = self._words.source_label[self._profile]
        return {
            "label": f"{self._words.demo_label} · {label}" if self._desk.demo else label,
            "url": self._basis(rule_id),
            "topic": {
                "system": self._desk.terminology_base + TOPIC_PATH,
                "code": rule.topic,
                "display": self._knowledge.topics[rule.topic],
            },
        }

    def _suggestion(
        self, suggestion: Suggestion, name: str, actions: ActionWriter
    ) -> dict[str, Any]:
        words = self._words.suggestions[suggestion.kind]
        written: dict[str, Any] = {
            "label": self._fill(words.label, suggestion.facts),
            "uuid": self._hash(name),
            "actions": actions(suggestion, self._fill(words.description, suggestion.facts)),
        }
        return written | {"isRecommended": True} if suggestion.recommended else written

    def _behavior(self, suggestions: Iterable[Suggestion]) -> str:
        kinds = {s.kind for s in suggestions}
        words: list[SuggestionWords] = [self._words.suggestions[kind] for kind in kinds]
        return "at-most-one" if any(kinds & set(w.excludes) for w in words) else "any"

    def _override(self, key: str) -> dict[str, str]:
        reason = self._knowledge.overrides[key]
        system = reason.system or self._desk.terminology_base + OVERRIDE_PATH
        return {"code": key, "system": system, "display": reason.display}

    def _links(self, rule: RuleWords) -> list[dict[str, str]]:
        cited = [self._knowledge.citations[key] for key in rule.sources]
        return [{"label": c.short, "url": c.url, "type": "absolute"} for c in cited if c.url]

    def _uuid(self, finding: Finding, case: Case, patient_id: str) -> str:
        """Same advice on the same facts, same uuid (design.md "Card uuid")."""
        latest = case.sodium.latest
        result = (
            (latest.reference, str(latest.value), latest.status, latest.at.isoformat())
            if latest
            else ("none",)
        )
        offered = [s.kind for s in finding.suggestions]
        removed = [
            a.reference
            for s in finding.suggestions
            for a in s.actions
            if isinstance(a, RemoveDraft)
        ]
        absorbed = [other.rule for other in finding.absorbed]
        parts = [
            self._service.id,
            patient_id,
            finding.rule,
            finding.variant,
            finding.indicator,
            finding.order,
        ]
        return self._hash(
            "\x1f".join([*parts, *result, *finding.drugs, *offered, *removed, *absorbed])
        )

    def _hash(self, text: str) -> str:
        keyed = _keyed(self._desk.secret).copy()
        keyed.update(f"{self._desk.tenant}\x1f{text}".encode())
        return _as_uuid(keyed.digest())


def _as_uuid(digest: bytes) -> str:
    """The first 128 bits in the form of a random UUID (version 4), as `uuid.UUID` writes it for four times as much."""
    said = bytearray(digest[:16])
    said[6] = said[6] & 0x0F | 0x40
    said[8] = said[8] & 0x3F | 0x80
    text = said.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@lru_cache(maxsize=4)
def _keyed(secret: bytes) -> hmac.HMAC:
    """HMAC-SHA256 before its first byte: OpenSSL looks the algorithm up at every start, and not at a copy."""
    return hmac.new(secret, digestmod="sha256")


class _Names(dict[str, str]):
    """Every $name of a template becomes %(name)s."""

    def __missing__(self, name: str) -> str:
        return f"%({name})s"


@lru_cache(maxsize=4096)  # more than hooks/ has sentences
def _format(template: str) -> str:
    """A template of hooks/ as a format for `%`: taken apart once and not on every card."""
    return Template(template.replace("%", "%%")).substitute(_Names())


def _assemble(do: list[str], series: str, why: list[str], unchecked: str) -> str:
    """What fits into the first part, what was not checked, and the rest under "More"."""
    lines = [f"- {words}" for words in do]
    reasons = ([f"- Sodium, mmol/L: {series}"] if series else []) + [f"- {words}" for words in why]
    used = sum(map(len, lines)) + len(unchecked)
    first = 0
    while first < len(reasons) and used + len(reasons[first]) <= FIRST_PART:
        used += len(reasons[first])
        first += 1
    more = reasons[max(first, 1) :]
    blocks = [lines, reasons[: max(first, 1)], [unchecked] if unchecked else []]
    if more:
        blocks += [["**More**"], more]
    return "\n\n".join("\n".join(block) for block in blocks if block)
