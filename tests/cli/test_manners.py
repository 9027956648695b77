"""Whoever types a command wrongly reads what was meant, in one line, and never a traceback."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cds_service.cli import cli, main
from cds_service.cli.run import bound_socket, free_port
from cds_service.demo.stories import default_fixtures_dir, load_stories
from tests.patience import PATIENCE_S


def ended(
    *arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    """Returns the exit code and the errors of a command, as a terminal shows them."""
    monkeypatch.setattr(sys, "argv", ["cds-service", *arguments])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    with pytest.raises(SystemExit) as stop:
        main()
    shown = capsys.readouterr()
    return int(stop.value.code or 0), " ".join((shown.err + shown.out).split())


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("expain", "x"), "No such command 'expain'; did you mean explain?"),
        (("db", "prun"), "No such command 'prun'; did you mean prune?"),
        (("client", "ad"), "No such command 'ad'; did you mean add?"),
        (
            ("replay", "cramps-in-siad"),
            "there is no story 'cramps-in-siad'; did you mean cramps-in-siadh?",
        ),
        (
            ("replay", "tsh"),
            "there is no story 'tsh'; did you mean kidney-failure-tsh?",
        ),
        (
            ("replay", "siadh"),
            "did you mean cramps-in-siadh, isotonic-saline-in-siadh or push-fluids-in-siadh?",
        ),
        (("off", "PV-MILDE"), "did you mean PV-MILD?"),
    ],
)
def test_a_misspelt_name_brings_the_one_that_is_meant(
    arguments: tuple[str, ...],
    meant: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CDS_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("CDS_CLIENTS_FILE", raising=False)
    CliRunner().invoke(cli, ["db", "upgrade"])
    code, said = ended(*arguments, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 2
    assert meant in said


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"a": 1,\n "b": }', "is not valid JSON: line 2, column 7: Expecting value"),
        (b'{"a": 1', "is not valid JSON: line 1, column 8"),
        (b'{\n"a": "\xff"}', "is not valid JSON: line 2 is not UTF-8"),
        (b'{"a": NaN}', "is not valid JSON: NaN and Infinity are no numbers of JSON"),
        (b"[1]", "this is no JSON object; give a hook call"),
        (b'{"resourceType": "Bundle"}', "this is a FHIR Bundle and no hook call"),
    ],
)
def test_a_file_that_is_no_hook_call_is_told_what_it_is_and_where_it_breaks(
    content: bytes,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "call.json"
    path.write_bytes(content)
    code, said = ended("explain", str(path), monkeypatch=monkeypatch, capsys=capsys)
    assert code == 65
    assert told in said


def test_a_piped_list_of_stories_has_one_line_for_each() -> None:
    listed = CliRunner().invoke(cli, ["replay", "--list"], env={"COLUMNS": "40"}).output
    names = [line.split()[0] for line in listed.splitlines()]
    assert names == list(load_stories(default_fixtures_dir()))


def test_a_folder_without_stories_is_no_folder_in_which_all_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = ended(
        "stories", "--fixtures", str(tmp_path), monkeypatch=monkeypatch, capsys=capsys
    )
    assert code != 0
    assert f"{tmp_path} holds no story" in said


def test_a_file_that_may_not_be_written_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CDS_DATA_DIR", str(tmp_path))
    CliRunner().invoke(cli, ["db", "upgrade"])
    page = tmp_path / "no-such-folder" / "report.html"
    arguments = ("report", "--format", "html", "--output", str(page))
    code, said = ended(*arguments, monkeypatch=monkeypatch, capsys=capsys)
    assert code != 0
    assert str(page) in said
    assert "Traceback" not in said


def test_a_command_prints_its_result_and_no_line_of_a_log() -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "cds_service", "demo", "load", "--json", "--wait", "0"),
            *("--fhir-base", f"http://127.0.0.1:{free_port('127.0.0.1')}/fhir"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 1
    assert done.stdout == "", "a script reads JSON from there"
    assert "no FHIR server there" in done.stderr


PROGRAM = """
import sys
from cds_service.cli import cli, main
import click
@cli.command("broken")
def broken():
    raise ValueError("sodium of Jane Doe: 117")
cli.commands_by_name["broken"] = "x:y"
cli.get_command = lambda ctx, name: broken
sys.argv = ["cds-service", "broken"]
main()
"""


def test_an_error_of_the_program_is_one_line_without_its_text() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 70
    assert "Traceback" not in done.stderr
    assert "Jane" not in done.stderr
    assert "(ValueError in cds_service.cli, line " in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_address_of_another_machine_is_no_busy_port() -> None:
    with pytest.raises(click.ClickException, match="no address of this machine"):
        bound_socket("198.51.100.7", 9300)
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        with pytest.raises(click.ClickException, match="is taken"):
            bound_socket("127.0.0.1", busy.getsockname()[1])
