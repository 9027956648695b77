"""Every card in every language: the same lines, buttons and numbers as the English card, and no English left.

The cards are those of all stories; the texts, those of all findings of the scenes of the rules.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service.cli.replay import answer_story, evaluate
from cds_service.demo.stories import Story, default_fixtures_dir, load_stories
from cds_service.engine.cards import SUMMARY_BELOW, Phrases, defuse
from cds_service.engine.finding import Fact, Finding, Line, Outcome
from cds_service.engine.speech import Translation, translations
from cds_service.errors import ServiceError
from cds_service.knowledge.languages import english_texts, missing_words, numbers_in
from cds_service.sodium.rules.book import BOOK
from cds_service.terminology.types import RecordText
from cds_service.trust.client import Client
from tests.conftest import NOW
from tests.fhir_resources import NOW as RECORD_NOW
from tests.fhir_resources import Call, pipeline, sodium
from tests.sodium.rules.orders import all_scenes
from tests.sodium.rules.test_discharge import DISCHARGES
from tests.sodium.rules.test_words import gallery, parts_of_this_run

KNOWN = pipeline().knowledge
LANGUAGES = tuple(KNOWN.languages)
VIEW = "/cds-services/hyponatremia-patient-view"
LONGEST_DETAIL = 2000  # the English one is at most 1500; other languages take more letters
# Words that are English and of no language of ours; names of papers and of code systems are apart.
_ENGLISH = (
    "the and with not of is are for by to from if this or before after than which then check low "
    "rise rose stop today yesterday tomorrow since until has have been its it recorded saline "
    "drug fluid first only no-one below above more may can will never too as per day days start "
    "started review look possible cause label without during order ordered result results"
)
ENGLISH_WORDS = frozenset(_ENGLISH.split())
OWN_WORDS = {"fr": {"possible", "cause"}, "es": {"may"}}  # the Spanish month
_BASIS = re.compile(
    r"\[[^\]]*\]\([^)]*\): [^\n]*?\. "
)  # the link to the basis, and names of papers


@pytest.fixture(scope="module", params=LANGUAGES)
def spoken(request: pytest.FixtureRequest) -> Translation:
    return translations(KNOWN)[request.param]


# ---- cards


@cache
def answered(language: str) -> dict[str, tuple[list[dict[str, Any]], frozenset[str]]]:
    """The cards of each story in a language, and what of them came from the record."""
    found = {}
    for name, story in load_stories(default_fixtures_dir()).items():
        try:
            evaluation = answer_story(pipeline(), story, language)
        except ServiceError:
            continue
        found[name] = evaluation.cards, frozenset(_of_record(evaluation.returned))
    return found


def _of_record(findings: tuple[Finding, ...]) -> Iterator[str]:
    for finding in findings:
        for fact in _facts(finding):
            if isinstance(fact, RecordText):
                yield defuse(fact.value)


def _facts(outcome: Finding) -> Iterator[Fact]:
    yield from outcome.facts.values()
    for line in (*outcome.do, *outcome.why):
        yield from line.facts.values()
    for suggestion in outcome.suggestions:
        yield from suggestion.facts.values()
    for other in outcome.absorbed:
        yield from _facts(other)


def pairs(language: str) -> Iterator[tuple[dict[str, Any], dict[str, Any], frozenset[str]]]:
    """Each card in English and in a language, with what of it came from the record."""
    english, other = answered("en"), answered(language)
    assert english.keys() == other.keys()
    for name, (cards, record) in english.items():
        assert len(cards) == len(other[name][0]), name
        for card, translated in zip(cards, other[name][0], strict=True):
            yield card, translated, record


def test_a_card_is_the_same_but_for_its_words(spoken: Translation) -> None:
    seen = 0
    for english, card, _ in pairs(spoken.code):
        assert _frame(card) == _frame(english)
        seen += 1
    assert seen > 80


def _frame(card: dict[str, Any]) -> Any:
    """What EHRs, feedback and suppression rest on."""
    return {
        "uuid": card["uuid"],
        "indicator": card["indicator"],
        "url": card["source"]["url"],
        "topic": card["source"]["topic"]["code"],
        "links": [link["url"] for link in card.get("links", [])],
        "reasons": [(r["code"], r["system"]) for r in card.get("overrideReasons", [])],
        "behavior": card.get("selectionBehavior"),
        "lines": [line[:2] == "- " for line in card["detail"].splitlines()],
        "buttons": [
            (s["uuid"], s.get("isRecommended"), [_ordered(a) for a in s["actions"]])
            for s in card.get("suggestions", [])
        ],
    }


def _ordered(action: dict[str, Any]) -> str:
    """An action without its texts: codes, amounts, times and references stay."""
    return json.dumps(_without_texts(action), sort_keys=True, default=str)


def _without_texts(value: Any) -> Any:
    texts = {"text", "instruction", "patientInstruction", "description"}
    if isinstance(value, dict):
        return {key: _without_texts(one) for key, one in value.items() if key not in texts}
    return [_without_texts(one) for one in value] if isinstance(value, list) else value


def test_every_text_of_a_card_holds_the_numbers_of_the_english_one(spoken: Translation) -> None:
    decimal = KNOWN.languages[spoken.code].speech.decimal
    for english, card, _ in pairs(spoken.code):
        for said, translated in zip(texts(english), texts(card), strict=True):
            assert _numbers(translated, decimal) == _numbers(said), (said, translated)


def _numbers(text: str, decimal: str = "") -> Counter[Any]:
    clocks = re.sub(
        r"(?<!\d)(\d\d)(?::| ?h ?)(\d\d)(?!\d)", r"\1 \2", re.sub(r"\(http[^)]*\)", "", text)
    )
    return numbers_in(clocks, decimal)


def texts(card: dict[str, Any]) -> list[str]:
    """Every text of a card that a clinician reads or signs, in its order."""
    found = [card["summary"], card["detail"], card["source"]["label"]]
    found += [card["source"]["topic"]["display"]]
    found += [reason["display"] for reason in card.get("overrideReasons", [])]
    for suggestion in card.get("suggestions", []):
        found.append(suggestion["label"])
        for action in suggestion["actions"]:
            found.append(action["description"])
            found += _order_texts(action.get("resource", {}))
    return found


def _order_texts(resource: dict[str, Any]) -> list[str]:
    diet = resource.get("oralDiet", {})
    found = [resource.get("code", {}).get("text"), diet.get("instruction")]
    found += [dose.get("text") for dose in resource.get("dosageInstruction", [])]
    found.append(resource.get("patientInstruction"))
    if resource.get("id"):  # the patient's own order: its texts are those of the record
        found = []
    found.append(resource.get("statusReason", {}).get("text"))
    return [text for text in found if text]


def test_no_english_is_left_on_a_card(spoken: Translation) -> None:
    for _, card, record in pairs(spoken.code):
        for text in texts(card):
            left = _english(text, record, spoken.code)
            assert not left, (left, text)


def _english(text: str, record: frozenset[str], language: str) -> set[str]:
    plain = _BASIS.sub(" ", text)
    for came in (*filter(None, record), *_not_translated(language)):
        plain = plain.replace(came, " ")
    words = set(re.findall(r"[a-zà-ÿß]+", plain.lower()))
    return words & (ENGLISH_WORDS - OWN_WORDS.get(language, set()))


@cache
def _not_translated(language: str) -> tuple[str, ...]:
    """The English words of texts that a language lacks, between their $names."""
    texts = english_texts(KNOWN)
    lacking = [text for path, text in texts.items() if path not in KNOWN.languages[language].texts]
    return tuple(p for text in lacking for p in re.split(r"\$\{?\w+\}?", text) if len(p) > 3)


def test_a_card_is_whole_and_not_too_long(spoken: Translation) -> None:
    for english, card, _ in pairs(spoken.code):
        assert len(card["summary"]) < SUMMARY_BELOW
        assert ("…" in card["summary"]) <= ("…" in english["summary"]), card["summary"]
        assert len(card["detail"]) <= LONGEST_DETAIL, card["detail"]
        assert not any("$" in text for text in texts(card))
        assert spoken.note
        assert card["detail"].endswith(f" {spoken.note}")


# ---- texts with the facts of every scene


@cache
def findings() -> tuple[Finding, ...]:
    """Every finding of the scenes of the rules, and of the gallery that shows every text."""
    outcomes: list[Outcome] = []
    for case in gallery(parts_of_this_run()):
        outcomes += [rule(case) for rule in BOOK.chart.values()]
    for going_home in DISCHARGES:
        outcomes += [rule(going_home.case()) for rule in BOOK.discharge.values()]
    for scene in all_scenes():
        outcomes += scene.outcomes().values()
    return tuple({repr(o): o for o in outcomes if isinstance(o, Finding)}.values())


@cache
def headlines() -> tuple[Finding, ...]:
    """One finding of each headline: the same variant with the same facts says the same."""
    found = {(one.rule, one.variant, repr(one.facts)): one for one in findings()}
    return tuple(found.values())


@cache
def lines() -> tuple[tuple[str, Line], ...]:
    """Each line of the findings once, with its rule."""
    told = [(one.rule, line) for one in findings() for line in (*one.do, *one.why)]
    return tuple({(rule, repr(line)): (rule, line) for rule, line in told}.values())


def test_facts_are_of_the_notation_that_languages_read() -> None:
    """What is not would be shown in English on every card in another language."""
    speech = next(iter(translations(KNOWN).values())).speech
    for fact in {fact for finding in findings() for fact in _facts(finding)}:
        if isinstance(fact, RecordText):
            continue
        for part in fact.split("|"):
            key, _, time = part.partition("@")
            keyed = re.fullmatch(r"(symptom|evidence|drugclass|lab|line):[^ ]+", key)
            assert speech.is_whole(time if keyed else part), fact


def test_every_headline_says_the_same_numbers(spoken: Translation) -> None:
    decimal = KNOWN.languages[spoken.code].speech.decimal
    for finding in headlines():
        english, other = _phrases(finding.rule, None), _phrases(finding.rule, spoken)
        said, translated = english.summary(finding), other.summary(finding)
        assert ("…" in translated) <= ("…" in said), (len(translated), translated)
        if len(_filled(english, finding)) < SUMMARY_BELOW > len(_filled(other, finding)):
            assert _numbers(translated, decimal) == _numbers(said), (said, translated)


def test_every_line_says_the_same_numbers(spoken: Translation) -> None:
    decimal = KNOWN.languages[spoken.code].speech.decimal
    for rule, line in lines():
        one, two = (_phrases(rule, speech).line(rule, line) for speech in (None, spoken))
        assert _numbers(two, decimal) == _numbers(one), (one, two)
        assert not _english(two, frozenset(_record(line)), spoken.code), two


def _filled(phrases: Phrases, finding: Finding) -> str:
    return phrases.fill(phrases.rules[finding.rule].summary[finding.variant], finding.facts)


def _record(line: Line) -> Iterator[str]:
    return (defuse(fact.value) for fact in line.facts.values() if isinstance(fact, RecordText))


def _phrases(rule: str, spoken: Translation | None) -> Phrases:
    return _phrases_of(rule, spoken.code if spoken else "en")


@cache
def _phrases_of(rule: str, language: str) -> Phrases:
    spoken = translations(KNOWN).get(language)
    known = spoken.knowledge if spoken else KNOWN
    service = next(one for one in known.services.values() if rule in one.rules)
    return Phrases(known, service, spoken.speech if spoken else None)


def test_a_language_lacks_next_to_nothing(spoken: Translation) -> None:
    """A text that is new in English is shown in English until it is translated."""
    language = KNOWN.languages[spoken.code]
    lacking = [*missing_words(KNOWN, language), *language.unfit]
    assert len(lacking) < len(language.texts) / 50, lacking


def test_words_that_go_into_headlines_are_short(spoken: Translation) -> None:
    words = spoken.knowledge.words
    for table in (words.symptoms, words.evidence, words.labs):
        assert [text for text in table.values() if len(text) > 34] == []


# ---- which language a call gets


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("de", "de"),
        ("de-CH, en;q=0.5", "de"),
        ("DE-at", "de"),
        ("en-US,de;q=0.9", "en"),
        ("ja, de;q=0.3, en;q=0.2", "de"),
        ("de;q=0, en", "en"),
        ("ja", "en"),
        ("*", "en"),
        ("", "en"),
        (";;q=x,,de-", "de"),
        ("x" * 900, "en"),
    ],
)
def test_a_call_gets_the_language_that_it_prefers(
    client: FlaskClient, stories: dict[str, Story], header: str | None, language: str
) -> None:
    headers = {} if header is None else {"Accept-Language": header}
    call = json.loads(json.dumps(stories["cramps-in-siadh"].request_at(NOW), default=float))
    answer = client.post(VIEW, json=call, headers=headers)
    listed = client.get("/cds-services", headers=headers)
    assert answer.headers["Content-Language"] == listed.headers["Content-Language"] == language
    (card, *_) = answer.get_json()["cards"]
    title = listed.get_json()["services"][0]["title"]
    assert ("Sodium" in card["summary"] or "sodium" in card["summary"]) == (language == "en")
    assert ("sodium" in title) == (language == "en")


def test_the_registry_comes_before_what_a_call_asks_for() -> None:
    here = pipeline()
    assert here.language_of("de", Client(language="en")) == "en"
    assert here.language_of("en", Client(language="de")) == "de"
    assert here.language_of("de", Client()) == "de"
    assert here.language_of("", Client()) == "en"


def test_what_could_not_be_read_is_said_in_the_language() -> None:
    client = Client(language="de", explain_missing_data=True)
    body = Call(record=()).body()
    body["prefetch"]["sodium"] = None
    del body["prefetch"]["sodium"]
    [card] = evaluate(pipeline(), "hyponatremia-patient-view", body, RECORD_NOW, client).cards
    assert card["summary"].startswith("Natrium konnte nicht geprüft werden: ")
    assert not _english(card["summary"], frozenset(), "de")


def test_what_was_not_checked_is_said_in_the_language() -> None:
    body = Call(record=(sodium("128"),)).body()
    del body["prefetch"]["conditions"]
    client = Client(language="de")
    (card, *_) = evaluate(pipeline(), "hyponatremia-patient-view", body, RECORD_NOW, client).cards
    assert "Nicht geprüft: Problemliste (" in card["detail"]
    assert not _english(card["detail"], frozenset(), "de")
