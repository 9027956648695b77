"""With any JSON in any place the reader answers, and its answer can be compared and sorted."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_service.errors import BadRequest
from cds_service.orders.drafts import OrderContext, stopped
from cds_service.protocol.wire import decode, encode
from cds_service.records.bounds import MAX_RESOURCES
from cds_service.records.drafts import SentDraft
from cds_service.records.fhir_types import as_resources
from cds_service.records.prefetch import Source
from cds_service.records.reader import (
    CallRecords,
    order_resource,
    read_snapshot,
    wanted_references,
)
from cds_service.sodium.snapshot import Missing, Snapshot
from cds_service.terminology.vocabulary import Vocabulary

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
SUBJECT = {"reference": "Patient/p"}

# One resource of each kind with every element that the reader looks at.
FULL: tuple[dict[str, Any], ...] = (
    {
        "resourceType": "Patient",
        "id": "p",
        "birthDate": "1950-03-04",
        "deceasedBoolean": False,
        "identifier": [{"value": "7"}],
    },
    {
        "resourceType": "Encounter",
        "id": "e",
        "subject": SUBJECT,
        "class": {"code": "IMP"},
        "reasonCode": [{"text": "Cirrhosis"}],
        "reason": [{"value": [{"concept": {"text": "Cirrhosis"}}]}],
    },
    {
        "resourceType": "Observation",
        "id": "o",
        "status": "final",
        "subject": SUBJECT,
        "code": {
            "coding": [{"system": LOINC, "code": "2951-2", "display": "Sodium"}],
            "text": "Na",
        },
        "valueQuantity": {
            "value": Decimal("128.1"),
            "unit": "mmol/L",
            "code": "mmol/L",
            "comparator": "<",
        },
        "effectiveDateTime": "2026-11-21T10:00:00Z",
        "effectivePeriod": {"end": "2026-11-21"},
        "issued": "2026-11-21T10:00:00Z",
        "identifier": [{"system": "s", "value": "v"}],
        "meta": {"lastUpdated": "2026-11-21T10:00:00Z"},
        "method": {"text": "Blood gas"},
        "device": {"reference": "#d", "display": "x"},
        "specimen": {"reference": "#s"},
        "contained": [
            {"resourceType": "Specimen", "id": "s", "type": {"text": "Serum"}},
            {"id": "d", "deviceName": []},
        ],
    },
    {
        "resourceType": "Observation",
        "id": "bp",
        "subject": SUBJECT,
        "code": {"coding": [{"system": LOINC, "code": "85354-9"}]},
        "component": [
            {
                "code": {"coding": [{"system": LOINC, "code": "8480-6"}]},
                "valueQuantity": {"value": 92},
            }
        ],
    },
    {
        "resourceType": "Condition",
        "id": "c",
        "subject": SUBJECT,
        "code": {
            "coding": [{"system": "http://snomed.info/sct", "code": "19943007"}],
            "text": "Cirrhosis",
        },
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "verificationStatus": {"coding": [{"code": "confirmed"}]},
        "category": [{"coding": [{"code": "encounter-diagnosis"}]}],
        "encounter": {"reference": "Encounter/e"},
        "onsetDateTime": "2026-11",
        "recordedDate": "2026-11-21",
    },
    {
        "resourceType": "MedicationRequest",
        "id": "m",
        "status": "active",
        "intent": "order",
        "subject": SUBJECT,
        "medicationCodeableConcept": {
            "coding": [
                {
                    "system": RXNORM,
                    "code": "310798",
                    "display": "Hydrochlorothiazide 25 MG Oral Tablet",
                }
            ]
        },
        "medicationReference": {"reference": "#x", "display": "x"},
        "contained": [
            {
                "resourceType": "Medication",
                "id": "x",
                "code": {"text": "sodium chloride 3 %"},
                "form": {"text": "infusion"},
                "ingredient": [
                    {
                        "itemCodeableConcept": {"text": "sodium chloride"},
                        "itemReference": {"reference": "Medication/y"},
                        "strength": {
                            "numerator": {"value": 30, "unit": "mg"},
                            "denominator": {"value": 1, "unit": "mL"},
                        },
                    }
                ],
            }
        ],
        "authoredOn": "2026-11-01",
        "reasonCode": [{"text": "Cirrhosis"}],
        "reasonReference": [{"reference": "Condition/c"}],
        "dosageInstruction": [
            {
                "text": "daily",
                "timing": {
                    "code": {"text": "QD"},
                    "event": ["2026-11-21"],
                    "repeat": {
                        "frequency": 1,
                        "period": 1,
                        "periodUnit": "d",
                        "count": 3,
                        "boundsDuration": {"value": 3, "code": "d"},
                        "boundsPeriod": {"start": "2026-11-01", "end": "2026-12-01"},
                    },
                },
                "route": {"text": "oral"},
                "doseAndRate": [
                    {
                        "doseQuantity": {"value": 25, "unit": "mg"},
                        "rateQuantity": {"value": 5, "unit": "mL/h"},
                    }
                ],
            }
        ],
        "dispenseRequest": {
            "quantity": {"value": 500, "unit": "mL"},
            "expectedSupplyDuration": {"value": 30, "unit": "d"},
            "numberOfRepeatsAllowed": 2,
            "validityPeriod": {"end": "2026-12-01"},
        },
    },
    {
        "resourceType": "NutritionOrder",
        "id": "n",
        "status": "active",
        "patient": SUBJECT,
        "oralDiet": {
            "type": [{"text": "Fluid restricted diet"}],
            "nutrient": [{"modifier": {"text": "Fluid"}}],
        },
    },
)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.text(max_size=20)
    | st.sampled_from(
        [
            "Patient/p",
            "#x",
            "#",
            "urn:uuid:p",
            "2026-11-21",
            "9999-12-31",
            "Medication/x",
            "active",
            "mg",
            "",
            "2951-2",
        ]
    )
)
NAMES = st.text(max_size=8) | st.sampled_from(["resourceType", "id", "code"])
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place inside a JSON value."""
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [at, *(place for name, child in inner for place in places(child, (*at, name)))]


def put(resource: dict[str, Any], place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """A copy of the resource with a value in one place."""
    changed = copy.deepcopy(resource)
    holder: Any = changed
    for name in place[:-1]:
        holder = holder[name]
    holder[place[-1]] = value
    return changed


PLACES = [(number, place) for number, full in enumerate(FULL) for place in places(full) if place]


def _is_json(value: object) -> bool:
    """Whether a server can have sent it."""
    try:
        decode(encode(value))
    except (BadRequest, UnicodeEncodeError):
        return False
    return True


def judge(resources: tuple[Any, ...], vocabulary: Vocabulary) -> Snapshot:
    """Read, look for references, and look at everything that a rule would compare."""
    read = as_resources(resources)
    part = Source(state="satisfied", resources=read)
    body = encode({"prefetch": {"sodium": list(resources)}}) if _is_json(resources) else b"[]"
    parts = CallRecords(
        patient_id="p",
        encounter_id="e",
        now=NOW,
        sources={"patient": part, "sodium": part, "medications": part},
        drafts=tuple(SentDraft(one) for one in read),
        selections=("m", "MedicationRequest/m"),
        bodies=(body,),
    )
    snapshot = read_snapshot(parts, vocabulary)
    wanted_references(parts)
    assert all(lab.value * 2 >= lab.value or lab.value < 0 for lab in snapshot.labs)
    sorted(lab.time.at for lab in snapshot.labs if lab.time)
    sorted(order.start for order in (*snapshot.exposures, *snapshot.drafts) if order.start)
    for order in snapshot.exposures:
        source = order_resource(parts, order.reference)
        if order.stoppable and source is not None:
            stopped(source, "Hyponatremia")
    return snapshot


def test_the_full_resources_are_read_at_all(vocabulary: Vocabulary) -> None:
    snapshot = judge(FULL, vocabulary)
    assert snapshot.setting == "inpatient"
    assert {lab.analyte for lab in snapshot.labs} == {"sodium", "systolic"}
    assert snapshot.problems[0].encounter_diagnosis
    assert {drug.name for drug in snapshot.exposures[0].drugs} >= {"hydrochlorothiazide"}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(where=st.sampled_from(PLACES), value=JSON)
def test_any_value_in_any_place_costs_no_request(
    vocabulary: Vocabulary, where: tuple[int, tuple[Any, ...]], value: Any
) -> None:
    number, place = where
    changed = put(FULL[number], place, value)
    judge((*FULL[:number], changed, *FULL[number + 1 :]), vocabulary)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    resource=st.dictionaries(
        st.text(max_size=8) | st.sampled_from(["resourceType", "id", "code"]), JSON, max_size=5
    )
)
def test_any_object_as_a_resource_costs_no_request(
    vocabulary: Vocabulary, resource: dict[str, Any]
) -> None:
    judge((*FULL, resource), vocabulary)


@pytest.mark.parametrize(
    "bad", [None, 5, "x", [], [[{}]], {"resourceType": ["Observation"]}, {"resourceType": {}}]
)
def test_one_bad_entry_costs_only_itself(vocabulary: Vocabulary, bad: Any) -> None:
    snapshot = judge((bad, *FULL, bad), vocabulary)
    assert next(lab.value for lab in snapshot.labs if lab.analyte == "sodium") == Decimal("128.1")


def test_a_flood_of_entries_is_cut_and_the_source_named(read: Callable[..., Snapshot]) -> None:
    snapshot = read(*({"resourceType": "Observation"} for _ in range(MAX_RESOURCES + 1)))
    assert snapshot.missing["sodium"] is Missing.TRUNCATED


def test_ingredients_that_refer_to_each_other_come_to_an_end(read: Callable[..., Snapshot]) -> None:
    loop = {
        "resourceType": "Medication",
        "id": "x",
        "ingredient": [{"itemReference": {"reference": "Medication/x"}}] * 50,
    }
    request = {
        "resourceType": "MedicationRequest",
        "id": "m",
        "status": "active",
        "medicationReference": {"reference": "Medication/x"},
    }
    assert read(request, loop).exposures[0].drugs == ()


def test_ids_that_are_none_give_no_suggested_order() -> None:
    assert not OrderContext(patient_id="p/../q", now=NOW).fits
    assert not OrderContext(patient_id="p", encounter_id="..", now=NOW).fits
