"""Takes in the bodies of requests: memory counts as it arrives, not as a head promises it."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from msgspec import Struct

from cds_service.trust.throttle import UNKNOWN

if TYPE_CHECKING:
    from granian._granian import RSGIHTTPProtocol as HTTPProtocol


class IntakeLimits(Struct, frozen=True, kw_only=True):
    """How much one worker takes in at once; technical numbers, not clinical ones.

    * a body of up to `small_bytes` is read in one go, `small_bodies` of them at once: 64 MB
    * the others are read piece by piece, and may hold `held_bytes` together; one known address
      half of that, and `bodies_of_one` bodies at once, which is more than any EHR sends
    * `working_bytes` of large bodies are worked on at once, because a decoded body takes up to
      twenty times its size; those of one caller take half of that
    """

    body_seconds: float = 2.0
    body_bytes: int = 2_000_000
    small_bytes: int = 128_000
    small_bodies: int = 500
    held_bytes: int = 64_000_000
    bodies_of_one: int = 64
    large_bytes: int = 256_000
    working_bytes: int = 8_000_000


class Refusal(Struct, frozen=True):
    """Why a body was not read to its end: 400, 408, 413, or 503 if there is no room for it."""

    status: int


class Intake:
    """Reads bodies within the limits of one worker; it belongs to the worker's event loop."""

    def __init__(self, limits: IntakeLimits) -> None:
        self._limits = limits
        self._left = limits.held_bytes
        self._held: Counter[str] = Counter()  # bytes by address
        self._reading: Counter[str] = Counter()  # bodies by address
        self._small = 0

    def is_crowded(self, address: str) -> bool:
        """Whether one known address sends more bodies at once than it may."""
        return address != UNKNOWN and self._reading[address] >= self._limits.bodies_of_one

    @asynccontextmanager
    async def body(
        self, protocol: HTTPProtocol, length: int | None, address: str
    ) -> AsyncIterator[bytes | Refusal]:
        """Gives a body, and counts its memory until the block ends; `length` None: chunked."""
        mine = _Share()
        try:
            with self._counted(self._reading, address):
                found = await self._within_time(protocol, length, address, mine)
            yield found
        finally:
            self._left += mine.bytes
            _less(self._held, address, mine.bytes)

    async def drop(self, protocol: HTTPProtocol) -> bool:
        """Lets a body that is not wanted pass by; returns whether all of it came."""
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                return await self._dropped(protocol)
        except (TimeoutError, RuntimeError):
            return False

    async def _dropped(self, protocol: HTTPProtocol) -> bool:
        size = 0
        async for piece in protocol:
            size += len(piece)
            if size > self._limits.body_bytes:
                return False
        return True

    async def _within_time(
        self, protocol: HTTPProtocol, length: int | None, address: str, mine: _Share
    ) -> bytes | Refusal:
        limits = self._limits
        small = length is not None and length <= limits.small_bytes
        try:
            async with asyncio.timeout(limits.body_seconds):
                if small and self._small < limits.small_bodies:
                    return await self._at_once(protocol)
                return await self._pieces(protocol, address, mine)
        except TimeoutError:
            return Refusal(408)
        except RuntimeError:
            return Refusal(400)  # the client broke off

    async def _pieces(self, protocol: HTTPProtocol, address: str, mine: _Share) -> bytes | Refusal:
        pieces: list[bytes] = []
        async for piece in protocol:
            mine.bytes += len(piece)
            self._left -= len(piece)
            self._held[address] += len(piece)
            if mine.bytes > self._limits.body_bytes:
                return Refusal(413)
            too_much = address != UNKNOWN and self._held[address] > self._limits.held_bytes // 2
            if self._left < 0 or too_much:
                return Refusal(503)
            pieces.append(piece)
        return b"".join(pieces)

    async def _at_once(self, protocol: HTTPProtocol) -> bytes:
        self._small += 1
        try:
            return await protocol()
        finally:
            self._small -= 1

    @contextmanager
    def _counted(self, counts: Counter[str], address: str) -> Iterator[None]:
        counts[address] += 1
        try:
            yield
        finally:
            _less(counts, address, 1)


class _Share(Struct):
    """The bytes that one body holds."""

    bytes: int = 0


def _less(counts: Counter[str], address: str, by: int) -> None:
    counts[address] -= by
    if counts[address] <= 0:
        del counts[address]


class Turns:
    """Lets so many bytes of large bodies be worked on at once, in the order in which they came.

    A small body never waits. One caller has at most half of the room, so that calls of another go
    on while its FHIR server hangs.
    """

    def __init__(self, limits: IntakeLimits) -> None:
        self._large = limits.large_bytes
        self._room = limits.working_bytes
        self._of_one = limits.working_bytes // 2
        self._used = 0
        self._by_caller: Counter[str] = Counter()
        self._waiting: deque[tuple[int, str, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def turn(self, size: int, caller: str, seconds: float) -> AsyncIterator[bool]:
        """Waits for the turn of a body; False if it does not come within these seconds."""
        if size < self._large:
            yield True
            return
        size = min(size, self._of_one)
        came = await self._came(size, caller, seconds)
        try:
            yield came
        finally:
            if came:
                self._used -= size
                _less(self._by_caller, caller, size)
                self._next()

    async def _came(self, size: int, caller: str, seconds: float) -> bool:
        waiting = (size, caller, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._next()
        try:
            async with asyncio.timeout(seconds):
                await waiting[2]
        except TimeoutError:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
                return False
        return True

    def _next(self) -> None:
        for waiting in tuple(self._waiting):
            size, caller, turn = waiting
            if turn.done():  # cancelled
                continue
            if self._used + size > self._room:
                return
            if self._by_caller[caller] + size <= self._of_one:
                self._used += size
                self._by_caller[caller] += size
                self._waiting.remove(waiting)
                turn.set_result(None)
