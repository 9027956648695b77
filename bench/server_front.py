"""Reads each body under a deadline and a cap, then calls a WSGI application; for RSGI servers.

A slow client costs a coroutine and never a thread. GET requests have threads of their own, so that
/health answers while every hook waits, and a hook may read from a FHIR server in the same process.
"""

from __future__ import annotations

import asyncio
import io
import logging
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment
    from granian._granian import RSGIHTTPProtocol as HTTPProtocol
    from granian.rsgi import Scope

Headers = list[tuple[str, str]]
Answer = tuple[int, Headers, bytes]

BODY_SECONDS = 2.0
BODY_BYTES = 2_000_000
HELD_BYTES = 128_000_000
STACK_BYTES = 16 * 1024 * 1024
OUTCOME = b'{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"processing"}]}'
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

log = logging.getLogger(__name__)


def plain_refusal(status: int) -> Answer:
    """What the front answers by itself: 400, 408, 413, 500 or 503."""
    return status, [("content-type", "application/fhir+json")], OUTCOME


class WorkerThreads:
    """A few threads, started as they are needed, with a bound on requests that run or wait.

    A ThreadPoolExecutor does the same with about a tenth more CPU per request in one measurement.
    """

    def __init__(
        self, name: str, threads: int, waiting: int, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._name, self._most, self._limit, self._loop = name, threads, threads + waiting, loop
        self._inside = self._started = 0
        self._jobs: SimpleQueue[tuple[asyncio.Future[Answer], Callable[[], Answer]] | None] = (
            SimpleQueue()
        )

    async def run(self, job: Callable[[], Answer]) -> Answer | None:
        """Returns the answer of `job`, or None if there is no room."""
        if self._inside >= self._limit:
            return None
        self._inside += 1
        if self._started < min(self._inside, self._most):
            self._started += 1
            threading.Thread(
                target=self._work, name=f"{self._name}-{self._started}", daemon=True
            ).start()
        try:
            future: asyncio.Future[Answer] = self._loop.create_future()
            self._jobs.put((future, job))
            return await future
        finally:
            self._inside -= 1

    def close(self) -> None:
        """Ends the threads."""
        for _ in range(self._started):
            self._jobs.put(None)

    def _work(self) -> None:
        while (work := self._jobs.get()) is not None:
            future, job = work
            self._loop.call_soon_threadsafe(self._deliver, future, job())

    @staticmethod
    def _deliver(future: asyncio.Future[Answer], answer: Answer) -> None:
        if not future.done():
            future.set_result(answer)


class Front:
    """See the module; `refusal` makes the few answers that never reach the WSGI application."""

    def __init__(
        self,
        app: WSGIApplication,
        refusal: Callable[[int], Answer] = plain_refusal,
        *,
        threads: int = 16,
        read_threads: int = 4,
        waiting: int = 64,
    ) -> None:
        self._app, self._refusal = app, refusal
        self._threads, self._read_threads, self._waiting = threads, read_threads, waiting
        self._bytes_left = HELD_BYTES

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Starts threads whose stack deep JSON cannot overflow; threads do not survive a fork."""
        threading.stack_size(STACK_BYTES)
        self._writes = WorkerThreads("write", self._threads, self._waiting, loop)
        self._reads = WorkerThreads("read", self._read_threads, self._waiting, loop)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Runs when the last request has its answer."""
        self._writes.close()
        self._reads.close()

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        """One request, one response."""
        if scope.proto != "http":
            return
        answer = await self._answer(scope, protocol, time.monotonic())
        if isinstance(answer, int):
            status, headers, content = self._refusal(answer)
            extra = [("connection", "close")] + [("retry-after", "1")] * (status == 503)
            protocol.response_bytes(status, headers + extra, content)
        else:
            protocol.response_bytes(*answer)

    async def _answer(self, scope: Scope, protocol: HTTPProtocol, received: float) -> Answer | int:
        length = scope.headers.get("content-length")
        chunked = "transfer-encoding" in scope.headers
        size = int(length) if length else BODY_BYTES if chunked else 0
        if size > BODY_BYTES:
            return 413
        if size > self._bytes_left:
            return 503
        self._bytes_left -= size
        try:
            body = await self._body(protocol, chunked) if size else b""
            if len(body) > BODY_BYTES:
                return 413
            threads = self._reads if scope.method in SAFE else self._writes
            return await threads.run(partial(self._call, scope, body, received)) or 503
        except TimeoutError:
            return 408
        except RuntimeError:
            return 400  # the body broke off
        finally:
            self._bytes_left += size

    async def _body(self, protocol: HTTPProtocol, chunked: bool) -> bytes:
        async with asyncio.timeout(BODY_SECONDS):
            if not chunked:
                return await protocol()
            body = bytearray()
            async for chunk in protocol:
                body += chunk
                if len(body) > BODY_BYTES:
                    break
            return bytes(body)

    def _call(self, scope: Scope, body: bytes, received: float) -> Answer:
        head: list[tuple[int, Headers]] = []

        def start(
            status: str, headers: Headers, exc_info: object = None
        ) -> Callable[[bytes], object]:
            head[:] = [(int(status[:3]), headers)]
            return lambda data: None

        try:
            chunks = self._app(environment(scope, body, received), start)
            try:
                content = b"".join(chunks)
            finally:
                getattr(chunks, "close", bool)()
            return (*head[0], content)
        except BaseException:  # the thread outlives any error of a request
            log.exception("the application raised")
            return self._refusal(500)


FIXED: dict[str, Any] = {
    "SCRIPT_NAME": "",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
    "wsgi.input_terminated": True,
}


def environment(scope: Scope, body: bytes, received: float) -> WSGIEnvironment:
    """Returns the WSGI environ, without headers whose name has an underscore."""
    host, _, port = scope.server.rpartition(":")
    environ = FIXED | {
        "REQUEST_METHOD": scope.method,
        "PATH_INFO": unquote_to_bytes(scope.path).decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "SERVER_NAME": host.strip("[]"),
        "SERVER_PORT": port,
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": io.BytesIO(body),
        "cds.received": received,
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
