"""The cause of a read that failed is the same in the 412, the explanation and the log, so that an analyst need not guess."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from cds_service.app import create_app
from cds_service.cli.run import free_port
from cds_service.demo.stories import Story
from cds_service.settings import Settings
from tests.conftest import NOW
from tests.feedback.deployments import PATIENT_VIEW, a_call, close

PRIVATE = "no connection: its address is private, and the client's entry has no allow_private"


def asked(folder: Path, base: str, call: dict[str, Any], entry: str) -> tuple[Any, dict[str, Any]]:
    """Returns the answer of a service with one client, and the log line of the call."""
    clients = folder / "clients.toml"
    clients.write_text(f"[clients.mercy]\nfhir_bases = ['{base}']\nexplain = true\n{entry}")
    app = create_app(
        Settings(
            mode="development", clients_file=clients, data_dir=folder, public_url="http://cds.test"
        ),
        clock=lambda: NOW,
    )
    with capture_logs() as lines:
        answer = app.test_client().post(PATIENT_VIEW, json=call)
    close(app)
    line = next(one for one in lines if one["event"] in ("call", "refused"))
    return answer, dict(line)


def without_sodium(story: Story, base: str, change: dict[str, Any]) -> dict[str, Any]:
    """Returns a hook call whose sodium has to be read live."""
    call = a_call(story)
    del call["prefetch"]["sodium"]
    token = {"access_token": "t", "token_type": "Bearer", "expires_in": 300, "scope": "x"}
    call |= {"fhirServer": base, "fhirAuthorization": token | {"subject": "s"}} | change
    return {key: value for key, value in call.items() if value is not None}


@pytest.mark.parametrize(
    ("change", "cause", "said"),
    [
        ({}, PRIVATE, PRIVATE),
        ({"fhirAuthorization": None}, "no-token", "The call carries no 'fhirAuthorization'"),
    ],
)
def test_the_same_cause_is_in_the_error_the_explanation_and_the_log(
    change: dict[str, Any], cause: str, said: str, stories: dict[str, Story], tmp_path: Path
) -> None:
    base = f"http://127.0.0.1:{free_port('127.0.0.1')}/r4"
    call = without_sodium(stories["cramps-in-siadh"], base, change)
    refused, _ = asked(tmp_path, base, call, "")
    assert refused.status_code == 412
    assert said in refused.get_json()["issue"][0]["details"]["text"]
    answered, line = asked(tmp_path, base, call, "explain_missing_data = true")
    (explained,) = answered.get_json()["extension"].values()
    assert explained["sources"]["sodium"].endswith(cause)
    assert line["causes"]["sodium"] == cause
    assert line["missing"]["sodium"] in ("failed", "unreachable")


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
