"""The breaker stops reads of a dead server, and one slow chart never stops anybody's."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator

import pytest
import structlog

from cds_service.records.breaker import Breaker, Probe
from cds_service.records.client import FhirClient
from cds_service.records.pool import ReadLimits
from cds_service.telemetry import configure_logging

LIMITS = ReadLimits()


class Later:
    """What was put off, so that a test decides when it happens."""

    def __init__(self) -> None:
        self.waiting: list[tuple[float, Callable[[], None]]] = []

    def __call__(self, seconds: float, work: Callable[[], None]) -> None:
        self.waiting.append((seconds, work))

    def happens(self) -> float:
        """Does the next thing that was put off; returns how long it was."""
        seconds, work = self.waiting.pop(0)
        work()
        return seconds


class Scene:
    """A breaker with a clock and a server that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.is_there = False
        self.later = Later()
        probe = Probe(
            client="mercy",
            server="fhir.mercy.example",
            answers=lambda: self.is_there,
            later=self.later,
        )
        self.breaker = Breaker(LIMITS, lambda: self.now, probe)

    def fail(self, *patients: int) -> None:
        for patient in patients:
            self.breaker.failed(patient)


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, str]]]]:
    stream = io.StringIO()
    configure_logging(stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    structlog.reset_defaults()


def test_one_patient_never_opens_it_however_often_the_chart_is_tried(scene: Scene) -> None:
    scene.fail(*[1] * 500)
    assert scene.breaker.pause is None
    assert scene.breaker.admits(1)
    assert scene.breaker.admits(2)


def test_two_patients_do_not_open_it(scene: Scene) -> None:
    scene.fail(*[1, 2] * 100)
    assert scene.breaker.pause is None


def test_any_answer_between_starts_the_count_again(scene: Scene) -> None:
    for patient in range(100):
        scene.fail(patient)
        if patient % 4 == 3:
            scene.breaker.answered()
    assert scene.breaker.pause is None


def test_five_failed_calls_of_three_patients_open_it(scene: Scene) -> None:
    scene.fail(1, 1, 2, 2)
    assert scene.breaker.pause is None
    scene.fail(3)
    assert scene.breaker.pause is not None
    assert not scene.breaker.admits(4)


def test_failures_of_the_whole_day_do_not_add_up(scene: Scene) -> None:
    for patient in range(20):
        scene.fail(patient)
        scene.now += LIMITS.failure_window_s / 3
    assert scene.breaker.pause is None


def test_the_background_finds_that_the_server_is_back_before_any_call(scene: Scene) -> None:
    scene.fail(1, 2, 3, 4, 5)
    assert scene.later.happens() == LIMITS.probe_s
    assert scene.breaker.pause is not None
    scene.is_there = True
    scene.later.happens()
    assert scene.breaker.pause is None
    assert all(scene.breaker.admits(patient) for patient in range(20))
    assert not scene.later.waiting


def test_after_the_pause_one_whole_call_of_each_of_three_patients_is_let_through(
    scene: Scene,
) -> None:
    scene.fail(1, 2, 3, 4, 5)
    assert not scene.breaker.admits(9)
    scene.now += LIMITS.open_s
    admitted = [scene.breaker.admits(patient) for patient in (1, 1, 1, 2, 3, 4)]
    # A slow chart that is opened again and again uses up its own turn and nobody else's.
    assert admitted == [True, False, False, True, True, False]
    scene.fail(1, 2)
    scene.breaker.answered()
    assert scene.breaker.pause is None


def test_a_server_that_says_it_is_there_and_answers_no_call_is_asked_less_often(
    scene: Scene,
) -> None:
    scene.is_there = True
    waits = []
    for _ in range(6):
        scene.fail(1, 2, 3, 4, 5)
        waits.append(scene.later.happens())
        assert scene.breaker.pause is None
    assert waits == [1, 4, 16, 60, 60, 60]
    scene.breaker.answered()
    scene.fail(1, 2, 3, 4, 5)
    assert scene.later.happens() == LIMITS.probe_s


def test_a_server_that_nobody_reads_any_more_is_not_probed_for_ever(scene: Scene) -> None:
    scene.fail(1, 2, 3, 4, 5)
    scene.breaker.admits(1)
    scene.now += LIMITS.forgotten_s + 1
    scene.later.happens()
    assert scene.breaker.pause is None
    assert not scene.later.waiting


def test_opening_and_closing_are_told_without_a_patient(
    scene: Scene, lines: Callable[[], list[dict[str, str]]]
) -> None:
    scene.fail(4711, 4712, 4713, 4714, 4715)
    scene.breaker.answered()
    opened, closed = lines()
    assert (opened["event"], opened["level"]) == ("breaker-opened", "warning")
    assert opened["reason"].startswith("left alone since ")
    assert opened["reason"].endswith(" UTC after 5 failed calls")
    assert (closed["event"], closed["level"]) == ("breaker-closed", "info")
    assert closed["reason"] == "answers again"
    for line in (opened, closed):
        assert (line["client"], line["server"]) == ("mercy", "fhir.mercy.example")
        # As a whole number: the digits of a time may hold it by chance.
        assert not re.search(r"\b471\d\b", json.dumps(line))


def test_a_process_that_reads_nothing_any_more_has_no_pause(scene: Scene) -> None:
    scene.fail(1, 2, 3, 4, 5)
    scene.breaker.forget()
    scene.later.happens()
    assert not scene.later.waiting
    assert FhirClient().pauses() == ()
