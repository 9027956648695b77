"""F38: two orders of one drug are a mistake only if dose, route and time are the same."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from tests.fhir_resources import Call, Resource, coded, draft, lab, problem, sodium

SNOMED = "http://snomed.info/sct"
IV = coded(SNOMED, "47625008", "Intravenous route")
ORAL = coded(SNOMED, "26643006", "Oral route")
TWICE = "ordered twice"
PARTS = "two orders of"


def ordered(
    name: str, amount: float, unit: str, text: str = "", *, often: int = 0, rate: float = 0
) -> Resource:
    """A draft with a dose, its words, and how often a day it is given."""
    one: dict[str, Any] = {"doseQuantity": {"value": amount, "unit": unit}}
    if rate:
        one["rateQuantity"] = {"value": rate, "unit": "mL/h"}
    by_mouth = "tablet" in name.lower() or "oral" in name.lower()
    instruction: dict[str, Any] = {"doseAndRate": [one], "route": ORAL if by_mouth else IV}
    if text:
        instruction["text"] = text
    if often:
        instruction["timing"] = {"repeat": {"frequency": often, "period": 1, "periodUnit": "d"}}
    return draft(("", name), dosageInstruction=[instruction])


def said(*drafts: Resource, record: tuple[Resource, ...]) -> str:
    """Everything that the cards of an order session say, in lower case."""
    each = tuple({**one, "id": f"draft-{at}"} for at, one in enumerate(drafts))
    call = Call(record=record, drafts=each, selected=len(each), inpatient=True)
    return "\n".join(card.text for card in call.cards()).lower()


ADRENAL = (sodium("114", 1), problem("E23.0", 0), lab("cortisol", "1.8", 1))
INSIPIDUS = (sodium("124", 1), problem("E23.2", 900))
SIADH = (sodium("124", 1), problem("E22.2", 20), lab("urine-osmolality", "500", 1))
SEIZING = (sodium("114", 0.5), problem("R56.9", 0))
LOW_POTASSIUM = (sodium("118", 1), lab("potassium", "2.4", 1))
HYDROCORTISONE = "hydrocortisone sodium succinate 100 MG Injection"
SALINE = "sodium chloride 3% injection"
CONIVAPTAN = "conivaptan hydrochloride 20 mg/100 mL premix"
PAIRS = {
    "hydrocortisone bolus and q6h": (
        ADRENAL,
        ordered(HYDROCORTISONE, 100, "mg", "100 mg IV once"),
        ordered(HYDROCORTISONE, 50, "mg", "50 mg IV every 6 hours", often=4),
    ),
    "hydrocortisone bolus and infusion": (
        ADRENAL,
        ordered(HYDROCORTISONE, 100, "mg", "100 mg IV bolus"),
        ordered("hydrocortisone 200 mg/24 h infusion", 200, "mg", "200 mg over 24 h"),
    ),
    "desmopressin morning and bedtime": (
        INSIPIDUS,
        ordered("desmopressin 0.1 MG oral tablet", 0.1, "mg", "morning", often=1),
        ordered("desmopressin 0.2 MG oral tablet", 0.2, "mg", "bedtime", often=1),
    ),
    "potassium by vein and by mouth": (
        LOW_POTASSIUM,
        ordered("potassium chloride 10 mEq/100 mL IV", 10, "meq", often=4),
        ordered("potassium chloride 20 MEQ Oral Tablet", 40, "meq", often=2),
    ),
    "conivaptan load and infusion": (
        SIADH,
        ordered(CONIVAPTAN, 20, "mg", "20 mg IV over 30 min loading dose"),
        ordered(CONIVAPTAN, 20, "mg", "20 mg IV continuous over 24 h"),
    ),
    "3 % bolus and repeat": (
        SEIZING,
        ordered(SALINE, 100, "mL", "100 mL over 10 min once", rate=600),
        ordered(SALINE, 100, "mL", "100 mL over 10 min, may repeat PRN", rate=600),
    ),
    "3 % bolus and drip": (
        SEIZING,
        ordered(SALINE, 150, "mL", "150 mL bolus", rate=450),
        ordered(SALINE, 100, "mL", "then 15 mL/h", rate=15),
    ),
    "tolvaptan today and a step from tomorrow": (
        SIADH,
        ordered("tolvaptan 15 MG Oral Tablet", 15, "mg", "today once"),
        ordered("tolvaptan 30 MG Oral Tablet", 30, "mg", "from tomorrow if rise < 5", often=1),
    ),
}


@pytest.mark.parametrize(("record", "one", "other"), PAIRS.values(), ids=PAIRS)
def test_a_loading_dose_and_its_maintenance_are_never_called_one_too_many(
    record: tuple[Resource, ...], one: Resource, other: Resource
) -> None:
    for drafts in ((one, other), (other, one)):
        text = said(*drafts, record=record)
        assert text
        assert TWICE not in text
        assert "remove one of the two" not in text
        assert PARTS in text


def test_no_two_steroids_are_called_one_too_many_even_if_they_are_alike() -> None:
    one, other = (ordered(HYDROCORTISONE, 50, "mg", often=4) for _ in range(2))
    text = said(one, other, record=ADRENAL)
    assert TWICE not in text
    assert PARTS in text


def test_the_first_day_of_tolvaptan_counts_no_dose_that_begins_tomorrow() -> None:
    record, one, other = PAIRS["tolvaptan today and a step from tomorrow"]
    assert "30 mg on the first day" not in said(one, other, record=record)
    today = ordered("tolvaptan 30 MG Oral Tablet", 30, "mg", often=1)
    assert "30 mg on the first day" in said(today, record=record)


SALT = "sodium chloride 1000 MG Oral Tablet"


def test_the_same_salt_tablets_twice_are_told() -> None:
    one, other = (ordered(SALT, 1000, "mg", often=3) for _ in range(2))
    assert TWICE in said(one, other, record=SIADH)
    assert said(one, record=SIADH) == ""


@pytest.mark.parametrize(
    ("amount", "often", "text", "double"),
    [(1000, 3, "", True), (500, 3, "", False), (1000, 2, "", False), (1000, 3, "as needed", False)],
)
def test_a_double_has_the_same_dose_and_the_same_times(
    amount: float, often: int, text: str, double: bool
) -> None:
    one = ordered(SALT, 1000, "mg", often=3)
    other = ordered(SALT, amount, "mg", text, often=often)
    assert (TWICE in said(one, other, record=SIADH)) is double


def test_every_pair_of_different_orders_keeps_both() -> None:
    """Over all pairs of doses, times and words: alike in all is a double, and nothing else."""
    kinds = list(product((25, 50), (1, 2), ("", "once")))
    for mine, theirs in product(kinds[:3], kinds[:6]):
        one = ordered("sertraline 25 MG Oral Tablet", mine[0], "mg", mine[2], often=mine[1])
        other = ordered("sertraline 25 MG Oral Tablet", theirs[0], "mg", theirs[2], often=theirs[1])
        text = said(one, other, record=SIADH)
        alike = mine == theirs and not mine[2]
        assert (TWICE in text) is alike, (mine, theirs)
        assert (PARTS in text) is not alike, (mine, theirs)
