"""A low glucose causes the symptoms of low sodium too, and is treated within minutes (F1)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.engine.finding import RemoveDraft
from cds_service.knowledge.limits import PROFILES
from cds_service.sodium.snapshot import Problem
from tests.sodium.patients import Story, problem, result
from tests.sodium.rules.cases import fired
from tests.sodium.rules.orders import Scene, saline, table, water

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


def dripped(*problems: Problem, glucose: tuple[tuple[int, float], ...] = ()) -> Story:
    """An inpatient at 122 with these glucose values."""
    results = tuple(result("glucose", value, hours) for value, hours in glucose)
    return Story(sodium="122", setting="inpatient", results=results, problems=problems)


NOW_NORMAL = ((38, 8), (95, 0.5))
KEPT = {
    "low 8 h ago, normal now": dripped(glucose=NOW_NORMAL),
    "hypoglycemia coded, not measured": dripped(problem("hypoglycemia", days=0.1)),
    "insulinoma of years": dripped(problem("insulinoma", days=900), glucose=((78, 0.5),)),
    "acute liver failure": dripped(problem("acute-liver-failure", days=1), glucose=((92, 0.5),)),
}
OTHERS = {
    "low 25 h ago": dripped(glucose=((38, 25), (95, 0.5))),
    "70 is not low": dripped(glucose=((70, 8), (95, 0.5))),
    "hypoglycemia coded four days ago": dripped(problem("hypoglycemia", days=4)),
}
SCENES = (
    *(
        Scene(
            says=f"B.3: glucose in water stays after a low glucose: {why}",
            order=water(),
            story=story,
            fires={"OS-HYPOTONIC": "info low-glucose"},
            shows=("keep-glucose",),
            hides=("choose-isotonic", "no-hypotonic"),
        )
        for why, story in KEPT.items()
    ),
    *(
        Scene(
            says=f"B.3: glucose in water is too much water: {why}",
            order=water(),
            story=story,
            fires={"OS-HYPOTONIC": "warning water"},
            removes=True,
            shows=("choose-isotonic",),
            hides=("keep-glucose",),
        )
        for why, story in OTHERS.items()
    ),
    Scene(
        says="B.3: beside a symptom it stays too, and the card says what the symptom may be",
        order=water(),
        story=dripped(problem("confusion", days=0.1), glucose=NOW_NORMAL),
        fires={"OS-HYPOTONIC": "warning low-glucose"},
        shows=("keep-glucose",),
        hides=("no-hypotonic",),
    ),
    Scene(
        says="B.3: weak saline may hold glucose: it is not removed after a low glucose",
        order=saline("0.45", "hypotonic", "1000"),
        story=dripped(glucose=NOW_NORMAL),
        fires={"OS-HYPOTONIC": "warning main"},
    ),
)


@table(SCENES)
def test_scene(scene: Scene) -> None:
    scene.check()


@given(
    st.lists(st.tuples(st.integers(30, 200), st.floats(0.2, 23.5)), min_size=1, max_size=4),
    st.integers(118, 132),
    st.sampled_from(["", "confusion", "seizure", "vomiting"]),
)
@settings(max_examples=60, deadline=None)
def test_no_order_of_glucose_is_removed_in_the_day_after_a_low_value(
    glucose: list[tuple[int, float]], sodium: int, symptom: str
) -> None:
    low = any(value < 70 for value, _ in glucose)
    story = patient(str(sodium), symptom, *glucose)
    found = Scene(says="", order=water(), story=story).findings()
    removes = any(
        isinstance(action, RemoveDraft)
        for finding in found.values()
        for button in finding.suggestions
        for action in button.actions
    )
    assert not (low and removes)
