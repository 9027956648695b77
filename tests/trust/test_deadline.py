"""Reads end before the answer is due, so that a slow server costs what came too late and no more."""

from __future__ import annotations

import time

import pytest

from cds_service.errors import OutOfTime
from cds_service.trust.deadline import Deadline

KEEP = Deadline.keep  # before tests/conftest.py gives each test a minute more


def test_after_the_last_read_there_is_time_to_work_out_what_came() -> None:
    now = time.monotonic()
    deadline = Deadline(at=now - 1, answer_by=now + 60)
    assert deadline.left() == 0
    KEEP(deadline)


def test_what_is_due_already_is_not_worked_out() -> None:
    now = time.monotonic()
    with pytest.raises(OutOfTime):
        KEEP(Deadline(at=now - 2, answer_by=now - 1))
