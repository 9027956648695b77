"""Orders that move water: mannitol, irrigation, and orders to drink much (F13, F23)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.sodium.snapshot import Missing, Order
from cds_service.terminology.types import RecordText
from tests.sodium.patients import Story, fluid_restriction, order, problem, result
from tests.sodium.rules.cases import detail, fired
from tests.sodium.rules.orders import Scene, restriction, selected, table

SIADH = problem("siadh", days=5)


def ward(sodium: str, *problems: Any, **more: Any) -> Story:
    """An inpatient whose sodium is two hours old."""
    return Story(sodium=sodium, setting="inpatient", problems=problems, **more)


def drink(name: str = "Push fluids", **more: Any) -> Order:
    """An order to drink much."""
    parts = {"reference": "ServiceRequest/draft", "status": "draft", **more}
    return Order(kind="service", asks_to_drink=True, fluid_name=RecordText(name), **parts)


def named(text: str, reference: str = "NutritionOrder/1") -> Order:
    """An active fluid restriction that is called so."""
    return replace(fluid_restriction(), reference=reference, fluid_name=RecordText(text))


NOT_LISTED = {"NutritionOrder": Missing.NOT_READ, "ServiceRequest": Missing.NOT_READ}
MANNITOL = selected("mannitol", route="iv")
IRRIGATION = replace(selected("glycine"), irrigation=True)
SCENES = (
    Scene(
        says="mannitol at 124: osmolality before a fall is read, and no delay in brain edema",
        order=MANNITOL,
        story=ward("124"),
        fires={"OS-OSMOTIC": "info main"},
        shows=("do-not-delay", "osmolality-before", "moves-water"),
        hides=("measured-serum-osmolality",),
    ),
    Scene(
        says="mannitol at 124, osmolality known: its value and its time are told",
        order=MANNITOL,
        story=ward("124", results=(result("serum-osmolality", 262, 6),)),
        fires={"OS-OSMOTIC": "info main"},
        shows=("measured-serum-osmolality",),
    ),
    Scene(
        says="mannitol at 124, osmolality of seven hours ago: too old to tell",
        order=MANNITOL,
        story=ward("124", results=(result("serum-osmolality", 262, 7),)),
        fires={"OS-OSMOTIC": "info main"},
        hides=("measured-serum-osmolality",),
    ),
    Scene(says="mannitol at 138: silent", order=MANNITOL, story=ward("138")),
    Scene(
        says="mannitol by mouth stays in the gut: silent",
        order=selected("mannitol"),
        story=ward("124"),
    ),
    Scene(
        says="glycine irrigation at 128: saline instead",
        order=IRRIGATION,
        story=ward("128"),
        fires={"OS-OSMOTIC": "warning irrigation"},
        shows=("saline-instead", "sodium-after-irrigation", "taken-up"),
    ),
    Scene(says="glycine irrigation at 136: silent", order=IRRIGATION, story=ward("136")),
    Scene(says="glycine that is swallowed: silent", order=selected("glycine"), story=ward("124")),
    Scene(
        says="push fluids in SIADH at 124: limit them instead",
        order=drink(),
        story=ward("124", SIADH),
        fires={"OS-DRINK": "warning main"},
        shows=("limit-instead", "volume-euv"),
        hides=("restriction-orders-unread",),
    ),
    Scene(
        says="push fluids in SIADH, fluid orders not read: the card says so",
        order=drink(),
        story=ward("124", SIADH, missing=NOT_LISTED),
        fires={"OS-DRINK": "warning main"},
        shows=("limit-instead", "restriction-orders-unread"),
    ),
    Scene(
        says="push fluids in SIADH while a restriction runs: it is named",
        order=drink(),
        story=ward("124", SIADH, orders=(named("Fluid restriction 1 L/day"),)),
        fires={"OS-DRINK": "warning main"},
        shows=("limit-instead", "restriction-running"),
    ),
    Scene(
        says="push fluids in SIADH after an acute fall: no restriction is offered, and no more water",
        order=drink(),
        story=ward("124", SIADH, results=(result("sodium", 134, 30),)),
        fires={"OS-DRINK": "warning main"},
        shows=("no-more",),
        hides=("limit-instead",),
    ),
    Scene(
        says="push fluids in mild SIADH without a symptom: no more water",
        order=drink(),
        story=ward("132.9", SIADH),
        fires={"OS-DRINK": "warning main"},
        shows=("no-more",),
    ),
    Scene(says="push fluids in SIADH at 133: silent", order=drink(), story=ward("133", SIADH)),
    Scene(
        says="push fluids in SIADH beside a new vaptan: drinking is right",
        order=drink(),
        story=ward("124", SIADH, orders=(order("tolvaptan", days=0.5),)),
    ),
    Scene(says="push fluids in SIADH at 138: silent", order=drink(), story=ward("138", SIADH)),
    Scene(
        says="push fluids in SIADH beside lithium, which needs fluid: silent",
        order=drink(),
        story=ward("124", SIADH, orders=(order("lithium"),)),
    ),
    Scene(
        says="push fluids in volume depletion: silent",
        order=drink(),
        story=ward("124", problem("hypovolemia", days=1)),
    ),
    Scene(
        says="push fluids, and the volume status is not known: silent",
        order=drink(),
        story=ward("124"),
    ),
    Scene(
        says="push fluids in SIADH while sodium rises too fast: silent",
        order=drink(),
        story=ward("124", SIADH, results=(result("sodium", 112, 20),)),
    ),
    Scene(
        says="a second restriction: the active one is named, and no button takes one away",
        order=restriction(),
        story=ward("124", SIADH, orders=(named("Fluid restriction 1 L/day"),)),
        fires={"OS-FR": "info running"},
        shows=("keep-one", "active-already"),
    ),
    Scene(
        says="a second restriction, the active one without a name",
        order=restriction(),
        story=ward("124", SIADH, orders=(fluid_restriction(),)),
        fires={"OS-FR": "info running"},
        shows=("keep-one",),
        hides=("active-already",),
    ),
    Scene(
        says="the restriction before it has ended: silent",
        order=restriction(),
        story=ward("124", SIADH, orders=(fluid_restriction("completed"),)),
    ),
    Scene(
        says="a second restriction that harms: the active one is to be lifted too",
        order=restriction(),
        story=ward(
            "124", problem("hypovolemia", days=1), orders=(named("Fluid restriction 1 L/day"),)
        ),
        fires={"OS-FR": "warning main"},
        removes=True,
        shows=("do-hypo", "restriction-running"),
    ),
    Scene(
        says="a vaptan, and fluid orders were not read: a restriction may be there",
        order=selected("tolvaptan"),
        story=ward("122", SIADH, missing=NOT_LISTED),
        fires={"OS-VAP-GEN": "info main"},
        shows=("restriction-orders-unread",),
    ),
    Scene(
        says="a vaptan, and fluid orders were read: nothing is said of them",
        order=selected("tolvaptan"),
        story=ward("122", SIADH),
        fires={"OS-VAP-GEN": "info main"},
        hides=("restriction-orders-unread",),
    ),
)


@table(SCENES)
def test_orders_that_move_water(scene: Scene) -> None:
    scene.check()


def said(*orders: Order) -> str:
    """What the chart says of SIADH with these active orders."""
    (card,) = fired(ward("124", SIADH, orders=orders).case()).values()
    return "\n".join(detail(card))


def test_an_active_restriction_is_named_on_the_chart() -> None:
    assert "runs already (Fluid restriction 1 L/day)" in said(named("Fluid restriction 1 L/day"))
    twice = said(named("FR 1 L"), named("FR 1.5 L", "ServiceRequest/2"))
    assert "More than one fluid restriction runs** (FR 1 L, FR 1.5 L)" in twice
    assert "runs already (FR 1 L)" in said(named("FR 1 L"), named("FR 1 L", "ServiceRequest/2"))
    assert "A fluid restriction is already ordered" in said(fluid_restriction())


@pytest.mark.parametrize(
    ("status", "told"), [("active", True), ("completed", False), ("on-hold", False)]
)
def test_an_active_order_to_drink_much_is_named_where_fluid_is_limited(
    status: str, told: bool
) -> None:
    ordered = drink("Encourage oral fluids", status=status, reference="ServiceRequest/1")
    words = "**Running: Encourage oral fluids**: stop it"
    assert (words in said(ordered)) is told
    assert (words in said(ordered, named("FR 1 L"))) is told
    unnamed = replace(ordered, fluid_name=None)
    assert ("an order to drink much**: stop it" in said(unnamed)) is told


def test_where_fluid_is_not_limited_an_order_to_drink_is_not_named() -> None:
    ordered = drink(status="active", reference="ServiceRequest/1")
    cards = fired(ward("124", problem("hypovolemia", days=1), orders=(ordered,)).case())
    assert not any("Push fluids" in line for card in cards.values() for line in detail(card))
