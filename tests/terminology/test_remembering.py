"""A memory of answers gives each call its own words, and keeps none of them."""

from __future__ import annotations

import pytest

from cds_service.knowledge.load import Knowledge
from cds_service.terminology.remembering import remembering
from cds_service.terminology.types import Coded, Coding, Product
from cds_service.terminology.vocabulary import Vocabulary
from cds_service.terminology.vocabulary import vocabulary as make_vocabulary


@pytest.fixture(scope="module")
def vocabulary(knowledge: Knowledge) -> Vocabulary:
    return make_vocabulary(knowledge.terms, knowledge.fluids, knowledge.orders)


def test_what_was_asked_before_is_not_worked_out_again() -> None:
    asked: list[str] = []

    def measured(text: str) -> int:
        asked.append(text)
        return len(text)

    length = remembering(measured)
    assert [length("one"), length("three"), length("one")] == [3, 5, 3]
    assert asked == ["one", "three"]


def test_above_its_limit_the_oldest_answer_goes_first() -> None:
    asked: list[int] = []

    def doubled(number: int) -> int:
        asked.append(number)
        return 2 * number

    double = remembering(doubled, most=2)
    assert [double(n) for n in (1, 2, 3, 1)] == [2, 4, 6, 2]
    assert asked == [1, 2, 3, 1]


def test_an_error_is_not_remembered() -> None:
    tries = [0, 5]
    share = remembering(lambda _: 10 // tries.pop(0))
    with pytest.raises(ZeroDivisionError):
        share("x")
    assert share("x") == 2


@pytest.mark.parametrize("name", ["sertraline 50 mg for Jane", "Xyzzy of Jane", "furosemide"])
def test_a_product_that_comes_again_brings_its_own_name(vocabulary: Vocabulary, name: str) -> None:
    product = Product(concepts=(Coded(text=name),))
    first, again = vocabulary.resolve(product), vocabulary.resolve(product)
    assert first == again == vocabulary.drugs.resolve(product)


def test_an_official_name_that_is_no_word_of_the_record_stays(vocabulary: Vocabulary) -> None:
    coding = Coding("http://www.nlm.nih.gov/research/umls/rxnorm", "312940")
    product = Product(concepts=(Coded(codings=(coding,)),))
    assert vocabulary.resolve(product) == vocabulary.drugs.resolve(product)
    assert vocabulary.resolve(product) == vocabulary.drugs.resolve(product)
