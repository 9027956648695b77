"""Observations as real systems send them (docs/reading-records.md)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from cds_service.knowledge.words import Fluids, OrderWords, Terms
from cds_service.records.fhir_types import as_resources
from cds_service.records.prefetch import Source
from cds_service.records.reader import CallRecords, read_snapshot
from cds_service.sodium.snapshot import LabResult, Missing, Snapshot
from cds_service.terminology.codes import LabClass
from cds_service.terminology.units import factor
from cds_service.terminology.vocabulary import LocalCodes, vocabulary

Read = Callable[..., Snapshot]
LOINC = "http://loinc.org"


def observation(loinc: str = "2951-2", **elements: Any) -> dict[str, Any]:
    """A sodium as R4 has it; an element given as None is left out."""
    resource: dict[str, Any] = {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "subject": {"reference": "Patient/p"},
        "code": {"coding": [{"system": LOINC, "code": loinc}]},
        "valueQuantity": {"value": 128, "unit": "mmol/L", "code": "mmol/L"},
        "effectiveDateTime": "2026-11-21T10:00:00Z",
    }
    return {name: value for name, value in (resource | elements).items() if value is not None}


def only(snapshot: Snapshot) -> LabResult:
    assert len(snapshot.labs) == 1
    return snapshot.labs[0]


def test_a_plain_result_is_read_with_its_time_unit_and_reference(read: Read) -> None:
    lab = only(read(observation()))
    assert (lab.analyte, lab.value, lab.unit) == ("sodium", Decimal(128), "mmol/L")
    assert lab.time is not None
    assert lab.time.at == datetime(2026, 11, 21, 10, tzinfo=UTC)
    assert (lab.status, lab.method, lab.reference) == ("final", "lab", "Observation/o1")


# ---- 1: newest result not first, equal times, mixed zones


def test_results_in_mixed_zones_sort_by_instant_and_not_by_their_text(read: Read) -> None:
    late = observation(id="late", effectiveDateTime="2026-11-20T23:30:00-05:00")
    early = observation(id="early", effectiveDateTime="2026-11-21T04:00:00Z")
    labs = read(late, early).labs
    newest = max(
        labs, key=lambda lab: lab.time.at if lab.time else datetime.min.replace(tzinfo=UTC)
    )
    assert newest.reference == "Observation/late"


def test_a_result_keeps_the_offset_it_was_recorded_in(read: Read) -> None:
    lab = only(read(observation(effectiveDateTime="2026-11-21T05:00:00-05:00")))
    assert lab.time is not None
    assert lab.time.at.utcoffset() == timedelta(hours=-5)


# ---- 2: times


@pytest.mark.parametrize(
    ("elements", "at"),
    [
        ({"effectiveDateTime": "2026-11-21T10:00:00.123+00:00"}, "2026-11-21T10:00:00.123+00:00"),
        ({"effectiveDateTime": "2026-11-21T10:00Z"}, "2026-11-21T10:00:00+00:00"),
        (
            {"effectiveDateTime": None, "effectiveInstant": "2026-11-21T09:00:00Z"},
            "2026-11-21T09:00:00+00:00",
        ),
        (
            {
                "effectiveDateTime": None,
                "effectivePeriod": {"start": "2026-11-20", "end": "2026-11-21T08:00:00Z"},
            },
            "2026-11-21T08:00:00+00:00",
        ),
        ({"effectiveDateTime": "2150-01-01T00:00:00Z"}, "2150-01-01T00:00:00+00:00"),
    ],
)
def test_every_form_of_an_effective_time_is_read(
    read: Read, elements: dict[str, Any], at: str
) -> None:
    lab = only(read(observation(**elements)))
    assert lab.time is not None
    assert lab.time.at == datetime.fromisoformat(at)
    assert not lab.time.day_only
    assert not lab.time.result_time


def test_issued_stands_in_for_a_missing_effective_time_and_says_so(read: Read) -> None:
    absent = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason"}]}
    lab = only(
        read(
            observation(
                effectiveDateTime=None, issued="2026-11-21T10:30:00Z", _effectiveDateTime=absent
            )
        )
    )
    assert lab.time is not None
    assert lab.time.result_time


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("2026-11-21T10:00:00+0000", "2026-11-21T10:00:00+00:00"),
        ("2026-11-21T05:00:00-0500", "2026-11-21T10:00:00+00:00"),
        ("2026-11-21T10:00:00+00", "2026-11-21T10:00:00+00:00"),
        ("2026-11-21 10:00:00Z", "2026-11-21T10:00:00+00:00"),
        ("2026-11-21 10:00:00 UTC", "2026-11-21T10:00:00+00:00"),
        ("2026-11-20T24:00:00Z", "2026-11-21T00:00:00+00:00"),
        ("2026-11-20T23:59:60Z", "2026-11-21T00:00:00+00:00"),
        ("2026-11-21T12:00:00Z+02:00", "2026-11-21T10:00:00+00:00"),
        ("2026-11-21T10:00:00,5Z", "2026-11-21T10:00:00.5+00:00"),
        ("2026-11-21T10:00:00.1234567891Z", "2026-11-21T10:00:00.123456+00:00"),
        ("2026-11-21t10:00z", "2026-11-21T10:00:00+00:00"),
    ],
)
def test_a_time_is_read_in_the_forms_that_fhir_forbids_and_ehrs_send(
    read: Read, written: str, at: str
) -> None:
    time = only(read(observation(effectiveDateTime=written))).time
    assert time is not None
    assert time.at == datetime.fromisoformat(at)
    assert not time.day_only


@pytest.mark.parametrize(
    ("elements", "at"),
    [
        ({"effectivePeriod": {"start": "2026-11-21T08:00:00Z"}}, "2026-11-21T08:00:00+00:00"),
        (
            {"effectiveTiming": {"event": ["2026-11-20T08:00:00Z", "2026-11-21T08:00:00Z"]}},
            "2026-11-21T08:00:00+00:00",
        ),
        (
            {"effectiveTiming": {"repeat": {"boundsPeriod": {"start": "2026-11-21T08:00:00Z"}}}},
            "2026-11-21T08:00:00+00:00",
        ),
        (
            {"effectiveDateTime": "yesterday", "issued": "2026-11-21T08:00:00Z"},
            "2026-11-21T08:00:00+00:00",
        ),
        (
            {"effectiveDateTime": "2026-11", "issued": "2026-11-21T08:00:00Z"},
            "2026-11-21T08:00:00+00:00",
        ),
    ],
)
def test_a_time_is_found_in_every_place_that_may_hold_it(
    read: Read, elements: dict[str, Any], at: str
) -> None:
    time = only(read(observation(**({"effectiveDateTime": None} | elements)))).time
    assert time is not None
    assert time.at == datetime.fromisoformat(at)


def test_an_old_result_that_is_issued_late_does_not_become_new(read: Read) -> None:
    late = observation(effectiveDateTime="2026-01", issued="2026-11-21T08:00:00Z")
    lab = only(read(late))
    assert lab.time is None
    assert lab.before is not None
    assert lab.before < datetime(2026, 2, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    "time", ["2026-11", "2026", "yesterday", "", "2026-11-21T25:00:00Z", "0001-01-01", 20261121]
)
def test_what_has_no_day_has_no_time(read: Read, time: object) -> None:
    assert only(read(observation(effectiveDateTime=time))).time is None


def test_a_result_without_any_time_has_none(read: Read) -> None:
    assert only(read(observation(effectiveDateTime=None))).time is None


def test_a_date_alone_is_good_to_a_day(read: Read) -> None:
    lab = only(read(observation(effectiveDateTime="2026-11-20"), zone=timedelta(hours=-5)))
    assert lab.time is not None
    assert lab.time.day_only
    assert lab.time.at.isoformat() == "2026-11-20T00:00:00-05:00"


def test_today_in_an_eastern_country_is_not_the_future(read: Read) -> None:
    now = datetime(2026, 11, 20, 13, tzinfo=UTC)
    lab = only(read(observation(effectiveDateTime="2026-11-21"), now=now))
    assert lab.time is not None
    assert lab.time.at == now


def test_a_clock_without_a_zone_is_read_in_the_clients_zone(read: Read) -> None:
    lab = only(read(observation(effectiveDateTime="2026-11-21T10:00:00"), zone=timedelta(hours=-5)))
    assert lab.time is not None
    assert lab.time.at == datetime(2026, 11, 21, 15, tzinfo=UTC)
    assert not lab.time.day_only


def test_a_clock_without_a_zone_that_nobody_knows_is_good_to_a_day_only(read: Read) -> None:
    lab = only(read(observation(effectiveDateTime="2026-11-21T10:00:00")))
    assert lab.time is not None
    assert lab.time.day_only


# ---- 3: values


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"valueQuantity": None, "valueCodeableConcept": {"text": "128"}}, "unreadable"),
        ({"valueQuantity": {"value": True, "unit": "mmol/L"}}, "unreadable"),
        ({"valueQuantity": {"value": Decimal("NaN"), "unit": "mmol/L"}}, "unreadable"),
        ({"valueQuantity": {"value": float("inf"), "unit": "mmol/L"}}, "unreadable"),
        ({"valueQuantity": {"value": "1,280", "unit": "mmol/L"}}, "unreadable"),
        ({"valueQuantity": {"value": "9" * 70, "unit": "mmol/L"}}, "unreadable"),
        ({"valueQuantity": {"unit": "mmol/L"}}, "no-value"),
        ({"valueQuantity": None, "valueString": "see comment"}, "unreadable"),
        ({"valueQuantity": None, "valueString": "110-114"}, "unreadable"),
        ({"valueQuantity": None, "valueRange": {}}, "no-value"),
        ({"valueQuantity": None, "dataAbsentReason": {"text": "hemolyzed"}}, "hemolyzed"),
        ({"valueQuantity": None, "valueString": "HEMOLYZED, please repeat"}, "hemolyzed"),
        ({"valueQuantity": None, "note": [{"text": "Probe hämolytisch"}]}, "hemolyzed"),
        ({"valueQuantity": None, "status": "cancelled"}, "no-value"),
        ({"valueQuantity": {"value": Decimal("1E+400"), "unit": "mmol/L"}}, "unreadable"),
    ],
)
def test_a_result_without_a_number_is_kept_as_a_dropped_one_with_its_reason(
    read: Read, value: dict[str, Any], why: str
) -> None:
    snapshot = read(observation(**value))
    assert snapshot.labs == ()
    assert [dropped.why for dropped in snapshot.dropped] == [why]


@pytest.mark.parametrize(
    ("value", "read_as"),
    [
        ({"valueQuantity": {"value": "128", "unit": "mmol/L"}}, "128 mmol/L"),
        ({"valueQuantity": {"value": " 128,4 ", "unit": "mmol/L"}}, "128.4 mmol/L"),
        ({"valueQuantity": {"value": "<115", "unit": "mmol/L"}}, "<115 mmol/L"),
        ({"valueQuantity": {"value": 128, "unit": "mmol/L", "comparator": "="}}, "128 mmol/L"),
        ({"valueQuantity": {"value": 115, "unit": "mmol/L", "comparator": "≤"}}, "<=115 mmol/L"),
        ({"valueQuantity": None, "valueString": "128"}, "128 "),
        ({"valueQuantity": None, "valueString": "<115"}, "<115 "),
        ({"valueQuantity": None, "valueString": ">= 128.0 mEq/L"}, ">=128.0 mEq/L"),
        ({"valueQuantity": None, "valueInteger": 128}, "128 "),
        (
            {"valueQuantity": None, "valueRange": {"low": {"value": 110}, "high": {"value": 114}}},
            "<=114 ",
        ),
        ({"valueQuantity": None, "valueRange": {"low": {"value": 150}}}, ">=150 "),
    ],
)
def test_a_number_is_read_in_every_form_in_which_it_comes(
    read: Read, value: dict[str, Any], read_as: str
) -> None:
    lab = only(read(observation(**value)))
    assert f"{lab.comparator}{lab.value} {lab.unit}" == read_as


def test_a_value_beside_a_reason_for_its_absence_is_still_a_value(read: Read) -> None:
    assert only(read(observation(dataAbsentReason={"text": "unknown"}))).value == 128


@pytest.mark.parametrize(
    "value", [Decimal("136.0027389073786"), Decimal("135.6"), 128, Decimal("128.0")]
)
def test_a_value_is_never_rounded(read: Read, value: Decimal | int) -> None:
    assert str(
        only(read(observation(valueQuantity={"value": value, "unit": "mmol/L"}))).value
    ) == str(value)


def test_a_float_is_read_as_it_prints(read: Read) -> None:
    assert only(read(observation(valueQuantity={"value": 130.1}))).value == Decimal("130.1")


@pytest.mark.parametrize("comparator", ["<", "<=", ">", ">="])
def test_a_comparator_is_kept(read: Read, comparator: str) -> None:
    found = only(read(observation(valueQuantity={"value": 110, "comparator": comparator})))
    assert found.comparator == comparator


# ---- 4: units


@pytest.mark.parametrize(
    ("given", "unit"),
    [
        ({}, ""),
        ({"unit": "meq/l"}, "meq/l"),
        ({"code": "mmol/L"}, "mmol/L"),
        ({"unit": "Millimole per Liter", "code": "mmol/L"}, "mmol/L"),
        ({"unit": "mg/dL"}, "mg/dL"),
        ({"unit": "mEq/L", "system": "http://local/units"}, "mEq/L"),
        ({"unit": 5}, ""),
        ({"code": "mmol.L-1", "unit": "x"}, "mmol.L-1"),
        ({"code": "x", "unit": "mmol per litre"}, "mmol per litre"),
        (
            {"code": "x", "unit": "\uff4d\uff4d\uff4f\uff4c\uff0f\uff2c"},
            "\uff4d\uff4d\uff4f\uff4c\uff0f\uff2c",
        ),
        ({"code": "x", "unit": "ммоль/л"}, "ммоль/л"),
        ({"code": "x", "unit": "mval/L"}, "mval/L"),
    ],
)
def test_the_unit_is_the_code_else_the_words_and_is_never_guessed(
    read: Read, given: dict[str, Any], unit: str
) -> None:
    assert only(read(observation(valueQuantity={"value": 128, **given}))).unit == unit


# ---- 5: status


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ("unknown", "unknown"),
        ("preliminary", "preliminary"),
        ("entered-in-error ", "entered-in-error"),
        ("Final", "final"),
        (None, ""),
        (["final"], ""),
    ],
)
def test_the_status_is_passed_on_trimmed_and_in_lower_case(
    read: Read, given: object, status: str
) -> None:
    assert only(read(observation(status=given))).status == status


def test_a_correction_beside_its_original_shares_the_identifier(read: Read) -> None:
    identifier = [{"system": "http://lab", "value": "A1"}]
    labs = read(
        observation(id="a", identifier=identifier, meta={"lastUpdated": "2026-11-21T10:05:00Z"}),
        observation(
            id="b",
            identifier=identifier,
            status="corrected",
            meta={"lastUpdated": "2026-11-21T11:00:00Z"},
        ),
    ).labs
    assert [lab.identity for lab in labs] == ["http://lab|A1"] * 2
    assert labs[0].updated is not None
    assert labs[1].updated is not None
    assert labs[0].updated < labs[1].updated


# ---- 6: codings


@pytest.mark.parametrize(
    "code",
    [
        {
            "coding": [
                {"system": "https://fhir.cerner.com/codeSet/72", "code": "1"},
                {"system": LOINC, "code": "2951-2"},
            ]
        },
        {
            "coding": [
                {"system": LOINC, "code": "2951-2"},
                {"system": "urn:oid:1.2.3", "code": "NA"},
            ]
        },
        {"coding": [{"system": "urn:oid:2.16.840.1.113883.6.1", "code": "2951-2"}]},
        {"coding": [{"system": "http://loinc.org/", "code": "2951-2"}]},
        {"coding": [{"system": "http: //loinc.org", "code": "2951-2"}]},
        {"coding": [{"system": "http://www.loinc.org", "code": "2951-2"}]},
        {"coding": [{"system": "LN", "code": "2951-2"}]},
        {"coding": [{"system": "LOINC", "code": "2951-2"}]},
        {"coding": [{"code": "2951-2"}]},
        {"coding": [None, "x", {"system": LOINC, "code": 5}, {"system": LOINC, "code": "2951-2"}]},
        {"coding": {"system": LOINC, "code": "2951-2"}},
        [{"coding": [{"system": LOINC, "code": "2951-2"}]}],
        {"coding": [{"system": LOINC, "code": "2951-2"}, {"system": LOINC, "code": "77139-4"}]},
    ],
)
def test_sodium_is_found_wherever_its_code_stands(read: Read, code: object) -> None:
    assert only(read(observation(code=code))).analyte == "sodium"


@pytest.mark.parametrize(
    "code", ["2955-3", "21525-1", "2956-1", "2950-4", "15207-4", "49790-9", "2952-0"]
)
def test_sodium_in_urine_fluid_or_stool_never_counts_as_blood_sodium(read: Read, code: str) -> None:
    labs = read(observation(code)).labs
    assert all(lab.analyte != "sodium" for lab in labs)


def test_a_urine_specimen_under_a_serum_code_is_marked(read: Read) -> None:
    inside = {"resourceType": "Specimen", "id": "s", "type": {"text": "Urine, random"}}
    by_reference = observation(specimen={"reference": "#s"}, contained=[inside])
    by_display = observation(id="o2", specimen={"display": "24 h urine"})
    serum = observation(id="o3", specimen={"display": "Serum"})
    assert [lab.urine for lab in read(by_reference, by_display, serum).labs] == [True, True, False]


@pytest.mark.parametrize(
    "elements",
    [
        {"code": {"coding": [{"system": LOINC, "code": "2947-0"}]}},
        {"code": {"coding": [{"system": LOINC, "code": "2951-2", "display": "Sodium (i-STAT)"}]}},
        {"method": {"text": "Blood gas analyzer"}},
        {"device": {"display": "i-STAT 1"}},
        {
            "device": {"reference": "#d"},
            "contained": [
                {"resourceType": "Device", "id": "d", "deviceName": [{"name": "iSTAT Alinity"}]}
            ],
        },
    ],
)
def test_whole_blood_and_bedside_results_are_told_from_the_laboratorys(
    read: Read, elements: dict[str, Any]
) -> None:
    assert only(read(observation(**elements))).method == "poc"


# ---- 7: panels


def test_sodium_in_a_component_is_ignored(read: Read) -> None:
    component = {
        "code": {"coding": [{"system": LOINC, "code": "2951-2"}]},
        "valueQuantity": {"value": 110},
    }
    panel = {"coding": [{"system": LOINC, "code": "51990-0"}]}
    blood_pressure = {"coding": [{"system": LOINC, "code": "85354-9"}]}
    assert read(observation(code=panel, valueQuantity=None, component=[component])).labs == ()
    assert (
        read(observation(code=blood_pressure, valueQuantity=None, component=[component])).labs == ()
    )


def test_the_systolic_pressure_of_a_blood_pressure_panel_is_read(read: Read) -> None:
    component = {
        "code": {"coding": [{"system": LOINC, "code": "8480-6"}]},
        "valueQuantity": {"value": 92, "code": "mm[Hg]"},
    }
    panel = {"coding": [{"system": LOINC, "code": "85354-9"}]}
    lab = only(read(observation(code=panel, valueQuantity=None, component=[component, "x"])))
    assert (lab.analyte, lab.value) == ("systolic", Decimal(92))


def test_category_as_an_object_or_missing_changes_nothing(read: Read) -> None:
    assert only(read(observation(category={"text": "laboratory"}))).value == 128


# ---- the rest


def test_pregnancy_status_is_a_problem_with_the_day_it_was_stated(read: Read) -> None:
    answer = {"coding": [{"system": "http://snomed.info/sct", "code": "77386006"}]}
    found = read(observation("82810-3", valueQuantity=None, valueCodeableConcept=answer)).problems
    assert [p.concepts for p in found] == [frozenset({"pregnancy"})]
    assert found[0].since == datetime(2026, 11, 21, 10, tzinfo=UTC)


def test_an_observation_in_the_form_of_dstu1_makes_the_source_unreadable_and_not_empty(
    read: Read,
) -> None:
    old = observation(code=None, name={"coding": [{"system": LOINC, "code": "2951-2"}]})
    assert read(old).missing["sodium"] is Missing.VERSION


# ---- local codes


@pytest.mark.parametrize(
    ("stated", "words", "method"),
    [
        ({}, "Sodium", "lab"),
        ({}, "Sodium, Whole Blood", "poc"),
        ({}, "Natrium (Blutgas)", "poc"),
        ({("http://mimic", "50824"): "poc"}, "Sodium", "poc"),
        ({("http://mimic", "50824"): "lab"}, "Sodium, Whole Blood", "lab"),
    ],
)
def test_f47_the_method_of_a_local_code(
    stated: dict[tuple[str, str], LabClass],
    words: str,
    method: str,
    terms: Terms,
    order_words: OrderWords,
    fluids: Fluids,
) -> None:
    local = LocalCodes(labs={("http://mimic", "50824"): "sodium"}, lab_classes=stated)
    known = vocabulary(terms, fluids, order_words, local)
    code = {"coding": [{"system": "http://mimic", "code": "50824", "display": words}]}
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    sources = {"x": Source(state="satisfied", resources=as_resources((observation(code=code),)))}
    records = CallRecords(patient_id="p", now=now, sources=sources)
    assert only(read_snapshot(records, known)).method == method


def test_a_local_code_counts_once_the_site_has_mapped_it(
    terms: Terms, order_words: OrderWords, fluids: Fluids
) -> None:
    local = LocalCodes(
        labs={("http://mimic", "50983"): "sodium"},
        drugs={("http://local", "4711"): ("sertraline",)},
    )
    words = vocabulary(terms, fluids, order_words, local)
    lab = observation(
        code={"coding": [{"system": "http://mimic", "code": "50983"}], "text": "Sodium"}
    )
    drug = {
        "resourceType": "MedicationRequest",
        "id": "m",
        "status": "active",
        "medicationCodeableConcept": {"coding": [{"system": "http://local", "code": "4711"}]},
    }
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    snapshot = read_snapshot(
        CallRecords(
            patient_id="p",
            now=now,
            sources={"x": Source(state="satisfied", resources=as_resources((lab, drug)))},
        ),
        words,
    )
    assert only(snapshot).analyte == "sodium"
    assert [d.name for d in snapshot.exposures[0].drugs] == ["sertraline"]


@pytest.mark.parametrize(
    ("code", "maybe"),
    [
        ({"text": "Sodium"}, True),
        ({"coding": [{"display": "Na"}]}, True),
        ({"coding": [{"system": "urn:x", "code": "17"}]}, True),
        (None, True),
        ({"coding": [{"system": LOINC, "code": c} for c in ("2951-2", "2955-3")]}, True),
        ({"text": "Sodium, urine 24h"}, False),
        ({"text": "Hemoglobin"}, False),
        ({"coding": [{"system": LOINC, "code": "718-7"}]}, False),
    ],
)
def test_a_name_alone_is_never_taken_for_serum_sodium_but_is_not_lost_either(
    read: Read, code: object, maybe: bool
) -> None:
    snapshot = read(observation(code=code), observation(id="o2"))
    assert [lab.reference for lab in snapshot.labs] == ["Observation/o2"]
    assert [dropped.why for dropped in snapshot.dropped] == (["code"] if maybe else [])


def test_sodium_inside_a_panel_is_not_lost_without_a_word(read: Read) -> None:
    component = {"code": {"coding": [{"system": LOINC, "code": "2951-2"}]}}
    panel = {"coding": [{"system": LOINC, "code": "51990-0"}]}
    found = read(observation(code=panel, valueQuantity=None, component=[component]))
    assert [dropped.why for dropped in found.dropped] == ["panel"]


@pytest.mark.parametrize(
    ("quantity", "unit"),
    [
        (
            {"value": 128, "code": "MMOLL", "unit": "mmol/L"},
            "mmol/L",
        ),  # a local code beside a good text
        ({"value": 128, "code": "mmol/L", "unit": "whatever"}, "mmol/L"),
        (
            {"value": 128, "code": "mg/dL", "unit": "mg/dL"},
            "mg/dL",
        ),  # neither is read: refused later
        ({"value": 128, "unit": "mEq/L"}, "mEq/L"),
        ({"value": 128}, ""),
    ],
)
def test_the_unit_is_taken_from_its_code_or_from_its_text_whichever_is_known(
    read: Read, quantity: dict[str, Any], unit: str
) -> None:
    assert only(read(observation(valueQuantity=quantity))).unit == unit


def scale(value: dict[str, Any], **elements: Any) -> dict[str, Any]:
    """A Glasgow coma scale."""
    return observation("9269-2", **({"valueQuantity": None} | value | elements))


VERBAL = {"coding": [{"system": LOINC, "code": "9270-0"}]}
NOT_TESTED = {"valueInteger": 11}


@pytest.mark.parametrize(
    ("sent", "points", "untestable"),
    [
        (scale({"valueString": "10T"}), 10, True),
        (scale({"valueString": "11 T"}), 11, True),
        (scale({"valueString": "10 NT"}), 10, True),
        (scale({"valueString": "3 (intubated)"}), 3, True),
        (scale({"valueString": "not tested"}), None, None),
        (scale({"valueString": "10 intubated"}), 10, True),
        (scale({"valueQuantity": {"value": 10, "unit": "T"}}), 10, True),
        (scale(NOT_TESTED, component=[{"code": VERBAL, "valueString": "1T"}]), 11, True),
        (scale(NOT_TESTED, component=[{"code": VERBAL, "valueCodeableConcept": {"text": "Intubated"}}]), 11, True),
        (scale(NOT_TESTED, component=[{"code": VERBAL, "dataAbsentReason": {"text": "ETT"}}]), 11, True),
        (scale(NOT_TESTED, component=[{"code": VERBAL, "valueInteger": 1}]), 11, False),
        (scale({"valueString": "10"}), 10, False),
        (scale({"valueQuantity": {"value": 10, "unit": "{score}"}}), 10, False),
        (observation(valueQuantity=None, valueString="128 T"), 128, False),
    ],
)  # fmt: skip
def test_f43_a_coma_scale_under_a_tube_is_read_and_says_so(
    read: Read, sent: dict[str, Any], points: int | None, untestable: bool | None
) -> None:
    found = read(sent).labs
    if points is None:
        assert found == ()
        return
    (lab,) = found
    assert (int(lab.value), lab.untestable) == (points, untestable)
    assert not (untestable and lab.unit)


# ---- urea and urea nitrogen: the code says of what the number is


@pytest.mark.parametrize(
    ("loinc", "value", "unit", "nitrogen"),
    [
        ("3094-0", 28, "mg/dL", "28"),
        ("6299-2", 28, "mg/dL", "28"),
        ("14937-7", 10, "mmol/L", "28"),
        ("3094-0", 10, "mmol/L", "28"),
        ("22664-7", 10, "mmol/L", "28"),
        ("22664-7", 60, "mg/dL", "28.02"),
        ("3091-6", 60, "mg/dL", "28.02"),
        ("3091-6", "0.6", "g/L", "28.02"),
        ("3091-6", 600, "mg/L", "28.02"),
        ("3091-6", 10, "mmol/L", "28"),
    ],
)
def test_each_code_of_urea_is_read_as_urea_nitrogen(
    read: Read, terms: Terms, loinc: str, value: Any, unit: str, nitrogen: str
) -> None:
    quantity = {"value": value, "unit": unit}
    lab = only(read(observation(loinc, valueQuantity=quantity)))
    per_unit = factor(terms.labs["bun"], lab.unit)
    assert per_unit is not None
    assert lab.value * per_unit == Decimal(nitrogen)


def test_a_mass_that_two_codes_read_differently_has_no_unit(read: Read) -> None:
    both = {"coding": [{"system": LOINC, "code": code} for code in ("3094-0", "3091-6")]}
    labs = read(observation(code=both, valueQuantity={"value": 60, "unit": "mg/dL"})).labs
    assert [lab.unit for lab in labs] == [""]
    moles = read(observation(code=both, valueQuantity={"value": 10, "unit": "mmol/L"})).labs
    assert [(lab.value, lab.unit) for lab in moles] == [(Decimal(10), "mmol/L")]
