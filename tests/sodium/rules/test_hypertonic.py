"""Hypertonic saline: guardrails and questions, never a card that delays a rescue (M4)."""

from __future__ import annotations

from cds_service.engine.finding import DraftLabs
from cds_service.sodium.snapshot import Missing
from tests.sodium.patients import Story, problem, result
from tests.sodium.rules.orders import Scene, saline, table

SEIZURE = problem("seizure", days=0.2, encounter=True)
COMA = problem("coma", days=0.2, encounter=True)
CONFUSION = problem("confusion", days=0.2, encounter=True)
EDEMA = problem("cerebral-edema", days=1)
ADULT = Story().patient


def ward(sodium: str | None, **more: object) -> Story:
    """An inpatient whose sodium is two hours old."""
    return Story(sodium=sodium, setting="inpatient", **more)  # type: ignore[arg-type]  # keywords of Story


SCENES = (
    Scene(
        says="vector 21: mild, no severe symptom: not advised, removal second",
        order=saline(),
        story=ward("132"),
        fires={"OS-HTS-MILD": "warning main"},
        removes=True,
        shows=("treat-first", "symptoms-none"),
    ),
    Scene(
        says="vector 22: coma and 116: guardrails as info, nothing to remove",
        order=saline(),
        story=ward("116", problems=(COMA,)),
        fires={"OS-HTS-SEV": "info main"},
        shows=("treat-first", "bolus-aasld", "stop-when"),
        hides=("look-further", "other-strength"),
    ),
    Scene(
        says="vector 23: brain edema and 132: silent, it is given for pressure",
        order=saline(),
        story=ward("132", problems=(EDEMA,)),
    ),
    Scene(
        says="vector 44: 112 with nothing coded is info, without a removal",
        order=saline(),
        story=ward("112"),
        fires={"OS-HTS-ASX": "info main"},
        shows=("treat-first", "bolus-aasld", "number-alone"),
        hides=("acute-fall", "single-bolus"),
    ),
    Scene(
        says="vector 45: 122 with confusion is info",
        order=saline(),
        story=ward("122", problems=(CONFUSION,)),
        fires={"OS-HTS-ASX": "info main"},
        shows=("symptoms-recorded",),
    ),
    Scene(
        says="vector 45: 122 with nothing coded is a warning, without a removal",
        order=saline(),
        story=ward("122"),
        fires={"OS-HTS-ASX": "warning main"},
    ),
    Scene(
        says="119.9 is severe, 120 is not",
        order=saline(),
        story=ward("120"),
        fires={"OS-HTS-ASX": "warning main"},
    ),
    Scene(
        says="125.5 still is moderate",
        order=saline(),
        story=ward("125.5"),
        fires={"OS-HTS-ASX": "warning main"},
    ),
    Scene(
        says="126 is mild",
        order=saline(),
        story=ward("126"),
        fires={"OS-HTS-MILD": "warning main"},
        removes=True,
    ),
    Scene(
        says="a reduced coma scale makes it info",
        order=saline(),
        story=ward("122", results=(result("gcs", 12),)),
        fires={"OS-HTS-ASX": "info main"},
    ),
    Scene(
        says="mild with confusion: no removal",
        order=saline(),
        story=ward("132", problems=(CONFUSION,)),
        fires={"OS-HTS-MILD": "warning main"},
    ),
    Scene(
        says="mild, but it fell by 10 within a day: acute, info, no removal",
        order=saline(),
        story=ward("130", results=(result("sodium", 140, 20),)),
        fires={"OS-HTS-ASX": "info main"},
        shows=("acute-fall",),
    ),
    Scene(
        says="mild in SIADH at 128: work-up and fluid restriction are offered beside",
        order=saline(),
        story=ward("128", problems=(problem("siadh", days=5),)),
        fires={"OS-HTS-MILD": "warning main"},
        removes=True,
    ),
    Scene(
        says="the problem list was not read: no removal",
        order=saline(),
        story=ward("132", missing={"conditions": Missing.TIMEOUT}),
        fires={"OS-HTS-MILD": "warning unread"},
        hides=("symptoms-none",),
    ),
    Scene(
        says="moderate, and the problem list was not read: info, and no claim of absence",
        order=saline(),
        story=ward("122", missing={"conditions": Missing.TRUNCATED}),
        fires={"OS-HTS-ASX": "info unread"},
        hides=("symptoms-none",),
    ),
    Scene(
        says="the age is not known: no removal",
        order=saline(),
        story=ward("132", patient=type(ADULT)()),
        fires={"OS-HTS-MILD": "warning main"},
    ),
    Scene(
        says="a seizure at 132: guardrails, and look for another cause",
        order=saline(),
        story=ward("132", problems=(SEIZURE,)),
        fires={"OS-HTS-SEV": "info main"},
        shows=("look-further",),
    ),
    Scene(
        says="brain edema with a seizure at 124: guardrails are shown",
        order=saline(),
        story=ward("124", problems=(EDEMA, SEIZURE)),
        fires={"OS-HTS-SEV": "info main"},
    ),
    Scene(
        says="brain edema alone at 124: silent",
        order=saline(),
        story=ward("124", problems=(EDEMA,)),
    ),
    Scene(
        says="another strength than 3 % says whose volumes these are",
        order=saline("5"),
        story=ward("112"),
        fires={"OS-HTS-ASX": "info main"},
        shows=("other-strength",),
    ),
    Scene(
        says="an unknown strength counts as another strength",
        order=saline(None),
        story=ward("112"),
        fires={"OS-HTS-ASX": "info main"},
        shows=("other-strength",),
    ),
    Scene(
        says="140 two hours ago: confirm, removal possible",
        order=saline(),
        story=ward("140"),
        fires={"OS-HTS-NONE": "warning main"},
        removes=True,
        shows=("treat-first", "pressure-keep"),
    ),
    Scene(
        says="140 with any neurological code, however old: no removal",
        order=saline(),
        story=ward("140", problems=(problem("tbi", days=900),)),
        fires={"OS-HTS-NONE": "warning main"},
    ),
    Scene(
        says="140 with a bleed of last week: it is given for pressure",
        order=saline(),
        story=ward("140", problems=(problem("intracranial-bleed", days=7),)),
    ),
    Scene(
        says="135 is low in the default profile",
        order=saline(),
        story=ward("135"),
        fires={"OS-HTS-MILD": "warning main"},
        removes=True,
    ),
    Scene(
        says="135 is not low in the european profile",
        order=saline(),
        story=ward("135"),
        fires={"OS-HTS-NONE": "warning main"},
        removes=True,
        profile="european",
    ),
    Scene(
        says="european: 126 is moderate, a warning with its own bolus",
        order=saline(),
        story=ward("126"),
        fires={"OS-HTS-ASX": "warning main"},
        shows=("bolus-european",),
        profile="european",
    ),
    Scene(
        says="european: 122 with confusion gets the single bolus",
        order=saline(),
        story=ward("122", problems=(CONFUSION,)),
        fires={"OS-HTS-ASX": "info main"},
        shows=("single-bolus",),
        profile="european",
    ),
    Scene(
        says="a concentrate: dose and dilution, and no line speaks of a bolus",
        order=saline("23.4", "concentrate"),
        story=ward("112", problems=(SEIZURE,)),
        fires={"OS-HTS-CONC": "warning main"},
        shows=("treat-first", "dilute", "no-bolus-volume"),
        hides=("bolus-aasld", "stop-when"),
    ),
    Scene(
        says="a concentrate in mild low sodium",
        order=saline("23.4", "concentrate"),
        story=ward("132"),
        fires={"OS-HTS-CONC": "warning main"},
    ),
    Scene(
        says="a concentrate at a normal sodium is left to its own card",
        order=saline("23.4", "concentrate"),
        story=ward("140"),
        fires={"OS-HTS-CONC": "warning main"},
    ),
    Scene(
        says="a concentrate within a mixture is an additive",
        order=saline("14.6", "concentrate", ingredient_count=4),
        story=ward("140"),
    ),
    Scene(
        says="a high risk of demyelination is shown",
        order=saline(),
        story=ward("122", problems=(problem("cirrhosis", days=400),)),
        fires={"OS-HTS-ASX": "warning main"},
        shows=("risk-aasld",),
    ),
    Scene(
        says="vector 24: inhaled 3 % saline",
        order=saline("3", route="local"),
        story=ward("132"),
    ),
)


@table(SCENES)
def test_hypertonic_saline(scene: Scene) -> None:
    scene.check()


def test_mild_low_sodium_offers_the_plan_instead() -> None:
    scene = next(s for s in SCENES if s.says.startswith("mild in SIADH"))
    kinds = [s.kind for s in scene.findings()["OS-HTS-MILD"].suggestions]
    assert kinds[:3] == ["add-sodium-1h", "remove-draft", "workup"]
    assert kinds[3].startswith("fluid-restriction")


def test_the_first_button_keeps_the_order_and_draws_sodium_in_an_hour() -> None:
    for scene in SCENES:
        for finding in scene.findings().values():
            first = finding.suggestions[0]
            assert first.kind == "add-sodium-1h"
            assert [type(a) for a in first.actions] == [DraftLabs]


def test_every_card_opens_with_treat_first() -> None:
    for scene in SCENES:
        for finding in scene.findings().values():
            assert finding.do[0].key == "treat-first"
            assert finding.do[0].keep
