"""Kills the main process of a service, which cannot tell its workers to stop."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from tests.attack.attack import Attack, Figure
from tests.attack.target import serving

_GONE_S = 5.0


def run(folder: Path) -> Iterator[Figure]:
    """Kills it, and waits for the port."""
    with serving(folder) as target:
        workers = target.workers()
        began = time.monotonic()
        target.process.send_signal(signal.SIGKILL)
        target.process.wait(_GONE_S)
        while any(map(_runs, workers)) and time.monotonic() < began + 4 * _GONE_S:
            time.sleep(0.02)
        took = round(time.monotonic() - began, 2)
        yield Figure(what="workers", value=len(workers), least=1)
        yield Figure(what="until they have ended", value=took, unit="s", most=_GONE_S)
        yield Figure(what="port is free", value=_is_free(target.port), least=1)
        for pid in filter(_runs, workers):
            os.kill(pid, signal.SIGKILL)


def _runs(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return False


def _is_free(port: int) -> int:
    with contextlib.suppress(OSError):
        socket.create_server(("127.0.0.1", port)).close()
        return 1
    return 0


ATTACK = Attack(
    name="killed-parent",
    says="kill -9 of the main process: its workers end and the port is free.",
    run=run,
)
