"""F24: a strong drug that was stopped lately is still named on a card about low sodium."""

from __future__ import annotations

import pytest

from cds_service.sodium.rules.book import BOOK
from cds_service.sodium.rules.gates import drug_lines
from cds_service.sodium.snapshot import Allergy, Order
from tests.sodium.patients import Story, drug, order


def named(*orders: Order) -> list[str]:
    """The lines on stopped drugs."""
    case = Story(sodium="124", orders=orders).case()
    return [line.key for line in drug_lines(case) if line.key.startswith("drug-stopped")]


@pytest.mark.parametrize(
    ("one", "lines"),
    [
        (order("hydrochlorothiazide", days=60, ended=1, status="stopped"), ["drug-stopped"]),
        (order("hydrochlorothiazide", days=60, ended=14, status="completed"), ["drug-stopped"]),
        (order("hydrochlorothiazide", days=60, ended=15, status="stopped"), []),
        (order("hydrochlorothiazide", days=20, status="stopped"), ["drug-stopped-undated"]),
        (order("hydrochlorothiazide", days=400, status="stopped"), []),
        (order("hydrochlorothiazide", days=60), []),
        (order("hydrochlorothiazide", days=60, status="on-hold"), []),
        (order("spironolactone", days=60, ended=1, status="stopped"), []),
    ],
    ids=["1 d", "14 d", "15 d", "undated", "long ago", "taken", "on hold", "no strong drug"],
)
def test_f24_a_strong_drug_that_was_stopped_lately_is_named(one: Order, lines: list[str]) -> None:
    assert named(one) == lines


def test_f24_a_drug_that_is_taken_again_was_not_stopped() -> None:
    old = order("sertraline", days=90, ended=10, status="stopped", reference="MedicationRequest/2")
    assert named(order("sertraline", days=9), old) == []


def test_f24_no_stop_is_offered_for_what_was_stopped() -> None:
    stopped = order("hydrochlorothiazide", days=20, ended=1, status="stopped")
    card = BOOK.chart["PV-MOD"](Story(sodium="124", orders=(stopped,)).case())
    kinds = [s.kind for s in getattr(card, "suggestions", ())]
    assert not [kind for kind in kinds if kind.startswith("stop")]


def test_f24_an_allergy_entry_that_names_low_sodium_counts_for_its_class_of_drugs() -> None:
    def told(*names: str) -> Story:
        allergy = Allergy(
            drugs=tuple(drug(name) for name in names),
            concepts=frozenset({"hyponatremia"}),
            blames=frozenset(drug(name).cls for name in names),
        )
        return Story(sodium="139", allergies=(allergy,))

    def variant(story: Story) -> str:
        draft = order("sertraline", status="draft", days=None)
        return getattr(BOOK.order["OS-LOW"].judge(story.case(), draft), "variant", "")

    assert variant(told("citalopram")) == "earlier-undated"
    assert variant(told("hydrochlorothiazide")) == ""
    assert variant(told()) == ""
