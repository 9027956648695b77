"""F54: eclampsia is a seizure with a treatment of its own; in pregnancy obstetrics is called."""

from __future__ import annotations

import pytest

from tests.sodium.patients import Story, problem, result
from tests.sodium.rules.cases import detail, fired, keys
from tests.sodium.rules.orders import Scene, saline, selected, table

ECLAMPSIA = problem("eclampsia", "pregnancy", days=0.05, encounter=True)
PREGNANT = problem("pregnancy", days=90)
SEIZURE = problem("seizure", days=0.05, encounter=True)
CONFUSED = problem("confusion", days=0.05, encounter=True)


def ward(sodium: str, *problems: object, **more: object) -> Story:
    """An inpatient with these problems."""
    return Story(sodium=sodium, setting="inpatient", problems=problems, **more)  # type: ignore[arg-type]  # keywords of Story


SCENES = (
    Scene(
        says="eclampsia at 119: guardrails, and magnesium with obstetrics",
        order=saline(),
        story=ward("119", ECLAMPSIA),
        fires={"OS-HTS-SEV": "info main"},
        shows=("eclampsia-recorded", "give-aasld"),
        hides=("eclampsia", "pregnant"),
    ),
    Scene(
        says="eclampsia at 133: no removal, another cause than this sodium",
        order=saline(),
        story=ward("133", ECLAMPSIA),
        fires={"OS-HTS-SEV": "info main"},
        shows=("eclampsia-recorded", "look-further"),
    ),
    Scene(
        says="a seizure in pregnancy may be eclampsia",
        order=saline(),
        story=ward("119", PREGNANT, SEIZURE),
        fires={"OS-HTS-SEV": "info main"},
        shows=("eclampsia",),
        hides=("eclampsia-recorded", "pregnant"),
    ),
    Scene(
        says="pregnant at 119 without a seizure: obstetrics",
        order=saline(),
        story=ward("119", PREGNANT),
        fires={"OS-HTS-ASX": "info main"},
        shows=("pregnant",),
        hides=("eclampsia",),
    ),
    Scene(
        says="urea in pregnancy",
        order=selected("urea"),
        story=ward("124", PREGNANT),
        fires={"OS-UREA": "warning pregnancy"},
    ),
    Scene(
        says="urea without pregnancy",
        order=selected("urea"),
        story=ward("124"),
    ),
)


@table(SCENES)
def test_orders_around_birth(scene: Scene) -> None:
    scene.check()


def test_a_card_keeps_no_saline_for_an_eclampsia_that_this_sodium_does_not_explain() -> None:
    def kept(sodium: str) -> list[str]:
        scene = Scene(says="", order=saline(), story=ward(sodium, ECLAMPSIA))
        return [s.kind for f in scene.findings().values() for s in f.suggestions]

    assert kept("133") == ["add-sodium-1h"]
    assert kept("119") == ["keep-sodium-1h"]


def test_eclampsia_leads_as_an_emergency_with_its_own_treatment_second() -> None:
    card = fired(ward("119", ECLAMPSIA).case())["PV-SYMP"]

    assert card.indicator == "critical"
    assert keys(card)[:2] == ["emergency", "eclampsia-recorded"]
    assert keys(card).count("eclampsia-recorded") == 1
    assert "eclampsia" not in keys(card)


@pytest.mark.parametrize(
    ("rule", "story"),
    [
        ("PV-ENC", ward("119", PREGNANT, CONFUSED)),
        ("PV-ACUTE", ward("122", PREGNANT, results=(result("sodium", 136, 24),))),
        ("PV-SYMP", ward("119", PREGNANT, problem("coma", days=0.05, encounter=True))),
    ],
)
def test_in_pregnancy_each_urgent_card_calls_obstetrics_once(rule: str, story: Story) -> None:
    assert keys(fired(story.case())[rule]).count("pregnant") == 1


@pytest.mark.parametrize("sodium", ["114", "124"])
def test_in_pregnancy_the_card_of_the_band_says_what_is_normal_in_it(sodium: str) -> None:
    cards = fired(ward(sodium, PREGNANT, problem("siadh", days=5)).case())
    said = " ".join(text for card in cards.values() for text in detail(card))

    assert "lowers sodium by about 5 mmol/L" in said
    assert "obstetrics" in said
