"""Measures the HTTP servers of decision 0002: speed, slow clients, stop, hostile requests, memory.

Examples:

    python servers.py                                      # everything, about five minutes
    python servers.py speed --rounds 3 --seconds 3         # the throughput table only
    python servers.py slow --only front,gunicorn-64        # slow clients, two candidates

Everything stays on the loopback address. The server runs on CPU 0 and the load on CPU 1, if the
system can pin them. It needs: pip install flask msgspec gunicorn 'granian[uvloop]'. Other work
spoils the numbers.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import NamedTuple

from server_clients import BODY, ECHO, HEAD, HEALTH, exchange, load, stall

HERE = Path(__file__).parent


def granian(*options: str) -> list[str]:
    """The granian command line, without the application."""
    fixed = [
        "granian",
        "--host",
        "127.0.0.1",
        "--http",
        "1",
        "--no-ws",
        "--no-log",
        "--workers",
        "1",
    ]
    return [sys.executable, "-m", *fixed, *options]


def gunicorn(threads: int, application: str) -> list[str]:
    """The gunicorn command line."""
    fixed = ["gunicorn", "--worker-class", "gthread", "--workers", "1", "--threads", str(threads)]
    return [
        sys.executable,
        "-m",
        *fixed,
        "--no-control-socket",
        "--log-level",
        "critical",
        application,
    ]


CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
RSGI = ("--interface", "rsgi", "--runtime-mode", "st", "--http1-header-read-timeout", "5000")
COMMANDS: dict[str, tuple[list[str], int]] = {
    "granian-4": (
        granian("--interface", "wsgi", "--blocking-threads", "4", "server_candidates:service"),
        4,
    ),
    "granian-16": (
        granian("--interface", "wsgi", "--blocking-threads", "16", "server_candidates:service"),
        16,
    ),
    "granian-64": (
        granian("--interface", "wsgi", "--blocking-threads", "64", "server_candidates:service"),
        64,
    ),
    "gunicorn-4": (gunicorn(4, "server_candidates:guarded"), 4),
    "gunicorn-16": (gunicorn(16, "server_candidates:guarded"), 16),
    "gunicorn-64": (gunicorn(64, "server_candidates:guarded"), 64),
    "front": (granian(*RSGI, "--loop", "uvloop", "server_candidates:front"), 16),
    "front-4": (granian(*RSGI, "--loop", "uvloop", "server_candidates:front"), 4),
    "front-asyncio": (granian(*RSGI, "--loop", "asyncio", "server_candidates:front"), 16),
    "front-dicts": (granian(*RSGI, "--loop", "uvloop", "server_candidates:front"), 16),
    "front-embedded": ([sys.executable, "server_candidates.py"], 16),
}


class Row(NamedTuple):
    """Requests per second, latencies, CPU per request, CPU of others (%), answers not 200."""

    rps: float
    middle: float
    tail: float
    cpu: float
    others: float
    bad: int


@dataclass
class Server:
    """A candidate that runs."""

    process: subprocess.Popen[bytes]
    port: int
    ready: float

    def tree(self) -> list[int]:
        """The process and its children, on Linux."""
        pids = [self.process.pid]
        for pid in pids:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                pids += [
                    int(child) for child in children.read_text().split() if int(child) not in pids
                ]
        return pids

    def cpu_seconds(self) -> float:
        """User and system time so far."""
        stats = [
            Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in self.tree()
        ]
        return sum(int(stat[11]) + int(stat[12]) for stat in stats) / os.sysconf("SC_CLK_TCK")

    def proportional_mib(self) -> float:
        """Memory of all its processes, shared pages divided among them."""
        rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in self.tree()]
        return sum(int(text.split("\nPss:")[1].split()[0]) for text in rollups) / 1024


def pin(cpu: int) -> None:
    """Keeps this process and its children on one CPU, if that is possible."""
    if sys.platform == "linux" and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {cpu})


@contextlib.contextmanager
def running(name: str, collector: str = "tuned") -> Iterator[Server]:
    """Starts a candidate, waits until /health answers, stops it."""
    command, threads = COMMANDS[name]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    address = ["--port", str(port)]
    if "gunicorn" in command:
        address = ["--bind", f"127.0.0.1:{port}"]
    elif command[1] == "server_candidates.py":
        address = [str(port)]
    environ = os.environ | {"BENCH_THREADS": str(threads), "BENCH_GC": collector}
    environ["BENCH_READ"] = "dicts" if name.endswith("-dicts") else "structs"
    started = time.perf_counter()
    pin(0)
    process = subprocess.Popen(
        [*command, *address], cwd=HERE, env=environ, stderr=subprocess.DEVNULL
    )
    pin(1)
    try:
        for _ in range(500):
            if exchange(port, HEALTH)[0] == "200":
                break
            time.sleep(0.02)
        yield Server(process, port, time.perf_counter() - started)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def busy_seconds() -> float:
    """What the whole machine has worked so far, with the time that its host took away."""
    user, nice, system, _, _, _, _, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + steal) / os.sysconf("SC_CLK_TCK")


def measure(server: Server, connections: int, seconds: float) -> Row:
    """One row of the speed table."""
    busy, cpu, own = busy_seconds(), server.cpu_seconds(), time.process_time()
    times, bad = load(server.port, connections, seconds)
    cpu, own = server.cpu_seconds() - cpu, time.process_time() - own
    others = max(0.0, busy_seconds() - busy - cpu - own) / seconds / (os.cpu_count() or 1) * 100
    middle, tail = times[len(times) // 2] * 1e3, times[int(len(times) * 0.99)] * 1e3
    return Row(len(times) / seconds, middle, tail, cpu / len(times) * 1e3, others, bad)


def speed(names: list[str], rounds: int, seconds: float, quiet: float = 6) -> None:
    """Measures candidates in turn; rows in which others took more than `quiet` % are left out."""
    rows: dict[tuple[str, str, int], list[Row]] = {}
    cases = [(name, "tuned") for name in names]
    cases += [(name, "default") for name in names if name == "front-dicts"]
    for name, collector in cases * rounds:
        with running(name, collector) as server:
            load(server.port, 8, 1)
            for connections in (8, 1):
                row = measure(server, connections, seconds)
                rows.setdefault((name, collector, connections), []).append(row)
    print(
        "candidate       gc       conn |   rps   best | p50 ms p99 ms | "
        "cpu ms/req  least | not 200 | kept"
    )
    for (name, collector, connections), every in rows.items():
        kept = [row for row in every if row.others <= quiet] or every
        rps, middle, tail, cpu, *_ = (
            statistics.median(column) for column in zip(*kept, strict=True)
        )
        best, least, bad = (
            max(r.rps for r in kept),
            min(r.cpu for r in kept),
            sum(r.bad for r in every),
        )
        figures = f"{rps:5.0f} {best:6.0f} | {middle:6.2f} {tail:6.2f} | {cpu:10.3f} {least:6.3f}"
        count = sum(row.others <= quiet for row in every)
        print(
            f"{name:15} {collector:8} {connections:4} | {figures} | {bad:7} "
            f"| {count} of {len(every)}"
        )


def slow(names: list[str], seconds: float = 8) -> None:
    """Runs slow clients, and calls /health and a hook every 0.1 s during three seconds."""
    print(
        "candidate       clients kind    | /health: worst ms, answers | hook answers "
        "| end of the slow"
    )
    cases = [(count, kind) for kind in ("stall", "drip") for count in (4, 16, 70)]
    for name, (count, kind) in product(names, [*cases, (70, "headers"), (70, "idle")]):
        with running(name) as server:
            figures = _beside(server.port, count, kind, seconds)
        print(f"{name:15} {count:7} {kind:7} | {figures}", flush=True)


def _beside(port: int, count: int, kind: str, seconds: float) -> str:
    """Returns how /health and hooks fared beside `count` slow clients, and how those ended."""
    ends: list[tuple[str, float | None]] = []
    clients = [
        threading.Thread(target=lambda: ends.append(stall(port, kind, seconds)))
        for _ in range(count)
    ]
    for client in clients:
        client.start()
    time.sleep(0.3)
    until, health, hooks = time.perf_counter() + 3, [], Counter[str]()
    while time.perf_counter() < until:
        health.append(exchange(port, HEALTH, 4))
        hooks[exchange(port, HEAD + BODY, 4)[0]] += 1
        time.sleep(0.1)
    for client in clients:
        client.join()
    worst = max(took for _, took in health) * 1e3
    tally = Counter(end if took is None else f"{end} at {took:.0f} s" for end, took in ends)
    statuses = Counter(status for status, _ in health)
    return f"{worst:5.0f} {dict(statuses)} | {dict(hooks)} | {dict(tally)}"


def stop(names: list[str]) -> None:
    """Measures the first answer, memory, and SIGTERM 0.4 s into a request of 1.5 s."""
    print(
        "candidate       | first 200 ms | MiB idle | MiB after load | "
        "request in flight | exit | after s"
    )
    for name in names:
        with running(name) as server, contextlib.ExitStack() as stack:
            idle = server.proportional_mib()
            load(server.port, 8, 2)
            loaded, ends = server.proportional_mib(), list[str]()
            asking = HEALTH.replace(b"/health", b"/slow")
            client = threading.Thread(target=lambda: ends.append(exchange(server.port, asking)[0]))  # noqa: B023
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            client.start()
            time.sleep(0.4)
            started = time.perf_counter()
            server.process.send_signal(signal.SIGTERM)
            client.join()
            code: int | str = "still running"
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = server.process.wait(10)
            took = time.perf_counter() - started
        sizes = f"{server.ready * 1e3:12.0f} | {idle:8.1f} | {loaded:14.1f}"
        print(f"{name:15} | {sizes} | {ends[0]:17} | {code!s:4} | {took:.2f}", flush=True)


def hostile(names: list[str]) -> None:
    """Requests a server should refuse, or bound, before the application sees them."""
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    probes = {
        "Content-Length of 50 MB, nothing sent": ECHO + b"Content-Length: 50000000\r\n\r\n",
        "chunked, 4 MB": ECHO + CHUNKED + chunk * 64 + b"0\r\n\r\n",
        "chunked, 1 MB": ECHO + CHUNKED + chunk * 16 + b"0\r\n\r\n",
        "Content-Length and chunked": ECHO + b"Content-Length: 5\r\n" + CHUNKED + b"0\r\n\r\n",
        "two Content-Lengths": ECHO + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "Content-Length +1": ECHO + b"Content-Length: +1\r\n\r\na",
        "Transfer-Encoding: xchunked": ECHO + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "space before the colon": ECHO + b"X-A : 1\r\nContent-Length: 0\r\n\r\n",
        "folded header": ECHO + b"X-A: 1\r\n b\r\nContent-Length: 0\r\n\r\n",
        "bare LF": ECHO.replace(b"\r\n", b"\n") + b"Content-Length: 0\n\n",
        "no Host": b"GET /health HTTP/1.1\r\n\r\n",
        "150 headers": ECHO
        + b"".join(b"X-%d: 1\r\n" % n for n in range(150))
        + b"Content-Length: 0\r\n\r\n",
        "header of 16 kB": ECHO + b"X-A: " + b"a" * 16384 + b"\r\nContent-Length: 0\r\n\r\n",
        "header of 1 MB": ECHO + b"X-A: " + b"a" * 1_000_000 + b"\r\nContent-Length: 0\r\n\r\n",
        "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    }
    results: dict[str, list[str]] = {probe: [] for probe in probes}
    for name in names:
        with running(name) as server:
            for probe, request in probes.items():
                results[probe].append(exchange(server.port, request, 4)[0])
    print(f"{'request':40}" + "".join(f"{name:16}" for name in names))
    for probe, row in results.items():
        print(f"{probe:40}" + "".join(f"{status:16}" for status in row))


def main() -> None:
    """Reads the command line."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parts = ["speed", "slow", "stop", "hostile"]
    parser.add_argument(
        "parts", nargs="*", metavar="part", help="speed, slow, stop, hostile; default: all"
    )
    parser.add_argument("--only", help="candidates, comma separated; known: " + ", ".join(COMMANDS))
    parser.add_argument(
        "--rounds", type=int, default=3, help="rounds of the speed table, 1 to 50; default 3"
    )
    parser.add_argument(
        "--seconds", type=float, default=2, help="seconds per figure, 1 to 30; default 2"
    )
    options = parser.parse_args()
    names = options.only.split(",") if options.only else list(COMMANDS)
    unknown = (set(names) - set(COMMANDS)) | (set(options.parts) - set(parts))
    if unknown or not 1 <= options.rounds <= 50 or not 1 <= options.seconds <= 30:
        parser.error(
            f"unknown or out of range: {', '.join(sorted(unknown)) or 'rounds or seconds'}"
        )
    for part in options.parts or parts:
        if part == "speed":
            speed(names, options.rounds, options.seconds)
        else:
            {"slow": slow, "stop": stop, "hostile": hostile}[part](names)


if __name__ == "__main__":
    main()
