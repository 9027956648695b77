"""Desmopressin that wears off while sodium is low: it leads, and nothing else is to raise sodium (F1)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.engine.finding import DraftOrder, Finding
from cds_service.sodium.snapshot import Setting
from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.cases import fired, keys, summary, text_of
from tests.sodium.rules.charts import SALINE_3, at_night, rising
from tests.sodium.rules.orders import Scene, restriction, table

BANDS = ("PV-SEV", "PV-MOD", "PV-MILD", "PV-MILD-SYMP")
PAUSE, OVERSHOOTS = "pause-desmopressin", "desmopressin-overshoots"
RAISING = {
    *("restriction-next", "restriction-severe-next", "euvolemia-next", "salty-food"),
    *("restriction-euvolemic", "withheld-volume-unknown", "siadh-pattern", "vaptan-aasld"),
}
ONE_VOICE = {"review-gently", "review-need", "never-stop-desmopressin", "hold-desmopressin"}
SYMPTOMS = {
    "seizure": problem("seizure", days=0.03, encounter=True),
    "vomiting": problem("vomiting", days=0.1, encounter=True),
    "confusion": problem("confusion", days=0.1, encounter=True),
}
URINE = (result("urine-osmolality", "512"), result("urine-sodium", "71"))
NO_URINE: tuple[Any, ...] = ()


def band(story: Story, profile: str = "aasld") -> Finding:
    """The card of the band."""
    cards = fired(story.case(profile))
    return next(cards[rule] for rule in BANDS if rule in cards)


def drafted(card: Finding) -> list[DraftOrder]:
    """The orders that a button of the card drafts."""
    actions = (action for each in card.suggestions for action in each.actions)
    return [action for action in actions if isinstance(action, DraftOrder)]


def leads(card: Finding, key: str = PAUSE) -> bool:
    """Whether desmopressin is among the first two lines."""
    return any(line.key.startswith(key) for line in card.do[:2])


@pytest.mark.parametrize("profile", ["aasld", "european"])
@pytest.mark.parametrize("setting", ["inpatient", "outpatient"])
@pytest.mark.parametrize("reason", ["nocturia", ""])
@pytest.mark.parametrize("results", [URINE, NO_URINE], ids=["concentrated", "no urine"])
@pytest.mark.parametrize("sodium", ["112", "119", "124", "127", "131"])
def test_without_symptoms_desmopressin_leads_and_nothing_else_raises_sodium(
    sodium: str, results: tuple[Any, ...], reason: str, setting: Setting, profile: str
) -> None:
    before = (result("sodium", "138", 24 * 60),)
    story = at_night(sodium=sodium, setting=setting, reason=reason, results=(*before, *results))
    card = band(story, profile)
    assert leads(card), keys(card)
    assert not (RAISING | ONE_VOICE) & set(keys(card)), keys(card)
    assert drafted(card) == []
    words = text_of(card, next(line for line in card.do if line.key.startswith(PAUSE)))
    for part in ("ater is shed", "prescriber", "rink to thirst; no urea, salt, vaptan"):
        assert part in words
    assert ("insipidus" in words) is not bool(reason)


@pytest.mark.parametrize("profile", ["aasld", "european"])
def test_the_severe_card_keeps_its_safety_lines_on_its_face(profile: str) -> None:
    card = band(at_night(sodium="117"), profile)
    face = [part.key for line in card.do[:4] for part in line.parts()]
    assert face == [
        "check-symptoms",
        "monitor-desmopressin",
        PAUSE,
        "severe-advice-room",
    ]
    assert "with desmopressin: check symptoms, repeat now" in summary(card)


def test_at_home_it_is_paused_only_where_sodium_can_be_measured() -> None:
    assert "insipidus-aquaresis" in keys(band(at_night(sodium="122", setting="outpatient")))
    assert "insipidus-aquaresis" not in keys(band(at_night(sodium="122")))


def test_in_hospital_sodium_is_due_within_hours_below_the_mild_band() -> None:
    card = band(at_night(sodium="122"))
    assert "monitor-desmopressin" in keys(card)
    (draw,) = (s for s in card.suggestions if s.kind.startswith("repeat-sodium"))
    assert draw.within is not None
    assert draw.within.total_seconds() <= 4 * 3600


@pytest.mark.parametrize("profile", ["aasld", "european"])
@pytest.mark.parametrize("reason", ["nocturia", ""])
@pytest.mark.parametrize("symptom", SYMPTOMS.values(), ids=SYMPTOMS)
def test_with_symptoms_the_overshoot_and_the_ceiling_are_on_the_face(
    symptom: Any, reason: str, profile: str
) -> None:
    cards = fired(at_night(symptom, sodium="117", reason=reason).case(profile))
    card = cards.get("PV-SYMP") or cards["PV-ENC"]
    face = " ".join(text_of(card, line) for line in card.do[:4])
    for part in ("3% saline", "specialist decides", "sodium overshoots", "urine output hourly"):
        assert part in face, face
    assert "desmopressin, dextrose 5% ready. Not above 12" in face, face
    assert not ONE_VOICE & set(keys(card)), keys(card)


INSIPIDUS = problem("diabetes-insipidus", days=900)
GOES_ON = {
    "diabetes insipidus": at_night(INSIPIDUS, sodium="122"),
    "a disease of the pituitary": at_night(problem("pituitary-disease", days=900), sodium="122"),
    "a bleeding disorder": at_night(problem("bleeding-disorder", days=90), sodium="122", reason=""),
    "by vein for an unknown purpose": Story(
        sodium="122", setting="inpatient", orders=(order("desmopressin", days=1, route="iv"),)
    ),
    "beside 3 % saline": Story(
        sodium="112", setting="inpatient", orders=(SALINE_3, order("desmopressin", days=0.2))
    ),
    "a rise that is too fast": rising(124, 112, orders=(order("desmopressin", days=60),)),
    "a rise of 5, which it may brake": rising(119, 114, orders=(order("desmopressin", days=60),)),
    "a dilute urine": at_night(sodium="122", results=(result("urine-osmolality", "80"),)),
    "on dialysis": at_night(problem("dialysis", days=900), sodium="122"),
}


@pytest.mark.parametrize("story", GOES_ON.values(), ids=GOES_ON)
def test_where_it_is_needed_or_acts_no_longer_it_is_not_paused(story: Story) -> None:
    told = {key for card in fired(story.case()).values() for key in keys(card)}
    assert not {key for key in told if key.startswith((PAUSE, OVERSHOOTS))}


def test_against_a_bleeding_no_card_says_never_stop_beside_hold() -> None:
    story = at_night(problem("bleeding-disorder", days=90), sodium="122", reason="")
    assert "review-need" in keys(band(story))
    assert "review-gently" not in keys(band(story))


def test_after_an_acute_fall_the_water_that_is_shed_is_the_cure() -> None:
    story = replace(at_night(sodium="118"), results=(result("sodium", "139", 30),))
    card = fired(story.case())["PV-ACUTE"]
    assert "hold-desmopressin" in keys(card)
    assert not any(key.startswith(OVERSHOOTS) for key in keys(card))


SCENES = (
    Scene(
        says="F1: a restriction beside desmopressin for nocturia plans no urea or salt tablets",
        order=restriction(),
        story=at_night(sodium="124"),
    ),
)


@table(SCENES)
def test_a_restriction_beside_desmopressin(scene: Scene) -> None:
    scene.check()
