"""A fast pulse beside a seizure does not hide that isotonic fluid lowers sodium (F1, S12)."""

from __future__ import annotations

from decimal import Decimal
from itertools import product

import pytest
from msgspec.structs import replace

from cds_service.sodium.snapshot import Order
from tests.sodium.patients import Story, problem, result
from tests.sodium.rules.orders import Scene, saline, selected, table

SALINE = saline("0.9", "isotonic", "1000")
RINGER = Order(
    reference="MedicationRequest/draft",
    status="draft",
    route="iv",
    balanced=True,
    balanced_volume_ml=Decimal(1000),
)
CARRIER = replace(selected(route="iv"), isotonic_carrier_ml=Decimal(1000))


def seizing(
    *, pulse: int = 124, osmolality: int = 610, salt: int = 96, systolic: int = 158
) -> Story:
    """An inpatient at 119 with a seizure of this hour."""
    return Story(
        sodium="119",
        setting="inpatient",
        results=(
            result("heart-rate", pulse, 1),
            result("systolic", systolic, 1),
            result("urine-osmolality", osmolality),
            result("urine-sodium", salt),
        ),
        problems=(problem("seizure", days=0.1, encounter=True),),
    )


SAID = {"OS-ISO": "warning symptom"}

SCENES = (
    Scene(
        says="S12: 0.9 % saline in a seizure, fast pulse, urine of 610 and sodium of 96",
        order=SALINE,
        story=seizing(),
        fires=SAID,
        shows=("order-symptom", "urine-lowers", "if-not-depleted"),
    ),
    Scene(
        says="S12: lactated Ringer's",
        order=RINGER,
        story=seizing(),
        fires=SAID,
        shows=("order-symptom", "urine-lowers"),
    ),
    Scene(
        says="S12: a liter of saline as a carrier",
        order=CARRIER,
        story=seizing(),
        fires=SAID,
        shows=("order-symptom", "urine-lowers"),
    ),
    Scene(
        says="S12: a urine that is not so concentrated leaves the pulse a sign",
        order=SALINE,
        story=seizing(osmolality=300),
    ),
    Scene(
        says="S12: a low urine sodium is a sign that volume is lost",
        order=SALINE,
        story=seizing(salt=12),
        fires={"OS-RAISE": "info diuresis"},
    ),
    Scene(
        says="S12: a low pressure needs the fluid",
        order=SALINE,
        story=seizing(systolic=84),
        fires={"OS-RAISE": "info diuresis"},
    ),
    Scene(
        says="S12: without a seizure the pulse is a sign",
        order=SALINE,
        story=replace(seizing(), problems=()),
    ),
)


@table(SCENES)
def test_scene(scene: Scene) -> None:
    """The card says that the fluid lowers sodium, and 3 % saline comes first."""
    scene.check()


@pytest.mark.parametrize("draft", [SALINE, RINGER, CARRIER], ids=["saline", "ringer", "carrier"])
def test_no_pulse_hides_the_card(draft: Order) -> None:
    """At a concentrated urine that holds salt the card is the same at any pulse."""
    for pulse, osmolality, salt in product((80, 111, 124, 150), (510, 610, 800), (40, 96, 150)):
        story = seizing(pulse=pulse, osmolality=osmolality, salt=salt)
        cards = Scene(says="", order=draft, story=story).findings()
        told = {line.key for line in cards["OS-ISO"].do}
        assert {"order-symptom", "urine-lowers"} <= told
