"""Hypertonic saline with a rate is a drip, and no number of boluses (F9)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from cds_service.sodium.snapshot import Order
from cds_service.terminology.types import Saline
from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.orders import Scene, selected, table


def drip(rate: str, ordered: str | None = "500", percent: str | None = "3", **more: Any) -> Order:
    """A draft of hypertonic saline at this rate in mL/h."""
    given = Saline(
        kind="hypertonic",
        percent=None if percent is None else Decimal(percent),
        ordered_ml=None if ordered is None else Decimal(ordered),
        rate_ml_h=Decimal(rate),
    )
    return replace(selected("sodium chloride", route="iv"), saline=given, **more)


# 30 mL/h are 500 mL in 17 h: +4.9 at 78 kg of a woman. 60 kg without a weight.
HEAVY = (result("weight", 78, 24),)
WARD = Story(sodium="112", setting="inpatient", results=HEAVY)
CLAMP = selected("desmopressin", route="iv", reference="MedicationRequest/other")
BOLUSES = ("ordered-amount", "ordered-boluses", "ordered-amount-plain")
SCENES = (
    Scene(
        says="F9: 500 mL at 30 mL/h, within the limit",
        order=drip("30"),
        story=WARD,
        fires={"OS-HTS-ASX": "info main"},
        shows=("ordered-rate",),
        hides=BOLUSES,
    ),
    Scene(
        says="F9: at a high risk a rate above the goal and below the limit is above the goal",
        order=drip("30", None),
        story=replace(
            WARD,
            results=(result("weight", 78, 24), result("potassium", "2.9")),
            problems=(problem("alcohol-use-disorder", days=100),),
        ),
        fires={"OS-HTS-ASX": "warning above"},
        shows=("ordered-rate-goal",),
        hides=("ordered-rate-above",),
    ),
    Scene(
        says="F9: an open rate of 30 mL/h for 45 kg, above the limit",
        order=drip("30", None),
        story=replace(WARD, results=(result("weight", 45, 24),)),
        fires={"OS-HTS-ASX": "warning above"},
        shows=("ordered-rate-above",),
        hides=(*BOLUSES, "ordered-rate"),
    ),
    Scene(
        says="F9: 500 mL in an hour are no drip",
        order=drip("500"),
        story=WARD,
        fires={"OS-HTS-ASX": "warning above"},
        shows=("ordered-amount",),
        hides=("ordered-rate", "ordered-rate-above"),
    ),
    Scene(
        says="F9: 500 mL in just more than an hour are one",
        order=drip("499"),
        story=WARD,
        fires={"OS-HTS-ASX": "info main"},
        shows=("ordered-rate",),
    ),
    Scene(
        says="F32: the limit of the day is reached: no rate is slow enough",
        order=drip("30"),
        story=replace(
            WARD, sodium="120", sodium_hours=1, results=(*HEAVY, result("sodium", 112, 9))
        ),
        fires={"OS-HTS-OVER": "warning reached", "OS-HTS-ASX": "warning above"},
        shows=("ordered-rate-none", "no-further-rise"),
        hides=("ordered-rate-above", "wait-for-sodium"),
    ),
    Scene(
        says="F32: a tenth below it, what is left is told",
        order=drip("30"),
        story=replace(
            WARD, sodium="119.9", sodium_hours=1, results=(*HEAVY, result("sodium", 112, 9))
        ),
        fires={"OS-HTS-OVER": "warning near", "OS-HTS-ASX": "warning above"},
        shows=("ordered-rate-above", "wait-for-sodium"),
    ),
    Scene(
        says="F32: with a seizure saline may be needed all the same",
        order=drip("30"),
        story=replace(
            WARD,
            sodium="120",
            sodium_hours=1,
            results=(*HEAVY, result("sodium", 112, 9)),
            problems=(problem("seizure", days=0.03, encounter=True),),
        ),
        fires={"OS-HTS-OVER": "warning severe-over", "OS-HTS-SEV": "warning main"},
        shows=("ordered-rate-above", "only-while-it-lasts"),
    ),
    Scene(
        says="F9: a drip without a recent sodium",
        order=drip("30"),
        story=replace(WARD, sodium=None),
        fires={"OS-HTS-OLD": "warning bolus"},
        shows=("ordered-rate-unknown",),
        hides=BOLUSES,
    ),
    Scene(
        says="F9: desmopressin beside it is a clamp: no free water",
        order=drip("30"),
        story=replace(WARD, drafts=(CLAMP,)),
        fires={"OS-HTS-ASX": "info main"},
        shows=("clamp-no-water",),
    ),
    Scene(
        says="F9: desmopressin that is taken already",
        order=drip("30"),
        story=replace(WARD, orders=(order("desmopressin", days=1, route="iv"),)),
        fires={"OS-HTS-ASX": "info main"},
        shows=("clamp-no-water",),
    ),
    Scene(
        says="F9: in diabetes insipidus it replaces the hormone",
        order=drip("30"),
        story=replace(WARD, drafts=(CLAMP,), problems=(problem("diabetes-insipidus", days=900),)),
        fires={"OS-HTS-ASX": "info main"},
        hides=("clamp-no-water",),
    ),
)


@table(SCENES)
def test_a_drip(scene: Scene) -> None:
    scene.check()
