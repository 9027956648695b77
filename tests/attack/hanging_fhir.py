"""Calls of one client, whose FHIR server accepts and never answers, beside calls of another."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tests.attack.attack import Attack, Figure
from tests.attack.bodies import VIEW, Body, call, usual
from tests.attack.target import Answer, Caller, Target, serving

_AT_ONCE, _ROUNDS, _PAUSE_S = 40, 6, 0.5
_MOST_MS = 1000  # a prefetch call alone takes some ms; a live one waits for its deadline, 1,500
_REGISTRY = """\
[clients.x]
issuer = "https://x.example"
open_access = true
fhir_bases = ["http://127.0.0.1:{port}/x"]
allow_private = true
[clients.y]
issuer = "https://y.example"
open_access = true
fhir_bases = ["https://y.example/fhir"]
"""


@contextmanager
def hanging() -> Iterator[int]:
    """A server that takes every connection and says nothing; its port."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:

        def take() -> None:
            while True:
                try:
                    held.append(listener.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    for one in held:
        one.close()


def live(port: int, number: int) -> Body:
    """A call of client x that needs its FHIR server; each of another patient."""
    value: dict[str, Any] = call("patient-view", {}) | {
        "prefetch": {},
        "fhirServer": f"http://127.0.0.1:{port}/x",
        "fhirAuthorization": {
            "access_token": "t",
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": "x",
            "subject": "s",
        },
    }
    value["context"]["patientId"] = f"x{number}"
    return Body(VIEW, value)


def prefetched() -> Body:
    """A call of client y that brings all that it needs."""
    return Body(VIEW, json.loads(usual().content) | {"fhirServer": "https://y.example/fhir"})


def _paced(target: Target, body: Body) -> Answer:
    """A call of x, and a moment before its user opens the next chart."""
    answer = target.post(body)
    time.sleep(_PAUSE_S)
    return answer


def run(folder: Path) -> Iterator[Figure]:
    """Calls of x by forties; those of y one after the other."""
    with hanging() as port, serving(folder, _REGISTRY.format(port=port)) as target:
        target.post(prefetched())
        with ThreadPoolExecutor(_AT_ONCE) as pool, Caller(target, prefetched(), 0.03) as beside:
            sent = [live(port, number) for number in range(_AT_ONCE * _ROUNDS)]
            answers = list(pool.map(partial(_paced, target), sent))
        calls = len(beside.answers)
        yield Figure(what="calls of y with prefetch", value=calls, least=10)
        yield Figure(what="  of them not answered 200", value=beside.failed, most=0)
        yield Figure(what="  slowest", value=beside.slowest_ms, unit="ms", most=_MOST_MS)
        in_words = sum(one.status in (412, 429, 503) for one in answers)
        yield Figure(what="calls of x refused in words", value=in_words, least=len(answers))
        yield Figure(what="  slowest", value=max(one.ms for one in answers), unit="ms")


ATTACK = Attack(
    name="hanging-fhir",
    says="The FHIR server of one client hangs: calls of another with prefetch are not delayed.",
    run=run,
)
