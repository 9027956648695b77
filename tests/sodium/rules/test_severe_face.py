"""The severest card reads of this patient what the moderate card does, among its first lines (F1, F26, F32)."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.engine.cards import FACE_BULLETS
from cds_service.engine.finding import Finding, Line
from cds_service.engine.triage import one_time
from cds_service.knowledge.limits import PROFILES
from cds_service.sodium.snapshot import Order
from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.cases import fired, summary, text_of

SEVERE_AND_ABOVE = {"aasld": ("119", "120"), "european": ("124", "125")}
# What holds for any patient, what is said only if the lines have room, and what changes nothing.
GENERAL = (
    *("monitor-", "ceiling-", "limit-", "risk-", "severe-advice", "check-symptoms"),
    *("restriction-orders-unread", "euvolemia-next", "withheld-volume-unknown"),
    *("review-overload", "review-decongestion", "restriction-heart-failure"),
)
# Lines of the moderate card -> those of the severe card, one of which says the same.
SAME: dict[str, str | tuple[str, ...]] = {
    "never-hypo": ("hypovolemia-", "withheld-adrenal"),
    "volume-shock": ("volume-shock", "withheld-adrenal-shock"),
    "withheld-losses": "hypovolemia-",
    "hypovolemia-replace": "hypovolemia-replace-now",
    "hypovolemia-losses": "hypovolemia-losses-now",
    "restriction-euvolemic": "restriction-severe",
    "restriction-overload-other": "restriction-severe",
    "restriction-next": "restriction-severe-next",
    "restriction-next-no-salt": "restriction-severe-next-no-salt",
}
WITHHELD = "withheld-"  # why no restriction is offered: it gives way to what is to be done


def taking(name: str, days: float = 24) -> Order:
    return order(name, days=days, reference=f"MedicationRequest/{name}")


CULPRITS = {
    name: {"orders": (taking(name),)}
    for name in (
        *("amiodarone", "omeprazole", "escitalopram", "carbamazepine", "indapamide"),
        *("trimethoprim", "cisplatin", "haloperidol", "desmopressin"),
    )
}
STATES: dict[str, dict[str, Any]] = {
    "dry": {
        "problems": (problem("hypovolemia", days=0.5),),
        "results": (result("systolic", 88), result("urine-sodium", 9)),
    },
    "losses": {
        "problems": (problem("diarrhea", days=0.5),),
        "results": (result("urine-sodium", 9), result("heart-rate", 120)),
    },
    "low pressure": {"results": (result("systolic", 88), result("heart-rate", 118))},
    "overload": {
        "problems": (problem("fluid-overload", days=0.5),),
        "results": (result("creatinine", "9.8"),),
    },
    "SIADH pattern": {
        "results": (result("urine-osmolality", 520), result("urine-sodium", 64)),
    },
    "SIADH": {
        "problems": (problem("siadh", days=5),),
        "results": (result("urine-osmolality", 520), result("urine-sodium", 64)),
    },
}
POTASSIUM = {value: {"results": (result("potassium", value),)} for value in ("5.9", "6.4", "2.7")}
FALLEN: dict[str, Any] = {"results": (result("sodium", 138, 24 * 40),)}


def story(sodium: str, *parts: dict[str, Any]) -> Story:
    """An inpatient with these findings, whose sodium was normal before the drugs."""
    joined: dict[str, Any] = {}
    for part in (FALLEN, *parts):
        for name, values in part.items():
            joined[name] = (*joined.get(name, ()), *values)
    return Story(sodium=sodium, setting="inpatient", **joined)


def both(profile: str, *parts: dict[str, Any]) -> tuple[Finding, Finding]:
    """The cards of the same patient in the severe band and one mmol/L above."""
    low, above = SEVERE_AND_ABOVE[profile]
    severe = fired(story(low, *parts).case(profile))["PV-SEV"]
    return severe, fired(story(above, *parts).case(profile))["PV-MOD"]


def face(card: Finding) -> list[Line]:
    return [part for line in card.do[:FACE_BULLETS] for part in line.parts()]


def is_said(line: Line, severe: Finding, moderate: Finding) -> bool:
    """Whether the severe card says it among the first lines, or names the drug in its headline."""
    start = SAME.get(line.key, line.key)
    if any(told.key.startswith(start) for told in face(severe)):
        return True
    if line.key.startswith(WITHHELD):
        return len(patient_lines(severe)) >= 2
    drugs = [drug for drug in severe.drugs if drug in text_of(moderate, line)]
    return bool(drugs) and any(drug in summary(severe) for drug in drugs)


def patient_lines(card: Finding) -> list[Line]:
    """The first lines that are about this patient alone."""
    return [line for line in card.do[:FACE_BULLETS] if not line.key.startswith(GENERAL)]


COMBINATIONS = [
    *((name, culprit) for name, culprit in CULPRITS.items()),
    *((name, state) for name, state in STATES.items()),
    *(
        (f"{name}, {drug}", {"a": state, "b": culprit})
        for name, state in STATES.items()
        for drug, culprit in CULPRITS.items()
    ),
]


def parts_of(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [found["a"], found["b"]] if "a" in found else [found]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("potassium", ["", *POTASSIUM])
@pytest.mark.parametrize(
    "found", [each for _, each in COMBINATIONS], ids=[n for n, _ in COMBINATIONS]
)
def test_what_the_moderate_card_reads_of_this_patient_the_severe_card_does_too(
    found: dict[str, Any], potassium: str, profile: str
) -> None:
    more = [POTASSIUM[potassium]] if potassium else []
    severe, moderate = both(profile, *parts_of(found), *more)
    wanted = [line for line in face(moderate) if not line.key.startswith((*GENERAL, "pace-"))]
    lost = [text_of(moderate, line) for line in wanted if not is_said(line, severe, moderate)]
    assert lost == [], [text_of(severe, line) for line in severe.do[:FACE_BULLETS]]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    "found", [each for _, each in COMBINATIONS], ids=[n for n, _ in COMBINATIONS]
)
def test_the_headline_names_drug_or_cause_and_looks_for_none(
    found: dict[str, Any], profile: str
) -> None:
    severe, moderate = both(profile, *parts_of(found))
    assert "work up cause" not in summary(severe)
    named = [drug for drug in moderate.drugs if f"review {drug}" in summary(moderate)]
    assert all(drug in summary(severe) for drug in named)
    assert len(summary(severe)) < 140


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("risk", [(), (problem("malnutrition", days=40),)], ids=["usual", "risk"])
@pytest.mark.parametrize(
    ("one", "two"),
    [
        *combinations(["losses", "escitalopram", "5.9"], 2),
        *(("SIADH pattern", "amiodarone"), ("5.9", "amiodarone")),
        ("overload", "6.4"),
    ],
)
def test_two_of_the_first_four_lines_are_about_this_patient(
    one: str, two: str, risk: tuple[Any, ...], profile: str
) -> None:
    known = CULPRITS | STATES | POTASSIUM
    severe, _ = both(profile, known[one], known[two], {"problems": risk})
    assert len(patient_lines(severe)) >= 2, [line.key for line in severe.do]
    keys = [line.key for line in face(severe)]
    assert keys[0] == "check-symptoms"
    assert keys[1].startswith("monitor-")
    assert bool(risk) is any(key.startswith("risk-") for key in keys)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("potassium", ["5.9", "6.4"])
@pytest.mark.parametrize("drug", ["indapamide", "escitalopram", "carbamazepine"])
def test_volume_and_potassium_come_before_the_drug(drug: str, potassium: str, profile: str) -> None:
    severe, _ = both(profile, STATES["losses"], POTASSIUM[potassium], CULPRITS[drug])
    keys = [line.key for line in severe.do]
    urgent = {
        place for place, key in enumerate(keys) if "potassium" in key or key.startswith("hypo")
    }
    drugs = [place for place, key in enumerate(keys) if key.startswith(("review-", "stop-"))]
    assert len(urgent) >= 2
    assert all(place > max(urgent) for place in drugs)
    assert f"review {drug}" in summary(severe)


@pytest.mark.parametrize("profile", PROFILES)
def test_failing_kidneys_in_overload_are_named_with_what_is_done(profile: str) -> None:
    for card in both(profile, STATES["overload"]):
        words = " ".join(text_of(card, line) for line in card.do[:FACE_BULLETS])
        for part in ("9.8 mg/dL", "nephrology now", "loop diuretic", "dialysis"):
            assert part in words
        assert "mmol/L left" in words
        assert not [line for line in card.why if line.key.startswith(("measured-creat", "vaptan"))]
    cirrhosis = {"problems": (problem("cirrhosis", days=900),)}
    for card in both(profile, STATES["overload"], cirrhosis):
        assert "overload-kidney" not in [line.key for line in card.do]


@pytest.mark.parametrize("profile", PROFILES)
def test_a_restriction_that_runs_in_volume_depletion_is_still_to_be_lifted(profile: str) -> None:
    running = Order(
        reference="NutritionOrder/1", kind="nutrition", fluid_restriction=True, status="active"
    )
    severe, _ = both(profile, STATES["dry"], {"orders": (running,)})
    assert any(line.key.startswith("restriction-running") for line in face(severe))


def test_the_bedside_check_stays_if_another_card_says_the_next_sodium() -> None:
    severe, _ = both("aasld", STATES["SIADH pattern"])
    timed = [part for part in severe.do[0].parts() if part.within is not None]
    other = replace(severe, do=tuple(replace(part) for part in timed))
    _, left = one_time([other, severe])
    assert left.do[0].key == "check-symptoms"
    assert left.do[0].then is None


BEFORE: list[dict[str, Any]] = [
    {"results": (result("glucose", 50, 1),)},
    {"problems": (problem("hospice", days=5),)},
]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
@pytest.mark.parametrize(
    "before", [BEFORE[:1], BEFORE[1:], BEFORE], ids=["glucose", "goals", "both"]
)
def test_f27_the_risk_is_on_the_face_also_after_lines_that_lead(
    before: list[dict[str, Any]], state: dict[str, Any], profile: str
) -> None:
    severe, _ = both(profile, state, *before, {"problems": (problem("malnutrition", days=40),)})
    keys = [line.key for line in face(severe)]
    assert any(key.startswith("risk-") for key in keys), keys
    assert "check-symptoms" in keys


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("potassium", POTASSIUM)
@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_no_card_says_a_line_twice(state: dict[str, Any], potassium: str, profile: str) -> None:
    for sodium in ("88", *SEVERE_AND_ABOVE[profile]):
        case = story(sodium, state, POTASSIUM[potassium]).case(profile)
        for rule, card in fired(case).items():
            said = [text_of(card, part) for line in (*card.do, *card.why) for part in line.parts()]
            assert len(said) == len(set(said)), (rule, said)
