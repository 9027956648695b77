"""What the patient is given that raises sodium is named while it rises too fast (F22, F28)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.sodium.snapshot import Order
from tests.sodium.patients import Story, isotonic, order, problem, ringer
from tests.sodium.rules.cases import fired
from tests.sodium.rules.charts import CARRIED, THREE_PERCENT, too_fast


def told(story: Story, rule: str = "RATE-OVER") -> dict[str, dict[str, object]]:
    """The lines of what to do on one card, by key, with their facts."""
    return {one.key: dict(one.facts) for one in fired(story.case())[rule].do}


@pytest.mark.parametrize(
    "running",
    [
        CARRIED,
        isotonic("1000"),
        isotonic(None),
        ringer("1000"),
        replace(ringer("1000"), status="active", balanced_volume_ml=None),
    ],
    ids=["potassium in saline", "saline", "saline, open", "lactated Ringer's", "Ringer's, open"],
)
def test_isotonic_fluid_that_runs_is_named(running: Order) -> None:
    assert {"raising-fluids", "raising-fluids-unnamed"} & set(told(too_fast(running)))


def test_it_is_named_as_it_was_ordered_and_not_a_second_time_as_a_drug() -> None:
    lines = told(too_fast(CARRIED))
    assert lines["raising-fluids"] == {"fluids": CARRIED.fluid_name}
    assert "raising-drugs" not in lines


@pytest.mark.parametrize(
    "running",
    [
        isotonic("100"),
        isotonic("1000", status="stopped"),
        isotonic("1000", days=8),
        replace(isotonic(None), route="unknown"),
    ],
    ids=["small", "stopped", "forgotten on the list", "amount and route not known"],
)
def test_what_does_not_run_is_not_named(running: Order) -> None:
    assert "raising-fluids-unnamed" not in told(too_fast(running))


@pytest.mark.parametrize("route", ["systemic", "iv"])
def test_potassium_counts_by_mouth_and_by_vein(route: Any) -> None:
    lines = told(too_fast(order("potassium chloride", days=1, route=route)))
    assert lines["raising-drugs-potassium"] == {"drugs": "potassium chloride"}


def test_three_percent_that_runs_is_stopped_on_each_card() -> None:
    story = too_fast(THREE_PERCENT)
    for rule in ("RATE-OVER", "PV-MOD"):
        lines = told(story, rule)
        assert lines["running-hypertonic-stop"] == {"fluid": THREE_PERCENT.fluid_name}, rule
        assert "running-hypertonic" not in lines, rule
        assert "raising-drugs" not in lines, rule


def test_three_percent_against_brain_edema_is_only_checked() -> None:
    story = too_fast(THREE_PERCENT, problems=(problem("cerebral-edema", days=1),))
    assert "running-hypertonic-stop" not in told(story)
    assert "running-hypertonic" in told(story)


def test_three_percent_within_the_limit_is_only_checked() -> None:
    story = replace(too_fast(THREE_PERCENT), sodium="117")
    lines = told(story, "PV-SEV")
    assert "running-hypertonic" in lines
    assert "running-hypertonic-stop" not in lines


def test_fluid_and_drugs_are_one_line_so_that_the_brake_stays_on_the_face() -> None:
    by_mouth = replace(order("potassium chloride", days=1), reference="MedicationRequest/8")
    lines = told(too_fast(CARRIED, by_mouth))
    assert lines["raising-fluids-drugs"]["drugs"] == "potassium chloride"
    assert {"raising-fluids", "raising-drugs"}.isdisjoint(lines)
