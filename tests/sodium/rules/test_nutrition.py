"""Parenteral nutrition without sodium is free water: it is asked for sodium, never stopped (F28)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.sodium.snapshot import Order
from cds_service.terminology.types import Nutrition, RecordText
from tests.sodium.patients import Story, ago, problem, result
from tests.sodium.rules.cases import fired, keys
from tests.sodium.rules.charts import rising
from tests.sodium.rules.orders import SELECTED, Scene, table


def nutrition(sodium: str | None = "0", ml: str | None = "2000", **more: Any) -> Order:
    """A draft of parenteral nutrition."""
    bag = Nutrition(
        sodium_mmol_l=None if sodium is None else Decimal(sodium),
        daily_ml=None if ml is None else Decimal(ml),
    )
    known: dict[str, Any] = {"reference": SELECTED, "status": "draft", "route": "iv"}
    return Order(nutrition=bag, **(known | more))


def story(na: str = "128", *problems: Any, **more: Any) -> Story:
    """A sodium of this day in hospital."""
    return Story(sodium=na, setting="inpatient", problems=problems, **more)


CONFUSION = problem("confusion", days=0.05, encounter=True)
SCENES = (
    Scene(
        says="F28: two liters without sodium at 128 are a warning, and stay",
        order=nutrition(),
        story=story(),
        fires={"OS-NUTRITION": "warning main"},
        shows=("ask-for-sodium", "nutrition-is-water"),
        hides=("read-the-bag",),
    ),
    Scene(
        says="F28: so is a volume that nobody tells",
        order=nutrition(ml=None),
        story=story(),
        fires={"OS-NUTRITION": "warning main"},
    ),
    Scene(says="F28: 499 mL are silent", order=nutrition(ml="499"), story=story()),
    Scene(
        says="F28: 500 mL are not",
        order=nutrition(ml="500"),
        story=story(),
        fires={"OS-NUTRITION": "warning main"},
    ),
    Scene(
        says="F28: with confusion at 117 it is critical, brain edema first of all",
        order=nutrition(),
        story=story("117", CONFUSION),
        fires={"OS-NUTRITION": "critical main"},
        shows=("order-symptom", "ask-for-sodium"),
    ),
    Scene(
        says="F28: an unknown sodium is one question",
        order=nutrition(None),
        story=story(),
        fires={"OS-NUTRITION": "info unknown"},
        shows=("read-the-bag",),
    ),
    Scene(
        says="F28: 29 mmol/L are little",
        order=nutrition("29"),
        story=story(),
        fires={"OS-NUTRITION": "warning told"},
        shows=("ask-for-sodium",),
    ),
    Scene(
        says="F28: 35 mmol/L are usual, and hypotonic",
        order=nutrition("35"),
        story=story(),
        fires={"OS-NUTRITION": "info told"},
    ),
    Scene(says="F28: 120 mmol/L are isotonic", order=nutrition("120"), story=story()),
    Scene(says="F28: at a normal sodium no card", order=nutrition(), story=story("138")),
    Scene(
        says="F28: after a fall from 144 to 136 there is one",
        order=nutrition(),
        story=story("136", results=(result("sodium", 145, 20),)),
        fires={"OS-NUTRITION": "warning main"},
    ),
    Scene(says="F4: while sodium rises too fast it may brake", order=nutrition(), story=rising()),
)


@table(SCENES)
def test_orders_of_nutrition(scene: Scene) -> None:
    scene.check()


def test_the_emergency_stands_before_the_nutrition() -> None:
    scene = next(scene for scene in SCENES if "brain edema" in scene.says)
    assert [one.key for one in scene.findings()["OS-NUTRITION"].do] == [
        "order-symptom",
        "ask-for-sodium",
    ]


@pytest.mark.parametrize(
    ("sodium", "name", "told"),
    [
        ("0", "Clinimix 5/15", "running-nutrition"),
        (None, "TPN", "running-nutrition"),
        (None, "", "running-nutrition-unnamed"),
        ("140", "TPN", ""),
    ],
)
def test_nutrition_that_runs_is_named_on_the_chart(
    sodium: str | None, name: str, told: str
) -> None:
    running = replace(
        nutrition(sodium),
        reference="MedicationRequest/1",
        status="active",
        intent="order",
        start=ago(days=0.5),
        fluid_name=RecordText(name) if name else None,
    )
    cards = fired(story("128", orders=(running,)).case())
    said = {k for card in cards.values() for k in keys(card) if k.startswith("running")}
    assert said == ({told} if told else set())
