"""The resolver over order strings as EHRs write them."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

import pytest

from cds_service.terminology.drugs import DrugResolver
from cds_service.terminology.types import Coded, Product, Resolution

TABLE = (Path(__file__).parent / "orders.csv").read_text(encoding="utf-8")
ORDERS = list(csv.DictReader(TABLE.splitlines(), delimiter="|", quoting=csv.QUOTE_NONE))


def fluid_of(found: Resolution) -> str:
    if found.saline is None:
        return "water" if found.hypotonic else "none"
    percent = found.saline.percent
    return found.saline.kind if percent is None else f"{found.saline.kind} {percent.normalize()}"


@pytest.mark.parametrize("row", ORDERS, ids=lambda row: row["order"][:60])
def test_an_order_string_gives_its_ingredients_and_its_fluid(
    row: dict[str, str], resolver: DrugResolver
) -> None:
    found = resolver.resolve(Product(concepts=(Coded(text=row["order"]),)))

    wanted = set(filter(None, row["ingredients"].split(";")))
    assert {drug.name for drug in found.drugs} - {"sodium chloride"} == wanted
    kind, _, percent = (row["fluid"] or "none").partition(" ")
    assert fluid_of(found) == (f"{kind} {Decimal(percent).normalize()}" if percent else kind)


def test_the_table_is_large_and_explains_every_miss() -> None:
    assert len(ORDERS) >= 300
    assert all(row["why"] for row in ORDERS if row["fluid"] == "none")
