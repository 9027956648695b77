"""Sodium that is ordered for a patient whose heart, liver or kidney holds it: the low bar (F53)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from cds_service.knowledge.limits import PROFILES
from cds_service.sodium.snapshot import Missing, Order
from cds_service.terminology.types import Saline
from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.cases import fired
from tests.sodium.rules.orders import Scene, saline, selected, table

LOW = Story(sodium="128", setting="inpatient")
TABLET = saline(None, "salt-tablet", None, route="systemic")
LITER = saline("0.9", "isotonic", "1000")
BICARBONATE = selected("sodium bicarbonate", route="systemic", dose="1950")
FIZZING = Order(reference="MedicationRequest/draft", status="draft", effervescent=True)
OLD_HEART = problem("heart-failure", days=900)


def ward(*problems: object, **more: object) -> Story:
    """An inpatient at 128 with these problems."""
    return replace(LOW, problems=problems, **more)


HELD = ("ascites", "nephrotic", "dialysis", "fluid-overload", "decompensated-cirrhosis")
SCENES = (
    Scene(
        says="F53: salt tablets in heart failure of years, not judged overloaded",
        order=TABLET,
        story=ward(OLD_HEART),
        fires={"OS-SALT": "warning diagnosis"},
        shows=("salt-restricted", "recorded-active"),
    ),
    *(
        Scene(
            says=f"F53: salt tablets with {held} of years",
            order=TABLET,
            story=ward(problem(held, days=900)),
            fires={"OS-SALT": "warning diagnosis"},
        )
        for held in HELD
    ),
    Scene(
        says="salt tablets in heart failure, without a sodium",
        order=TABLET,
        story=replace(ward(OLD_HEART), sodium=None),
        fires={"OS-SALT": "warning diagnosis"},
    ),
    Scene(
        says="F53: salt tablets with hypertension: a word on the blood pressure",
        order=TABLET,
        story=ward(problem("hypertension", days=900)),
        fires={"OS-SALT": "info pressure"},
        shows=("pressure-first", "recorded-active"),
    ),
    Scene(
        says="F53: heart failure is told before hypertension",
        order=TABLET,
        story=ward(OLD_HEART, problem("hypertension", days=900)),
        fires={"OS-SALT": "warning diagnosis"},
        hides=("pressure-first",),
    ),
    Scene(
        says="F53: with hypertension and salt wasting tablets are the treatment",
        order=TABLET,
        story=ward(problem("hypertension", days=900), problem("salt-wasting", days=3)),
    ),
    Scene(
        says="salt tablets in heart failure that was resolved",
        order=TABLET,
        story=ward(problem("heart-failure", days=900, active=False)),
    ),
    Scene(
        says="salt tablets in cirrhosis without ascites",
        order=TABLET,
        story=ward(problem("cirrhosis", days=900)),
    ),
    Scene(
        says="salt tablets with malignant ascites, which is no overload",
        order=TABLET,
        story=ward(problem("ascites", "malignant-ascites", days=900)),
    ),
    Scene(
        says="salt tablets in heart failure with vomiting: both sides are told",
        order=TABLET,
        story=ward(OLD_HEART, problem("vomiting", days=1)),
        fires={"OS-SALT": "warning diagnosis"},
        shows=("volume-lost-too",),
    ),
    Scene(
        says="salt tablets in salt wasting and old heart failure: they are the treatment",
        order=TABLET,
        story=ward(OLD_HEART, problem("salt-wasting", days=3)),
    ),
    Scene(
        says="salt tablets in adrenal failure and old heart failure",
        order=TABLET,
        story=ward(OLD_HEART, problem("adrenal", days=900)),
    ),
    Scene(
        says="F53: a liter of isotonic saline in old heart failure",
        order=LITER,
        story=ward(OLD_HEART),
        fires={"OS-ISO-HYPER": "info diagnosis"},
        shows=("least-volume", "recorded-active"),
    ),
    Scene(
        says="a liter of isotonic saline in old heart failure and shock",
        order=LITER,
        story=ward(OLD_HEART, results=(result("systolic", 82),)),
    ),
    Scene(
        says="250 mL of isotonic saline in old heart failure",
        order=saline("0.9", "isotonic", "250"),
        story=ward(OLD_HEART),
    ),
    Scene(
        says="a liter of isotonic saline in old heart failure at a normal sodium",
        order=LITER,
        story=replace(ward(OLD_HEART), sodium="139"),
    ),
    Scene(
        says="a liter of isotonic saline on dialysis",
        order=LITER,
        story=ward(problem("dialysis", days=900)),
        fires={"OS-ISO-HYPER": "info diagnosis"},
    ),
    Scene(
        says="sodium bicarbonate tablets in old heart failure",
        order=BICARBONATE,
        story=ward(OLD_HEART),
        fires={"OS-LOAD": "info main"},
        shows=("weigh-bicarbonate",),
    ),
    Scene(
        says="sodium bicarbonate tablets in overload",
        order=BICARBONATE,
        story=ward(problem("fluid-overload", days=3)),
        fires={"OS-LOAD": "info main"},
    ),
    Scene(says="sodium bicarbonate tablets, no such diagnosis", order=BICARBONATE, story=ward()),
    Scene(
        says="sodium bicarbonate into a vein in old heart failure",
        order=replace(BICARBONATE, route="iv"),
        story=ward(OLD_HEART),
    ),
    Scene(
        says="sodium bicarbonate tablets in old heart failure at a normal sodium",
        order=BICARBONATE,
        story=replace(ward(OLD_HEART), sodium="139"),
    ),
    Scene(
        says="sodium bicarbonate tablets in adrenal failure and old heart failure",
        order=BICARBONATE,
        story=ward(OLD_HEART, problem("adrenal", days=900)),
    ),
    Scene(
        says="sodium bicarbonate tablets in old heart failure while sodium rises: one card counts it",
        order=BICARBONATE,
        story=ward(OLD_HEART, results=(result("sodium", 115, 20),)),
        fires={"OS-RAISE": "warning main"},
    ),
    Scene(
        says="effervescent paracetamol in old heart failure",
        order=FIZZING,
        story=ward(OLD_HEART),
        fires={"OS-LOAD": "info fizzes"},
        shows=("plain-tablets",),
    ),
    Scene(
        says="effervescent potassium in old heart failure holds no sodium",
        order=replace(selected("potassium chloride", dose="600"), effervescent=True),
        story=ward(OLD_HEART),
    ),
    Scene(
        says="effervescent paracetamol beside an unread problem list",
        order=FIZZING,
        story=ward(missing={"conditions": Missing.TIMEOUT}),
    ),
)


@table(SCENES)
def test_a_sodium_load(scene: Scene) -> None:
    scene.check()


def test_a_diuretic_beside_it_changes_nothing() -> None:
    story = ward(OLD_HEART, orders=(order("furosemide", days=20),))
    found = Scene(says="", order=TABLET, story=story).findings()
    assert [f"{f.indicator} {f.variant}" for f in found.values()] == ["warning diagnosis"]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    ("held", "told"),
    [("heart-failure", True), ("ascites", True), ("nephrotic", True), ("siadh", False)],
)
def test_salt_tablets_that_are_taken_are_told_on_the_chart_as_at_their_order(
    profile: str, held: str, told: bool
) -> None:
    tablets = replace(
        order("sodium chloride", days=9),
        saline=Saline(kind="salt-tablet", percent=None, volume_ml=None),
    )
    recorded = (problem(held, days=20),)
    story = Story(sodium="127", setting="inpatient", orders=(tablets,), problems=recorded)
    keys = [line.key for found in fired(story.case(profile)).values() for line in found.do]
    assert ("salt-restricted" in keys[:2]) is told, keys
