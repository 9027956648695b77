"""A service of our own that is attacked: its address, its processes, and callers beside the attack."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from msgspec import Struct, field

from cds_service.cli.run import free_port
from tests.attack.bodies import Body
from tests.cli.test_servers import started

_STOP_S = 40
_ANSWER_S = 60
# Without tokens: most attacks are about what a body does.
_OPEN = '[clients.mercy]\nissuer = "https://ehr.example"\nopen_access = true\n'


class Answer(Struct, frozen=True):
    """What came back: status 0 if the connection broke."""

    status: int
    ms: float
    content: bytes = b""


class Target(Struct, frozen=True, kw_only=True):
    """A running service."""

    port: int
    process: subprocess.Popen[str]
    log: Path
    headers: Mapping[str, str] = field(default_factory=dict)

    def workers(self) -> list[int]:
        """Returns the process ids of its workers."""
        pid = self.process.pid
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def mib(self, name: str = "VmRSS") -> float:
        """Returns the resident memory of its first worker; VmHWM is the most it ever had."""
        status = Path(f"/proc/{self.workers()[0]}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(f"{name}:"))

    def forget_peak(self) -> None:
        """Lets VmHWM begin anew."""
        Path(f"/proc/{self.workers()[0]}/clear_refs").write_text("5")

    def cpu_s(self) -> float:
        """Returns the CPU time of its workers so far."""
        stats = [
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            for pid in self.workers()
        ]
        return sum(int(one[11]) + int(one[12]) for one in stats) / os.sysconf("SC_CLK_TCK")

    def post(self, body: Body, **headers: str) -> Answer:
        """Sends one body over a connection of its own."""
        return self._ask("POST", body.path, body.content, headers)

    def get(self, path: str = "/health") -> Answer:
        """Asks for one page over a connection of its own."""
        return self._ask("GET", path, None, {})

    def _ask(
        self, method: str, path: str, content: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_ANSWER_S)
        given = {"Content-Type": "application/json", **self.headers, **headers}
        try:
            connection.request(method, path, content, given)
            answer = connection.getresponse()
            content, status = answer.read(), answer.status
        except (OSError, http.client.HTTPException):
            content, status = b"", 0
        finally:
            connection.close()
        return Answer(status, round((time.monotonic() - began) * 1000, 1), content)


@contextmanager
def serving(folder: Path, registry: str = _OPEN, **environment: str) -> Iterator[Target]:
    """Starts `cds-service serve` with settings of its own, and stops it in any case."""
    folder.mkdir(exist_ok=True)
    clients = folder / "clients.toml"
    clients.write_text(registry, encoding="utf-8")
    port = free_port("127.0.0.1")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CDS_")}
    settings = {
        "CDS_MODE": "development",
        "CDS_CLIENTS_FILE": str(clients),
        "CDS_DATA_DIR": str(folder / "data"),
        "CDS_PORT": str(port),
        "CDS_DRAIN_SECONDS": "0",
    }
    log = folder / "log.txt"
    with log.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "cds_service", "serve"],
            env=kept | settings | environment,
            stdout=out,
            stderr=out,
            text=True,
            start_new_session=True,
        )
    try:
        started(process, f"http://127.0.0.1:{port}")
        yield Target(port=port, process=process, log=log)
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its own session: nothing but its workers
        process.wait(_STOP_S)


class Caller(threading.Thread):
    """Sends the same call again and again while an attack runs, and notes what came back."""

    def __init__(self, target: Target, body: Body | None, each_s: float) -> None:
        """Without a body it asks for /health."""
        super().__init__(daemon=True)
        self._target, self._body, self._each_s = target, body, each_s
        self._done = threading.Event()
        self.answers: list[Answer] = []

    @property
    def slowest_ms(self) -> float:
        """Returns the time of the slowest answer."""
        return max((one.ms for one in self.answers), default=0.0)

    @property
    def failed(self) -> int:
        """Returns how many calls were not answered 200."""
        return sum(one.status != http.client.OK for one in self.answers)

    def run(self) -> None:
        """Calls until it has to stop."""
        while True:
            self.answers.append(
                self._target.get() if self._body is None else self._target.post(self._body)
            )
            if self._done.wait(self._each_s):
                return

    def __enter__(self) -> Caller:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._done.set()
        self.join()
