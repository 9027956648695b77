"""Who is on the lists for a quality team on one day, and who is not."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cds_service.backtest.worklist import LISTS, Lister, counts_if
from cds_service.cli import cli
from tests.backtest.judged import people
from tests.backtest.small_exports import START, order, patient, result, stay, write_export
from tests.fhir_resources import pipeline

DAY = 24
Resource = dict[str, Any]
SERTRALINE = order("312941", "sertraline 50 MG Oral Tablet", -400 * DAY)
THIAZIDE = order("310798", "hydrochlorothiazide 25 MG Oral Tablet", -400 * DAY)


@cache
def lister(at: datetime) -> Lister:
    return Lister(pipeline(), "aasld", at)


def listed(*resources: Resource, hours: float = 0, person: Resource | None = None) -> set[str]:
    """The lists on which the patient is, so many hours after START."""
    at = START + timedelta(hours=hours)
    (one,) = people([person or patient(), *resources])
    return {entry.listed for entry in lister(at).person(one, lambda own: None)}


def test_each_list_of_the_knowledge_has_its_finder() -> None:
    assert set(LISTS) == set(pipeline().knowledge.history.worklist)


@pytest.mark.parametrize(
    ("resources", "on"),
    [
        ([SERTRALINE, THIAZIDE], True),  # no sodium at all
        ([SERTRALINE, THIAZIDE, result(140, -181 * DAY)], True),
        ([SERTRALINE, THIAZIDE, result(140, -179 * DAY)], False),
        ([SERTRALINE, result(140, -300 * DAY)], False),
        ([SERTRALINE, THIAZIDE | {"status": "stopped"}, result(140, -300 * DAY)], False),
        ([SERTRALINE, THIAZIDE | {"authoredOn": "2027-01-01T08:00:00Z"}], False),  # not yet ordered
    ],
)
def test_two_drugs_that_lower_sodium_and_no_sodium_for_half_a_year(
    resources: list[Resource], on: bool
) -> None:
    assert ("combination-unchecked" in listed(*resources)) is on


@pytest.mark.parametrize(
    ("value", "days", "on"),
    [(130, 15, True), (130, 13, False), (138, 15, False), (130, 91, False)],
)
def test_low_sodium_that_was_not_repeated_in_time(value: float, days: float, on: bool) -> None:
    assert ("low-not-repeated" in listed(result(value, -days * DAY))) is on


def test_a_patient_in_hospital_is_looked_at_by_the_ward() -> None:
    low = result(130, -15 * DAY)
    assert "low-not-repeated" not in listed(low, stay(-20 * DAY, None))


def test_a_repeat_that_was_normal_takes_the_patient_off_the_list() -> None:
    assert not listed(result(130, -20 * DAY), result(139, -2 * DAY))


def test_who_left_hospital_with_low_sodium_and_has_no_other_value() -> None:
    left = [stay(-12 * DAY, -8 * DAY), result(131, -9 * DAY)]
    assert "low-after-discharge" in listed(*left)
    assert "low-after-discharge" not in listed(*left, result(132, -2 * DAY))
    early = [stay(-8 * DAY, -3 * DAY), result(131, -4 * DAY)]
    assert "low-after-discharge" not in listed(*early)


def test_a_sodium_that_rises_too_fast_today() -> None:
    rising = [stay(-30, 90), result(112, -20), result(124, -2)]
    assert "rising-today" in listed(*rising)
    assert "rising-today" not in listed(*rising, hours=26)


def test_who_has_died_or_is_a_child_is_on_no_list() -> None:
    low = result(130, -15 * DAY)
    died = patient(deceasedDateTime=(START - timedelta(days=1)).isoformat())
    assert not listed(low, person=died)
    assert not listed(low, person=patient(birthDate="2015-01-01"))


def test_the_list_is_a_table_for_its_owner_and_the_terminal_tells_numbers_only(
    tmp_path: Path,
) -> None:
    resources = [patient("own-id"), result(130, -15 * DAY, of="own-id")]
    export = write_export(tmp_path / "export", resources)
    output = tmp_path / "run"
    runner = CliRunner()
    asked = ["backtest", str(export), "--output", str(output), "--jobs", "1", "--profile", "aasld"]
    assert runner.invoke(cli, asked).exit_code == 0
    unknown = runner.invoke(cli, ["backtest", "worklist", str(output)])
    assert "does not say when it was made" in unknown.output
    done = runner.invoke(cli, ["backtest", "worklist", str(output), "--at", START.isoformat()])
    assert done.exit_code == 0, done.output
    assert "own-id" not in done.output
    path = output / "private" / "worklist.csv"
    assert path.stat().st_mode & 0o077 == 0
    assert '"Low sodium, and not repeated",own-id,130,' in path.read_text(encoding="utf-8")


# ---- a list that would look like an all-clear


def _run(folder: Path, *resources: Resource) -> Path:
    export, output = write_export(folder / "export", [patient(), *resources]), folder / "run"
    asked = ["backtest", str(export), "--output", str(output), "--jobs", "1", "--profile", "aasld"]
    assert CliRunner().invoke(cli, asked).exit_code == 0
    return output


def _list(output: Path, hours: float, *more: str) -> Result:
    at = (START + timedelta(hours=hours)).isoformat()
    done = CliRunner().invoke(cli, ["backtest", "worklist", str(output), "--at", at, *more])
    assert done.exit_code == 0, done.output
    return done


def test_a_list_of_long_after_the_newest_result_says_so_wherever_it_is_read(tmp_path: Path) -> None:
    output = _run(tmp_path, result(130, -15 * DAY))
    done = _list(output, 200 * DAY)
    for text in (done.stdout, done.stderr):
        told = " ".join(text.split())
        assert "The newest sodium result of the export is of 14 February 2026, 214 days" in told
        assert "An empty list is no all-clear." in told
    as_json = _list(output, 200 * DAY, "--json")
    assert "is no all-clear" in json.loads(as_json.stdout)["warning"]
    assert "is no all-clear" in as_json.stderr


def test_a_list_of_the_day_of_the_newest_result_warns_of_nothing(tmp_path: Path) -> None:
    output = _run(tmp_path, result(130, -15 * DAY), result(139, -3, of="p2"), patient("p2"))
    done = _list(output, 0)
    assert "Warning" not in done.stderr
    assert json.loads(_list(output, 0, "--json").stdout)["warning"] == ""
    assert "no sodium result of before" in _list(output, -400 * DAY).stderr


def test_an_earlier_list_is_kept_and_the_new_one_says_where(tmp_path: Path) -> None:
    output = _run(tmp_path, result(130, -15 * DAY))
    assert "that were there" not in _list(output, 0).stdout
    before = (output / "private" / "worklist.csv").read_text(encoding="utf-8")
    assert "that were there" not in _list(output, 0).stdout, "the same lists again"
    told = _list(output, 200 * DAY, "--json").stdout
    kept = Path(json.loads(told)["kept"])
    assert kept.parent == output / "private"
    assert kept.read_text(encoding="utf-8") == before
    assert kept.stat().st_mode & 0o077 == 0
    assert "p1" not in (output / "private" / "worklist.csv").read_text(encoding="utf-8")


def test_the_lists_say_when_a_patient_counts_and_their_times_have_a_zone(tmp_path: Path) -> None:
    untimed = result(138, 0) | {"id": "untimed"}
    untimed.pop("issued")
    untimed.pop("effectiveDateTime")
    output = _run(tmp_path, result(130, -15 * DAY), untimed)
    told = " ".join(_list(output, 0).stdout.split())
    assert "UTC" in told
    words = pipeline().knowledge.history.worklist
    assert [counts_if(name, words[name]) for name in LISTS] == [
        "its newest value is at most 1 day old",
        "7 to 90 days since the discharge",
        "14 to 90 days since the value",
        "none for 180 days or more, or none on record",
    ]
    text = (output / "private" / "worklist.csv").read_text(encoding="utf-8")
    assert "2026-02-14 08:00+00:00" in text
    assert "also 1 sodium result without a time" in text
