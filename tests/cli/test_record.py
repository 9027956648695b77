"""`cds-service record` writes calls without identifiers, which replay, explain and replay-export read."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner, Result

from cds_service.cli import cli
from cds_service.demo.stories import Story, default_fixtures_dir
from tests.conftest import NOW
from tests.patience import PATIENCE_S

REQUEST = default_fixtures_dir() / "cramps-in-siadh" / "request.json"
SECRET = "NEVER-WRITE-THIS-TOKEN"


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(one) for one in arguments])


def _topics(cards: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(card["source"]["topic"]["code"], card["indicator"]) for card in cards]


def test_a_file_is_recorded_replayed_explained_and_counted(tmp_path: Path) -> None:
    made = _run("record", tmp_path / "calls", "--call", REQUEST, "--profile", "european")
    assert made.exit_code == 0, made.output
    path = tmp_path / "calls" / "0001-patient-view.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "Does one name somebody?" in made.stderr
    assert "  sertraline 50 MG Oral Tablet" in made.stderr
    text = path.read_text()
    assert "cramps-in-siadh" not in text
    assert "Lindqvist" not in text
    replayed = _run("replay", "--json", path)
    assert replayed.exit_code == 0, replayed.output
    assert _topics(json.loads(replayed.stdout)["cards"]) == [("sodiumMildSymptomatic", "warning")]
    explained = json.loads(_run("explain", "--json", path).stdout)
    assert explained["explanation"]["profile"] == "european"
    assert _topics(explained["cards"]) == [("sodiumMildSymptomatic", "warning")]
    counted = json.loads(_run("replay-export", "--json", tmp_path / "calls").stdout)
    assert counted["notUsed"] == []
    assert counted["profiles"]["european"]["calls"] == 1


def test_calls_of_a_running_service_are_recorded_with_what_it_read_live(
    server: str, stories: dict[str, Story], tmp_path: Path
) -> None:
    call = json.loads(json.dumps(stories["cramps-in-siadh"].request_at(NOW), default=float))
    del call["prefetch"]
    requests.post(f"{server}/workbench/forget", json={}, timeout=PATIENCE_S)
    answer = requests.post(
        f"{server}/cds-services/hyponatremia-patient-view",
        json=call
        | {
            "fhirServer": f"{server}/demo/fhir",
            "fhirAuthorization": {"access_token": SECRET, "token_type": "Bearer"},
        },
        timeout=PATIENCE_S,
    ).json()
    made = _run("record", tmp_path, "--from", server)
    assert made.exit_code == 0, made.output
    (path,) = tmp_path.glob("*.json")
    text = path.read_text()
    for secret in (SECRET, "cramps-in-siadh", "Lindqvist", server, "demo-clinician"):
        assert secret not in text, secret
    cards = json.loads(_run("replay", "--json", path).stdout)["cards"]
    assert _topics(cards) == _topics(answer["cards"])
    assert [c["summary"] for c in cards] == [c["summary"] for c in answer["cards"]]
    assert [len(c["suggestions"]) for c in cards] == [
        len(c["suggestions"]) for c in answer["cards"]
    ]


def test_no_file_is_overwritten(tmp_path: Path) -> None:
    for _ in range(2):
        assert _run("record", tmp_path, "--call", REQUEST).exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "0001-patient-view.json",
        "0002-patient-view.json",
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[]", "no JSON object"),
        ("{", "JSON"),
        ('{"hook": "nothing", "context": {"patientId": "1"}}', "names no hook"),
        ('{"hook": "patient-view"}', "patientId"),
    ],
)
def test_what_is_no_hook_call_is_said(content: str, words: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text(content)
    result = _run("record", tmp_path / "out", "--call", wrong)
    assert result.exit_code != 0
    assert words in f"{result.output}{result.exception}"
    assert not list((tmp_path / "out").glob("*"))


def test_a_service_that_does_not_run_is_said(tmp_path: Path) -> None:
    result = _run("record", tmp_path, "--from", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert "Is the service running there?" in result.output


def test_a_file_that_is_not_there_or_holds_no_call_is_said(tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text('{"hook": "patient-view"}')
    result = _run("replay", tmp_path / "odd.json")
    assert result.exit_code == 1
    assert "no moment" in result.output
    missing = _run("replay", tmp_path / "gone.json")
    assert "there is no such file" in f"{missing.output}{missing.exception}"
