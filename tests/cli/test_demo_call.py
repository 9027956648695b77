"""A service in development mode answers the invented EHR of a generated registry."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from cds_service.cli.demo_call import signed_token
from cds_service.cli.run import free_port
from cds_service.demo.stories import Story
from tests.cli.test_servers import started
from tests.cli.typed import Done, run, run_alone
from tests.fhir_store import FhirStore, fhir_store
from tests.patience import PATIENCE_S, until


@pytest.fixture(scope="module")
def records() -> Iterator[FhirStore]:
    with fhir_store() as store:
        assert run("demo", "load", "--fhir-base", store.base).returncode == 0
        yield store


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, records: FhirStore) -> Path:
    """Returns the options for clients.toml and for the key of its one EHR."""
    made = tmp_path_factory.mktemp("registry")
    result = run("demo", "registry", "--fhir-base", records.base, *_files(made))
    assert result.returncode == 0, result.stderr
    return made


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[str]:
    port = free_port("127.0.0.1")
    environment = {
        "CDS_MODE": "development",
        "CDS_CLIENTS_FILE": f"{folder}/clients.toml",
        "CDS_DATA_DIR": f"{folder}/data",
        "CDS_PORT": str(port),
        "CDS_DEADLINE_MS": "5000",
        "CDS_DRAIN_SECONDS": "0",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "cds_service", "serve"],
        env=os.environ | environment,
        stderr=subprocess.DEVNULL,
    )
    yield started(process, f"http://127.0.0.1:{port}")  # type: ignore[arg-type]  # its output is not read
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 0


def _files(folder: Path) -> tuple[str, ...]:
    return "--clients-file", f"{folder}/clients.toml", "--key-file", f"{folder}/key/ehr.pem"


def in_time(command: Callable[..., Done], *arguments: str) -> Done:
    """Calls until the service has read the record in its five seconds: a busy machine takes longer."""
    done: list[Done] = []

    def is_read() -> bool:
        done.append(command(*arguments))
        return "taking too long" not in done[-1].stderr

    until(is_read)
    return done[-1]


def test_a_call_with_the_key_gets_the_cards_of_the_story_read_live(
    service: str, records: FhirStore, folder: Path
) -> None:
    key = f"{folder}/key/ehr.pem"
    arguments = (
        "demo",
        "call",
        "cramps-in-siadh",
        "--fhir-base",
        records.base,
        "--service-url",
        service,
    )
    result = in_time(run_alone, *arguments, "--key-file", key)
    assert result.returncode == 0, result.stderr
    assert "1000 mL" in result.stdout
    as_json = json.loads(in_time(run, *arguments, "--key-file", key, "--json").stdout)
    assert [card["source"]["topic"]["code"] for card in as_json["cards"]]


def test_a_call_without_the_key_is_refused_in_one_line(service: str, records: FhirStore) -> None:
    result = run(
        "demo", "call", "cramps-in-siadh", "--fhir-base", records.base, "--service-url", service
    )
    assert result.returncode == 1
    assert "answered 401" in result.stderr
    assert "token" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_token_of_the_generated_registry_counts_once(
    service: str, folder: Path, records: FhirStore, stories: dict[str, Story]
) -> None:
    from datetime import UTC, datetime

    headers = {"Authorization": f"Bearer {signed_token(folder / 'key/ehr.pem', datetime.now(UTC))}"}
    call = json.loads(run("demo", "request", "cramps-in-siadh", "--fhir-base", records.base).stdout)
    url = f"{service}/cds-services/hyponatremia-patient-view"
    said = [
        requests.post(url, json=call, headers=headers, timeout=PATIENCE_S).status_code
        for _ in range(2)
    ]
    assert said == [200, 401]


def test_only_the_owner_can_read_the_key_and_neither_file_is_overwritten(
    folder: Path, records: FhirStore
) -> None:
    key, registry = folder / "key/ehr.pem", folder / "clients.toml"
    before = key.read_bytes(), registry.read_bytes()
    assert key.stat().st_mode & 0o777 == 0o600
    assert b"PRIVATE" not in registry.read_bytes()
    again = run("demo", "registry", "--fhir-base", records.base, *_files(folder))
    assert again.returncode == 0
    assert "nothing was changed" in again.stdout
    assert (key.read_bytes(), registry.read_bytes()) == before


def test_a_registry_without_its_key_is_not_overwritten(tmp_path: Path, records: FhirStore) -> None:
    (tmp_path / "clients.toml").write_text("[clients.mercy]\n")
    result = run("demo", "registry", "--fhir-base", records.base, *_files(tmp_path))
    assert result.returncode == 1
    assert "not overwritten" in result.stderr
    assert (tmp_path / "clients.toml").read_text() == "[clients.mercy]\n"
    assert not (tmp_path / "key").exists()


def test_a_url_without_a_service_is_one_clear_line(records: FhirStore) -> None:
    url = f"http://127.0.0.1:{free_port('127.0.0.1')}"
    result = run("demo", "call", "acute-fall", "--fhir-base", records.base, "--service-url", url)
    assert result.returncode == 1
    assert "Is the service running there?" in result.stderr


def test_a_key_that_cannot_be_read_is_refused(tmp_path: Path, records: FhirStore) -> None:
    (tmp_path / "ehr.pem").write_text("no key")
    result = run(
        "demo",
        "call",
        "acute-fall",
        "--fhir-base",
        records.base,
        "--key-file",
        f"{tmp_path}/ehr.pem",
    )
    assert result.returncode == 2
    assert "--key-file" in result.stderr
