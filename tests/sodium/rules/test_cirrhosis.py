"""Diuretics and baclofen in cirrhosis (S14, S15)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from cds_service.sodium.rules.plan import plan_lines
from cds_service.sodium.snapshot import LabResult, Missing, Patient
from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.orders import Scene, selected, table

CIRRHOSIS = problem("cirrhosis", days=900)
CRAMP = problem("cramp", days=5)
FAILURE = problem("heart-failure", days=400)
FUROSEMIDE = selected("furosemide")
CHECK = {"OS-LOW": "info check"}
BACLOFEN = selected("baclofen", dose="10")


def liver(sodium: str | None, *more: object, **rest: object) -> Story:
    """An outpatient with cirrhosis."""
    return Story(sodium=sodium, problems=(CIRRHOSIS, *more), **rest)  # type: ignore[arg-type]  # keywords of Story


SPIRONOLACTONE = selected("spironolactone", dose="300")


def on_spironolactone(potassium: str, dose: str = "200") -> Story:
    """Cirrhosis at 121 on spironolactone, with a potassium of today."""
    taken = order("spironolactone", days=60, dose=dose)
    return liver("121", orders=(taken,), results=(result("potassium", potassium),))


SCENES = (
    Scene(
        says="S14: a potassium that is known is told; a dose that is raised may go",
        order=SPIRONOLACTONE,
        story=on_spironolactone("5.3"),
        fires={"OS-DIUR-CRAMP": "warning main"},
        removes=True,
        shows=("potassium-known", "hold-diuretic"),
        hides=("kidney-and-potassium",),
    ),
    Scene(
        says="S14: a high potassium that spironolactone raises comes first",
        order=SPIRONOLACTONE,
        story=on_spironolactone("5.6"),
        fires={"OS-DIUR-CRAMP": "warning main"},
        removes=True,
        shows=("potassium-before",),
        hides=("potassium-known",),
    ),
    Scene(
        says="S14: the dose that is taken is not removed",
        order=SPIRONOLACTONE,
        story=on_spironolactone("5.9", dose="300"),
        fires={"OS-DIUR-CRAMP": "warning main"},
        shows=("potassium-before",),
    ),
    Scene(
        says="S14: furosemide does not raise a potassium",
        order=FUROSEMIDE,
        story=liver("121", results=(result("potassium", "5.9"),)),
        fires={"OS-DIUR-CRAMP": "warning main"},
        removes=True,
        shows=("potassium-known",),
    ),
    Scene(
        says="a diuretic at 125.9 in cirrhosis",
        order=FUROSEMIDE,
        story=liver("125.9"),
        fires={"OS-DIUR-CRAMP": "warning main"},
        removes=True,
        shows=("hold-diuretic", "guidance-aasld"),
    ),
    Scene(
        says="a direct measurement contradicts the low value: no reason to stop",
        order=FUROSEMIDE,
        story=liver("120", results=(replace(result("sodium", 138, 2.2), method="poc"),)),
    ),
    Scene(says="F51: at 126 without cramps it is silent", order=FUROSEMIDE, story=liver("126")),
    Scene(
        says="european: the limit is 125",
        order=FUROSEMIDE,
        story=liver("125"),
        fires=CHECK,
        profile="european",
    ),
    Scene(
        says="european: 124.9 is below it",
        order=FUROSEMIDE,
        story=liver("124.9"),
        fires={"OS-DIUR-CRAMP": "warning main"},
        removes=True,
        shows=("guidance-european",),
        profile="european",
    ),
    Scene(
        says="cramps only: info, no removal",
        order=FUROSEMIDE,
        story=liver("138", CRAMP),
        fires={"OS-DIUR-CRAMP": "info cramps"},
        shows=("stop-if-incapacitating",),
    ),
    Scene(
        says="a refill of the diuretic",
        order=FUROSEMIDE,
        story=liver("126", CRAMP, orders=(order("furosemide", days=20),)),
    ),
    Scene(
        says="a refill of a diuretic that the chart says to stop: words only",
        order=FUROSEMIDE,
        story=liver("124", CRAMP, orders=(order("furosemide", days=20),)),
        fires={"OS-DIUR-CRAMP": "warning main"},
        shows=("hold-diuretic",),
    ),
    Scene(
        says="heart failure beside cirrhosis: words only",
        order=FUROSEMIDE,
        story=liver("124", FAILURE),
        fires={"OS-DIUR-CRAMP": "warning main", **CHECK},
        shows=("heart-failure-text",),
        hides=("hold-diuretic",),
    ),
    Scene(
        says="into a vein it may be for pulmonary edema: no removal",
        order=selected("furosemide", route="iv"),
        story=liver("124"),
        fires={"OS-DIUR-CRAMP": "warning main", **CHECK},
    ),
    Scene(
        says="problems were not read to the end: no removal",
        order=FUROSEMIDE,
        story=liver("124", missing={"conditions": Missing.TRUNCATED}),
        fires={"OS-DIUR-CRAMP": "warning main"},
    ),
    Scene(says="no cirrhosis", order=FUROSEMIDE, story=Story(sodium="124"), fires=CHECK),
    Scene(
        says="an old sodium does not count, cramps do",
        order=FUROSEMIDE,
        story=liver("124", CRAMP, sodium_hours=24 * 60),
        fires={"OS-DIUR-CRAMP": "info cramps", "OS-LOW": "info aging"},
    ),
    Scene(says="baclofen 10 mg/day", order=BACLOFEN, story=liver("132", CRAMP)),
    Scene(
        says="a start with 15 mg/day",
        order=selected("baclofen", dose="15"),
        story=liver("132", CRAMP),
        fires={"OS-BACLO": "warning main"},
        shows=("start-high",),
        hides=("dose-high",),
    ),
    Scene(
        says="15 mg/day after weeks of it",
        order=selected("baclofen", dose="15"),
        story=liver("132", orders=(order("baclofen", days=20, dose="10"),)),
    ),
    Scene(
        says="40 mg/day after weeks of it",
        order=selected("baclofen", dose="40"),
        story=liver("132", orders=(order("baclofen", days=20, dose="30"),)),
        fires={"OS-BACLO": "warning main"},
        shows=("dose-high",),
    ),
    Scene(
        says="eGFR 29",
        order=BACLOFEN,
        story=liver("132", results=(result("egfr", 29),)),
        fires={"OS-BACLO": "warning avoid"},
        shows=("kidney-low",),
    ),
    Scene(says="eGFR 30", order=BACLOFEN, story=liver("132", results=(result("egfr", 30),))),
    Scene(
        says="dialysis",
        order=BACLOFEN,
        story=liver("132", problem("dialysis", days=90)),
        fires={"OS-BACLO": "warning avoid"},
        shows=("kidney-dialysis",),
    ),
    Scene(
        says="an encephalopathy that is over counts",
        order=BACLOFEN,
        story=liver("132", problem("encephalopathy", days=300, active=False)),
        fires={"OS-BACLO": "warning avoid"},
        shows=("encephalopathy",),
    ),
    Scene(
        says="an opioid makes the overdose worse",
        order=selected("baclofen", dose="40"),
        story=liver("132", orders=(order("tramadol", days=2),)),
        fires={"OS-BACLO": "warning main"},
        shows=("sedatives",),
    ),
    Scene(
        says="spasticity is another dose range",
        order=selected("baclofen", dose="60"),
        story=liver("132", problem("spasticity", days=900)),
    ),
    Scene(
        says="no cirrhosis, no baclofen card",
        order=selected("baclofen", dose="60"),
        story=Story(sodium="132"),
    ),
    Scene(
        says="an unknown age: no removal",
        order=FUROSEMIDE,
        story=replace(liver("124"), patient=Patient()),
        fires={"OS-DIUR-CRAMP": "warning main"},
    ),
)


@table(SCENES)
def test_drugs_in_cirrhosis(scene: Scene) -> None:
    scene.check()


ROSE = (result("creatinine", "1", 40), result("creatinine", "1.3", 2))


@pytest.mark.parametrize(
    ("sodium", "concept", "results", "named"),
    [
        ("119.9", "cirrhosis", ROSE, True),
        ("120", "cirrhosis", ROSE, False),
        ("119.9", "heart-failure", ROSE, False),
        ("119.9", "cirrhosis", ROSE[:1], False),
        ("119.9", "cirrhosis", (*ROSE, result("sodium", "110", 20)), False),
    ],
)
def test_m14_in_cirrhosis_with_kidney_injury_albumin_is_the_volume(
    sodium: str, concept: str, results: tuple[LabResult, ...], named: bool
) -> None:
    ascites = problem("ascites", days=5)
    story = Story(
        sodium=sodium, setting="inpatient", problems=(problem(concept), ascites), results=results
    )
    said = [line.key for line in plan_lines(story.case())]
    assert ("cirrhosis-kidney-albumin" in said) is named
    assert not (named and "overload-albumin" in said)


def test_m14_a_recorded_kidney_injury_is_one() -> None:
    story = Story(
        sodium="118",
        setting="inpatient",
        problems=(problem("cirrhosis"), problem("acute-kidney-injury", days=0.9)),
    )
    assert "cirrhosis-kidney-albumin" in [line.key for line in plan_lines(story.case())]
    old = replace(story, problems=(problem("cirrhosis"), problem("acute-kidney-injury", days=1.1)))
    assert "cirrhosis-kidney-albumin" not in [line.key for line in plan_lines(old.case())]
