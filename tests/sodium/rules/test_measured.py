"""F26: what was measured beside sodium is told on its card."""

from __future__ import annotations

import pytest

from cds_service.sodium.snapshot import LabResult
from tests.sodium.patients import Story, result
from tests.sodium.rules.cases import detail, fired

WEEK, MONTH = 24 * 7, 24 * 30


def said(*results: LabResult, sodium: str = "128") -> str:
    found = fired(Story(sodium=sodium, results=results).case())
    return "\n".join(line for finding in found.values() for line in detail(finding))


@pytest.mark.parametrize("sodium", ["118", "124", "131"])
@pytest.mark.parametrize(
    ("told", "words"),
    [
        (result("tsh", "10.1", MONTH * 3 - 1), "TSH 10.1 mIU/L"),
        (result("cortisol", "12", MONTH - 1), "Cortisol 12 ug/dL"),
        (result("potassium", "2.9", 47), "Potassium 2.9 mmol/L"),
        (result("potassium", "5.6", 47), "Potassium 5.6 mmol/L"),
        (result("creatinine", "4.1", WEEK - 1), "low dialysate sodium"),
        (result("egfr", "14.9", WEEK - 1), "low dialysate sodium"),
        (result("calcium", "10.6", WEEK - 1), "Calcium 10.6 mg/dL"),
        (result("calcium", "7.9", WEEK - 1), "Calcium 7.9 mg/dL"),
        (result("lithium", "1.4", WEEK - 1), "Lithium level 1.4 mmol/L"),
        (result("serum-osmolality", 255, 47), "Serum osmolality 255 mOsm/kg"),
        (result("urine-osmolality", 410, 47), "Urine osmolality 410 mOsm/kg"),
        (result("urine-sodium", 62, 47), "Urine sodium 62 mmol/L"),
    ],
)
def test_f26_a_telling_result_is_on_the_card(told: LabResult, words: str, sodium: str) -> None:
    assert words in said(told, sodium=sodium)


@pytest.mark.parametrize(
    ("silent", "word"),
    [
        (result("tsh", "10"), "TSH"),
        (result("tsh", "139", MONTH * 3 + 1), "TSH"),
        (result("cortisol", "12", MONTH + 1), "Cortisol"),
        (result("potassium", "3.0"), "Potassium"),
        (result("potassium", "5.5"), "Potassium"),
        (result("potassium", "2.9", 49), "Potassium"),
        (result("creatinine", "4"), "dialysate"),
        (result("creatinine", "9", WEEK + 1), "dialysate"),
        (result("egfr", "15"), "dialysate"),
        (result("calcium", "10.5"), "Calcium"),
        (result("calcium", "8"), "Calcium"),
        (result("calcium", "7", WEEK + 1), "Calcium"),
        (result("lithium", "1.4", WEEK + 1), "Lithium"),
        (result("serum-osmolality", 255, 49), "Serum osmolality"),
    ],
)
def test_f26_a_usual_or_old_result_is_not(silent: LabResult, word: str) -> None:
    assert word not in said(silent)
