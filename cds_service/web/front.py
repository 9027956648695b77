"""Reads each body that is wanted, within limits, then calls the WSGI application in a thread.

It is an RSGI application for granian (docs/decisions/0002). A slow client costs a coroutine and
never a thread. GET requests have threads of their own, so that /health answers while every hook
waits, and a hook may read from a FHIR server that lives in the same process.
"""

from __future__ import annotations

import asyncio
import io
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from cds_service.errors import Overloaded, ServiceError, TooManyRequests
from cds_service.protocol.documents import FHIR_JSON, outcome_of
from cds_service.protocol.wire import encode
from cds_service.trust.throttle import UNKNOWN
from cds_service.web.head import fault_of
from cds_service.web.intake import Intake, IntakeLimits, Refusal, Turns
from cds_service.web.worker_threads import WorkerThreads

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication, WSGIEnvironment

    from granian._granian import RSGIHTTPProtocol as HTTPProtocol
    from granian.rsgi import Scope

Headers = list[tuple[str, str]]
Answer = tuple[int, Headers, bytes]

# Keys of the WSGI environ that the application reads.
RECEIVED = "cds.received"  # monotonic time at which the request line was read
STOPPING = "cds.stopping"  # the worker is about to stop
# 400, 408 or 413: the request was not read to its end, and the application answers so.
REFUSED = "cds.refused"
FAULT = "cds.fault"  # beside REFUSED: what is wrong with the head, in words for the caller

_STACK_BYTES = 16 * 1024 * 1024  # deep JSON cannot overflow it
_CLOSING_S = 5.0
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_BUSY = Overloaded("The service is busy; try again in a second.")
_CROWDED = TooManyRequests("This address sends too many bodies at once; try again in a second.")
_GZIP_SIZE = 4  # the last bytes of a gzip member say how long it is unpacked
_HELD_OFF = TooManyRequests("Tokens from this address keep failing; try again in a few seconds.")


class FrontLimits(IntakeLimits, frozen=True, kw_only=True):
    """How much one worker takes on; these numbers are technical, not clinical."""

    threads: int = 16
    read_threads: int = 4
    waiting: int = 64  # requests that may wait for a thread
    late_seconds: float = 5.0  # the longest deadline: whoever called no longer waits


class Door(Struct, frozen=True, kw_only=True):
    """What the front asks about a request before it reads its body."""

    holds_off: Callable[[Scope], bool] = lambda scope: False  # refused unread
    wants_body: Callable[[Scope], bool] = lambda scope: True  # else its answer needs no body
    address: Callable[[Scope], str] = lambda scope: UNKNOWN
    caller: Callable[[Scope], str] = lambda scope: UNKNOWN  # as it says, which nothing proves


OPEN = Door()


class Front:
    """Serves one WSGI application."""

    def __init__(
        self,
        app: WSGIApplication,
        limits: FrontLimits,
        closing: Callable[[float], object] = lambda seconds: None,
        door: Door = OPEN,
    ) -> None:
        """Prepares a worker, which calls `closing` when its last request has its answer.

        `closing` gets the seconds that it may take.
        """
        self._app = app
        self._limits = limits
        self._closing = closing
        self._door = door
        self._intake = Intake(limits)
        self._turns = Turns(limits)
        self.ready = True  # False: /ready says 503
        self.closing_connections = False  # True: each answer is the last on its connection

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Starts the threads in the worker, because threads do not survive a fork."""
        threading.stack_size(_STACK_BYTES)
        limits = self._limits
        self._hook_threads: WorkerThreads[Answer] = WorkerThreads(
            "hook", limits.threads, limits.waiting
        )
        self._page_threads: WorkerThreads[Answer] = WorkerThreads(
            "page", limits.read_threads, limits.waiting
        )

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Ends the threads when the last request has its answer."""
        self._hook_threads.close()
        self._page_threads.close()
        self.close(_CLOSING_S)

    def close(self, seconds: float) -> None:
        """Writes what waits to be written, in so many seconds."""
        self._closing(seconds)

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        """Answers one request."""
        received = time.monotonic()
        if scope.proto != "http":
            return
        notes: dict[str, Any] = {RECEIVED: received}
        if fault := fault_of(scope):
            answer = await self._run(scope, b"", notes | {REFUSED: 400, FAULT: fault})
        elif scope.method in _SAFE:
            answer = await self._run(scope, b"", notes)
        elif self._door.holds_off(scope):
            # The connection stays: a new one for each call would cost more than the refusal.
            answer = _at_once(_HELD_OFF)
        else:
            answer = await self._answer(scope, protocol, notes)
        if answer is None:
            answer = _at_once(_BUSY, ("connection", "close"))
        status, headers, content = answer
        if self.closing_connections:
            headers.append(("connection", "close"))
        protocol.response_bytes(status, headers, content)

    async def _answer(
        self, scope: Scope, protocol: HTTPProtocol, notes: dict[str, Any]
    ) -> Answer | None:
        """Reads the body and runs the application, or returns None if there is no room for it."""
        length = _content_length(scope)
        if length is not None and length > self._limits.body_bytes:
            return await self._run(scope, b"", notes | {REFUSED: 413})
        if not self._door.wants_body(scope):
            whole = await self._intake.drop(protocol)  # first, or the answer would not arrive
            return _last_if(not whole, await self._run(scope, b"", notes))
        address = self._door.address(scope)
        if self._intake.is_crowded(address):
            return _at_once(_CROWDED, ("connection", "close"))
        async with self._intake.body(protocol, length, address) as body:
            if isinstance(body, Refusal):
                if body.status == Overloaded.status:
                    return None
                return await self._run(scope, b"", notes | {REFUSED: body.status})
            size = _size(scope, body, self._limits.body_bytes)
            left = notes[RECEIVED] + self._limits.late_seconds - time.monotonic()
            async with self._turns.turn(size, self._door.caller(scope), left) as came:
                return await self._run(scope, body, notes) if came else None

    async def _run(self, scope: Scope, body: bytes, notes: dict[str, Any]) -> Answer | None:
        """Calls the application in a thread; returns None if too many calls wait already."""
        if not self.ready:
            notes[STOPPING] = True
        refused = REFUSED in notes
        threads = self._page_threads if refused or scope.method in _SAFE else self._hook_threads
        # The rest of a refused body is never read.
        return _last_if(refused, await threads.run(self._call, scope, body, notes))

    def _call(self, scope: Scope, body: bytes, notes: dict[str, Any]) -> Answer:
        """Calls the WSGI application and joins its answer; not if its caller no longer waits."""
        if time.monotonic() > notes[RECEIVED] + self._limits.late_seconds:
            return _at_once(_BUSY)
        head: list[tuple[int, Headers]] = []

        def start(
            status: str, headers: Headers, exc_info: object = None
        ) -> Callable[[bytes], object]:
            head[:] = [(int(status[:3]), headers)]
            return lambda data: None

        chunks = self._app(_environment(scope, body) | notes, start)
        try:
            content = b"".join(chunks)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
        return (*head[0], content)


def _content_length(scope: Scope) -> int | None:
    """Returns what the head promises; None if the body comes in chunks."""
    if "transfer-encoding" in scope.headers:
        return None
    length = scope.headers.get("content-length") or "0"
    return int(length) if length.isdigit() else 0


def _size(scope: Scope, body: bytes, most: int) -> int:
    """Returns how large a body is once it is unpacked, as far as it says so itself."""
    if "gzip" not in (scope.headers.get("content-encoding") or ""):
        return len(body)
    return min(most, max(len(body), int.from_bytes(body[-_GZIP_SIZE:], "little")))


def _last_if(last: bool, answer: Answer | None) -> Answer | None:
    """Returns the answer, which is the last on its connection if that is wanted."""
    if answer is not None and last:
        answer[1].append(("connection", "close"))
    return answer


def _at_once(error: ServiceError, *more: tuple[str, str]) -> Answer:
    """Returns a refusal that needs neither thread nor application."""
    body = encode(outcome_of(error, "none"))
    return error.status, [("content-type", FHIR_JSON), ("retry-after", "1"), *more], body


_FIXED: dict[str, Any] = {
    "SCRIPT_NAME": "",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
    "wsgi.input_terminated": True,
}


def _environment(scope: Scope, body: bytes) -> WSGIEnvironment:
    """Returns the WSGI environ, without headers whose name has an underscore.

    A repeated header becomes one, joined by commas.
    """
    host, _, port = scope.server.rpartition(":")
    environ = _FIXED | {
        "REQUEST_METHOD": scope.method,
        "PATH_INFO": unquote_to_bytes(scope.path).decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "SERVER_NAME": host.strip("[]"),
        "SERVER_PORT": port,
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": io.BytesIO(body),
    }
    for name, value in scope.headers.items():
        if "_" not in name:
            key = "HTTP_" + name.upper().replace("-", "_")
            environ[key] = f"{environ[key]},{value}" if key in environ else value
    for absorbed in ("HTTP_TRANSFER_ENCODING", "HTTP_CONTENT_LENGTH"):
        environ.pop(absorbed, None)
    environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE", "")
    environ["CONTENT_LENGTH"] = str(len(body))
    return environ
