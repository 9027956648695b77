"""F58: desmopressin begun with hypertonic saline below 120 is a plan, and a card says what it takes."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from cds_service.sodium.snapshot import Order
from cds_service.terminology.types import RecordText, Saline
from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.cases import fired, keys
from tests.sodium.rules.orders import Scene, saline, selected, table

HALF_DAY = 0.2


def running_saline() -> Order:
    """Returns 3 % saline that runs since this morning."""
    return replace(
        order("sodium chloride", days=HALF_DAY, route="iv", reference="MedicationRequest/2"),
        saline=Saline(kind="hypertonic", percent=Decimal(3), volume_ml=Decimal(500)),
        fluid_name=RecordText("3% saline"),
    )


def dose(days: float = HALF_DAY) -> Order:
    """Returns desmopressin into a vein, taken since then."""
    return order("desmopressin", days=days, route="iv")


def ward(sodium: str, *problems: object, **more: object) -> Story:
    """An inpatient."""
    return Story(sodium=sodium, setting="inpatient", problems=problems, **more)  # type: ignore[arg-type]  # keywords of Story


DRAFTED = replace(saline(), reference="MedicationRequest/saline")
CLAMPS = (
    Scene(
        says="desmopressin with 3 % saline drafted at 112: a planned brake, no removal",
        order=selected("desmopressin", route="iv"),
        story=ward("112", drafts=(DRAFTED,)),
        fires={"OS-DDAVP": "info clamp"},
        shows=("clamp-no-water", "clamp-checks", "clamp-together"),
        hides=("contraindicated", "label-low-sodium"),
    ),
    Scene(
        says="the same by mouth",
        order=selected("desmopressin"),
        story=ward("112", drafts=(DRAFTED,)),
        fires={"OS-DDAVP": "info clamp"},
    ),
    Scene(
        says="3 % saline runs already",
        order=selected("desmopressin", route="iv"),
        story=ward("112", orders=(running_saline(),)),
        fires={"OS-DDAVP": "info clamp"},
    ),
    Scene(
        says="in compulsive drinking water is locked",
        order=selected("desmopressin", route="iv"),
        story=ward("112", problem("psychogenic-polydipsia", days=900), drafts=(DRAFTED,)),
        fires={"OS-DDAVP": "info clamp"},
        shows=("drinks-locked",),
    ),
    Scene(
        says="at 120 no strategy is told, and the order is left alone",
        order=selected("desmopressin", route="iv"),
        story=ward("120", drafts=(DRAFTED,)),
    ),
    Scene(
        says="without saline it is contraindicated by its label",
        order=selected("desmopressin"),
        story=ward("112"),
        fires={"OS-DDAVP": "critical main"},
        removes=True,
        hides=("clamp-checks",),
    ),
)


@table(CLAMPS)
def test_desmopressin_with_hypertonic_saline(scene: Scene) -> None:
    scene.check()


@pytest.mark.parametrize(("days", "clamp"), [(HALF_DAY, True), (200, False)])
def test_the_chart_ends_a_clamp_as_a_whole_and_calls_it_no_cause(
    days: float, *, clamp: bool
) -> None:
    story = ward("112", orders=(running_saline(), dose(days)))
    card = fired(story.case())["PV-SEV"]

    assert ("review-clamp" in keys(card)) is clamp
    assert ("drug-clamps" in keys(card)) is clamp
    assert ("review-gently" in keys(card)) is not clamp


# ---- S12: isotonic fluid in SIADH, as far as the urine tells

SIADH = problem("siadh", days=5)
LITER = saline("0.9", "isotonic", "1000")


def siadh(osmolality: int, **more: object) -> Story:
    """SIADH on record, with this osmolality of the urine."""
    return ward("124", SIADH, results=(result("urine-osmolality", osmolality, 1),), **more)


URINES = (
    Scene(
        says="a urine of 501: isotonic fluid lowers sodium",
        order=LITER,
        story=siadh(501),
        fires={"OS-ISO": "warning known"},
        shows=("urine-known",),
    ),
    Scene(
        says="a urine of 350: more than the saline, it may lower it",
        order=LITER,
        story=siadh(350),
        fires={"OS-ISO": "warning known"},
        shows=("urine-between",),
        hides=("urine-known",),
    ),
    Scene(
        says="a urine of 308: as strong as the saline",
        order=LITER,
        story=siadh(308),
        fires={"OS-ISO": "warning known"},
        shows=("urine-between",),
    ),
    Scene(
        says="a urine of 250: weaker than the saline, sodium may rise or fall",
        order=LITER,
        story=siadh(250),
        fires={"OS-ISO": "info known-weak"},
        shows=("urine-weak",),
    ),
)

SCENES = (*CLAMPS, *URINES)


@table(URINES)
def test_isotonic_saline_is_judged_by_what_the_urine_tells(scene: Scene) -> None:
    scene.check()


@pytest.mark.parametrize(("osmolality", "told"), [(600, True), (350, False)])
def test_the_chart_names_isotonic_fluid_that_runs_in_siadh(osmolality: int, *, told: bool) -> None:
    runs = replace(
        order(days=0.1, route="iv", reference="MedicationRequest/9"),
        saline=Saline(kind="isotonic", percent=Decimal("0.9"), volume_ml=Decimal(1000)),
        fluid_name=RecordText("0.9% saline"),
    )
    card = fired(siadh(osmolality, orders=(runs,)).case())["PV-MOD"]

    assert ("isotonic-in-siadh" in keys(card)) is told
