"""Who is on the lists for a quality team on one day, and who is not."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cds_service.backtest.worklist import LISTS, Lister
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
