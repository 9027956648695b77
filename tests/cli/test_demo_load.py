"""`cds-service demo load` writes the stories; live reads then give the same cards."""

from __future__ import annotations

import json
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import responses
from flask.testing import FlaskClient

from cds_service.app import create_app
from cds_service.cli import main
from cds_service.cli.demo_call import live_call
from cds_service.cli.run import free_port
from cds_service.demo import upload
from cds_service.demo.stories import Story
from cds_service.demo.upload import Upload, in_order
from cds_service.errors import UploadError
from cds_service.protocol.request import Secret
from cds_service.settings import Settings
from cds_service.trust.registry import Client, Registry
from tests.fhir_store import FhirStore, Habits, fhir_store

Run = Callable[..., tuple[int, str, str]]

DEADLINE_MS = 5000  # a slow machine is not what is tried here


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command as typed and returns exit code, output and errors. Pauses take no time."""
    monkeypatch.setattr(upload, "_PAUSES_S", (0.0, 0.0, 0.0))
    monkeypatch.setattr(upload, "_LOOK_EVERY_S", 0.02)

    def typed(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["cds-service", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        result = capsys.readouterr()
        return int(ended.value.code or 0), result.out, result.err

    return typed


@pytest.fixture
def store() -> Iterator[FhirStore]:
    with fhir_store() as store:
        yield store


@cache
def reading(base: str, profile: str, explain: bool, folder: Path) -> FlaskClient:
    """Makes one service for all stories that reads everything from `base`, as they are told."""
    reader = Client(
        fhir_bases=(base,),
        open_access=True,
        allow_private=True,
        profile=profile,
        explain_missing_data=explain,
        deadline_ms=DEADLINE_MS,
    )
    settings = Settings(
        mode="demo", data_dir=folder, public_url="http://cds.test", deadline_ms=DEADLINE_MS
    )
    return create_app(settings, registry=lambda: Registry(anonymous=reader)).test_client()


def live_cards(story: Story, base: str, folder: Path) -> list[dict[str, Any]]:
    """Returns the cards of a service that reads the story from `base`."""
    client = reading(base, story.file.profile, story.file.explain_missing_data, folder)
    call = live_call(story, base, None, datetime.now(UTC))
    assert "prefetch" not in call
    answer = client.post(
        f"/cds-services/{story.file.service}", json=json.loads(json.dumps(call, default=float))
    )
    assert answer.status_code == 200, answer.data
    cards: list[dict[str, Any]] = (answer.json or {})["cards"]
    return cards


@pytest.mark.parametrize("transactions", [True, False], ids=["transaction", "put-only"])
def test_what_was_loaded_gets_the_cards_that_the_stories_promise(
    run: Run, stories: dict[str, Story], tmp_path: Path, transactions: bool
) -> None:
    from tests.test_fixtures import _head, _meets

    with fhir_store(Habits(transactions=transactions)) as store:
        code, out, _ = run("demo", "load", "--fhir-base", store.base, "--json")
        assert code == 0
        result = json.loads(out)
        assert result["by"] == ("transaction" if transactions else "put")
        assert {s["name"] for s in result["stories"]} | set(result["leftOut"]) == set(stories)
        for named in result["stories"]:
            story = stories[named["name"]]
            cards = live_cards(story, store.base, tmp_path)
            assert [_head(card) for card in cards] == [
                (e.topic, e.indicator) for e in story.file.cards
            ], story.name
            for card, expected in zip(cards, story.file.cards, strict=True):
                _meets(card, expected)


def test_a_second_run_brings_the_same_resources_to_its_own_minute(
    run: Run, store: FhirStore, stories: dict[str, Story], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("demo", "load", "--fhir-base", store.base, "--story", "cramps-in-siadh", "--json")
    first = json.loads(run(*arguments)[1])
    assert first["asOf"] == datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:00Z")
    loaded = {name: json.dumps(r, default=str) for name, r in store.held.resources.items()}
    shifted = stories["cramps-in-siadh"].resources_at(datetime.fromisoformat(first["asOf"]))
    # Numbers are sent as JSON, so they are compared as JSON; only the label was added.
    assert {f"{r['resourceType']}/{r['id']}" for r in shifted} == set(loaded)
    for resource in shifted:
        there = dict(store.held.resources[f"{resource['resourceType']}/{resource['id']}"])
        assert there.pop("meta")["security"][0]["code"] == "HTEST"
        assert there == json.loads(json.dumps(resource, default=float))
    code, _, _ = run(*arguments)
    assert code == 0
    assert set(store.held.resources) == set(loaded)


def test_only_the_named_story_is_loaded_and_the_printed_lines_can_be_pasted(
    run: Run, store: FhirStore
) -> None:
    code, out, _ = run("demo", "load", "--fhir-base", f"{store.base}/", "--story", "acute-fall")
    assert code == 0
    assert {name for name in store.held.resources if name.startswith("Patient/")} == {
        "Patient/acute-fall"
    }
    assert f"cds-service demo --fhir-base {store.base}\n" in out
    pasted = re.search(r"cds-service (demo request [^|]+) \|", out)
    assert pasted
    code, out, _ = run(*pasted[1].split())
    call = json.loads(out)
    assert (code, call["fhirServer"], call["context"]["patientId"]) == (0, store.base, "acute-fall")


def test_an_unknown_story_is_refused_before_anything_is_written(run: Run, store: FhirStore) -> None:
    code, _, err = run("demo", "load", "--fhir-base", store.base, "--story", "acute-rise")
    assert code == 2
    assert "acute-fall" in err
    assert store.held.asked == []


def test_load_waits_for_a_server_that_starts_late(run: Run) -> None:
    port = free_port("127.0.0.1")
    stop = threading.Event()

    def start_late() -> None:
        time.sleep(0.5)
        with fhir_store(port=port):
            stop.wait(30)

    thread = threading.Thread(target=start_late)
    thread.start()
    base = f"http://127.0.0.1:{port}/fhir"
    code, out, err = run(
        "demo", "load", "--fhir-base", base, "--wait", "20", "--story", "acute-fall"
    )
    stop.set()
    thread.join()
    assert code == 0, err
    assert f"Waiting for {base}" in err
    assert "1 stories" in out


def test_no_server_is_one_clear_line(run: Run) -> None:
    port = free_port("127.0.0.1")
    code, _, err = run(
        "demo", "load", "--fhir-base", f"http://127.0.0.1:{port}/fhir", "--wait", "0"
    )
    assert code == 1
    assert err.count("\n") == 1
    assert "no FHIR server there: GET metadata: no connection" in err


@pytest.mark.parametrize("status", [400, 404, 422, 500])
@pytest.mark.parametrize("transactions", [True, False], ids=["transaction", "put-only"])
def test_a_refusal_in_the_middle_names_resource_and_status_and_a_second_run_completes_it(
    run: Run, store: FhirStore, status: int, transactions: bool
) -> None:
    def trouble(method: str, path: str, number: int) -> int | None:
        second = path == "Observation/cramps-in-siadh-o1"
        return status if second or (path == "" and transactions and number > 2) else None

    store.habits = Habits(transactions=transactions, trouble=trouble)
    arguments = (
        "demo",
        "load",
        "--fhir-base",
        store.base,
        "--story",
        "acute-fall",
        "--story",
        "cramps-in-siadh",
    )
    code, _, err = run(*arguments)
    assert code == 1
    assert f"PUT Observation/cramps-in-siadh-o1: status {status}" in err
    assert "Sent by a test." in err
    assert "Run it again" in err
    assert "Patient/acute-fall" in store.held.resources
    store.habits = Habits(transactions=transactions)
    assert run(*arguments)[0] == 0
    assert "Observation/cramps-in-siadh-o1" in store.held.resources


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_load_tries_a_busy_server_again_and_names_it_if_it_stays_busy(
    run: Run, store: FhirStore, status: int
) -> None:
    store.habits = Habits(trouble=lambda method, path, number: status if number in (2, 4) else None)
    arguments = ("demo", "load", "--fhir-base", store.base, "--story", "acute-fall")
    assert run(*arguments)[0] == 0
    store.habits = Habits(trouble=lambda method, path, number: status if method != "GET" else None)
    code, _, err = run(*arguments)
    assert code == 1
    assert f"status {status}" in err


def test_a_server_that_stops_answering_in_the_middle_is_named(
    run: Run, store: FhirStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "_ANSWER_S", 0.3)

    def trouble(method: str, path: str, number: int) -> int | None:
        if method == "PUT" and path.startswith("Encounter/"):
            time.sleep(0.6)
        return None

    store.habits = Habits(transactions=False, trouble=trouble)
    code, _, err = run("demo", "load", "--fhir-base", store.base, "--story", "acute-fall")
    assert code == 1
    assert "Encounter/acute-fall-visit: no answer within" in err


def test_another_person_under_the_same_id_is_never_overwritten(run: Run, store: FhirStore) -> None:
    someone = {
        "resourceType": "Patient",
        "id": "acute-fall",
        "name": [{"family": "Real", "given": ["Person"]}],
    }
    store.held.resources["Patient/acute-fall"] = someone
    code, _, err = run("demo", "load", "--fhir-base", store.base, "--story", "acute-fall")
    assert code == 1
    assert "Patient/acute-fall on this server is somebody else" in err
    assert store.held.resources == {"Patient/acute-fall": someone}


def test_the_token_comes_from_the_environment_and_is_never_shown(
    run: Run, store: FhirStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.habits = Habits(token="sentinel-4711")
    arguments = ("demo", "load", "--fhir-base", store.base, "--story", "acute-fall")
    code, _, err = run(*arguments)
    assert code == 1
    assert "status 401, give a token" in err
    monkeypatch.setenv("DEMO_FHIR_TOKEN", "sentinel-4711")
    code, out, err = run(*arguments)
    assert code == 0
    assert "sentinel" not in out + err
    monkeypatch.setenv("DEMO_FHIR_TOKEN", "two\nlines")
    code, out, err = run(*arguments)
    assert code == 2
    assert "lines" not in out + err


def test_the_token_may_be_in_a_file(
    run: Run, store: FhirStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store.habits = Habits(token="sentinel-4711")
    arguments = ("demo", "load", "--fhir-base", store.base, "--story", "acute-fall")
    path = tmp_path / "token"
    monkeypatch.setenv("DEMO_FHIR_TOKEN_FILE", str(path))
    code, _, err = run(*arguments)
    assert (code, "DEMO_FHIR_TOKEN_FILE cannot be read" in err) == (2, True)
    path.write_text("sentinel-4711\n")
    code, out, err = run(*arguments)
    assert code == 0
    assert "sentinel" not in out + err


@pytest.mark.parametrize("version", ["1.0.2", "3.0.2", "5.0.0"])
def test_a_server_that_speaks_another_fhir_is_refused_at_once(
    run: Run, store: FhirStore, version: str
) -> None:
    store.habits = Habits(fhir_version=version)
    code, _, err = run("demo", "load", "--fhir-base", store.base, "--wait", "60")
    assert code == 1
    assert version in err
    assert {method for method, _ in store.held.asked} == {"GET"}


def test_invented_records_go_through_the_open_internet_by_https_only(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: public)
    code, _, err = run("demo", "load", "--fhir-base", "http://fhir.example/r4", "--wait", "0")
    assert code == 1
    assert "use https" in err


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "http://u:p@127.0.0.1/fhir", "127.0.0.1:8080/fhir", ""]
)
def test_a_text_that_is_not_a_base_url_is_refused(run: Run, url: str) -> None:
    code, _, err = run("demo", "load", "--fhir-base", url)
    assert code == 2
    assert "--fhir-base" in err


def test_a_redirect_is_reported_and_not_followed() -> None:
    with responses.RequestsMock() as net:
        net.get(
            "http://127.0.0.1:1/fhir/metadata",
            status=301,
            headers={"Location": "http://127.0.0.1:2/fhir"},
        )
        with pytest.raises(UploadError, match="status 301, give the URL that it moved to"):
            Upload("http://127.0.0.1:1/fhir").wait(60, lambda waited, why: None)


def test_a_transaction_that_failed_inside_a_200_is_an_error() -> None:
    patient = {"resourceType": "Patient", "id": "p1", "name": [{"family": "A"}]}
    failed = {"resourceType": "Bundle", "entry": [{"response": {"status": "422 Unprocessable"}}]}
    with responses.RequestsMock() as net:
        net.get("http://127.0.0.1:1/fhir/Patient/p1", status=404)
        net.post("http://127.0.0.1:1/fhir", json=failed)
        net.put("http://127.0.0.1:1/fhir/Patient/p1", status=201)
        upload = Upload("http://127.0.0.1:1/fhir", Secret("t"))
        upload.store([patient])
        assert net.calls[-1].request.headers["Authorization"] == "Bearer t"
    assert upload.transactions is False


def test_each_resource_is_written_after_those_that_it_refers_to() -> None:
    def one(name: str, *refers: str) -> dict[str, Any]:
        type_, id_ = name.split("/")
        return {"resourceType": type_, "id": id_, "part": [{"reference": to} for to in refers]}

    record = [
        one("Observation/o", "Encounter/e", "Patient/p", "Device/not-here"),
        one("Encounter/e", "Patient/p", "Condition/c"),
        one("Condition/c", "Encounter/e", "Patient/p"),  # the two refer to each other
        one("Patient/p"),
    ]
    names = [f"{r['resourceType']}/{r['id']}" for r in in_order(record)]
    assert sorted(names) == ["Condition/c", "Encounter/e", "Observation/o", "Patient/p"]
    assert names[0] == "Patient/p"
    assert names[-1] == "Observation/o"


def test_an_option_of_the_demo_before_a_subcommand_is_refused(run: Run) -> None:
    code, _, err = run("demo", "--fhir-base", "http://127.0.0.1:1/fhir", "load")
    assert code == 2
    assert "--fhir-base belongs behind the command" in err


@pytest.mark.parametrize("command", ["load", "request", "call", "registry"])
def test_each_command_has_a_help_page(run: Run, command: str) -> None:
    code, out, _ = run("demo", command, "--help")
    assert code == 0
    assert "--fhir-base" in out
    assert "Example" in out
