"""Desmopressin that replaces a hormone, and adrenal failure beside glucocorticoids and potassium."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.engine.finding import DraftLabs, DraftOrder, Finding
from tests.sodium.patients import Story, order, problem
from tests.sodium.rules.cases import detail, fired, keys
from tests.sodium.rules.charts import ADRENAL, PITUITARY, insipid, potassium_high, rising
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
    assert "probable cause" in " ".join(detail(found))
    wrong = {"siadh-pattern", "euvolemia-next", "salty-food", "restriction-euvolemic"}
    assert not wrong & set(keys(found))
    assert drafts(found, DraftOrder) == []


def test_dilute_urine_says_that_desmopressin_is_not_the_cause() -> None:
    found = moderate(insipid(osmolality="80"))
    assert "insipidus-dose" not in keys(found)
    assert "withheld-insipidus" in keys(found)


def test_without_the_disease_desmopressin_is_reviewed_as_before() -> None:
    story = Story(sodium="124", setting="inpatient", orders=(order("desmopressin", days=900),))
    assert "insipidus-dose" not in keys(moderate(story))
    assert "review-gently" in keys(moderate(story))


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
