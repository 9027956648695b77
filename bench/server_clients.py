"""The clients of the server benchmark: load generator, slow clients, single requests."""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import repeat

from sample_request import patient_view

BODY = patient_view()
HEAD = (
    "POST /cds-services/patient-view HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
    f"Content-Length: {len(BODY)}\r\n\r\n"
).encode()
HEALTH = b"GET /health HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"
ECHO = b"POST /echo HTTP/1.1\r\nHost: bench\r\n"


def exchange(port: int, request: bytes, timeout: float = 8) -> tuple[str, float]:
    """The status (or the error) of one request on a new connection, and the seconds it took."""
    started = time.perf_counter()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(request)
            status = connection.recv(4096)[9:12].decode() or "closed"
    except OSError as error:
        status = type(error).__name__
    return status, time.perf_counter() - started


class NoMoreRequests(Exception):
    """Every prepared request was sent: a token passes once."""


def _next(requests: Iterator[bytes]) -> bytes:
    for request in requests:
        return request
    raise NoMoreRequests


@dataclass
class Client:
    """One keep-alive connection of the load generator."""

    connection: socket.socket
    requests: Iterator[bytes]
    left: memoryview = field(default_factory=lambda: memoryview(b""))
    since: float = field(default_factory=time.perf_counter)
    received: bytes = b""

    def __post_init__(self) -> None:
        self.left = memoryview(_next(self.requests))

    def writable(self) -> None:
        """Sends what the socket takes."""
        with contextlib.suppress(BlockingIOError):
            self.left = self.left[self.connection.send(self.left) :]

    def readable(self) -> tuple[float, bool] | None:
        """Returns latency and whether it was a 200, once the answer is complete."""
        data = self.connection.recv(65536)
        if not data:
            raise ConnectionError("the server closed a keep-alive connection")
        self.received += data
        head, end, body = self.received.partition(b"\r\n\r\n")
        if not end or len(body) < int(head.lower().split(b"content-length:")[1].split()[0]):
            return None
        now = time.perf_counter()
        result = now - self.since, head.startswith(b"HTTP/1.1 200")
        self.received, self.since, self.left = b"", now, memoryview(_next(self.requests))
        self.writable()
        return result


def load(
    port: int, connections: int, seconds: float, requests: Iterator[bytes] | None = None
) -> tuple[list[float], int]:
    """Returns latencies and the number of answers other than 200; `requests` may end it early."""
    requests = requests or repeat(HEAD + BODY)
    latencies: list[float] = []
    bad = 0
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as stack:
        for _ in range(connections):
            client = Client(
                stack.enter_context(socket.create_connection(("127.0.0.1", port), 5)), requests
            )
            client.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.connection.setblocking(False)
            selector.register(
                client.connection, selectors.EVENT_READ | selectors.EVENT_WRITE, client
            )
        end = time.perf_counter() + seconds
        for latency, good in _until(end, selector):
            latencies.append(latency)
            bad += not good
    return sorted(latencies), bad


def _until(end: float, selector: selectors.BaseSelector) -> Iterator[tuple[float, bool]]:
    """Yields answers until this time, or until there are no more requests."""
    with contextlib.suppress(NoMoreRequests):
        while time.perf_counter() < end:
            yield from _turn(selector)


def _turn(selector: selectors.BaseSelector) -> Iterator[tuple[float, bool]]:
    """Yields what has been answered since the last turn, and sends what can be sent."""
    for key, events in selector.select(0.2):
        client: Client = key.data
        if events & selectors.EVENT_WRITE:
            client.writable()
        result = client.readable() if events & selectors.EVENT_READ else None
        if result:
            yield result
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.left else 0)
        if wanted != key.events:
            selector.modify(client.connection, wanted, client)


def stall(port: int, kind: str, seconds: float) -> tuple[str, float | None]:
    """Runs a slow client; returns what ended it (a status, or 'open') and after how long."""
    payload, extra = (
        (HEAD[:40], HEAD[40:]) if kind == "headers" else (HEAD + BODY[: len(BODY) // 2], BODY)
    )
    started, status = time.perf_counter(), ""
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        if kind != "idle":
            connection.sendall(payload)
        connection.settimeout(0.5)
        for turn in range(int(seconds * 2)):
            try:
                data = connection.recv(4096)
            except TimeoutError:
                more = extra[turn : turn + 1] if kind in ("drip", "headers") and not status else b""
                connection.sendall(more)
                continue
            except OSError:
                return status or "reset", time.perf_counter() - started
            if not data:
                return status or "closed", time.perf_counter() - started
            status = status or data[9:12].decode()
    return f"{status} open".strip(), None
