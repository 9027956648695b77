"""Takes the log away from a service: its disk is full, or its pipe has no reader or a sleeping one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from tests.attack.attack import Attack, Figure
from tests.attack.bodies import usual
from tests.attack.target import Caller, Target, serving
from tests.trust.tokens import BASE, token, written

_CALLS = 300  # their lines are more than a pipe of 64 kB takes
_SLOWEST_MS = 1500.0
_SAID_S = 10.0


def run(folder: Path) -> Iterator[Figure]:
    """Starts a service for each kind, and calls it."""
    full = folder / "full"
    full.mkdir()
    (full / "log.txt").symlink_to("/dev/full")
    yield from _called("disk full", full)
    for name, keeps_reader in (("reader asleep", True), ("reader gone", False)):
        place = folder / name.replace(" ", "-")
        place.mkdir()
        os.mkfifo(place / "log.txt")
        reader = os.open(place / "log.txt", os.O_RDONLY | os.O_NONBLOCK)
        yield from _called(name, place, reader, keeps_reader=keeps_reader)


def _called(
    name: str, folder: Path, reader: int = -1, *, keeps_reader: bool = False
) -> Iterator[Figure]:
    registry = written(folder, "rate_limit = 10000\n").read_text(encoding="utf-8")
    body = usual()
    with serving(folder, registry, CDS_PUBLIC_URL=BASE) as target:
        if reader >= 0 and not keeps_reader:
            os.close(reader)
        tokens = [f"Bearer {token(aud=BASE + body.path)}" for _ in range(_CALLS)]
        answers = [target.post(body, Authorization=one) for one in tokens]
        odd = sum(one.status != 200 for one in answers)
        slowest = max(one.ms for one in answers)
        yield Figure(what=f"{name}: calls without their answer", value=odd, most=0)
        yield Figure(what="  slowest call", value=slowest, unit="ms", most=_SLOWEST_MS)
        yield Figure(what="  /health says it", value=_said(target), least=1)
    if keeps_reader:
        os.close(reader)


def _said(target: Target) -> int:
    """Returns 1 as soon as /health speaks of the log."""
    with Caller(target, None, each_s=0.2) as asking:
        asking.join(_SAID_S / 2)
    told = json.loads(asking.answers[-1].content).get("degraded", [])
    return int(any(reason.startswith("log: ") for reason in told))


ATTACK = Attack(
    name="log-disk",
    says="The log's disk is full, its reader sleeps or is gone: no call notices, and /health says so.",
    run=run,
)
