"""What cards of one rule share, and what they must not."""

from __future__ import annotations

import copy
import re
from contextlib import suppress
from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.cli.replay import answer_story, offline_pipeline
from cds_service.demo.stories import Story
from cds_service.engine.cards import CardContext, CardSettings, Phrases, Writer, sentence
from cds_service.engine.finding import Finding, Line, Silence
from cds_service.errors import ServiceError
from cds_service.knowledge.load import default_hooks_dir
from tests.fhir_resources import Call, pipeline, sodium, taking


def test_clients_of_one_service_each_get_the_label_of_their_own_profile() -> None:
    """Writers are kept from call to call."""
    for profile, named in (("aasld", "AASLD"), ("european", "European"), ("aasld", "AASLD")):
        (card, *_) = Call(record=(sodium("128"),), profile=profile).evaluation().cards
        assert named in card["source"]["label"]


def test_a_card_says_nothing_of_the_patient_before() -> None:
    """Source, links and override reasons are made once for a rule: what is of a patient stands nowhere in them."""
    shared = ("source", "links", "overrideReasons")
    drug = taking("sertraline")
    (one, *_) = Call(record=(sodium("128"), drug)).evaluation().cards
    before = copy.deepcopy({name: one.get(name) for name in shared})
    (other, *_) = Call(record=(sodium("126"),)).evaluation().cards
    assert (
        {name: other.get(name) for name in shared}
        == before
        == {name: one.get(name) for name in shared}
    )
    assert "128" not in str(other)
    assert "sertraline" not in str(other).lower()


def test_f37_at_most_four_bullets_stand_before_more(stories: dict[str, Story]) -> None:
    offline = offline_pipeline(default_hooks_dir())
    longest = 0
    for story in stories.values():
        try:
            cards = answer_story(offline, story).cards
        except ServiceError:
            continue
        for card in cards:
            face, _, more = card["detail"].partition("\n\n**More**")
            bullets = [line for line in face.splitlines() if line.startswith("- ")]
            assert 1 <= len(bullets) <= 4, story.name
            longest = max(longest, len(bullets) + more.count("\n- "))
    assert longest > 4


def test_f37_the_headline_of_another_finding_stands_before_more() -> None:
    many = tuple(Line("look-further", {"symptom": str(number)}) for number in range(6))
    age = {"na": "128", "age": "40 d"}
    other = Finding(rule="PV-AGE", indicator="info", variant="main", facts=age, do=())
    lead = Finding(
        rule="PV-MILD",
        indicator="info",
        variant="main",
        facts={"na": "131"},
        do=many,
        absorbed=(other,),
    )
    known = pipeline().knowledge
    service = known.services["hyponatremia-patient-view"]
    address = "http://cds.test"
    settings = CardSettings(base_url=address, terminology_base=address, secret=b"s")
    about = CardContext(patient_id="p", trend="", missing={}, unrecognised=0, newest=())
    card = Writer(known, service, settings, "aasld").card(lead, about, lambda *_: [])
    face, _, more = card["detail"].partition("**More**")
    assert "Last sodium 128 mmol/L is 40 d old" in face
    assert len([line for line in face.splitlines() if line.startswith("- ")]) == 4
    assert len([line for line in more.splitlines() if line.startswith("- ")]) == 3


def test_headlines_and_lines_are_sentences_that_begin_with_a_capital_letter(
    stories: dict[str, Story],
) -> None:
    """A drug's name is written small in hooks/; "pH" and "mTOR" are not."""
    cards = _cards_of(stories)
    begun = [words for card in cards for words in (card["summary"], *_lines_of(card))]
    assert len(begun) > 300
    assert [words for words in begun if words.split(" ")[0].islower()] == []
    headlines = {card["summary"] for card in cards}
    assert "Sertraline can lower sodium; latest 129 mmol/L and falling" in headlines
    assert sentence("pH 7.2 and an mTOR inhibitor") == "pH 7.2 and an mTOR inhibitor"


def test_the_headline_of_another_finding_is_a_sentence_among_sentences(
    stories: dict[str, Story],
) -> None:
    lines = [line for card in _cards_of(stories) for line in _lines_of(card)]
    open_ended = re.compile(r"([.!?:…)]|[↑↓→]|\d)\**$")
    assert [line for line in lines if not open_ended.search(line)] == []


def test_a_reason_that_several_sources_share_is_said_once() -> None:
    keys = ("vitals", "conditions", "medications")
    (card, *_) = Call(record=(sodium("128"),), failing=keys).cards()
    assert (
        "Not checked (error of the record server): vital signs, problem list, current medicines."
        in card.detail
    )
    assert card.detail.count("record server") == 1
    (card, *_) = Call(record=(sodium("128"),), failing=("conditions",)).cards()
    assert "Not checked: problem list (error of the record server)." in card.detail


def test_without_a_sodium_no_rule_says_that_the_newest_one_is_fine() -> None:
    said = {
        one.rule: one.reason for one in Call().evaluation().outcomes if isinstance(one, Silence)
    }
    told = {rule: said[rule] for rule in ("DQ-UNIT", "DQ-PLAUS", "DQ-DELTA", "RATE-OVER")}
    assert set(told.values()) == {"no-sodium"}, told


def _cards_of(stories: dict[str, Story]) -> list[dict[str, Any]]:
    offline = offline_pipeline(default_hooks_dir())
    cards = []
    for story in stories.values():
        with suppress(ServiceError):
            cards += answer_story(offline, story).cards
    return cards


def _lines_of(card: dict[str, Any]) -> list[str]:
    return [line[2:].lstrip("*") for line in card["detail"].split("\n") if line.startswith("- ")]


def test_a_headline_that_a_client_would_refuse_is_shortened_at_its_least_important() -> None:
    here = pipeline().knowledge
    phrases = Phrases(here, here.services["hyponatremia-patient-view"])
    facts = {"na": "124.4 (glucose-corrected, measured 118)", "symptom": "confusion"}
    found = Finding(rule="PV-ENC", indicator="critical", variant="main", facts=facts)
    assert "measured 118" in phrases.summary(found)
    long = replace(found, facts=facts | {"symptom": "x" * 55})
    assert "Sodium 124.4 (glucose-corrected) mmol/L" in phrases.summary(long)
    assert phrases.summary(long).endswith("may be brain edema, examine now")
    longest = replace(found, facts=facts | {"symptom": "a symptom with a long name, " * 9})
    assert 100 < len(phrases.summary(longest)) < 140
    assert phrases.summary(longest).endswith("…")


@pytest.mark.parametrize(
    ("drug", "cited", "others"),
    [
        ("conivaptan", "Vaprisol label", "Samsca"),
        ("tolvaptan", "Samsca label", "Vaprisol"),
    ],
)
def test_a_card_cites_the_label_of_its_own_drug(drug: str, cited: str, others: str) -> None:
    named = _cited("OS-VAP-CONTRA", {"drug": drug, "why": "evidence:dialysis"}, drug)
    assert all(cited in text for text in named[:1])
    assert cited in named[1:]
    assert not any(others in text for text in named)


@pytest.mark.parametrize(
    ("drug", "has_it"), [("terlipressin", True), ("vasopressin", True), ("sertraline", False)]
)
def test_a_study_of_one_drug_is_no_source_of_a_card_on_another(drug: str, has_it: bool) -> None:
    """A study of terlipressin was named on each card about a drug that lowers sodium."""
    named = _cited("OS-LOW", {"drug": drug, "na": "129"}, drug)
    assert any("(Solà)" in text for text in named) is has_it
    assert any("Beers" in text for text in named)


def _cited(rule: str, facts: dict[str, Any], drug: str) -> list[str]:
    """Returns the text of a card about one drug, and the words of its links."""
    known = pipeline().knowledge
    service = known.services["hyponatremia-order-select"]
    address = "http://cds.test"
    settings = CardSettings(base_url=address, terminology_base=address, secret=b"s")
    about = CardContext(patient_id="p", trend="", missing={}, unrecognised=0, newest=())
    found = Finding(rule=rule, indicator="critical", variant="main", facts=facts, drugs=(drug,))
    card = Writer(known, service, settings, "aasld").card(found, about, lambda *_: [])
    return [card["detail"], *(link["label"] for link in card["links"])]
