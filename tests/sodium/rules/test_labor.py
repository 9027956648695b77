"""F2: in labor, and while oxytocin runs, sodium is measured within hours, and one voice says so."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest
from msgspec.structs import replace

from cds_service.engine.cards import FACE_BULLETS
from cds_service.engine.finding import Finding
from cds_service.sodium.rules.follow_up import moves
from cds_service.sodium.snapshot import Setting
from tests.sodium.patients import Story, order, problem
from tests.sodium.rules.cases import fired
from tests.sodium.rules.orders import Scene, selected
from tests.sodium.rules.test_infusions import HALF

HOURS = timedelta(hours=4)
RUNS = order("oxytocin", days=0.1, route="iv")
LABOR = problem("labor", days=0.2, encounter=True)
# Who gives it, and on what fluid: the order of oxytocin, or of the fluid beside it.
ORDERS = {
    "oxytocin": (selected("oxytocin", route="iv"), ()),
    "fluid beside running oxytocin": (HALF, (RUNS,)),
}


def told(sodium: str, key: str, setting: Setting) -> list[Finding]:
    """Returns what the rules of orders say."""
    drafted, running = ORDERS[key]
    story = Story(sodium=sodium, setting=setting, problems=(LABOR,), orders=running)
    return list(Scene(says=key, order=drafted, story=story).findings().values())


@pytest.mark.parametrize(
    ("sodium", "key", "setting"),
    list(product(("133", "131", "128", "126"), ORDERS, ("inpatient", "outpatient"))),
)
def test_sodium_is_due_within_hours_and_oxytocin_goes_on(
    sodium: str, key: str, setting: Setting
) -> None:
    found = told(sodium, key, setting)
    assert found
    said = [line.key for one in found for line in one.do[:FACE_BULLETS]]
    assert "oxytocin-in-labor" in said
    assert not {
        "keeper-needed",
        "keeper-goes-on",
        "check-not-delay",
        "check-not-delay-clinic",
    } & set(said)
    kinds = {button.kind: button for one in found for button in one.suggestions}
    assert not {"recheck-sodium-morning", "recheck-sodium-hours", "recheck-sodium-weeks"} & set(
        kinds
    )
    assert kinds["repeat-sodium"].within == HOURS
    assert "repeat-sodium-now" in kinds


@pytest.mark.parametrize("sodium", ["133", "131", "127", "122"])
@pytest.mark.parametrize(
    "around", [{"problems": (LABOR,)}, {"orders": (RUNS,)}], ids=["labor", "oxytocin"]
)
def test_the_chart_measures_within_hours_too(sodium: str, around: dict[str, object]) -> None:
    story = replace(Story(sodium=sodium, setting="inpatient"), **around)
    case = story.case()
    assert moves(case)
    for one in fired(case).values():
        assert "monitor-inpatient" not in [line.key for line in one.do]
