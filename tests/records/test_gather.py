"""Prefetch first, live reads for the rest: what each key comes to, and which server is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import responses
from msgspec.structs import replace

from cds_service.errors import BadRequest
from cds_service.protocol.request import Secret
from cds_service.records.client import FhirClient
from cds_service.records.gather import Ask, Gathered, Unreachable, gather
from cds_service.sodium.snapshot import Missing
from cds_service.trust.client import ServerHabits
from cds_service.trust.deadline import Deadline
from cds_service.trust.registry import Client, ExtraSource

BASE = "https://fhir.mercy.example/r4"
TEMPLATES = {
    "patient": "Patient/{{context.patientId}}",
    "encounter": "Encounter/{{context.encounterId}}",
    "sodium": "Observation?patient={{context.patientId}}&code=http://loinc.org|2951-2",
}
OPTIONAL = {
    "NutritionOrder": "NutritionOrder?patient={{context.patientId}}",
    "ServiceRequest": "ServiceRequest?patient={{context.patientId}}",
}
TOKEN = Secret("t")
PATIENT = {"resourceType": "Patient", "id": "7"}
EMPTY = {"resourceType": "Bundle", "type": "searchset", "total": 0}
ERROR = {"resourceType": "OperationOutcome", "issue": [{"severity": "error"}]}


def sodium(*names: str, next_url: str | None = None) -> dict[str, Any]:
    links = [{"relation": "next", "url": next_url}] if next_url else []
    entries = [{"resource": {"resourceType": "Observation", "id": name}} for name in names]
    return {"resourceType": "Bundle", "link": links, "entry": entries}


@pytest.fixture
def server() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as server:
        yield server


@pytest.fixture
def fhir() -> Iterator[FhirClient]:
    fhir = FhirClient()
    yield fhir
    fhir.close()


def ask(
    prefetch: dict[str, object],
    *,
    server: str | None = BASE,
    token: Secret | None = TOKEN,
    encounter: str | None = None,
    extra: tuple[ExtraSource, ...] = (),
) -> Ask:
    mercy = Client(name="mercy", anonymous=False, fhir_bases=(BASE,), extra_sources=extra)
    return Ask(
        templates=TEMPLATES,
        optional=OPTIONAL,
        patient_id="7",
        encounter_id=encounter,
        prefetch=prefetch,
        fhir_server=server,
        token=token,
        client=mercy,
    )


def gathered(fhir: FhirClient, asked: Ask) -> Gathered:
    return gather(asked, fhir, Deadline.after(5))


def missing(found: Gathered) -> dict[str, Missing]:
    return {key: source.missing for key, source in found.sources.items() if source.missing}


def ids(found: Gathered, key: str) -> list[str]:
    return [resource.id for resource in found.sources[key].resources]


def test_a_complete_prefetch_needs_no_server(
    fhir: FhirClient, server: responses.RequestsMock
) -> None:
    found = gathered(fhir, ask({"patient": PATIENT, "sodium": sodium("1")}))
    assert (ids(found, "patient"), ids(found, "sodium")) == (["7"], ["1"])
    assert found.sources["sodium"].origin == "prefetch"
    assert "sodium" not in missing(found)
    assert len(server.calls) == 0


def test_what_is_known_to_be_empty_is_not_read_again(
    fhir: FhirClient, server: responses.RequestsMock
) -> None:
    for nothing in (None, EMPTY):
        source = gathered(fhir, ask({"patient": PATIENT, "sodium": nothing})).sources["sodium"]
        assert (source.state, source.missing) == ("empty", None)
    assert len(server.calls) == 0


def test_null_of_a_client_that_means_unknown_is_read_live(
    fhir: FhirClient, server: responses.RequestsMock
) -> None:
    server.get(f"{BASE}/Observation", json=sodium("1"))
    asked = ask({"patient": PATIENT, "sodium": None})
    unsure = replace(asked.client, habits=ServerHabits(null_means="unknown"))
    found = gathered(fhir, replace(asked, client=unsure))
    assert (ids(found, "sodium"), found.sources["sodium"].origin) == (["1"], "live")
    offline = replace(asked, client=unsure, fhir_server=None)
    assert missing(gathered(fhir, offline))["sodium"] is Missing.UNREACHABLE


@pytest.mark.parametrize(
    "prefetch", [{}, {"sodium": ERROR}, {"sodium": {"resourceType": "Patient"}}]
)
def test_what_is_absent_or_failed_is_read_live(
    fhir: FhirClient, server: responses.RequestsMock, prefetch: dict[str, object]
) -> None:
    server.get(f"{BASE}/Observation", json=sodium("1", "2"))
    server.get(f"{BASE}/Patient/7", json=PATIENT)
    found = gathered(fhir, ask(prefetch))
    assert (ids(found, "patient"), ids(found, "sodium")) == (["7"], ["1", "2"])
    assert found.sources["sodium"].origin == "live"
    asked = next(
        call.request.url for call in server.calls if "Observation" in str(call.request.url)
    )
    assert asked == f"{BASE}/Observation?patient=7&code=http://loinc.org%7C2951-2"
    assert {call.request.headers["Authorization"] for call in server.calls} == {"Bearer t"}


@pytest.mark.parametrize("live", [False, True])
def test_what_a_server_warned_of_is_kept_if_no_result_came_with_it(
    fhir: FhirClient, server: responses.RequestsMock, live: bool
) -> None:
    issue = {"severity": "warning", "details": {"coding": [{"code": "4119"}]}}
    outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
    for names, kept in (((), 1), (("1",), 0)):
        answer = sodium(*names)
        answer["entry"].append({"resource": outcome})
        server.get(f"{BASE}/Observation", json=answer)
        found = gathered(fhir, ask({"patient": PATIENT} | ({} if live else {"sodium": answer})))
        source = found.sources["sodium"]
        assert (source.origin, len(source.said)) == ("live" if live else "prefetch", kept)
        assert ids(found, "sodium") == list(names)
        server.reset()


def test_the_rest_of_a_prefetched_page_is_read_from_the_registered_base(
    fhir: FhirClient, server: responses.RequestsMock
) -> None:
    server.get(
        f"{BASE}/Observation",
        json=sodium("2"),
        match=[responses.matchers.query_param_matcher({"p": "2"})],
    )
    first = sodium("1", next_url=f"{BASE}/Observation?p=2")
    found = gathered(fhir, ask({"patient": PATIENT, "sodium": first}))
    assert ids(found, "sodium") == ["1", "2"]
    assert found.sources["sodium"].missing is None


@pytest.mark.parametrize(
    "next_url", ["https://evil.test/r4/Observation?p=2", "https://fhir.mercy.example/r5/x", "urn:x"]
)
def test_a_next_link_to_elsewhere_leaves_the_key_cut_off(
    fhir: FhirClient, server: responses.RequestsMock, next_url: str
) -> None:
    found = gathered(fhir, ask({"patient": PATIENT, "sodium": sodium("1", next_url=next_url)}))
    assert (ids(found, "sodium"), missing(found)["sodium"]) == (["1"], Missing.TRUNCATED)
    assert len(server.calls) == 0


def test_a_failing_live_read_keeps_the_prefetched_page(
    fhir: FhirClient, server: responses.RequestsMock
) -> None:
    server.get(f"{BASE}/Observation", status=500)
    first = sodium("1", next_url=f"{BASE}/Observation?p=2")
    counted = {**sodium("1"), "total": 9}  # which of the nine are absent is not known
    for prefetch, why in ((first, Missing.TRUNCATED), (counted, Missing.IN_PART)):
        found = gathered(fhir, ask({"patient": PATIENT, "sodium": prefetch}))
        assert (ids(found, "sodium"), missing(found)["sodium"]) == (["1"], why)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (ask({"patient": PATIENT}, server=None), "no-fhir-server"),
        (ask({"patient": PATIENT}, server="https://evil.test/r4"), "not-registered"),
        (ask({"patient": PATIENT}, token=None), "no-token"),
    ],
)
def test_without_leave_to_read_the_key_is_unreachable_and_says_why(
    fhir: FhirClient, server: responses.RequestsMock, asked: Ask, why: Unreachable
) -> None:
    found = gathered(fhir, asked)
    assert missing(found)["sodium"] is Missing.UNREACHABLE
    assert found.unreachable == why
    assert found.reads.get_many([f"{BASE}/Medication/1", "Medication/1"]) == {}
    assert len(server.calls) == 0


def test_a_key_that_the_client_failed_to_fetch_stays_failed_where_we_cannot_read_either(
    fhir: FhirClient,
) -> None:
    assert missing(gathered(fhir, ask({"sodium": ERROR}, token=None)))["sodium"] is Missing.FAILED


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_refuses_is_named_so(
    fhir: FhirClient, server: responses.RequestsMock, status: int
) -> None:
    server.get(f"{BASE}/Observation", status=status, body=json.dumps(ERROR))
    assert missing(gathered(fhir, ask({"patient": PATIENT})))["sodium"] is Missing.REFUSED


@pytest.mark.parametrize("status", [404, 410])
def test_a_patient_that_the_server_does_not_know_is_missing(
    fhir: FhirClient, server: responses.RequestsMock, status: int
) -> None:
    server.get(f"{BASE}/Patient/7", status=status)
    assert missing(gathered(fhir, ask({"sodium": EMPTY})))["patient"] is Missing.FAILED


def test_an_encounter_applies_only_where_the_context_has_one(
    fhir: FhirClient, server: responses.RequestsMock
) -> None:
    prefetch: dict[str, object] = {"patient": PATIENT, "sodium": EMPTY}
    assert missing(gathered(fhir, ask(prefetch)))["encounter"] is Missing.NOT_APPLICABLE
    server.get(f"{BASE}/Encounter/9", json={"resourceType": "Encounter", "id": "9"})
    assert "encounter" not in missing(gathered(fhir, ask(prefetch, encounter="9")))


def test_an_empty_first_page_with_a_next_link_is_not_an_empty_answer(
    fhir: FhirClient, server: responses.RequestsMock
) -> None:
    server.get(f"{BASE}/Observation", status=500)
    first = sodium(next_url=f"{BASE}/Observation?p=2")
    for asked in (ask({"sodium": first}), ask({"sodium": first}, token=None)):
        source = gathered(fhir, asked).sources["sodium"]
        assert (source.state, source.resources, source.missing) == ("failed", (), Missing.FAILED)


def test_further_sources_are_read_only_where_the_registry_lists_them(
    fhir: FhirClient, server: responses.RequestsMock
) -> None:
    server.get(f"{BASE}/NutritionOrder", json=EMPTY)
    found = gathered(fhir, ask({"patient": PATIENT, "sodium": EMPTY}, extra=("NutritionOrder",)))
    assert found.sources["NutritionOrder"].state == "empty"
    assert missing(found)["ServiceRequest"] is Missing.NOT_READ
    assert len(server.calls) == 1


def test_further_sources_are_taken_from_the_prefetch_if_they_came_with_it(
    fhir: FhirClient, server: responses.RequestsMock
) -> None:
    sent = {"patient": PATIENT, "sodium": EMPTY, "NutritionOrder": EMPTY, "ServiceRequest": EMPTY}
    found = gathered(fhir, ask(sent, extra=("NutritionOrder",)))
    assert found.sources["NutritionOrder"].shown == "empty (prefetch)"
    assert missing(found)["ServiceRequest"] is Missing.NOT_READ, "the registry does not list it"
    assert len(server.calls) == 0


def test_the_medications_behind_orders_are_read_within_the_same_call(
    fhir: FhirClient, server: responses.RequestsMock
) -> None:
    server.get(f"{BASE}/Medication/1", json={"resourceType": "Medication", "id": "1"})
    server.get(f"{BASE}/Medication/2", status=404)
    reads = gathered(fhir, ask({"patient": PATIENT, "sodium": EMPTY})).reads
    assert list(reads.get_many(["Medication/1", "Medication/2"])) == ["Medication/1"]


def test_another_patient_in_the_prefetch_is_refused_before_anything_is_read(
    fhir: FhirClient, server: responses.RequestsMock
) -> None:
    with pytest.raises(BadRequest):
        gathered(fhir, ask({"patient": {"resourceType": "Patient", "id": "8"}}))
