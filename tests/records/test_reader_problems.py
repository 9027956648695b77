"""Conditions, the encounter and the patient as real systems send them (docs/reading-records.md)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from cds_service.sodium.snapshot import Missing, Problem, Snapshot

Read = Callable[..., Snapshot]
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
SNOMED = "http://snomed.info/sct"


def condition(**elements: Any) -> dict[str, Any]:
    """Cirrhosis as R4 has it; an element given as None is left out."""
    resource: dict[str, Any] = {
        "resourceType": "Condition",
        "id": "c1",
        "subject": {"reference": "Patient/p"},
        "code": {"coding": [{"system": ICD10, "code": "K74.60"}]},
        "clinicalStatus": {"coding": [{"code": "active"}]},
    }
    return {name: value for name, value in (resource | elements).items() if value is not None}


def encounter(**elements: Any) -> dict[str, Any]:
    resource: dict[str, Any] = {
        "resourceType": "Encounter",
        "id": "e",
        "subject": {"reference": "Patient/p"},
        "class": {"code": "IMP"},
    }
    return {name: value for name, value in (resource | elements).items() if value is not None}


def only(snapshot: Snapshot) -> Problem:
    assert len(snapshot.problems) == 1
    return snapshot.problems[0]


@pytest.mark.parametrize(
    "code",
    [
        {"coding": [{"system": SNOMED, "code": "19943007"}]},
        {"coding": [{"system": ICD10, "code": "K74.60"}]},
        {"coding": [{"system": ICD10, "code": "K7460"}]},
        {"coding": [{"system": "urn:oid:2.16.840.1.113883.6.90", "code": "K74.60"}]},
        {
            "coding": [
                {"system": "http://local", "code": "1"},
                {"system": SNOMED, "code": "19943007"},
            ]
        },
        {"coding": {"system": "http: //snomed.info/sct", "code": "19943007"}},
        {"text": "Cirrhosis of liver"},
        [{"text": "Cirrhosis of liver"}],
    ],
)
def test_a_problem_is_recognised_by_code_with_and_without_dots_or_by_its_words(
    read: Read, code: object
) -> None:
    assert "cirrhosis" in only(read(condition(code=code))).concepts


def test_a_match_by_words_says_so(read: Read) -> None:
    assert only(read(condition(code={"text": "Cirrhosis of liver"}))).by_text
    assert not only(read(condition())).by_text


@pytest.mark.parametrize("status", ["refuted", "entered-in-error"])
@pytest.mark.parametrize(
    "wrap", [lambda s: {"coding": [{"code": s}]}, lambda s: s, lambda s: [{"coding": {"code": s}}]]
)
def test_a_refuted_problem_never_counts(
    read: Read, status: str, wrap: Callable[[str], object]
) -> None:
    assert read(condition(verificationStatus=wrap(status))).problems == ()


@pytest.mark.parametrize("status", ["provisional", "differential", "unconfirmed", "confirmed"])
def test_a_problem_that_is_not_refuted_counts(read: Read, status: str) -> None:
    assert only(read(condition(verificationStatus={"coding": [{"code": status}]}))).active


@pytest.mark.parametrize(
    ("elements", "active"),
    [
        ({"clinicalStatus": None}, True),
        ({"clinicalStatus": "active"}, True),
        ({"clinicalStatus": {"coding": [{"code": "recurrence"}]}}, True),
        ({"clinicalStatus": "resolved"}, False),
        ({"clinicalStatus": {"coding": [{"code": "inactive"}]}}, False),
        ({"clinicalStatus": {"text": "Active"}}, True),
        ({"clinicalStatus": {"coding": [{"code": "x"}]}}, True),
        ({"clinicalStatus": {"text": "x"}, "abatementString": "childhood"}, False),
        ({"clinicalStatus": None, "abatementDateTime": "2020-01-01"}, False),
        ({"clinicalStatus": None, "abatementString": "childhood"}, False),
        ({"clinicalStatus": None, "abatementBoolean": True}, False),
    ],
)
def test_a_problem_without_clinical_status_is_active_unless_it_has_abated(
    read: Read, elements: dict[str, Any], active: bool
) -> None:
    assert only(read(condition(**elements))).active is active


@pytest.mark.parametrize(
    ("elements", "since"),
    [
        (
            {"onsetDateTime": "2026-11-20T08:00:00Z", "recordedDate": "2026-11-21"},
            datetime(2026, 11, 20, 8, tzinfo=UTC),
        ),
        ({"recordedDate": "2026-11-19"}, datetime(2026, 11, 19, tzinfo=UTC)),
        ({"assertedDate": "2026-11-19"}, datetime(2026, 11, 19, tzinfo=UTC)),
        ({"dateRecorded": "2026-11-19"}, datetime(2026, 11, 19, tzinfo=UTC)),
        ({"onsetPeriod": {"start": "2026-11-18"}}, datetime(2026, 11, 18, tzinfo=UTC)),
        ({"onsetDateTime": "2015", "recordedDate": "2026-11-21"}, datetime(2015, 1, 1, tzinfo=UTC)),
        ({"onsetDateTime": "2015-07"}, datetime(2015, 7, 1, tzinfo=UTC)),
        ({"onsetDateTime": "childhood"}, None),
        ({}, None),
    ],
)
def test_onset_else_the_day_of_recording_and_an_old_onset_is_never_made_recent(
    read: Read, elements: dict[str, Any], since: datetime | None
) -> None:
    assert only(read(condition(**elements))).since == since


CATEGORY = [{"coding": [{"code": "encounter-diagnosis"}]}]


@pytest.mark.parametrize(
    ("elements", "context", "current"),
    [
        ({"category": CATEGORY, "encounter": {"reference": "Encounter/e"}}, "e", True),
        ({"category": CATEGORY[0], "encounter": {"reference": "Encounter/e"}}, "e", True),
        ({"category": CATEGORY, "context": {"reference": "Encounter/e"}}, "e", True),
        (
            {"category": CATEGORY, "encounter": {"reference": "https://ehr.test/fhir/Encounter/e"}},
            "e",
            True,
        ),
        ({"category": CATEGORY, "encounter": {"reference": "Encounter/old"}}, "e", False),
        (
            {
                "category": CATEGORY,
                "encounter": {"reference": "https://other.test/fhir/Encounter/e"},
            },
            "e",
            False,
        ),
        ({"category": CATEGORY}, "e", False),
        ({"category": CATEGORY}, None, False),
        ({"encounter": {"reference": "Encounter/e"}}, "e", False),
    ],
)
def test_only_a_diagnosis_of_the_encounter_in_context_is_current(
    read: Read, elements: dict[str, Any], context: str | None, current: bool
) -> None:
    snapshot = read(condition(**elements), encounter_id=context, bases=("https://ehr.test/fhir",))
    assert only(snapshot).encounter_diagnosis is current


# ---- the encounter


@pytest.mark.parametrize("code", ["IMP", "ACUTE", "NONAC", "OBSENC", "EMER", "SS", "imp"])
def test_inpatient_classes_of_r4(read: Read, code: str) -> None:
    snapshot = read(encounter(**{"class": {"code": code}}), encounter_id="e")
    assert snapshot.setting == "inpatient"
    assert snapshot.complete("encounter")


@pytest.mark.parametrize(
    ("given", "setting"),
    [
        ({"code": "AMB"}, "outpatient"),
        ("inpatient", "inpatient"),
        ("outpatient", "outpatient"),
        ([{"coding": [{"code": "IMP"}]}], "inpatient"),
        ([{"coding": [{"code": "AMB"}]}], "outpatient"),
    ],
)
def test_classes_of_dstu2_and_r5(read: Read, given: object, setting: str) -> None:
    snapshot = read(encounter(**{"class": given}), encounter_id="e")
    assert snapshot.setting == setting
    assert snapshot.complete("encounter")


@pytest.mark.parametrize(
    "resource",
    [
        encounter(id="other"),
        encounter(subject={"reference": "Patient/q"}),
        encounter(**{"class": {"code": "?"}}),
        encounter(**{"class": None}),
    ],
)
def test_an_encounter_that_cannot_be_read_is_assumed_inpatient_and_named(
    read: Read, resource: dict[str, Any]
) -> None:
    snapshot = read(resource, encounter_id="e")
    assert snapshot.setting == "inpatient"
    assert not snapshot.complete("encounter")


def test_no_encounter_in_context_means_outpatient_and_nothing_missing(read: Read) -> None:
    snapshot = read(encounter())
    assert snapshot.setting == "outpatient"
    assert snapshot.missing["encounter"] is Missing.NOT_APPLICABLE
    assert snapshot.complete("patient", "encounter")


@pytest.mark.parametrize(
    "reason",
    [
        {"reasonCode": [{"text": "Cirrhosis"}]},
        {"reasonCode": {"text": "Cirrhosis"}},
        {"reason": [{"text": "Cirrhosis"}]},
        {"reason": [{"value": [{"concept": {"text": "Cirrhosis"}}]}]},
    ],
)
def test_the_reason_for_the_encounter_in_every_version(read: Read, reason: dict[str, Any]) -> None:
    assert "cirrhosis" in read(encounter(**reason), encounter_id="e").encounter_reasons


# ---- the patient


@pytest.mark.parametrize(
    ("given", "born"),
    [
        ("1950-03-04", date(1950, 3, 4)),
        ("1950", date(1950, 12, 31)),
        ("1950-02", date(1950, 2, 28)),
        ("1950-12", date(1950, 12, 31)),
        ("04.03.1950", None),
        (1950, None),
        (None, None),
    ],
)
def test_a_birth_date_in_part_never_makes_anybody_older(
    read: Read, given: object, born: date | None
) -> None:
    snapshot = read({"resourceType": "Patient", "id": "p", "birthDate": given, "gender": "Female"})
    assert snapshot.patient.birth_date == born


@pytest.mark.parametrize(
    ("elements", "died"),
    [
        ({"deceasedBoolean": True}, True),
        ({"deceasedDateTime": "2026-01-01"}, True),
        ({"deceasedBoolean": False}, False),
    ],
)
def test_death_is_read_in_both_forms(read: Read, elements: dict[str, Any], died: bool) -> None:
    assert read({"resourceType": "Patient", "id": "p", **elements}).patient.deceased is died


def test_a_patient_that_never_came_is_missing(read: Read) -> None:
    assert not read(patient_id="other").complete("patient")


# ---- whose a resource is (T-10)

BASE = "https://ehr.test/fhir"


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": "Patient/p"},
        {"reference": f"{BASE}/Patient/p"},
        {"reference": "Patient/p/_history/3"},
        {"reference": "urn:uuid:p"},
        {"reference": "urn:uuid:1f0d"},
        {"reference": "#me"},
        [{"reference": "Patient/p"}],
    ],
)
def test_the_patient_is_known_in_every_form_of_reference(read: Read, subject: object) -> None:
    me = {
        "resourceType": "Patient",
        "id": "p",
        "identifier": [{"system": "http://mrn", "value": "7"}],
    }
    inside = {
        "resourceType": "Patient",
        "id": "me",
        "identifier": {"system": "http://mrn", "value": "7"},
    }
    snapshot = read(
        me,
        condition(subject=subject, contained=[inside]),
        bases=(BASE,),
        urls={"urn:uuid:1f0d": me},
    )
    assert (len(snapshot.problems), snapshot.dropped_foreign) == (1, 0)


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": "Patient/q"},
        {"reference": "Patient/pp"},
        {"reference": "Group/p"},
        {"reference": "https://elsewhere.test/fhir/Patient/p"},
        {"reference": f"{BASE}.evil.test/Patient/p"},
        {"reference": "urn:uuid:2222"},
        {"reference": "#me"},
        {"identifier": {"system": "http://mrn", "value": "7"}},
        {"display": "Somebody"},
        "Patient/p",
        7,
    ],
)
def test_another_patients_entries_never_count(read: Read, subject: object) -> None:
    snapshot = read(condition(subject=subject), bases=(BASE,))
    assert (snapshot.problems, snapshot.dropped_foreign) == ((), 1)


def test_an_entry_that_names_no_patient_is_taken(read: Read) -> None:
    snapshot = read(condition(subject=None))
    assert len(snapshot.problems) == 1


def test_without_a_known_base_the_tail_of_an_absolute_reference_decides(read: Read) -> None:
    assert len(read(condition(subject={"reference": f"{BASE}/Patient/p"})).problems) == 1
    assert read(condition(subject={"reference": f"{BASE}/Patient/q"})).problems == ()


@pytest.mark.parametrize("onset", ["x", "", "last week", "2026-13-40"])
def test_an_onset_that_cannot_be_read_leaves_the_date_of_the_record(read: Read, onset: str) -> None:
    found = only(read(condition(onsetDateTime=onset, recordedDate="2026-11-03")))
    assert found.since == datetime(2026, 11, 3, tzinfo=UTC)


LOCAL = {"system": "urn:oid:1.2.3", "code": "9"}
NAMELESS: tuple[Any, ...] = (None, {}, {"coding": []}, {"coding": [{}]}, {"coding": [LOCAL]}, 7)


@pytest.mark.parametrize("code", NAMELESS)
def test_a_problem_without_word_or_known_code_leaves_the_list_read_in_part(
    read: Read, code: Any
) -> None:
    """It may be the one that forbids an order."""
    snapshot = read(condition(code=code))
    assert snapshot.missing["conditions"] is Missing.TRUNCATED
    refuted = {"coding": [{"code": "refuted"}]}
    assert "conditions" not in read(condition(code=code, verificationStatus=refuted)).missing


@pytest.mark.parametrize(
    "code", [{"text": "Gout"}, {"coding": [{"system": ICD10, "code": "M10.9"}]}]
)
def test_a_problem_that_is_none_of_ours_leaves_the_list_read(read: Read, code: Any) -> None:
    assert "conditions" not in read(condition(code=code)).missing
