"""F29: names in other languages, whole words of them only, and as fast with ten times as many."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import pytest

from cds_service.knowledge.load import LANGUAGES, Knowledge, default_hooks_dir
from cds_service.knowledge.words import Fluids, NameList, Terms
from cds_service.terminology.drugs import DrugResolver
from cds_service.terminology.endings import Endings
from cds_service.terminology.names import FormReader, NameReader
from cds_service.terminology.text import Phrases, words
from cds_service.terminology.types import Coded, Product

HERE = Path(__file__).parent


def lists(language: str) -> dict[str, NameList]:
    path = default_hooks_dir() / "knowledge" / f"names-{language}.toml"
    return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), dict[str, NameList])


def recognised(resolver: DrugResolver, text: str) -> set[str]:
    return {drug.name for drug in resolver.resolve(Product(concepts=(Coded(text=text),))).drugs}


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_name_of_a_language_is_recognised_and_says_where_it_comes_from(
    language: str, resolver: DrugResolver
) -> None:
    for key, listed in lists(language).items():
        assert listed.language == language, key
        assert listed.source, key
        assert listed.licence, key
        named = [*listed.names.items(), *listed.brands.items(), *listed.combinations.items()]
        for ingredient, name in ((one, name) for one, names in named for name in names):
            assert ingredient in recognised(resolver, f"{name} 25 mg"), (key, name)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Losartan/hydrochloorthiazide 50/12,5", "hydrochlorothiazide"),
        ("Ramipril e Idroclorotiazide 5/25 mg", "hydrochlorothiazide"),
        ("Sertralinhydrochlorid 50 mg Filmtabletten", "sertraline"),
        ("wenlafaksyna 75 mg kapsułki", "venlafaxine"),
        ("bendroflumetiazid 2,5 mg tabletter", "bendroflumethiazide"),
        ("クロルプロマジン塩酸塩錠", "chlorpromazine"),
        ("フルイトラン錠1mg", "trichlormethiazide"),
        ("デュロキセチンカプセル20mg「トーワ」", "duloxetine"),
        ("ｻﾑｽｶOD錠7.5mg", "tolvaptan"),
        ("盐酸舍曲林片50mg", "sertraline"),
        ("草酸艾司西酞普兰片10mg", "escitalopram"),
        ("desmopressin　点鼻液", "desmopressin"),
    ],
)
def test_an_order_of_another_country_is_recognised(
    text: str, wanted: str, resolver: DrugResolver
) -> None:
    assert recognised(resolver, text) >= {wanted}


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("エスシタロプラム錠10mg", "citalopram"),
        ("草酸艾司西酞普兰片", "citalopram"),
        ("奥卡西平片", "carbamazepine"),
        ("氯噻酮片", "chlorothiazide"),
        ("ヒドロクロロチアジド錠", "chlorothiazide"),
    ],
)
def test_a_name_inside_a_longer_one_is_not_read(
    text: str, other: str, resolver: DrugResolver
) -> None:
    found = recognised(resolver, text)
    assert found
    assert other not in found


def test_no_name_belongs_to_two_ingredients(knowledge: Knowledge) -> None:
    """A combination names several; a single ingredient's name is its own."""
    owner: dict[tuple[str, ...], str] = {}
    for key, drug in knowledge.terms.drugs.items():
        if drug.combination:
            continue
        for name in (key, *drug.names, *drug.brands):
            assert owner.setdefault(words(name).tokens, key) == key, name


def test_everyday_words_are_no_drugs(resolver: DrugResolver) -> None:
    for line in (HERE / "ordinary-words.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            assert recognised(resolver, line) <= {"sodium chloride"}, line


def test_a_phrase_is_found_by_look_ups_and_not_by_going_through_a_list() -> None:
    """Ten thousand phrases with one first word: a text asks for two lengths, not for each."""

    class Counted(dict[tuple[str, ...], tuple[bool, ...]]):
        asked = 0

        def __contains__(self, key: object) -> bool:
            Counted.asked += 1
            return super().__contains__(key)

    many = (f"co {a}{b}{c}" for a in "abcdefghijklmnopqrst" for b in "aeiou" for c in "bcdfg" * 20)
    phrases = Phrases(dict.fromkeys(many, (True,)))
    lengths, table = phrases._exact["co"]
    phrases._exact["co"] = (lengths, Counted(table))
    assert not phrases.find(words("co unknown 25 mg"))
    assert Counted.asked == len(lengths) == 1


def test_a_reader_of_names_has_the_endings_of_the_knowledge(terms: Terms, fluids: Fluids) -> None:
    reader = NameReader(terms.drugs, fluids.text, FormReader(fluids.forms), Endings(fluids.ending))
    assert dict(reader.free("Paroxetinhydrochlorid").ingredients) == {"paroxetine": "text"}
    assert not reader.free("Hydrochlorid").ingredients
