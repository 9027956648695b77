"""A low glucose causes the symptoms of low sodium too, and is treated within minutes (F1)."""

from __future__ import annotations

import pytest

from cds_service.knowledge.limits import PROFILES
from tests.sodium.patients import Story, problem, result
from tests.sodium.rules.cases import fired

SYMPTOMS = ("seizure", "coma", "confusion", "vomiting")


def first_lines(story: Story, profile: str) -> list[str]:
    """The key of the first line of each card."""
    return [found.do[0].key for found in fired(story.case(profile)).values()]


def patient(sodium: str, symptom: str, *glucose: tuple[int, float]) -> Story:
    """An inpatient with a symptom of today and glucose values in mg/dL, each so many hours old."""
    results = tuple(result("glucose", value, hours) for value, hours in glucose)
    problems = (problem(symptom, days=0.1),) if symptom else ()
    return Story(sodium=sodium, setting="inpatient", results=results, problems=problems)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("symptom", SYMPTOMS)
@pytest.mark.parametrize("sodium", ["112", "118", "123", "128"])
def test_with_a_symptom_a_low_glucose_is_the_first_line(
    profile: str, symptom: str, sodium: str
) -> None:
    assert "glucose-low" in first_lines(patient(sodium, symptom, (25, 1)), profile)


@pytest.mark.parametrize(
    ("why", "story"),
    [
        ("not low", patient("118", "seizure", (70, 1))),
        ("too old", patient("118", "seizure", (25, 6.1))),
        ("normal since", patient("118", "seizure", (25, 3), (110, 1))),
        ("no symptom", patient("128", "", (60, 1))),
    ],
)
def test_a_glucose_that_explains_nothing_is_no_line(why: str, story: Story) -> None:
    for profile in PROFILES:
        assert "glucose-low" not in first_lines(story, profile), why
