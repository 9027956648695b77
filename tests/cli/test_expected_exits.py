"""A stop that somebody asks for is no failure of a worker, however fast the worker ends."""

from __future__ import annotations

import os
import signal
import threading
from types import SimpleNamespace

import pytest

from cds_service.cli import serve
from cds_service.cli.serve import Server


@pytest.mark.parametrize(
    ("number", "announced"),
    [(signal.SIGINT, False), (signal.SIGTERM, True)],
    ids=["SIGINT", "a second SIGTERM"],
)
def test_a_worker_that_ends_before_the_stop_goes_on_has_not_failed(
    number: signal.Signals, announced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = SimpleNamespace(inner=SimpleNamespace(pid=-1), interrupt_by_parent=False)
    expected: list[bool] = []

    def ends_at_once(_: int, sent: int) -> None:
        if sent == signal.SIGUSR2:
            expected.append(worker.interrupt_by_parent)

    server = Server.__new__(Server)
    server._main, server._drain_s, server._announced = os.getpid(), 60, announced
    server.wrks = [worker]  # type: ignore[list-item]
    server.main_loop_interrupt = threading.Event()
    monkeypatch.setattr(os, "kill", ends_at_once)
    monkeypatch.setattr(serve, "end_within", lambda seconds, last: None)
    server.signal_handler_interrupt(number)
    assert expected == [True], "granian would call the exit unexpected, and the stop would end in 1"
