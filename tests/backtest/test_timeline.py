"""A moment sees what was known then, and nothing that the export knows today."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cds_service.backtest.judge import asked_by
from cds_service.backtest.timeline import Record
from cds_service.trust.client import Client
from tests.backtest.judging import pipeline, timeline
from tests.backtest.small_exports import (
    START,
    Resource,
    condition,
    order,
    patient,
    result,
    sertraline,
    stay,
)

SERTRALINE = "m-p1-312941-0"


def record(resources: list[Resource], hours: float, client: Client | None = None) -> Record:
    """What a call sees so many hours after START."""
    service = pipeline().knowledge.services["hyponatremia-patient-view"]
    asked = asked_by(service, client or Client())
    return timeline(resources).at(START + timedelta(hours=hours), asked)


def ids(found: Record, key: str) -> list[str]:
    return [one.id for one in found.sources[key].resources]


# ---- results


def test_a_result_is_seen_from_when_it_was_issued() -> None:
    chart = [patient(), result(139, 0), result(120, 10, late=3)]
    assert ids(record(chart, 12), "sodium") == ["2951-2-p1-0"]
    assert ids(record(chart, 13), "sodium") == ["2951-2-p1-10", "2951-2-p1-0"], "the newest first"


def test_without_issued_a_result_counts_from_its_draw_and_that_is_a_guess() -> None:
    drawn = result(120, 10)
    drawn.pop("issued")
    assert ids(record([patient(), drawn], 9.9), "sodium") == []
    seen = record([patient(), drawn], 10)
    assert ids(seen, "sodium")
    assert seen.guessed == {"known-since"}


def test_a_result_that_was_loaded_years_later_was_known_when_it_was_drawn() -> None:
    loaded = result(120, 10, late=24 * 400)
    seen = record([patient(), loaded], 11)
    assert ids(seen, "sodium")
    assert seen.guessed == {"known-since"}


def test_a_day_without_a_clock_is_known_at_its_end() -> None:
    day = result(120, 0)
    day.pop("issued")
    day["effectiveDateTime"] = "2026-03-01"
    assert ids(record([patient(), day], 15), "sodium") == []
    assert ids(record([patient(), day], 16), "sodium"), "midnight of that day"


def test_only_the_newest_come_as_many_as_the_service_asks_for() -> None:
    chart = [patient(), *(result(139, n) for n in range(130))]
    seen = ids(record(chart, 200), "sodium")
    assert (len(seen), seen[0]) == (100, "2951-2-p1-129")


# ---- problems, the patient, the stay


def test_a_problem_is_seen_from_when_it_was_recorded() -> None:
    chart = [patient(), condition("84114007", "Heart failure", 10, onsetDateTime="2020-01-01")]
    assert ids(record(chart, 9), "conditions") == []
    assert ids(record(chart, 10), "conditions") == ["c-p1-84114007"]


def test_a_problem_without_a_date_of_its_note_counts_from_its_onset_and_that_is_a_guess() -> None:
    chart = [patient(), condition("84114007", "Heart failure", None, onsetDateTime="2020-01-01")]
    seen = record(chart, 0)
    assert ids(seen, "conditions")
    assert seen.guessed == {"condition-date"}


def test_a_problem_that_is_over_today_was_active_before() -> None:
    over: Resource = {
        "clinicalStatus": {"coding": [{"code": "resolved"}]},
        "abatementDateTime": (START + timedelta(hours=20)).isoformat(),
    }
    chart = [patient(), condition("422587007", "Nausea", 0, **over)]
    (before,) = record(chart, 10).sources["conditions"].resources
    (after,) = record(chart, 20).sources["conditions"].resources
    assert before.clinical_status is None
    assert after.clinical_status is not None


def test_who_died_later_was_alive() -> None:
    died = patient(deceasedDateTime=(START + timedelta(hours=20)).isoformat())
    assert record([died], 10).sources["patient"].resources[0].deceased_date_time == ""
    assert record([died], 20).sources["patient"].resources[0].deceased_date_time


@pytest.mark.parametrize(("hours", "inside"), [(-1, False), (0, True), (50, True), (51, False)])
def test_a_chart_is_opened_in_hospital_during_a_stay(hours: float, inside: bool) -> None:
    seen = record([patient(), stay(0, 50)], hours)
    assert seen.inpatient is inside
    assert (seen.encounter_id is not None) is inside


def test_a_stay_without_an_end_lasts_until_the_next_and_that_is_a_guess() -> None:
    chart = [patient(), stay(0, None), stay(200, 210)]
    assert record(chart, 199).inpatient
    assert record(chart, 199).guessed == {"encounter"}
    assert not record(chart, 211).inpatient


# ---- orders


def _ended(status: str, **more: Any) -> Resource:
    return sertraline(0, status=status, **more)


def _after(hours: float) -> str:
    return (START + timedelta(hours=hours)).isoformat()


WEEK = 168
VALID = {"dispenseRequest": {"validityPeriod": {"end": _after(WEEK)}}}
SUPPLY = {"dispenseRequest": {"expectedSupplyDuration": {"value": 7, "code": "d"}}}
PERIOD = {
    "dosageInstruction": [{"timing": {"repeat": {"boundsPeriod": {"end": _after(WEEK)}}}}]
}  # fmt: skip
DISPENSED = {
    "resourceType": "MedicationDispense",
    "id": "d1",
    "subject": {"reference": "Patient/p1"},
    "status": "completed",
    "authorizingPrescription": [{"reference": f"MedicationRequest/{SERTRALINE}"}],
    "whenHandedOver": _after(0),
    "daysSupply": {"value": 7},
}
ENDS: dict[str, tuple[list[Resource], bool]] = {
    "its validity": ([_ended("completed", **VALID)], False),
    "its supply": ([_ended("completed", **SUPPLY)], False),
    "its period": ([_ended("completed", **PERIOD)], False),
    "what was dispensed": ([_ended("completed"), DISPENSED], True),
    "the next order": ([_ended("stopped"), sertraline(WEEK)], True),
    "the end of the stay": ([_ended("completed"), stay(-1, WEEK)], True),
    "the last change": ([_ended("stopped", meta={"lastUpdated": _after(WEEK)})], True),
    "a stop before its validity": ([_ended("stopped", **VALID)], True),
}


@pytest.mark.parametrize("by", ENDS)
def test_an_order_that_ended_was_current_until_then(by: str) -> None:
    orders, guessed = ENDS[by]
    before, after = record([patient(), *orders], WEEK - 1), record([patient(), *orders], WEEK + 1)
    assert SERTRALINE in ids(before, "medications")
    assert {one.status for one in before.sources["medications"].resources} == {"active"}
    assert SERTRALINE not in ids(after, "medications")
    assert SERTRALINE in ids(after, "pastMedications")
    assert ("order-status" in after.guessed) is guessed


def test_an_order_is_not_seen_before_it_was_written() -> None:
    assert ids(record([patient(), sertraline(10)], 9), "medications") == []
    assert ids(record([patient(), sertraline(10)], 10), "medications")


@pytest.mark.parametrize("status", ["entered-in-error", "draft"])
def test_an_order_that_was_none_is_never_seen(status: str) -> None:
    seen = record([patient(), _ended(status)], 10)
    assert ids(seen, "medications") == ids(seen, "pastMedications") == []


def test_a_cancelled_order_is_no_past_one_afterwards() -> None:
    seen = record([patient(), _ended("cancelled", **VALID)], WEEK + 1)
    assert ids(seen, "medications") == ids(seen, "pastMedications") == []


def test_another_drug_does_not_end_an_order() -> None:
    other = order("310798", "hydrochlorothiazide 25 MG Oral Tablet", 24)
    assert SERTRALINE in ids(record([patient(), _ended("stopped"), other], 100), "medications")


def test_the_medication_that_an_order_points_to_comes_with_it() -> None:
    pointing = sertraline(0)
    name = pointing.pop("medicationCodeableConcept")
    pointing["medicationReference"] = {"reference": "Medication/x"}
    product = {"resourceType": "Medication", "id": "x", "code": name}
    seen = record([patient(), pointing, product], 1)
    assert ids(seen, "medications") == [SERTRALINE, "x"]


# ---- what a client reads beside


def test_an_optional_source_is_read_if_the_client_lists_it() -> None:
    given = {
        "resourceType": "MedicationAdministration",
        "id": "a1",
        "status": "completed",
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": _after(5),
    }
    chart = [patient(), given]
    assert record(chart, 6).sources["MedicationAdministration"].state == "absent"
    listing = Client(extra_sources=("MedicationAdministration",))
    assert ids(record(chart, 6, listing), "MedicationAdministration") == ["a1"]
    assert ids(record(chart, 4, listing), "MedicationAdministration") == []


def test_the_same_resource_twice_counts_once_and_the_newer_version_of_two() -> None:
    old = result(139, 0, meta={"lastUpdated": _after(1)})
    new = result(129, 0, meta={"lastUpdated": _after(2)}, status="corrected")
    (seen,) = record([patient(), new, old, new], 5).sources["sodium"].resources
    assert seen.status == "corrected"
