"""Bad tokens by the thousand, from a process of their own, beside which valid calls are timed (T-31)."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.trust.served import PATH
from tests.trust.tokens import forged, token

RATE = 1000  # a second
CONNECTIONS = 32
ATTACKER = "203.0.113.9"


def cheap() -> list[str]:
    """Tokens of eight kinds that are refused without a look at their signature."""
    kinds = [
        [
            "a" * 500,
            "x.y.z",
            token(iss=f"https://evil{n}.example"),
            token(exp=1),
            token(aud="https://elsewhere.example"),
            token(header={"kid": f"made-up-{n}"}),
            token("ES256"),
            forged("HS384", b"secret"),
        ]
        for n in range(10)
    ]
    return [text for kind in kinds for text in kind]


def wrong_signatures() -> list[str]:
    """Tokens that say all that the EHR says, with signatures that no key of its made: each costs a check."""
    head, body, _ = token().split(".")
    signatures = (base64.urlsafe_b64encode(os.urandom(96)).decode() for _ in range(200))
    return [f"{head}.{body}.{signature}" for signature in signatures]


@dataclass(slots=True)
class Flood:
    """What was sent and what came back; known when the flood has ended."""

    answers: Counter[int]


@contextmanager
def flooded(port: int, tokens: Sequence[str], forwarded: str = ATTACKER) -> Iterator[Flood]:
    """`RATE` calls a second with these tokens while the block runs, or as many as the server answers."""
    context = multiprocessing.get_context("spawn")
    stop, told = context.Event(), context.SimpleQueue()
    process = context.Process(target=_run, args=(port, list(tokens), forwarded, stop, told))
    process.start()
    told.get()  # it has begun
    flood = Flood(Counter())
    try:
        yield flood
    finally:
        stop.set()
        flood.answers.update(told.get())
        process.join()


def _run(port: int, tokens: list[str], forwarded: str, stop: Any, told: Any) -> None:
    told.put(None)
    told.put(asyncio.run(_send(port, tokens, forwarded, stop)))


async def _send(port: int, tokens: list[str], forwarded: str, stop: Any) -> Counter[int]:
    requests = [_request(text, forwarded) for text in tokens]
    answers: Counter[int] = Counter()
    began, sent = time.monotonic(), 0

    async def sender() -> None:
        nonlocal sent
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while not stop.is_set():
            if sent >= (time.monotonic() - began) * RATE:
                await asyncio.sleep(0.002)
                continue
            sent += 1
            writer.write(requests[sent % len(requests)])
            answers[await _status(reader)] += 1
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    await asyncio.gather(*(sender() for _ in range(CONNECTIONS)))
    return answers


def _request(text: str, forwarded: str) -> bytes:
    return (
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
        f"X-Forwarded-For: {forwarded}\r\nAuthorization: Bearer {text}\r\n\r\n{{}}"
    ).encode()


async def _status(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r")[0]))
    return int(head.split(" ")[1])
