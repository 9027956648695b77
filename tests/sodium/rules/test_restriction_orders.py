"""A fluid restriction is ordered: it sees the rise of sodium and the urine (F22, N4)."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.cases import fired, keys
from tests.sodium.rules.charts import rising, shed
from tests.sodium.rules.orders import Scene, restriction, saline, selected, table


def urine(osmolality: str, sodium: str = "90", potassium: str = "40", na: str = "124") -> Story:
    """A low sodium that does not rise, with its urine."""
    return Story(
        sodium=na,
        setting="inpatient",
        results=(
            result("urine-osmolality", osmolality),
            result("urine-sodium", sodium),
            result("urine-potassium", potassium),
            result("serum-osmolality", 258),
        ),
    )


DESMOPRESSIN = selected("desmopressin", route="iv")
THIAZIDE = order("hydrochlorothiazide", days=400)
SCENES = (
    Scene(
        says="F22: up 10 in 20 h: a restriction speeds the rise, and may be removed",
        order=restriction(),
        story=rising(),
        fires={"OS-RAISE": "warning restriction"},
        removes=True,
        shows=("hold-restriction", "above-limit"),
        hides=("sodium-and-potassium",),
    ),
    Scene(
        says="F22: words that are not understood keep the card and lose the button",
        order=replace(restriction(), restricts_plainly=False),
        story=rising(),
        fires={"OS-RAISE": "warning restriction"},
        shows=("hold-restriction",),
    ),
    Scene(
        says="F22: compulsive drinking may be acute: the limit is not called passed",
        order=restriction(),
        story=rising(124, 111, problem("psychogenic-polydipsia")),
        fires={"OS-RAISE": "warning restriction"},
        removes=True,
        hides=("above-limit",),
    ),
    Scene(
        says="F22: up 4 at usual risk is no rise to speak of",
        order=restriction(),
        story=rising(116, 112),
    ),
    Scene(
        says="F22: above the goal at high risk it is a warning below the limit too",
        order=restriction(),
        story=rising(116, 109, problem("alcohol-use-disorder")),
        fires={"OS-RAISE": "warning restriction"},
        removes=True,
        hides=("above-limit",),
    ),
    Scene(
        says="F22: volume is lacking and sodium rises: both are said",
        order=restriction(),
        story=rising(122, 112, problem("hypovolemia", days=0.5)),
        fires={"OS-RAISE": "warning restriction", "OS-FR": "warning main"},
        removes=True,
    ),
    Scene(
        says="M6: immunoglobulin and no osmolality: too much water is not proven",
        order=restriction(),
        story=Story(
            sodium="126",
            setting="inpatient",
            orders=(order("intravenous immunoglobulin", days=2, route="iv"),),
        ),
        fires={"OS-FR": "warning artefact"},
        removes=True,
        shows=("do-prove-dilution", "osmole-unmeasured"),
    ),
    Scene(
        says="M6: protein 10.9: too much water is not proven",
        order=restriction(),
        story=Story(sodium="126", setting="inpatient", results=(result("total-protein", "10.9"),)),
        fires={"OS-FR": "warning artefact"},
        removes=True,
        shows=("protein-unmeasured",),
    ),
    Scene(
        says="M6: protein 10.9 under immunoglobulin names both",
        order=restriction(),
        story=Story(
            sodium="126",
            setting="inpatient",
            results=(result("total-protein", "10.9"),),
            orders=(order("intravenous immunoglobulin", days=2, route="iv"),),
        ),
        fires={"OS-FR": "warning artefact"},
        removes=True,
        shows=("protein-unmeasured-drug",),
    ),
    Scene(
        says="M6: protein 9.9 is no doubt",
        order=restriction(),
        story=Story(sodium="126", setting="inpatient", results=(result("total-protein", "9.9"),)),
    ),
    Scene(
        says="F22: a loop diuretic sheds water while sodium rises too fast",
        order=selected("furosemide"),
        story=rising(),
        fires={"OS-RAISE": "warning main"},
        shows=("loop-and-water", "loop-sheds-water"),
        hides=("hold-or-count", "sodium-and-potassium"),
    ),
    Scene(
        says="F51: without a rise a loop diuretic at 122 is one that can lower sodium",
        order=selected("furosemide"),
        story=Story(sodium="122", setting="inpatient"),
        fires={"OS-LOW": "info check"},
    ),
    Scene(
        says="F22: needed potassium above the limit: the limit is named",
        order=selected("potassium chloride", route="iv"),
        story=rising(results=(result("potassium", "2.4"),)),
        fires={"OS-RAISE": "warning needed"},
        shows=("potassium-by-protocol", "above-limit"),
    ),
    Scene(
        says="F4: desmopressin that brakes a rise is no combination with a thiazide",
        order=DESMOPRESSIN,
        story=rising(orders=(THIAZIDE,)),
    ),
    Scene(
        says="S17: without a rise desmopressin beside a thiazide is one",
        order=selected("desmopressin"),
        story=Story(sodium="132", setting="inpatient", orders=(THIAZIDE,)),
        fires={"OS-COMBO": "warning low", "OS-DDAVP": "warning main"},
        removes=True,
    ),
    Scene(
        says="N4: urine osmolality 501 foretells that a restriction alone fails",
        order=restriction(),
        story=urine("501"),
        fires={"OS-FR": "info insufficient-osmolality"},
        shows=("next-step", "why-insufficient"),
    ),
    Scene(
        says="N4: a ratio above 1 does so too",
        order=restriction(),
        story=urine("450"),
        fires={"OS-FR": "info insufficient-ratio"},
    ),
    Scene(
        says="N4: 500 and a ratio below 1 foretell nothing",
        order=restriction(),
        story=urine("500", "60", "30"),
    ),
    Scene(
        says="N4: a normal sodium needs no next step",
        order=restriction(),
        story=urine("745", na="138"),
    ),
    Scene(
        says="N4: no salt tablets with heart failure",
        order=restriction(),
        story=replace(urine("745"), problems=(problem("heart-failure", days=900),)),
        fires={"OS-FR": "info insufficient-osmolality"},
        shows=("next-step-no-salt",),
    ),
    Scene(
        says="N4: in overload restriction has other purposes",
        order=restriction(),
        story=replace(urine("745"), problems=(problem("acute-heart-failure", days=1),)),
    ),
    Scene(
        says="F22: isotonic saline has no room left",
        order=saline("0.9", "isotonic"),
        story=rising(),
        fires={"OS-RAISE": "warning stop"},
        removes=True,
        shows=("do-not-give", "sodium-and-potassium", "above-limit"),
    ),
)


@table(SCENES)
def test_orders_of_a_restriction(scene: Scene) -> None:
    scene.check()


def rate_card(*problems: Any, osmolality: str = "62") -> list[str]:
    """The lines of the card on a rise of 13 in 20 h."""
    return keys(fired(shed(osmolality, *problems).case())["RATE-OVER"])


def test_compulsive_drinking_does_not_hide_that_water_is_shed() -> None:
    lines = rate_card(problem("psychogenic-polydipsia"))
    assert "brake-if-chronic" in lines
    assert "brake" not in lines


def test_without_such_a_setting_the_brake_is_plain() -> None:
    assert "brake" in rate_card()


def test_concentrated_urine_brakes_nothing() -> None:
    assert "brake-if-chronic" not in rate_card(problem("psychogenic-polydipsia"), osmolality="420")
