"""A run that has nothing to judge, or a part of it, says so and what to do; it never looks clean."""

from __future__ import annotations

import errno
import re
import shutil
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner, Result

from cds_service.backtest import local
from cds_service.backtest.results import PAGE
from cds_service.backtest.rows import read_run
from cds_service.cli import cli, main
from cds_service.errors import BacktestError, CannotWrite, RegistryError
from cds_service.feedback.plots import WIDTH, Bar, Line, Measured, Part, bars, course, trend
from tests.backtest.small_exports import (
    Resource,
    order,
    patient,
    result,
    sertraline,
    stay,
    write_export,
)
from tests.cli.typed import run as typed

LOW = [patient(), stay(-2, 50), result(139, 0), result(124, 24)]
YEAR = 365 * 24


def run(export: Path, output: Path, *more: str) -> Result:
    asked = ["backtest", str(export), "--output", str(output), "--jobs", "1", *more]
    return CliRunner().invoke(cli, asked)


def flat(text: str) -> str:
    return re.sub(r"\s+", " ", text)


# ---- openings


def _listed(folder: Path, *ids: str) -> Path:
    path = folder / "openings.csv"
    lines = [f"{own},2026-03-02T12:00:00Z,ada" for own in ids]
    path.write_text("\n".join(("patient,at,user", *lines)) + "\n", encoding="utf-8")
    return path


def test_openings_of_which_none_is_about_the_export_are_bad_input(tmp_path: Path) -> None:
    export, output = write_export(tmp_path / "export", LOW), tmp_path / "run"
    done = run(export, output, "--moments", str(_listed(tmp_path, "MRN 1", "MRN 2")))
    assert isinstance(done.exception, BacktestError)
    assert "none of its 2 openings" in str(done.exception)
    assert "FHIR id" in str(done.exception)


def test_openings_of_which_some_are_about_others_are_told_with_their_number(tmp_path: Path) -> None:
    export, output = write_export(tmp_path / "export", LOW), tmp_path / "run"
    done = run(export, output, "--moments", str(_listed(tmp_path, "p1", "2002", "3003")))
    assert done.exit_code == 0, done.output
    told = "Of <10 listed openings some are about patients of the export"
    assert told in flat(done.output)
    assert told in unescape(flat((output / PAGE).read_text(encoding="utf-8")))
    assert read_run(output).totals.patients == 1, "who is only in the list is no patient"


# ---- before the laboratory


def _years_without_results() -> list[Resource]:
    return [*LOW, sertraline(-2 * YEAR), order("312941", "sertraline 50 MG Oral Tablet", 30)]


def test_orders_are_judged_from_the_first_sodium_of_the_export_on(tmp_path: Path) -> None:
    export = write_export(tmp_path / "export", _years_without_results())
    done = run(export, tmp_path / "run", "--moments", "results,orders")
    assert done.exit_code == 0, done.output
    assert read_run(tmp_path / "run").totals.moments["order"] == 1
    assert "judged from 1 March 2026 on" in flat(done.output)
    assert "judged from 1 March 2026 on" in flat((tmp_path / "run" / PAGE).read_text())


def test_since_judges_orders_from_before_the_laboratory_too(tmp_path: Path) -> None:
    export = write_export(tmp_path / "export", _years_without_results())
    done = run(export, tmp_path / "run", "--moments", "orders", "--since", "2020-01-01")
    assert read_run(tmp_path / "run").totals.moments["order"] == 2
    assert "judged from" not in flat(done.output)


# ---- nothing to judge


def test_an_export_without_results_says_so_in_the_terminal_and_on_the_page(tmp_path: Path) -> None:
    export = write_export(tmp_path / "export", [patient(), stay(-2, 50)])
    done = run(export, tmp_path / "run")
    page = flat((tmp_path / "run" / PAGE).read_text(encoding="utf-8"))
    for text in (flat(done.output), page):
        assert "no sodium result that was understood" in text
        assert "There was no moment to judge" in text


def test_a_folder_of_a_run_is_no_export(tmp_path: Path) -> None:
    export, output = write_export(tmp_path / "export", LOW), tmp_path / "run"
    assert run(export, output).exit_code == 0
    for wrong in (output, tmp_path):
        done = run(wrong, tmp_path.parent / f"{tmp_path.name}-other")
        assert "this is the folder of a run" in str(done.exception), wrong


def test_an_output_inside_of_the_export_is_refused(tmp_path: Path) -> None:
    export = write_export(tmp_path / "export", LOW)
    done = run(export, export / "run")
    assert "lies inside of the export" in str(done.exception)
    assert not (export / "run").exists()


def test_an_until_before_since_is_a_wrong_use(tmp_path: Path) -> None:
    export = write_export(tmp_path / "export", LOW)
    done = run(export, tmp_path / "run", "--since", "2026-03-02", "--until", "2026-03-01")
    assert done.exit_code == 64
    assert "before --since 2026-03-02" in flat(done.output)


def test_a_rare_code_of_sodium_is_told_by_number_with_where_to_find_it(tmp_path: Path) -> None:
    local_code = {"coding": [{"system": "urn:oid:1.2.3", "code": "NA-X"}], "text": "Natrium"}
    export = write_export(tmp_path / "export", [*LOW, result(121, 30) | {"code": local_code}])
    done = run(export, tmp_path / "run")
    page = flat((tmp_path / "run" / PAGE).read_text(encoding="utf-8"))
    assert "1 sodium code that came less often is not listed here" in page
    assert "NA-X" not in page
    assert "private/local-codes.csv" in flat(done.output)
    assert "NA-X" in (tmp_path / "run/private/local-codes.csv").read_text(encoding="utf-8")


# ---- clients, disks, copies


def test_a_rule_that_there_is_not_is_refused_with_the_one_that_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = tmp_path / "clients.toml"
    clients.write_text(
        "[clients.ward]\n"
        'issuer = "https://x.example"\n'
        'fhir_bases = ["https://x.example/fhir"]\n'
        'jwks_url = "https://x.example/jwks"\n'
        'disabled_rules = ["PV-MILDD"]\n'
    )
    export = write_export(tmp_path / "export", LOW)
    done = run(export, tmp_path / "run", "--client", "ward", "--clients", str(clients))
    assert isinstance(done.exception, RegistryError)
    assert "PV-MILDD; did you mean PV-MILD?" in str(done.exception)
    monkeypatch.setenv("CDS_CLIENTS_FILE", str(clients))
    checked = CliRunner().invoke(cli, ["check"])
    assert "did you mean PV-MILD?" in str(checked.exception)


@pytest.mark.parametrize(
    ("number", "says"), [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "is read-only")]
)
def test_a_disk_that_cannot_be_written_is_one_line_and_the_run_goes_on_later(
    number: int,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(*_: object) -> None:
        raise OSError(number, "as the system says it")

    export, output = write_export(tmp_path / "export", LOW), tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr(local, "write_rows", full)
        assert isinstance(run(export, output).exception, CannotWrite)
        asked = ["cds-service", "backtest", str(export), "--output", str(output), "--jobs", "1"]
        patched.setattr("sys.argv", asked)
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == 73
    told = capsys.readouterr().err
    assert says in told
    assert "the same command then goes on" in told
    assert run(export, output).exit_code == 0
    assert list(read_run(output).rows())


def test_a_folder_that_cannot_be_made_ends_with_73(tmp_path: Path) -> None:
    export = write_export(tmp_path / "export", LOW)
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for output in ("/proc/x", "/proc/x/y", tmp_path / "file/run", tmp_path / "loop/run", "n" * 300):
        done = typed("backtest", str(export), "--output", str(output), "--jobs", "1")
        assert done.returncode == 73, done.stderr
        assert str(output) in done.stderr
        assert "--output" in done.stderr


def test_ctrl_c_while_a_command_is_loaded_ends_with_130(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: str) -> ModuleType:
        raise KeyboardInterrupt

    export = write_export(tmp_path / "export", LOW)
    monkeypatch.setattr("cds_service.cli.importlib.import_module", interrupted)
    done = typed("backtest", str(export), "--output", str(tmp_path / "run"))
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Interrupted.\n")


def test_an_export_that_lies_twice_below_one_folder_counts_once(tmp_path: Path) -> None:
    local_code = {"coding": [{"system": "urn:oid:1.2.3", "code": "NA-X"}], "text": "Natrium"}
    strange = [result(121, hours) | {"code": local_code, "id": f"x{hours}"} for hours in range(12)]
    export = write_export(tmp_path / "once", [*LOW, sertraline(30), *strange])
    shutil.copytree(export, tmp_path / "twice" / "a")
    shutil.copytree(export, tmp_path / "twice" / "b")
    found = []
    for folder in (export, tmp_path / "twice"):
        output = tmp_path / f"run-{folder.name}"
        assert run(folder, output, "--moments", "results,orders").exit_code == 0
        one = read_run(output)
        rows = [(row.at, row.kind, row.profile, row.cards) for row in one.rows()]
        codes = (output / "not-understood.csv").read_text(encoding="utf-8")
        found.append((one.totals.moments, one.totals.judged, rows, codes))
    assert found[0] == found[1]
    assert ",12\n" in found[0][3]


def test_a_month_that_is_not_told_is_a_gap_in_the_line() -> None:
    drawn = trend("t", ["1", "2", "3", "4"], [Line("l", (1.0, 2.0, None, 3.0), "blue")])
    assert drawn.count("<polyline") == 2


def test_the_number_of_a_value_alone_or_near_the_left_edge_stays_in_the_drawing() -> None:
    """It was written to the left of its dot, and its first digit was cut off: ".32" for 132."""
    until = datetime(2026, 3, 30, tzinfo=UTC)
    for points in (
        [Measured(until, 132, "132")],
        [Measured(until - timedelta(days=30), 139, "139"), Measured(until, 132, "132")],
        [Measured(until - timedelta(days=n), 132 + n, str(132 + n)) for n in (30, 29.5)],
    ):
        drawn = course("t", points, until)
        (place,) = re.findall(
            rf'<text class="(\w+)" x="([\d.]+)" y="[\d.]+">{points[-1].shown}<', drawn
        )
        assert place[0] == "first" or float(place[1]) > 40, drawn


def test_a_long_number_behind_the_longest_bar_stays_in_the_drawing() -> None:
    for shown in ("1.2", "900 ± 100", "12,000 ± 1,000"):
        drawn = bars("t", [Bar("rule", (Part("info", 900, "info"),), shown)])
        (begins,) = re.findall(rf'<text class="number" x="([\d.]+)" y="[\d.]+">{shown}<', drawn)
        assert float(begins) + 7 * len(shown) <= WIDTH, shown  # of 13 px letters
