"""A saline concentrate by itself in an amount that passes the day is not given (F9, F11, F36)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.engine.finding import Finding, RemoveDraft
from cds_service.sodium.snapshot import Missing, Order
from tests.sodium.patients import Story, problem, result
from tests.sodium.rules.orders import Scene, saline, table

STRENGTHS = ("5.85", "7.5", "10", "14.6", "20", "23.4")
CHRONIC = problem("siadh", days=30)
BESIDE = {
    "nausea": (problem("nausea", days=0.2),),
    "vomiting": (problem("vomiting", days=0.2),),
    "headache": (problem("headache", days=0.2),),
    "cirrhosis": (problem("cirrhosis", days=400),),
    "heart failure": (problem("heart-failure", days=10),),
    "nothing": (),
}
# F11: the order is judged, and stays in the session.
KEPT = {
    "a head injury": (problem("head-injury", days=2),),
    "a brain tumor": (problem("brain-tumor", days=100),),
    "a stroke": (problem("ischemic-stroke", days=5),),
    "meningitis": (problem("meningitis-encephalitis", days=3),),
    "neurosurgery": (problem("neurosurgery", days=5),),
    "epilepsy": (problem("epilepsy", days=900),),
    "confusion": (problem("confusion", days=0.2),),
}
# F9, F11: more salt may be right at once, and nothing reads as a stop.
NEVER_STOPPED = {
    "a seizure": (problem("seizure", days=0.1, encounter=True),),
    "coma": (problem("coma", days=0.1, encounter=True),),
    "brain edema": (problem("cerebral-edema", days=1, encounter=True),),
    "acute liver failure": (problem("acute-liver-failure", days=2),),
}


def by_itself(percent: str, ml: str | None, rate: str | None = None) -> Order:
    """A concentrate that is ordered by itself, at once or at a rate."""
    draft = saline(percent, "concentrate", ml=ml)
    assert draft.saline is not None
    bag = replace(
        draft.saline,
        ordered_ml=None if ml is None else Decimal(ml),
        rate_ml_h=None if rate is None else Decimal(rate),
    )
    return replace(draft, saline=bag)


def ward(sodium: str | None, *problems: Any, **more: Any) -> Story:
    """An inpatient in whom low sodium is long known."""
    return Story(sodium=sodium, setting="inpatient", problems=(CHRONIC, *problems), **more)


SCENES = (
    Scene(
        says="F9: 23.4 % 100 mL at 117 with nausea: not as ordered, and its removal",
        order=by_itself("23.4", "100"),
        story=ward("117", *BESIDE["nausea"]),
        fires={"OS-HTS-CONC": "critical above"},
        removes=True,
        shows=("ordered-amount-plain", "concentrate-first", "diluted-as-much", "no-bolus-volume"),
        hides=("dilute", "treat-first"),
    ),
    Scene(
        says="F9: 23.4 % at 10 mL/h without an end at 117: what a day brings counts",
        order=by_itself("23.4", None, "10"),
        story=ward("117"),
        fires={"OS-HTS-CONC": "critical above"},
        removes=True,
        shows=("ordered-rate-above",),
    ),
    Scene(
        says="F9: 5.85 % 500 mL at 5 mL/h at 117: a day of it stays within the limit",
        order=by_itself("5.85", "500", "5"),
        story=ward("117"),
        fires={"OS-HTS-CONC": "warning amount"},
        shows=("dilute",),
    ),
    *(
        Scene(
            says=f"F9: 23.4 % {ml} mL, and {told}: more than three boluses are not given",
            order=by_itself("23.4", ml),
            story=story,
            fires={"OS-HTS-OLD": f"warning {old}", "OS-HTS-CONC": f"critical {variant}"}
            if variant == "boluses"
            else {"OS-HTS-OLD": f"warning {old}", "OS-HTS-CONC": f"warning {variant}"},
            removes=variant == "boluses",
        )
        for told, old, story in (
            ("no sodium on record", "other", ward(None)),
            ("a sodium of three days ago", "other", ward("124", sodium_hours=70)),
        )
        for ml, variant in (("100", "boluses"), ("30", "main"))
    ),
    Scene(
        says="F9: 23.4 % 100 mL at a normal sodium is left to dose, dilution and route",
        order=by_itself("23.4", "100"),
        story=ward("138"),
        fires={"OS-HTS-CONC": "warning main"},
    ),
)


@table(SCENES)
def test_concentrate_alone(scene: Scene) -> None:
    scene.check()


def judged(order: Order, story: Story) -> dict[str, Finding]:
    return Scene(says="", order=order, story=story).findings()


def removals(findings: dict[str, Finding]) -> list[str]:
    buttons = [button for finding in findings.values() for button in finding.suggestions]
    return [b.kind for b in buttons if any(isinstance(a, RemoveDraft) for a in b.actions)]


def volume(percent: str, boluses: int) -> str:
    """So many boluses of 100 mL of 3 % in this strength, in whole mL."""
    return str(round(Decimal(boluses * 300) / Decimal(percent)))


@pytest.mark.parametrize("percent", STRENGTHS)
@pytest.mark.parametrize("sodium", ["108", "117", "124", "132"])
@pytest.mark.parametrize("told", BESIDE)
def test_f9_what_passes_the_day_is_critical_and_no_button_keeps_it(
    percent: str, sodium: str, told: str
) -> None:
    order, story = by_itself(percent, volume(percent, 12)), ward(sodium, *BESIDE[told])
    findings = judged(order, story)
    kinds = {button.kind for finding in findings.values() for button in finding.suggestions}
    assert "remove-draft" in kinds
    if sodium == "132" and Decimal(percent) < 14 and told not in ("vomiting", "headache", "nausea"):
        # The card on mild low sodium advises against any amount of it, and leads.
        assert findings["OS-HTS-MILD"].indicator == "warning"
        assert findings["OS-HTS-CONC"].indicator == "warning"
        return
    card = findings["OS-HTS-CONC"]
    assert (card.indicator, card.variant) == ("critical", "above")
    assert not kinds & {"keep-sodium-1h", "add-sodium-1h", "add-sodium-now"}
    assert not {"dilute", "treat-first"} & {line.key for f in findings.values() for line in f.do}


@pytest.mark.parametrize("percent", STRENGTHS)
@pytest.mark.parametrize("told", KEPT)
def test_f11_the_order_of_whom_the_brain_may_need_it_stays_in_the_session(
    percent: str, told: str
) -> None:
    findings = judged(by_itself(percent, volume(percent, 12)), ward("117", *KEPT[told]))
    assert findings["OS-HTS-CONC"].indicator in ("warning", "critical")
    assert removals(findings) == []
    kinds = {button.kind for finding in findings.values() for button in finding.suggestions}
    assert "keep-sodium-1h" not in kinds


@pytest.mark.parametrize("percent", STRENGTHS)
@pytest.mark.parametrize("told", NEVER_STOPPED)
def test_f9_with_severe_symptoms_raised_pressure_or_liver_failure_it_is_no_stop(
    percent: str, told: str
) -> None:
    findings = judged(by_itself(percent, volume(percent, 12)), ward("117", *NEVER_STOPPED[told]))
    assert findings["OS-HTS-CONC"].indicator == "warning"
    assert removals(findings) == []


@pytest.mark.parametrize("what", ["conditions", "medications"])
def test_f11_no_removal_while_a_list_is_not_read(what: str) -> None:
    story = ward("117", missing={what: Missing.FAILED})
    findings = judged(by_itself("23.4", "100"), story)
    assert findings["OS-HTS-CONC"].indicator == "critical"
    assert removals(findings) == []


def test_f9_the_rise_of_today_counts() -> None:
    story = ward("123", results=(result("sodium", 117, 20),))
    findings = judged(by_itself("23.4", "40"), story)
    assert findings["OS-HTS-CONC"].variant == "above"
    assert findings["OS-HTS-CONC"].facts["left"] == "2"
    assert judged(by_itself("23.4", "40"), ward("123"))["OS-HTS-CONC"].variant == "amount"


@pytest.mark.parametrize("sodium", ["108", "117", "124"])
@pytest.mark.parametrize("ml", ["100", "500", "1000"])
def test_asx_of_3_percent_never_offers_the_removal(sodium: str, ml: str) -> None:
    draft = saline(ml=ml)
    assert draft.saline is not None
    order = replace(draft, saline=replace(draft.saline, ordered_ml=Decimal(ml)))
    assert removals(judged(order, ward(sodium))) == []
