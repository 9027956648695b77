"""With a collector each call is one trace with its reads, and no span or metric names a patient."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from cds_service import metrics, otlp
from cds_service.app import create_app
from cds_service.demo.stories import Story
from cds_service.errors import SettingsError
from cds_service.settings import Settings
from tests.collector import Collector, collecting
from tests.conftest import NOW
from tests.feedback.deployments import PATIENT_VIEW, a_call, close
from tests.patience import until
from tests.picky_server import picky

if not os.environ.get("CI"):  # there the extra is installed, and must be
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{CALLER}-01"
STORY = "cramps-in-siadh"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Collector, list[Any]]]:
    """One call with live reads and one that is refused, as the collector and the server saw them."""
    from cds_service.demo.stories import default_fixtures_dir, load_stories

    folder = tmp_path_factory.mktemp("otlp")
    call = a_call(load_stories(default_fixtures_dir())[STORY])
    patient = call["context"]["patientId"]
    del call["prefetch"]["sodium"]
    with collecting() as collector, picky([], lambda asked: None) as server:
        clients = folder / "clients.toml"
        clients.write_text(
            f"[clients.mercy]\nfhir_bases = ['{server.base}']\nallow_private = true\nopen_access = true\n"
        )
        app = create_app(
            Settings(
                mode="development",
                clients_file=clients,
                data_dir=folder,
                public_url="http://cds.test",
            ),
            clock=lambda: NOW,
        )
        call["fhirServer"] = server.base
        otlp.enable(collector.base, "0.0.0")
        headers = {"X-Request-ID": "ehr-request-0001", "traceparent": PARENT}
        client = app.test_client()
        client.post(PATIENT_VIEW, json=call, headers=headers)
        client.get(f"/nothing/{patient}")
        otlp.close(10)
        close(app)
        yield collector, server.asked


def test_a_call_is_a_part_of_the_callers_trace_and_its_reads_are_parts_of_the_call(
    told: tuple[Collector, list[Any]],
) -> None:
    collector, asked = told
    spans = [span for span in collector.spans() if span["trace"] == TRACE]
    (request,) = [span for span in spans if span["name"] == "request"]
    assert request["parent"] == CALLER
    assert request["http.route"] == "/cds-services/<service_id>"
    assert request["cds.client"] == "mercy"
    assert request["cds.service"] == "hyponatremia-patient-view"
    assert request["cds.request"] == "ehr-request-0001"
    reads = [span for span in spans if span["name"] == "fhir-read"]
    assert reads
    assert {span["parent"] for span in reads} == {request["id"]}
    assert {span["cds.resource_type"] for span in reads} == {"Observation"}
    sent = {one.headers["traceparent"] for one in asked}
    assert sent == {f"00-{TRACE}-{span['id']}-01" for span in reads}, "the FHIR server can join"
    assert "read" in {span["name"] for span in spans}, "the stages of the call"


def test_no_span_and_no_metric_holds_anything_of_a_patient(
    told: tuple[Collector, list[Any]], stories: dict[str, Story]
) -> None:
    collector, _ = told
    sent = b"".join(body for _, body in collector.bodies)
    story = stories[STORY]
    person = next(one for one in story.resources if one["resourceType"] == "Patient")
    secrets = [story.patient_id, person["birthDate"], person["name"][0]["family"]]
    for secret in secrets:
        assert secret.encode() not in sent, "of a patient"
    for span in collector.spans():
        own = {"name", "id", "trace", "parent", "events"}
        assert set(span) - own <= otlp.ATTRIBUTES
        assert span["events"] == 0, "no text of an error"
    (lost,) = [s for s in collector.spans() if s.get("http.response.status_code") == 404]
    assert lost["http.route"] == "none", "an address may hold anything"


def test_the_numbers_of_prometheus_arrive_too(told: tuple[Collector, list[Any]]) -> None:
    found = told[0].metrics()
    (calls,) = found["cds_client_calls"].sum.data_points
    labels = {a.key: a.value.string_value for a in calls.attributes}
    assert labels["client"] == "mercy"
    assert calls.as_int == 1
    assert {p.count for p in found["cds_call_seconds"].histogram.data_points} == {1}
    assert "cds_registry_broken" in found


def test_without_a_caller_a_call_begins_a_trace_of_its_own() -> None:
    with collecting() as collector:
        otlp.enable(collector.base, "0.0.0")
        with otlp.span("request", "", serves=True) as span:
            assert int(span.traceparent[-2:], 16) & 1, "it is sampled"
        otlp.close(10)
        (one,) = collector.spans()
    assert one["parent"] == ""


def test_a_collector_that_is_gone_or_hangs_costs_no_call_and_no_stop() -> None:
    otlp.enable("http://127.0.0.1:9", "0.0.0")
    with otlp.span("request"):
        metrics.count("cds_queue_lost")
    ended = threading.Thread(target=otlp.close, args=(0.2,), daemon=True)
    ended.start()
    ended.join(20)
    assert not ended.is_alive()
    assert not otlp.is_on()
    until(lambda: not [one for one in threading.enumerate() if one.name.startswith("Otel")])


def test_off_nothing_of_it_is_imported_and_every_span_is_the_same_object() -> None:
    code = (
        "import sys, cds_service.app, cds_service.cli.serve\n"
        "from cds_service import otlp\n"
        "print(any(n.startswith('opentelemetry') for n in sys.modules), otlp.span('a') is otlp.span('b'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.split() == ["False", "True"], done.stdout


def test_a_url_without_the_extra_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"CDS_OTLP_URL needs the extra \[otel\]"):
        otlp.enable("http://127.0.0.1:9", "0.0.0")
