"""Low protein makes the laboratory's sodium falsely high: the direct value is believed (F12)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sodium.patients import result
from tests.sodium.rules.cases import fired, keys, kinds, summary
from tests.sodium.rules.charts import two_methods


@pytest.mark.parametrize(
    ("direct", "indirect", "measured"),
    [
        ("133", "141", (result("total-protein", "3.5", 20), result("serum-albumin", "1.5", 20))),
        ("126", "134", (result("total-protein", "4.9", 20),)),
        ("134", "139", (result("serum-albumin", "2.4", 150),)),
    ],
)
def test_with_low_protein_the_direct_value_is_believed(
    direct: str, indirect: str, measured: Any
) -> None:
    card = fired(two_methods(direct, indirect, *measured).case())["DQ-METHODS"]
    assert "believe the direct value" in summary(card)
    assert keys(card)[:2] == ["believe-direct", "plan-by-direct"]
    assert "if-lower" not in keys(card)
    assert kinds(card) == ["repeat-sodium-now"]


@pytest.mark.parametrize(
    "measured",
    [
        (),
        (result("total-protein", "5", 20),),
        (result("serum-albumin", "2.5", 20),),
        (result("serum-albumin", "1.5", 200),),
        (result("total-protein", "7.0", 20), result("serum-albumin", "3.8", 20)),
    ],
)
def test_without_it_both_are_repeated(measured: Any) -> None:
    card = fired(two_methods("133", "141", *measured).case())["DQ-METHODS"]
    assert keys(card)[:2] == ["repeat-now", "if-lower"]
    assert kinds(card) == ["repeat-sodium-stat"]


def test_a_severe_direct_value_has_its_card() -> None:
    low = two_methods("115", "124", result("total-protein", "3.5", 20))
    found = fired(low.case())
    assert list(found)[:2] == ["PV-SEV", "DQ-METHODS"] or list(found)[:2] == [
        "DQ-METHODS",
        "PV-SEV",
    ]
    assert "doubt-methods-protein" in keys(found["PV-SEV"])
    assert list(fired(two_methods("115", "124").case())) == ["DQ-METHODS"]
