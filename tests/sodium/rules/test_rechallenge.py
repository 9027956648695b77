"""A drug is started with whose class sodium was profoundly low before (F24)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.engine.finding import DraftLabs, Finding
from cds_service.sodium.snapshot import Allergy
from tests.sodium.patients import Story, ago, drug, order, problem, result
from tests.sodium.rules.orders import Scene, selected, table

THIAZIDES = ("hydrochlorothiazide", "chlorthalidone", "indapamide")


def before(past: str, lowest: str = "114", now: str = "138", **more: Any) -> Story:
    """Sodium fell to `lowest` 150 days ago on this drug, and is normal now."""
    stopped = (order(past, days=170, ended=149, status="stopped"),) if past else ()
    return Story(
        sodium=now,
        sodium_hours=30,
        results=(result("sodium", lowest, 24 * 150), *more.pop("results", ())),
        orders=(*stopped, *more.pop("orders", ())),
        **more,
    )


def allergy(*classes: str) -> Allergy:
    """A reaction that blames these classes for low sodium."""
    blamed = frozenset(classes)
    return Allergy(
        drugs=(drug("hydrochlorothiazide"),),
        concepts=frozenset({"hyponatremia"}),
        recorded=ago(days=140),
        blames=blamed,
    )


def lately(
    days: float,
    past: str = "hydrochlorothiazide",
    *,
    began: float = 90,
    now: str = "137",
    sodium_hours: float = 6,
    changed: Any = None,
    **more: Any,
) -> Story:
    """Sodium fell to 119 so many days ago on this drug, which was stopped without a date."""
    stopped = replace(order(past, days=began, status="stopped"), changed=changed)
    low = result("sodium", 119, 24 * days)
    return Story(sodium=now, sodium_hours=sodium_hours, results=(low,), orders=(stopped,), **more)


REASON = replace(order("hydrochlorothiazide", days=400, status="stopped"), stopped_for_low=True)
AGAIN = {"OS-LOW": "warning again"}
SCENES = (
    *(
        Scene(
            says=f"F24: 114 on {past}, and {new} is started: a warning, and the order may go",
            order=selected(new),
            story=before(past),
            fires=AGAIN,
            removes=True,
            shows=("another-or-early", "single-dose"),
            hides=("before-and-after",),
        )
        for past in THIAZIDES
        for new in THIAZIDES
    ),
    Scene(
        says="F24: 114 on an SSRI, and another SSRI is started",
        order=selected("sertraline"),
        story=before("citalopram"),
        fires=AGAIN,
        removes=True,
        shows=("another-or-early",),
        hides=("single-dose",),
    ),
    Scene(
        says="F24: in hospital the next sodium is hours away",
        order=selected("sertraline"),
        story=replace(before("citalopram"), setting="inpatient"),
        fires=AGAIN,
        removes=True,
        shows=("another-or-early-ward",),
    ),
    Scene(
        says="F24: 124.9 is a danger, whose drug comes back",
        order=selected("indapamide"),
        story=before("hydrochlorothiazide", "124.9"),
        fires=AGAIN,
        removes=True,
    ),
    Scene(
        says="F24: 125 is no danger as 124.9 is, and stays information",
        order=selected("indapamide"),
        story=before("hydrochlorothiazide", "125"),
        fires={"OS-LOW": "info earlier"},
        shows=("before-and-after",),
    ),
    Scene(
        says="F24: 114 on an SSRI says nothing of a thiazide",
        order=selected("hydrochlorothiazide"),
        story=before("citalopram"),
    ),
    Scene(
        says="F24: an entry of low sodium due to a thiazide, and a 113 on record",
        order=selected("hydrochlorothiazide"),
        story=before("", "113", problems=(problem("hyponatremia", days=150, blames=["thiazide"]),)),
        fires=AGAIN,
        removes=True,
    ),
    Scene(
        says="F24: an entry due to a thiazide without a value stays information",
        order=selected("hydrochlorothiazide"),
        story=Story(
            sodium="138",
            sodium_hours=30,
            problems=(problem("hyponatremia", days=150, active=False, blames=["thiazide"]),),
        ),
        fires={"OS-LOW": "info earlier"},
    ),
    Scene(
        says="F24: an allergy entry that blames thiazides, and a 113 on record",
        order=selected("chlorthalidone"),
        story=before("", "113", allergies=(allergy("thiazide"),)),
        fires=AGAIN,
        removes=True,
    ),
    Scene(
        says="F24: 114 without a cause on record is told before a strong drug",
        order=selected("hydrochlorothiazide"),
        story=before(""),
        fires={"OS-LOW": "info earlier-unknown"},
        shows=("before-and-after",),
    ),
    Scene(
        says="F24: it is not told before a weaker drug",
        order=selected("omeprazole"),
        story=before(""),
    ),
    Scene(
        says="F24: 120 without a cause on record is no news",
        order=selected("hydrochlorothiazide"),
        story=before("", "120"),
    ),
    Scene(
        says="F24: the earlier value leads also at a low sodium",
        order=selected("indapamide"),
        story=replace(before("hydrochlorothiazide", now="129"), sodium_hours=2),
        fires=AGAIN,
        removes=True,
    ),
    Scene(
        says="PH12: begun again at 133, five days after it was stopped for 119",
        order=selected("hydrochlorothiazide"),
        story=lately(5, now="133", sodium_hours=2, setting="inpatient"),
        fires=AGAIN,
        removes=True,
        shows=("another-or-early-ward",),
    ),
    Scene(
        says="F24: in an acute fall the earlier value stands beside it",
        order=selected("hydrochlorothiazide"),
        story=Story(
            sodium="126",
            setting="inpatient",
            results=(result("sodium", 136, 20), result("sodium", 114, 24 * 60)),
            orders=(order("hydrochlorothiazide", days=80, ended=59, status="stopped"),),
        ),
        fires={"OS-LOW": "warning acute"},
        removes=True,
        shows=("fell-with-such", "order-acute"),
    ),
    Scene(
        says="F48: again in acute heart failure it is part of decongestion, and is not removed",
        order=selected("hydrochlorothiazide"),
        story=lately(
            5,
            now="129",
            sodium_hours=2,
            setting="inpatient",
            problems=(problem("acute-congestion", days=1, encounter=True),),
        ),
        fires={"OS-LOW": "warning main"},
        shows=("decongestion-close", "fell-with-such"),
    ),
    Scene(
        says="M12: carbamazepine again for seizures keeps its own words",
        order=selected("carbamazepine"),
        story=lately(
            5,
            "oxcarbazepine",
            now="129",
            sodium_hours=2,
            problems=(problem("seizure", days=3),),
        ),
        fires={"OS-LOW": "info seizure"},
        shows=("seizure-other-drug", "fell-with-such"),
    ),
    Scene(
        says="F24: a strong drug again at 119 is critical still",
        order=selected("hydrochlorothiazide"),
        story=lately(5, now="119", sodium_hours=2),
        fires={"OS-LOW": "critical again"},
        removes=True,
    ),
    *(
        Scene(
            says=f"Q10: {new} again {days} days after a 119 on a drug of its class, now 137",
            order=selected(new),
            story=lately(days, past),
            fires=AGAIN,
            removes=True,
        )
        for days in (6.5, 15, 29, 32)
        for past, new in (
            ("hydrochlorothiazide", "hydrochlorothiazide"),
            ("hydrochlorothiazide", "chlorthalidone"),
            ("sertraline", "escitalopram"),
            ("carbamazepine", "oxcarbazepine"),
        )
    ),
    Scene(
        says="F24: while it is taken and sodium is low, the low value is the present illness",
        order=selected("escitalopram"),
        story=Story(
            sodium="128",
            results=(result("sodium", 122, 24 * 3),),
            orders=(order("sertraline", days=20),),
        ),
        fires={"OS-LOW": "warning main"},
        removes=True,
    ),
    Scene(
        says="F24: the recovered value of a drug that is still taken counts",
        order=selected("escitalopram"),
        story=Story(
            sodium="137",
            results=(result("sodium", 119, 24 * 12),),
            orders=(order("sertraline", days=20),),
        ),
        fires=AGAIN,
        removes=True,
    ),
    Scene(
        says="F24: a reason of the stop names low sodium, and no value is on record",
        order=selected("indapamide"),
        story=Story(sodium="138", sodium_hours=30, orders=(REASON,)),
        fires={"OS-LOW": "info earlier-undated"},
        shows=("before-and-after",),
    ),
    Scene(
        says="F24: a reason of the stop, its date, and a 119 on record",
        order=selected("indapamide"),
        story=Story(
            sodium="138",
            sodium_hours=30,
            results=(result("sodium", 119, 24 * 6),),
            orders=(replace(REASON, changed=ago(days=5)),),
        ),
        fires=AGAIN,
        removes=True,
    ),
    Scene(
        says="F24: the stop of another drug says nothing of this one",
        order=selected("sertraline"),
        story=Story(sodium="138", sodium_hours=30, orders=(REASON,)),
    ),
    *(
        Scene(
            says=f"F24: taken for a year, and stopped {days} days after a 119",
            order=selected("indapamide"),
            story=lately(60, began=400, changed=ago(days=60 - days)),
            fires=AGAIN,
            removes=True,
        )
        for days in (5, 13.9)
    ),
    *(
        Scene(
            says=f"F24: taken a year ago, and its record changed {days} days after the 119",
            order=selected("indapamide"),
            story=lately(60, began=400, changed=ago(days=60 - days)),
            fires={"OS-LOW": "info earlier-unknown"},
        )
        for days in (14.1, 40)
    ),
    Scene(
        says="F24: a 114 of 29.9 days ago without a cause belongs to the present illness",
        order=selected("hydrochlorothiazide"),
        story=Story(sodium="138", sodium_hours=30, results=(result("sodium", 114, 24 * 29.9),)),
    ),
    Scene(
        says="F24: a 114 of 30.1 days ago without a cause is told",
        order=selected("hydrochlorothiazide"),
        story=Story(sodium="138", sodium_hours=30, results=(result("sodium", 114, 24 * 30.1),)),
        fires={"OS-LOW": "info earlier-unknown"},
    ),
    Scene(
        says="PH12: desmopressin again after a 119 with it",
        order=selected("desmopressin"),
        story=lately(12, "desmopressin"),
        fires={"OS-DDAVP": "warning label"},
        shows=("label-history",),
    ),
    Scene(
        says="F24: what is taken already is not started again",
        order=selected("hydrochlorothiazide"),
        story=before("", orders=(order("hydrochlorothiazide", days=400),)),
    ),
    Scene(
        says="M12: with a seizure on record carbamazepine keeps its order",
        order=selected("oxcarbazepine"),
        story=before("carbamazepine", problems=(problem("epilepsy", days=900),)),
        fires=AGAIN,
    ),
)


@table(SCENES)
def test_a_drug_that_brought_low_sodium_before(scene: Scene) -> None:
    scene.check()


@pytest.mark.parametrize("setting", ["inpatient", "outpatient"])
def test_the_next_sodium_is_within_a_day_of_the_new_dose(setting: Any) -> None:
    story = replace(before("chlorthalidone"), setting=setting)
    scene = Scene(says="", order=selected("indapamide"), story=story)
    found = scene.outcomes()["OS-LOW"]
    assert isinstance(found, Finding)
    drawn = [a for s in found.suggestions for a in s.actions if isinstance(a, DraftLabs)]
    hours = [draw.after.total_seconds() / 3600 for draw in drawn if "sodium" in draw.analytes]
    assert max(hours) == 12
