"""The threads behind the front are bounded, and each result arrives at the caller that waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cds_service.web.worker_threads import WorkerThreads


def on_a_loop(calls: Coroutine[Any, Any, None]) -> None:
    """Run it in a thread of its own: the browser tests leave a running loop in the one of pytest."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, calls).result()


WAIT_S = 10


def test_what_a_call_returns_and_what_it_raises_both_arrive_and_the_thread_goes_on() -> None:
    async def calls() -> None:
        threads: WorkerThreads[int] = WorkerThreads("test", threads=1, waiting=4)
        assert await threads.run(int, "7") == 7
        with pytest.raises(ValueError, match="invalid literal"):
            await threads.run(int, "seven")
        assert await threads.run(int, "8") == 8
        threads.close()

    on_a_loop(calls())


def test_full_threads_refuse_at_once_and_has_room_again_afterwards() -> None:
    async def calls() -> None:
        threads: WorkerThreads[bool] = WorkerThreads("test", threads=2, waiting=1)
        go = threading.Event()
        running = [asyncio.ensure_future(threads.run(go.wait, WAIT_S)) for _ in range(3)]
        await asyncio.sleep(0)
        assert await threads.run(bool, 1) is None
        go.set()
        assert await asyncio.gather(*running) == [True, True, True]
        assert await threads.run(bool, 1) is True
        threads.close()

    on_a_loop(calls())


def test_a_caller_that_is_gone_leaves_its_place_and_is_not_served() -> None:
    served: list[int] = []

    async def calls() -> None:
        threads: WorkerThreads[object] = WorkerThreads("test", threads=1, waiting=1)
        go = threading.Event()
        first = asyncio.ensure_future(threads.run(go.wait, WAIT_S))
        gone = asyncio.ensure_future(threads.run(served.append, 1))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        last = asyncio.ensure_future(threads.run(served.append, 2))
        go.set()
        await asyncio.gather(first, last)
        threads.close()

    on_a_loop(calls())
    assert served == [2]


def test_at_the_stop_waiting_calls_are_dropped_and_the_running_one_is_answered() -> None:
    async def calls() -> None:
        threads: WorkerThreads[bool] = WorkerThreads("stopping", threads=1, waiting=2)
        begun, go = threading.Event(), threading.Event()

        def slow() -> bool:
            begun.set()
            return go.wait(WAIT_S)

        running, waiting = (asyncio.ensure_future(threads.run(call)) for call in (slow, bool))
        await asyncio.to_thread(begun.wait, WAIT_S)
        threads.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        go.set()
        assert await running is True

    on_a_loop(calls())
    left = [thread for thread in threading.enumerate() if thread.name.startswith("stopping")]
    for thread in left:
        thread.join(WAIT_S)
    assert not any(thread.is_alive() for thread in left)
