"""F5: after pituitary surgery sodium falls late: the cause, what is to come, and cortisol first."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.engine.cards import FACE_BULLETS
from cds_service.engine.finding import Finding, Silence
from cds_service.knowledge.limits import PROFILES
from cds_service.sodium.pituitary import pituitary_surgery
from cds_service.sodium.rules.book import BOOK
from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.cases import fired, keys, text_of
from tests.sodium.rules.charts import CORTISOL_ENOUGH, operated

TO_COME, LATE, UNDATED = "pituitary-to-come", "pituitary-late", "pituitary-undated"
NAMES = {TO_COME, LATE, UNDATED}
# From mild to severe, each with a fall over days.
COURSES = [
    (134, 136, 137),
    (133, 137, 140, 141),
    (131, 133, 137, 140),
    (127, 131, 135, 139),
    (127, 129, 131, 134),
    (124, 126, 129, 131),
    (123, 126, 130, 136),
    (118, 122, 127, 133),
]
WEAK = ("pantoprazole", "omeprazole")


def card(story: Story, profile: str = "aasld") -> Finding:
    """Returns the card on the low sodium."""
    return next(iter(fired(story.case(profile)).values()))


def face(finding: Finding) -> list[str]:
    return [line.key for line in finding.do[:FACE_BULLETS]]


def discharge(story: Story, rule: str = "DC-LOW") -> Finding:
    found = BOOK.discharge[rule](story.case())
    assert isinstance(found, Finding)
    return found


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("course", COURSES, ids=str)
@pytest.mark.parametrize("cortisol", [(), (CORTISOL_ENOUGH,)], ids=["no cortisol", "cortisol"])
def test_in_each_band_the_surgery_is_read_in_the_first_lines(
    course: tuple[float, ...], profile: str, cortisol: Any
) -> None:
    found = card(operated(*course, results=cortisol), profile)
    assert TO_COME in face(found)
    adrenal = [key for key in face(found) if key.startswith("withheld-adrenal")]
    if cortisol:
        assert not [key for key in keys(found) if key.startswith("withheld-adrenal")]
    else:  # cortisol first, and no amount to drink before it; in an acute fall the brain first
        assert [key for key in keys(found) if key.startswith("withheld-adrenal")]
        acute = found.rule == "PV-ACUTE"
        assert acute or face(found).index(adrenal[0]) < face(found).index(TO_COME)
        assert "pituitary-drink" not in keys(found)
    assert len(set(keys(found))) == len(keys(found))


@pytest.mark.parametrize("symptom", ["seizure", "coma", "vomiting", "confusion", "headache"])
@pytest.mark.parametrize("cortisol", [(), (CORTISOL_ENOUGH,)], ids=["no cortisol", "cortisol"])
def test_in_an_emergency_it_is_named_behind_what_is_done(symptom: str, cortisol: Any) -> None:
    symptoms = (problem(symptom, days=0.05, encounter=True),)
    story = operated(119, 123, 127, 131, results=cortisol, problems=symptoms)
    for found in fired(story.case()).values():
        said = [line.key for line in found.do]
        assert said.count(TO_COME) == 1
        assert said[0] != TO_COME


@pytest.mark.parametrize("course", COURSES[:2], ids=str)
@pytest.mark.parametrize("weak", WEAK)
def test_a_weak_culprit_is_not_the_cause_beside_it(course: tuple[float, ...], weak: str) -> None:
    taken = (order(weak, days=5, reference="MedicationRequest/7"),)
    story = operated(*course, orders=taken, results=(CORTISOL_ENOUGH,))
    assert "drug" not in card(story).variant
    assert not {"review-need", "drug-probable", "review-after-losses"} & set(keys(card(story)))
    home = discharge(story)
    assert {TO_COME, "pituitary-home"} <= set(face(home))
    assert not [key for key in keys(home) if key.startswith("culprit")]


@pytest.mark.parametrize("strong", ["sertraline", "hydrochlorothiazide", "carbamazepine"])
def test_a_strong_culprit_stands_beside_it(strong: str) -> None:
    taken = (order(strong, days=5, reference="MedicationRequest/7"),)
    story = operated(133, 137, 140, 141, orders=taken, results=(CORTISOL_ENOUGH,))
    home = discharge(story)
    assert TO_COME in face(home)
    assert [key for key in face(home) if key.startswith("culprit")]
    assert strong in card(story).drugs


@pytest.mark.parametrize(
    ("days", "key"), [(1.5, TO_COME), (9, TO_COME), (10.1, LATE), (13.9, LATE), (14.1, "")]
)
def test_the_lowest_value_is_to_come_until_day_nine(days: float, key: str) -> None:
    story = operated(131, 136, 140, days=days, stay_days=20)
    assert [told for told in keys(card(story)) if told in NAMES] == ([key] if key else [])


@pytest.mark.parametrize(
    "story",
    [
        operated(133, 137, 140, days=0.5),
        operated(131, 131, 131, days=2),
        operated(131, 135, 138, days=None, stay_days=15),
        operated(131, 135, 138, days=400),
        replace(operated(131, 135, 138), sodium="136"),
        operated(131, 135, 138, orders=(order("desmopressin"),), problems=(problem("diabetes-insipidus", days=4),)),
    ],
    ids=["the day itself", "as low before", "undated in a long stay", "years ago", "normal", "insipidus"],
)  # fmt: skip
def test_it_is_not_blamed(story: Story) -> None:
    assert pituitary_surgery(story.case()) is None


def test_the_reason_of_the_visit_counts_without_a_date() -> None:
    story = Story(
        sodium=131,
        setting="inpatient",
        stay_days=4,
        results=(result("sodium", 136, 26), result("sodium", 140, 50)),
        reasons=frozenset({"pituitary-surgery"}),
    )
    assert UNDATED in face(card(story))
    assert UNDATED in face(discharge(story))


def test_at_home_sodium_is_measured_tomorrow_and_not_in_weeks() -> None:
    story = operated(134, 137, 140, days=6, setting="outpatient", stay_days=None)
    found = card(story)
    [told] = [line for line in found.do if line.key.startswith("monitor")]
    assert told.within is not None
    assert told.within.days < 1


def test_what_dries_out_takes_the_amount_to_drink_away() -> None:
    dry = (problem("diarrhea", days=1), problem("hypovolemia", days=1))
    story = operated(133, 137, 140, 141, results=(CORTISOL_ENOUGH,), problems=dry)
    assert "pituitary-drink" not in keys(card(story))
    assert "pituitary-home" not in keys(discharge(story))


def test_a_normal_sodium_after_surgery_is_silent() -> None:
    story = operated(137, 139, 140, results=(CORTISOL_ENOUGH,))
    assert isinstance(BOOK.discharge["DC-LOW"](story.case()), Silence)


def test_the_card_says_it_in_words() -> None:
    found = card(operated(133, 137, 140, 141, results=(CORTISOL_ENOUGH,)))
    said = "\n".join(text_of(found, line) for line in found.do[:FACE_BULLETS])
    for words in ("Pituitary surgery", "day 7-9", "still to come", "1-1.5 L a day", "not dry"):
        assert words in said
