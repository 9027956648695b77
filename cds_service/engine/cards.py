"""A finding, the words of hooks/ and the suggested orders become one card of CDS Hooks."""

from __future__ import annotations

import hmac
import re
import unicodedata
import uuid
from collections.abc import Callable, Iterable, Mapping
from string import Template
from typing import Any

from msgspec import Struct

from cds_service.engine.finding import (
    Fact,
    Finding,
    Line,
    Outcome,
    RemoveDraft,
    Silence,
    Suggestion,
)
from cds_service.knowledge.load import Knowledge, Service
from cds_service.terminology.types import RecordText

FACE_BULLETS = 4  # before "More": what is read in ten seconds (F37)
FIRST_PART = 600  # characters: what to do, why, what was not checked (design.md "Card text")
DETAIL_LIMIT = 1500
SUMMARY_BELOW = 140  # characters (CDS Hooks, card.summary)
_ASIDE = re.compile(r",[^()]*\)")  # "118 (glucose-corrected, measured 110)"
TOPIC_PATH = "/CodeSystem/hyponatremia-topic"
OVERRIDE_PATH = "/CodeSystem/hyponatremia-override"
UUID_BYTES = 16

# A suggestion and the text of its actions -> CDS Hooks actions; empty: it cannot be offered.
ActionWriter = Callable[[Suggestion, str], list[dict[str, Any]]]


class CardSettings(Struct, frozen=True, kw_only=True):
    """What a deployment adds to every card."""

    base_url: str  # public URL of the service, without trailing slash
    terminology_base: str  # <public URL>/fhir unless set
    secret: bytes
    tenant: str = ""
    demo: bool = False
    smart_url: str = ""  # where the client's EHR launches our SMART app; "": no link to it


class CardContext(Struct, frozen=True, kw_only=True):
    """What every card of one call says beside its finding."""

    patient_id: str
    trend: str  # the last values as one line
    missing: Mapping[str, str]  # what could not be looked at, and why: keys of words.toml
    because: Mapping[str, str] = {}  # the same in words, if more is known than the key says
    unrecognised: int  # orders with a code and no name
    newest: tuple[str, ...]  # identifies the newest result: another result, another uuid
    not_read: int = 0  # orders beyond the number that one call is asked about
    unused: str = ""  # why a result was not used that may be the newest: a key of words.toml


class Phrases:
    """Fills the words of hooks/ for the rules of one service."""

    def __init__(self, knowledge: Knowledge, service: Service) -> None:
        self.words = knowledge.words
        self.rules = service.rules
        self._tables: Mapping[str, Mapping[str, str]] = {
            "symptom": self.words.symptoms,
            "evidence": self.words.evidence,
            "drugclass": self.words.drug_classes,
            "lab": self.words.labs,
            "line": self.words.lines,
        }

    def summary(self, finding: Finding) -> str:
        """Returns the headline of a finding, shortened if a client would refuse its length.

        First what a comma adds within brackets is left out, then the end; both are in the detail.
        """
        template = self.rules[finding.rule].summary[finding.variant]
        text = self.fill(template, finding.facts)
        if len(text) < SUMMARY_BELOW:
            return text
        text = _ASIDE.sub(")", text)
        if len(text) < SUMMARY_BELOW:
            return text
        return text[: SUMMARY_BELOW - 2].rpartition(" ")[0] + "…"

    def line(self, rule: str, line: Line) -> str:
        """Returns one line of a card: the rule's own words, or else those that cards share."""
        template = self.rules[rule].lines.get(line.key) or self.words.lines[line.key]
        return self.fill(template, line.facts)

    def silence(self, silence: Silence, *, with_values: bool = True) -> str:
        """Returns why a rule did not fire; without values nothing of the patient is in it."""
        template = self.rules[silence.rule].silence.get(silence.reason)
        facts = silence.facts if with_values else dict.fromkeys(silence.facts, "…")
        return self.fill(template or self.words.silence[silence.reason], facts)

    def fill(self, template: str, facts: Mapping[str, Fact]) -> str:
        """Returns a template of hooks/ with its $names filled."""
        return Template(template).substitute({n: self._shown(fact) for n, fact in facts.items()})

    def _shown(self, fact: Fact) -> str:
        """Returns a fact as a card shows it; "symptom:coma|symptom:seizure" are keys of words.

        What follows a key after "@" is its time: "symptom:coma@today 09:00" (F32).
        """
        if isinstance(fact, RecordText):
            return defuse(fact.value)
        if ":" not in fact:
            return fact
        shown = []
        for part in fact.split("|"):
            kind, _, key = part.partition(":")
            key, _, time = key.partition("@")
            words = self._tables[kind][key] if kind in self._tables else part
            shown.append(f"{words} ({time})" if time else words)
        return ", ".join(shown)


class Writer:
    """Writes the cards of one service for one profile; it remembers nothing of a patient."""

    def __init__(
        self, knowledge: Knowledge, service: Service, settings: CardSettings, profile: str
    ) -> None:
        self._knowledge = knowledge
        self._words = knowledge.words
        self._phrases = Phrases(knowledge, service)
        self._service = service
        self._settings = settings
        self._profile = profile

    def card(self, finding: Finding, context: CardContext, actions: ActionWriter) -> dict[str, Any]:
        """Returns one card, complete but for the last check of `protocol.card`."""
        rule = self._service.rules[finding.rule]
        card_id = self._uuid(finding, context)
        card: dict[str, Any] = {
            "uuid": card_id,
            "summary": self._phrases.summary(finding),
            "detail": self._detail(finding, context),
            "indicator": finding.indicator,
            "source": self._source(finding.rule),
        }
        offered = {}
        for place, suggestion in enumerate(finding.suggestions):
            written = self._suggestion(suggestion, f"{card_id}/{place}", actions)
            if written["actions"]:
                offered[place] = written
        if offered:
            card["suggestions"] = list(offered.values())
            # Buttons that exclude each other can only be chosen one at a time.
            kinds = {finding.suggestions[place].kind for place in offered}
            excluded = {other for kind in kinds for other in self._words.suggestions[kind].excludes}
            card["selectionBehavior"] = "at-most-one" if excluded.intersection(kinds) else "any"
        card["overrideReasons"] = [self._override(key) for key in rule.overrides]
        cited = [self._knowledge.citations[key] for key in rule.sources]
        card["links"] = [
            *self._app_link(finding.rule),
            *(
                {"label": source.short, "url": source.url, "type": "absolute"}
                for source in cited
                if source.url
            ),
        ]
        return {name: value for name, value in card.items() if value}

    def _app_link(self, rule: str) -> list[dict[str, str]]:
        """Returns the link to the SMART app; its appContext names the rule, and no patient."""
        url = self._settings.smart_url
        label = self._words.card.smart
        link = {"label": label, "url": url, "type": "smart", "appContext": rule}
        return [link] if url else []

    def _unchecked(self, context: CardContext) -> str:
        """Says what could not be looked at, and which orders may be anything; or nothing."""
        sentences = []
        missing = [
            f"{self._words.sources[key]} ({context.because.get(key) or self._words.missing[why]})"
            for key, why in context.missing.items()
            if key in self._words.sources
        ]
        if missing:
            sentences.append(f"{self._words.card.not_checked}: {', '.join(missing)}.")
        if context.unused:
            sentences.append(self._words.unused[context.unused])
        if context.unrecognised:
            count = {"count": str(context.unrecognised)}
            sentences.append(self._phrases.fill(self._words.lines["unrecognised"], count))
        if context.not_read:
            count = {"count": str(context.not_read)}
            sentences.append(self._phrases.fill(self._words.lines["orders-not-read"], count))
        return " ".join(sentences)

    def _detail(self, finding: Finding, context: CardContext) -> str:
        """Returns what to do, why, what was not checked; then the way to the basis.

        Until the text is short enough, lines are left out from the end: first those of `why` that
        may go, then those of `do` under "More", then the other lines of `why`.
        """
        told = [self._phrases.summary(other) for other in finding.absorbed]
        do = [self._phrases.line(finding.rule, line) for line in finding.do]
        # The headlines of other findings are not hidden behind a long list of advice.
        place = max(FACE_BULLETS - len(told), 1)
        do = [*do[:place], *told, *do[place:]]
        why = [(self._phrases.line(finding.rule, line), line.keep) for line in finding.why]
        trend = f"{self._words.card.trend}: {context.trend}" if context.trend else ""
        unchecked = self._unchecked(context)
        sources = self._service.rules[finding.rule].sources
        named = ", ".join(self._knowledge.citations[key].short for key in sources)
        basis = f"[{self._words.card.basis}]({self._basis(finding.rule)})"
        close = f"\n\n{basis}: {named}. {self._words.footer}"
        while True:
            reasons = [words for words, _ in why]
            text = self._assembled(do, [trend, *reasons] if trend else reasons, unchecked) + close
            if len(text) <= DETAIL_LIMIT or not (why or do[FACE_BULLETS:]):
                return text
            spare = [place for place, (_, keep) in enumerate(why) if not keep]
            if spare:
                del why[spare[-1]]
            elif do[FACE_BULLETS:]:
                del do[-1]
            else:
                del why[-1]

    def _assembled(self, do: list[str], why: list[str], unchecked: str) -> str:
        """Returns what is read in ten seconds, what was not checked, and the rest under "More"."""
        lines, more = do[:FACE_BULLETS], do[FACE_BULLETS:]
        used = sum(map(len, lines)) + len(unchecked)
        first = 0
        room = FACE_BULLETS - len(lines)
        while first < min(room, len(why)) and used + len(why[first]) <= FIRST_PART:
            used += len(why[first])
            first += 1
        more += why[first:]
        blocks = [_bullets(lines), _bullets(why[:first]), unchecked]
        if more:
            blocks += [self._words.card.more, _bullets(more)]
        return "\n\n".join(block for block in blocks if block)

    def _basis(self, rule_id: str) -> str:
        return f"{self._settings.base_url}/basis#{rule_id}"

    def _source(self, rule_id: str) -> dict[str, Any]:
        topic = self._service.rules[rule_id].topic
        label = self._words.source_label[self._profile]
        return {
            "label": f"{self._words.demo_label} · {label}" if self._settings.demo else label,
            "url": self._basis(rule_id),
            "topic": {
                "system": self._settings.terminology_base + TOPIC_PATH,
                "code": topic,
                "display": self._knowledge.topics[topic],
            },
        }

    def _suggestion(
        self, suggestion: Suggestion, name: str, actions: ActionWriter
    ) -> dict[str, Any]:
        words = self._words.suggestions[suggestion.kind]
        description = self._phrases.fill(words.description, suggestion.facts)
        written: dict[str, Any] = {
            "label": self._phrases.fill(words.label, suggestion.facts),
            "uuid": self._hash(name),
            "actions": actions(suggestion, description),
        }
        if suggestion.recommended:
            written["isRecommended"] = True
        return written

    def _override(self, key: str) -> dict[str, str]:
        reason = self._knowledge.overrides[key]
        system = reason.system or self._settings.terminology_base + OVERRIDE_PATH
        return {"code": key, "system": system, "display": reason.display}

    def _uuid(self, finding: Finding, context: CardContext) -> str:
        """Same advice on the same facts, same uuid (design.md "Card uuid")."""
        actions = [action for s in finding.suggestions for action in s.actions]
        parts = [
            self._service.id,
            context.patient_id,
            finding.rule,
            finding.variant,
            finding.indicator,
            finding.order,
            *context.newest,
            *finding.drugs,
            *(suggestion.kind for suggestion in finding.suggestions),
            *(action.reference for action in actions if isinstance(action, RemoveDraft)),
            *(other.rule for other in finding.absorbed),
        ]
        return self._hash("\x1f".join(parts))

    def _hash(self, text: str) -> str:
        """A uuid in the form of a random one (version 4) that only this deployment can make."""
        keyed = f"{self._settings.tenant}\x1f{text}".encode()
        digest = hmac.digest(self._settings.secret, keyed, "sha256")
        return str(uuid.UUID(bytes=digest[:UUID_BYTES], version=4))


def _bullets(lines: list[str]) -> str:
    return "\n".join(f"- {words}" for words in lines)


# ---- words out of a record become harmless (docs/security.md, T-48)


LIMIT = 80
_KEPT_SIGNS = frozenset(" .,()/%+-")
_AUTOLINK = re.compile(r"www|https?|ftp|mailto|xmpp", re.IGNORECASE)


def defuse(text: str, limit: int = LIMIT) -> str:
    """Returns one bounded line without markup, links or hidden characters.

    An allow-list, because renderers differ in what they take for markup; backslashes do not stop
    the autolinks of some of them.
    """
    plain = unicodedata.normalize("NFKC", text)
    kept = "".join(c if c in _KEPT_SIGNS or c.isalnum() else " " for c in plain if _visible(c))
    one_line = " ".join(_AUTOLINK.sub(" ", kept).split())
    return one_line if len(one_line) <= limit else one_line[: limit - 1].rstrip() + "…"


def _visible(character: str) -> bool:
    # Cf holds the bidi and zero-width controls; they must not even leave a blank inside a word.
    return unicodedata.category(character) != "Cf"


# ---- why, and why not


EXTENSION_NAME = "org.hyponatremia-cds.explanation"


def explanation(
    phrases: Phrases,
    outcomes: Iterable[Outcome],
    *,
    returned: Iterable[Finding],
    suppressed: Iterable[Finding],
    reason: str,
    head: Mapping[str, Any],
    record: Mapping[str, Any],
    with_values: bool,
) -> dict[str, Any]:
    """Returns the rules that fired, and for each other rule the first condition that was not met.

    `head` comes first and `record` before the silent rules; empty members are left out. Values of
    the patient are in it only `with_values`, which is for the command line.
    """
    fired, silent = [], []
    for outcome in outcomes:
        if isinstance(outcome, Finding):
            fired.append(outcome.rule)
        else:
            because = phrases.silence(outcome, with_values=with_values)
            silent.append({"rule": outcome.rule, "because": because})
    members: dict[str, Any] = {
        **head,
        "returned": [finding.rule for finding in returned],
        "suppressed": [finding.rule for finding in suppressed],
        "fired": fired,
        "reason": reason,
        **record,
        "silent": silent,
    }
    return {name: value for name, value in members.items() if value not in ({}, [], "")}
