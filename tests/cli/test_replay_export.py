"""`cds-service replay-export` counts the cards of recorded calls, and loses no file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cds_service.cli import cli
from cds_service.demo.stories import Story, default_fixtures_dir, load_stories

STORIES = load_stories(default_fixtures_dir())


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["replay-export", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The calls of a few stories, one a line, each with its moment."""
    names = ("cramps-in-siadh", "normal-sodium", "sodium-not-readable", "saline-3-percent-mild")
    lines = [_call(STORIES[name]) for name in names]
    (tmp_path / "calls.ndjson").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path


def _call(story: Story) -> str:
    return json.dumps({"at": story.file.now.isoformat(), **story.request}, default=float)


def test_the_figures_of_both_profiles_come_as_json(folder: Path) -> None:
    result = run(folder, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.output)
    assert told["notUsed"] == []
    assert set(told["profiles"]) == {"aasld", "european"}
    figures = told["profiles"]["aasld"]
    assert (figures["calls"], figures["cards"], figures["refused"]) == (4, 2, {"412": 1})
    assert figures["per100ByIndicator"]["warning"] == 50
    topics = {row["topic"]: row for row in figures["per100ByTopic"]}
    assert set(topics) == {"sodiumMildSymptomatic", "hypertonicSalineMild"}
    assert figures["draftOrders"]["most"] > 0
    assert figures["bullets"]["most"] > 0


def test_a_person_reads_a_table_for_each_profile(folder: Path) -> None:
    result = run(folder, "--profile", "aasld")
    assert result.exit_code == 0
    assert "aasld: 4 calls, 2 with a card" in result.output
    assert "Again within 24 h" in result.output
    assert "european" not in result.output


def test_the_same_call_again_is_a_repeat(folder: Path) -> None:
    lines = (folder / "calls.ndjson").read_text(encoding="utf-8")
    (folder / "again.ndjson").write_text(lines, encoding="utf-8")
    figures = json.loads(run(folder, "--json", "--profile", "aasld").output)["profiles"]["aasld"]
    assert figures["repeatsWithin24h"] == 2


def test_a_bad_file_is_named_counts_as_an_error_and_costs_no_other(folder: Path) -> None:
    (folder / "broken.json").write_text("{", encoding="utf-8")
    (folder / "other.json").write_text('{"hook": "no-hook", "at": "2026-11-20T09:00:00Z"}', "utf-8")
    result = run(folder, "--profile", "aasld")
    assert result.exit_code == 1
    assert "aasld: 4 calls" in result.output
    assert "Not used: broken.json: The body is not valid JSON: " in result.output
    assert "Not used: other.json: The member 'hook' names no hook" in result.output
    told = json.loads(run(folder, "--json").stdout)
    assert [each["where"] for each in told["notUsed"]] == ["broken.json", "other.json"]


def test_a_folder_without_calls_is_an_error(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert result.exit_code == 1
    assert "No hook call found" in result.output
    assert run(tmp_path / "nowhere").exit_code == 2


def test_the_figures_name_no_patient(folder: Path) -> None:
    for output in (run(folder).output, run(folder, "--json").output):
        assert "cramps-in-siadh" not in output
        assert "Practitioner" not in output
