"""Figures depend on the export alone: not on what the filter leaves out, nor on how it was asked."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cds_service.backtest.results import FIGURES, PAGE
from cds_service.backtest.rows import read_run
from cds_service.cli import cli
from tests import exports
from tests.backtest.small_exports import (
    Resource,
    condition,
    patient,
    result,
    sertraline,
    stay,
    write_export,
)

EVERY = "results,admissions,discharges,orders"
LOCAL = {"coding": [{"system": "urn:oid:1.2.3", "code": "NA-X"}], "text": "Natrium (Plasma)"}


def run(export: Path, output: Path, *more: str) -> Path:
    asked = ["backtest", str(export), "--output", str(output), "--jobs", "1", *more]
    done = CliRunner().invoke(cli, asked)
    assert done.exit_code == 0, done.output
    return output


def figures(folder: Path) -> dict[tuple[str, ...], tuple[str, str]]:
    """Every figure of a run by what it is of."""
    with (folder / FIGURES).open(encoding="utf-8") as file:
        names = ("profile", "knowledge", "table", "name", "indicator", "what")
        return {
            tuple(line[name] for name in names): (line["number"], line["of"])
            for line in csv.DictReader(file)
        }


def undated(own: str, of: str, value: float = 139) -> Resource:
    one = result(value, 0, of=of) | {"id": own}
    return {name: held for name, held in one.items() if name not in ("issued", "effectiveDateTime")}


def unitless(one: Resource) -> Resource:
    return one | {"valueQuantity": {"value": one["valueQuantity"]["value"]}}


def as_text(one: Resource) -> Resource:
    rest = {name: held for name, held in one.items() if name != "valueQuantity"}
    return rest | {"valueString": str(one["valueQuantity"]["value"])}


def _awkward() -> list[Resource]:
    """A patient whose sodium is low, and many about whom numbers alone say that no card can come."""
    found = [patient("low"), stay(-2, 60, of="low"), result(124, 0, of="low")]
    found += [result(138, 400, of="low"), result(138.5, 800, of="low")]
    for n in range(4):
        own = f"normal-{n}"
        found += [patient(own), stay(-2, 50, of=own), unitless(result(139, 0, of=own))]
        found += [undated(f"u-{n}", own), result(140, 30, of=own), sertraline(-300, of=own)]
        found.append(condition("7200002", "Alcoholism", None, of=own))
    found += [patient("child", birthDate="2015-01-01"), stay(-2, 50, of="child")]
    found += [result(139 + n % 2, 40 * n, of="child") for n in range(3)]
    found += [
        patient("only-undated"),
        undated("u-9", "only-undated", 121),
        stay(5, 9, of="only-undated"),
    ]
    found += [patient("no-sodium"), stay(5, 9, of="no-sodium")]
    died = patient("died", deceasedDateTime="2026-03-01T20:00:00Z")
    found += [died, result(139, 0, of="died"), result(140, 30, of="died")]
    found += [patient("text"), as_text(result(139, 0, of="text")), result(139, 9, of="text")]
    found += [
        patient("code"),
        result(139, 0, of="code"),
        result(121, 9, of="code") | {"code": LOCAL},
    ]
    # Drawn early and known late: never the newest value, and still the last of its stay.
    late = result(118, 20, of="late", late=90)
    found += [patient("late"), stay(-2, 50, of="late"), result(139, 19, of="late"), late]
    return [*found, result(140, 60, of="late")]


@pytest.mark.parametrize("moments", ["results", EVERY])
def test_a_run_that_leaves_moments_out_gives_the_figures_of_one_that_does_not(
    moments: str, tmp_path: Path
) -> None:
    """All of figures.csv and of the page, and nothing is too small to be told."""
    exports.write_export(tmp_path / "export" / "invented", 350, 11, thick=0)
    write_export(tmp_path / "export" / "more", _awkward())
    more = ("--moments", moments, "--min-cell", "1")
    filtered = run(tmp_path / "export", tmp_path / "filtered", *more)
    every = run(tmp_path / "export", tmp_path / "every", *more, "--all")
    left, whole = read_run(filtered).totals, read_run(every).totals
    assert left.judged["result"] < whole.judged["result"], "some were left out"
    assert figures(filtered) == figures(every)
    assert (filtered / PAGE).read_bytes() == (every / PAGE).read_bytes()


@pytest.fixture(scope="module")
def awkward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_export(tmp_path_factory.mktemp("awkward") / "export", _awkward())


def _left_out(folder: Path) -> dict[tuple[str, str], str]:
    """How often each thing was left out, by its kind and detail."""
    found = figures(folder).items()
    return {(key[3], key[4]): number for key, (number, _) in found if key[2] == "left out"}


def test_everything_is_counted_once_of_those_too_about_whom_no_card_can_come(
    awkward: Path, tmp_path: Path
) -> None:
    folder = run(awkward, tmp_path / "run", "--min-cell", "1")
    assert _left_out(folder) == {
        ("reject", "undated"): "5",
        ("reject", "maybe-sodium"): "1",
        ("shape", "unitless"): "4",
        ("shape", "text"): "1",
        ("gated", "under-age"): "3",
        ("gated", "deceased"): "1",
    }, "each moment once, and not once for each profile"
    told = figures(folder)["aasld", "new", "burden", "hospital stays", "", "cards"]
    assert told == ("1", "9"), "stays of the whole export"


def test_what_is_no_matter_of_moments_is_the_same_whatever_moments_are_asked_for(
    awkward: Path, tmp_path: Path
) -> None:
    few = run(awkward, tmp_path / "few", "--min-cell", "1")
    more = run(awkward, tmp_path / "more", "--min-cell", "1", "--moments", EVERY)
    results, every = figures(few), figures(more)
    alone = [
        key
        for key in results
        if key[3]
        in ("patients", "patients with a dated sodium", "sodium results", "hospital stays")
        or key[2] in ("low-at-discharge", "fall", "over-correction")
        or key[3] in ("reject", "shape")
    ]
    assert len(alone) > 10
    for key in alone:
        assert results[key][1] == every[key][1], key  # the number that is counted against
    assert {k: n for k, n in _left_out(few).items() if k[0] != "gated"} == {
        k: n for k, n in _left_out(more).items() if k[0] != "gated"
    }
    same = [
        key for key in results if key[2:4] in (("kind", "result"), ("burden", "sodium results"))
    ]
    assert same
    assert {key: results[key] for key in same} == {key: every[key] for key in same}


def test_stays_outside_of_the_time_that_is_asked_for_are_not_counted_against(
    awkward: Path, tmp_path: Path
) -> None:
    none = run(awkward, tmp_path / "none", "--min-cell", "1", "--since", "2026-04-01")
    assert read_run(none).totals.admissions == 0
    some = run(awkward, tmp_path / "some", "--min-cell", "1", "--since", "2026-03-02")
    assert 0 < read_run(some).totals.admissions < 9


def _page(folder: Path, resources: list[dict[str, Any]], *more: str) -> str:
    output = run(write_export(folder / "export", resources), folder / "run", *more)
    return (output / PAGE).read_text(encoding="utf-8")


def test_results_that_no_moment_sees_are_told_as_sodium_results_on_the_page(
    awkward: Path, tmp_path: Path
) -> None:
    page = _page(tmp_path, _awkward(), "--min-cell", "1")
    for words, number in (
        ("sodium results not used: without any time, so that no moment sees it", 5),
        ("sodium results not used: its code is not known (below)", 1),
        ("sodium results without a unit: a plausible number is taken as mmol/L", 4),
        ("sodium results as text: used if it is a number", 1),
    ):
        assert f'<th scope="row">{words}</th><td>{number}</td>' in page, words
    assert "of all 9 hospital stays" in page


def test_many_cards_of_few_patients_are_told_as_few_patients_and_not_as_few_cards(
    tmp_path: Path,
) -> None:
    """Three patients with a low sodium each day: 30 cards, and 40 patients whose sodium is normal."""
    resources: list[Resource] = []
    for n in range(43):
        own = f"p{n}"
        values = [result(123 - day % 2, 24 * day, of=own) for day in range(10)]
        resources += [patient(own), *(values if n < 3 else [result(139, 0, of=own)])]
    page = _page(tmp_path, resources, "--profile", "aasld")
    told = figures(tmp_path / "run")
    key = ("aasld", "new", "rule", "PV-MOD", "")
    assert told[*key, "cards"][0] == "<10 patients"
    assert told[*key, "patients"][0] == "<10"
    assert "<td>&lt;10 patients</td>" in page
    assert "however many cards they had" in page
