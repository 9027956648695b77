"""Spark gives the rows of one machine, byte by byte. `make check-spark` installs what it needs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cds_service.backtest.recipe import Recipe
from cds_service.backtest.rows import read_run
from cds_service.cli import cli
from tests.backtest.small_exports import patient, result, sertraline, write_export
from tests.exports import Person as Invented

YEAR = 365 * 24  # hours

# PySpark's own code warns of what its libraries will change.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(name="export", scope="module")
def _export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hundred invented patients, one with an order that points to its Medication, and dirt."""
    resources: list[dict[str, Any]] = []
    for number in range(200):
        person = Invented(5, number, 0.2, 0.1)
        person.make()
        resources += person.resources
    pointing = sertraline(-20)
    name = pointing.pop("medicationCodeableConcept")
    pointing["medicationReference"] = {"reference": "Medication/x"}
    resources += [patient(), pointing, result(139, 0), result(133, 40)]
    resources += [{"resourceType": "Medication", "id": "x", "code": name}]
    export = write_export(tmp_path_factory.mktemp("spark") / "export", resources)
    with (export / "Observation.000.ndjson").open("a") as file:
        file.write('{"resourceType": "Observation"\n')
    return export


def _run(export: Path, output: Path, *more: str) -> None:
    given = ["backtest", str(export), "--output", str(output), "--jobs", "1", *more]
    asked = ["--moments", "results,orders"]
    done = CliRunner().invoke(cli, [*given, *asked], catch_exceptions=False)
    assert done.exit_code == 0, done.output


def _both(export: Path, tmp_path: Path, *more: str) -> tuple[Path, Path]:
    """The folders of a run on one machine and of one on Spark, with the same secret."""
    here, there = tmp_path / "here", tmp_path / "there"
    _run(export, here, *more)
    (there / "private").mkdir(parents=True)
    shutil.copy(here / "private/key", there / "private/key")
    (there / "run.json").write_text("{}")
    _run(export, there, "--spark", "local[2]", *more)
    return here, there


def _rows(output: Path) -> bytes:
    return b"".join(p.read_bytes() for p in sorted((output / "private/rows").glob("*.ndjson")))


def test_spark_gives_the_rows_and_the_counts_of_one_machine(export: Path, tmp_path: Path) -> None:
    here, there = _both(export, tmp_path, "--since", "2000-01-01")
    assert _rows(here).count(b"\n") > 50
    assert _rows(there) == _rows(here)
    one, other = read_run(here).totals, read_run(there).totals
    for name in ("lines", "kept", "broken", "unknown", "patients", "results", "moments", "judged"):
        assert getattr(other, name) == getattr(one, name), name
    assert b"sertraline" in _rows(there), "the drug of an order that points to it"


def test_spark_judges_orders_from_the_first_day_with_a_sodium_on(tmp_path: Path) -> None:
    """That day is one of the whole export, and not of the part or the patient at hand."""
    resources = [patient(), result(139, 0), result(124, 24), sertraline(-2 * YEAR), sertraline(30)]
    resources += [patient("other"), result(131, -9 * 24, of="other"), sertraline(-40, of="other")]
    resources += [sertraline(-2 * YEAR, of="other"), sertraline(-200)]
    export = write_export(tmp_path / "export", resources)
    here, there = _both(export, tmp_path)
    assert _rows(there) == _rows(here) != b""
    one, other = read_run(here).totals, read_run(there).totals
    assert other.moments == one.moments
    assert one.moments["order"] == 3, "the orders of two years before are not judged"
    assert other.measured_from == one.measured_from is not None


def test_a_table_gives_the_rows_of_its_files(export: Path) -> None:
    from cds_service.backtest import spark

    session = spark.session("local[2]")
    texts = [line for path in export.iterdir() for line in path.read_text().splitlines()]
    table = session.createDataFrame([(text,) for text in texts], "resource string")
    found = spark.run(session, table, Recipe(), secret=b"a", pieces=4)
    rows = spark.rows(found).collect()
    again = spark.rows(spark.run(session, str(export), Recipe(), secret=b"a", pieces=4)).collect()
    assert sorted(row["row"] for row in rows) == sorted(row["row"] for row in again)
    first = rows[0]
    assert json.loads(first["row"])["profile"] == first["profile"]
