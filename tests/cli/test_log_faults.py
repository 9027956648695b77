"""A log that cannot be written costs log lines: no call, no start and no stop."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from cds_service.cli.run import free_port
from tests.cli.test_servers import started
from tests.patience import PATIENCE_S, UNHURRIED, until

CALLS = 40
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/dev/full and sizes of pipes")
CALL = {
    "hook": "patient-view",
    "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
    "context": {"userId": "Practitioner/1", "patientId": "p1"},
    "prefetch": {"sodium": {"resourceType": "Bundle", "type": "searchset", "total": 0}},
}


@contextmanager
def log_to(kind: str) -> Iterator[int]:
    """Yields a descriptor that does not take a log."""
    if kind == "a full disk":
        descriptor = os.open("/dev/full", os.O_WRONLY)
        yield descriptor
        os.close(descriptor)
        return
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    if kind == "a pipe without reader":
        os.close(read)
        yield write
    else:
        yield write
        os.close(read)
    os.close(write)


@pytest.mark.parametrize(
    ("kind", "workers"),
    [("a full disk", 2), ("a pipe without reader", 1), ("a pipe that nobody reads", 1)],
)
def test_calls_are_answered_and_health_says_that_the_log_is_not_written(
    kind: str, workers: int, tmp_path: Path
) -> None:
    (tmp_path / "clients.toml").write_text("[clients.mercy]\n")
    port = free_port("127.0.0.1")
    base = f"http://127.0.0.1:{port}"
    chosen = {"MODE": "development", "CLIENTS_FILE": f"{tmp_path}/clients.toml"}
    chosen |= {"DATA_DIR": f"{tmp_path}/data", "PORT": str(port), "DRAIN_SECONDS": "0"}
    with log_to(kind) as descriptor:
        process = subprocess.Popen(
            [sys.executable, "-m", "cds_service", "serve", "--workers", str(workers)],
            env=os.environ | UNHURRIED | {f"CDS_{name}": value for name, value in chosen.items()},
            stderr=descriptor,
            text=True,
        )
        try:
            started(process, base)
            url = f"{base}/cds-services/hyponatremia-patient-view"
            answers = [requests.post(url, json=CALL, timeout=PATIENCE_S) for _ in range(CALLS)]
            assert {answer.status_code for answer in answers} == {200}
            assert _degraded(base)[0].startswith("log: ")
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()
            process.wait(PATIENCE_S)


def _degraded(base: str) -> list[str]:
    """Returns what /health calls degraded, as soon as there is something."""
    reasons: list[str] = []

    def is_degraded() -> bool:
        told = requests.get(f"{base}/health", timeout=PATIENCE_S).json()
        reasons[:] = told.get("degraded") or []
        return bool(reasons)

    until(is_degraded)
    return reasons
