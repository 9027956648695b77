"""Calls at a fixed rate while a node is disturbed: p50, p99, p99.9, the slowest, and lost calls.

    python bench/steady.py                          # 200 calls a second for ten minutes
    python bench/steady.py --rate 50 --seconds 60   # a quick look
    python bench/steady.py --json

One node with two workers keeps its rows in a PostgreSQL of its own. At a fifth of the time its
registry changes, at two fifths its workers are replaced (SIGHUP), from three to four fifths its
database is stopped. Each patient is seen by the same user a few times. A call is timed from the
moment at which it was due, so that a pause of the service counts for every call that it delays. The
load runs on the same cores. A call that gets no connection or another status than 200 is lost, and
is not repeated.

Exit code 1: a call was lost, or the p99.9 is above --most milliseconds (default: 50).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import traffic

from cds_service.store.engine import make_engine, upgrade
from tests.cluster.load import Node, running
from tests.databases import Server, server_tools

PATH = "/cds-services/hyponatremia-patient-view"
CHARTS = 64  # bodies that are made; each serves many patients
PATIENTS = 20_000  # at 200 calls a second for ten minutes each chart is opened six times
WARM_CALLS = 200
CONNECTIONS = 64
TIMEOUT_S = 20.0
MS = 1000.0
REGISTRY = """[clients.bench]
open_access = true
fhir_bases = ["https://ehr.example.org/fhir/r4"]
rate_limit = 10000
"""


@dataclass
class Tally:
    """What became of the calls."""

    seconds: list[tuple[float, float]] = field(default_factory=list)  # when it was due; how long
    lost: Counter[str] = field(default_factory=Counter)

    def quantile(self, share: float, since: float = 0.0, until: float = float("inf")) -> float:
        """Returns the milliseconds that this share of the calls due in a time did not exceed."""
        took = sorted(took for due, took in self.seconds if since <= due < until)
        return MS * took[min(len(took) - 1, int(len(took) * share))] if took else 0.0


class Load:
    """Sends calls at a fixed rate over keep-alive connections."""

    def __init__(self, port: int, rate: float, seconds: float) -> None:
        self._port = port
        self._every = 1 / rate
        self._calls = int(rate * seconds)
        self._bodies = [traffic.usual(seed) for seed in range(CHARTS)]
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.tally = Tally()

    async def run(self) -> None:
        """Sends all calls, each when it is due, and waits for the answers."""
        for number in range(WARM_CALLS):
            await self._call(number, time.perf_counter())
        self.tally = Tally()
        gate = asyncio.Semaphore(CONNECTIONS)
        began = self.began = time.perf_counter()
        async with asyncio.TaskGroup() as calls:
            for number in range(self._calls):
                due = began + number * self._every
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                calls.create_task(self._held(gate, number, due))

    async def _held(self, gate: asyncio.Semaphore, number: int, due: float) -> None:
        async with gate:
            await self._call(number, due)

    async def _call(self, number: int, due: float) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                status = await self._answered(_request(self._body(number)))
        except (OSError, EOFError, TimeoutError) as error:
            self.tally.lost[type(error).__name__] += 1
            return
        if status != 200:
            self.tally.lost[f"status {status}"] += 1
            return
        now = time.perf_counter()
        self.tally.seconds.append((due, now - due))

    def _body(self, number: int) -> bytes:
        """Returns the body of this call; the same patient comes again after PATIENTS calls."""
        patient, chart = number % PATIENTS, number % CHARTS
        return self._bodies[chart].replace(_id(chart), _id(patient))

    async def _answered(self, request: bytes) -> int:
        reader, writer = await self._connection()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        if b"connection: close" in head:
            writer.close()
        else:
            self._free.append((reader, writer))
        return int(head.split()[1])

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._free:
            reader, writer = self._free.pop()
            if not reader.at_eof():  # closed by the service while nothing was asked
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", self._port)


def _id(number: int) -> bytes:
    return f"p{number:05d}".encode()  # as bench/traffic.py names its patients


def _request(body: bytes) -> bytes:
    head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@contextmanager
def database() -> Iterator[Server]:
    """Runs a PostgreSQL in a folder of its own."""
    tools = server_tools()
    if tools is None:
        sys.exit("PostgreSQL is not installed (apt-get install postgresql).")
    with tempfile.TemporaryDirectory(prefix="hyponatremia-steady-") as folder:
        server = Server(tools, Path(folder))
        server.initialise()
        server.start()
        try:
            yield server
        finally:
            server.stop()


async def disturbed(load: Load, node: Node, server: Server, registry: Path, seconds: float) -> None:
    """Sends the calls while the registry, the workers and the database change."""

    async def disturb() -> None:
        fifth = seconds / 5
        await asyncio.sleep(fifth)
        registry.write_text(REGISTRY + "explain_missing_data = true\n", encoding="utf-8")
        await asyncio.sleep(fifth)
        node.signal(signal.SIGHUP)
        await asyncio.sleep(fifth)
        await asyncio.to_thread(server.stop)
        await asyncio.sleep(fifth)
        await asyncio.to_thread(server.start)

    async with asyncio.TaskGroup() as both:
        both.create_task(load.run())
        both.create_task(disturb())


def measured(rate: float, seconds: float) -> Load:
    """Runs the node and the load; the progress goes to standard error."""
    with database() as server, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        registry = folder / "clients.toml"
        registry.write_text(REGISTRY, encoding="utf-8")
        secret = folder / "secret"
        secret.write_text("s" * 64, encoding="utf-8")
        url = server.fresh("steady")
        upgrade(make_engine(url))
        settings = {
            "CDS_CLIENTS_FILE": str(registry),
            "CDS_SECRET_FILE": str(secret),
            "CDS_DATA_DIR": str(folder),
            "CDS_DATABASE_URL": url,
        }
        node = Node(folder, settings, ["--workers", "2"])
        with running(node):
            load = Load(node.port, rate, seconds)
            told = f"{rate:g} calls a second for {seconds:g} s, {os.cpu_count()} cores ..."
            print(told, file=sys.stderr, flush=True)
            asyncio.run(disturbed(load, node, server, registry, seconds))
        return load


def main() -> None:
    """Measures, prints, and says by its exit code whether the goal was met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=200.0, help="calls a second (200)")
    parser.add_argument("--seconds", type=float, default=600.0, help="how long (600)")
    parser.add_argument("--most", type=float, default=50.0, help="goal of the p99.9 in ms (50)")
    parser.add_argument("--json", action="store_true", help="print the figures for a script")
    given = parser.parse_args()
    load = measured(given.rate, given.seconds)
    tally, fifth = load.tally, given.seconds / 5
    parts = ("undisturbed", "registry changed", "workers replaced", "database stopped", "again")
    figures = {
        name: [tally.quantile(q, load.began + at * fifth, load.began + (at + 1) * fifth)
               for q in (0.5, 0.99, 0.999, 1.0)]
        for at, name in enumerate(parts)
    }  # fmt: skip
    figures["together"] = [tally.quantile(q) for q in (0.5, 0.99, 0.999, 1.0)]
    lost = sum(tally.lost.values())
    if given.json:
        print(json.dumps({"calls": len(tally.seconds), "lost": tally.lost, "ms": figures}))
    else:
        print(f"{len(tally.seconds):,} calls answered, {lost} lost {dict(tally.lost) or ''}")
        print("| ms | p50 | p99 | p99.9 | slowest |\n|---|---|---|---|---|")
        for name, values in figures.items():
            print(f"| {name} | " + " | ".join(f"{value:.1f}" for value in values) + " |")
    sys.exit(int(lost > 0 or figures["together"][2] > given.most))


if __name__ == "__main__":
    main()
