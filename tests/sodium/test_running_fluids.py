"""F28: the infusions that run now are named on every card of low sodium."""

from __future__ import annotations

import pytest

from cds_service.sodium.snapshot import Order
from tests.fhir_resources import Call, Resource, coded, draft, instant, named, sodium, taking
from tests.sodium.patients import Story, ago

DEXTROSE = "dextrose 5% in water 1000 mL"
SALINE = "sodium chloride 3% 500 mL"
SEIZURE = named(
    "Condition",
    code=coded("http://hl7.org/fhir/sid/icd-10-cm", "R56.9"),
    clinicalStatus=coded("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
    subject={"reference": "Patient/p1"},
    recordedDate=instant(hours=1),
)


def dosed(ml: float) -> dict[str, object]:
    """How much fluid an order is about."""
    return {"dosageInstruction": [{"doseAndRate": [{"doseQuantity": {"value": ml, "unit": "mL"}}]}]}


def lines(*record: Resource) -> str:
    """What the card of the sodium says."""
    return Call(record=record).cards()[0].text


@pytest.mark.parametrize(
    "series",
    [
        (sodium("115"),),
        (sodium("123"),),
        (sodium("131"),),
        (sodium("124", 1), sodium("134", 30)),
        (sodium("115"), SEIZURE),
    ],
    ids=["severe", "moderate", "mild", "acute", "emergency"],
)
@pytest.mark.parametrize(
    ("fluid", "says"),
    [
        (DEXTROSE, "Running: dextrose 5% in water 1000 mL**: hypotonic, stop or change it?"),
        ("sodium chloride 0.45% 1000 mL", "Running: sodium chloride 0.45% 1000 mL**: hypotonic"),
        (SALINE, "Running: sodium chloride 3% 500 mL: check its rate and when it is to stop."),
    ],
)
def test_f28_a_running_infusion_is_named(
    series: tuple[Resource, ...], fluid: str, says: str
) -> None:
    assert says in lines(*series, taking(fluid, 0.5))


@pytest.mark.parametrize(
    "order",
    [
        taking("sodium chloride 0.9% 1000 mL", 0.5),
        taking(DEXTROSE, 0.5, status="stopped"),
        taking(DEXTROSE, 0.5, status="completed"),
        taking(DEXTROSE, -0.5),
        taking("dextrose 5% in water 100 mL", 0.5, **dosed(100)),
    ],
    ids=["isotonic", "stopped", "completed", "tomorrow", "carrier"],
)
def test_f28_what_does_not_run_or_is_no_such_fluid_is_not_named(order: Resource) -> None:
    assert "Running:" not in lines(sodium("123"), order)


@pytest.mark.parametrize(("days", "runs"), [(6.9, True), (7.1, False)])
def test_f28_an_old_order_was_left_on_the_list(days: float, runs: bool) -> None:
    assert ("Running:" in lines(sodium("123"), taking(DEXTROSE, days))) is runs


def test_f28_an_order_whose_end_has_passed_does_not_run() -> None:
    period = {"start": instant(days=1), "end": instant(hours=3)}
    ended = {"dosageInstruction": [{"timing": {"repeat": {"boundsPeriod": period}}}]}
    assert "Running:" not in lines(sodium("123"), taking(DEXTROSE, 1, **ended))


@pytest.mark.parametrize(("status", "runs"), [("in-progress", True), ("completed", False)])
def test_f28_an_infusion_that_is_being_given_runs(status: str, runs: bool) -> None:
    given = Order(
        reference="MedicationAdministration/1", hypotonic=True, status=status, start=ago(hours=2)
    )
    assert bool(Story(orders=(given,)).case().running_fluids) is runs


def test_f28_after_a_rise_that_was_too_fast_water_may_be_meant() -> None:
    risen = (sodium("110", 20), sodium("122", 1))
    text = " ".join(card.text for card in Call(record=(*risen, taking(DEXTROSE, 0.1))).cards())
    assert "hypotonic, stop" not in text
    saline = " ".join(card.text for card in Call(record=(*risen, taking(SALINE, 0.1))).cards())
    assert "Stop now: " in saline
    assert "check its rate" not in saline


def test_f28_beside_confusion_the_running_glucose_is_among_the_first_four() -> None:
    confusion = named(
        "Condition",
        code=coded("http://hl7.org/fhir/sid/icd-10-cm", "R41.0"),
        clinicalStatus=coded("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
        subject={"reference": "Patient/p1"},
        recordedDate=instant(hours=1),
    )
    text = lines(sodium("119", 1), sodium("127", 30), confusion, taking(DEXTROSE, 0.5))
    first = text.partition("**More**")[0]
    assert "Running: dextrose 5% in water 1000 mL" in first


@pytest.mark.parametrize("series", [(sodium("117"),), (sodium("117"), SEIZURE)])
def test_f28_the_card_of_a_3_percent_order_names_the_running_glucose(
    series: tuple[Resource, ...],
) -> None:
    call = Call(
        record=(*series, taking(DEXTROSE, 0.5)),
        drafts=(draft("sodium chloride 3% 150 mL", ml=150),),
    )
    first = call.cards()[0].text.partition("**More**")[0]
    assert "Running: dextrose 5% in water 1000 mL" in first
