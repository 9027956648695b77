"""What the fifth and sixth reviews found: steep falls, potassium, water that is drunk, glucose."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.sodium.rules.gates import hypertonic_by_glucose
from cds_service.sodium.volume import Volume
from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.cases import fired, keys, summary
from tests.sodium.rules.orders import Scene, selected, table

NAUSEA = problem("nausea", days=0.2)


def ward(sodium: str, *results: Any, **more: Any) -> Story:
    """An inpatient with one low sodium and these results."""
    return Story(sodium=sodium, setting="inpatient", results=results, **more)


def urine(osmolality: float, sodium: float = 64) -> tuple[Any, ...]:
    """Urine of two hours ago."""
    return (result("urine-osmolality", osmolality), result("urine-sodium", sodium))


def face(story: Story, rule: str) -> list[str]:
    """The keys of the first four lines of the finding."""
    return [line.key for line in fired(story.case())[rule].do][:4]


def monitoring(story: Story, rule: str) -> str:
    """The key of the line on the next sodium."""
    return next(key for key in keys(fired(story.case())[rule]) if key.startswith("monitor-"))


# ---- a steep fall in hospital is measured again within hours, at any value


@pytest.mark.parametrize(
    ("sodium", "before", "rule"),
    [("127", 132, "PV-MILD"), ("128", 133, "PV-MILD"), ("124", 129, "PV-MOD")],
)
def test_a_fall_of_five_within_a_day_is_measured_again_in_hours(
    sodium: str, before: float, rule: str
) -> None:
    story = ward(sodium, result("sodium", before, 25))
    assert monitoring(story, rule) == "monitor-near"


def test_it_leads_a_card_that_has_another_headline() -> None:
    story = ward("127", result("sodium", 132, 25), problems=(NAUSEA,))
    assert face(story, "PV-MILD-SYMP")[0] == "steep-fall"
    assert monitoring(story, "PV-MILD-SYMP") == "monitor-near"
    assert "steep-fall" in face(ward("123", result("sodium", 128, 20)), "PV-MOD")


@pytest.mark.parametrize(
    "results",
    [(result("sodium", 131.9, 25),), (result("sodium", 132, 26.1),)],
    ids=["less than five", "more than a day"],
)
def test_a_slower_fall_of_a_mild_value_is_due_tomorrow(results: Any) -> None:
    story = ward("127", *results, problems=(NAUSEA,))
    assert monitoring(story, "PV-MILD-SYMP") == "monitor-inpatient"
    assert "steep-fall" not in keys(fired(story.case())["PV-MILD-SYMP"])


@pytest.mark.parametrize(("sodium", "key"), [("126", "monitor-near"), ("131", "monitor-inpatient")])
def test_a_low_sodium_without_volume_rises_within_hours_once_it_is_restored(
    sodium: str, key: str
) -> None:
    story = ward(sodium, problems=(problem("hypovolemia", days=0.5),))
    assert monitoring(story, "PV-MILD") == key


def test_two_methods_that_differ_are_no_steep_fall() -> None:
    gas = replace(result("sodium", 133, 20), method="poc")
    assert all(
        "steep-fall" not in keys(finding) for finding in fired(ward("127", gas).case()).values()
    )


def test_a_value_that_turned_up_again_does_not_fall() -> None:
    story = ward("127", result("sodium", 133, 20), result("sodium", 125, 8))
    found = fired(story.case())
    assert all("steep-fall" not in keys(finding) for finding in found.values())


def test_a_low_potassium_that_is_replaced_raises_sodium_within_hours() -> None:
    story = ward("121", result("potassium", 2.5))
    assert monitoring(story, "PV-MOD") == "monitor-near"
    assert monitoring(ward("121", result("potassium", 4)), "PV-MOD") == "monitor-inpatient"


# ---- SIADH leaves potassium alone


def test_the_urine_of_siadh_with_a_very_low_potassium_is_no_siadh() -> None:
    story = ward("121", *urine(430), result("potassium", 2.9))
    volume = story.case().volume
    assert (volume.status, volume.evidence) == (Volume.UNKNOWN, ())
    assert story.case().restriction.verdict == "text"
    assert "volume-potassium" in face(story, "PV-MOD")
    assert "siadh-pattern" not in keys(fired(story.case())["PV-MOD"])


@pytest.mark.parametrize(
    "story",
    [
        ward("121", *urine(430), result("potassium", 3)),
        ward("121", *urine(430), result("potassium", 2.9, 49)),
        ward("121", *urine(430), result("potassium", 2.5), problems=(problem("siadh", days=9),)),
    ],
    ids=["at the edge", "old", "SIADH on record"],
)
def test_beyond_its_edge_potassium_says_nothing_against_siadh(story: Story) -> None:
    assert story.case().volume.status is Volume.EUV
    assert story.case().restriction.verdict == "offer"


# ---- water that is drunk: no drug that holds water makes a dilute urine

RISPERIDONE = order("risperidone", days=400)
DRINKS = (problem("schizophrenia", days=900), problem("polydipsia", days=900))


def test_recorded_polydipsia_with_a_dilute_urine_leads_the_headline() -> None:
    story = ward("129", *urine(74, 40), problems=DRINKS, orders=(RISPERIDONE,))
    assert "polydipsia" in summary(fired(story.case())["PV-MILD"])
    assert "risperidone" not in summary(fired(story.case())["PV-MILD"])
    assert "polydipsia-mild" in face(story, "PV-MILD")


@pytest.mark.parametrize(("osmolality", "named"), [(74, False), (100, True), (420, True)])
def test_a_headline_names_a_drug_only_if_the_urine_is_not_dilute(
    osmolality: float, named: bool
) -> None:
    story = ward("129", *urine(osmolality, 40), orders=(order("citalopram", days=40),))
    assert ("citalopram" in summary(fired(story.case())["PV-MILD"])) is named


@pytest.mark.parametrize(("sodium", "told"), [("124", True), ("125", False), ("129", False)])
def test_a_sodium_that_no_fast_rise_harms_needs_no_desmopressin_at_hand(
    sodium: str, told: bool
) -> None:
    story = ward(sodium, *urine(74, 40), problems=DRINKS)
    found = fired(story.case(profile="european"))
    assert any("shedding-water" in keys(finding) for finding in found.values()) is told


# ---- a drug that raises potassium is not "given if it is needed" at a high one


SCENES = tuple(
    Scene(
        says=f"{name} at a potassium of {potassium}",
        order=selected(name),
        story=ward("127", result("potassium", potassium)),
        fires={"OS-LOW": f"info {variant}"},
        shows=("potassium-first" if first else "check-not-delay",),
        hides=("check-not-delay" if first else "potassium-first",),
    )
    for name in ("spironolactone", "trimethoprim")
    for potassium, variant, first in (("5.5", "check", False), ("5.6", "main", True))
    if name == "spironolactone" or first
)


@table(SCENES)
def test_a_high_potassium_comes_before_a_drug_that_raises_it(scene: Scene) -> None:
    scene.check()


# ---- glucose: the formula that fits better makes the sodium normal


@pytest.mark.parametrize(("glucose", "leads"), [(560, True), (390, False)])
def test_a_very_high_glucose_leads_a_sodium_that_one_formula_leaves_mildly_low(
    glucose: float, leads: bool
) -> None:
    sodium = "127" if leads else "130"
    story = ward(sodium, result("glucose", glucose, 2), result("sodium", 138, 24 * 69))
    assert ("PV-GLU" in fired(story.case())) is leads
    assert ("PV-MILD" in fired(story.case())) is not leads


@pytest.mark.parametrize(("glucose", "leads"), [(216, False), (340, False), (360, True)])
def test_a_glucose_that_explains_little_of_the_fall_does_not_lead(
    glucose: float, leads: bool
) -> None:
    story = ward("125", result("glucose", glucose, 2), result("sodium", 138, 24 * 69))
    found = fired(story.case())
    assert ("PV-GLU" in found) is leads
    assert ("PV-MILD" in found) is not leads


@pytest.mark.parametrize(("glucose", "hypertonic"), [(701, False), (703, True)])
def test_each_osmole_of_glucose_is_eighteen_milligrams_in_a_deciliter(
    glucose: float, hypertonic: bool
) -> None:
    # Twice 128 mmol/L, and 39 mOsm/kg of glucose, make 295.
    story = ward("128", result("glucose", glucose, 2))
    assert hypertonic_by_glucose(story.case()) is hypertonic


# ---- Gitelman, Bartter: the kidney loses salt


@pytest.mark.parametrize("days", [3, 4000])
def test_a_salt_losing_tubulopathy_gets_no_restriction(days: float) -> None:
    story = ward("130", problems=(problem("salt-losing-tubulopathy", days=days),))
    assert story.case().volume.status is Volume.CSW
    assert story.case().restriction.verdict == "never"


# ---- in cirrhosis a diuretic that the chart says to stop is not raised or renewed


@pytest.mark.parametrize("dose", ["100", "200"])
@pytest.mark.parametrize(("sodium", "warned"), [("121", True), ("130", False)])
def test_a_diuretic_that_is_taken_is_warned_of_in_cirrhosis(
    dose: str, sodium: str, warned: bool
) -> None:
    given = Scene(
        says="raised",
        order=selected("spironolactone", dose=dose),
        story=ward(
            sodium,
            problems=(problem("decompensated-cirrhosis", days=200),),
            orders=(order("spironolactone", days=200, dose="100"),),
        ),
    )
    found = given.findings()
    assert ("OS-DIUR-CRAMP" in found) is warned
    assert not any("check-not-delay" in keys(finding) for finding in found.values()) or not warned


# ---- a symptom that may be brain edema does not hide the lost volume


def test_vomiting_in_a_dry_patient_on_a_thiazide_keeps_the_plan_of_lost_volume() -> None:
    story = ward(
        "123",
        problems=(problem("vomiting", days=0.3), problem("hypovolemia", days=0.3)),
        orders=(replace(order("hydrochlorothiazide", days=30), stoppable=True),),
    )
    finding = fired(story.case())["PV-ENC"]
    assert {"hypovolemia-losses", "stop-thiazide"} <= set(keys(finding))
    assert any(suggestion.kind.startswith("stop") for suggestion in finding.suggestions)


@pytest.mark.parametrize(("hours", "told"), [(68, "68 h"), (24 * 60, "60 d")])
def test_a_fall_is_told_in_hours_while_that_parts_acute_from_chronic(
    hours: float, told: str
) -> None:
    story = ward("128", result("sodium", 136, hours + 2))
    assert told in summary(fired(story.case())["PV-MILD"])
