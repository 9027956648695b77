"""Stops a PostgreSQL server inside while calls and feedback come, and lets it go on."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cds_service.store.engine import make_engine, upgrade
from tests.attack.attack import Attack, Figure
from tests.attack.bodies import Body, usual
from tests.attack.target import Answer, Target, serving
from tests.databases import Server, postgresql
from tests.trust.tokens import BASE, token, written

_FROZEN_S = 12.0
_CALL_MS, _FEEDBACK_MS = 1000.0, 2500.0  # what a call takes, and 0.3 or 1.5 s, and a busy machine
_BACK_S = 15.0


def run(folder: Path) -> Iterator[Figure]:
    """Calls with tokens, so that each asks the store whether its token is new."""
    registry = written(folder, "rate_limit = 10000\n").read_text(encoding="utf-8")
    with postgresql() as server:
        url = server.fresh("attacked")
        upgrade(make_engine(url))
        with serving(folder, registry, CDS_DATABASE_URL=url, CDS_PUBLIC_URL=BASE) as target:
            yield from _attacked(target, server)


def _attacked(target: Target, server: Server) -> Iterator[Figure]:
    before = [_call(target) for _ in range(20)]
    yield Figure(what="slowest call before", value=_slowest(before), unit="ms")
    calls, items = list[Answer](), list[Answer]()
    with server.frozen():
        until = time.monotonic() + _FROZEN_S
        while time.monotonic() < until:
            calls.append(_call(target))
            items.append(_feedback(target))
    yield Figure(what="calls while it is frozen", value=len(calls), least=20)
    odd = sum(one.status != 200 for one in calls)
    yield Figure(what="  without their answer", value=odd, most=0)
    yield Figure(what="  slowest", value=_slowest(calls), unit="ms", most=_CALL_MS)
    odd = sum(one.status != 503 for one in items)
    yield Figure(what="feedback that is no 503", value=odd, most=0)
    yield Figure(what="  slowest", value=_slowest(items), unit="ms", most=_FEEDBACK_MS)
    yield Figure(what="stored again after", value=_back_after(target), unit="s", most=_BACK_S)


def _call(target: Target) -> Answer:
    body = usual()
    return target.post(body, Authorization=f"Bearer {token(aud=BASE + body.path)}")


def _feedback(target: Target) -> Answer:
    service = f"{usual().service}/feedback"
    item = {"card": str(uuid.uuid4()), "outcome": "overridden",
            "outcomeTimestamp": datetime.now(UTC).isoformat()}  # fmt: skip
    body = Body(service, {"feedback": [item]})
    return target.post(body, Authorization=f"Bearer {token(aud=BASE + body.path)}")


def _slowest(answers: list[Answer]) -> float:
    return max(one.ms for one in answers)


def _back_after(target: Target) -> float:
    began = time.monotonic()
    while _feedback(target).status != 200 and time.monotonic() < began + 2 * _BACK_S:
        time.sleep(0.2)
    return round(time.monotonic() - began, 1)


ATTACK = Attack(
    name="frozen-database",
    says="PostgreSQL is stopped inside: calls are answered, feedback is 503 in time, and it comes back.",
    run=run,
)
