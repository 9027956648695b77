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
from cds_service.engine.speech import Speech, Translation
from cds_service.knowledge.load import Knowledge, Service
from cds_service.terminology.types import RecordText

FACE_BULLETS = 4  # before "More": what is read in ten seconds (F37)
FIRST_PART = 600  # characters: what to do, why, what was not checked (design.md "Card text")
DETAIL_LIMIT = 1500
SUMMARY_BELOW = 140  # characters (CDS Hooks, card.summary)
# "118 (glucose-corrected, measured 110)"; a comma before decimals has no blank behind it.
_ASIDE = re.compile(r", [^()]*\)")
_UNIT = r"[^\W\d_]+/[^\W\d_]+\b"  # "mg/dL"
_WITH_UNIT = re.compile(rf"[<>]?=?\d+(?:\.\d+)? {_UNIT}$")
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
    because: Mapping[str, Line] = {}  # the same with a status or a time, if that is known
    unrecognised: int  # orders with a code and no name
    unread: bool = False  # an order, or what one points to, could not be read
    newest: tuple[str, ...]  # identifies the newest result: another result, another uuid
    not_read: int = 0  # orders beyond the number that one call is asked about
    unused: str = ""  # why a result was not used that may be the newest: a key of words.toml


class Phrases:
    """Fills the words of hooks/ for the rules of one service."""

    def __init__(
        self, knowledge: Knowledge, service: Service, speech: Speech | None = None
    ) -> None:
        """Takes the words of one language; without `speech` facts stay as rules write them."""
        self.words = knowledge.words
        self.rules = service.rules
        self.citations = knowledge.citations
        self._speech = speech
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
        text = sentence(self.fill(template, finding.facts))
        if len(text) < SUMMARY_BELOW:
            return text
        text = _ASIDE.sub(")", text)
        if len(text) < SUMMARY_BELOW:
            return text
        return text[: SUMMARY_BELOW - 2].rpartition(" ")[0] + "…"

    def line(self, rule: str, line: Line) -> str:
        """Returns one line of a card: the rule's own words, or else those that cards share."""
        template = self.rules[rule].lines.get(line.key) or self.words.lines[line.key]
        told = sentence(self.fill(template, line.facts))
        return told if line.then is None else f"{told} {self.line(rule, line.then)}"

    def silence(self, silence: Silence, *, with_values: bool = True) -> str:
        """Returns why a rule did not fire; without values nothing of the patient is in it."""
        template = self.rules[silence.rule].silence.get(silence.reason)
        facts = silence.facts if with_values else dict.fromkeys(silence.facts, "…")
        return self.fill(template or self.words.silence[silence.reason], facts)

    def fill(self, template: str, facts: Mapping[str, Fact]) -> str:
        """Returns a template of hooks/ with its $names filled.

        A number that brings its own unit takes the place of the unit that the template has.
        """
        own = [n for n, fact in facts.items() if isinstance(fact, str) and _WITH_UNIT.match(fact)]
        for name in own:
            template = re.sub(rf"(\$\{{?{name}\b\}}?) {_UNIT}", r"\1", template)
        return Template(template).substitute({n: self._shown(fact) for n, fact in facts.items()})

    def _shown(self, fact: Fact) -> str:
        """Returns a fact as a card shows it; "symptom:coma|symptom:seizure" are keys of words.

        What follows a key after "@" is its time: "symptom:coma@today 09:00" (F32).
        """
        if isinstance(fact, RecordText):
            return defuse(fact.value)
        if ":" not in fact:
            return self.said(fact)
        shown = []
        for part in fact.split("|"):
            kind, _, key = part.partition(":")
            key, _, time = key.partition("@")
            words = self._tables[kind][key] if kind in self._tables else self.said(part)
            shown.append(f"{words} ({self.said(time)})" if time else words)
        return ", ".join(shown)

    def plot(self, key: str, **facts: str) -> str:
        """Returns words of the chart of sodium: those of words.toml [plot] with this key."""
        return self.fill(getattr(self.words.plot, key), facts)

    def said(self, fact: str) -> str:
        """Returns numbers, times and names as the language writes them."""
        return self._speech.said(fact) if self._speech is not None else fact


class Writer:
    """Writes the cards of one service for one profile; it remembers nothing of a patient."""

    def __init__(
        self,
        knowledge: Knowledge,
        service: Service,
        settings: CardSettings,
        profile: str,
        translation: Translation | None = None,
    ) -> None:
        """Prepares the cards of a service; without a translation they are in English."""
        self._english = self._phrases = Phrases(knowledge, service)
        self._note = ""
        if translation is not None:
            knowledge = translation.knowledge
            service = knowledge.services[service.id]
            self._phrases = Phrases(knowledge, service, translation.speech)
            self._note = translation.note
        self._knowledge = knowledge
        self._words = knowledge.words
        self._service = service
        self._settings = settings
        self._profile = profile
        self.kinds: dict[str, str] = {}  # of the suggestions that were written, by uuid

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
        card |= self._buttons(finding, card_id, actions)
        card["overrideReasons"] = [self._override(key) for key in rule.overrides]
        cited = [self._knowledge.citations[key] for key in self._cited(rule.sources, finding)]
        card["links"] = [
            *self._app_link(finding.rule),
            *(
                {"label": source.short, "url": source.url, "type": "absolute"}
                for source in cited
                if source.url
            ),
        ]
        return {name: value for name, value in card.items() if value}

    def _buttons(self, finding: Finding, card_id: str, actions: ActionWriter) -> dict[str, Any]:
        """Returns the suggestions that have an action, and whether several may be chosen."""
        offered = []
        kinds = set()
        for place, suggestion in enumerate(finding.suggestions):
            written = self._suggestion(suggestion, f"{card_id}/{place}", actions)
            if written["actions"]:
                offered.append(written)
                kinds.add(suggestion.kind)
                self.kinds[written["uuid"]] = suggestion.kind
        if not offered:
            return {}
        # Buttons that exclude each other can only be chosen one at a time.
        excluded = {other for kind in kinds for other in self._words.suggestions[kind].excludes}
        behavior = "at-most-one" if excluded.intersection(kinds) else "any"
        return {"suggestions": offered, "selectionBehavior": behavior}

    def _app_link(self, rule: str) -> list[dict[str, str]]:
        """Returns the link to the SMART app; its appContext names the rule, and no patient."""
        url = self._settings.smart_url
        label = self._words.card.smart
        link = {"label": label, "url": url, "type": "smart", "appContext": rule}
        return [link] if url else []

    def _detail(self, finding: Finding, context: CardContext) -> str:
        """Returns what to do, why, what was not checked; then the way to the basis.

        Which lines there is room for is decided once, by their English words: a reader of any
        language gets the same lines, at the same place.
        """
        told = self._told(finding, context, self._phrases)
        if self._phrases is self._english:
            return told.written(_layout(told))
        text = told.written(_layout(self._told(finding, context, self._english)))
        return f"{text} {self._note}" if self._note else text

    def _told(self, finding: Finding, context: CardContext, phrases: Phrases) -> _Told:
        words, rule = phrases.words, finding.rule
        absorbed = [_ended(phrases.summary(other)) for other in finding.absorbed]
        do = [phrases.line(rule, line) for line in finding.do]
        # The headlines of other findings are not hidden behind a long list of advice.
        place = max(FACE_BULLETS - len(absorbed), 1)
        why = [phrases.line(rule, line) for line in finding.why]
        kept: list[bool | None] = [line.keep for line in finding.why]
        if context.trend:
            why = [f"{words.card.trend}: {phrases.said(context.trend)}", *why]
            kept = [None, *kept]
        sources = self._cited(phrases.rules[rule].sources, finding)
        named = ", ".join(phrases.citations[key].short for key in sources)
        basis = f"[{words.card.basis}]({self._basis(rule)})"
        return _Told(
            do=[*do[:place], *absorbed, *do[place:]],
            why=why,
            kept=kept,
            unchecked=_unchecked(context, phrases),
            more=words.card.more,
            close=f"\n\n{basis}: {named}. {words.footer}",
        )

    def _cited(self, sources: list[str], finding: Finding) -> list[str]:
        """Returns the sources without those about other drugs than the card names.

        A card that names no drug keeps all.
        """
        about = {key: self._knowledge.citations[key].drugs for key in sources}
        named = finding.drugs
        return [key for key in sources if not (named and about[key]) or {*about[key]} & {*named}]

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


class _Layout(Struct, frozen=True):
    """Which lines a card has room for, by their places, and which of them come before "More"."""

    do: list[int]
    why: list[int]
    first: int  # so many lines of `why` are in the first part


class _Told(Struct, frozen=True):
    """All that the detail of a card could say, in one language."""

    do: list[str]
    why: list[str]
    kept: list[bool | None]  # of each line of `why`: whether it goes last; None: it always stays
    unchecked: str
    more: str
    close: str

    def written(self, layout: _Layout) -> str:
        """Returns what is read in ten seconds, what was not checked, and the rest under "More"."""
        do = [self.do[place] for place in layout.do]
        why = [self.why[place] for place in layout.why]
        more = do[FACE_BULLETS:] + why[layout.first :]
        blocks = [_bullets(do[:FACE_BULLETS]), _bullets(why[: layout.first]), self.unchecked]
        if more:
            blocks += [self.more, _bullets(more)]
        return "\n\n".join(block for block in blocks if block) + self.close


def _layout(told: _Told) -> _Layout:
    """Returns the lines that a card has room for.

    Until the text is short enough, lines are left out from the end: first those of `why` that
    may go, then those of `do` under "More", then the other lines of `why`.
    """
    do, why = list(range(len(told.do))), list(range(len(told.why)))
    while True:
        layout = _Layout(do, why, _in_first_part(told, do, why))
        may_go = [place for place in why if told.kept[place] is not None]
        if len(told.written(layout)) <= DETAIL_LIMIT or not (may_go or do[FACE_BULLETS:]):
            return layout
        spare = [place for place in may_go if not told.kept[place]]
        if spare:
            why.remove(spare[-1])
        elif do[FACE_BULLETS:]:
            del do[-1]
        else:
            why.remove(may_go[-1])


def _in_first_part(told: _Told, do: list[int], why: list[int]) -> int:
    """Returns how many lines of `why` fit into what is read in ten seconds."""
    shown = do[:FACE_BULLETS]
    used = sum(len(told.do[place]) for place in shown) + len(told.unchecked)
    first = 0
    room = FACE_BULLETS - len(shown)
    while first < min(room, len(why)) and used + len(told.why[why[first]]) <= FIRST_PART:
        used += len(told.why[why[first]])
        first += 1
    return first


def _unchecked(context: CardContext, phrases: Phrases) -> str:
    """Says what could not be looked at, and which orders may be anything; or nothing."""
    words = phrases.words
    sentences = _missing(context, phrases)
    if context.unused:
        sentences.append(words.unused[context.unused])
    if context.unrecognised:
        count = {"count": str(context.unrecognised)}
        sentences.append(phrases.fill(words.lines["unrecognised"], count))
    if context.unread:
        sentences.append(words.lines["orders-unread"])
    if context.not_read:
        count = {"count": str(context.not_read)}
        sentences.append(phrases.fill(words.lines["orders-not-read"], count))
    return " ".join(sentences)


def _missing(context: CardContext, phrases: Phrases) -> list[str]:
    """Says what could not be looked at; a reason that several share is said once."""
    words = phrases.words
    by_reason: dict[str, list[str]] = {}
    for key in context.missing:
        if key in words.sources:
            by_reason.setdefault(_because(context, key, phrases), []).append(words.sources[key])
    label = words.card.not_checked
    single = [f"{names[0]} ({why})" for why, names in by_reason.items() if len(names) == 1]
    return [
        *(
            f"{label} ({why}): {', '.join(names)}."
            for why, names in by_reason.items()
            if len(names) > 1
        ),
        *([f"{label}: {', '.join(single)}."] if single else []),
    ]


def _because(context: CardContext, key: str, phrases: Phrases) -> str:
    missing, known = phrases.words.missing, context.because.get(key)
    if known is None:
        return missing[context.missing[key]]
    return phrases.fill(missing[known.key], known.facts)


def sentence(text: str) -> str:
    """Returns a text with a capital letter at its begin; "pH" and "mTOR" stay as they are."""
    first = text.partition(" ")[0]
    return text[:1].upper() + text[1:] if first.islower() else text


def _ended(headline: str) -> str:
    """Returns a headline as a line among sentences."""
    return headline if headline.endswith((".", "!", "?", "…")) else f"{headline}."


def _bullets(lines: list[str]) -> str:
    return "\n".join(f"- {words}" for words in lines)


# ---- words out of a record become harmless (docs/security.md, T-48)


LIMIT = 80
_KEPT_SIGNS = frozenset(" .,()/%+-")
_APOSTROPHE = re.compile(r"(?<=[^\W\d_])['\u2019](?=[^\W\d_])")
_TYPESET = "\u2019"  # between two letters it is no markup and ends no quotation
_AUTOLINK = re.compile(r"www|https?|ftp|mailto|xmpp", re.IGNORECASE)


def defuse(text: str, limit: int = LIMIT) -> str:
    """Returns one bounded line without markup, links or hidden characters.

    An allow-list, because renderers differ in what they take for markup; backslashes do not stop
    the autolinks of some of them. An apostrophe stays between two letters only, and is typeset.
    """
    shown = "".join(c for c in unicodedata.normalize("NFKC", text) if _visible(c))
    apostrophes = {match.start() for match in _APOSTROPHE.finditer(shown)}
    kept = "".join(
        _TYPESET if i in apostrophes else c if c in _KEPT_SIGNS or c.isalnum() else " "
        for i, c in enumerate(shown)
    )
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
