"""A face that offers what raises sodium says how far it may rise (F1, F2, F27, F32)."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from cds_service.engine.cards import FACE_BULLETS
from cds_service.engine.finding import Finding, Line
from cds_service.engine.triage import one_time
from cds_service.knowledge.limits import PROFILES
from cds_service.sodium.rules.gates import acute_water, likely_acute, not_hypotonic
from cds_service.sodium.rules.room import room_of
from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.cases import fired, text_of

BAND_CARDS = ("PV-SYMP", "PV-ENC", "PV-ACUTE", "PV-SEV", "PV-MOD")
OFFERS = (
    *("bolus-aasld", "bolus-european", "bolus-now", "give-by", "single-bolus", "acute-stop"),
    *("stop-thiazide", "stop-combination", "thiazide-hold", "hypovolemia-replace"),
)
SYMPTOMS = ("confusion", "vomiting", "somnolence", "seizure", "coma", "cerebral-edema")
STATES = (
    *("hypovolemia", "siadh", "cirrhosis", "dialysis", "heart-failure", "alcohol-use-disorder"),
    *("adrenal", "intracranial-bleed", "malnutrition", "hypotension"),
)
MEASURED = (
    *(result("potassium", "2.7"), result("weight", 49, 20), result("systolic", 85)),
    *(result("urine-osmolality", 400), result("urine-sodium", 12), result("glucose", 420, 1)),
    *(result("sodium", 137, 1440), result("gcs", 11, 1), result("serum-osmolality", 240)),
)
TAKEN = [
    order(name, days=days, reference=f"MedicationRequest/{name}")
    for name, days in (("indapamide", 21), ("citalopram", 21), ("desmopressin", 300))
]
STORIES = st.builds(
    Story,
    sodium=st.integers(102, 126),
    problems=st.lists(
        st.one_of(
            st.builds(lambda n: problem(n, days=0.1, encounter=True), st.sampled_from(SYMPTOMS)),
            st.builds(lambda n: problem(n, days=20), st.sampled_from(STATES)),
        ),
        max_size=3,
    ).map(tuple),
    results=st.lists(st.sampled_from(MEASURED), max_size=3, unique_by=id).map(tuple),
    orders=st.lists(st.sampled_from(TAKEN), max_size=2, unique_by=id).map(tuple),
    setting=st.sampled_from(["inpatient", "outpatient"]),
)
CHLORTHALIDONE = Story(
    sodium="113",
    setting="inpatient",
    results=(result("potassium", "2.7"), result("weight", 49, 20), result("sodium", 139, 1440)),
    orders=(order("chlorthalidone", days=21),),
)


def tells(told: Line) -> bool:
    """Whether a line says how far sodium may rise."""
    return any("ceiling" in part.facts for part in told.parts())


def face(card: Finding) -> list[str]:
    """The words of the first four lines."""
    return [text_of(card, told) for told in card.do[:FACE_BULLETS]]


@settings(max_examples=250, deadline=None)
@given(STORIES, st.sampled_from(PROFILES))
def test_what_raises_sodium_is_offered_with_how_far(story: Story, profile: str) -> None:
    case = story.case(profile)
    room = room_of(case)
    assume(room is not None and room.ceiling is not None and room.left is not None)
    assume(not (likely_acute(case) or acute_water(case) or not_hypotonic(case)))
    latest = case.sodium.latest
    assume(case.risk.high or (latest is not None and latest.value < 120))
    for rule, card in fired(case).items():
        first = card.do[:FACE_BULLETS]
        if rule in BAND_CARDS and any(told.key.startswith(OFFERS) for told in first):
            assert any(tells(told) for told in first), (rule, face(card))


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("sodium", ["104", "113", "119"])
@pytest.mark.parametrize("symptom", ["confusion", "somnolence", "seizure", "cerebral-edema"])
def test_a_symptom_does_not_displace_goal_and_ceiling(
    symptom: str, sodium: str, profile: str
) -> None:
    ill = (problem(symptom, days=0.1, encounter=True),)
    cards = fired(replace(CHLORTHALIDONE, sodium=sodium, problems=ill).case(profile))
    card = cards.get("PV-SYMP") or cards["PV-ENC"]
    said = " ".join(face(card))
    assert "Goal 4-6 mmol/L in 24 h, not above" in said, face(card)
    assert "**chlorthalidone**" in said
    assert "3% saline" in said


def test_after_a_documented_acute_fall_no_limit_is_told_there() -> None:
    before = (result("sodium", 138, 8), result("urine-osmolality", 70))
    ill = (problem("confusion", days=0.1, encounter=True),)
    story = Story(sodium="114", setting="inpatient", results=before, problems=ill)
    card = fired(story.case())["PV-ENC"]
    assert not any(tells(told) for told in card.do[:FACE_BULLETS])


def test_the_ceiling_stays_if_another_card_says_the_next_sodium() -> None:
    ill = (problem("seizure", days=0.1, encounter=True),)
    card = fired(replace(CHLORTHALIDONE, problems=ill).case())["PV-SYMP"]
    other = replace(card, do=tuple(told for told in card.do if told.within is not None))
    _, left = one_time([replace(other, do=(replace(other.do[0], then=None),)), card])
    assert "pace-goal" in [told.key for told in left.do]
    assert not any(told.within is not None for told in left.do)
