"""Two runs never mix in one folder: the second is told to wait, and pieces keep their run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cds_service.backtest.held import held, opened
from cds_service.backtest.rows import read_run
from cds_service.cli import cli, main
from cds_service.errors import BacktestError, FolderBusy
from tests.backtest.small_exports import patient, result, stay, write_export

LOW = [patient(), stay(-2, 50), result(139, 0), result(124, 24)]


def run(export: Path, output: Path, *more: str) -> Result:
    asked = ["backtest", str(export), "--output", str(output), "--jobs", "1", *more]
    return CliRunner().invoke(cli, asked)


def kinds(output: Path) -> set[str]:
    return {row.kind for row in read_run(output).rows()}


def test_a_second_run_in_a_folder_is_told_who_runs_and_to_try_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    export, output = write_export(tmp_path / "export", LOW), tmp_path / "run"
    assert run(export, output).exit_code == 0
    asked = ["cds-service", "backtest", str(export), "--output", str(output)]
    monkeypatch.setattr("sys.argv", asked)
    with held(output / "private", "backtest run", alone=True), pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 75
    told = capsys.readouterr().err
    assert f"process {os.getpid()}, since 20" in told
    assert "Try again" in told
    assert run(export, output).exit_code == 0, "the folder is free again"


def test_readers_share_a_folder_and_keep_a_run_out_of_it(tmp_path: Path) -> None:
    export, output = write_export(tmp_path / "export", LOW), tmp_path / "run"
    assert run(export, output).exit_code == 0
    with opened(output, "backtest serve"):
        assert CliRunner().invoke(cli, ["backtest", "report", str(output)]).exit_code == 0
        assert isinstance(run(export, output, "--all").exception, FolderBusy)


def test_a_piece_of_another_run_is_never_taken_for_one_of_this_run(tmp_path: Path) -> None:
    export, output = write_export(tmp_path / "export", LOW), tmp_path / "run"
    assert run(export, output, "--moments", "discharges").exit_code == 0
    others = shutil.copytree(output / "private" / "rows", tmp_path / "others")
    assert run(export, output).exit_code == 0
    shutil.copytree(others, output / "private" / "rows", dirs_exist_ok=True)
    with pytest.raises(BacktestError, match="not of this run"):
        read_run(output)
    assert run(export, output).exit_code == 0
    assert kinds(output) == {"result"}


def test_a_smaller_cell_judges_nothing_anew(tmp_path: Path) -> None:
    export, output = write_export(tmp_path / "export", LOW), tmp_path / "run"
    assert run(export, output).exit_code == 0
    first = next((output / "private" / "rows").glob("*.json"))
    before = first.stat().st_mtime_ns
    assert run(export, output, "--min-cell", "3").exit_code == 0
    assert first.stat().st_mtime_ns == before
    assert read_run(output).settings.min_cell == 3


def test_who_holds_a_folder_is_named_also_if_a_later_reader_has_ended(tmp_path: Path) -> None:
    """The last one to open it had ended, and its number was told for that of the page."""
    export, output = write_export(tmp_path / "export", LOW), tmp_path / "run"
    assert run(export, output).exit_code == 0
    with opened(output, "backtest serve"):
        with (output / "private" / "lock").open("a") as file:  # of a report that has ended
            file.write("\nbacktest report, process 999999999, since 2026-12-01T09:30:00Z")
        told = str(run(export, output, "--all").exception)
        assert f"backtest serve, process {os.getpid()}" in told
        assert "999999999" not in told


def test_a_holder_that_left_no_word_is_another_command(tmp_path: Path) -> None:
    export, output = write_export(tmp_path / "export", LOW), tmp_path / "run"
    assert run(export, output).exit_code == 0
    with opened(output, "backtest serve"):
        (output / "private" / "lock").write_text("", encoding="utf-8")
        told = str(run(export, output, "--all").exception)
        assert "by another command, for example backtest serve" in told
