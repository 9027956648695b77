"""One slow chart refuses nobody else, and a server that was dead gives cards as soon as it is back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cds_service.errors import DataLeftAlone, DataTooSlow, DataUnavailable
from cds_service.pipeline import Pipeline
from cds_service.protocol.request import HookRequest, Secret
from cds_service.records.breaker import Pause
from cds_service.records.client import FhirClient
from cds_service.records.pool import ReadLimits
from cds_service.trust.client import Client
from cds_service.trust.deadline import Deadline
from cds_service.web.runtime import runtime_of
from tests.fhir_resources import NOW, VIEW, Resource, sodium
from tests.picky_server import Asked, Picky, picky
from tests.records.test_breaker import Later
from tests.test_searches import live

SLOW = "slow"
SHORT_S = 0.3  # of a call that is going to be too late
LONG_S = 20.0  # of a call that must not be: no other patient may depend on this machine's load


def charts(*patients: str) -> list[Resource]:
    """A patient with a critical sodium for each name."""
    found: list[Resource] = []
    for name in patients:
        low = sodium("117")
        found += [
            {"resourceType": "Patient", "id": name, "birthDate": "1950-01-01"},
            {**low, "id": f"na-{name}", "subject": {"reference": f"Patient/{name}"}},
        ]
    return found


class Ward:
    """A service whose clock and background a test moves."""

    def __init__(self, server: Picky) -> None:
        self.now = 0.0
        self.later = Later()
        self.fhir = FhirClient(ReadLimits(), clock=lambda: self.now, later=self.later)
        self.service: Pipeline = live(self.fhir)
        self.client = Client(
            name="mercy", anonymous=False, fhir_bases=(server.base,), allow_private=True
        )
        self.base = server.base

    def opens(self, patient: str, seconds: float = LONG_S) -> int:
        """Opens a chart; returns the number of cards."""
        request = HookRequest(
            service=VIEW,
            hook="patient-view",
            hook_instance="i",
            received=NOW,
            patient_id=patient,
            user_id="Practitioner/1",
            fhir_server=self.base,
            token=Secret("t"),
        )
        return len(self.service.answer(request, self.client, Deadline.after(seconds)).cards)


def of_patient(asked: Asked) -> str:
    return asked.parameters.get("patient") or asked.path.rpartition("/")[2]


@pytest.fixture
def hospital() -> Iterator[Picky]:
    names = [SLOW, *(f"p{n}" for n in range(20))]

    def behave(asked: Asked) -> None:
        if of_patient(asked) == SLOW:
            server.ending.wait()

    with picky(charts(*names), behave) as server:
        yield server


def test_a_slow_chart_that_is_opened_again_and_again_refuses_no_other_patient(
    hospital: Picky,
) -> None:
    ward = Ward(hospital)
    for number in range(20):
        with pytest.raises(DataTooSlow):
            ward.opens(SLOW, SHORT_S)
        assert ward.opens(f"p{number}") == 1, f"patient {number} was refused"
    assert ward.fhir.pauses() == ()
    ward.fhir.close()


def test_a_slow_chart_alone_opens_nothing_however_often(hospital: Picky) -> None:
    ward = Ward(hospital)
    for _ in range(12):
        with pytest.raises(DataTooSlow):
            ward.opens(SLOW, SHORT_S)
    assert ward.opens("p1") == 1
    ward.fhir.close()


def test_a_slow_chart_that_several_open_at_once_leaves_room_for_the_others(
    hospital: Picky,
) -> None:
    ward = Ward(hospital)
    several = [threading.Thread(target=ward.opens, args=(SLOW,)) for _ in range(6)]
    for one in several:
        one.start()
    assert [ward.opens(f"p{n}") for n in range(5)] == [1] * 5
    assert all(one.is_alive() for one in several), "the slow chart was not slow"
    hospital.ending.set()
    for one in several:
        one.join()
    ward.fhir.close()


def dead(asked: Asked) -> int:
    return 503


def well(asked: Asked) -> None:
    return None


@pytest.mark.parametrize("how", ["background", "call"])
def test_the_first_call_after_a_dead_server_is_back_gets_cards(how: str) -> None:
    patients = [f"p{n}" for n in range(8)]
    with picky(charts("p1"), dead) as server:
        ward = Ward(server)
        for patient in patients[:5]:
            with pytest.raises(DataUnavailable, match=r"status 503"):
                ward.opens(patient)
        asked = len(server.asked)
        with pytest.raises(DataLeftAlone, match=r"left alone since \d\d:\d\d UTC after 5 failed"):
            ward.opens("p6")
        assert len(server.asked) == asked, "a server that is left alone was asked"
        server.refuses = well
        if how == "background":
            ward.later.happens()
            assert server.asked[-1].path == "metadata"
            assert "Authorization" not in server.asked[-1].headers
        else:
            ward.now += ReadLimits().open_s
        assert ward.opens("p1") == 1
        assert ward.fhir.pauses() == ()
    ward.fhir.close()


def test_the_card_and_the_sources_say_that_the_server_was_left_alone() -> None:
    with picky(charts("p1"), dead) as server:
        ward = Ward(server)
        for patient in range(5):
            with pytest.raises(DataUnavailable):
                ward.opens(f"p{patient}")
        explaining = Client(
            name="mercy",
            anonymous=False,
            fhir_bases=(server.base,),
            allow_private=True,
            explain_missing_data=True,
        )
        request = HookRequest(
            service=VIEW,
            hook="patient-view",
            hook_instance="i",
            received=NOW,
            patient_id="p1",
            user_id="Practitioner/1",
            fhir_server=server.base,
            token=Secret("t"),
        )
        answer = ward.service.answer(request, explaining, Deadline.after(LONG_S))
    assert "left alone since" in answer.cards[0]["summary"] + answer.cards[0]["detail"]
    assert answer.sources["sodium"].shown == "failed: left-alone"
    ward.fhir.close()


def test_health_says_so_without_naming_the_server(app: Flask, client: FlaskClient) -> None:
    here = runtime_of(app)
    since = datetime(2026, 11, 20, 9, 14, tzinfo=UTC)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(here.pipeline._fhir, "pauses", lambda: (Pause(since, 5),))
        told = client.get("/health").get_json()
    assert told["status"] == "degraded"
    assert told["degraded"] == [
        "live reads: a FHIR server is left alone since 09:14 UTC after 5 failed calls"
    ]
