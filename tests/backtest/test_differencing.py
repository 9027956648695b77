"""No two or more figures of the what-if page or of run.json tell what a few patients make."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.backtest.explorer import FEW, FILTERS, Asked, Explorer, Jobs
from cds_service.backtest.rows import (
    CardRow,
    Indicator,
    MomentKind,
    Row,
    Run,
    RunFile,
    Settings,
    Stratum,
    Totals,
    read_run,
    told_file,
)
from cds_service.backtest.tell import Rounding
from cds_service.backtest.whatif import (
    Change,
    Moved,
    Moves,
    PieceChange,
    key_of,
    places_of,
)
from cds_service.cli import cli
from cds_service.feedback.pseudonyms import Pseudonyms
from tests.backtest.judging import pipeline
from tests.backtest.small_exports import patient, result, write_export

LEAST = 10
Filter = tuple[str, ...]  # a value for each of FILTERS; "": all
Bounds = tuple[int, int]
Seen = int | str  # "few" or "hidden" if it is not told
VALUES: Mapping[str, tuple[str, ...]] = {
    "indicator": ("info", "warning", "critical"),
    "setting": ("inpatient", "outpatient"),
    "age": ("40-64", "65-79", "80+"),
    "month": ("2026-01", "2026-02", "2026-03", "2026-04"),
    "kind": ("result", "order"),
}


def _row(who: int, place: Filter, cards: int = 1) -> Row:
    indicator, setting, age, month, kind = place
    card = CardRow(rule="PV-MILD", variant="main", indicator=cast(Indicator, indicator), topic="t")
    return Row(
        patient=f"{who}",
        at=datetime(2026, int(month[-2:]), 5, tzinfo=UTC),
        kind=cast(MomentKind, kind),
        hook="patient-view",
        profile="aasld",
        setting=cast(Any, setting),
        age_band=age,
        cards=(card,) * cards,
    )


class _InventedRun:
    """As much of a run as the page asks for, without a folder."""

    def __init__(self, rows: list[Row], secret: bytes = b"secret") -> None:
        self._rows = rows
        self.names = Pseudonyms(secret)
        self.settings = Settings(export="", profiles=("aasld",), min_cell=LEAST)
        self.totals = Totals(patients=1_000)
        self.pieces = range(1)
        self.strata: dict[Stratum, int] = {}
        for row in rows:
            one = Stratum(
                kind=row.kind, setting=row.setting, age_band=row.age_band, month=row.month
            )
            self.strata[one] = self.strata.get(one, 0) + 1

    def rows(self) -> Iterator[Row]:
        return iter(self._rows)


def _page(rows: list[Row], secret: bytes = b"secret") -> Explorer:
    run = cast(Run, _InventedRun(rows, secret))
    jobs = cast(Jobs, None)  # no number is moved by a process
    return Explorer(run, pipeline().knowledge, jobs)


def _wanted(chosen: Filter) -> dict[str, str]:
    return dict(zip(FILTERS, chosen, strict=True))


def _filters() -> list[Filter]:
    return [*product(*(("", *VALUES[name]) for name in FILTERS))]


def _invented(seed: int) -> list[Row]:
    """Some hundred patients with one card each, so that everything adds up; some cells are small."""
    drawn = random.Random(seed)  # invented patients
    weights = {name: [drawn.random() ** 2 for _ in VALUES[name]] for name in FILTERS}
    return [
        _row(who, tuple(drawn.choices(VALUES[name], weights[name])[0] for name in FILTERS))
        for who in range(drawn.choice((60, 200, 700)))
    ]


def _parts(chosen: Filter) -> Iterator[list[Filter]]:
    """Yields, for each member that a filter leaves open, the filters that close it."""
    for place, name in enumerate(FILTERS):
        if not chosen[place]:
            yield [(*chosen[:place], value, *chosen[place + 1 :]) for value in VALUES[name]]


def _truth(rows: list[Row], chosen: Filter) -> int:
    counted = places_of(rows, "aasld")
    return sum(
        number
        for key, number in counted.items()
        if all(
            not one or one == other for one, other in zip(chosen, key.split("|")[1:], strict=True)
        )
    )


@pytest.fixture(scope="module", params=range(3))
def told(request: pytest.FixtureRequest) -> tuple[list[Row], dict[Filter, Seen]]:
    """The patients that the page tells for every filter, or why it does not."""
    rows = _invented(request.param)
    page = _page(rows)
    found = {one: page.figures("aasld", _wanted(one)) for one in _filters()}
    return rows, {one: _seen(answer) for one, answer in found.items()}


def _seen(answer: Mapping[str, Any]) -> Seen:
    """The patients that an answer tells, or why it does not."""
    seen: Seen = answer["patients"] if answer["patients"] is not None else answer["why"]
    return seen


def test_no_two_filters_differ_by_fewer_patients_than_the_smallest_cell(
    told: tuple[list[Row], dict[Filter, Seen]],
) -> None:
    _, figures = told
    for chosen, whole in figures.items():
        for parts in _parts(chosen):
            for part in parts:
                shown = [one for one in (whole, figures[part]) if isinstance(one, int)]
                apart = abs(shown[0] - sum(shown[1:])) if shown else 0
                assert apart == 0 or apart >= LEAST, (chosen, part)


def test_all_filters_together_do_not_tell_a_small_number(
    told: tuple[list[Row], dict[Filter, Seen]],
) -> None:
    rows, figures = told
    known = _solved({one: _possible(number) for one, number in figures.items()})
    small = [one for one in figures if 0 < _truth(rows, one) < LEAST]
    assert len(small) > 50
    for one in small:
        least, most = known[one]
        assert least <= _truth(rows, one) <= most, "the attack itself is sound"
        assert most > least, (one, known[one])
    left = [known[one][1] - known[one][0] for one in small]
    assert sum(left) / len(left) >= 3, "of at most 8"


def test_the_same_attack_finds_small_numbers_among_exact_ones() -> None:
    rows = _invented(1)
    exact = {one: _truth(rows, one) for one in _filters()}
    hidden = {
        one: (1, LEAST - 1) if 0 < number < LEAST else (number, number)
        for one, number in exact.items()
    }
    known = _solved(hidden)
    found = [one for one, number in exact.items() if 0 < number < LEAST and len({*known[one]}) == 1]
    assert len(found) > 20


def _possible(number: Seen) -> Bounds:
    """What a figure of the page says of the truth."""
    if isinstance(number, str):
        return (1, LEAST - 1) if number == FEW else (1, 1_000)
    return (number - LEAST + 1, number + LEAST - 1) if number else (0, 0)


def _solved(known: dict[Filter, Bounds]) -> dict[Filter, Bounds]:
    """Narrows what is possible by every sum, until nothing is learned any more."""
    known, changed = dict(known), True
    while changed:
        changed = False
        for chosen in known:
            for parts in _parts(chosen):
                changed = _narrowed(known, chosen, parts) or changed
    return known


def _narrowed(known: dict[Filter, Bounds], whole: Filter, parts: list[Filter]) -> bool:
    before = [known[one] for one in (whole, *parts)]
    least, most = (sum(known[part][end] for part in parts) for end in (0, 1))
    known[whole] = max(known[whole][0], least), min(known[whole][1], most)
    for part in parts:
        low, high = known[part]
        rest = least - low, most - high
        known[part] = max(low, known[whole][0] - rest[1]), min(high, known[whole][1] - rest[0])
        least, most = rest[0] + known[part][0], rest[1] + known[part][1]
    return before != [known[one] for one in (whole, *parts)]


def test_asking_again_gives_the_same_and_another_run_another_draw() -> None:
    rows = _invented(2)
    first, again, other = _page(rows), _page(rows), _page(rows, b"another secret")
    every = [_wanted(one) for one in _filters()[:200]]
    figures = [[page.figures("aasld", one) for one in every] for page in (first, again, other)]
    assert figures[0] == figures[1] != figures[2]


def test_one_patient_with_many_cards_does_not_show_by_a_difference() -> None:
    place = ("info", "inpatient", "65-79", "2026-01", "result")
    many = ("info", "inpatient", "80+", "2026-01", "result")
    other = ("info", "inpatient", "40-64", "2026-01", "result")
    rows = [_row(who, place, 2) for who in range(60)] + [_row(99, many, 40)]
    rows += [_row(who, other, 2) for who in range(100, 150)]
    page = _page(rows)
    with_it = page.figures("aasld", _wanted(("",) * 5))
    without = page.figures("aasld", _wanted(("", "", "65-79", "", "")))
    assert with_it["cards"] % 100 == 0, "ten of them have up to 58 cards together"
    assert without["cards"] in (100, 120, 140)
    for age, why in (("80+", FEW), ("40-64", "hidden")):
        found = page.figures("aasld", _wanted(("", "", age, "", "")))
        assert (found["cards"], found["why"]) == (None, why), "as in the report"


def test_what_a_moved_number_changes_of_few_patients_is_told_by_no_figure() -> None:
    place = ("info", "inpatient", "65-79", "2026-01", "result")
    rows = [_row(who, place) for who in range(300)]
    key = key_of(("PV-MILD", *place))
    few, many = [Moves({key: 1}, {key: 2})] * 3, [Moves({key: 1}, {})] * 40
    answers = []
    for moved, left in ((few, 303), (many, 260)):
        page = _page(rows)
        piece = PieceChange(
            piece=0, patients=1_000, again=3, before={key: 300}, after={key: left}, changed=moved
        )
        page._asked = Asked(
            moved=Moved(profile="aasld", number="mild_below", value=134),
            change=Change(pieces=1, done=[piece]),
        )
        answers.append(page.change(_wanted(("",) * 5)))
    hidden, shown = answers
    for name in ("difference", "afterPer100", "again"):
        assert hidden[name] is None, name
    before = {"rule": "PV-MILD", "before": "300 ± 10"}
    assert hidden["rows"] == [before | {"after": "hidden", "difference": "few"}]
    assert shown["rows"] == [before | {"after": "260 ± 20", "difference": "-40 ± 10"}]
    assert (shown["difference"], shown["afterPer100"]) == (-4.0, 26.0)
    assert (shown["giveOrTake"], shown["afterGiveOrTake"]) == (1.0, 2.0), "of 1,000 patients"


PLACE = ("info", "inpatient", "65-79", "2026-01", "result")
KEY = key_of(("PV-MILD", *PLACE))


def _cards(*numbers: int) -> list[Row]:
    """Patients who have so many cards each."""
    return [_row(who, PLACE, number) for who, number in enumerate(numbers) if number]


def _moved(pairs: list[tuple[int, int]], secret: bytes = b"secret") -> dict[str, Any]:
    """What the page says after a move, of patients with so many cards before and after."""
    page = _page(_cards(*(before for before, _ in pairs)), secret)
    old, new = (sum(pair[side] for pair in pairs) for side in (0, 1))
    changed = [Moves({KEY: old}, {KEY: new}) for old, new in pairs if old != new]
    piece = PieceChange(
        piece=0, patients=1_000, again=9, before={KEY: old}, after={KEY: new}, changed=changed
    )
    page._asked = Asked(
        moved=Moved(profile="aasld", number="mild_below", value=134),
        change=Change(pieces=1, done=[piece]),
    )
    return page.change(_wanted(("",) * 5))


@pytest.mark.parametrize("pairs", [[(5, 5)] * 4, [(2, 2)] * 40, [(40, 40), *[(1, 1)] * 15]])
def test_a_number_that_changes_no_card_shows_no_change_and_tells_nothing_more(
    pairs: list[tuple[int, int]],
) -> None:
    """Eighteen cards of four patients stood there as "<10" before and 20 after."""
    for drawn in range(30):
        found = _moved(pairs, b"%d" % drawn)
        (row,) = found["rows"]
        assert row["before"] == row["after"]
        assert (row["difference"], found["unchanged"]) == ("none", True)
        assert (row["before"] == FEW) is (len(pairs) < LEAST)
        assert found["beforePer100"] == found["afterPer100"]


_FEW_EACH = st.sampled_from([(0, 1), (1, 0), (5, 5), (2, 1), (0, 9), (9, 0), (1, 1), (30, 0)])


@given(st.lists(st.tuples(_FEW_EACH, st.integers(1, 25)), min_size=1, max_size=5), st.binary())
@settings(max_examples=100, deadline=None)
def test_what_is_told_of_a_move_holds_the_truth_and_is_about_enough_patients(
    groups: list[tuple[tuple[int, int], int]], secret: bytes
) -> None:
    pairs = [pair for pair, times in groups for _ in range(times)]
    found = _moved(pairs, secret)
    for row in found["rows"]:
        for side, name in enumerate(("before", "after")):
            people = sum(bool(pair[side]) for pair in pairs)
            _assert_holds(row[name], sum(pair[side] for pair in pairs), people)
        moved = [pair for pair in pairs if pair[0] != pair[1]]
        if row["difference"] != "none":
            _assert_holds(row["difference"], sum(new - old for old, new in moved), len(moved))
        assert (row["difference"] == "none") is (not moved)


def _assert_holds(shown: str, truth: int, people: int) -> None:
    """A figure is told of no or of enough patients, and the truth is nearer than it says."""
    if shown in (FEW, "hidden"):
        assert shown == "hidden" or 0 < people < LEAST, shown
        return
    assert not 0 < people < LEAST, shown
    number, _, step = shown.replace(",", "").partition(" ± ")
    assert truth == int(number) or abs(truth - int(number)) < int(step or 0), (shown, truth)


def test_enough_patients_with_few_cards_are_not_told_as_few() -> None:
    """42 cards of sixteen patients, ten of whom have most of them, were rounded down to "few"."""
    rows = _cards(*[5] * 4, *[2] * 10, *[1] * 8)
    for drawn in range(30):
        found = _page(rows, b"%d" % drawn).figures("aasld", _wanted(("",) * 5))
        assert found["cards"] in (0, 50)
        assert found["cardsGiveOrTake"] == 50
        assert (found["few"], found["hidden"]) == (0, 0)
        assert f"{found['cards']} ± 50" in found["plot"], "one number of one rule on one page"


def test_the_plot_and_the_table_of_a_move_give_the_same_number_of_a_rule() -> None:
    """The plot summed parts that were rounded apart: 150 here, 100 there."""
    loud = ("warning", *PLACE[1:])
    rows = _cards(*[4] * 16) + [_row(100 + n, loud, 4) for n in range(14)]
    for drawn in range(30):
        page = _page(rows, b"%d" % drawn)
        counted = {key_of(("PV-MILD", *place)): n for place, n in ((PLACE, 64), (loud, 56))}
        piece = PieceChange(
            piece=0, patients=1_000, again=0, before=counted, after=counted, changed=[]
        )
        page._asked = Asked(
            moved=Moved(profile="aasld", number="mild_below", value=135),
            change=Change(pieces=1, done=[piece]),
        )
        wanted = _wanted(("",) * 5)
        assert (
            f">{page.change(wanted)['rows'][0]['before']}<" in page.figures("aasld", wanted)["plot"]
        )


# ---- run.json


def test_run_json_tells_no_small_total_and_private_keeps_them(tmp_path: Path) -> None:
    resources = [patient("a"), patient("b"), result(128, 0, of="a"), result(139, 30, of="a")]
    export = write_export(tmp_path / "export", resources)
    with (export / "Observation.000.ndjson").open("a") as file:
        file.write('{"resourceType": "Observation"\n')
    output = tmp_path / "run"
    done = CliRunner().invoke(cli, ["backtest", str(export), "--output", str(output), "--json"])
    assert done.exit_code == 0, done.output
    for text in ((output / "run.json").read_text(), done.stdout):
        told = json.loads(text)
        assert told["broken"] == []
        for name in ("patients", "withSodium", "results", "lines", "kept", "broken"):
            assert told["totals"][name] in (0, LEAST), name
        for name in ("moments", "judged", "kinds"):
            assert {*told["totals"][name].values()} <= {0, LEAST}, name
    totals = read_run(output).totals
    assert (totals.patients, totals.with_sodium, totals.results, totals.broken) == (2, 1, 2, 1)
    assert read_run(output).file.broken == ["Observation.000.ndjson:3"]


def test_large_totals_stay_right_to_a_hundredth() -> None:
    totals = Totals(patients=123_456, with_sodium=123_450, moments={"result": 48_017})
    file = RunFile(settings=Settings(export=""), totals=totals)
    for drawn in range(20):
        told = told_file(file, b"%d" % drawn).totals
        assert told.patients == pytest.approx(123_456, rel=0.02)
        assert told.moments["result"] == pytest.approx(48_017, rel=0.02)
        apart = told.patients - told.with_sodium
        assert apart == 0 or abs(apart) >= LEAST


def test_rounding_is_fair_on_the_whole() -> None:
    """Many figures together are as large as they are: the page is not wrong in one direction."""
    rounding = Rounding(least=LEAST, names=Pseudonyms(b"fair"))
    numbers = range(10, 4_000)
    assert sum(rounding.number(one, LEAST) for one in numbers) == pytest.approx(
        sum(numbers), rel=0.001
    )
    assert [rounding.step(one) for one in (1, 10, 11, 21, 51, 101, 4_000)] == [
        *(10, 10, 20, 50, 100, 200, 5_000),
    ]
