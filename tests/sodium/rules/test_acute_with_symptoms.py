"""A symptom never makes the first lines of an acute fall or setting weaker (F1, F2, F3, M6)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.engine.finding import URGENCY, Finding, Line
from cds_service.knowledge.limits import PROFILES
from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.cases import fired, keys, summary
from tests.sodium.rules.charts import NORMAL_OSMOLALITY

FACE = 4
LEADS = ("PV-SYMP", "PV-ENC", "PV-ACUTE", "PV-SEV", "PV-MOD", "PV-MILD-SYMP", "PV-MILD")
# How firmly a line speaks of a bolus, and how soon the next sodium is due.
FORCE = {"single-": 1, "bolus-aasld": 2, "bolus-european": 2, "give-by-": 2, "bolus-now-": 3}
OFTEN = {
    "sodium-now": 1,
    "monitor-severe": 2,
    "monitor-acute": 3,
    "monitor-shedding": 3,
    "monitor-emergency": 4,
    "monitor-overshoot": 4,
}
SYMPTOMS: dict[str, tuple[Any, ...]] = {
    "confusion": (problem("confusion", days=0.05),),
    "vomiting": (problem("vomiting", days=0.05),),
    "both": (problem("confusion", days=0.05), problem("vomiting", days=0.05)),
    "headache, nausea": (problem("headache", days=0.05), problem("nausea", days=0.05)),
    "somnolence": (problem("somnolence", days=0.05),),
    "seizure": (problem("seizure", days=0.05),),
    **{f"scale {points}": (result("gcs", points, 1),) for points in (3, 8, 9, 11, 12, 13, 14)},
    "scale 9 vomiting": (result("gcs", 9, 1), problem("vomiting", days=0.05)),
}
BRAIN = ["confusion", "vomiting", "both", "scale 9", "scale 12", "scale 14", "scale 9 vomiting"]
FALLS = {"24 in 4 h": (138, 4, 114), "10 in 20 h": (134, 20, 124), "12 in 45 h": (131, 47, 119)}
EVENTS = ("irrigation", "recent-surgery", "stimulant-poisoning", "prolonged-exercise")
SETTINGS: dict[str, dict[str, Any]] = {
    **{name: {"problems": (problem(name, days=0.3),)} for name in EVENTS},
    "bowel": {"orders": (order("picosulfate", days=0.5),)},
    "oxytocin": {"orders": (order("oxytocin", days=0.3),)},
}


def fell(how: str, **more: Any) -> Story:
    """A patient whose sodium fell so far in so many hours."""
    before, hours, now = FALLS[how]
    known = (result("sodium", before, hours + 1), *more.pop("results", ()))
    return Story(sodium=now, sodium_hours=1, setting="inpatient", results=known, **more)


def came_from(setting: str, sodium: str = "121") -> Story:
    """A patient in an acute setting without an earlier sodium."""
    return Story(sodium=sodium, sodium_hours=1, setting="inpatient", **SETTINGS[setting])


ACUTE = {
    **{f"fell {how}": fell(how) for how in FALLS},
    **{setting: came_from(setting) for setting in SETTINGS},
    **{
        f"{setting}, fell": replace(
            came_from(setting), sodium="114", results=(result("sodium", 138, 5),)
        )
        for setting in SETTINGS
    },
    "light": fell("10 in 20 h", results=(result("weight", 36, 20),)),
    "crisis": fell(
        "10 in 20 h",
        problems=(problem("adrenal-insufficiency", days=900), problem("shock", days=0.1)),
    ),
    "dialysis": fell("10 in 20 h", problems=(problem("dialysis", days=900),)),
    "glucose": fell("10 in 20 h", results=(result("glucose", 58, 1),)),
    "protein": fell("10 in 20 h", results=(result("total-protein", 13, 20),)),
}
NORMAL = fell("10 in 20 h", results=NORMAL_OSMOLALITY)


def with_symptom(story: Story, name: str) -> Story:
    """The same patient with one symptom more."""
    found = SYMPTOMS[name]
    results = tuple(one for one in found if hasattr(one, "analyte"))
    problems = tuple(one for one in found if not hasattr(one, "analyte"))
    return replace(story, results=(*story.results, *results), problems=(*story.problems, *problems))


def card(story: Story, profile: str) -> Finding:
    """The card that leads the chart."""
    found = fired(story.case(profile))
    return next(found[rule] for rule in LEADS if rule in found)


def force(lines: list[Line]) -> int:
    """How firmly the firmest of these lines speaks of a bolus."""
    return max(
        (value for told in lines for key, value in FORCE.items() if told.key.startswith(key)),
        default=0,
    )


def often(lines: list[Line]) -> int:
    """How soon and how often sodium is measured."""
    return max(
        (value for told in lines for key, value in OFTEN.items() if told.key.startswith(key)),
        default=0,
    )


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("symptom", list(SYMPTOMS))
@pytest.mark.parametrize("name", list(ACUTE))
def test_a_symptom_never_weakens_an_acute_card(name: str, symptom: str, profile: str) -> None:
    calm = card(ACUTE[name], profile)
    ill = card(with_symptom(ACUTE[name], symptom), profile)
    assert URGENCY[ill.indicator] >= URGENCY[calm.indicator]
    assert force(list(ill.do[:FACE])) >= force(list(calm.do[:FACE]))
    assert often(list(ill.do)) >= often(list(calm.do))


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("symptom", BRAIN)
@pytest.mark.parametrize("name", [*(f"fell {how}" for how in FALLS), *SETTINGS])
def test_beside_a_symptom_of_the_brain_the_bolus_is_for_now(
    name: str, symptom: str, profile: str
) -> None:
    found = card(with_symptom(ACUTE[name], symptom), profile)
    face = keys(found)[:FACE]
    assert found.indicator == "critical"
    assert f"bolus-now-{profile}" in face
    assert "monitor-emergency" in face
    assert "stop-hypotonic" in [told.key for told in (*found.do, *found.why)] or any(
        told.key.startswith("acute-stop") for told in found.do
    )
    assert "drowsy" not in summary(found)
    assert not {"examine-now", "sodium-now"} & set(keys(found))


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    "story",
    [
        Story(sodium="121", setting="inpatient"),
        came_from("recent-surgery"),
        Story(
            sodium="121",
            setting="inpatient",
            problems=(problem("polydipsia", "schizophrenia", days=900),),
        ),
    ],
    ids=["no setting", "low before", "lasts"],
)
def test_of_an_unknown_onset_one_bolus_stays_an_option(story: Story, profile: str) -> None:
    if story.problems == came_from("recent-surgery").problems:
        story = replace(story, results=(result("sodium", 124, 200),))
    found = card(with_symptom(story, "confusion"), profile)
    assert f"single-bolus-{profile}" in keys(found)
    assert "sodium-now" in keys(found)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", ["crisis", "dialysis", "glucose", "protein"])
def test_what_is_treated_first_keeps_the_bolus_conditional(name: str, profile: str) -> None:
    found = card(with_symptom(ACUTE[name], "confusion"), profile)
    assert not any(key.startswith("bolus-now") for key in keys(found))
    assert force(list(found.do)) == FORCE["bolus-aasld"]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("symptom", ["somnolence", "confusion", "vomiting", "scale 9"])
@pytest.mark.parametrize("how", ["low", "fell"])
def test_m6_a_normal_osmolality_comes_before_any_bolus(
    how: str, symptom: str, profile: str
) -> None:
    low = Story(sodium="119", setting="inpatient", results=NORMAL_OSMOLALITY)
    found = card(with_symptom(low if how == "low" else NORMAL, symptom), profile)
    assert "osmolality-is-normal" in keys(found)[:FACE]
    assert force(list(found.do)) == 0


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("symptom", ["seizure", "scale 3", "scale 8"])
def test_m6_beside_a_seizure_or_coma_a_direct_sodium_is_read_before_the_bolus(
    symptom: str, profile: str
) -> None:
    low = Story(sodium="119", setting="inpatient", results=NORMAL_OSMOLALITY)
    face = keys(card(with_symptom(low, symptom), profile))[:FACE]
    assert face.index("osmolality-is-normal-now") < face.index(f"bolus-{profile}")


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("symptom", ["somnolence", "confusion", "seizure", "scale 9"])
@pytest.mark.parametrize(
    ("measured", "key"),
    [
        (("triglyceride", 4200), "artefact-now-lipids"),
        (("total-protein", 13), "artefact-now-protein"),
    ],
    ids=["triglycerides", "protein"],
)
def test_m6_without_an_osmolality_what_lowers_the_number_is_among_the_first_lines(
    measured: tuple[str, float], key: str, symptom: str, profile: str
) -> None:
    story = Story(sodium="119", setting="inpatient", results=(result(*measured, 10),))
    assert key in keys(card(with_symptom(story, symptom), profile))[:FACE]
