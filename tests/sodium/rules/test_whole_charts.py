"""Advice of a chart that another fact of the same chart forbids: partners, dialysis, a rise, labor."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.engine.finding import DraftLabs, Finding
from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.cases import detail, fired, keys
from tests.sodium.rules.charts import UNNAMED, dialyzed, drunk, rising, seized, two_in_one

BANDS = ("PV-SYMP", "PV-ENC", "PV-SEV", "PV-MOD", "PV-MILD-SYMP", "PV-MILD")


def card(story: Story) -> Finding:
    """The card of the low sodium."""
    found = fired(story.case())
    return next(found[rule] for rule in BANDS if rule in found)


def ordered(finding: Finding) -> set[str]:
    """Every test that a button orders."""
    actions = [action for s in finding.suggestions for action in s.actions]
    return {a for draw in actions if isinstance(draw, DraftLabs) for a in draw.analytes}


# ---- the partner of a thiazide has dangers of its own


@pytest.mark.parametrize(
    ("story", "named"),
    [
        pytest.param(two_in_one("lisinopril", systolic=84), "hypotension", id="low pressure"),
        pytest.param(two_in_one("amlodipine", systolic=84), "hypotension", id="calcium blocker"),
        pytest.param(two_in_one("metoprolol", systolic=84), "hypotension", id="beta-blocker"),
        pytest.param(
            two_in_one("valsartan", problem("diarrhea", days=0.5)), "diarrhea", id="volume lost"
        ),
        pytest.param(
            two_in_one("lisinopril", problem("acute-kidney-injury", days=0.5)),
            "acute kidney injury",
            id="kidney injury",
        ),
        pytest.param(two_in_one("amiloride", potassium="5.6"), "high potassium", id="potassium"),
    ],
)
def test_a_partner_in_danger_is_held_with_the_thiazide(story: Story, named: str) -> None:
    held = [line for line in detail(card(story)) if "hold both" in line]
    assert len(held) == 1
    assert named in held[0]
    assert not any("switch to" in line for line in detail(card(story)))


@pytest.mark.parametrize(
    "story",
    [
        pytest.param(two_in_one("lisinopril"), id="nothing speaks against lisinopril"),
        pytest.param(
            two_in_one("metoprolol", potassium="5.9"), id="metoprolol raises no potassium"
        ),
        pytest.param(
            two_in_one("metoprolol", problem("acute-kidney-injury", days=0.5)),
            id="metoprolol harms no injured kidney",
        ),
    ],
)
def test_a_partner_without_danger_goes_on_alone(story: Story) -> None:
    assert any("switch to" in line for line in detail(card(story)))


def test_a_product_whose_partner_is_unknown_is_held_at_low_pressure() -> None:
    story = replace(two_in_one("lisinopril", systolic=84), orders=(UNNAMED,))
    assert "stop-combination-unnamed-danger" in keys(card(story))


def test_a_low_pressure_is_told_beside_do_not_restrict() -> None:
    story = two_in_one("lisinopril", problem("hypovolemia", days=0.5), systolic=84)
    assert "Systolic blood pressure 84 mmHg." in detail(card(story))


# ---- what holds water back is not stopped while sodium rises too fast


@pytest.mark.parametrize("drug", ["terlipressin", "desmopressin", "vasopressin"])
def test_an_antidiuretic_is_kept_while_sodium_rises_too_fast(drug: str) -> None:
    story = rising(orders=(order(drug, days=1, route="iv"),))
    found = fired(story.case())
    assert "keep-antidiuretic" in keys(found["RATE-OVER"])
    band = found["PV-MOD"]
    assert band.variant == "main"
    assert not {"review-need", "review-gently", "treat-cause"} & set(keys(band))


def test_another_cause_is_not_stopped_by_reflex_either() -> None:
    band = fired(rising(orders=(order("sertraline", days=10),)).case())["PV-MOD"]
    assert "stop-rising" in keys(band)
    assert "review-gently" not in keys(band)


def test_without_a_rise_the_cause_is_reviewed() -> None:
    story = Story(sodium="122", setting="inpatient", orders=(order("terlipressin", days=1),))
    assert "review-treatment" in keys(card(story))
    assert "keep-antidiuretic" not in keys(card(story))


# ---- who makes no urine


@pytest.mark.parametrize(
    "story",
    [
        pytest.param(dialyzed(), id="dialysis"),
        pytest.param(
            Story(sodium="121", setting="inpatient", problems=(problem("anuria", days=0.5),)),
            id="anuria",
        ),
        pytest.param(
            dialyzed("118", problem("seizure", days=0.03, encounter=True)), id="emergency"
        ),
    ],
)
def test_no_urine_is_ordered_where_none_is_made(story: Story) -> None:
    tests = ordered(card(story))
    assert "serum-osmolality" in tests
    assert not [test for test in tests if test.startswith("urine-")]


def test_urine_is_ordered_where_it_is_made() -> None:
    assert "urine-osmolality" in ordered(card(Story(sodium="121", setting="inpatient")))


def test_on_dialysis_the_plan_begins_with_dialysis() -> None:
    lines = keys(card(dialyzed()))
    assert lines[0] == "dialysis-team-potassium"
    assert not {"measured-creatinine", "measured-potassium-high"} & set(lines)


def test_mild_low_sodium_on_dialysis_is_no_haste() -> None:
    assert "dialysis-team" not in keys(card(dialyzed("131")))


def test_cramps_on_dialysis_are_a_matter_of_the_dialysis_team() -> None:
    story = dialyzed("129", problem("cramp", days=0.5), problem("cirrhosis", days=900))
    assert "cramp-dialysis" in keys(card(story))
    assert not any("albumin infusion" in line for line in detail(card(story)))


# ---- what the number is made of, and what else a seizure is


def test_ethanol_explains_an_osmolality_that_is_not_low() -> None:
    assert any(
        "ethanol 330 mg/dL makes about 72" in line for line in detail(card(drunk("297", "330")))
    )


@pytest.mark.parametrize(
    ("osmolality", "urea", "glucose", "told"),
    [
        ("297", "129", "100", True),
        ("275", "25", "100", True),
        ("275", "24", "100", False),  # an urea that is not high
        ("274", "129", "100", False),  # low as it is
        ("330", "129", "100", False),  # urea does not make all of it
        ("335", "129", "900", False),  # sugar holds water, urea does not
    ],
)
def test_urea_explains_an_osmolality_that_is_not_low(
    osmolality: str, urea: str, glucose: str, told: bool
) -> None:
    measured = {"serum-osmolality": osmolality, "bun": urea, "glucose": glucose}
    results = tuple(result(analyte, value) for analyte, value in measured.items())
    found = fired(Story(sodium="121", setting="inpatient", results=results).case())
    said = [line for one in found.values() for line in detail(one)]
    assert (
        any("urea makes about" in line and "the blood is dilute" in line for line in said) is told
    )


@pytest.mark.parametrize(("osmolality", "ethanol"), [("252", "120"), ("330", "60")])
def test_ethanol_that_explains_nothing_is_not_told(osmolality: str, ethanol: str) -> None:
    assert "measured-serum-osmolality-ethanol" not in keys(card(drunk(osmolality, ethanol)))


@pytest.mark.parametrize(
    "story",
    [
        pytest.param(seized(problem("labor", days=0.2)), id="labor"),
        pytest.param(seized(problem("pregnancy", days=60)), id="pregnancy"),
        pytest.param(seized(orders=(order("oxytocin", days=0.3, route="iv"),)), id="oxytocin"),
    ],
)
def test_a_seizure_of_pregnancy_and_labor_may_be_eclampsia(story: Story) -> None:
    assert "eclampsia" in keys(fired(story.case())["PV-SYMP"])


def test_no_eclampsia_without_pregnancy() -> None:
    assert "eclampsia" not in keys(fired(seized().case())["PV-SYMP"])


def limits_of(story: Story) -> list[Any]:
    return [key for key in keys(fired(story.case())["PV-SYMP"]) if key.startswith("ceiling")]


def test_an_emergency_that_is_likely_acute_shows_no_ceiling() -> None:
    assert limits_of(seized(problem("stimulant-poisoning", days=0.3))) == []
    assert limits_of(seized()) == ["ceiling-aasld"]


def test_compulsive_drinking_proves_no_short_onset_and_keeps_the_ceiling() -> None:
    assert limits_of(seized(problem("psychogenic-polydipsia", days=900))) == ["ceiling-aasld"]


def test_high_risk_keeps_the_ceiling_in_an_acute_setting() -> None:
    story = seized(
        problem("stimulant-poisoning", days=0.3),
        problem("alcohol-use-disorder", days=300),
        results=(result("potassium", "2.6"),),
    )
    assert limits_of(story) == ["ceiling-aasld"]


# ---- a rise that is too fast, and a circulation that fails: one voice


@pytest.mark.parametrize(("start", "key"), [(111, "volume-shock-rising"), (122, "volume-shock")])
def test_f31_in_shock_saline_is_not_both_stopped_and_given(start: int, key: str) -> None:
    story = rising(123, start, problem("shock", days=0.1, encounter=True))
    told = set(keys(card(story)))
    assert key in told
    assert "vomiting-alone" not in told
