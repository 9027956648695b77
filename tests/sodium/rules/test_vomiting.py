"""Vomiting is a symptom first (F7), and low urine sodium alone is no depletion (F16): the words."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from cds_service.sodium.snapshot import Order
from cds_service.terminology.types import Saline
from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.cases import detail, fired
from tests.sodium.rules.orders import SELECTED, Scene, selected, table

VOMITING = problem("vomiting", days=1)
WARD = Story(sodium="128", setting="inpatient", problems=(VOMITING,))


def said(story: Story) -> str:
    return "\n".join(line for found in fired(story.case()).values() for line in detail(found))


def test_f7_vomiting_alone_gets_saline_only_if_dry_on_examination() -> None:
    text = said(WARD)
    assert "If dry on examination: isotonic saline" in text
    assert "Restore volume" not in text
    assert "volume-depleted" not in text


def test_f7_vomiting_on_desmopressin_is_examined_before_any_fluid() -> None:
    text = said(replace(WARD, orders=(order("desmopressin", days=8),)))
    assert "Vomiting and desmopressin: examine volume before any fluid" in text
    assert "sotonic saline" not in text


def test_vomiting_and_diarrhea_are_losses() -> None:
    assert "Treat the losses and restore volume" in said(
        replace(WARD, problems=(VOMITING, problem("diarrhea")))
    )


def test_f16_low_urine_sodium_alone_says_both_causes() -> None:
    text = said(Story(sodium="128", results=(result("urine-sodium", 14),)))
    assert "Low urine sodium: volume depletion or low solute intake (tea and toast, beer)" in text
    assert "saline" not in text


def isotonic() -> Order:
    return replace(
        selected("sodium chloride", route="iv"),
        reference=SELECTED,
        saline=Saline(kind="isotonic", percent=Decimal("0.9"), volume_ml=Decimal(1000)),
    )


SIADH = problem("siadh", days=5)
SCENES = (
    Scene(
        says="F7: isotonic saline for vomiting in SIADH",
        order=isotonic(),
        story=replace(WARD, problems=(VOMITING, SIADH)),
        fires={"OS-ISO": "warning main"},
        shows=("check-urine-first",),
    ),
    Scene(
        says="F7: isotonic saline for vomiting on desmopressin",
        order=isotonic(),
        story=replace(WARD, orders=(order("desmopressin", days=8),)),
        fires={"OS-ISO": "info main"},
    ),
    Scene(says="F7: isotonic saline for vomiting alone", order=isotonic(), story=WARD),
)


@table(SCENES)
def test_scene(scene: Scene) -> None:
    scene.check()
