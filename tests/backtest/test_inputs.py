"""What sites really have can be read; what cannot be read is counted and named, or stops the run."""

from __future__ import annotations

import gzip
import importlib
import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cds_service.backtest import export as exports
from cds_service.backtest.rows import Totals, read_run
from cds_service.cli import cli, main
from tests.backtest.small_exports import (
    Resource,
    order,
    patient,
    result,
    sertraline,
    write_export,
)

LOW = [patient(), result(139, 0), result(124, 24)]


def run(export: Path, output: Path, *more: str) -> Result:
    given = ["backtest", str(export), "--output", str(output), "--jobs", "1", *more]
    return CliRunner().invoke(cli, given, catch_exceptions=False)


def cards(output: Path) -> list[tuple[str, str, str]]:
    """Every card of a run, without the patient, whose hash differs from run to run."""
    return sorted(
        (row.at.isoformat(), row.profile, card.rule)
        for row in read_run(output).rows()
        for card in row.cards
    )


def totals(output: Path) -> Totals:
    return read_run(output).totals


@pytest.fixture(name="plain")
def _plain(tmp_path: Path) -> list[tuple[str, str, str]]:
    run(write_export(tmp_path / "plain", LOW), tmp_path / "plain-run")
    found = cards(tmp_path / "plain-run")
    assert found
    return found


# ---- the forms of an export


def _zipped(folder: Path) -> None:
    for path in [*write_export(folder, LOW).iterdir()]:
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()


def _several_files(folder: Path) -> None:
    folder.mkdir()
    for number, one in enumerate(LOW):
        (folder / f"{one['resourceType']}.{number:03}.ndjson").write_text(json.dumps(one) + "\n")


def _mixed_lines(folder: Path) -> None:
    folder.mkdir()
    text = "\r\n".join(json.dumps(one) for one in LOW)
    (folder / "part-0001.jsonl").write_bytes(text.encode())  # and no line end at the end


def _bundle(folder: Path) -> None:
    """A transaction as generators write it: references by the urn of an entry."""
    folder.mkdir()
    entries = []
    for one in LOW:
        resource: dict[str, Any] = json.loads(
            json.dumps(one).replace("Patient/p1", "urn:uuid:0000-p1")
        )
        url = f"urn:uuid:0000-{one['id']}"
        resource.pop("id")
        entries.append({"fullUrl": url, "resource": resource})
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    (folder / "anna.json").write_text(json.dumps(bundle))


def _one_file_each(folder: Path) -> None:
    folder.mkdir()
    for number, one in enumerate(LOW):
        (folder / f"{number}.json").write_text(json.dumps(one, indent=2))


def _absolute_references(folder: Path) -> None:
    text = json.dumps(LOW).replace("Patient/p1", "https://ehr.example/fhir/Patient/p1")
    write_export(folder, json.loads(text))


FORMS = {
    "compressed": _zipped,
    "several files a type": _several_files,
    "types mixed in one file": _mixed_lines,
    "a transaction": _bundle,
    "a resource a file": _one_file_each,
    "absolute references": _absolute_references,
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_an_export_gives_the_same_cards(
    form: str, tmp_path: Path, plain: list[tuple[str, str, str]]
) -> None:
    FORMS[form](tmp_path / "export")
    done = run(tmp_path / "export", tmp_path / "run")
    assert done.exit_code == 0, done.output
    assert cards(tmp_path / "run") == plain


def test_an_export_is_read_the_same_in_many_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain: list[tuple[str, str, str]]
) -> None:
    """A part ends in the middle of a line, which belongs to the part in which it begins."""
    monkeypatch.setattr(exports, "JOB_BYTES", 100)
    done = run(write_export(tmp_path / "export", LOW), tmp_path / "run")
    assert done.exit_code == 0, done.output
    assert cards(tmp_path / "run") == plain
    assert totals(tmp_path / "run").lines == len(LOW)


def _as_tables(folder: Path, *, one_column: bool) -> None:
    if find_spec("pyarrow") is None and "CI" not in os.environ:
        pytest.skip("pyarrow is not installed: `make` brings it")
    arrow = importlib.import_module("pyarrow")
    parquet = importlib.import_module("pyarrow.parquet")
    folder.mkdir()
    for number, one in enumerate(LOW):
        row = {"id": one["id"], "resource": json.dumps(one)} if one_column else one
        parquet.write_table(
            arrow.Table.from_pylist([row]), folder / f"{one['resourceType']}.{number}.parquet"
        )


@pytest.mark.parametrize("one_column", [True, False], ids=["json", "members"])
def test_tables_of_a_lake_give_the_same_cards(
    one_column: bool, tmp_path: Path, plain: list[tuple[str, str, str]]
) -> None:
    _as_tables(tmp_path / "export", one_column=one_column)
    run(tmp_path / "export", tmp_path / "run")
    assert cards(tmp_path / "run") == plain


# ---- what is wrong with it


def test_one_broken_line_costs_itself_and_is_named(
    tmp_path: Path, plain: list[tuple[str, str, str]]
) -> None:
    export = write_export(tmp_path / "export", LOW)
    with (export / "Observation.000.ndjson").open("ab") as file:
        file.write(b'{"resourceType": "Observation", "id": "x"\n\xff\xfe\n[]\n\n{}\n')
    done = run(export, tmp_path / "run")
    assert cards(tmp_path / "run") == plain
    assert totals(tmp_path / "run").broken == 4
    for line in (3, 4, 5, 7):
        assert f"Observation.000.ndjson:{line}" in done.output


def test_what_is_not_used_is_counted(tmp_path: Path) -> None:
    potassium_urine = result(4, 0) | {
        "id": "x",
        "code": {"coding": [{"system": "http://loinc.org", "code": "13362-9"}]},
    }
    nobody = result(120, 0) | {"id": "y"}
    nobody.pop("subject")
    claim: Resource = {"resourceType": "Claim", "id": "c", "patient": {"reference": "Patient/p1"}}
    undated = result(120, 0) | {"id": "z"}
    undated.pop("issued")
    undated.pop("effectiveDateTime")
    run(
        write_export(tmp_path / "export", [*LOW, LOW[1], potassium_urine, nobody, claim, undated]),
        tmp_path / "run",
    )
    found = totals(tmp_path / "run")
    assert (found.unknown, found.ownerless, found.duplicate) == (1, 1, 1)
    assert (found.undated_sodium, found.undated) == (1, 0)
    assert found.other == {"Claim": 1}
    assert found.broken == 0


def test_a_code_that_may_mean_sodium_and_is_not_known_is_kept_for_the_site(tmp_path: Path) -> None:
    local = result(124, 0) | {"code": {"text": "Natrium (Serum)"}}
    again = local | {"id": "again"}
    run(write_export(tmp_path / "export", [patient(), local, again]), tmp_path / "run")
    unknown = json.loads((tmp_path / "run/private/unknown.json").read_text())
    assert [*unknown.values()] == [2]


def _stops(
    export: Path, output: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    """What a run that must end with 65 says."""
    argv = ["cds-service", "backtest", str(export), "--output", str(output), "--jobs", "1"]
    monkeypatch.setattr("sys.argv", argv)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 65
    return capsys.readouterr().err


def _manifest(export: Path, **output: Any) -> None:
    files = [
        {"type": "Observation", "url": "https://ehr.example/bulk/Observation.000.ndjson"} | output
    ]
    (export / "manifest.json").write_text(
        json.dumps({"transactionTime": "2026-01-01", "output": files})
    )


def test_a_file_that_the_manifest_names_and_is_missing_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    export = write_export(tmp_path / "export", LOW)
    _manifest(export, url="https://ehr.example/bulk/Observation.001.ndjson?token=1")
    said = _stops(export, tmp_path / "run", monkeypatch, capsys)
    assert "Observation.001.ndjson" in said
    assert not (tmp_path / "run").exists(), "nothing was begun"


def test_a_file_with_fewer_lines_than_the_manifest_says_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    export = write_export(tmp_path / "export", LOW)
    _manifest(export, count=7)
    assert "2 of the 7" in _stops(export, tmp_path / "run", monkeypatch, capsys)


def test_a_complete_manifest_is_no_resource(tmp_path: Path) -> None:
    export = write_export(tmp_path / "export", LOW)
    _manifest(export, count=2)
    assert run(export, tmp_path / "run").exit_code == 0
    assert totals(tmp_path / "run").broken == 0


def test_a_torn_gz_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "export").mkdir()
    packed = gzip.compress(json.dumps(LOW[1]).encode() * 50)
    (tmp_path / "export" / "Observation.ndjson.gz").write_bytes(packed[: len(packed) // 2])
    said = _stops(tmp_path / "export", tmp_path / "run", monkeypatch, capsys)
    assert "Observation.ndjson.gz" in said


def test_a_folder_without_an_export_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "export").mkdir()
    assert ".ndjson" in _stops(tmp_path / "export", tmp_path / "run", monkeypatch, capsys)


def test_a_folder_with_something_else_is_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("mine")
    export = write_export(tmp_path / "export", LOW)
    assert "empty" in _stops(export, tmp_path / "home", monkeypatch, capsys)
    assert [p.name for p in (tmp_path / "home").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    "wrong",
    [
        ["--moments", "weekdays"],
        ["--moments", "no-such.csv"],
        ["--at", "yesterday"],
        ["--profile", "x"],
        [],
    ],
    ids=" ".join,
)
def test_what_is_typed_wrong_ends_with_64_and_says_what(wrong: list[str], tmp_path: Path) -> None:
    export = write_export(tmp_path / "export", LOW)
    given = [
        "backtest",
        str(export),
        *wrong,
        *(["--output", str(tmp_path / "run")] if wrong else []),
    ]
    done = CliRunner().invoke(cli, given)
    assert done.exit_code == 64, done.output
    assert (wrong or ["--output"])[0] in done.output


# ---- goes on, and judges anew without a second sift


class Stopped(Exception):
    """The machine is switched off."""


def test_a_run_that_was_stopped_goes_on_and_ends_as_if_it_had_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [one for n in range(40) for one in (patient(f"p{n}"), result(124, n, of=f"p{n}"))]
    export = write_export(tmp_path / "export", people)
    monkeypatch.setattr(exports, "JOB_BYTES", 3000)
    output = tmp_path / "run"
    for step, calls in (("sift_job", 3), ("judge_piece", 5)):
        _stop_after(calls, step, monkeypatch)
        with pytest.raises(Stopped):
            run(export, output)
        monkeypatch.undo()
        monkeypatch.setattr(exports, "JOB_BYTES", 3000)
    before = {path: path.stat().st_mtime_ns for path in (output / "private").rglob("*.lines")}
    done = run(export, output)
    assert done.exit_code == 0, done.output
    assert before == {p: p.stat().st_mtime_ns for p in before}, "no line was sifted twice"
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    (fresh / "private").mkdir()
    (fresh / "private/key").write_bytes((output / "private/key").read_bytes())
    (fresh / "run.json").write_text("{}")
    run(export, fresh)
    assert _rows(output) == _rows(fresh)
    assert totals(output).patients == 40


def _stop_after(calls: int, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from cds_service.backtest import local

    real, left = getattr(local, step), [calls]

    def stopping(thing: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise Stopped
        return real(thing)

    monkeypatch.setattr(local, step, stopping)


def _rows(output: Path) -> bytes:
    return b"".join(p.read_bytes() for p in sorted((output / "private/rows").glob("*.ndjson")))


def test_all_moments_give_the_same_rows_byte_by_byte(tmp_path: Path) -> None:
    chart = [*LOW, sertraline(-300), result(138, 400), result(138.5, 800), result(131, 900)]
    export = write_export(tmp_path / "export", chart)
    run(export, tmp_path / "run")
    filtered, left_out = _rows(tmp_path / "run"), totals(tmp_path / "run").left_out
    run(export, tmp_path / "run", "--all")
    assert _rows(tmp_path / "run") == filtered
    assert left_out["result"] > 0
    assert totals(tmp_path / "run").left_out["result"] == 0


def test_two_processes_give_the_rows_of_one(tmp_path: Path) -> None:
    people = [one for n in range(20) for one in (patient(f"p{n}"), result(124, n, of=f"p{n}"))]
    export = write_export(tmp_path / "export", people)
    run(export, tmp_path / "run")
    one = _rows(tmp_path / "run")
    done = CliRunner().invoke(
        cli, ["backtest", str(export), "--output", str(tmp_path / "run"), "--jobs", "2", "--all"]
    )
    assert done.exit_code == 0, done.output
    assert _rows(tmp_path / "run") == one


def test_other_moments_need_no_second_sift(tmp_path: Path) -> None:
    export = write_export(tmp_path / "export", [*LOW, order("312941", "sertraline", 30)])
    run(export, tmp_path / "run")
    spool = {p: p.stat().st_mtime_ns for p in (tmp_path / "run/private/spool").iterdir()}
    run(export, tmp_path / "run", "--moments", "orders")
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "run/private/spool").iterdir()} == spool
    assert {row.kind for row in read_run(tmp_path / "run").rows()} == {"order", "signing"}


def test_an_export_that_changed_is_sifted_anew(tmp_path: Path) -> None:
    export = write_export(tmp_path / "export", LOW)
    run(export, tmp_path / "run")
    write_export(export, [*LOW, patient("p2"), result(118, 0, of="p2")])
    run(export, tmp_path / "run")
    assert totals(tmp_path / "run").patients == 2


def test_a_table_of_all_cards_is_written_only_if_asked_for(tmp_path: Path) -> None:
    export = write_export(tmp_path / "export", LOW)
    run(export, tmp_path / "run")
    assert not [*(tmp_path / "run").glob("rows.*")]
    run(export, tmp_path / "run", "--rows")
    (table,) = (tmp_path / "run").glob("rows.*")
    assert b"PV-" in table.read_bytes()
    assert b"p1" not in table.read_bytes()
