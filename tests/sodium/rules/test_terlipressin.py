"""Terlipressin and vasopressin: told before sodium falls, and named first when it has (M12)."""

from __future__ import annotations

import pytest

from cds_service.engine.cards import FACE_BULLETS
from cds_service.engine.finding import Finding
from cds_service.sodium.rules.book import BOOK
from tests.sodium.patients import Story, drugs, order, problem, result
from tests.sodium.rules.orders import Scene, selected, table

KEEPERS = tuple(sorted(name for name, drug in drugs().items() if drug.cls == "vasopressin"))
BLEEDING = (problem("cirrhosis", days=900), problem("gi-bleed", days=0.1))


def running(name: str = "terlipressin", days: float = 3) -> Story:
    return Story(
        sodium="136",
        sodium_hours=20,
        setting="inpatient",
        orders=(order(name, days=days, route="iv"),),
    )


SCENES = (
    *(
        Scene(
            says=f"M12: {name} at a sodium of {sodium}",
            order=selected(name, route="iv"),
            story=Story(sodium=sodium, setting="inpatient", problems=BLEEDING),
            fires={"OS-LOW": "info keeper"},
            shows=("keeper-schedule", "keeper-rebound"),
            profile=profile,
        )
        for name in KEEPERS
        for sodium in ("135.5", "138", "144")
        for profile in ("aasld", "european")
    ),
    Scene(
        says="M12: terlipressin runs for three days, sodium of 20 h: watched",
        order=selected("terlipressin", route="iv"),
        story=running(),
    ),
    Scene(
        says="M12: terlipressin since ten hours, sodium of 20 h: not yet watched",
        order=selected("terlipressin", route="iv"),
        story=running(days=0.4),
        fires={"OS-LOW": "info keeper"},
    ),
    Scene(
        says="M12: terlipressin at a low sodium has the card of a low sodium",
        order=selected("terlipressin", route="iv"),
        story=Story(sodium="129", setting="inpatient", problems=BLEEDING),
        fires={"OS-LOW": "info check"},
        hides=("keeper-schedule",),
    ),
)


@table(SCENES)
def test_it_is_told_before_sodium_falls(scene: Scene) -> None:
    scene.check()


@pytest.mark.parametrize("days", [0.02, 0.5, 1.5, 3.0])
@pytest.mark.parametrize("also", [(), ("ciprofloxacin",), ("sertraline",), ("furosemide",)])
@pytest.mark.parametrize("name", KEEPERS)
def test_in_an_acute_fall_it_is_named_on_the_face_with_the_rebound(
    name: str, also: tuple[str, ...], days: float
) -> None:
    others = tuple(order(other, days=30, reference="MedicationRequest/2") for other in also)
    story = Story(
        sodium="126",
        setting="inpatient",
        problems=BLEEDING,
        results=(result("sodium", 136, 26),),
        orders=(order(name, days=days, route="iv"), *others),
    )
    card = BOOK.chart["PV-ACUTE"](story.case())
    assert isinstance(card, Finding)
    [told] = [line for line in card.do[:FACE_BULLETS] if line.key == "acute-stop-rising"]
    assert name in str(told.facts["drugs"])
