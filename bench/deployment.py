"""Starts the servers that `bench/service.py` measures: ours, its floors, and the Node peer.

Ours runs as `cds-service serve` runs it. Each runs in one process on CPU 0 and the load on CPU 1,
if the system can pin them; everything is on loopback.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import AllowedPrivateKeys, ECAlgorithm, RSAAlgorithm

HERE = Path(__file__).parent
NODE = HERE / "node" / "service.cjs"
ISSUER = "https://ehr.example.org"
PATH = "/cds-services/hyponatremia-patient-view"
TOKEN_S = 600
READY_S = 60.0


def pin(cpu: int) -> None:
    """Keeps this process and its children on one CPU, if that is possible."""
    if sys.platform == "linux" and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {cpu})


@dataclass
class Running:
    """A server that answers."""

    process: subprocess.Popen[bytes]
    port: int
    ready_s: float

    def _tree(self) -> list[int]:
        pids = [self.process.pid]
        for pid in pids:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                pids += [
                    int(child) for child in children.read_text().split() if int(child) not in pids
                ]
        return pids

    def cpu_s(self) -> float:
        """User and system time so far, of all its processes."""
        stats = [
            Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in self._tree()
        ]
        return sum(int(stat[11]) + int(stat[12]) for stat in stats) / os.sysconf("SC_CLK_TCK")

    def mib(self) -> tuple[float, float]:
        """Memory of the process that was started last, which serves, and of all of them.

        Pages that a worker shares with the process it was forked from count in parts (PSS).
        """
        sizes = []
        for pid in self._tree():
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            sizes += [
                int(line.split()[1]) / 1024
                for line in rollup.splitlines()
                if line.startswith("Pss:")
            ]
        return sizes[-1], sum(sizes)


def free_port() -> int:
    """Returns a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextlib.contextmanager
def running(
    command: Sequence[str], port: int, environ: dict[str, str] | None = None
) -> Iterator[Running]:
    """Start a server, wait for its first answer, stop it as an operator would.

    Ours may keep its bytecode, as every installation does: compiling is no part of a start.
    """
    inherited = {
        name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
    }
    began = time.perf_counter()
    pin(0)
    process = subprocess.Popen(
        [*command], env=inherited | (environ or {}), stderr=subprocess.DEVNULL, cwd=HERE
    )
    pin(1)
    try:
        while not _answers(port):
            if process.poll() is not None or time.perf_counter() - began > READY_S:
                raise SystemExit(f"{' '.join(command)} does not answer on port {port}")
            time.sleep(0.005)
        yield Running(process, port, time.perf_counter() - began)
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


class Keys:
    """One key pair for each algorithm, and tokens that pass once."""

    def __init__(self) -> None:
        elliptic = ec.generate_private_key(ec.SECP384R1())
        by_rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._private: dict[str, AllowedPrivateKeys] = {"ES384": elliptic, "RS384": by_rsa}
        self.public = [
            json.loads(ECAlgorithm.to_jwk(elliptic.public_key()))
            | {"kid": "ES384", "alg": "ES384"},
            json.loads(RSAAlgorithm.to_jwk(by_rsa.public_key())) | {"kid": "RS384", "alg": "RS384"},
        ]

    def token(self, algorithm: str, audience: str) -> str:
        """A fresh token of the client."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": audience,
            "iat": now,
            "exp": now + TOKEN_S,
            "jti": uuid.uuid4().hex,
        }
        return jwt.encode(claims, self._private[algorithm], algorithm, headers={"kid": algorithm})


@contextlib.contextmanager
def service(
    keys: Keys | None = None, fhir_base: str = "https://ehr.example.org/fhir/r4"
) -> Iterator[Running]:
    """Runs `cds-service serve` in development mode with one client and SQLite."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="hyponatremia-bench-") as folder:
        client = [
            f'issuer = "{ISSUER}"',
            f'fhir_bases = ["{fhir_base}"]',
            "rate_limit = 10000",
            "allow_private = true",
        ]
        if keys is not None:
            (Path(folder) / "keys.json").write_text(
                json.dumps({"keys": keys.public}), encoding="utf-8"
            )
            client.append('jwks_file = "keys.json"')
        else:
            client.append("open_access = true")
        registry = Path(folder) / "clients.toml"
        registry.write_text("[clients.bench]\n" + "\n".join(client) + "\n", encoding="utf-8")
        environ = {
            "CDS_MODE": "development",
            "CDS_PORT": str(port),
            "CDS_CLIENTS_FILE": str(registry),
            "CDS_DATA_DIR": folder,
        }
        with running([sys.executable, "-m", "cds_service", "serve"], port, environ) as server:
            yield server


@contextlib.contextmanager
def floor(kind: str) -> Iterator[Running]:
    """Runs our front and Flask alone: "hello" answers at once, "read" reads the body first."""
    port = free_port()
    with running(
        [sys.executable, str(HERE / "floor.py"), str(port)], port, {"BENCH_FLOOR": kind}
    ) as server:
        yield server


@contextlib.contextmanager
def node() -> Iterator[tuple[Running, str] | None]:
    """Runs the peer; yields it with its framework, or None if there is no Node."""
    if shutil.which("node") is None:
        yield None
        return
    if not (NODE.parent / "node_modules" / "express").is_dir():
        raise SystemExit("The peer is not installed: run `npm ci --prefix bench/node`.")
    port = free_port()
    with running(["node", str(NODE), str(port)], port) as server:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5) as answer:
            framework = json.load(answer)["framework"]
        yield server, f"Node, {framework}"
