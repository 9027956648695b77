"""A text is read in one pass, however many names are known and however hostile it is."""

from __future__ import annotations

import pytest

from cds_service.terminology.drugs import DrugResolver
from cds_service.terminology.text import LONGEST, Phrases, fold, words
from cds_service.terminology.types import Coded, Product
from tests.counting import counted


def work(resolver: DrugResolver, text: str) -> int:
    """How much work one name is."""
    with counted() as calls:
        resolver.resolve(Product(concepts=(Coded(text=text),)))
    return calls()


def test_ten_times_as_many_names_make_no_text_slower_to_read() -> None:
    """Twelve languages made the table ten times larger: a phrase is found by its words."""
    text = words("take sertraline 50 mg and ibuprofen 400 mg with water in the morning " * 10)

    def finding(names: int) -> int:
        known = Phrases({f"sertraline kind{n}": (n,) for n in range(names)} | {"ibuprofen": (0,)})
        with counted() as calls:
            assert len(known.find(text)) == 10
        return calls()

    assert finding(20_000) == finding(2_000)


@pytest.mark.parametrize(
    "repeated",
    [
        "sertraline ",
        "sertraline / hydrochlorothiazide ",
        "avoid sertraline ",
        "sodium chloride 3 % ",
        "sodium chloride 500 mL norepinephrine ",
        "stop. sertraline. ",
        "no the of ",
        "fluid restriction ",
        "restrict fluid to 1000 ml avoid ",
        "0.9 % ",
        "\u30bb\u30eb\u30c8\u30e9\u30ea\u30f3 ",
    ],
)
def test_a_name_ten_times_as_long_is_about_ten_times_the_work(
    resolver: DrugResolver, repeated: str
) -> None:
    """A square would be a hundred times the work."""
    short, long = 80 // len(repeated) + 1, 800 // len(repeated) + 10
    work(resolver, repeated * short)
    times = (long / short) * 2.5
    assert work(resolver, f"a {repeated * long}"[:LONGEST]) < times * work(
        resolver, f"b {repeated * short}"
    )


def test_a_sign_that_stands_for_eighteen_does_not_make_a_text_that_much_longer() -> None:
    assert len(fold("\ufdfa" * LONGEST)) <= 4 * LONGEST
