"""Holds connections open with bodies that hardly come, as a stranger without a token can."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import TracebackType

from msgspec.structs import replace

from tests.attack.attack import Attack, Figure
from tests.attack.bodies import VIEW, Body, usual
from tests.attack.target import Answer, Target, serving
from tests.trust.tokens import BASE, token, written

_SECONDS = 8
_EACH_S = 0.3
_OK = http.client.OK
_MOST_MS = 2000  # the attacker has the same two cores
_PATH = f"/cds-services/{VIEW}"
_HEAD = "POST {} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{}\r\n"
# What each stranger sends at once; then a byte now and then.
WAYS = {
    "Content-Length: 2000000": _HEAD.format(_PATH, "Content-Length: 2000000\r\n"),
    "chunked": _HEAD.format(_PATH, "Transfer-Encoding: chunked\r\n"),
    "to an unknown path": _HEAD.format("/nothing", "Content-Length: 2000000\r\n"),
    "a small body": _HEAD.format(_PATH, "Content-Length: 100000\r\n"),
}
_BYTE = {"chunked": b"1\r\n \r\n"}


class Strangers(threading.Thread):
    """So many connections that each send a head, and then a byte now and then; all in one thread."""

    def __init__(self, port: int, count: int, way: str, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(daemon=True)
        self._port, self._count, self._tls = port, count, tls
        self._head, self._byte = WAYS[way].encode(), _BYTE.get(way, b" ")
        self._done = threading.Event()
        self.opened = 0

    def run(self) -> None:
        """Keeps as many connections open as were asked for, until it has to stop."""
        held: list[socket.socket] = []
        while not self._done.is_set():
            held = [one for one in held if _sent(one, self._byte)]
            missing = self._count - len(held)
            held += [one for one in map(self._new, range(missing)) if one is not None]
            self._done.wait(_EACH_S)
        for one in held:
            one.close()

    def _new(self, _: int) -> socket.socket | None:
        with contextlib.suppress(OSError):
            made = socket.create_connection(("127.0.0.1", self._port), timeout=2)
            if self._tls is not None:
                made = self._tls.wrap_socket(made, server_hostname="localhost")
            made.sendall(self._head)
            made.setblocking(False)
            self.opened += 1
            return made
        return None

    def __enter__(self) -> Strangers:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._done.set()
        self.join()


def _sent(connection: socket.socket, byte: bytes) -> bool:
    """Whether a byte could be sent on a connection that the service has not ended."""
    try:
        if connection.recv(4096) == b"":
            raise ConnectionError
    except (BlockingIOError, ssl.SSLWantReadError):
        pass
    except OSError:
        connection.close()
        return False
    try:
        connection.send(byte)
    except OSError:
        connection.close()
        return False
    return True


def valid(target: Target, seconds: float) -> tuple[list[Answer], list[Answer]]:
    """Valid calls, each with a token of its own, and looks at /health, in turn."""
    calls, looks, until = [], [], time.monotonic() + seconds
    body: Body = usual()
    while time.monotonic() < until:
        calls.append(target.post(body, Authorization=f"Bearer {token(aud=BASE + _PATH)}"))
        looks.append(target.get())
        time.sleep(0.05)
    return calls, looks


def told(name: str, calls: list[Answer], looks: list[Answer]) -> Iterator[Figure]:
    """How valid calls and /health fared."""
    yield Figure(what=f"{name}: valid calls", value=len(calls), least=5)
    failed = sum(one.status != _OK for one in calls)
    yield Figure(what="  of them not answered 200", value=failed, most=0)
    slowest = max(one.ms for one in calls)
    yield Figure(what="  slowest valid call", value=slowest, unit="ms", most=_MOST_MS)
    slow = max(one.ms if one.status == _OK else float("inf") for one in looks)
    yield Figure(what="  slowest /health", value=slow, unit="ms", most=_MOST_MS)


def registry(folder: Path) -> str:
    """One client that proves who it is."""
    folder.mkdir(exist_ok=True)
    return written(folder).read_text(encoding="utf-8")


def attacked(count: int, folder: Path, way: str, seconds: float = _SECONDS) -> Iterator[Figure]:
    """One service, so many strangers of one kind, and valid calls beside them."""
    with serving(folder, registry(folder), CDS_PUBLIC_URL=BASE, CDS_PROXIES="0") as target:
        valid(target, 0.5)
        target = replace(target, headers={})
        with Strangers(target.port, count, way) as strangers:
            time.sleep(0.5)
            calls, looks = valid(target, seconds)
        yield from told(f"{count} strangers, {way}", calls, looks)
        yield Figure(what="  connections that they opened", value=strangers.opened, least=count)


def run(count: int, folder: Path) -> Iterator[Figure]:
    """Each way to be slow, from the address of the EHR itself: the worst place."""
    for number, way in enumerate(WAYS):
        yield from attacked(count, folder / str(number), way)


def of(count: int) -> Callable[[Path], Iterator[Figure]]:
    """The attack with so many strangers."""
    return partial(run, count)


ATTACK = Attack(
    name="strangers-33",
    says="33 strangers hold bodies open that hardly come: valid calls and /health are left alone.",
    run=of(33),
)
