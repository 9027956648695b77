"""Where fluid is the treatment, or a drug makes water be lost (F6): no restriction, with the reason."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.sodium.snapshot import Order
from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.cases import detail, fired
from tests.sodium.rules.orders import Scene, restriction, selected, table

SIADH = problem("siadh", days=5)
WARD = Story(sodium="124", setting="inpatient", problems=(SIADH,))


def ward(*problems: Any, **more: Any) -> Story:
    """An inpatient with SIADH, to whom restriction is offered while nothing is added."""
    return replace(WARD, problems=(SIADH, *problems), **more)


def ended(name: str, hours: float, **more: Any) -> Order:
    """A drug that was given some days ago, for the last time so many hours ago."""
    return order(name, days=9, ended=hours / 24, status="completed", **more)


GROUNDS = {
    "lithium": ("withheld-lithium", ward(orders=(order("lithium"),))),
    "lithium ended": ("withheld-lithium", ward(orders=(ended("lithium", 47.9),))),
    "lithium drafted": ("withheld-lithium", ward(drafts=(selected("lithium"),))),
    "cisplatin": ("withheld-hydrated", ward(orders=(ended("cisplatin", 47.9, route="iv"),))),
    "ifosfamide": ("withheld-hydrated", ward(orders=(ended("ifosfamide", 20, route="iv"),))),
    "cyclophosphamide": ("withheld-hydrated", ward(orders=(order("cyclophosphamide", days=1, route="iv"),))),
    "route unknown": ("withheld-hydrated", ward(orders=(order("cyclophosphamide", days=1, route="unknown"),))),
    "methotrexate": ("withheld-hydrated", ward(orders=(order("methotrexate", days=1, route="iv", dose="500"),))),
    "methotrexate, no dose": ("withheld-hydrated", ward(orders=(order("methotrexate", days=1, route="iv"),))),
    "demeclocycline": ("withheld-aquaretic", ward(orders=(ended("demeclocycline", 23.9),))),
    "calcium": ("withheld-calcium", ward(results=(result("calcium", 12, 24 * 7 - 0.1),))),
    "calcium corrected": (
        "withheld-calcium-corrected",
        ward(results=(result("calcium", "11.2", 24), result("serum-albumin", 3, 24))),
    ),
    "rhabdomyolysis": ("withheld-volume-illness", ward(problem("rhabdomyolysis", days=13.9))),
    "words of bleeding": ("withheld-losses", ward(problem("bleeding", days=13.9))),
    "injured organ": ("withheld-losses", ward(problem("organ-injury", days=1))),
    "ileus": ("withheld-losses", ward(problem("bowel-obstruction", days=3))),
    "peritonitis": ("withheld-losses", ward(problem("peritonitis", days=3))),
    "burns": ("withheld-losses", ward(problem("burns", days=None))),
    "ileostomy of years ago": ("withheld-losses", ward(problem("lasting-bowel-loss", days=3000))),
    "cystic fibrosis": ("withheld-losses", ward(problem("cystic-fibrosis", days=3000))),
    "acute pancreatitis": ("withheld-volume-illness", ward(problem("pancreatitis", days=2.9))),
    "ketoacidosis": ("withheld-volume-illness", ward(problem("hyperglycemic-crisis", days=1))),
    "sepsis": ("withheld-volume-illness", ward(problem("sepsis", days=1))),
    "sickle cell disease": ("withheld-hydration", ward(problem("sickle-cell", days=3000))),
    "tumor lysis": ("withheld-volume-illness", ward(problem("tumor-lysis", days=None))),
}  # fmt: skip


@pytest.mark.parametrize(("key", "story"), GROUNDS.values(), ids=GROUNDS)
def test_f6_each_ground_withholds_restriction_with_its_reason(key: str, story: Story) -> None:
    verdict = story.case().restriction
    assert verdict.verdict == "text"
    assert [line.key for line in verdict.fluid] == [key]
    text = "\n".join(line for found in fired(story.case()).values() for line in detail(found))
    assert "No fluid restriction" in text
    assert "beyond thirst" not in text


@pytest.mark.parametrize(
    "story",
    [
        ward(orders=(ended("lithium", 48.1),)),
        ward(orders=(ended("methotrexate", 48.1, route="iv", dose="500"),)),
        ward(orders=(order("cyclophosphamide", days=1, route="systemic"),)),
        ward(orders=(order("methotrexate", days=1, route="systemic"),)),
        ward(orders=(order("methotrexate", days=1, route="iv", dose="499"),)),
        ward(orders=(ended("demeclocycline", 24.1),)),
        ward(results=(result("calcium", "11.9", 24),)),
        ward(results=(result("calcium", "12", 24 * 7 + 0.1),)),
        ward(results=(result("calcium", "11.1", 24), result("serum-albumin", 3, 24))),
        ward(results=(result("calcium", "12.1", 24), result("serum-albumin", "4.2", 24))),
        ward(results=(result("calcium", "12", 24, comparator="<"),)),
        ward(problem("rhabdomyolysis", days=14.1)),
        ward(problem("pancreatitis", days=3.1)),
        ward(problem("sickle-cell", days=3000, active=False)),
        ward(problem("bleeding", days=14.1)),
        ward(problem("burns", days=1, active=False)),
        ward(problem("lasting-bowel-loss", days=3000, active=False)),
    ],
)  # fmt: skip
def test_f6_beyond_its_edge_a_ground_does_not_count(story: Story) -> None:
    assert story.case().restriction.fluid == ()
    assert story.case().restriction.verdict == "offer"


# PH17: water is no answer to lost blood, salt or muscle; only these are answered by drinking.
DRINK_TO_THIRST = {"withheld-lithium", "withheld-aquaretic"}


def restricted(says: str, key: str, story: Story) -> Scene:
    return Scene(
        says=says,
        order=restriction(),
        story=story,
        fires={"OS-FR": "warning fluid"},
        removes=True,
        shows=("do-fluid" if key in DRINK_TO_THIRST else "do-fluid-vein", key),
        hides=("do-fluid-vein" if key in DRINK_TO_THIRST else "do-fluid",),
    )


SCENES = (
    *(
        restricted(f"F6: restriction, {says}", key, story)
        for says, (key, story) in GROUNDS.items()
        if says != "lithium drafted"
    ),
    restricted("F6: restriction on the third day of a vaptan", "withheld-aquaretic", ward(orders=(order("tolvaptan", days=2.5),))),
    Scene(
        says="F6: restriction in heart failure with sepsis: no warning",
        order=restriction(),
        story=replace(WARD, problems=(problem("acute-heart-failure", days=0.5), problem("sepsis", days=0.5))),
    ),
    Scene(
        says="M9: restriction in SIADH with kidney stones: no warning",
        order=restriction(),
        story=ward(problem("kidney-stone", days=3000)),
    ),
    Scene(
        says="F6: restriction two days after the last lithium",
        order=restriction(),
        story=ward(orders=(ended("lithium", 48.1),)),
    ),
)  # fmt: skip


@table(SCENES)
def test_scene(scene: Scene) -> None:
    scene.check()
