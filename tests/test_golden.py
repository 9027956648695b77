"""A sample of the golden record is as stored, and a changed answer is noticed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.golden.answering import Answer, Services, normalised
from tests.golden.bodies import FIXTURES, stories
from tests.golden.calls import batch, batch_names
from tests.golden.comparing import compare, told
from tests.golden.digests import ANSWERS, of_groups, stored
from tests.golden.running import Outcome, answered

SAMPLE = "story/cramps-in-siadh"


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return answered(SAMPLE, Services(tmp_path_factory.mktemp("golden")))


def test_a_sample_of_the_golden_record_is_as_stored(outcome: Outcome) -> None:
    compared = compare([outcome], whole=False)
    assert compared.differences == (), told(compared, None)
    assert compared.calls > 40


def test_a_changed_row_and_a_changed_answer_are_named(outcome: Outcome) -> None:
    calls = batch(SAMPLE)
    groups = of_groups(calls, [Answer(200, 0, b"{}")] * len(calls))
    line = outcome.rows.line.replace("hospital.tally=", "hospital.tally=9")
    rows = replace(outcome.rows, line=line)
    compared = compare([Outcome(SAMPLE, groups, rows)], whole=False)
    report = told(compared, None)
    assert "19 of 19 changed (chart, sertraline" in report
    assert "rows of story/cramps-in-siadh: other rows in hospital.tally" in report
    assert report.endswith("43 calls, 0 cards, 4 differences\n")


def test_the_record_is_large_and_its_files_are_small() -> None:
    digests = stored(ANSWERS)
    assert sum(digest.calls for digest in digests.values()) >= 20_000
    assert ANSWERS.stat().st_size < 300_000
    assert len(set(batch_names(quick=False))) == len(batch_names(quick=False))


def test_each_stored_story_is_still_there() -> None:
    assert [name for name in stories() if not (FIXTURES / name).is_dir()] == []


def test_only_the_named_parts_of_an_answer_are_normalised() -> None:
    raw = (
        b'{"cards":[],"extension":{"org.hyponatremia-cds.explanation":'
        b'{"knowledge":"abc","returned":["B","A"],"fired":["B","A"]}}}'
    )
    assert normalised(200, raw, "") == (
        b'{"cards":[],"extension":{"org.hyponatremia-cds.explanation":'
        b'{"knowledge": "<not compared>", "returned": ["B", "A"], "fired": ["A", "B"]}}}'
    )
    assert normalised(200, b'{"cards": []}', "") == b'{"cards": []}'
