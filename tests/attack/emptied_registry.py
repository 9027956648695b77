"""Empties clients.toml under a service that asks for tokens (`: > clients.toml`)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

from tests.attack.attack import Attack, Figure
from tests.attack.bodies import usual
from tests.attack.target import serving
from tests.trust.tokens import BASE, token, written

_EMPTY_S = 5.0


def run(folder: Path) -> Iterator[Figure]:
    """Calls without and with a token while the file is empty."""
    path = written(folder)
    registry = path.read_text(encoding="utf-8")
    body = usual()
    with serving(folder, registry, CDS_PUBLIC_URL=BASE) as target:
        before = target.post(body).status
        yield Figure(what="status without a token before", value=before, most=401, least=401)
        path.write_text("", encoding="utf-8")
        strangers, clients = list[int](), list[int]()
        until = time.monotonic() + _EMPTY_S
        while time.monotonic() < until:
            strangers.append(target.post(body).status)
            said = {"Authorization": f"Bearer {token(aud=BASE + body.path)}"}
            clients.append(target.post(body, **said).status)
            time.sleep(0.1)
        told = json.loads(target.get().content).get("degraded", [])
        open_door = sum(one != 401 for one in strangers)
        yield Figure(what="calls without a token let in", value=open_door, most=0)
        refused = sum(one != 200 for one in clients)
        yield Figure(what="calls of the client refused", value=refused, most=0)
        degraded = any(reason.startswith("client registry") for reason in told)
        yield Figure(what="/health says it", value=degraded, least=1)


ATTACK = Attack(
    name="emptied-registry",
    says="clients.toml is emptied: nobody gets in without a token, the client is answered.",
    run=run,
)
