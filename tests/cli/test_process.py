"""The processes of `cds-service serve`: private memory, private files, and no orphans."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cds_service.cli.run import free_port
from tests.cli.test_servers import started
from tests.patience import PATIENCE_S, UNHURRIED, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A service with two workers, and its port."""
    (tmp_path / "clients.toml").write_text("[clients.mercy]\n")
    port = free_port("127.0.0.1")
    chosen = {"MODE": "development", "CLIENTS_FILE": f"{tmp_path}/clients.toml"}
    chosen |= {"DATA_DIR": f"{tmp_path}/data", "PORT": str(port)}
    process = subprocess.Popen(
        [sys.executable, "-m", "cds_service", "serve", "--workers", "2"],
        env=os.environ | UNHURRIED | {f"CDS_{name}": value for name, value in chosen.items()},
        stderr=subprocess.DEVNULL,
        umask=0o022,
    )
    started(process, f"http://127.0.0.1:{port}")  # type: ignore[arg-type]  # its output is not read
    yield port, process
    process.kill()
    process.wait(PATIENCE_S)


def workers_of(process: subprocess.Popen[bytes]) -> list[int]:
    path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(pid) for pid in path.read_text().split()]


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_workers_end_and_the_port_is_free_when_their_parent_is_killed(
    parent: tuple[int, subprocess.Popen[bytes]],
) -> None:
    port, process = parent
    workers = workers_of(process)
    assert len(workers) >= 2
    process.send_signal(signal.SIGKILL)
    until(lambda: not any(map(is_running, workers)))
    socket.create_server(("127.0.0.1", port)).close()


def test_no_process_may_write_its_memory_to_a_disk(
    parent: tuple[int, subprocess.Popen[bytes]],
) -> None:
    _, process = parent
    for pid in (process.pid, *workers_of(process)):
        limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
        core = next(line.split() for line in limits if line.startswith("Max core file size"))
        assert core[4:6] == ["0", "0"], core


def test_only_the_owner_reads_the_files_of_the_service(
    parent: tuple[int, subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    files = list((tmp_path / "data").iterdir())
    assert {file.suffix for file in files} >= {".db", ""}
    assert {file.name: oct(file.stat().st_mode & 0o077) for file in files} == {
        file.name: "0o0" for file in files
    }
