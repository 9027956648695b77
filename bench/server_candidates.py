"""The small Flask service that `servers.py` measures behind gunicorn and granian.

`service` is bare WSGI, `guarded` is for gunicorn, `front` for granian (RSGI).
`python server_candidates.py PORT` serves `front` inside its own process, as `demo` would.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import io
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
from flask import Flask, Response, request
from sample_request import Call, Prefetch
from server_front import BODY_BYTES, BODY_SECONDS, OUTCOME, Front

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

service = Flask(__name__)
read_call = msgspec.json.Decoder(Call).decode
read_dicts = msgspec.json.Decoder(float_hook=Decimal).decode
DICTS = os.environ.get("BENCH_READ") == "dicts"


def answer(data: object, status: int = 200) -> Response:
    """A JSON response."""
    return Response(msgspec.json.encode(data), status, mimetype="application/json")


@service.post("/cds-services/patient-view")
def patient_view() -> Response:
    """Reads a 90 kB body, looks at every result and order, answers about 1 kB."""
    try:
        lowest, active = (from_dicts if DICTS else from_structs)(request.get_data(cache=False))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, LookupError, AttributeError):
        return answer({"resourceType": "OperationOutcome"}, 400)
    return answer(
        {"cards": [{"summary": f"Sodium {lowest}, {active} orders", "detail": "x" * 900}]}
    )


def from_structs(body: bytes) -> tuple[Decimal | None, int]:
    """The lowest sodium and the number of active orders; only the fields needed become objects."""
    prefetch = read_call(body).prefetch or Prefetch()
    results = [entry.resource for entry in prefetch.sodium.entry if entry.resource]
    orders = [entry.resource for entry in prefetch.medications.entry if entry.resource]
    values = [result.value_quantity.value for result in results if result.value_quantity]
    return min(value for value in values if value), sum(
        order.status == "active" for order in orders
    )


def from_dicts(body: bytes) -> tuple[Decimal | None, int]:
    """The same from plain dictionaries: every member becomes an object."""
    prefetch = read_dicts(body)["prefetch"]
    results = [entry["resource"] for entry in prefetch["sodium"]["entry"]]
    orders = [entry["resource"] for entry in prefetch["medications"]["entry"]]
    return min(r["valueQuantity"]["value"] for r in results), sum(
        o["status"] == "active" for o in orders
    )


@service.get("/health")
def health() -> Response:
    """Alive."""
    return answer({"status": "ok"})


@service.get("/slow")
def slow() -> Response:
    """A request that takes 1.5 s, for the graceful stop."""
    time.sleep(1.5)
    return answer({"status": "done"})


@service.route("/echo", methods=["GET", "POST"])
def echo() -> Response:
    """What reached the application."""
    return answer(
        {"bytes": len(request.get_data()), "path": request.path, "headers": dict(request.headers)}
    )


class Guarded:
    """Reads at most `slots` bodies at once for gunicorn; one watchdog shuts the late sockets."""

    def __init__(self, app: WSGIApplication, slots: int) -> None:
        self._app, self._slots = app, threading.BoundedSemaphore(slots)
        self._lock, self._reading = threading.Lock(), dict[object, tuple[float, socket.socket]]()
        self._watchdog: threading.Thread | None = None

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if int(environ.get("CONTENT_LENGTH") or 0) > BODY_BYTES:
            return self._refuse(start, "413 Content Too Large")
        if not self._slots.acquire(blocking=False):
            return self._refuse(start, "503 Service Unavailable")
        key = object()
        try:
            with self._lock:
                self._reading[key] = (time.monotonic() + BODY_SECONDS, environ["gunicorn.socket"])
                if self._watchdog is None:
                    self._watchdog = threading.Thread(target=self._watch, daemon=True)
                    self._watchdog.start()
            try:
                body = environ["wsgi.input"].read(BODY_BYTES + 1)
            except Exception:
                body = b""
        finally:
            with self._lock:
                late = self._reading.pop(key, None) is None
            self._slots.release()
        if late:
            return self._refuse(start, "408 Request Timeout")
        if len(body) > BODY_BYTES:
            return self._refuse(start, "413 Content Too Large")
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
        return self._app(environ, start)

    def _watch(self) -> None:
        while True:
            time.sleep(0.1)
            with self._lock:
                now = time.monotonic()
                late = [key for key, (until, _) in self._reading.items() if until < now]
                sockets = [self._reading.pop(key)[1] for key in late]
            for connection in sockets:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RD)

    def _refuse(self, start: StartResponse, status: str) -> Iterable[bytes]:
        length = ("Content-Length", str(len(OUTCOME)))
        start(status, [("Content-Type", "application/fhir+json"), length, ("Connection", "close")])
        return [OUTCOME]


THREADS = int(os.environ.get("BENCH_THREADS", "16"))
guarded = Guarded(service.wsgi_app, slots=THREADS - THREADS // 8)
front = Front(service.wsgi_app, threads=THREADS)


async def serve(port: int) -> None:
    """The front inside this process, until SIGINT or SIGTERM."""
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings
    from granian.server.embed import Server

    server = Server(
        front,
        "127.0.0.1",
        port,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        websockets=False,
        http1_settings=HTTP1Settings(header_read_timeout=5000),
        log_enabled=False,
    )
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, server.stop)
    await server.serve()


if os.environ.get("BENCH_GC", "tuned") == "tuned":
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)
if __name__ == "__main__":
    uvloop = importlib.import_module("uvloop")  # a candidate, not a dependency of the project
    uvloop.run(serve(int(sys.argv[1])))
