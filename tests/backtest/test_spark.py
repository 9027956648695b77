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
    asked = ["--moments", "results,orders", "--since", "2000-01-01"]
    done = CliRunner().invoke(cli, [*given, *asked], catch_exceptions=False)
    assert done.exit_code == 0, done.output


def _rows(output: Path) -> bytes:
    return b"".join(p.read_bytes() for p in sorted((output / "private/rows").glob("*.ndjson")))


def test_spark_gives_the_rows_and_the_counts_of_one_machine(export: Path, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    _run(export, here)
    (there / "private").mkdir(parents=True)
    shutil.copy(here / "private/key", there / "private/key")
    (there / "run.json").write_text("{}")
    _run(export, there, "--spark", "local[2]")
    assert _rows(here).count(b"\n") > 50
    assert _rows(there) == _rows(here)
    one, other = read_run(here).totals, read_run(there).totals
    for name in ("lines", "kept", "broken", "unknown", "patients", "results", "moments", "judged"):
        assert getattr(other, name) == getattr(one, name), name
    assert b"sertraline" in _rows(there), "the drug of an order that points to it"


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
