"""The cause of a read that failed is the same in the 412, the explanation and the log, so that an analyst need not guess."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from cds_service.app import create_app
from cds_service.cli.run import free_port
from cds_service.demo.stories import Story
from cds_service.records.causes import CODES
from cds_service.settings import Settings
from cds_service.telemetry import configure_logging
from tests.conftest import NOW
from tests.feedback.deployments import PATIENT_VIEW, a_call, close
from tests.picky_server import picky
from tests.trust.test_causes import certificate, server

PAGE = Path(__file__).parents[2] / "docs" / "reading-records.md"


def asked(
    folder: Path, base: str, call: dict[str, Any], entry: str, *, quiet: bool = True
) -> tuple[Any, dict[str, Any]]:
    """Returns the answer of a service with one client, and the log line of the call if `quiet`."""
    clients = folder / "clients.toml"
    clients.write_text(f"[clients.mercy]\nfhir_bases = ['{base}']\nexplain = true\n{entry}")
    app = create_app(
        Settings(
            mode="development", clients_file=clients, data_dir=folder, public_url="http://cds.test"
        ),
        clock=lambda: NOW,
    )
    kept: AbstractContextManager[Any] = capture_logs() if quiet else nullcontext([])
    with kept as lines:
        answer = app.test_client().post(PATIENT_VIEW, json=call)
    close(app)
    line: dict[str, Any] = next((one for one in lines if one["event"] in ("call", "refused")), {})
    return answer, dict(line)


def without_sodium(story: Story, base: str, change: dict[str, Any]) -> dict[str, Any]:
    """Returns a hook call whose sodium has to be read live."""
    call = a_call(story)
    del call["prefetch"]["sodium"]
    token = {"access_token": "t", "token_type": "Bearer", "expires_in": 300, "scope": "x"}
    call |= {"fhirServer": base, "fhirAuthorization": token | {"subject": "s"}} | change
    return {key: value for key, value in call.items() if value is not None}


CLOSED = f"http://127.0.0.1:{free_port('127.0.0.1')}/r4"
NO_TOKEN: dict[str, Any] = {"fhirAuthorization": None}
OPEN = "allow_private = true\n"
# What the call changes, the registry's entry, what the server answers, and the code of the cause.
KINDS: dict[str, tuple[dict[str, Any], str, int | None, str]] = {
    "a private address": ({}, "", None, "private-address"),
    "a server that is not registered": (
        {"fhirServer": "https://other.example/r4"},
        OPEN,
        None,
        "not-registered",
    ),
    "a call without a server": ({"fhirServer": None}, OPEN, None, "no-fhir-server"),
    "a call without a token": (NO_TOKEN, OPEN, None, "no-token"),
    "a token that cannot be used": ({"fhirAuthorization": {"x": 1}}, OPEN, None, "odd-token"),
    "nothing at the address": ({}, OPEN, None, "no-connection"),
    "a token that is refused": ({}, OPEN, 401, "token-refused"),
    "a status": ({}, OPEN, 500, "status-500"),
}
OF_NO_CLIENT = ("not-registered", "no-fhir-server")


@pytest.mark.parametrize("kind", KINDS)
def test_one_code_names_the_cause_in_the_error_the_card_the_explanation_and_the_log(
    kind: str, stories: dict[str, Story], tmp_path: Path
) -> None:
    change, entry, status, code = KINDS[kind]
    with _server(status) as base:
        call = without_sodium(stories["cramps-in-siadh"], base, change)
        refused, refusal = asked(tmp_path, base, call, entry)
        answered, line = asked(tmp_path, base, call, entry + "explain_missing_data = true\n")
    assert refused.status_code == 412
    text = refused.get_json()["issue"][0]["details"]["text"]
    assert text.endswith(f"(cause: {code})"), text
    assert refusal["causes"] == {"sodium": code}
    if code in OF_NO_CLIENT:
        assert answered.status_code == 412, (
            "without a token the call is of no client that wants a card"
        )
        return
    (card,) = answered.get_json()["cards"]
    assert f"For the EHR team: cause {code}." in card["detail"]
    (explained,) = answered.get_json()["extension"].values()
    assert explained["sources"]["sodium"].endswith(code)
    assert line["causes"]["sodium"] == code


def test_the_line_of_a_read_says_whose_call_it_was(
    stories: dict[str, Story], tmp_path: Path
) -> None:
    stream = io.StringIO()
    configure_logging(stream)
    try:
        asked(tmp_path, CLOSED, without_sodium(stories["seizure"], CLOSED, {}), OPEN, quiet=False)
    finally:
        structlog.reset_defaults()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    call = next(line for line in lines if line["event"] in ("call", "refused"))
    reads = [line for line in lines if line["event"] == "fetch"]
    assert reads, "nothing answers at that address"
    for read in reads:
        for name in ("request", "service"):
            assert read.get(name) == call[name], name


@contextmanager
def _server(status: int | None) -> Iterator[str]:
    if status is None:
        yield CLOSED
        return
    with picky([], lambda asked: status) as server:
        yield server.base


def test_a_certificate_that_is_not_accepted_has_its_code(
    stories: dict[str, Story], tmp_path: Path
) -> None:
    with server(certificate(tmp_path, "127.0.0.1", -1)) as port:
        base = f"https://127.0.0.1:{port}/r4"
        call = without_sodium(stories["cramps-in-siadh"], base, {})
        refused, refusal = asked(tmp_path, base, call, OPEN)
    assert refusal["causes"] == {"sodium": "certificate"}
    assert "TLS: the certificate" in refused.get_json()["issue"][0]["details"]["text"]


def test_an_error_in_the_prefetch_that_no_read_mends_has_the_code_of_the_read(
    stories: dict[str, Story], tmp_path: Path
) -> None:
    call = without_sodium(stories["cramps-in-siadh"], CLOSED, NO_TOKEN)
    call["prefetch"]["sodium"] = {"resourceType": "OperationOutcome", "issue": []}
    _, refusal = asked(tmp_path, CLOSED, call, OPEN)
    assert refusal["causes"] == {"sodium": "no-token"}


@pytest.mark.skipif(not PAGE.is_file(), reason="a wheel has no docs")
def test_the_page_explains_every_code_and_no_other() -> None:
    section = PAGE.read_text(encoding="utf-8").split("\n### Codes of a cause\n")[1]
    table = section.split("\n\nThese answers")[0]
    written = re.findall(r"^\| `([a-z-]+)(?:-[0-9]+)?` \|", table, re.MULTILINE)
    assert sorted(written) == sorted(CODES)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fhirServer": None}, "The call carries no 'fhirServer'"),
        ({"fhirServer": "https://other.example"}, "not among this client's fhir_bases"),
    ],
)
def test_a_call_of_no_registered_server_says_so(
    change: dict[str, Any], said: str, stories: dict[str, Story], tmp_path: Path
) -> None:
    base = "https://fhir.mercy.example/r4"
    call = without_sodium(stories["cramps-in-siadh"], base, change)
    refused, _ = asked(tmp_path, base, call, "")
    assert refused.status_code == 412
    assert said in refused.get_json()["issue"][0]["details"]["text"]
