"""Thyroid hormone while the adrenal glands may fail: cortisol and hydrocortisone come first (F5)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from cds_service.engine.finding import Finding
from cds_service.sodium.snapshot import Order
from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.orders import Scene, selected, table
from tests.sodium.rules.test_adrenal import GROUNDS

WARNS, CRISIS = {"OS-THYROID": "warning main"}, {"OS-THYROID": "critical main"}
ADDISON, SHEEHAN = problem("adrenal", days=900), problem("pituitary-disease", days=900)
MYXEDEMA = problem("myxedema-coma", days=1)
LOW_CORTISOL, HIGH_CORTISOL = result("cortisol", "4.9"), result("cortisol", "15")
PRESSURE = result("systolic", "84", 1)
NEW = selected("levothyroxine")
STEROID = order("hydrocortisone", days=200, reference="MedicationRequest/h")


def taken(dose: str = "0.05") -> Order:
    """Levothyroxine since half a year."""
    return order("levothyroxine", dose=dose, reference="MedicationRequest/t")


def speaks(
    says: str,
    story: Story,
    *shows: str,
    drug: Order = NEW,
    fires: dict[str, str] = WARNS,
    removes: bool = True,
) -> Scene:
    return Scene(
        says=f"F5: {says}", order=drug, story=story, fires=fires, shows=shows, removes=removes
    )


def silent(says: str, story: Story, drug: Order = NEW) -> Scene:
    return Scene(says=f"F5: {says}", order=drug, story=story)


FIRST = ("cortisol-now", "not-before", "label-adrenal")
SCENES = (
    speaks("a disease of the pituitary, 131", Story(problems=(SHEEHAN,)), *FIRST),
    speaks("Addison's disease without a steroid", Story(problems=(ADDISON,)), "not-before"),
    speaks(
        "a low cortisol at a normal sodium",
        Story(sodium="139", results=(LOW_CORTISOL,)),
        "not-before",
    ),
    speaks(
        "a low cortisol and a low pressure are a crisis",
        Story(sodium="118", results=(LOW_CORTISOL, PRESSURE)),
        "adrenal-crisis",
        "not-before",
        fires=CRISIS,
    ),
    speaks(
        "liothyronine too", Story(problems=(SHEEHAN,)), *FIRST, drug=selected("liothyronine")
    ),
    speaks(
        "a dose that is raised goes back to the old one",
        Story(problems=(SHEEHAN,), orders=(taken(),)),
        "old-dose",
        drug=selected("levothyroxine", dose="0.1"),
        removes=False,
    ),
    speaks(
        "myxedema coma waits for nothing",
        Story(problems=(MYXEDEMA,)),
        "coma-both",
        fires={"OS-THYROID": "warning coma"},
        removes=False,
    ),
    silent("no ground at all", Story()),
    silent("a normal sodium", Story(sodium="139", problems=(SHEEHAN,))),
    silent("an old sodium", Story(sodium_hours=24 * 200, problems=(SHEEHAN,))),
    silent("a glucocorticoid is taken", Story(problems=(SHEEHAN,), orders=(STEROID,))),
    silent(
        "a glucocorticoid is drafted beside it",
        Story(problems=(ADDISON,), drafts=(selected("hydrocortisone", reference="MedicationRequest/h"),)),
    ),
    silent("cortisol is high enough", Story(problems=(SHEEHAN,), results=(HIGH_CORTISOL,))),
    silent(
        "a refill at the same dose",
        Story(problems=(SHEEHAN,), orders=(taken(),)),
        selected("levothyroxine", dose="0.05"),
    ),
    silent("a refill without a dose", Story(problems=(ADDISON,), orders=(taken(),))),
)  # fmt: skip


@table(SCENES)
def test_thyroid_hormone(scene: Scene) -> None:
    scene.check()


def _replaces(one: Order) -> bool:
    """Whether it is a glucocorticoid that is taken."""
    return one.status == "active" and any(d.cls == "glucocorticoid" for d in one.drugs)


@pytest.mark.parametrize(("key", "story"), GROUNDS.values(), ids=GROUNDS)
def test_f5_each_ground_to_think_of_the_adrenal_glands_comes_before_thyroid_hormone(
    key: str, story: Story
) -> None:
    assert key
    untreated = replace(story, orders=tuple(o for o in story.orders if not _replaces(o)))
    scene = Scene(says="", order=NEW, story=untreated)
    assert isinstance(scene.outcomes()["OS-THYROID"], Finding)


def test_f5_the_card_has_the_button_for_cortisol_and_none_once_it_is_measured() -> None:
    asked = Scene(says="", order=NEW, story=Story(problems=(SHEEHAN,))).findings()["OS-THYROID"]
    assert "workup-adrenal" in [s.kind for s in asked.suggestions]
    known = Story(problems=(SHEEHAN,), results=(LOW_CORTISOL,))
    found = Scene(says="", order=NEW, story=known).findings()["OS-THYROID"]
    assert "workup-adrenal" not in [s.kind for s in found.suggestions]
