"""In the European profile a vaptan is advised against where the body holds salt and water (S11)."""

from __future__ import annotations

from decimal import Decimal
from itertools import product

import pytest
from msgspec.structs import replace

from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.orders import Scene, selected, table

TOLVAPTAN = selected("tolvaptan")
FUROSEMIDE = order("furosemide", days=0.5, route="iv")


def wet(sodium: str = "126", *names: str) -> Story:
    """An inpatient with heart failure, or what else holds salt, and a loop diuretic by vein."""
    named = names or ("heart-failure",)
    return Story(
        sodium=sodium,
        setting="inpatient",
        problems=tuple(problem(name, days=None) for name in named),
        results=(result("urine-osmolality", 410), result("urine-sodium", 18)),
        orders=(FUROSEMIDE,),
    )


SIADH = Story(
    sodium="126", setting="inpatient", problems=(problem("siadh", days=3),), orders=(FUROSEMIDE,)
)

SCENES = (
    Scene(
        says="S11: tolvaptan with heart failure and furosemide by vein at 126",
        order=TOLVAPTAN,
        story=wet(),
        profile="european",
        fires={"OS-VAP-GEN": "warning overload"},
        removes=True,
        shows=("against-overload", "overload-instead", "siadh-alone"),
        hides=("european-instead", "against-moderate", "indicated-european"),
    ),
    Scene(
        says="S11: an old diagnosis alone takes no order away",
        order=TOLVAPTAN,
        story=replace(wet(), orders=()),
        profile="european",
        fires={"OS-VAP-GEN": "warning overload"},
        shows=("against-overload", "overload-instead"),
    ),
    Scene(
        says="S11: the same in the profile of the United States, whose label names heart failure",
        order=TOLVAPTAN,
        story=wet(),
        fires={"OS-VAP-GEN": "info main"},
        hides=("against-overload", "overload-instead"),
    ),
    Scene(
        says="S11: SIADH keeps its own alternatives",
        order=TOLVAPTAN,
        story=SIADH,
        profile="european",
        fires={"OS-VAP-GEN": "info moderate"},
        shows=("against-moderate", "european-instead"),
        hides=("against-overload",),
    ),
    Scene(
        says="S11: a dose above the label keeps the headline, and the overload is told",
        order=replace(TOLVAPTAN, first_day_mg=Decimal(30)),
        story=wet(),
        profile="european",
        fires={"OS-VAP-GEN": "warning dose"},
        removes=True,
        shows=("against-overload", "dose-too-high"),
    ),
    Scene(
        says="S11: in cirrhosis the card on the liver names the overload too",
        order=TOLVAPTAN,
        story=wet("126", "cirrhosis", "ascites"),
        profile="european",
        fires={"OS-VAP-LIVER": "warning main", "OS-VAP-GEN": "warning overload"},
        removes=True,
        shows=("against-overload", "liver-recorded"),
    ),
)


@table(SCENES)
def test_scene(scene: Scene) -> None:
    """Overload is named, with what is given instead."""
    scene.check()


@pytest.mark.parametrize(
    "names",
    [("heart-failure",), ("acute-heart-failure",), ("fluid-overload",), ("nephrotic",)],
    ids=lambda names: names[0],
)
def test_no_overload_hears_the_alternatives_of_siadh(names: tuple[str, ...]) -> None:
    """In each band and with each vaptan the European card warns and names what holds the water."""
    for sodium, drug in product(("116", "123", "126", "129", "131"), ("tolvaptan", "conivaptan")):
        scene = Scene(says="", order=selected(drug), story=wet(sodium, *names), profile="european")
        card = scene.findings()["OS-VAP-GEN"]
        told = [line.key for line in card.do]
        assert card.indicator == "warning"
        assert told[:2] == ["against-overload", "overload-instead"]
        assert "european-instead" not in told
