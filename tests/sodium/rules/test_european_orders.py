"""Order cards of the European profile: its advice on vaptans, its bolus, and the limit of the chart's card."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from cds_service.sodium.snapshot import Problem
from tests.sodium.patients import Story, problem, result, words
from tests.sodium.rules.cases import fired
from tests.sodium.rules.orders import Scene, saline, selected, table
from tests.sodium.rules.test_also_raising import RINGER
from tests.sodium.rules.test_no_rescue import DIALYSIS
from tests.sodium.rules.test_order_select_words import HOOKS, service, shown, text_of
from tests.sodium.rules.test_strong_salts import salt

CONFUSION = problem("confusion", days=0.2, encounter=True)
HEADACHE = problem("headache", days=0.2, encounter=True)
SEIZURE = problem("seizure", days=0.2, encounter=True)
CIRRHOSIS = problem("cirrhosis", days=300)
ALCOHOL = problem("alcohol-use-disorder", days=10)
HEART_FAILURE = problem("heart-failure", days=1, encounter=True)
WARD = Story(sodium="121", setting="inpatient")
TOLVAPTAN = selected("tolvaptan")
COUNTED = tuple(
    Scene(
        says=f"F22: below 120 at high risk the goal is said beside the limit: {what}",
        order=what_is_ordered,
        story=replace(WARD, sodium="112", problems=(ALCOHOL,)),
        fires={"OS-RAISE": f"info {variant}"},
        shows=("risk-european",),
        profile="european",
    )
    for what, what_is_ordered, variant in (
        ("urea", selected("urea"), "counts-european"),
        ("Ringer", RINGER, "counts-european-balanced"),
    )
)

SCENES = (
    *COUNTED,
    Scene(
        says="F34: a vaptan in profound low sodium: the guideline recommends against it",
        order=TOLVAPTAN,
        story=WARD,
        fires={"OS-VAP-GEN": "warning profound"},
        removes=True,
        shows=(
            "against-profound",
            "european-instead",
            "start-in-hospital",
            "no-restriction-first-day",
            "sodium-early-european",
            "too-fast",
            "indicated-european",
        ),
        profile="european",
    ),
    Scene(
        says="a vaptan in moderate low sodium: the guideline does not recommend it",
        order=TOLVAPTAN,
        story=replace(WARD, sodium="127"),
        fires={"OS-VAP-GEN": "info moderate"},
        shows=("against-moderate", "european-instead", "start-in-hospital"),
        profile="european",
    ),
    Scene(
        says="125 is moderate in the european profile, as everywhere else (A.3)",
        order=TOLVAPTAN,
        story=replace(WARD, sodium="125"),
        fires={"OS-VAP-GEN": "info moderate"},
        profile="european",
    ),
    Scene(
        says="a vaptan in mild low sodium: the guideline does not treat the number",
        order=TOLVAPTAN,
        story=replace(WARD, sodium="131"),
        fires={"OS-VAP-GEN": "info main"},
        shows=("against-mild",),
        hides=("european-instead",),
        profile="european",
    ),
    Scene(
        says="urea and salt are no alternatives in heart failure",
        order=TOLVAPTAN,
        story=replace(WARD, problems=(HEART_FAILURE,)),
        fires={"OS-VAP-GEN": "warning overload"},
        removes=True,
        shows=("against-overload", "overload-instead"),
        hides=("european-instead",),
        profile="european",
    ),
    Scene(
        says="fluid restriction is no alternative in meningitis",
        order=TOLVAPTAN,
        story=replace(WARD, problems=(problem("meningitis-encephalitis", days=1, encounter=True),)),
        fires={"OS-VAP-GEN": "warning profound"},
        removes=True,
        hides=("european-instead",),
        profile="european",
    ),
    Scene(
        says="F19 beside it: the risk and the goal keep their place in the headline",
        order=TOLVAPTAN,
        story=replace(WARD, sodium="127", problems=(ALCOHOL,)),
        fires={"OS-VAP-GEN": "warning danger-moderate"},
        shows=("against-moderate", "goal-high-risk"),
        profile="european",
    ),
    Scene(
        says="F19 beside it: below 120",
        order=TOLVAPTAN,
        story=replace(WARD, sodium="117"),
        fires={"OS-VAP-GEN": "warning danger-profound"},
        removes=True,
        shows=("against-profound", "goal-very-low"),
        profile="european",
    ),
    Scene(
        says="the default profile says nothing of the European guideline",
        order=TOLVAPTAN,
        story=WARD,
        fires={"OS-VAP-GEN": "info main"},
        shows=("indicated-aasld",),
        hides=("against-profound", "european-instead", "indicated-european"),
    ),
    Scene(
        says="N11: 119 with confusion and headache: one bolus, the repeated ones only if severe",
        order=saline(),
        story=replace(WARD, sodium="119", problems=(CONFUSION, HEADACHE)),
        fires={"OS-HTS-ASX": "info symptom"},
        shows=("single-bolus", "stop-when-ceiling", "give-european-severe"),
        hides=("give-european", "stop-when"),
        profile="european",
    ),
    Scene(
        says="a seizure: repeated boluses, and the limit of the first day",
        order=saline(),
        story=replace(WARD, problems=(SEIZURE,)),
        fires={"OS-HTS-SEV": "info main"},
        shows=("give-european", "stop-when-ceiling", "sodium-after-each-european"),
        hides=("single-bolus", "stop-when", "sodium-after-each"),
        profile="european",
    ),
    Scene(
        says="a seizure at high risk: the goal is in the headline",
        order=saline(),
        story=replace(WARD, problems=(SEIZURE, ALCOHOL)),
        fires={"OS-HTS-SEV": "info risk"},
        shows=("risk-european",),
        profile="european",
    ),
    Scene(
        says="cirrhosis: the lower limit of EASL is told beside that of the profile",
        order=saline(),
        story=replace(WARD, problems=(SEIZURE, CIRRHOSIS)),
        fires={"OS-HTS-SEV": "info risk"},
        shows=("risk-european-cirrhosis",),
        hides=("risk-european",),
        profile="european",
    ),
)


@table(SCENES)
def test_the_european_profile(scene: Scene) -> None:
    scene.check()


# ---- one limit, one ceiling and one goal on the order card and on the card of the chart (F31)

CALLED = {"aasld": "4-6", "european": "5"}
LIMITS = re.compile(r"(?:at most|max) \+?(\d+(?:\.\d+)?)(?! d)\b")
LATER = re.compile(r"then (\d+) in each")  # the chart may give the limit of each later day too
CEILINGS = re.compile(r"not above (\d+(?:\.\d+)?)")
GOALS = re.compile(r"sodium is up (\d+(?:-\d+)?) mmol/L")
ORDERS = {
    "3% saline": saline(),
    "bicarbonate": salt(),
    "0.9% saline": saline("0.9", "isotonic", "1000"),
    "potassium": selected("potassium chloride", route="iv"),
    "salt tablets": saline(None, "salt-tablet", None),
    "tolvaptan": TOLVAPTAN,
    "dialysis": DIALYSIS,
}
CHANGES = st.lists(st.integers(-7, 8), min_size=1, max_size=4)


def charts(values: list[int], step: int, problems: tuple[Problem, ...]) -> Story:
    """An inpatient with these values, the last of them an hour old, each so many hours after the other."""
    past = [
        result("sodium", str(value), 1 + step * back)
        for back, value in enumerate(reversed(values[:-1]), start=1)
    ]
    return Story(
        sodium=str(values[-1]),
        sodium_hours=1,
        results=tuple(past),
        problems=problems,
        setting="inpatient",
    )


def said(pattern: re.Pattern[str], texts: Iterable[str]) -> set[str]:
    """Every figure that the texts give for this."""
    return {found for text in texts for found in pattern.findall(text)}


def texts_of_order(scene: Scene) -> list[str]:
    """The headlines and lines of the order's cards that look ahead: not those on a rise or a risk."""
    texts = []
    for rule, found in scene.findings().items():
        if rule == "OS-HTS-OVER" or (rule == "OS-RAISE" and "rise" in found.facts):
            continue
        texts.append(shown(service().rules[rule].summary[found.variant], found.facts))
        lines = (*found.do, *found.why)
        ahead = [one for one in lines if not one.key.startswith(("risk-", "indicated-"))]
        texts += [shown(text_of(rule, one), one.facts) for one in ahead]
    return texts


def texts_of_chart(scene: Scene) -> list[str]:
    """The lines on the limit and on the goal of the chart's cards."""
    lines = [one for found in fired(scene.case()).values() for one in (*found.do, *found.why)]
    told = [one for one in lines if one.key.startswith(("limit-", "ceiling-", "goal-"))]
    chart = tomllib.loads((HOOKS / "chart.toml").read_text(encoding="utf-8"))["rules"]
    own = {key: text for rule in chart.values() for key, text in rule.get("lines", {}).items()}
    return [shown(words().lines.get(one.key) or own[one.key], one.facts) for one in told]


@pytest.mark.parametrize("profile", CALLED)
@pytest.mark.parametrize("name", ORDERS)
@settings(max_examples=12, deadline=None)
@given(
    first=st.integers(106, 128),
    changes=CHANGES,
    step=st.integers(2, 30),
    problems=st.sets(st.sampled_from([SEIZURE, CONFUSION, ALCOHOL, CIRRHOSIS]), max_size=2),
)
def test_f31_an_order_card_says_the_limit_of_the_chart(
    profile: str, name: str, first: int, changes: list[int], step: int, problems: set[Problem]
) -> None:
    values = [first]
    for change in changes:
        values.append(max(100, min(134, values[-1] + change)))
    story = charts(values, step, tuple(sorted(problems, key=str)))
    scene = Scene(says="", order=ORDERS[name], story=story, profile=profile)
    ordered, charted = texts_of_order(scene), texts_of_chart(scene)
    limits = said(LIMITS, charted) | said(LATER, charted)
    if limits:  # some cards of the chart name no limit: an artefact, another fluid
        assert said(LIMITS, ordered) <= limits
    ceilings = said(CEILINGS, charted)
    if ceilings:
        assert said(CEILINGS, ordered) <= ceilings
    assert said(GOALS, [*ordered, *charted]) <= {CALLED[profile]}


@pytest.mark.parametrize(("profile", "limit"), [("aasld", "8"), ("european", "10")])
def test_the_first_day_has_the_limit_of_the_profile(profile: str, limit: str) -> None:
    scene = Scene(
        says="", order=saline(), story=replace(WARD, problems=(SEIZURE,)), profile=profile
    )
    said_first = f"max +{limit} mmol/L in 24 h"
    assert any(said_first in text for text in texts_of_order(scene))


def test_the_second_day_of_an_episode_has_the_lower_limit() -> None:
    story = charts([112, 117, 118], 20, (SEIZURE,))
    scene = Scene(says="", order=saline(), story=story, profile="european")
    assert any("max +8 mmol/L in 24 h" in text for text in texts_of_order(scene))


def test_the_limit_of_two_days_is_never_said_of_24_hours() -> None:
    """112, 120 and 129 within 48 h: +17 in 48 h, of which +9 in the last day."""
    story = charts([112, 120, 129], 24, ())
    scene = Scene(says="", order=saline(), story=story)
    assert scene.case().rate.variant == "two-days"
    found = scene.findings()["OS-HTS-OVER"]
    assert (found.variant, found.facts["limit"]) == ("over", "8")


def test_f9_the_single_bolus_of_a_light_patient_is_given_by_weight() -> None:
    light = replace(
        WARD, problems=(CONFUSION,), results=(result("weight", "40", 20),), sodium="119"
    )
    scene = Scene(says="", order=saline(), story=light, profile="european")
    assert any("a single 80 mL bolus of 3% saline" in text for text in texts_of_order(scene))
