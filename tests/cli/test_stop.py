"""A stop ends within the drain and two seconds, whatever is under way at that moment."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests

from cds_service.cli.run import free_port
from tests.cli.test_log_faults import CALL, log_to
from tests.cli.test_process import is_running, workers_of
from tests.cli.test_servers import started
from tests.databases import Server
from tests.patience import PATIENCE_S, UNHURRIED

PATIENT_VIEW = "/cds-services/hyponatremia-patient-view"
DRAIN_S = 1
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@contextmanager
def silent_server() -> Iterator[str]:
    """A FHIR server that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/fhir"


@contextmanager
def service(folder: Path, url: str, fhir: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Two workers that log to a pipe which nobody reads."""
    (folder / "clients.toml").write_text(
        f"[clients.mercy]\nfhir_bases = ['{fhir}']\nallow_private = true\nopen_access = true\n"
        "rate_limit = 10000\ndeadline_ms = 5000\n"
    )
    port = free_port("127.0.0.1")
    chosen = {"MODE": "development", "CLIENTS_FILE": f"{folder}/clients.toml", "PORT": str(port)}
    chosen |= {"DATA_DIR": f"{folder}/data", "DATABASE_URL": url, "DRAIN_SECONDS": str(DRAIN_S)}
    with log_to("a pipe that nobody reads") as descriptor:
        process = subprocess.Popen(
            [sys.executable, "-m", "cds_service", "serve", "--workers", "2"],
            env=os.environ | UNHURRIED | {f"CDS_{name}": value for name, value in chosen.items()},
            stderr=descriptor,
            text=True,
        )
        try:
            started(process, f"http://127.0.0.1:{port}")
            yield process, port
        finally:
            process.kill()
            process.wait()


def half_sent(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(
        f"POST {PATIENT_VIEW} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Content-Length: 1000\r\n\r\n{".encode()
    )
    return connection


def call_until_it_ends(url: str, body: object) -> None:
    try:
        requests.post(url, json=body, timeout=PATIENCE_S)
    except requests.RequestException:
        return  # the stop cut it


@pytest.mark.parametrize(("number", "drain_s"), [(signal.SIGINT, 0), (signal.SIGTERM, DRAIN_S)])
def test_a_stop_does_not_wait_for_what_hangs(
    number: signal.Signals,
    drain_s: int,
    tmp_path: Path,
    postgres: Server,
    record_property: Callable[[str, object], None],
) -> None:
    url = postgres.migrated("stop")
    with ExitStack() as stack:
        fhir = stack.enter_context(silent_server())
        process, port = stack.enter_context(service(tmp_path, url, fhir))
        base = f"http://127.0.0.1:{port}{PATIENT_VIEW}"
        for n in range(60):  # the pipe of the log is full
            body: object = CALL | {"hookInstance": f"d1577c69-dfbe-44ad-ba6d-3e05e953b2{n:02}"}
            assert requests.post(base, json=body, timeout=PATIENCE_S).status_code == 200
        stack.enter_context(postgres.frozen())
        reading = {key: CALL[key] for key in ("hook", "hookInstance", "context")}
        feedback = {
            "feedback": [
                {"card": "c", "outcome": "overridden", "outcomeTimestamp": "2026-01-01T00:00:00Z"}
            ]
        }
        for target, body in [
            (base, reading | {"fhirServer": fhir}),
            (f"{base}/feedback", feedback),
        ] * 4:
            threading.Thread(target=call_until_it_ends, args=(target, body), daemon=True).start()
        connections = [half_sent(port) for _ in range(8)]
        time.sleep(0.3)
        workers = workers_of(process)  # type: ignore[arg-type]
        began = time.monotonic()
        process.send_signal(number)
        process.wait(PATIENCE_S)  # without a limit it ends when its peers do, which is never
        took = time.monotonic() - began
        record_property("figure", f"{number.name}: ended {took - drain_s:.1f} s after the drain")
        assert process.returncode == 0
        assert not [pid for pid in workers if is_running(pid)]
        for connection in connections:
            connection.close()
