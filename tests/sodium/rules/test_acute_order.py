"""Orders know the acute fall and the symptoms that the chart knows (F1, F3): interval and urgency."""

from __future__ import annotations

from msgspec.structs import replace

from cds_service.sodium.snapshot import Order
from tests.sodium.patients import Story, problem, result
from tests.sodium.rules.orders import Scene, saline, selected, table, water

VOMITING = problem("vomiting", days=0.1)
HEADACHE = problem("headache", days=0.1)


def ward(na: str, before: str, hours: float, **more: object) -> Story:
    """An inpatient whose sodium was `before` so many hours ago."""
    story = Story(sodium=na, setting="inpatient", results=(result("sodium", before, hours),))
    return replace(story, **more)


def half() -> Order:
    """A draft of 0.45 % saline, a liter."""
    return saline("0.45", "hypotonic", "1000")


SCENES = (
    Scene(
        says="P30: hypotonic fluid in an acute fall with symptoms is critical, 3 % comes first",
        order=half(),
        story=ward("127", "140", 29, problems=(VOMITING, HEADACHE)),
        fires={"OS-HYPOTONIC": "critical acute"},
        removes=True,
        shows=("no-hypotonic", "order-symptom", "order-acute"),
        hides=("deliberate",),
    ),
    Scene(
        says="P01: a fall of 8 in 30 h offers the removal in the mild band too",
        order=water(),
        story=ward("130", "138", 30),
        fires={"OS-HYPOTONIC": "warning acute-water"},
        removes=True,
        shows=("no-hypotonic", "order-acute"),
        hides=("order-symptom", "deliberate"),
    ),
    Scene(
        says="P01: a fall of 7 in 30 h is not acute: the fluid may be meant",
        order=water(),
        story=ward("130", "137", 30),
        fires={"OS-HYPOTONIC": "warning water"},
        shows=("deliberate",),
        hides=("order-acute",),
    ),
    Scene(
        says="P30: confusion at 118 without an earlier sodium is told on hypotonic fluid",
        order=half(),
        story=Story(sodium="118", setting="inpatient", problems=(problem("confusion", days=0.1),)),
        fires={"OS-HYPOTONIC": "critical symptom"},
        removes=True,
        shows=("order-symptom",),
        hides=("order-acute",),
    ),
    Scene(
        says="P30: with a normal osmolality no card on a fluid names 3 % saline",
        order=water(),
        story=Story(
            sodium="118",
            setting="inpatient",
            problems=(problem("confusion", days=0.1),),
            results=(result("serum-osmolality", 292),),
        ),
        fires={"OS-HYPOTONIC": "critical symptom-water"},
        removes=True,
        shows=("order-symptom-examine",),
        hides=("order-symptom",),
    ),
    Scene(
        says="P09: oxytocin in an acute fall: isotonic carrier, sodium now and every 2 h",
        order=selected("oxytocin", route="iv"),
        story=ward("127", "136", 15),
        fires={"OS-LOW": "warning acute"},
        shows=("order-acute", "oxytocin-fluid", "vital-only"),
        hides=("check-not-delay",),
    ),
    Scene(
        says="P09: oxytocin at a low sodium that did not fall is no reason to delay",
        order=selected("oxytocin", route="iv"),
        story=Story(sodium="127", setting="inpatient"),
        fires={"OS-LOW": "info check"},
        shows=("oxytocin-in-labor", "oxytocin-fluid"),
        hides=("order-acute",),
    ),
    Scene(
        says="P09: cyclophosphamide in an acute fall takes its interval",
        order=selected("cyclophosphamide", route="iv"),
        story=ward("126", "135", 20),
        fires={"OS-LOW": "warning acute"},
        shows=("order-acute", "vital-only"),
    ),
    Scene(
        says="P09: an SSRI in an acute fall is removed, not followed in days",
        order=selected("sertraline"),
        story=ward("126", "135", 20),
        fires={"OS-LOW": "warning acute"},
        removes=True,
        shows=("order-acute",),
        hides=("another-drug-or-wait",),
    ),
    Scene(
        says="M12: valproate by vein stays information in an acute fall",
        order=selected("valproate", route="iv"),
        story=ward("126", "135", 20),
        fires={"OS-LOW": "info acute"},
        shows=("order-acute",),
    ),
    Scene(
        says="P09: after a marathon with confusion isotonic saline is no treatment",
        order=saline("0.9", "isotonic", "1000"),
        story=Story(
            sodium="122",
            setting="inpatient",
            problems=(
                problem("prolonged-exercise", days=0.1),
                problem("confusion", days=0.05),
                problem("vomiting", days=0.05),
            ),
        ),
        fires={"OS-ISO": "warning symptom"},
        shows=("order-symptom", "if-not-depleted", "acute-setting-at"),
        hides=("check-urine-first",),
    ),
    Scene(
        says="P09: in volume depletion isotonic saline is right, also with confusion",
        order=saline("0.9", "isotonic", "1000"),
        story=Story(
            sodium="122",
            setting="inpatient",
            problems=(problem("hypovolemia", days=0.5), problem("confusion", days=0.1)),
        ),
    ),
)


@table(SCENES)
def test_scene(scene: Scene) -> None:
    scene.check()
