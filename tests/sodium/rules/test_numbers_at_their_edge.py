"""Numbers whose edge no other scene meets: the last value that counts, and the first that does not."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from cds_service.sodium.drip_arm import drip_sample
from tests.sodium.patients import Story, problem, result
from tests.sodium.rules.cases import fired, keys
from tests.sodium.rules.charts import diluted, drawn, osmolar
from tests.sodium.rules.orders import Scene, saline, selected, table
from tests.sodium.rules.test_nutrition import nutrition
from tests.sodium.rules.test_nutrition import story as fed

SIADH = problem("siadh", days=5)
CONFUSED = problem("confusion", days=0.05, encounter=True)
OPERATED = problem("recent-surgery", days=0.9, active=False)


def in_siadh(urine: str) -> Story:
    """A patient in hospital with SIADH and this urine osmolality."""
    return Story(
        sodium="128",
        setting="inpatient",
        problems=(SIADH,),
        results=(result("urine-osmolality", urine, 5),),
    )


SCENES = (
    Scene(
        says="F28: nutrition with 29 mmol/L of sodium is a warning",
        order=nutrition("29"),
        story=fed(),
        fires={"OS-NUTRITION": "warning told"},
    ),
    Scene(
        says="F28: with 30 it is information",
        order=nutrition("30"),
        story=fed(),
        fires={"OS-NUTRITION": "info told"},
    ),
    Scene(
        says="F28: with 119 it still is",
        order=nutrition("119"),
        story=fed(),
        fires={"OS-NUTRITION": "info told"},
    ),
    Scene(says="F28: with 120 it is enough", order=nutrition("120"), story=fed()),
    Scene(
        says="S12: a urine of 307 is weaker than isotonic saline",
        order=saline("0.9", "isotonic", "1000"),
        story=in_siadh("307"),
        fires={"OS-ISO": "info known-weak"},
    ),
    Scene(
        says="S12: one of 308 is not",
        order=saline("0.9", "isotonic", "1000"),
        story=in_siadh("308"),
        fires={"OS-ISO": "warning known"},
    ),
)


@table(SCENES)
def test_an_order_at_the_edge_of_a_number(scene: Scene) -> None:
    scene.check()


@pytest.mark.parametrize(("glucose", "is_one"), [("317", False), ("318", True)])
def test_f41_glucose_has_to_rise_by_200_in_a_sample_beside_an_infusion(
    glucose: str, *, is_one: bool
) -> None:
    assert (drip_sample(drawn(glucose=glucose).case()) is not None) is is_one


@pytest.mark.parametrize(("potassium", "is_one"), [("3.2", True), ("3.24", False)])
def test_f41_beside_glucose_four_fifths_of_the_potassium_are_left_at_most(
    potassium: str, *, is_one: bool
) -> None:
    assert (drip_sample(drawn(potassium=potassium).case()) is not None) is is_one


@pytest.mark.parametrize(("share", "is_one"), [(0.7, True), (0.72, False)])
def test_f41_without_glucose_seven_tenths_of_each_value_are_left_at_most(
    share: float, *, is_one: bool
) -> None:
    left = dict.fromkeys(("bun", "serum-albumin"), share) | {"potassium": None, "creatinine": None}
    story = diluted(left=left)
    assert (drip_sample(story.case()) is not None) is is_one


@pytest.mark.parametrize(("hours", "verdict"), [(4, "offer"), (3, "text")])
def test_f31_above_1_mmol_in_an_hour_no_restriction_is_offered(hours: float, verdict: str) -> None:
    story = Story(
        sodium="128",
        sodium_hours=1,
        setting="inpatient",
        problems=(SIADH,),
        results=(result("sodium", "124.5", 1 + hours), result("urine-osmolality", "400", 5)),
    )
    assert story.case().restriction.verdict == verdict


@pytest.mark.parametrize(("sodium", "speaks"), [("129.5", True), ("130", False)])
def test_f2_in_an_acute_setting_confusion_may_be_brain_edema_below_130(
    sodium: str, *, speaks: bool
) -> None:
    story = Story(sodium=sodium, setting="inpatient", problems=(OPERATED, CONFUSED))
    assert ("PV-ENC" in fired(story.case())) is speaks


@pytest.mark.parametrize(("sodium", "expected"), [("125", True), ("124.5", False)])
def test_f13_immunoglobulin_explains_a_small_fall_alone(sodium: str, *, expected: bool) -> None:
    card = next(iter(fired(osmolar("intravenous immunoglobulin", sodium).case()).values()))
    assert ("osmole-expected" in keys(card)) is expected


@pytest.mark.parametrize(("sodium", "planned"), [("119", True), ("120", False)])
def test_f58_a_clamp_is_planned_below_120(sodium: str, *, planned: bool) -> None:
    drafted = replace(saline(), reference="MedicationRequest/saline")
    scene = Scene(
        says=f"F58: desmopressin beside 3 % saline at {sodium}",
        order=selected("desmopressin", route="iv"),
        story=Story(sodium=sodium, setting="inpatient", drafts=(drafted,)),
    )
    found = scene.findings().get("OS-DDAVP")
    assert (found is not None and found.variant == "clamp") is planned


@pytest.mark.parametrize(("grams", "speaks"), [("10.93", False), ("11", True)])
def test_f22_a_liter_of_isotonic_saline_worth_of_sodium_is_told(
    grams: str, *, speaks: bool
) -> None:
    draft = selected("fosfomycin", route="iv", dose=str(Decimal(grams) * 1000))
    rich = tuple(replace(drug, sodium_mmol_per_g=Decimal(14)) for drug in draft.drugs)
    scene = Scene(
        says=f"F22: fosfomycin {grams} g a day",
        order=replace(draft, drugs=rich),
        story=Story(sodium="119", setting="inpatient"),
    )
    assert ("OS-SALTS" in scene.findings()) is speaks


@pytest.mark.parametrize(("potassium", "high"), [("5.6", True), ("5.5", False)])
def test_f22_no_potassium_is_given_above_5_5_also_if_cortisol_is_enough(
    potassium: str, *, high: bool
) -> None:
    measured = (result("potassium", potassium, 3), result("cortisol", 25, 20))
    scene = Scene(
        says=f"F22: potassium chloride at {potassium}",
        order=selected("potassium chloride", route="iv"),
        story=Story(sodium="119", setting="inpatient", results=measured),
    )
    found = scene.findings().get("OS-RAISE")
    assert (found is not None and found.variant == "potassium-high") is high


@pytest.mark.parametrize(("filtration", "level"), [("59", "warning"), ("60", "info")])
def test_demeclocycline_meets_a_weak_kidney_below_an_egfr_of_60(
    filtration: str, level: str
) -> None:
    scene = Scene(
        says=f"N10: demeclocycline at an eGFR of {filtration}",
        order=selected("demeclocycline"),
        story=Story(sodium="126", setting="inpatient", results=(result("egfr", filtration, 20),)),
    )
    assert scene.findings()["OS-DEMECLO"].indicator == level
