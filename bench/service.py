"""Measures the service beside its floors and Node: throughput, latency, CPU, memory, start, growth.

Examples:

    python bench/service.py                          # everything, printed
    python bench/service.py --write                  # and written to RESULTS.md and growth.svg
    python bench/service.py --rounds 1 --seconds 1   # a quick look

Figures are of this machine and of this run; only the ratios carry over. One worker runs on one core
(CPU 0), the load on the other. Every row is the median of its rounds, with candidates in turn.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import growth
import instructions
import sections
import stages
import traffic
from deployment import PATH, Keys, Running, floor, node, service
from live_reads import serving
from server_clients import load

HERE = Path(__file__).parent
PATIENTS, LARGE_PATIENTS = 64, 8
TOKENS = 3000
CONNECTIONS = (8, 1)
MS = 1000
LATENCY_MS = 50
Start = Callable[[], contextlib.AbstractContextManager[Running | None]]


@dataclass
class Case:
    """One row of the table."""

    name: str
    start: Start
    bodies: list[bytes]
    algorithm: str = ""
    runs: dict[int, list[tuple[float, float, float, float]]] = field(
        default_factory=dict
    )  # by connections
    mib: list[tuple[float, float]] = field(default_factory=list)  # of the worker, of all processes
    ready: list[float] = field(default_factory=list)

    def of(self, connections: int, column: int) -> float:
        """The median of one figure: requests/s, p50 ms, p99 ms, CPU ms per request."""
        return statistics.median(run[column] for run in self.runs[connections])


def requests(bodies: list[bytes], port: int, keys: Keys | None, algorithm: str) -> Iterator[bytes]:
    """Yields HTTP requests with these bodies in turn, each with a fresh token if it needs one."""

    def one(body: bytes, token: str) -> bytes:
        bearer = f"Authorization: Bearer {token}\r\n" if token else ""
        head = f"POST {PATH} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n{bearer}"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    if keys is None or not algorithm:
        return itertools.cycle([one(body, "") for body in bodies])
    audience = f"http://127.0.0.1:{port}{PATH}"
    prepared = [keys.token(algorithm, audience) for _ in range(TOKENS)]
    return (
        one(body, token) for body, token in zip(itertools.cycle(bodies), prepared, strict=False)
    )


def measure(case: Case, keys: Keys, seconds: float) -> None:
    """One round of one case: warm, then eight connections, then one."""
    with case.start() as server:
        if server is None:
            return
        given = keys if case.algorithm else None
        load(
            server.port,
            8,
            min(1.0, seconds),
            requests(case.bodies, server.port, given, case.algorithm),
        )
        for connections in CONNECTIONS:
            waiting = requests(case.bodies, server.port, given, case.algorithm)
            cpu, began = server.cpu_s(), time.perf_counter()
            times, bad = load(server.port, connections, seconds, waiting)
            took, cpu = time.perf_counter() - began, server.cpu_s() - cpu
            if bad or not times:
                raise SystemExit(
                    f"{case.name}: {bad} of {len(times)} answers were not 200; "
                    "the figures mean nothing"
                )
            row = (
                len(times) / took,
                times[len(times) // 2] * MS,
                times[int(len(times) * 0.99)] * MS,
            )
            case.runs.setdefault(connections, []).append((*row, cpu / len(times) * MS))
        case.mib.append(server.mib())
        case.ready.append(server.ready_s)


def cases(keys: Keys) -> list[Case]:
    """The rows, floors first."""
    usual = [traffic.usual(seed) for seed in range(PATIENTS)]
    large = [traffic.large(seed) for seed in range(LARGE_PATIENTS)]

    @contextlib.contextmanager
    def peer() -> Iterator[Running | None]:
        with node() as peer_and_framework:
            yield peer_and_framework[0] if peer_and_framework else None

    return [
        Case("Node with a toy rule", peer, usual),
        Case("our framework, hello", lambda: floor("hello"), [b"{}"]),
        Case("our framework, body read and dropped", lambda: floor("read"), usual),
        Case("**the service, prefetch**", service, usual),
        Case("the service, JWT RS384", lambda: service(keys), usual, "RS384"),
        Case("the service, JWT ES384", lambda: service(keys), usual, "ES384"),
        Case("Node with a toy rule, large", peer, large),
        Case("body read and dropped, large", lambda: floor("read"), large),
        Case("**the service, prefetch, large**", service, large),
    ]


def live(seconds: float) -> tuple[float, float, float]:
    """Returns p50 of a call that reads everything live, p50 of one read, and their ratio."""
    calls = [traffic.usual(seed) for seed in range(PATIENTS)]
    with serving(LATENCY_MS / MS, calls) as base, service(fhir_base=base) as server:
        bodies = [
            json.dumps(json.loads(call) | {"fhirServer": base, "prefetch": {}}).encode()
            for call in calls
        ]
        waiting = requests(bodies, server.port, None, "")
        load(server.port, 1, 1, waiting)
        times, bad = load(server.port, 1, seconds, waiting)
        if bad:
            raise SystemExit(f"live: {bad} of {len(times)} answers were not 200")
    one = LATENCY_MS / MS
    middle = times[len(times) // 2]
    return middle * MS, one * MS, middle / one


def table(rows: list[Case]) -> list[str]:
    """The rows as Markdown, with ratios to Node and to the same body read and dropped."""
    known = {case.name: case for case in rows if case.runs}
    columns = [
        "requests/s, 8 conn.",
        "x Node",
        "x read",
        "p50 / p99 ms, 8",
        "p50 / p99 ms, 1",
        "CPU ms",
        "MiB, worker",
        "MiB, all",
        "ready s",
    ]
    lines = [f"| one worker, one core | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for case in known.values():
        size = ", large" if case.name.strip("*").endswith("large") else ""
        peer = known.get(f"Node with a toy rule{size}")
        dropped = known.get(
            "body read and dropped, large" if size else "our framework, body read and dropped"
        )
        rate = case.of(8, 0)
        by_node = f"{rate / peer.of(8, 0):.2f}" if peer else "–"
        by_read = f"{rate / dropped.of(8, 0):.2f}" if dropped else "–"
        eight, one = (f"{case.of(c, 1):.2f} / {case.of(c, 2):.2f}" for c in CONNECTIONS)
        ready = statistics.median(case.ready)
        worker, everything = (statistics.median(sizes) for sizes in zip(*case.mib, strict=True))
        lines.append(
            f"| {case.name} | {rate:.0f} | {by_node} | {by_read} | {eight} | {one} "
            f"| {case.of(8, 3):.2f} | {worker:.0f} | {everything:.0f} | {ready:.2f} |"
        )
    return lines


def machine() -> str:
    """What it ran on."""
    model = next(
        (line.split(":", 1)[1].strip() for line in _cpuinfo() if line.startswith("model name")),
        platform.processor(),
    )
    return (
        f"{model}, {os.cpu_count()} CPUs, {platform.system()}, Python {platform.python_version()}"
    )


def _cpuinfo() -> list[str]:
    with contextlib.suppress(OSError):
        return Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return []


def report(rows: list[Case], grown: list[growth.Series], rounds: int, seconds: float) -> str:
    """The whole page."""
    with node() as peer_and_framework:
        peer = peer_and_framework[1] if peer_and_framework else "no Node on this machine"
    middle, one, ratio = live(seconds)
    parts = [
        "# Measured speed",
        f"Written by `make bench` on {datetime.now(UTC):%Y-%m-%d}: {machine()}. {rounds} rounds of "
        f"{seconds:g} s, medians; peer: {peer}. The service runs as `cds-service serve` runs it: "
        "registry, audit and issued cards in SQLite, suppression, log. A usual call is 1 Patient, "
        "20 sodium results and 20 orders (90 kB), a large one 200 and 100 (640 kB); three patients "
        "in ten have low sodium. Memory: pages that processes share count in parts. Installed is "
        "what requirements.lock names, and no tool of development.",
        "\n".join(table(rows)),
        "## Live reads",
        f"Nothing prefetched, every read {LATENCY_MS} ms: p50 {middle:.0f} ms at one connection, "
        f"**{ratio:.2f} times** the slowest read ({one:.0f} ms).",
        "## Where the time goes",
        "\n".join(stages.table([traffic.usual(seed) for seed in range(PATIENTS)])),
        "## Instructions",
        instructions.told_if_counted(),
        "## Growth",
        growth.words(grown),
        "![p50 latency against the number of Observations and of orders](growth.svg)",
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Reads the command line."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument(
        "--rounds", type=int, default=3, choices=range(1, 21), metavar="N", help="default 3"
    )
    parser.add_argument("--seconds", type=float, default=3, help="seconds per figure; default 3")
    parser.add_argument(
        "--write", action="store_true", help="write RESULTS.md and growth.svg beside this file"
    )
    options = parser.parse_args()
    keys = Keys()
    rows = cases(keys)
    for turn in range(options.rounds):
        for case in rows:
            print(f"round {turn + 1} of {options.rounds}: {case.name}", flush=True)
            measure(case, keys, options.seconds)
    print("growth and live reads", flush=True)
    grown = growth.measured()
    page = report(rows, grown, options.rounds, options.seconds)
    if options.write:
        sections.put_page(page)
        (HERE / "growth.svg").write_text(growth.plot(grown), encoding="utf-8")
    print("\n" + page)


if __name__ == "__main__":
    main()
