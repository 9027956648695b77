"""Each log line says whose request it is, and one id finds a call at the EHR, the service and the FHIR server."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from flask import Flask

from cds_service.app import create_app
from cds_service.demo.stories import Story
from cds_service.settings import Settings
from cds_service.telemetry import configure_logging
from cds_service.web.front import REFUSED
from tests.conftest import NOW
from tests.feedback.deployments import PATIENT_VIEW, a_call, close
from tests.picky_server import picky
from tests.trust.tokens import token, written

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    configure_logging(stream)
    yield stream
    structlog.reset_defaults()


def read(lines: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def development(folder: Path, entry: str) -> Flask:
    clients = folder / "clients.toml"
    clients.write_text(f"[clients.mercy]\n{entry}\n")
    return create_app(
        Settings(
            mode="development", clients_file=clients, data_dir=folder, public_url="http://cds.test"
        ),
        clock=lambda: NOW,
    )


def test_a_refused_call_says_of_which_client_and_service_it_was(
    lines: io.StringIO, stories: dict[str, Story], tmp_path: Path
) -> None:
    base = "https://fhir.mercy.example/r4"
    app = development(tmp_path, f"fhir_bases = ['{base}']")
    call = a_call(stories["cramps-in-siadh"]) | {"fhirServer": base}
    del call["prefetch"]["sodium"]
    headers = {"X-Request-ID": "ehr-request-0001", "traceparent": PARENT}
    answer = app.test_client().post(PATIENT_VIEW, json=call, headers=headers)
    untraced = app.test_client().get("/nothing-here")
    close(app)
    assert answer.status_code == 412
    assert answer.headers["X-Request-ID"] == "ehr-request-0001"
    version, of_trace, ours, flags = answer.headers["traceresponse"].split("-")
    assert (version, of_trace, flags) == ("00", TRACE, "01")
    assert ours not in PARENT
    assert "traceresponse" not in untraced.headers
    refused, other = [line for line in read(lines) if line["event"] == "refused"]
    assert refused["client"] == "mercy"
    assert refused["service"] == "hyponatremia-patient-view"
    assert (refused["request"], refused["trace"]) == ("ehr-request-0001", TRACE)
    assert "client" not in other, "the next request of this thread is not of that client"
    assert other["request"] != refused["request"]
    assert all(line["release"] and line["node"] and line["worker"] for line in read(lines))


def test_the_line_of_a_call_leaves_out_what_was_neither_sent_nor_read(
    lines: io.StringIO, stories: dict[str, Story], tmp_path: Path
) -> None:
    """The line was longer than a kilobyte: it named sources that were neither sent nor read."""
    app = development(tmp_path, "open_access = true")
    call = a_call(stories["cramps-in-siadh"])
    app.test_client().post(PATIENT_VIEW, json=call)
    close(app)
    (line,) = [line for line in read(lines) if line["event"] == "call"]
    assert set(line["sources"]) == set(call["prefetch"])
    assert not {"origins", "statuses", "missing", "causes"} & line.keys()
    assert len(json.dumps(line)) < 1000


def test_a_token_that_is_refused_names_the_client_that_it_claims(
    lines: io.StringIO, stories: dict[str, Story], tmp_path: Path
) -> None:
    app = create_app(
        Settings(
            mode="development",
            clients_file=written(tmp_path),
            data_dir=tmp_path,
            public_url="https://cds.example",
        ),
        clock=lambda: NOW,
    )
    headers = {"Authorization": f"Bearer {token(aud='https://wrong.example')}"}
    call = a_call(stories["cramps-in-siadh"])
    answer = app.test_client().post(PATIENT_VIEW, json=call, headers=headers)
    close(app)
    assert answer.status_code == 401
    told = [line for line in read(lines) if line["event"] in ("unauthorized", "refused")]
    assert [line["client"] for line in told] == ["mercy", "mercy"]


@pytest.mark.parametrize(
    ("content", "environ", "status"),
    [
        ("text/plain", {}, 415),
        ("application/json", {"HTTP_CONTENT_ENCODING": "br"}, 415),
        ("application/json", {"CONTENT_LENGTH": "9000000"}, 413),
        ("application/json", {REFUSED: 413}, 413),
        ("application/json", {REFUSED: 408}, 408),
        ("application/json", {REFUSED: 400}, 400),
    ],
)
@pytest.mark.parametrize("end", ["", "/feedback"])
def test_a_call_that_is_refused_before_its_token_is_read_names_the_service_of_its_path(
    end: str,
    content: str,
    environ: dict[str, Any],
    status: int,
    lines: io.StringIO,
    tmp_path: Path,
) -> None:
    app = development(tmp_path, "fhir_bases = ['https://fhir.mercy.example/r4']")
    answer = app.test_client().post(
        PATIENT_VIEW + end, data=b"{}", content_type=content, environ_overrides=environ
    )
    unknown = app.test_client().post(f"/cds-services/jane-roe{end}", data=b"{}")
    close(app)
    assert (answer.status_code, unknown.status_code) == (status, 404)
    refused, other = [line for line in read(lines) if line["event"] == "refused"]
    assert refused["service"] == "hyponatremia-patient-view"
    assert "service" not in other, "what a path says is never logged"
    assert "jane" not in lines.getvalue()


@pytest.mark.parametrize("given", ["", "short", "Jane Doe 1970-01-01", "x" * 65, "a\tb-12345678"])
def test_an_id_in_another_form_is_replaced_and_never_logged(
    given: str, lines: io.StringIO, tmp_path: Path
) -> None:
    app = development(tmp_path, "fhir_bases = ['https://fhir.mercy.example/r4']")
    environ = {"HTTP_X_REQUEST_ID": given, "HTTP_TRACEPARENT": given}
    answer = app.test_client().get("/nothing-here", environ_overrides=environ)
    close(app)
    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["X-Request-ID"])
    assert not given or given not in lines.getvalue()
    assert "trace" not in read(lines)[-1]


def test_live_reads_carry_the_ids_of_their_call(stories: dict[str, Story], tmp_path: Path) -> None:
    call = a_call(stories["cramps-in-siadh"])
    del call["prefetch"]["sodium"]
    with picky([], lambda asked: None) as server:
        entry = f"fhir_bases = ['{server.base}']\nallow_private = true\nopen_access = true"
        app = development(tmp_path, entry)
        call["fhirServer"] = server.base
        headers = {"X-Request-ID": "ehr-request-0001", "traceparent": PARENT}
        app.test_client().post(PATIENT_VIEW, json=call, headers=headers)
        close(app)
        sent = [asked.headers for asked in server.asked]
    assert sent
    for one in sent:
        assert one["X-Request-ID"] == "ehr-request-0001"
        assert one["traceparent"].split("-")[1] == TRACE
        assert one["traceparent"] != PARENT
