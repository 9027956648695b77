"""Water by a feeding tube, by the words of an order: how much a day (F23)."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from functools import cache

import msgspec
import pytest

from cds_service.knowledge.load import default_hooks_dir
from cds_service.knowledge.words import Fluids
from cds_service.terminology.tube_water import TubeWaterReader


@cache
def reader() -> TubeWaterReader:
    """The reader with the shipped words."""
    text = (default_hooks_dir() / "knowledge" / "fluids.toml").read_text(encoding="utf-8")
    return TubeWaterReader(msgspec.convert(tomllib.loads(text, parse_float=Decimal), Fluids))


@pytest.mark.parametrize(
    ("text", "daily"),
    [
        ("Free water flush 250 mL via PEG every 4 hours", 1500),
        ("Free water 250 mL per NG tube q4h", 1500),
        ("sterile water 200 mL per NG tube every 4 hours", 1200),
        ("Osmolite 1.5 at 45 mL/h, free water flush 250 mL every 4 h", 1500),
        ("Free water 300 mL q 6 h, Jevity 1.2 at 60 mL/h", 1200),
        ("Flush NG tube with 30 mL water every 4 hours", 180),
        ("250 mL free water q6h via PEG", 1000),
        ("free water 50 mL/h via NG", 1200),
        ("free water boluses, 200 mL, every 4 hours", 1200),
        ("Free water flush 150 mL every 4 hours for 24 hours", 900),
        ("water 200 mL bid via G-tube", 400),
        ("Wasser 200 ml über PEG alle 4 Stunden", 1200),
        ("eau 250 ml par sonde toutes les 6 heures", 1000),
        ("agua libre 200 ml por sonda cada 4 horas", 1200),
        ("D5W 250 mL via PEG every 6 hours", 1000),
        ("water 30 mL before and after meds via PEG", 30),
    ],
)
def test_the_water_of_a_day(text: str, daily: int) -> None:
    found = reader().read((text,), False)
    assert found is not None
    assert found.daily_ml == daily


@pytest.mark.parametrize("text", ["Free water flush per protocol", "Free water via PEG"])
def test_water_without_an_amount(text: str) -> None:
    found = reader().read((text,), False)
    assert found is not None
    assert found.daily_ml is None


@pytest.mark.parametrize(
    "text",
    [
        "Hold free water flushes 250 mL q4h",
        "Discontinue free water",
        "Free water deficit 3 L",
        "Free water restriction 1 L/day",
        "No free water",
        "D5W 1000 mL at 75 mL/h",
        "Encourage water",
        "sterile water 1000 mL bladder irrigation",
        "chest tube to water seal",
        "PEG 3350 238 g in 2 L water",
        "NG tube lavage with 500 mL tap water",
        "Low fat diet",
    ],
)
def test_what_is_no_water_by_tube(text: str) -> None:
    assert reader().read((text,), False) is None


def test_in_an_order_of_a_tube_feed_plain_water_is_enough() -> None:
    found = reader().read(("water 250 mL every 4 hours",), True)
    assert found is not None
    assert found.daily_ml == 1500
    assert reader().read(("water 250 mL every 4 hours",), False) is None
