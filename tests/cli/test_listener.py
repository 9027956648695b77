"""A node that stops resets no caller whom the kernel has already connected."""

from __future__ import annotations

import asyncio
import os
import selectors
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from cds_service.cli import serve
from cds_service.cli.listener import Listener
from cds_service.cli.serve import Worker
from cds_service.web.front import Front, FrontLimits
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="filters of the Linux kernel")


@pytest.fixture
def shared() -> Iterator[int]:
    """The descriptor of a socket that listens, as a worker has it from the main process."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.fileno()


def address(shared: int) -> tuple[str, int]:
    with socket.socket(fileno=os.dup(shared)) as listening:
        host, port = listening.getsockname()
    return host, port


def answer_first(shared: int) -> None:
    """Accepts the first connection, as granian does when it comes to that, and answers."""
    with socket.socket(fileno=os.dup(shared)) as listening:
        connection, _ = listening.accept()
    with connection:
        connection.recv(100)
        connection.sendall(b"cards")


def is_open(shared: int) -> bool:
    """Whether clients know the socket behind this descriptor."""
    with socket.socket(fileno=os.dup(shared)) as listening:
        return listening.family == socket.AF_INET


@pytest.fixture
def worker(shared: int, monkeypatch: pytest.MonkeyPatch) -> Worker:
    """A worker of a service that has said that it stops; the process goes on."""
    monkeypatch.setattr(serve, "end_within", lambda seconds, last: None)
    monkeypatch.setattr(serve, "_QUEUE_S", PATIENCE_S)
    monkeypatch.setattr(Worker, "_stop", lambda _: asyncio.get_running_loop().stop())
    front = Front(None, FrontLimits())  # type: ignore[arg-type]  # nothing is asked of it
    front.ready = False
    return Worker(front, shared, drain_s=1, idle_s=1)


def test_who_was_connected_just_before_the_stop_gets_an_answer(shared: int, worker: Worker) -> None:
    """A busy node accepts late: the kernel has long connected the caller, who has sent the call."""
    with socket.create_connection(address(shared)) as caller:
        caller.sendall(b"call")

        async def stop() -> None:
            loop = asyncio.get_running_loop()
            loop.call_later(0.1, answer_first, shared)
            worker._leave(loop)

        def run() -> None:
            loop = asyncio.new_event_loop()
            loop.create_task(stop())  # noqa: RUF006  # the loop is run until the worker stops it
            loop.run_forever()
            loop.close()

        # A thread of its own: in the thread of the tests a browser may have left a loop that runs.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(run).result(PATIENCE_S)
        assert caller.recv(100) == b"cards", "it was reset"
    assert not is_open(shared)


def test_who_comes_while_the_queue_is_emptied_is_not_connected(shared: int) -> None:
    listener = Listener(shared)
    with socket.create_connection(address(shared)), socket.socket() as late:
        listener.refuse_new()
        late.setblocking(False)
        late.connect_ex(address(shared))
        with selectors.DefaultSelector() as selector:
            selector.register(late, selectors.EVENT_WRITE)
            assert not selector.select(0.2), "it is connected, or reset"
        assert listener.queued == 1
    listener.close()
    assert not is_open(shared)


def test_the_queue_counts_who_waits_to_be_accepted(shared: int) -> None:
    listener = Listener(shared)
    counts = [listener.queued]
    with socket.create_connection(address(shared)) as caller:
        caller.sendall(b"call")
        counts.append(listener.queued)
        answer_first(shared)
        counts.append(listener.queued)
    assert counts == [0, 1, 0]
