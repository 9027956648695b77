"""Sodium fell since before an acute setting: its last value is days old on every ward (F1, F2, F3)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.engine.finding import Finding
from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.cases import fired, keys
from tests.sodium.rules.orders import Scene, saline, selected, table, water

PROFILES = ["aasld", "european"]
VOMITS = (problem("vomiting", days=0.1), problem("headache", days=0.1))
SYMPTOMS: dict[str, tuple[Any, ...]] = {
    "vomiting": (problem("vomiting", days=0.1),),
    "confusion": (problem("confusion", days=0.1),),
    "headache": (problem("headache", days=0.1),),
    "headache, nausea": (problem("headache", days=0.1), problem("nausea", days=0.1)),
}
EVENTS = ["recent-surgery", "stimulant-poisoning", "prolonged-exercise", "labor"]
SETTINGS: dict[str, dict[str, Any]] = {
    **{name: {"problems": (problem(name, days=0.9, active=False),)} for name in EVENTS},
    "bowel": {"orders": (order("picosulfate", days=0.9),)},
    "oxytocin": {"orders": (order("oxytocin", days=0.9),)},
    "irrigation": {"problems": (problem("irrigation", days=0.9),)},
    "reason": {"reasons": frozenset({"recent-surgery"})},
}


def after(
    setting: str = "recent-surgery",
    *problems: Any,
    sodium: str = "129",
    before: float | None = 139,
    days: float = 3,
    **more: Any,
) -> Story:
    """A low sodium on the day of a setting; the last value before it is so many days old."""
    parts = dict(SETTINGS[setting])
    parts["problems"] = (*parts.get("problems", ()), *problems)
    known = () if before is None else (result("sodium", before, days * 24),)
    results = (*known, *more.pop("results", ()))
    return Story(sodium=sodium, setting="inpatient", results=results, **parts, **more)


def card(story: Story, profile: str = "aasld") -> Finding:
    """The card that leads the chart."""
    found = fired(story.case(profile))
    return next(found[rule] for rule in ("PV-SYMP", "PV-ENC", "PV-ACUTE") if rule in found)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("days", [2.1, 2.4, 6, 15, 29])
@pytest.mark.parametrize("setting", list(SETTINGS))
def test_f2_a_fall_since_before_the_setting_is_acute(
    setting: str, days: float, profile: str
) -> None:
    found = card(after(setting, *VOMITS, days=days), profile)
    assert (found.rule or "PV-ACUTE", found.indicator) == ("PV-ACUTE", "critical")
    assert found.variant == "setting"
    face = keys(found)[:4]
    assert {"acute-danger-symptom", f"bolus-{profile}", "monitor-acute"} <= set(face)
    assert "PV-MILD-SYMP" not in fired(after(setting, *VOMITS, days=days).case(profile))


@pytest.mark.parametrize("symptom", list(SYMPTOMS))
@pytest.mark.parametrize("sodium", ["126", "128", "131", "134"])
def test_f2_beside_a_symptom_of_the_brain_it_counts_at_any_low_value(
    symptom: str, sodium: str
) -> None:
    found = card(after("recent-surgery", *SYMPTOMS[symptom], sodium=sodium, before=143))
    assert (found.indicator, found.variant) == ("critical", "setting")


@pytest.mark.parametrize("sodium", ["126", "129", "132"])
def test_f2_without_a_symptom_it_is_a_warning(sodium: str) -> None:
    found = card(after(sodium=sodium, before=142))
    assert (found.indicator, found.variant) == ("warning", "setting")


@pytest.mark.parametrize(
    "story",
    [
        after(sodium="133", before=142),
        after(sodium="134", before=143, results=(result("sodium", 142, 200),)),
        after(sodium="130", before=137),
        after("recent-surgery", *VOMITS, sodium="131", before=138),
        after("recent-surgery", *VOMITS, sodium="131", before=142, days=33),
        after("recent-surgery", *VOMITS, sodium="129", before=130),
        after("recent-surgery", problem("nausea", days=0.1), sodium="134", before=143),
    ],
    ids=["near normal", "near", "fall small", "vomits", "too old", "chronic", "nausea alone"],
)
def test_f51_a_small_or_an_old_fall_stays_quiet(story: Story) -> None:
    found = fired(story.case())
    assert not {"PV-ACUTE", "PV-ENC", "PV-SYMP"} & found.keys()


def test_f2_before_the_setting_or_without_one_it_is_no_acute_fall() -> None:
    story = after("recent-surgery", *VOMITS)
    assert "PV-ACUTE" not in fired(replace(story, sodium_hours=30).case())
    assert "PV-ACUTE" not in fired(replace(story, problems=VOMITS).case())
    drinks = replace(story, problems=(*VOMITS, problem("psychogenic-polydipsia", days=900)))
    assert drinks.case().sodium.acute is None


def test_f2_the_last_value_before_the_first_setting_counts() -> None:
    lower = after(results=(result("sodium", 131, 60),))
    assert lower.case().sodium.acute is None
    both = after("recent-surgery", problem("irrigation", days=0.2), days=2.5)
    both = replace(both, results=(*both.results, result("sodium", 131, 10)))
    assert both.case().sodium.acute is not None


def test_f33_a_sodium_that_has_come_back_or_rises_is_no_new_fall() -> None:
    back = after(results=(result("sodium", 118, 20),), sodium="129")
    assert back.case().sodium.acute is None
    rises = after(results=(result("sodium", 120, 20),), sodium="127")
    assert rises.case().sodium.acute is None


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("symptom", ["vomiting", "confusion", "headache"])
@pytest.mark.parametrize("setting", list(SETTINGS))
def test_f1_without_an_earlier_value_the_symptom_counts_below_130(
    setting: str, symptom: str, profile: str
) -> None:
    story = after(setting, *SYMPTOMS[symptom], before=None, sodium="128")
    found = fired(story.case(profile))["PV-ENC"]
    assert found.indicator == "critical"
    for other in (replace(story, sodium="130"), replace(story, problems=SYMPTOMS[symptom])):
        if other.case(profile).acute_setting is None or other.sodium == "130":
            assert "PV-ENC" not in fired(other.case(profile))


@pytest.mark.parametrize("days", [3, 12, 29])
def test_f1_a_low_value_before_the_setting_is_chronic(days: float) -> None:
    story = after("recent-surgery", *VOMITS, before=128, days=days, sodium="127")
    assert "PV-ENC" not in fired(story.case())


OP = after("recent-surgery", *VOMITS)
SCENES = (
    Scene(
        says="F2: hypotonic fluid on the day after surgery, with vomiting and headache",
        order=water(),
        story=OP,
        fires={"OS-HYPOTONIC": "critical symptom-water"},
        removes=True,
        shows=("order-symptom", "order-acute-setting"),
    ),
    Scene(
        says="F2: 0.45 % saline",
        order=saline("0.45", "hypotonic"),
        story=OP,
        fires={"OS-HYPOTONIC": "critical symptom"},
        removes=True,
        shows=("order-symptom", "order-acute-setting"),
    ),
    Scene(
        says="F2: desmopressin",
        order=selected("desmopressin"),
        story=OP,
        fires={"OS-DDAVP": "critical main"},
        removes=True,
        shows=("order-symptom", "order-acute-setting"),
    ),
    Scene(
        says="F2: sertraline",
        order=selected("sertraline"),
        story=OP,
        fires={"OS-LOW": "warning acute"},
        removes=True,
        shows=("order-symptom", "order-acute-setting"),
    ),
    Scene(
        says="F2: 3 % saline is no mistake",
        order=saline(),
        story=OP,
        fires={"OS-HTS-ASX": "info setting"},
    ),
)


@table(SCENES)
def test_an_order_after_such_a_fall(scene: Scene) -> None:
    scene.check()
