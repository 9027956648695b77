"""A seizure of hours ago never hides that no room is left for a rise (F22, F31)."""

from __future__ import annotations

from itertools import product

import pytest
from msgspec.structs import replace

from tests.sodium.patients import Story, problem, result
from tests.sodium.rules.orders import Scene, saline, selected, table

TOLVAPTAN, CONIVAPTAN = selected("tolvaptan"), selected("conivaptan", route="iv")
UREA = selected("urea")
TABLETS = replace(saline(None, "salt-tablet", None), route="systemic")
BOLUS, INFUSION = saline(ml="100"), saline(ml="500")
ORDERS = {
    "tolvaptan": TOLVAPTAN,
    "conivaptan": CONIVAPTAN,
    "urea": UREA,
    "salt tablets": TABLETS,
    "a bolus of 3 %": BOLUS,
    "500 mL of 3 %": INFUSION,
}
# Lines that point to more salt, or to a treatment of the symptom before the limit.
TREATS_FIRST = {"not-give", "contra-severe", "acts-over-days", "urgent-needs-saline"}


def risen(to: str = "118", *, hours: float = 18.0, symptom: str = "seizure") -> Story:
    """An inpatient with a sodium of 109, a seizure soon after it, and a rise since."""
    return Story(
        sodium=to,
        setting="inpatient",
        results=(result("sodium", 109, 18.5), result("sodium", 114, 14)),
        problems=(problem(symptom, days=hours / 24, encounter=True),),
    )


SCENES = (
    Scene(
        says="F22: tolvaptan past the limit, a seizure 18 h ago: the limit leads",
        order=TOLVAPTAN,
        story=risen(),
        fires={"OS-HTS-OVER": "critical over", "OS-VAP-GEN": "warning danger"},
        removes=True,
        shows=("no-further-rise", "if-it-goes-on"),
        hides=("contra-severe", "specialist-now"),
    ),
    Scene(
        says="F22: the same with the limit reached and not passed",
        order=TOLVAPTAN,
        story=risen("117"),
        fires={"OS-HTS-OVER": "critical reached", "OS-VAP-GEN": "warning danger"},
        removes=True,
        shows=("no-further-rise", "if-it-goes-on"),
        hides=("contra-severe",),
    ),
    Scene(
        says="F22: with room left the seizure forbids the vaptan",
        order=TOLVAPTAN,
        story=risen("113"),
        fires={"OS-VAP-CONTRA": "critical main", "OS-VAP-GEN": "warning danger"},
        removes=True,
        shows=("contra-severe",),
        hides=("if-it-goes-on",),
    ),
    Scene(
        says="F22: a vaptan past the limit at a sodium that does not explain the seizure",
        order=TOLVAPTAN,
        story=risen("128", hours=3),
        fires={"OS-HTS-OVER": "critical over", "OS-VAP-GEN": "info main"},
        removes=True,
        shows=("if-it-goes-on",),
        hides=("urgent-needs-saline",),
    ),
    Scene(
        says="F22: urea past the limit with a seizure: stop, and the emergency if it goes on",
        order=UREA,
        story=risen(),
        fires={"OS-RAISE": "critical stop"},
        removes=True,
        shows=("stop-salt", "if-it-goes-on", "above-limit"),
        hides=("acts-over-days",),
    ),
    Scene(
        says="F22: urea with room left and a seizure is too slow",
        order=UREA,
        story=risen("113"),
        fires={"OS-SLOW": "critical main"},
        shows=("acts-over-days",),
    ),
    Scene(
        says="F22: 3 % saline past the limit: only while a seizure or coma goes on",
        order=BOLUS,
        story=risen(),
        fires={"OS-HTS-OVER": "warning severe-over", "OS-HTS-SEV": "info main"},
        shows=("treat-first", "only-while-it-lasts"),
        hides=("specialist-now",),
    ),
    Scene(
        says="F22: with a brain edema recorded the saline is for the brain",
        order=BOLUS,
        story=risen(symptom="cerebral-edema"),
        fires={"OS-HTS-OVER": "warning severe", "OS-HTS-ICP": "info main"},
        shows=("treat-first", "specialist-now"),
    ),
    Scene(
        says="F22: 0.9 % saline at the limit with a seizure is a warning",
        order=saline("0.9", "isotonic", "1000"),
        story=risen("117"),
        fires={"OS-RAISE": "warning stop", "OS-ISO": "warning symptom"},
        removes=True,
        shows=("do-not-give", "if-it-goes-on"),
    ),
)


@table(SCENES)
def test_scene(scene: Scene) -> None:
    """The limit leads past it, and the seizure while room is left."""
    scene.check()


SYMPTOMS = ("seizure", "coma", "respiratory-failure")
PAST = (("aasld", "117"), ("aasld", "118"), ("aasld", "121"), ("european", "121"))


@pytest.mark.parametrize("name", ORDERS)
def test_the_limit_leads_with_any_symptom(name: str) -> None:
    """Past the limit the leading card says so, and no card points to more salt first."""
    level = "warning" if "3 %" in name else "critical"
    for (profile, sodium), symptom, hours in product(PAST, SYMPTOMS, (0.1, 3, 12, 18)):
        story = risen(sodium, hours=hours, symptom=symptom)
        scene = Scene(says=name, order=ORDERS[name], story=story, profile=profile)
        cards = scene.findings()
        leads = cards.get("OS-HTS-OVER") or cards["OS-RAISE"]
        told = {line.key for card in cards.values() for line in (*card.do, *card.why)}
        assert leads.variant in ("over", "reached", "stop", "severe-over")
        assert leads.indicator == level
        assert not TREATS_FIRST & told


@pytest.mark.parametrize("name", ORDERS)
def test_an_acute_fall_keeps_the_emergency_first(name: str) -> None:
    """After a documented acute fall a rise is wanted: no card says that room is used up."""
    story = replace(
        risen("126", hours=1),
        results=(result("sodium", 140, 40), result("sodium", 118, 12)),
    )
    cards = Scene(says=name, order=ORDERS[name], story=story).findings()
    told = {line.key for card in cards.values() for line in (*card.do, *card.why)}
    assert not {"if-it-goes-on", "only-while-it-lasts"} & told
