"""Facts in another language: reads what `wording` writes, and writes it as the language does.

Rules know one language. Their facts are a small notation of numbers, times, spans and names (see
docs/decisions/0016); a text that is not in the notation stays as it is. The functions are pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import Template

from msgspec import Struct

from cds_service.engine.wording import (
    CORRECTED,
    LIPIDS,
    MIXTURE,
    MONTHS,
    NEAR_DAYS,
    NOW_WORD,
    SALINE,
)
from cds_service.knowledge.languages import (
    Language,
    SpeechWords,
    drug_names,
    in_language,
    is_signed,
)
from cds_service.knowledge.load import Knowledge

_NEAR = {word: days for days, word in NEAR_DAYS.items()}
_MONTH = "|".join(MONTHS)
# In this order: what is longer comes before its parts.
_NOTATION = (
    rf"(?P<percent>\d+(?:\.\d+)?){re.escape(SALINE)}(?P<mixture>{re.escape(MIXTURE)})?",
    rf"(?P<on>\bon )?(?:\b(?P<near>{'|'.join(_NEAR)})|\b(?P<day>\d{{1,2}}) (?P<month>{_MONTH})"
    r"(?: (?P<year>\d{4}))?)\b(?: (?P<hour>\d\d):(?P<minute>\d\d)\b)?",
    rf"\b(?P<only_month>{_MONTH})\b(?: (?P<its_year>\d{{4}})\b)?",
    r"\b(?P<count>\d+) (?P<unit>min|h|d)\b",
    re.escape(CORRECTED).replace(r"\{measured\}", r"(?P<measured>[^()]*)"),
    rf"(?P<lipids>{re.escape(LIPIDS)})",
    rf"(?P<now>^{NOW_WORD}$)",
    r"(?P<number>\d+\.\d+)",
)
_UNITS = {"min": "minutes", "h": "hours", "d": "days"}


class Translation(Struct, frozen=True, kw_only=True):
    """What a card needs to speak another language than English."""

    code: str
    knowledge: Knowledge  # with the words of the language
    speech: Speech
    note: str  # that no clinician has reviewed it; "" once it is signed


class Speech:
    """Writes the facts of cards in one language."""

    def __init__(self, words: SpeechWords, drugs: Mapping[str, str]) -> None:
        """Prepares a language; `drugs` are its names of ingredients, by the English name."""
        self._words = words
        self._drugs = drugs
        names = "|".join(map(re.escape, sorted(drugs, key=len, reverse=True)))
        self._notation = re.compile("|".join((*_NOTATION, rf"(?<!\w)(?P<drug>{names})(?!\w)")))

    def said(self, fact: str) -> str:
        """Returns a fact as the language writes it."""
        return self._notation.sub(self._one, fact)

    def is_whole(self, fact: str) -> bool:
        """Whether a fact is of the notation, so that nothing in it is left in English."""
        return re.search(r"[A-Za-z]", self._notation.sub("", fact)) is None

    def _one(self, found: re.Match[str]) -> str:
        part = found.groupdict()
        if part["drug"]:
            return self._drugs[part["drug"]]
        if part["near"] or part["day"]:
            return self._moment(part)
        if part["only_month"]:
            return self._month(part)
        if part["count"]:
            unit: str = getattr(self._words, _UNITS[part["unit"]])
            return _filled(unit, count=part["count"])
        return self._value(part)

    def _value(self, part: Mapping[str, str | None]) -> str:
        words = self._words
        if part["percent"]:
            template = words.saline_mixture if part["mixture"] else words.saline
            return _filled(template, percent=self._number(part["percent"]))
        if part["measured"]:
            return _filled(words.glucose_corrected, measured=self.said(part["measured"]))
        if part["lipids"]:
            return words.lipids
        return words.now if part["now"] else self._number(part["number"] or "")

    def _number(self, written: str) -> str:
        return written.replace(".", self._words.decimal)

    def _moment(self, part: Mapping[str, str | None]) -> str:
        words = self._words
        near = part["near"]
        if near:
            day = {0: words.today, 1: words.yesterday, -1: words.tomorrow}[_NEAR[near]]
        else:
            template = words.day_and_year if part["year"] else words.day
            month = self._name_of(part["month"])
            day = _filled(template, day=part["day"], month=month, year=part["year"])
            day = _filled(words.on, day=day) if part["on"] else day
        if not part["hour"]:
            return day
        clock = _filled(words.clock, hour=part["hour"], minute=part["minute"])
        return _filled(words.moment, day=day, clock=clock)

    def _month(self, part: Mapping[str, str | None]) -> str:
        month, year = self._name_of(part["only_month"]), part["its_year"]
        return _filled(self._words.month_and_year, month=month, year=year) if year else month

    def _name_of(self, month: str | None) -> str:
        return self._words.months[MONTHS.index(month or "")]


def _filled(template: str, **facts: str | None) -> str:
    return Template(template).substitute(facts)


def translations(knowledge: Knowledge) -> dict[str, Translation]:
    """Returns every language beside English that cards may speak, by its code."""
    return {
        code: _translation(knowledge, language) for code, language in knowledge.languages.items()
    }


def _translation(knowledge: Knowledge, language: Language) -> Translation:
    signed = is_signed(language.code, knowledge.reviews)
    return Translation(
        code=language.code,
        knowledge=in_language(knowledge, language),
        speech=Speech(language.speech, drug_names(knowledge, language)),
        note="" if signed else language.head.not_reviewed,
    )
