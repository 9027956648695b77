"""Opens a thousand connections that say nothing, and a thousand that stop in their head."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

from tests.attack.attack import Attack, Figure
from tests.attack.strangers import registry, told, valid
from tests.attack.target import serving
from tests.trust.tokens import BASE

_COUNT = 1000
_SECONDS = 4
_HALF_A_HEAD = b"POST /cds-services HTTP/1.1\r\nHost: x\r\nX-"


def run(folder: Path) -> Iterator[Figure]:
    """Both kinds, one after the other."""
    with serving(folder, registry(folder), CDS_PUBLIC_URL=BASE) as target:
        valid(target, 0.5)
        before = target.mib()
        for name, said in (("idle", b""), ("half a head", _HALF_A_HEAD)):
            held = [_opened(target.port, said) for _ in range(_COUNT)]
            yield from told(f"{_COUNT} connections, {name}", *valid(target, _SECONDS))
            yield Figure(
                what="  memory that they take", value=round(target.mib() - before), unit="MiB"
            )
            for one in held:
                one.close()


def _opened(port: int, said: bytes) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), timeout=10)
    made.sendall(said)
    return made


ATTACK = Attack(
    name="idle-connections",
    says="1,000 connections that say nothing: valid calls and /health are left alone.",
    run=run,
)
