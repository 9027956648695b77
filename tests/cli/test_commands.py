"""The command line has help pages, clear errors, right exit codes, and --json for scripts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cds_service.cli import Commands, cli
from cds_service.demo.stories import default_fixtures_dir
from cds_service.knowledge.load import default_hooks_dir
from tests.cli.typed import run, run_alone


@pytest.fixture
def hooks(tmp_path: Path) -> Path:
    return Path(shutil.copytree(default_hooks_dir(), tmp_path / "hooks"))


@pytest.mark.parametrize("command", Commands.commands_by_name)
def test_each_command_has_a_help_page(command: str) -> None:
    result = CliRunner().invoke(cli, [command, "--help"])
    assert result.exit_code == 0
    assert result.output.startswith("Usage:")


def _groups(command: click.Command, name: str = "cds-service") -> Iterator[tuple[str, click.Group]]:
    if isinstance(command, click.Group):
        yield name, command
        context = click.Context(command)
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            assert found is not None
            yield from _groups(found, f"{name} {child}")


@pytest.mark.parametrize("group", [pytest.param(g, id=name) for name, g in _groups(cli)])
def test_no_line_in_a_list_of_commands_is_cut(group: click.Group) -> None:
    shown = CliRunner().invoke(group, ["--help"], terminal_width=80).output
    assert "..." not in shown.partition("\nCommands:\n")[2].replace("CDS_...", "")


def test_check_finds_our_hooks_sound() -> None:
    result = run_alone("check", "--json")
    assert result.returncode == 0
    assert json.loads(result.stdout)["sound"] is True


def test_check_warns_of_a_search_that_local_codes_make_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = tmp_path / "codes.csv"
    rows = [f"urn:oid:1.2.3,NA-{n:03},,sodium" for n in range(100)]
    codes.write_text("\n".join(["system,code,ingredient,analyte", *rows]))
    assert "Warning" not in run("check").stderr
    monkeypatch.setenv("CDS_LOCAL_CODES", str(codes))
    result = run("check")
    assert result.returncode == 0
    assert result.stderr.startswith("Warning: the search 'sodium' has ")
    [warning] = json.loads(run("check", "--json").stdout)["warnings"]
    assert "CDS_LOCAL_CODES" in warning


@pytest.mark.parametrize(
    ("file", "find", "replace", "named"),
    [
        (
            "knowledge/thresholds.toml",
            "[severe_below]\n",
            "[severe_below]\ncolour = 'red'\n",
            "severe_below",
        ),
        ("knowledge/thresholds.toml", "[severe_below]\n", "[severe_under]\n", "severe_"),
        (
            "chart.toml",
            'topic = "sodiumMild"\n',
            'topic = "sodiumMidl"\n',
            "PV-MILD",
        ),
        ("knowledge/topics.toml", "sodiumMild = ", "sodium-mild = ", "sodium-mild"),
    ],
)
def test_unsound_hooks_end_with_78_and_name_file_and_key(
    hooks: Path, file: str, find: str, replace: str, named: str
) -> None:
    path = hooks / file
    text = path.read_text(encoding="utf-8")
    assert find in text
    path.write_text(text.replace(find, replace, 1), encoding="utf-8")
    result = run("check", "--hooks", str(hooks))
    assert result.returncode == 78
    assert result.stderr.count("\n") == 1
    assert file in result.stderr
    assert named in result.stderr


def test_replay_shows_a_card_as_text_and_as_json() -> None:
    shown = run_alone("replay", "cramps-in-siadh")
    assert shown.returncode == 0
    assert "1000 mL" in shown.stdout
    line = json.loads(run("replay", "--json", "cramps-in-siadh").stdout)
    assert line["cards"][0]["source"]["topic"]["code"] == "sodiumMildSymptomatic"


def test_replay_says_when_there_is_no_card() -> None:
    assert "found nothing" in run("replay", "normal-sodium").stdout


def test_an_unknown_story_is_one_line_that_lists_the_known_ones() -> None:
    result = run("replay", "no-such-story")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "cramps-in-siadh" in result.stderr


def test_explain_says_why_a_rule_did_not_fire() -> None:
    request = default_fixtures_dir() / "normal-sodium" / "request.json"
    result = run("explain", str(request), "--at", "2026-11-20T09:00:00Z", "--json")
    assert result.returncode == 0
    because = {
        row["rule"]: row["because"] for row in json.loads(result.stdout)["explanation"]["silent"]
    }
    assert "139" in because["PV-MILD"]


def test_explain_knows_the_codes_of_the_site(tmp_path: Path) -> None:
    request = (default_fixtures_dir() / "cramps-in-siadh" / "request.json").read_text()
    body = json.loads(request.replace("2951-2", "NA-1").replace("http://loinc.org", "urn:site"))
    saved, codes = tmp_path / "call.json", tmp_path / "codes.csv"
    saved.write_text(json.dumps(body))
    codes.write_text("system,code,ingredient,analyte\nurn:site,NA-1,,sodium\n")
    asked = ("explain", str(saved), "--at", "2026-11-20T09:00:00Z", "--json")
    known = run(*asked, CDS_LOCAL_CODES=str(codes))
    assert run(*asked).returncode == 1, "without the list the sodium is not known"
    assert json.loads(known.stdout)["cards"], known.stderr


def test_explain_reads_a_file_that_begins_with_a_byte_order_mark(tmp_path: Path) -> None:
    request = default_fixtures_dir() / "normal-sodium" / "request.json"
    saved = tmp_path / "call.json"
    saved.write_bytes(b"\xef\xbb\xbf" + request.read_bytes())
    assert run("explain", str(saved), "--at", "2026-11-20T09:00:00Z").returncode == 0


@pytest.mark.parametrize(
    ("body", "code"), [("", 65), ("{", 65), ("[]", 65), ('{"hook": "order-dispatch"}', 1)]
)
def test_explain_refuses_a_body_that_is_not_a_hook_call(body: str, code: int) -> None:
    result = run("explain", "-", stdin=body)
    assert result.returncode == code
    assert result.stderr.count("\n") == 1


def test_the_demo_keeps_to_this_machine() -> None:
    result = run("demo", "--host", "0.0.0.0")  # noqa: S104  # that is what is refused
    assert result.returncode == 78
    assert "--demo-public" in result.stderr


def test_a_busy_port_is_one_clear_line() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run("demo", "--port", str(port))
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert f"Port {port}" in result.stderr
    assert f"--port {port + 1} (make demo PORT={port + 1})" in result.stderr


def test_a_fhir_base_that_is_not_http_is_refused() -> None:
    result = run_alone("demo", "--port", "0", "--fhir-base", "file:///etc/passwd")
    assert result.returncode == 78
    assert "--fhir-base" in result.stderr


def test_a_wrong_setting_names_the_variable_and_not_its_value() -> None:
    result = run_alone("serve", CDS_PORT="secret-value")
    assert result.returncode == 78
    assert "CDS_PORT" in result.stderr
    assert "secret-value" not in result.stderr
