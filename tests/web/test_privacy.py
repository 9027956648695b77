"""Sentinel names, ids and tokens go through every path, good and failing, and turn up nowhere (T-60, T-61)."""

from __future__ import annotations

import io
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import structlog
from flask import Flask
from flask.testing import FlaskClient
from msgspec.structs import replace

from cds_service.app import create_app
from cds_service.demo.stories import Story
from cds_service.pipeline import Pipeline
from cds_service.records.client import FhirClient
from cds_service.settings import Settings
from cds_service.telemetry import configure_logging
from cds_service.web.runtime import EXTENSION, runtime_of
from tests.patience import PATIENCE_S
from tests.trust.tokens import forged, token

NAME, MRN, PATIENT, TOKEN = (
    "Zzsentinelname",
    "MRN-5e471e1",
    "zzsentinelpatient",
    "zzsentineltoken-5e471e1",
)
SENTINELS = (NAME, MRN, PATIENT, TOKEN)
SERVICE = "/cds-services/hyponatremia-patient-view"
ORDERS = "/cds-services/hyponatremia-order-select"
Body = dict[str, Any]


class Fhir(BaseHTTPRequestHandler):
    """A FHIR server that fails in the way its base path names, and says sentinels while it does."""

    def do_GET(self) -> None:
        how = self.path.split("/")[1]
        if how == "slow":
            time.sleep(0.6)
        body = json.dumps(
            {"resourceType": "OperationOutcome", "text": {"div": f"{NAME} {self.path}"}}
        ).encode()
        if how == "broken":
            body = b'{"resourceType": "Bundle", "entry": [' + NAME.encode()
        self.send_response({"error": 500, "denied": 403}.get(how, 200))
        self.send_header("Content-Length", str(len(body) + (50 if how == "short" else 0)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            return

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def fhir() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Fhir)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


HOWS = ("slow", "error", "denied", "broken", "short", "warning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("privacy")


@pytest.fixture(scope="module")
def app(folder: Path, fhir: str) -> Flask:
    bases = json.dumps([f"{fhir}/{how}" for how in HOWS] + ["http://127.0.0.1:9/refused"])
    path = folder / "clients.toml"
    path.write_text(
        f"[clients.local]\nfhir_bases = {bases}\nallow_private = true\ndeadline_ms = 300\n"
    )
    settings = Settings(
        mode="development", clients_file=path, data_dir=folder / "data", explain=True
    )
    return create_app(settings)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def written(
    app: Flask, capfd: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], str]]:
    """Everything that was written so far: our log, other libraries' logs, standard streams, the store."""
    monkeypatch.setattr("cds_service.store.recorder._GATHER_S", 0.01)
    ours, theirs = io.StringIO(), io.StringIO()
    configure_logging(ours, level=logging.DEBUG)
    handler = logging.StreamHandler(theirs)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)

    def everything() -> str:
        assert runtime_of(app).recorder.flush(PATIENCE_S)  # what is written behind the answer
        out, err = capfd.readouterr()
        kept = [
            p.read_bytes().decode("latin-1") for p in (folder / "data").rglob("*") if p.is_file()
        ]
        return "\n".join([ours.getvalue(), theirs.getvalue(), out, err, *kept])

    yield everything
    root.removeHandler(handler)
    root.setLevel(before)
    structlog.reset_defaults()


@pytest.fixture
def body(stories: dict[str, Story]) -> Body:
    """A story's call in which the patient, the record and the token are sentinels."""
    story = stories["cramps-in-siadh"]
    text = json.dumps(story.request_at(datetime.now(UTC)), default=float).replace(
        story.patient_id, PATIENT
    )
    call: Body = json.loads(text)
    patient = {"resourceType": "Patient", "id": PATIENT, "birthDate": "1950-01-01"}
    call["prefetch"]["patient"] = patient | {
        "name": [{"family": NAME}],
        "identifier": [{"value": MRN}],
    }
    call["fhirAuthorization"] = {
        "access_token": TOKEN, "token_type": "Bearer", "expires_in": 60, "scope": "x", "subject": NAME
    }  # fmt: skip
    call["fhirServer"] = "https://ehr.example/r4"
    call["context"]["userId"] = "Practitioner/7"
    return call


def clean(text: str, *, of: tuple[str, ...] = SENTINELS) -> None:
    for sentinel in of:
        assert sentinel not in text


def test_t60_a_good_call_leaves_no_trace_of_the_patient(
    client: FlaskClient, body: Body, fhir: str, written: Callable[[], str]
) -> None:
    body["fhirServer"] = f"{fhir}/error"
    answer = client.post(SERVICE, json=body)
    assert answer.status_code == 200
    assert answer.get_json()["cards"]
    clean(answer.text, of=(NAME, MRN, TOKEN))
    clean(json.dumps(answer.get_json()["extension"]))
    output = written()
    assert '"call"' in output
    clean(output)


@pytest.mark.parametrize("how", [*HOWS, "refused"])
def test_t60_a_fhir_server_that_fails_puts_nothing_into_answers_or_logs(
    client: FlaskClient, body: Body, fhir: str, how: str, written: Callable[[], str]
) -> None:
    body["prefetch"] = {}
    body["fhirServer"] = "http://127.0.0.1:9/refused" if how == "refused" else f"{fhir}/{how}"
    answer = client.post(SERVICE, json=body)
    assert answer.status_code in (200, 412)
    clean(answer.text)
    clean(written())


def broken(body: Body, how: str) -> dict[str, Any]:
    """How a call is spoilt: what `client.post` is given."""
    if how == "json":
        return {"data": json.dumps(body)[:-5], "content_type": "application/json"}
    if how == "utf-8":
        return {"data": json.dumps(body).encode() + b"\xff", "content_type": "application/json"}
    if how == "type":
        return {"data": json.dumps(body), "content_type": f"text/{NAME}"}
    if how == "encoding":
        return {"json": body, "headers": {"Content-Encoding": NAME}}
    if how == "token":
        return {"json": body, "headers": {"Authorization": f"Bearer {TOKEN}.{NAME}.x"}}
    changed: dict[str, Any] = {
        "hook": {"hook": NAME},
        "instance": {"hookInstance": {NAME: MRN}},
        "context": {"context": {"patientId": f"{PATIENT}?{NAME}"}},
        "server": {"fhirServer": f"https://{NAME}.example/{MRN}"},
        "no-server": {"fhirServer": None},
        "kind": {"fhirAuthorization": {"access_token": TOKEN, "token_type": NAME}},
        "patient": {
            "fhirAuthorization": {"access_token": TOKEN, "token_type": "Bearer", "patient": NAME}
        },
        "prefetch": {"prefetch": [NAME]},
        "empty": {"prefetch": {}, "fhirServer": None, "fhirAuthorization": None},
    }
    return {
        "json": {
            name: value for name, value in {**body, **changed[how]}.items() if value is not None
        }
    }


@pytest.mark.parametrize(
    "how",
    [
        "json", "utf-8", "type", "encoding", "token", "hook", "instance", "context", "server", "no-server",
        "kind", "patient", "prefetch", "empty",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", [SERVICE, ORDERS, f"/cds-services/{NAME}", SERVICE + "/feedback"])
def test_t61_no_error_repeats_what_was_sent(
    client: FlaskClient, body: Body, path: str, how: str, written: Callable[[], str]
) -> None:
    answer = client.post(path, **broken(body, how))
    if answer.status_code != 200:
        clean(answer.text + str(answer.headers))
        assert answer.get_json(force=True)["resourceType"] == "OperationOutcome"
    clean(written())


def test_t61_a_bug_is_a_500_that_names_nothing(
    client: FlaskClient, body: Body, written: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise RuntimeError(f"{NAME} {MRN} {TOKEN} {PATIENT}")

    monkeypatch.setattr(Pipeline, "answer", crash)
    answer = client.post(SERVICE, json=body)
    assert answer.status_code == 500
    for hidden in (*SENTINELS, "RuntimeError", "pipeline", "Traceback", "/cds_service/"):
        assert hidden not in answer.text
    output = written()
    assert '"crash"' in output
    assert "RuntimeError" in output
    clean(output)


def test_t61_a_bug_while_reading_is_no_different(
    client: FlaskClient,
    body: Body,
    fhir: str,
    written: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise ValueError(f"{NAME} {TOKEN}")

    for name in ("read", "open", "reads"):
        if hasattr(FhirClient, name):
            monkeypatch.setattr(FhirClient, name, crash)
    body |= {"prefetch": {}, "fhirServer": f"{fhir}/error"}
    answer = client.post(SERVICE, json=body)
    assert answer.status_code in (412, 500)
    clean(answer.text)
    clean(written())


def test_feedback_is_logged_without_its_comment(
    client: FlaskClient, written: Callable[[], str]
) -> None:
    item = {"card": "c", "outcome": "overridden", "outcomeTimestamp": "2026-11-21T12:00:00Z"}
    item |= {"overrideReason": {"userComment": "zzsentinelcomment"}}  # type: ignore[dict-item]
    assert client.post(SERVICE + "/feedback", json={"feedback": [item]}).status_code == 200
    logged = [line for line in written().splitlines() if '"event"' in line]
    assert any('"feedback"' in line for line in logged)
    clean("\n".join(logged), of=("zzsentinelcomment",))


@pytest.mark.parametrize("text", [forged("none", sub=NAME), token(sub=NAME, jti=MRN)])
def test_a_token_of_the_caller_is_never_written(
    client: FlaskClient, body: Body, text: str, written: Callable[[], str]
) -> None:
    answer = client.post(SERVICE, json=body, headers={"Authorization": f"Bearer {text}"})
    output = answer.text + str(answer.headers) + written()
    assert text not in output
    assert text.split(".")[1] not in output
    clean(output, of=(TOKEN, MRN))


def test_t70_no_metrics_and_no_versions_on_the_public_port(client: FlaskClient) -> None:
    assert client.get("/metrics").status_code == 404
    assert set(client.get("/health").get_json()) == {"status"}


def test_t45_ten_times_the_entries_take_about_ten_times_as_long(
    client: FlaskClient, body: Body
) -> None:
    def seconds(entries: int) -> float:
        entry = {"resource": {"resourceType": "Observation"}}
        body["prefetch"]["labs"] = {
            "resourceType": "Bundle",
            "type": "searchset",
            "entry": [entry] * entries,
        }
        text = json.dumps(body, separators=(",", ":"))
        assert len(text) < 2_000_000
        began = time.process_time()  # other processes do not count
        answer = client.post(SERVICE, data=text, content_type="application/json")
        assert answer.status_code in (200, 400, 412)
        return time.process_time() - began

    seconds(10)
    few, many = min(seconds(4_000) for _ in range(3)), min(seconds(40_000) for _ in range(3))
    assert many < 60 * few  # a square would be a hundred times as long


def test_t45_a_resource_as_large_as_the_body_may_be_is_read_like_a_small_one(
    app: Flask, client: FlaskClient, body: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no cap for one resource: its unread members cost little, and a refusal would lose it."""
    now = datetime.now(UTC)  # drafts are written as of the second of their call
    monkeypatch.setitem(app.extensions, EXTENSION, replace(runtime_of(app), clock=lambda: now))
    plain = client.post(SERVICE, json=body)
    assert "authoredOn" in plain.text
    entry = body["prefetch"]["sodium"]["entry"][0]["resource"]
    entry["text"] = {"status": "generated", "div": "<div>" + "x" * 1_700_000 + "</div>"}
    assert client.post(SERVICE, json=body).text == plain.text


def test_t43_of_two_members_with_one_name_the_last_one_counts_everywhere(
    client: FlaskClient, body: Body
) -> None:
    text = json.dumps(body)
    doubled = text.replace('"hook":', '"hook": "order-select", "hook":', 1)
    assert client.post(SERVICE, data=doubled, content_type="application/json").status_code == 200
