"""The same strangers in front of the nginx that is shipped, which buffers whole bodies."""

from __future__ import annotations

import http.client
import shutil
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

from tests.attack.attack import Attack, Figure
from tests.attack.bodies import VIEW, usual
from tests.attack.strangers import WAYS, Strangers, registry, told
from tests.attack.target import Answer, serving
from tests.proxy import nginx
from tests.trust.tokens import BASE, token

_COUNT, _SECONDS = 240, 5
_PATH = f"/cds-services/{VIEW}"


def run(folder: Path) -> Iterator[Figure]:
    """Each way to be slow, towards nginx."""
    if shutil.which("nginx") is None:
        yield Figure(what="nginx is not installed: not tried", value=0)
        return
    settings = {"CDS_PUBLIC_URL": BASE, "CDS_PROXIES": "1"}
    (folder / "nginx").mkdir()
    with (
        serving(folder, registry(folder), **settings) as target,
        nginx(folder / "nginx", f"127.0.0.1:{target.port}") as proxy,
    ):
        tls = ssl.create_default_context(cafile=str(proxy.certificate))
        for way in WAYS:
            with Strangers(proxy.port, _COUNT, way, tls) as strangers:
                time.sleep(1)
                calls, looks = _valid(proxy.port, tls)
            yield from told(f"{_COUNT} strangers, {way}", calls, looks)
            yield Figure(
                what="  connections that they opened", value=strangers.opened, least=_COUNT
            )


def _valid(port: int, tls: ssl.SSLContext) -> tuple[list[Answer], list[Answer]]:
    calls, looks, until = [], [], time.monotonic() + _SECONDS
    while time.monotonic() < until:
        bearer = {"Authorization": f"Bearer {token(aud=BASE + _PATH)}"}
        calls.append(_asked(port, tls, "POST", _PATH, usual().content, bearer))
        looks.append(_asked(port, tls, "GET", "/health", None, {}))
        time.sleep(0.05)
    return calls, looks


def _asked(
    port: int,
    tls: ssl.SSLContext,
    method: str,
    path: str,
    content: bytes | None,
    headers: dict[str, str],
) -> Answer:
    began, status = time.monotonic(), 0
    connection = http.client.HTTPSConnection("localhost", port, timeout=20, context=tls)
    try:
        connection.request(method, path, content, {"Content-Type": "application/json", **headers})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException):
        status = 0
    finally:
        connection.close()
    return Answer(status, round((time.monotonic() - began) * 1000, 1))


ATTACK = Attack(
    name="strangers-nginx",
    says="240 strangers hold bodies open towards the nginx that is shipped: valid calls are left alone.",
    run=run,
)
