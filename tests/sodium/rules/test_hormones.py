"""Desmopressin that replaces a hormone, and adrenal failure beside glucocorticoids and potassium."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.engine.cards import FACE_BULLETS
from cds_service.engine.finding import DraftLabs, DraftOrder, Finding
from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.cases import detail, fired, keys
from tests.sodium.rules.charts import (
    ADRENAL,
    PITUITARY,
    insipid,
    potassium_high,
    rising,
    siadh_by_urine,
)
from tests.sodium.rules.orders import Scene, restriction, table

SCENES = (
    Scene(
        says="F6: a restriction is ordered in central diabetes insipidus",
        order=restriction(),
        story=insipid(),
        fires={"OS-FR": "warning fluid"},
        removes=True,
        shows=("do-fluid", "withheld-insipidus"),
    ),
)


@table(SCENES)
def test_orders_beside_a_missing_hormone(scene: Scene) -> None:
    scene.check()


def moderate(story: Story) -> Finding:
    return fired(story.case())["PV-MOD"]


def drafts(finding: Finding, kind: type[Any]) -> list[Any]:
    return [a for s in finding.suggestions for a in s.actions if isinstance(a, kind)]


def analytes_of(finding: Finding) -> set[str]:
    return {analyte for draw in drafts(finding, DraftLabs) for analyte in draw.analytes}


# ---- central diabetes insipidus


def test_the_chart_names_the_disease_and_its_drug() -> None:
    found = moderate(insipid())
    assert {"insipidus-dose", "insipidus-aquaresis", "withheld-insipidus"} <= set(keys(found))
    assert "replaces the missing hormone" in " ".join(detail(found))
    wrong = {"siadh-pattern", "euvolemia-next", "salty-food", "restriction-euvolemic"}
    assert not wrong & set(keys(found))
    assert drafts(found, DraftOrder) == []


def test_dilute_urine_says_that_desmopressin_is_not_the_cause() -> None:
    found = moderate(insipid(osmolality="80"))
    assert "insipidus-dose" not in keys(found)
    assert "withheld-insipidus" in keys(found)


def test_without_the_disease_desmopressin_is_paused_by_the_prescriber() -> None:
    story = Story(sodium="124", setting="inpatient", orders=(order("desmopressin", days=900),))
    assert "insipidus-dose" not in keys(moderate(story))
    assert "pause-desmopressin-unknown" in keys(moderate(story))


def test_while_sodium_rises_too_fast_no_dose_is_delayed() -> None:
    story = rising(
        122,
        112,
        problem("diabetes-insipidus", days=900),
        orders=(order("desmopressin", days=900),),
    )
    found = fired(story.case())
    assert "insipidus-dose" not in keys(found["PV-MOD"])
    assert "keep-antidiuretic" in keys(found["RATE-OVER"])


# ---- cortisol says nothing under a glucocorticoid


def test_replaced_adrenal_failure_asks_for_the_dose_and_not_for_cortisol() -> None:
    found = moderate(insipid(ADRENAL, PITUITARY, orders=(order("hydrocortisone", days=900),)))
    lines = keys(found)
    assert lines.count("adrenal-replaced") == 1
    assert "adrenal-treat" not in lines
    assert not [key for key in lines if key.startswith("withheld-adrenal")]
    assert "cortisol" not in analytes_of(found)
    assert "isotonic saline" not in " ".join(detail(found))


def test_adrenal_failure_without_a_glucocorticoid_is_treated_as_before() -> None:
    lines = keys(moderate(insipid(ADRENAL)))
    assert "adrenal-treat" in lines
    assert "adrenal-replaced" not in lines


def test_a_pituitary_disease_on_hydrocortisone_asks_for_no_cortisol() -> None:
    lines = keys(moderate(potassium_high("hydrocortisone", problems=(PITUITARY,))))
    assert "withheld-adrenal-replaced" in lines


# ---- a potassium that is treated before sodium


@pytest.mark.parametrize(
    ("drugs", "key"), [((), "potassium-first"), (("lisinopril",), "potassium-first-drugs")]
)
def test_a_potassium_of_six_or_more_is_on_the_face_of_the_card(
    drugs: tuple[str, ...], key: str
) -> None:
    assert key in keys(moderate(potassium_high(*drugs)))[:FACE_BULLETS]


@pytest.mark.parametrize("potassium", ["5.9", "4.2"])
def test_a_lower_potassium_is_not(potassium: str) -> None:
    story = replace(potassium_high(), results=(result("potassium", potassium),))
    assert "potassium-first" not in keys(moderate(story))


# ---- potassium that a drug raises


@pytest.mark.parametrize("drug", ["trimethoprim", "lisinopril", "valsartan", "spironolactone"])
def test_under_a_glucocorticoid_a_drug_explains_potassium(drug: str) -> None:
    found = moderate(potassium_high(drug, "prednisone"))
    assert "withheld-potassium-drug" in keys(found)
    assert "measured-potassium-drug" in keys(found)
    assert not [key for key in keys(found) if key.startswith("withheld-adrenal")]
    assert "cortisol" not in analytes_of(found)
    assert drafts(found, DraftOrder) == []


def test_without_a_glucocorticoid_the_drug_is_named_and_the_gland_thought_of() -> None:
    found = moderate(potassium_high("trimethoprim"))
    assert "withheld-adrenal-potassium-drug" in keys(found)
    assert "cortisol" in analytes_of(found)


def test_without_such_a_drug_potassium_points_to_the_gland() -> None:
    assert "withheld-adrenal-potassium" in keys(moderate(potassium_high()))


def test_recorded_adrenal_failure_is_no_effect_of_a_drug() -> None:
    found = fired(potassium_high("lisinopril", "hydrocortisone", problems=(ADRENAL,)).case())
    assert found["PV-MOD"].variant == "adrenal"


STEROID_ENDED = order("prednisone", days=400, ended=9, status="completed")
HIGH_POTASSIUM = result("potassium", "5.9")
NAUSEATED = problem("nausea", days=0.5)


def ordered_tests(story: Story) -> list[list[str]]:
    """The tests of each button of the sodium card."""
    (found,) = (one for rule, one in fired(story.case()).items() if rule.startswith("PV-"))
    labs = [a for s in found.suggestions for a in s.actions if isinstance(a, DraftLabs)]
    return [list(draft.analytes) for draft in labs if draft.analytes != ("sodium",)]


@pytest.mark.parametrize("sodium", ["110", "118", "124", "126", "131"])
@pytest.mark.parametrize(
    "more",
    [
        {"orders": (STEROID_ENDED,)},
        {"orders": (STEROID_ENDED,), "problems": (NAUSEATED,)},
        {"orders": (STEROID_ENDED,), "problems": (problem("confusion", days=0.1),)},
        {"results": (HIGH_POTASSIUM,)},
        {"results": (HIGH_POTASSIUM, result("sodium", "139", 30))},
    ],
)
def test_f5_a_card_that_says_cortisol_first_has_the_button_for_it(
    sodium: str, more: dict[str, Any]
) -> None:
    story = Story(sodium=sodium, setting="inpatient", **more)
    assert ["cortisol", "tsh"] in ordered_tests(story)
    told = [test for button in ordered_tests(story) for test in button]
    assert told.count("cortisol") == 1
    assert told.count("tsh") == 1
    known = (*more.get("results", ()), result("tsh", "2.1", 200))
    assert ["cortisol"] in ordered_tests(replace(story, results=known))


def test_f5_without_a_ground_or_under_a_glucocorticoid_there_is_no_such_button() -> None:
    plain = Story(sodium="131", setting="inpatient")
    assert ["cortisol", "tsh"] not in ordered_tests(plain)
    taken = (order("hydrocortisone", days=200),)
    replaced = replace(plain, orders=taken, problems=(problem("pituitary-disease", days=900),))
    assert not [t for button in ordered_tests(replaced) for t in button if t == "cortisol"]


@pytest.mark.parametrize(
    ("hormones", "key"),
    [
        ((), "siadh-pattern"),
        ((("cortisol", "17", 24),), "siadh-pattern-cortisol"),
        ((("cortisol", "14.9", 24),), "siadh-pattern"),
        ((("cortisol", "17", 24 * 7.1),), "siadh-pattern"),
        ((("tsh", "2.1", 24 * 30),), "siadh-pattern-tsh"),
        ((("tsh", "10.1", 24),), "siadh-pattern"),
        ((("cortisol", "17", 24), ("tsh", "2.1", 24)), "siadh-pattern-both"),
    ],
)
def test_f5_the_siadh_pattern_names_as_open_what_no_hormone_tells(
    hormones: tuple[tuple[str, str, float], ...], key: str
) -> None:
    story = siadh_by_urine()
    drawn = tuple(result(name, value, hours) for name, value, hours in hormones)
    found = fired(replace(story, results=(*story.results, *drawn)).case())["PV-MILD"]
    assert [k for k in keys(found) if k.startswith("siadh-pattern")] == [key]
