"""A seizure, coma or a low coma scale is not answered with what acts over days (F1)."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from cds_service.sodium.blind_spots import SODIUM_UNREAD, unlooked
from cds_service.sodium.snapshot import Missing, Order
from tests.sodium.patients import Story, problem, result
from tests.sodium.rules.charts import rising
from tests.sodium.rules.orders import Scene, restriction, saline, selected, table

TABLETS = saline(None, "salt-tablet", None, route="systemic")
SLOW: tuple[tuple[str, Order], ...] = (
    ("salt tablets", TABLETS),
    ("urea", selected("urea")),
    ("demeclocycline", selected("demeclocycline")),
)
SEIZURE = problem("seizure", days=0.03, encounter=True)


def drinker(*problems: Any, na: str = "114", gcs: int | None = None, **more: Any) -> Story:
    """A low sodium in dilute urine, with what is recorded now."""
    scale = (result("gcs", gcs, 1),) if gcs is not None else ()
    measured = (result("urine-osmolality", 90), *scale)
    return Story(sodium=na, setting="inpatient", problems=problems, results=measured, **more)


UNREAD = Scene(
    says="F1: salt tablets in a seizure are not passed over because no sodium could be read",
    order=TABLETS,
    story=Story(
        sodium=None,
        setting="inpatient",
        problems=(SEIZURE,),
        missing={"sodium": Missing.TIMEOUT},
    ),
)

SCENES = (
    UNREAD,
    *(
        Scene(
            says=f"F1: {told} is no treatment of a seizure at 114",
            order=order,
            story=drinker(SEIZURE),
            fires={"OS-SLOW": "critical main"}
            | ({"OS-DEMECLO": "info main"} if told == "demeclocycline" else {}),
            shows=("order-symptom", "nothing-by-mouth", "acts-over-days"),
            hides=("never-severe",),
        )
        for told, order in SLOW
    ),
    *(
        Scene(
            says=f"F1: no restriction with {name}, as the chart says",
            order=restriction(),
            story=drinker(problem(name, days=0.03, encounter=True)),
            fires={"OS-SLOW": "critical restriction"},
            shows=("order-symptom", "never-severe"),
            hides=("nothing-by-mouth",),
        )
        for name in ("seizure", "coma", "somnolence")
    ),
    Scene(
        says="F1: a coma scale of 10 at 114 may be brain edema: no tablets",
        order=TABLETS,
        story=drinker(gcs=10),
        fires={"OS-SLOW": "critical main-scale"},
        shows=("order-scale", "nothing-by-mouth"),
    ),
    Scene(
        says="F1: nor a restriction",
        order=restriction(),
        story=drinker(gcs=14),
        fires={"OS-SLOW": "critical restriction-scale"},
        shows=("order-scale", "acts-over-days"),
        hides=("nothing-by-mouth",),
    ),
    Scene(
        says="F1: a coma scale of 15 needs nothing",
        order=TABLETS,
        story=drinker(gcs=15),
    ),
    Scene(
        says="F1: a coma scale of 14 at 130 is not of the sodium",
        order=TABLETS,
        story=drinker(na="130", gcs=14),
    ),
    Scene(
        says="F1: without a symptom a restriction at 114 has no card",
        order=restriction(),
        story=drinker(),
    ),
    Scene(
        says="F1: in a seizure no next step after a restriction is planned (N4)",
        order=restriction(),
        story=Story(
            sodium="114",
            setting="inpatient",
            problems=(SEIZURE,),
            results=(result("urine-osmolality", 640), result("urine-sodium", 80)),
        ),
        fires={"OS-SLOW": "critical restriction"},
        hides=("next-step",),
    ),
    Scene(
        says="F4: while sodium rises too fast the card on that speaks",
        order=restriction(),
        story=replace(rising(), problems=(problem("seizure", days=0.03, encounter=True),)),
        fires={"OS-RAISE": "warning restriction"},
        removes=True,
    ),
    Scene(
        says="F1: a rise that is too fast makes salt tablets in a seizure no less urgent",
        order=TABLETS,
        story=replace(rising(), problems=(problem("seizure", days=0.03, encounter=True),)),
        fires={"OS-RAISE": "critical stop"},
        removes=True,
        shows=("stop-salt", "if-it-goes-on"),
    ),
)


def test_a_sodium_that_was_not_read_is_told_beside_a_seizure() -> None:
    UNREAD.check()
    assert reason_of(UNREAD) == SODIUM_UNREAD
    well = replace(UNREAD, story=replace(UNREAD.story, problems=()))
    assert reason_of(well) != SODIUM_UNREAD
    assert unlooked(UNREAD.case(), [*UNREAD.outcomes().values()], (), silent=True) == "sodium"


def reason_of(scene: Scene) -> str:
    """Why the rule on slow treatments is silent."""
    return getattr(scene.outcomes()["OS-SLOW"], "reason", "")


@table(SCENES)
def test_what_acts_over_days_in_an_emergency(scene: Scene) -> None:
    scene.check()
