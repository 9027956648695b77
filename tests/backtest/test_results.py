"""The files of a run: no small figure and no patient leaves private/, and the draft of codes loads."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from importlib import import_module
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import escape
from msgspec.structs import replace

from cds_service.backtest import results
from cds_service.backtest.cells import Cell, hide_small
from cds_service.backtest.figures import report_of
from cds_service.backtest.results import FIGURES, LOCAL_CODES, PAGE, UNKNOWN
from cds_service.backtest.reviewed import FORMAT, Answer, Answers, read_answers, reviewed
from cds_service.backtest.rows import Run, read_run
from cds_service.backtest.sample import draw, read_drawing, shares_of, write_drawing
from cds_service.backtest.unknown import Unknown, local_codes_draft, unknown_csv, unknowns
from cds_service.cli import cli
from cds_service.errors import BacktestError, TerminologyError
from cds_service.knowledge.load import default_hooks_dir
from cds_service.records.site_codes import site_codes
from tests.backtest.judged import people, sifter
from tests.backtest.small_exports import order, patient, result, sertraline, stay, write_export
from tests.fhir_resources import pipeline

LOCAL = "urn:oid:1.2.3"


def test_codes_units_names_and_problems_that_mean_nothing_are_counted() -> None:
    local = {"coding": [{"system": LOCAL, "code": "NA"}], "text": "Natrium (Plasma)"}
    resources = [
        result(124, 0, code="2951-2") | {"code": local},
        result(124, 1) | {"valueQuantity": {"value": 124, "unit": "mmol/kg"}},
        order("0", "", 0) | {"medicationCodeableConcept": {"coding": [{"system": LOCAL, "code": "X9"}]}},
        order("312941", "sertraline 50 MG Oral Tablet", 0),
        order("198440", "acetaminophen 500 MG Oral Tablet", 0),
        {"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/p1"},
         "code": {"coding": [{"system": LOCAL, "code": "D7"}]}},
        {"resourceType": "Condition", "id": "d", "subject": {"reference": "Patient/p1"},
         "code": {"coding": [{"system": "http://snomed.info/sct", "code": "38341003"}]}},
    ]  # fmt: skip
    sifter().unknown.taken()
    people([*resources, *resources[:1]])
    found = unknowns(sifter().unknown.taken(), pipeline().vocabulary)
    assert [(one.kind, one.code, one.times) for one in found] == [
        ("sodium", "NA", 2), ("unit", "mmol/kg", 1), ("drug", "X9", 1), ("problem", "D7", 1),
    ]  # fmt: skip
    assert (found[0].analyte, found[0].lab_class) == ("sodium", "lab")


ODD = [
    Unknown(kind="sodium", system=LOCAL, code="NA,1", name='=cmd("x")', times=40, analyte="sodium", lab_class="poc"),
    Unknown(kind="drug", system="", code="X9", name="HCTZ, 25", times=12),
    Unknown(kind="drug", system="", code="", name="a name without a code", times=12),
    Unknown(kind="problem", system=LOCAL, code="D7", name="", times=11),
]  # fmt: skip


def test_the_draft_of_local_codes_changes_nothing_until_a_line_was_checked(tmp_path: Path) -> None:
    path, terms = tmp_path / "codes.csv", pipeline().knowledge.terms
    path.write_text(local_codes_draft(ODD), encoding="utf-8")
    assert site_codes(terms, codes=path).local.labs == {}
    checked = path.read_text(encoding="utf-8").replace(f"#{LOCAL},", f"{LOCAL},")
    checked = checked.replace("#,X9,,", ",X9,hydrochlorothiazide,").replace(",D7,,,", ",D7,,,siadh")
    path.write_text(checked, encoding="utf-8")
    local = site_codes(terms, codes=path).local
    assert local.labs == {(LOCAL, "NA,1"): "sodium"}
    assert local.lab_classes == {(LOCAL, "NA,1"): "poc"}
    assert local.drugs == {("", "X9"): ["hydrochlorothiazide"]}
    assert local.problems == {(LOCAL, "D7"): ["siadh"]}


def test_an_ingredient_that_there_is_not_is_told_as_it_was_written_with_the_one_that_was_meant(
    tmp_path: Path,
) -> None:
    path, terms = tmp_path / "codes.csv", pipeline().knowledge.terms
    head = "system,code,ingredient,analyte\n"
    for written, says in (
        ("Hydrochlorothiazid", "'Hydrochlorothiazid' is no ingredient of sodium-drugs.toml; did you "
         "mean hydrochlorothiazide"),
        ("HeartFailure", "'HeartFailure' is no ingredient of sodium-drugs.toml"),
    ):  # fmt: skip
        path.write_text(f"{head},X9,{written},\n", encoding="utf-8")
        with pytest.raises(TerminologyError) as refused:
            site_codes(terms, codes=path)
        assert says in str(refused.value)


def test_each_kind_that_was_not_understood_says_what_to_do_and_a_draft_holds_what_can_be_set(
    tmp_path: Path,
) -> None:
    local = {"coding": [{"system": LOCAL, "code": "NA"}], "text": "Natrium (Plasma)"}
    kg = {"valueQuantity": {"value": 124, "unit": "mmol/kg"}}
    resources: list[dict[str, Any]] = []
    for n in range(12):
        own = f"own-id-{n}"
        resources += [
            patient(own),
            result(139, 0, of=own),
            result(124, 9, of=own) | {"code": local},
        ]
        resources += [result(124, 5, of=own) | kg]
        resources.append(
            {"resourceType": "Condition", "id": f"c{n}", "subject": {"reference": f"Patient/{own}"},
             "code": {"coding": [{"system": LOCAL, "code": "D7"}]}}
        )  # fmt: skip
    output = tmp_path / "run"
    asked = ["backtest", str(write_export(tmp_path / "export", resources)), "--output", str(output)]
    assert CliRunner().invoke(cli, [*asked, "--jobs", "1"]).exit_code == 0
    page, draft = (output / PAGE).read_text(), (output / LOCAL_CODES).read_text()
    for kind, words in (
        ("sodium", "take the # of its line in local-codes.csv away"),
        ("unit", "there is no setting for it"),
        ("problem", "Write the problem that a code means into its line in local-codes.csv"),
    ):
        assert f"<b>{kind}</b>: " in page
        assert words in page
    assert "with the codes of results, drugs and problems among them" in page
    assert "<b>drug</b>" not in page, "all were understood"
    assert f"#{LOCAL},NA," in draft
    assert f"#{LOCAL},D7," in draft
    assert "mmol/kg" not in draft, "a unit cannot be set"
    mapped = tmp_path / "mapped.csv"
    lines = draft.replace(f"#{LOCAL},NA,", f"{LOCAL},NA,").replace(
        f"#{LOCAL},D7,,,", f"{LOCAL},D7,,,siadh"
    )
    mapped.write_text(lines, encoding="utf-8")
    asked += ["--local-codes", str(mapped)]
    assert CliRunner().invoke(cli, [*asked, "--jobs", "1"]).exit_code == 0
    page = (output / PAGE).read_text()
    assert "<b>unit</b>: " in page
    assert "<b>sodium</b>: " not in page, "its line was taken"
    assert "<b>problem</b>: " not in page, "its line was taken"
    assert "at which no rule looks" not in page, "NA is no test that no rule looks at"


def test_the_page_says_what_the_rules_and_profiles_are_and_puts_the_profiles_beside_one_another(
    tmp_path: Path,
) -> None:
    folder, _ = _run(tmp_path, 30)
    page = (folder / PAGE).read_text(encoding="utf-8")
    assert "The US profile, after the guidance of the AASLD of 2021: sodium is low if 135" in page
    assert "After the European guideline of 2014: sodium is low below 135 mmol/L" in page
    table = page.partition("The profiles beside one another</h2>")[2].partition("</table>")[0]
    first = re.findall(r"<th scope=\"row\">([^<]*)", table)
    assert first[:5] == [
        "Patients with a card", "Cards", "Critical cards", "Warning cards", "Info cards",
    ]  # fmt: skip
    assert re.findall(r"<td>([^<]*)</td>", table)[:3] == ["42.9", "42.9", "0.0"]
    rules = {cell["name"] for cell in figures(folder) if cell["table"] == "rule"}
    for rule in rules:
        when = pipeline().knowledge.rules[rule].when.partition(". ")[0]
        assert f"<li><b>{rule}</b> " in page
        assert str(escape(when)) in page, rule


def test_the_page_shows_every_window_of_the_outcomes_that_the_figures_have(
    small_run: tuple[Path, Run],
) -> None:
    folder, run = small_run
    page = (folder / PAGE).read_text(encoding="utf-8")
    hours = pipeline().knowledge.history.windows.hours
    assert hours[0] == 6
    tables = re.findall(r'<th scope="col">Within (\d+) h</th>', page)
    assert tables == [str(one) for one in hours] * len(run.settings.profiles)


def test_no_cell_of_the_lists_is_a_formula_for_a_spreadsheet() -> None:
    for text in (unknown_csv(ODD), local_codes_draft(ODD)):
        cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
        assert '\'=cmd("x")' in cells
        assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))]


# ---- nothing below the smallest cell


def cell(name: str, cards: int, indicator: str = "", dimension: Any = "rule") -> Cell:
    return Cell(
        profile="aasld", knowledge="new", dimension=dimension, name=name, indicator=indicator,
        cards=cards, patients=cards, moments=1000,
    )  # fmt: skip


def told(cells: Iterable[Cell]) -> dict[str, int | None]:
    return {f"{one.name} {one.indicator}".strip(): one.cards for one in hide_small(cells, 10)}


def test_a_single_small_cell_takes_the_next_smallest_with_it() -> None:
    """Otherwise the total minus the others would tell it."""
    assert told([cell("A", 500), cell("B", 40), cell("C", 3)]) == {"A": 500, "B": None, "C": None}


def test_two_small_cells_hide_each_other() -> None:
    found = told([cell("A", 500), cell("B", 9), cell("C", 3), cell("D", 0)])
    assert found == {"A": 500, "B": None, "C": None, "D": 0}


def test_the_indicators_of_one_rule_do_not_tell_a_small_one() -> None:
    cells = [cell("A", 100, "critical"), cell("A", 50, "warning"), cell("A", 4, "info")]
    assert told(cells) == {"A critical": 100, "A warning": None, "A info": None}


def test_what_one_table_hides_is_not_told_by_another() -> None:
    """Two rules with few warnings hide each other; then the criticals of each must be hidden too."""
    cells = [
        cell("A", 47, "critical"), cell("A", 9, "warning"),
        cell("B", 60, "critical"), cell("B", 8, "warning"),
        cell("C", 70, "critical"),
    ]  # fmt: skip
    found = told(cells)
    assert found == {
        "A critical": None,
        "A warning": None,
        "B critical": None,
        "B warning": None,
        "C critical": 70,
    }


def test_two_cells_that_are_small_together_take_a_third_with_them() -> None:
    """135 of 137 cards were told, so that "not told apart 2" was left for the chart."""
    cells = [
        cell("A", 137),
        cell("A", 1, "critical"),
        cell("A", 135, "warning"),
        cell("A", 1, "info"),
    ]
    assert told(cells) == {"A": 137, "A critical": None, "A warning": None, "A info": None}


def test_a_large_cell_that_is_hidden_for_a_small_one_does_not_pass_for_small() -> None:
    hidden = {one.name: one.small for one in hide_small([cell("B", 40), cell("C", 3)], 10)}
    assert hidden == {"B": False, "C": True}


LEAST = 10
_NUMBERS = st.sampled_from([0, 0, 1, 2, 5, 9, 10, 11, 40, 300])


@given(st.lists(st.tuples(_NUMBERS, _NUMBERS, _NUMBERS), min_size=1, max_size=6))
@settings(max_examples=300, deadline=None)
def test_no_hidden_figure_follows_from_those_that_are_told(
    counts: list[tuple[int, int, int]],
) -> None:
    """Rules by indicator with all totals; each patient has one card, so that all of it adds up."""
    table: Counter[tuple[str, str]] = Counter()
    for number, row in enumerate(counts):
        for indicator, cards in zip(("critical", "warning", "info"), row, strict=True):
            for key in product((f"R{number}", ""), (indicator, "")):
                table[key] += cards
    cells = [
        cell(name, cards, part, "rule" if name else "all") for (name, part), cards in table.items()
    ]
    shown = {(c.name, c.indicator): c.cards for c in hide_small(cells, LEAST)}
    assert all(not cards or cards >= LEAST for cards in shown.values() if cards is not None)
    names, parts = {name for name, _ in table}, {part for _, part in table}
    sums = [[(name, part) for part in parts] for name in names]
    sums += [[(name, part) for name in names] for part in parts]
    unknown = sorted(key for key, cards in shown.items() if cards is None)
    for one in _solved(sums, unknown):
        assert table[one] == 0, (one, shown)
    for keys in sums:
        total = _total(keys)
        left = sum(table[key] for key in keys if shown[key] is None and key != total)
        assert shown[total] is None or left == 0 or left >= LEAST, (keys, shown)


def _solved(
    sums: list[list[tuple[str, str]]], unknown: list[tuple[str, str]]
) -> list[tuple[str, str]]:
    """The unknown figures that the sums tell, by elimination in fractions."""
    rows = [
        [Fraction((key in one) * (-1 if key == _total(one) else 1)) for key in unknown]
        for one in sums
    ]
    place, pivots = 0, []
    for column in range(len(unknown)):
        found = next((n for n in range(place, len(rows)) if rows[n][column]), None)
        if found is None:
            continue
        rows[place], rows[found] = rows[found], rows[place]
        rows[place] = [value / rows[place][column] for value in rows[place]]
        for n, row in enumerate(rows):
            if n != place and row[column]:
                rows[n] = [a - row[column] * b for a, b in zip(row, rows[place], strict=True)]
        pivots.append(column)
        place += 1
    return [
        unknown[column]
        for column, row in zip(pivots, rows, strict=False)
        if sum(bool(value) for value in row) == 1
    ]


def _total(one: list[tuple[str, str]]) -> tuple[str, str]:
    """The total of a sum."""
    same_name = len({name for name, _ in one}) == 1
    return next(key for key in one if key[1 if same_name else 0] == "")


def _export(folder: Path, low: int) -> Path:
    """So many patients with low sodium, who died later, and forty with a normal one; one is ninety."""
    resources: list[dict[str, Any]] = []
    for n in range(low + 40):
        own = f"own-id-{n}"
        born = "1930-01-01" if n == 0 else "1960-01-01"
        died = {"deceasedDateTime": "2026-04-01T00:00:00Z"} if n < low else {}
        resources += [patient(own, birthDate=born, **died), stay(-2, 60, of=own)]
        resources += [result(128 if n < low else 140, 0, of=own), result(139, 40, of=own)]
    return write_export(folder, resources)


def _run(folder: Path, low: int, *more: str) -> tuple[Path, Run]:
    export, output = _export(folder / "export", low), folder / "run"
    asked = ["backtest", str(export), "--output", str(output), "--jobs", "1", *more]
    done = CliRunner().invoke(cli, asked)
    assert done.exit_code == 0, done.output
    return output, read_run(output)


@pytest.fixture(scope="module")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    return _run(tmp_path_factory.mktemp("results"), 30, "--rows", "--profile", "aasld")


def figures(folder: Path) -> list[dict[str, str]]:
    with (folder / FIGURES).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_figures_count_cards_against_patients_and_results(small_run: tuple[Path, Run]) -> None:
    lines = figures(small_run[0])

    def number(table: str, name: str, what: str = "cards") -> tuple[str, str, str]:
        (line,) = [
            one for one in lines
            if (one["table"], one["name"], one["what"], one["indicator"]) == (table, name, what, "")
        ]  # fmt: skip
        return line["number"], line["of"], line["per 100"]

    assert number("burden", "patients") == ("30", "70", "42.86")
    assert number("burden", "sodium results") == ("30", "140", "21.43")
    assert number("setting", "inpatient") == ("30", "140", "21.43")
    assert number("all", "", "patients") == ("30", "70", "42.86")


def test_no_figure_about_few_patients_is_in_a_file_that_may_be_shown(
    small_run: tuple[Path, Run],
) -> None:
    """One patient of the thirty is of another age: neither that age nor its complement is told."""
    for line in figures(small_run[0]):
        for number in (line["number"], line["of"]):
            assert not number.isdigit() or int(number) == 0 or int(number) >= 10, line
    ages = {
        line["name"]: line["number"]
        for line in figures(small_run[0])
        if (line["table"], line["what"], line["indicator"]) == ("age", "patients", "")
    }
    assert ages["80+"] == "<10"
    assert ages["65-79"] == "hidden", "it is large: 29"


def test_no_shared_file_names_a_patient_and_the_key_is_apart(small_run: tuple[Path, Run]) -> None:
    folder, run = small_run
    for name in (PAGE, FIGURES, UNKNOWN, LOCAL_CODES, "run.json"):
        text = (folder / name).read_text(encoding="utf-8")
        assert "own-id" not in text, name
        assert run.key_of("own-id-0") not in text, name
    (rows,) = folder.glob("rows.*")  # Parquet if pyarrow is installed, else CSV
    assert b"own-id" not in rows.read_bytes()
    for path in (rows, run.folder.key_file):
        assert path.stat().st_mode & 0o077 == 0, path


def test_rows_of_a_table_of_text_name_patients_by_their_key(small_run: tuple[Path, Run]) -> None:
    rows = results._as_csv(small_run[1])
    text = rows.read_text(encoding="utf-8")
    if rows.with_suffix(".parquet").exists():
        rows.unlink()  # of two tables of one run a reader takes the wrong one
    assert small_run[1].key_of("own-id-3") in text
    assert "own-id" not in text


def test_rows_have_times_in_utc_and_numbers(small_run: tuple[Path, Run]) -> None:
    csv_file = results._as_csv(small_run[1])
    first = next(csv.DictReader(io.StringIO(csv_file.read_text(encoding="utf-8"))))
    assert re.fullmatch(r"2026-03-0\dT\d\d:00:00Z", first["at"])
    assert first["sodium"] == "128"
    table = csv_file.with_suffix(".parquet")
    if find_spec("pyarrow") is not None and table.exists():
        csv_file.unlink()
        schema = import_module("pyarrow.parquet").read_schema(table)
        assert str(schema.field("at").type) == "timestamp[us, tz=UTC]"
        assert str(schema.field("sodium").type) == "double"


def test_the_report_takes_another_smallest_cell_and_the_run_keeps_its_own(
    small_run: tuple[Path, Run],
) -> None:
    folder = small_run[0]
    done = CliRunner().invoke(cli, ["backtest", "report", str(folder), "--min-cell", "31"])
    assert done.exit_code == 0, done.output
    assert {line["number"] for line in figures(folder) if line["table"] == "rule"} <= {
        *("<31", "<31 patients", "0"),
    }
    assert read_run(folder).settings.min_cell == 10
    assert CliRunner().invoke(cli, ["backtest", "report", str(folder)]).exit_code == 0


def test_no_rule_whose_cards_are_not_told_is_among_the_outcomes(tmp_path: Path) -> None:
    """Its first cards and its repeats would be all of them."""
    folder, run = _run(tmp_path, 30)
    run.file.settings = replace(run.settings, min_cell=31)
    report = report_of(run)
    assert not [rule for profile in report.profiles for rule in report.rule_outcomes(profile)]
    assert "first cards" in (folder / FIGURES).read_text(encoding="utf-8")


def test_the_kinds_of_moments_add_up_and_rules_have_their_names(
    small_run: tuple[Path, Run],
) -> None:
    folder = small_run[0]
    burden = {one["name"]: one for one in figures(folder) if one["table"] == "burden"}
    assert burden["all moments"]["number"] == burden["sodium results"]["number"] == "30"
    page = (folder / PAGE).read_text(encoding="utf-8")
    assert "cards a day" in page
    assert "Mild low sodium" in page
    assert "per 100 patients" in page


def test_orders_without_a_signing_of_their_own_are_no_reason_to_ask_for_orders(
    tmp_path: Path,
) -> None:
    resources = [
        one
        for n in range(12)
        for own in [f"p{n}"]
        for one in (patient(own), result(139, 0, of=own), sertraline(30, of=own))
    ]
    output = tmp_path / "run"
    asked = ["--output", str(output), "--jobs", "1", "--moments", "orders"]
    export = write_export(tmp_path / "export", resources)
    assert CliRunner().invoke(cli, ["backtest", str(export), *asked]).exit_code == 0
    page = (output / PAGE).read_text(encoding="utf-8")
    assert "give --moments admissions" in page
    assert "give --moments orders" not in page


def test_the_page_loads_nothing_from_elsewhere_and_has_no_script(
    small_run: tuple[Path, Run],
) -> None:
    page = (small_run[0] / PAGE).read_text(encoding="utf-8")
    assert not re.findall(r"(?:src|href)\s*=", page)
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert "42.9" in page


def test_the_report_can_be_written_again_from_the_folder(small_run: tuple[Path, Run]) -> None:
    folder = small_run[0]
    before = (folder / PAGE).read_bytes()
    (folder / PAGE).unlink()
    done = CliRunner().invoke(cli, ["backtest", "report", str(folder), "--json"])
    assert done.exit_code == 0, done.output
    assert str(folder / PAGE) in json.loads(done.stdout)["files"]
    assert (folder / PAGE).read_bytes() == before


def test_a_folder_that_holds_no_run_is_refused_in_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["backtest", "report", str(tmp_path)])
    assert "there is no run.json" in str(done.exception)


# ---- chart review


def _drawn(run: Run, number: int) -> list[str]:
    drawing = draw(run, number, "aasld")
    write_drawing(run, drawing)
    return [card.id for card in drawing.cards]


def _answers(folder: Path, path: Path, given: dict[str, dict[str, str]], **more: str) -> Path:
    sample = json.loads((folder / "private" / "sample.json").read_bytes())["sample"]
    content = {"format": FORMAT, "sample": sample, "reviewer": "Ada", "answers": given} | more
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_the_same_cards_are_drawn_again_and_no_more_than_there_are(
    small_run: tuple[Path, Run],
) -> None:
    run = small_run[1]
    assert _drawn(run, 12) == _drawn(run, 12)
    assert len(_drawn(run, 12)) == 12
    assert len(_drawn(run, 200)) == 30


def test_every_rule_has_a_card_in_the_drawing() -> None:
    shares = shares_of({"PV-MILD": 900, "PV-MOD": 99, "RATE-OVER": 1}, 20)
    assert shares == {"PV-MILD": 18, "PV-MOD": 1, "RATE-OVER": 1}
    assert shares_of({"A": 2, "B": 1}, 20) == {"A": 2, "B": 1}


def test_the_form_shows_the_card_of_the_moment_with_the_patient_and_is_for_its_owner_only(
    small_run: tuple[Path, Run],
) -> None:
    folder, _ = small_run
    done = CliRunner().invoke(cli, ["backtest", "report", str(folder), "--sample", "12"])
    assert done.exit_code == 0, done.output
    form = folder / "private" / "review.html"
    text = form.read_text(encoding="utf-8")
    assert form.stat().st_mode & 0o077 == 0
    assert len(re.findall(r"Patient <b>own-id-\d+</b>", text)) == 12
    assert text.count("Moderate low sodium 128 mmol/L") + text.count("low sodium 128 mmol/L") >= 12
    assert "cannot be written again" not in text


def test_the_answers_of_two_reviewers_come_back_into_the_page(
    small_run: tuple[Path, Run], tmp_path: Path
) -> None:
    folder, run = small_run
    cards = _drawn(run, 20)
    ada = {card: {"agree": "yes", "use": "useful"} for card in cards[:16]}
    ada |= {cards[16]: {"agree": "no", "use": "harmful", "comment": "own-id-3: on dialysis"}}
    ben = {card: {"agree": "yes"} for card in cards[:15]} | {cards[16]: {"agree": "no"}}
    files = [
        str(_answers(folder, tmp_path / f"{name}.json", given))
        for name, given in (("ada", ada), ("ben", ben))
    ]
    asked = ["backtest", "report", str(folder), "--answers", files[0], "--answers", files[1]]
    done = CliRunner().invoke(cli, asked)
    assert done.exit_code == 0, done.output
    page = (folder / PAGE).read_text(encoding="utf-8")
    assert "2 reviewers judged 17 of 20 cards" in page
    assert "<b>16 of 17 cards, 94% (95 % interval 73 to 99%)</b>" in page
    assert "Cohen&#39;s kappa: <b>1.00</b>" in page or "kappa: <b>1.00</b>" in page
    assert "own-id-3" not in page
    file = tmp_path / "file"
    asked = ["regulatory", "--write", "--backtest", str(folder), "--output", str(file)]
    done = CliRunner().invoke(cli, asked)
    assert done.exit_code == 0, done.output
    summary = (file / "validation.md").read_text(encoding="utf-8")
    assert "| Patients | 70 |" in summary
    assert "| The card was right | 16 of 17 (95 % interval 73 to 99 %) |" in summary
    assert "| Agreement of two reviewers (kappa) | 1.00 |" in summary
    assert "own-id-3" not in summary


def test_a_second_drawing_keeps_the_form_of_the_first_and_its_answers_are_taken(
    tmp_path: Path,
) -> None:
    folder, _ = _run(tmp_path, 30, "--profile", "aasld")
    private = folder / "private"
    done = [_report(folder, "--sample", number) for number in ("12", "12", "20", "7")]
    assert len(list(private.glob("review*.html"))) == 3
    told = ["The form that was there is now" in one.stderr for one in done]
    assert told == [False, False, True, True]
    forms = private.glob("review-*.html")
    (first,) = (one for one in forms if one.read_text().count("Patient <b>own-id-") == 12)
    assert first.name in done[2].stderr
    assert first.stat().st_mode & 0o077 == 0
    drawings = [json.loads(path.read_bytes()) for path in private.glob("sample-*.json")]
    (drawn,) = (one for one in drawings if len(one["cards"]) == 12)
    given = {card["id"]: {"agree": "yes"} for card in drawn["cards"]}
    ada = _answers(folder, tmp_path / "ada.json", given, sample=drawn["sample"])
    assert _report(folder, "--answers", str(ada)).exit_code == 0
    assert "1 reviewer judged 12 of 12 cards" in (folder / PAGE).read_text(encoding="utf-8")
    ben = _answers(folder, tmp_path / "ben.json", {})
    both = _report(folder, "--answers", str(ada), "--answers", str(ben))
    assert "another drawing" in str(both.exception), "of two forms"
    export = str(tmp_path / "export")
    asked = ["backtest", export, "--output", str(folder), "--jobs", "1", "--profile", "european"]
    assert CliRunner().invoke(cli, asked).exit_code == 0
    other = _report(folder, "--answers", str(ada))
    assert "another drawing" in str(other.exception), "of another run in this folder"


def _report(folder: Path, *more: str) -> Result:
    return CliRunner().invoke(cli, ["backtest", "report", str(folder), *more])


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ({"sample": "of another run"}, "another drawing"),
        ({"format": "knowledge review 1"}, "its format is"),
        ({"answers": {"x": {"agree": "perhaps"}}}, "Invalid enum value 'perhaps'"),
    ],
)
def test_answers_that_do_not_belong_here_are_refused(
    small_run: tuple[Path, Run], tmp_path: Path, broken: dict[str, Any], says: str
) -> None:
    folder, run = small_run
    _drawn(run, 5)
    path = _answers(folder, tmp_path / "a.json", {}, **broken)
    with pytest.raises(BacktestError, match=says):
        reviewed([read_answers(path)], read_drawing(run).rules, read_drawing(run).sample)


def _judged(*pairs: tuple[str, str]) -> Any:
    """What two reviewers think of as many cards."""
    files = [
        Answers(format=FORMAT, sample="s", answers={str(n): Answer(agree=p[side]) for n, p in enumerate(pairs)})  # type: ignore[arg-type]
        for side in (0, 1)
    ]  # fmt: skip
    return reviewed(files, {str(n): "PV-MOD" for n in range(len(pairs))}, "s")


def test_a_second_reviewer_makes_no_more_cards_and_no_narrower_interval() -> None:
    """Fifty cards, of which two reviewers say the same, are fifty cards."""
    once = reviewed(
        [Answers(format=FORMAT, sample="s", answers={str(n): Answer(agree="yes" if n < 41 else "no") for n in range(50)})],
        {str(n): "PV-MOD" for n in range(50)},
        "s",
    )  # fmt: skip
    twice = _judged(*[("yes", "yes")] * 41, *[("no", "no")] * 9)
    assert (once.agreed.number, once.agreed.whole) == (41, 50)
    assert twice.agreed == once.agreed
    assert twice.by_rule["PV-MOD"] == once.agreed
    assert [round(end) for end in twice.agreed.interval] == [69, 90]


@pytest.mark.parametrize(
    ("pair", "counts"),
    [
        (("yes", "no"), (0.5, 1)),
        (("yes", "unsure"), (1, 1)),
        (("unsure", "unsure"), (0, 0)),
        (("no", ""), (0, 1)),
    ],
)
def test_a_card_about_which_reviewers_differ_counts_in_part(
    pair: tuple[str, str], counts: tuple[float, int]
) -> None:
    agreed = _judged(pair).agreed
    assert (agreed.number, agreed.whole) == counts


def test_kappa_is_cohens() -> None:
    """Both say yes of 20 cards, no of 15, and differ on 15: 0.7 observed, 0.5 by chance."""
    pairs = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15
    files = [
        Answers(format=FORMAT, sample="s", answers={str(n): Answer(agree=p[side]) for n, p in enumerate(pairs)})  # type: ignore[arg-type]
        for side in (0, 1)
    ]  # fmt: skip
    found = reviewed(files, {str(n): "PV-MOD" for n in range(50)}, "s")
    assert found.kappa == pytest.approx(0.4)
    assert found.both == 50


# ---- what cards are counted against


def test_chart_openings_give_cards_for_each_100_opens_and_clinician_days(tmp_path: Path) -> None:
    """Thirty patients with low sodium and forty others: each chart is opened by two users on one day."""
    opens = tmp_path / "opens.csv"
    lines = [
        f"own-id-{n},2026-03-01T1{hour}:00:00Z,user-{hour}" for n in range(70) for hour in (2, 3)
    ]
    opens.write_text("\n".join(("patient,at,user", *lines)) + "\n", encoding="utf-8")
    folder, _ = _run(tmp_path, 30, "--moments", f"results,{opens}", "--profile", "aasld")
    burden = {
        line["name"]: (line["number"], line["of"], line["per 100"])
        for line in figures(folder)
        if line["table"] == "burden"
    }
    assert burden["chart opens"] == ("60", "140", "42.86")
    assert burden["clinician days"] == ("60", "2", "3000.00")
    assert burden["sodium results"] == ("30", "140", "21.43")
    assert "admissions" not in burden
    page = (folder / PAGE).read_text(encoding="utf-8")
    assert "give --moments admissions" in page
    assert "user-2" not in page + (folder / FIGURES).read_text(encoding="utf-8")


def test_another_version_of_the_knowledge_is_compared_by_rule(tmp_path: Path) -> None:
    """With the old numbers 128 mmol/L was normal."""
    old = shutil.copytree(default_hooks_dir(), tmp_path / "hooks")
    numbers = old / "knowledge" / "thresholds.toml"
    text = numbers.read_text(encoding="utf-8")
    head, _, tail = text.partition("[mild_below]\nvalue = 135")
    numbers.write_text(f"{head}[mild_below]\nvalue = 127{tail}", encoding="utf-8")
    folder, _ = _run(tmp_path, 30, "--against", str(old), "--profile", "aasld")
    page = (folder / PAGE).read_text(encoding="utf-8")
    changes = page.partition("What the new knowledge changes")[2].partition("<h2>")[0]
    cells = re.findall(r"<td>([^<]*)</td>", changes)
    assert cells == ["0", "30", "+30"]
