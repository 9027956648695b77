"""`cds-service report` and `cds-service db` work as an operator types them."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from cds_service.cli import cli
from cds_service.errors import SettingsError
from cds_service.store.engine import open_database, sqlite_url
from cds_service.store.feedback import FeedbackTable
from cds_service.telemetry import release
from tests.databases import Server
from tests.feedback.simulated import fill


@pytest.fixture
def filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    database = open_database(sqlite_url(tmp_path))
    fill(database, "mercy", cards=500, answers=200, until=datetime.now(UTC), days=30)
    database.engine.dispose()
    monkeypatch.setenv("CDS_DATA_DIR", str(tmp_path))
    return tmp_path


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.usefixtures("filled")
def test_the_table_names_rules_totals_and_reasons() -> None:
    answer = run("report")
    assert "PV-MILD" in answer
    assert "All rules" in answer
    assert "Known stable chronic low sodium" in answer


def test_the_page_is_written_to_the_named_file(filled: Path) -> None:
    run("report", "--format", "html", "--output", str(filled / "r.html"))
    assert "<svg" in (filled / "r.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("filled")
def test_csv_goes_to_standard_output_and_one_client_can_be_chosen() -> None:
    assert run("report", "--format", "csv", "--tenant", "mercy").startswith("Week,Rule,Profile")
    result = CliRunner().invoke(cli, ["report", "--tenant", "nobody"])
    assert result.exit_code == 2


def test_comments_go_to_a_file_that_only_its_owner_reads_and_never_into_the_report(
    filled: Path,
) -> None:
    database = open_database(sqlite_url(filled))
    now = datetime.now(UTC)
    said = {"comment": "=Jane Roe, room 4", "reason": {"code": "other"}}
    row = {"tenant": "mercy", "card": "c", "digest": "d", "service": "s", "outcome": "overridden"}
    FeedbackTable(database).add([row | {"outcome_at": now, "received_at": now, "content": said}])  # type: ignore[list-item]
    database.close()
    path = filled / "comments.csv"
    told = run("report", "--comments", str(path))
    assert "1 comments. They may name patients." in told
    assert "Jane" not in told
    assert path.stat().st_mode & 0o077 == 0
    line = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))[-1]
    assert line[0] == "mercy"
    assert line[3:] == ["overridden", "other", "'=Jane Roe, room 4"]
    assert "Jane" not in run("report", "--format", "html")


@pytest.mark.usefixtures("filled")
def test_the_last_day_of_the_report_cannot_be_before_its_first() -> None:
    asked = ["report", "--since", "2026-10-01", "--until", "2026-09-01"]
    assert CliRunner().invoke(cli, asked).exit_code == 2
    assert (
        json.loads(run("report", "--until", "2020-01-01", "--since", "2019-01-01", "--json"))[
            "rules"
        ]
        == []
    )


@pytest.mark.usefixtures("filled")
def test_the_table_says_release_knowledge_and_both_days_in_80_columns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    last = datetime.now(UTC) - timedelta(days=2)
    first = last - timedelta(days=20)
    shown = run("report", "--since", f"{first:%Y-%m-%d}", "--until", f"{last:%Y-%m-%d}")
    words = " ".join(shown.split())
    assert f"from {first:%-d %B %Y} to {last:%-d %B %Y} (UTC)" in words
    assert f"Release {release()}; " in words
    found = json.loads(run("report", "--json"))["usage"]["knowledge"]
    assert all(one[:16] in words for one in found)
    assert "since" not in words
    assert max(map(len, shown.splitlines())) <= 80
    assert "from 1 January 2019 to 2 January 2019" in run(
        "report", "--since", "2019-01-01", "--until", "2019-01-02"
    )


@pytest.mark.usefixtures("filled")
def test_the_figures_come_as_json_with_what_they_are_compared_with() -> None:
    found = json.loads(run("report", "--client", "mercy", "--json"))
    assert found["release"]
    assert {"calls", "charts", "users", "unchecked", "cards_per_100_charts"} <= set(found["usage"])
    assert sum(rule["returned"] for rule in found["rules"]) == sum(
        found["usage"]["indicators"].values()
    )


@pytest.mark.usefixtures("filled")
def test_status_counts_the_rows_and_prune_the_deleted_ones() -> None:
    assert "issued: 500 rows" in run("db", "status")
    told = json.loads(run("db", "status", "--json"))
    assert (told["schema"], told["rows"]["issued"]) == (told["newest"], 500)
    assert "0 issued" in run("db", "prune")


def test_upgrade_makes_a_new_postgresql_ready(
    postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres.fresh("commands")
    monkeypatch.setenv("CDS_DATABASE_URL", url)
    assert CliRunner().invoke(cli, ["db", "status"]).exit_code == 1
    with pytest.raises(SettingsError, match="db upgrade"):
        CliRunner().invoke(cli, ["report"], catch_exceptions=False)
    run("db", "upgrade")
    assert "tally: 0 rows" in run("db", "status")
    assert "No rule has fired" in run("report")
    open_database(url).engine.dispose()


def test_a_missing_folder_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDS_DATA_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(SettingsError, match="CDS_DATA_DIR"):
        CliRunner().invoke(cli, ["report"], catch_exceptions=False)
    assert not (tmp_path / "nowhere").exists()
