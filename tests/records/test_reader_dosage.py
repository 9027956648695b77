"""Times, doses, volumes and reasons of an order (B.0.7)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from cds_service.sodium.snapshot import Order, Snapshot

Read = Callable[..., Snapshot]
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
SERTRALINE = {
    "coding": [{"system": RXNORM, "code": "312940", "display": "Sertraline 25 MG Oral Tablet"}]
}
BASE = "https://ehr.test/fhir"


def order(**elements: Any) -> dict[str, Any]:
    """A sertraline order as R4 has it; an element given as None is left out."""
    resource: dict[str, Any] = {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/p"},
        "medicationCodeableConcept": SERTRALINE,
        "authoredOn": "2026-11-01",
    }
    return {name: value for name, value in (resource | elements).items() if value is not None}


def medication(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Medication", "id": "x", **elements}


def only(snapshot: Snapshot) -> Order:
    assert len(snapshot.exposures) == 1
    return snapshot.exposures[0]


def names(found: Order) -> list[str]:
    return [drug.name for drug in found.drugs]


# ---- times and doses


def test_times_come_from_the_period_then_the_statement_then_the_authoring(read: Read) -> None:
    period = {"start": "2026-10-01", "end": "2026-12-01"}
    bounded = order(dosageInstruction=[{"timing": {"repeat": {"boundsPeriod": period}}}])
    stated = order(resourceType="MedicationStatement", effectivePeriod={"start": "2026-09-01"})
    given = order(resourceType="MedicationAdministration", effectiveDateTime="2026-11-20T08:00:00Z")
    authored = order(dispenseRequest={"validityPeriod": {"end": "2026-12-24"}})
    found = read(bounded, stated, given, authored).exposures
    assert [f.start for f in found] == [
        datetime(2026, 10, 1, tzinfo=UTC),
        datetime(2026, 9, 1, tzinfo=UTC),
        datetime(2026, 11, 20, 8, tzinfo=UTC),
        datetime(2026, 11, 1, tzinfo=UTC),
    ]
    assert [f.end for f in found] == [
        datetime(2026, 12, 1, tzinfo=UTC), None, None, datetime(2026, 12, 24, tzinfo=UTC)
    ]  # fmt: skip


def test_an_order_without_any_date_has_none(read: Read) -> None:
    found = only(read(order(authoredOn=None)))
    assert (found.start, found.authored) == (None, None)


@pytest.mark.parametrize(
    ("elements", "days"),
    [
        (
            {
                "dispenseRequest": {
                    "expectedSupplyDuration": {"value": 30, "unit": "days", "code": "d"}
                }
            },
            30,
        ),
        (
            {
                "dispenseRequest": {
                    "expectedSupplyDuration": {"value": 2, "code": "wk"},
                    "numberOfRepeatsAllowed": 2,
                }
            },
            42,
        ),
        (
            {
                "dosageInstruction": [
                    {"timing": {"repeat": {"boundsDuration": {"value": 3, "unit": "day"}}}}
                ]
            },
            3,
        ),
        (
            {
                "dosageInstruction": {
                    "timing": {
                        "repeat": {"boundsPeriod": {"start": "2026-11-01", "end": "2026-11-11"}}
                    }
                }
            },
            10,
        ),
        ({"dispenseRequest": {"expectedSupplyDuration": {"value": 30, "unit": "moons"}}}, None),
        ({}, None),
    ],
)
def test_how_long_an_order_runs(read: Read, elements: dict[str, Any], days: int | None) -> None:
    assert only(read(order(**elements))).duration_days == days


def dosing(**elements: Any) -> dict[str, Any]:
    daily = {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}
    return {
        "timing": daily,
        "doseAndRate": [{"doseQuantity": {"value": 25, "unit": "mg"}}],
        **elements,
    }


@pytest.mark.parametrize(
    ("instructions", "mg"),
    [
        ([dosing()], "50"),
        (dosing(), "50"),
        ([dosing(doseAndRate=None, doseQuantity={"value": 25, "code": "mg"})], "50"),
        ([dosing(timing={"repeat": {"frequency": 1, "period": 8, "periodUnits": "h"}})], "75"),
        ([dosing(timing={"code": {"coding": [{"code": "TID"}]}})], "75"),
        ([dosing(doseAndRate=[{"doseQuantity": {"value": 1, "code": "{pill}"}}])], None),
        ([dosing(asNeededBoolean=True)], None),
        (
            [
                dosing(
                    timing={
                        "repeat": {
                            "frequency": 1,
                            "frequencyMax": 3,
                            "period": 1,
                            "periodUnit": "d",
                        }
                    }
                )
            ],
            None,
        ),
        ([dosing(), dosing()], None),
        ([dosing(timing={"repeat": {"frequency": 1, "period": 0, "periodUnit": "d"}})], None),
        ([dosing(timing={"code": {"text": "as directed"}})], None),
        (None, None),
    ],
)
def test_a_daily_dose_is_given_where_it_is_exact_and_only_there(
    read: Read, instructions: object, mg: str | None
) -> None:
    found = only(read(order(dosageInstruction=instructions))).daily_dose_mg
    assert found == (Decimal(mg) if mg is not None else None)


@pytest.mark.parametrize(
    ("timing", "single"),
    [
        ({"repeat": {"count": 1}}, True),
        ({"event": ["2026-11-21T10:00:00Z"]}, True),
        ({"code": {"text": "Once"}}, True),
        ({"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}, False),
        ({}, False),
    ],
)
def test_a_single_dose_is_told_from_a_course(
    read: Read, timing: dict[str, Any], single: bool
) -> None:
    assert only(read(order(dosageInstruction=[{"timing": timing}]))).single_dose is single


@pytest.mark.parametrize(
    ("elements", "ml"),
    [
        (
            {"dosageInstruction": [{"doseAndRate": [{"doseQuantity": {"value": 1, "unit": "L"}}]}]},
            1000,
        ),
        ({"dispenseRequest": {"quantity": {"value": 500, "unit": "mL"}}}, 500),
        (
            {
                "dosageInstruction": [
                    {"doseAndRate": [{"rateQuantity": {"value": 100, "unit": "mL/h"}}]}
                ]
            },
            2400,
        ),
        (
            {
                "dosageInstruction": [
                    {
                        "timing": {"repeat": {"boundsDuration": {"value": 4, "code": "h"}}},
                        "rateRatio": {
                            "numerator": {"value": 125, "unit": "mL"},
                            "denominator": {"value": 1, "unit": "h"},
                        },
                    }
                ]
            },
            500,
        ),
    ],
)
def test_the_volume_of_an_infusion(read: Read, elements: dict[str, Any], ml: int) -> None:
    saline = only(
        read(order(medicationCodeableConcept={"text": "Sodium chloride 3 % infusion"}, **elements))
    ).saline
    assert saline is not None
    assert saline.volume_ml is not None
    assert round(saline.volume_ml) == ml


def tablets(count: int, unit: str = "tablet", **more: Any) -> dict[str, Any]:
    """An instruction that counts."""
    return {"doseAndRate": [{"doseQuantity": {"value": count, "unit": unit}}], **more}


BID = {"timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}}
TABLET = "tolvaptan 15 mg oral tablet"


@pytest.mark.parametrize(
    ("name", "instructions", "mg"),
    [
        ("tolvaptan", [tablets(30, "mg")], 30),
        ("tolvaptan", [{"text": "30 mg once daily"}], 30),
        ("tolvaptan", [{"text": "7,5 mg"}], Decimal("7.5")),
        ("tolvaptan", [{"text": "30 mg/ml, as told"}], None),
        ("tolvaptan", [{"text": "as told"}], None),
        ("tolvaptan", [], None),
        # by the name alone
        ("Samsca 60 mg", [], 60),
        ("Samsca 15 mg", [], 15),
        ("tolvaptan 4 x 15 mg", [], 60),
        (TABLET, [{"text": "once daily"}], 15),
        (TABLET, [BID], 30),
        # tablets of the strength that the name gives
        (TABLET, [tablets(1)], 15),
        (TABLET, [tablets(4)], 60),
        (TABLET, [tablets(1, "TAB", **BID)], 30),
        (TABLET, [tablets(1, "puff")], None),
        (TABLET, [{"text": "take 2 tablets by mouth once daily"}], 30),
        (TABLET, [{"text": "1 tablet bid"}], 30),
        (TABLET, [{"text": "1-0-1"}], 30),
        (TABLET, [{"text": "1-0-0"}], 15),
        ("tolvaptan", [tablets(4)], None),
        # in words
        ("tolvaptan", [{"text": "4 x 15 mg"}], 60),
        ("tolvaptan", [{"text": "15 mg x 4"}], 60),
        ("tolvaptan", [{"text": "15 mg x 4 days"}], 15),
        ("tolvaptan", [{"text": "15 mg x 1 dose"}], 15),
        ("tolvaptan", [{"text": "two 15 mg tablets daily"}], 30),
        ("tolvaptan", [{"text": "4 tablets of 15 mg"}], 60),
        ("tolvaptan", [{"text": "15 mg twice daily"}], 30),
        ("tolvaptan", [{"text": "15 mg 2 x daily"}], 30),
        ("tolvaptan", [{"text": "vier Tabletten 15 mg"}], 60),
        # the first day is not the last one
        ("tolvaptan", [{"text": "15 mg on day 1, then 30 mg"}], 15),
        ("tolvaptan", [tablets(15, "mg"), tablets(60, "mg")], 15),
        # no other drug is asked
        ("sertraline 50 mg", [tablets(2)], None),
    ],
)
def test_f19_what_the_first_day_brings(
    read: Read, name: str, instructions: list[dict[str, Any]], mg: Decimal | None
) -> None:
    draft = order(medicationCodeableConcept={"text": name}, dosageInstruction=instructions)
    assert only(read(draft)).first_day_mg == mg


ML_500 = {"value": 500, "unit": "mL"}
ML_100 = {"value": 100, "unit": "mL"}
RATE_30 = {"value": 30, "unit": "mL/h"}


@pytest.mark.parametrize(
    ("elements", "ml"),
    [
        ({"dosageInstruction": [{"doseAndRate": [{"doseQuantity": ML_500}]}]}, 500),
        (
            {"dosageInstruction": [{"doseAndRate": [{"doseQuantity": {"value": 1, "unit": "L"}}]}]},
            1000,
        ),
        (
            {
                "dosageInstruction": [
                    {"timing": {"repeat": {"count": 3}}, "doseAndRate": [{"doseQuantity": ML_100}]}
                ]
            },
            300,
        ),
        (
            {
                "dosageInstruction": [
                    {
                        "timing": {"repeat": {"frequency": 1, "period": 6, "periodUnit": "h"}},
                        "doseAndRate": [{"doseQuantity": ML_100}],
                    }
                ]
            },
            400,
        ),
        (  # every ten minutes is no daily schedule
            {
                "dosageInstruction": [
                    {
                        "timing": {"repeat": {"frequency": 1, "period": 10, "periodUnit": "min"}},
                        "doseAndRate": [{"doseQuantity": ML_100}],
                    }
                ]
            },
            100,
        ),
        (
            {
                "dosageInstruction": [
                    {
                        "asNeededBoolean": True,
                        "timing": {"repeat": {"frequency": 4, "period": 1, "periodUnit": "d"}},
                        "doseAndRate": [{"doseQuantity": ML_100}],
                    }
                ]
            },
            100,
        ),
        (
            {
                "dosageInstruction": [
                    {
                        "timing": {"repeat": {"duration": 8, "durationUnit": "h"}},
                        "doseAndRate": [{"rateQuantity": RATE_30}],
                    }
                ]
            },
            240,
        ),
        ({"dosageInstruction": [{"doseAndRate": [{"rateQuantity": RATE_30}]}]}, None),
        ({"dispenseRequest": {"quantity": ML_500}}, 500),
        (
            {
                "dosageInstruction": [
                    {"doseAndRate": [{"doseQuantity": ML_100}]},
                    {"doseAndRate": [{"doseQuantity": ML_500}]},
                ]
            },
            600,
        ),
    ],
)
def test_f9_what_an_infusion_gives_in_all(
    read: Read, elements: dict[str, Any], ml: int | None
) -> None:
    saline = order(medicationCodeableConcept={"text": "sodium chloride 3 %"}, **elements)
    found = only(read(saline)).saline
    assert found is not None
    assert found.ordered_ml == ml


@pytest.mark.parametrize(
    "reason",
    [
        {"reasonCode": [{"text": "Cirrhosis"}]},
        {"reasonCode": {"text": "Cirrhosis"}},
        {"reasonCodeableConcept": {"text": "Cirrhosis"}},
        {"reason": [{"concept": {"text": "Cirrhosis"}}]},
        {"reasonReference": [{"reference": "Condition/c"}]},
    ],
)
def test_the_reason_as_a_list_an_object_or_a_reference(read: Read, reason: dict[str, Any]) -> None:
    behind = {
        "resourceType": "Condition",
        "id": "c",
        "subject": {"reference": "Patient/p"},
        "code": {"text": "Cirrhosis"},
    }
    assert "cirrhosis" in only(read(order(**reason), behind)).reasons


def test_a_reason_that_is_another_patients_problem_never_counts(read: Read) -> None:
    other = {
        "resourceType": "Condition",
        "id": "c",
        "subject": {"reference": "Patient/q"},
        "code": {"text": "Cirrhosis"},
    }
    request = order(reasonReference=[{"reference": "Condition/c"}])
    assert only(read(request, other)).reasons == frozenset()


@pytest.mark.parametrize(
    ("recorded", "sex"), [("male", "male"), (" Female ", "female"), (None, "")]
)
def test_f9_the_sex_is_read_for_body_water(read: Read, recorded: str | None, sex: str) -> None:
    patient = {"resourceType": "Patient", "id": "p", **({"gender": recorded} if recorded else {})}
    assert read(patient).patient.sex == sex
