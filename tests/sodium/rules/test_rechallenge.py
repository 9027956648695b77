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
        says="F24: at a low sodium the card of low sodium tells of it",
        order=selected("indapamide"),
        story=replace(before("hydrochlorothiazide", now="129"), sodium_hours=2),
        fires={"OS-LOW": "warning main"},
        removes=True,
        shows=("fell-with-such",),
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
