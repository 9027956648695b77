"""A sample of the arm of an infusion: drawn again first, and nothing rests on its values (F41)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.engine.finding import Finding
from tests.sodium.patients import Story, problem
from tests.sodium.rules.cases import fired, keys, kinds
from tests.sodium.rules.charts import diluted, drawn
from tests.sodium.rules.orders import Scene, saline, selected, table

SEIZURE = problem("seizure", days=0.1, encounter=True)


def cards(story: Story) -> dict[str, Finding]:
    """What the rules about the chart say."""
    return fired(story.case())


@pytest.mark.parametrize("hours", [4, 6, 13, 40])
@pytest.mark.parametrize("glucose", ["380", "912"])
def test_f41_all_values_diluted_and_glucose_up_is_drawn_again_from_the_other_arm(
    hours: float, glucose: str
) -> None:
    found = cards(drawn(hours=hours, glucose=glucose, sodium="128"))
    card = found["DQ-DELTA"]
    assert (card.indicator, card.variant) == ("warning", "drip")
    assert keys(card)[0] == "other-arm"
    assert "PV-ACUTE" not in found
    assert "PV-GLU" not in found


@pytest.mark.parametrize(
    "more",
    [
        {"potassium": "4.4", "creatinine": "1.1"},
        {"potassium": "3.3"},
        {"creatinine": "0.7"},
        {"glucose": "310"},
        {"sodium": "138"},
    ],
    ids=["true hyperglycemia", "potassium less", "creatinine less", "glucose less", "sodium up"],
)
def test_f41_without_dilution_alike_it_is_no_such_sample(more: dict[str, Any]) -> None:
    found = cards(drawn(**more))
    assert "DQ-DELTA" not in found or found["DQ-DELTA"].variant != "drip"


def test_f41_beside_a_headache_the_acute_card_stays_and_says_it_first() -> None:
    found = cards(drawn(problem("headache", days=0.1), sodium="116", glucose="600"))
    assert "other-arm-now" in keys(found["PV-ACUTE"])[:1]


def test_f41_beside_a_seizure_the_emergency_leads() -> None:
    found = cards(drawn(SEIZURE, sodium="110", glucose="400"))
    assert found["PV-SYMP"].indicator == "critical"
    assert found["DQ-DELTA"].variant == "drip"


def test_f41_a_fall_under_high_glucose_is_counted_as_it_is_shown() -> None:
    story = drawn(potassium="4.4", creatinine="1.1")
    fall = story.case().sodium.acute
    assert fall is not None
    assert "129" in story.case().shown_sodium
    assert fall.amount == 137 - story.case().effective_sodium  # type: ignore[operator]


WITHOUT = ["potassium", "creatinine", "bun", "serum-albumin"]


@pytest.mark.parametrize("profile", ["aasld", "european"])
@pytest.mark.parametrize("sodium", ["108", "111", "118", "124", "129"])
@pytest.mark.parametrize("with_glucose", [True, False])
def test_f41_one_card_comes_at_any_sodium_without_3_percent_and_without_its_potassium(
    sodium: str, profile: str, with_glucose: bool
) -> None:
    story = drawn(sodium=sodium, glucose="600") if with_glucose else diluted(sodium=sodium)
    found = fired(story.case(profile))
    assert {rule for rule, card in found.items() if card.indicator != "info"} == {"DQ-DELTA"}
    assert found["DQ-DELTA"].variant == ("drip" if with_glucose else "drip-plain")
    said = {key for card in found.values() for key in keys(card)}
    assert not {f"bolus-{profile}", "measured-potassium-low"} & said


@pytest.mark.parametrize("profile", ["aasld", "european"])
@pytest.mark.parametrize("symptom", ["vomiting", "confusion", "headache", "seizure"])
@pytest.mark.parametrize("sodium", ["111", "123", "128"])
def test_f41_beside_symptoms_sodium_is_measured_at_once_at_the_bedside(
    symptom: str, sodium: str, profile: str
) -> None:
    sick = problem(symptom, days=0.1, encounter=True)
    by_glucose = [drawn(sick, sodium=sodium, glucose="600")] if sodium == "111" else []
    for story in (diluted(sick, sodium=sodium), *by_glucose):
        found = fired(story.case(profile))
        assert "other-arm" not in {key for card in found.values() for key in keys(card)}
        assert "other-arm-now" in keys(found["DQ-DELTA"])[:1]
        leading = [found[rule] for rule in ("PV-SYMP", "PV-ENC", "PV-ACUTE") if rule in found]
        assert leading
        assert all("other-arm-now" in keys(card)[:4] for card in leading)
        said = {key for card in found.values() for key in keys(card)}
        assert "measured-potassium-low" not in said


@pytest.mark.parametrize("kept", [("potassium", "creatinine"), ("creatinine", "serum-albumin")])
def test_f41_without_a_glucose_two_values_that_fell_alike_tell(kept: tuple[str, str]) -> None:
    left = {name: None for name in WITHOUT if name not in kept}
    assert fired(diluted(left=left).case())["DQ-DELTA"].variant == "drip-plain"


@pytest.mark.parametrize(
    "story",
    [
        diluted(left={name: None for name in WITHOUT if name != "potassium"}),
        diluted(left={"serum-albumin": 0.9}),
        diluted(left={"potassium": 0.75}),
        diluted(left=dict.fromkeys(WITHOUT, 0.8)),
        diluted(sodium="94", left=dict.fromkeys(WITHOUT, 0.69)),
        diluted(hours=30),
        diluted(sodium="132"),
        diluted(problem("dialysis", days=900)),
        diluted(problem("acute-kidney-injury", days=0.5)),
        diluted(problem("irrigation", days=0.2)),
    ],
    ids=[
        *("one value", "albumin stays", "potassium stays", "true water", "less than sodium"),
        *("too old", "sodium hardly fell", "dialysis", "kidney recovers", "irrigation"),
    ],
)
def test_f41_without_a_glucose_a_true_fall_is_no_such_sample(story: Story) -> None:
    assert story.case().drip is None


SCENES = (
    Scene(
        says="F41: 3 % saline on a sample of the arm of an infusion: draw again",
        order=saline(),
        story=drawn(sodium="112", glucose="600"),
        fires={"OS-HTS-PSEUDO": "warning drip", "OS-HTS-ASX": "info acute"},
        shows=("other-arm",),
    ),
    Scene(
        says="F41: beside a seizure the bolus does not wait",
        order=saline(),
        story=drawn(SEIZURE, sodium="112", glucose="600"),
        fires={"OS-HTS-PSEUDO": "warning drip-rescue", "OS-HTS-SEV": "info main"},
        shows=("other-arm-now", "treat-first"),
    ),
    Scene(
        says="F41: tolvaptan on such a sample",
        order=selected("tolvaptan"),
        story=drawn(sodium="120", glucose="600"),
        fires={"OS-HTS-PSEUDO": "warning drip", "OS-VAP-GEN": "warning danger"},
    ),
)


@table(SCENES)
def test_an_order_on_such_a_sample(scene: Scene) -> None:
    scene.check()


def test_f14_no_button_keeps_saline_for_a_number_that_glucose_makes_so_low() -> None:
    story = drawn(potassium="4.4", creatinine="1.1")
    longer_ago = replace(story, results=story.results[1:])  # no fall is known
    for one in (story, longer_ago):
        found = Scene(says="", order=saline(), story=one).findings()
        assert "keep-sodium-1h" not in {k for f in found.values() for k in kinds(f)}
