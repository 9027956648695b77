"""The front takes in bodies within limits, whatever their heads promise; no server is needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cds_service.web.front import Door, Front, FrontLimits
from cds_service.web.intake import Intake, IntakeLimits, Refusal, Turns

KB = 1000


class Sender:
    """A client that sends pieces, and then perhaps goes silent; it notes the answer."""

    def __init__(self, pieces: list[bytes], *, ends: bool = True) -> None:
        self._pieces, self._ends = pieces, ends
        self.status = 0
        self.headers: dict[str, str] = {}

    async def __call__(self) -> bytes:
        return b"".join([piece async for piece in self])

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
            await asyncio.sleep(0)
        if not self._ends:
            await asyncio.sleep(60)

    def response_bytes(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        """Notes the answer."""
        self.status, self.headers = status, dict(headers)


class Scope:
    """The head of a request."""

    proto, scheme, query_string, server = "http", "http", "", "127.0.0.1:1"
    http_version = "1.1"
    authority = None

    def __init__(self, length: int | None, path: str = "/", client: str = "192.0.2.1:9") -> None:
        chunked = {"transfer-encoding": "chunked"}
        self.headers = {"host": "cds.example"}
        self.headers |= chunked if length is None else {"content-length": str(length)}
        self.method, self.path, self.client = "POST", path, client


def app(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    """Answers 200, and 413 and the like where the front refused the body."""
    start(f"{environ.get('cds.refused', 200)} x", [])
    return [b"%d" % len(environ["wsgi.input"].read())]


def in_a_loop(work: Coroutine[Any, Any, Any]) -> Any:
    """Runs it in a thread of its own: the browser tests of this process have a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def served(limits: FrontLimits, door: Door, work: Callable[[Front], Awaitable[Any]]) -> Any:
    """What comes of some requests to one front."""

    async def run() -> Any:
        loop = asyncio.get_running_loop()
        front = Front(app, limits, door=door)
        front.__rsgi_init__(loop)
        try:
            return await work(front)
        finally:
            front.__rsgi_del__(loop)

    return in_a_loop(run())


def answered(front: Front, sender: Sender, scope: Scope) -> asyncio.Task[None]:
    """One request under way."""
    return asyncio.create_task(front.__rsgi__(scope, sender))  # type: ignore[arg-type]


QUICK_S = 0.2


@pytest.mark.parametrize("length", [2_000_000, None], ids=["promised", "chunked"])
def test_promises_hold_no_memory_so_that_strangers_keep_nobody_out(length: int | None) -> None:
    limits = FrontLimits(held_bytes=4_000_000, body_seconds=5.0)

    async def work(front: Front) -> int:
        slow = [answered(front, Sender([b"{"], ends=False), Scope(length)) for _ in range(240)]
        await asyncio.sleep(0.05)
        valid = Sender([b"x" * 500 * KB] * 3)
        await answered(front, valid, Scope(1500 * KB))
        for one in slow:
            one.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
        return valid.status

    assert served(limits, Door(), work) == 200


def test_what_has_arrived_is_counted_and_let_go_of() -> None:
    limits = FrontLimits(held_bytes=3_000_000, body_seconds=QUICK_S)

    async def work(front: Front) -> list[int]:
        senders = [Sender([b"x" * KB * 900] * 2, ends=False) for _ in range(4)]
        await asyncio.gather(*(answered(front, one, Scope(1_900_000)) for one in senders))
        after = Sender([b"x" * KB * 900] * 2)
        await answered(front, after, Scope(1_800_000))
        return [*(one.status for one in senders), after.status]

    statuses = served(limits, Door(), work)
    assert 503 in statuses[:-1]
    assert set(statuses[:-1]) <= {408, 503}
    assert statuses[-1] == 200


def test_one_known_address_has_half_of_the_room_and_so_many_bodies() -> None:
    limits = FrontLimits(held_bytes=2_400_000, bodies_of_one=3, body_seconds=1.0)
    door = Door(address=lambda scope: scope.client)

    async def work(front: Front) -> list[int]:
        slow = [answered(front, Sender([b"{"], ends=False), Scope(None)) for _ in range(3)]
        await asyncio.sleep(0.05)
        same, other = Sender([b"{}"]), Sender([b"{}"])
        await answered(front, same, Scope(2))
        await answered(front, other, Scope(2, client="192.0.2.2:9"))
        for one in slow:
            one.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
        large = Sender([b"x" * KB * 500] * 3)
        await answered(front, large, Scope(None))
        return [same.status, other.status, large.status]

    assert served(limits, door, work) == [429, 200, 503]


def test_a_body_that_no_answer_needs_passes_by_and_the_answer_arrives() -> None:
    door = Door(wants_body=lambda scope: scope.path == "/wanted")

    async def work(front: Front) -> list[tuple[int, str]]:
        whole, slow = Sender([b"x" * KB] * 5), Sender([b"x"], ends=False)
        await answered(front, whole, Scope(5 * KB, "/unknown"))
        await answered(front, slow, Scope(2_000_000, "/unknown"))
        return [(one.status, one.headers.get("connection", "")) for one in (whole, slow)]

    assert served(FrontLimits(body_seconds=QUICK_S), door, work) == [(200, ""), (200, "close")]


@pytest.mark.parametrize(
    ("sender", "length", "status"),
    [
        (Sender([b"{}"]), 2, 200),
        (Sender([b"x" * KB * KB] * 3), None, 413),
        (Sender([b""]), 3_000_000, 413),
        (Sender([b"{"], ends=False), 100, 408),
        (Sender([b"{"], ends=False), 1_000_000, 408),
    ],
    ids=["whole", "too large in chunks", "too large by its head", "small and late", "late"],
)
def test_a_body_that_is_late_or_too_large_is_refused_in_words(
    sender: Sender, length: int | None, status: int
) -> None:
    async def work(front: Front) -> int:
        await answered(front, sender, Scope(length))
        return sender.status

    assert served(FrontLimits(body_seconds=QUICK_S), Door(), work) == status


def test_large_bodies_take_turns_small_ones_do_not_wait_and_no_caller_has_all_the_room() -> None:
    limits = IntakeLimits(large_bytes=100, working_bytes=1000)
    log: list[str] = []

    async def worker(turns: Turns, name: str, size: int, caller: str, seconds: float = 5) -> None:
        async with turns.turn(size, caller, seconds) as came:
            log.append(name if came else f"{name} did not come")
            await asyncio.sleep(0.05)

    async def work() -> None:
        turns = Turns(limits)
        await asyncio.gather(
            worker(turns, "x1", 400, "x"),
            worker(turns, "x2", 400, "x"),
            worker(turns, "x3", 300, "x", seconds=0.01),
            worker(turns, "y1", 500, "y"),
            worker(turns, "small", 10, "x"),
        )

    in_a_loop(work())
    assert log == ["x1", "y1", "small", "x3 did not come", "x2"]


def test_a_turn_is_given_back_however_the_work_ends() -> None:
    async def work() -> list[bool]:
        turns, came = Turns(IntakeLimits(large_bytes=1, working_bytes=100)), []
        for _ in range(3):
            try:
                async with turns.turn(10_000, "x", 1) as mine:
                    came.append(mine)
                    raise ValueError
            except ValueError:
                continue
        return came

    assert in_a_loop(work()) == [True, True, True]


def test_a_client_that_breaks_off_is_a_refusal_and_its_memory_is_free_again() -> None:
    class Broken(Sender):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"x" * KB * 500
            raise RuntimeError("connection lost")

    async def work() -> tuple[object, int]:
        intake = Intake(IntakeLimits())
        async with intake.body(Broken([]), None, "192.0.2.1") as found:  # type: ignore[arg-type]
            pass
        return found, intake._left

    assert in_a_loop(work()) == (Refusal(400), IntakeLimits().held_bytes)
