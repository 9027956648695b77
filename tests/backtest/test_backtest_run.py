"""`cds-service backtest` on small exports: rows, counts, and what lies where."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from click.testing import CliRunner, Result

from cds_service.backtest.rows import read_run
from cds_service.cli import cli
from tests.backtest.small_exports import order, patient, result, stay, write_export


def run(export: Path, output: Path, *more: str) -> Result:
    return CliRunner().invoke(
        cli, ["backtest", str(export), "--output", str(output), "--jobs", "1", *more]
    )


def test_a_low_sodium_becomes_a_row_with_its_card_and_the_others_count(tmp_path: Path) -> None:
    export = write_export(
        tmp_path / "export",
        [
            patient(), stay(-2, 50), result(139, 0), result(124, 24),
            patient("p2"), result(140, 0, of="p2"),
        ],
    )  # fmt: skip
    done = run(export, tmp_path / "run", "--profile", "aasld")
    assert done.exit_code == 0, done.output
    found = read_run(tmp_path / "run")
    (row,) = found.rows()
    assert row.patient == found.key_of("p1")
    assert (row.kind, row.setting, row.age_band, row.level) == (
        "result", "inpatient", "65-79", "moderate",
    )  # fmt: skip
    assert str(row.sodium) == "124"
    assert row.at.isoformat() == "2026-03-02T09:00:00+00:00", "known when it was issued"
    assert [card.indicator for card in row.shown] == ["critical"]
    assert found.totals.moments == {"result": 3}
    assert found.totals.patients == 2
    assert sum(found.strata.values()) == 3


def test_a_drug_that_an_order_names_by_a_reference_is_found_among_the_medications(
    tmp_path: Path,
) -> None:
    sertraline = order("312941", "sertraline 50 MG Oral Tablet", -100)
    coded = sertraline.pop("medicationCodeableConcept")
    resources = [
        patient(), result(138, -200), result(124, 0),
        sertraline | {"medicationReference": {"reference": "Medication/m7"}},
        {"resourceType": "Medication", "id": "m7", "code": coded},
    ]  # fmt: skip
    done = run(write_export(tmp_path / "export", resources), tmp_path / "run")
    assert done.exit_code == 0, done.output
    rows = "".join(
        path.read_text() for path in sorted((tmp_path / "run/private/rows").glob("*.ndjson"))
    )
    assert "sertraline" in rows


def test_nothing_that_is_shared_names_a_patient(tmp_path: Path) -> None:
    export = write_export(
        tmp_path / "export", [patient("very-own-id"), result(124, 24, of="very-own-id")]
    )
    done = run(export, tmp_path / "run", "--json")
    assert json.loads(done.stdout)["totals"]["patients"] in (0, 10), "rounded"
    assert "very-own-id" not in done.output
    assert "very-own-id" not in (tmp_path / "run" / "run.json").read_text()
    rows = [p.read_text() for p in (tmp_path / "run" / "private" / "rows").iterdir()]
    assert "very-own-id" not in "".join(rows)
    private = (tmp_path / "run" / "private").stat().st_mode
    assert not private & (stat.S_IRWXG | stat.S_IRWXO), "only its owner reads what is private"
