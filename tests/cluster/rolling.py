"""Two nodes restarted in turn behind the shipped nginx, under a constant load: `make rolling`.

It says how many calls were lost (SECONDS=45 RATE=15), and its exit code is 1 if one was. A call is
lost if it has no answer, another status than 200, or other cards than the same call had before. An
answer that the node is busy counts too; the line says how many there were, and how busy the machine.
Nodes share one PostgreSQL; calls with prefetch, calls with live reads and feedback take turns. No
call is sent twice by the caller.
"""

from __future__ import annotations

import argparse
import http.client
import os
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path

from cds_service.demo.stories import Story, default_fixtures_dir, load_stories
from cds_service.store.engine import make_engine, upgrade
from tests.cluster.load import (
    Ask,
    Caller,
    Node,
    Tally,
    asks_of,
    fhir_server,
    lost,
    running,
    settings,
    stored,
)
from tests.databases import postgresql
from tests.patience import PATIENCE_S
from tests.proxy import Proxy, nginx

SECONDS, RATE = 45, 15
DRAIN_S = 6  # as a deployment has it


class Paced(Caller):
    """Calls once a second through the proxy, however long the answers take."""

    def __init__(
        self, proxy: Proxy, asks: Sequence[Ask], tally: Tally, done: threading.Event, first: float
    ) -> None:
        super().__init__(cycle([proxy]).__next__, asks, tally, done)
        self._tls = ssl.create_default_context(cafile=str(proxy.certificate))
        self._first = first

    def run(self) -> None:
        """Calls at its own moment of each second until it has to stop."""
        due = self._first
        while not self._done.wait(max(0.0, due - time.monotonic())):
            self.call()
            due += 1
        self.close()

    def connect(self, port: int) -> http.client.HTTPConnection:
        """Returns a connection to the proxy."""
        return http.client.HTTPSConnection("localhost", port, timeout=PATIENCE_S, context=self._tls)


def rolled(
    folder: Path, url: str, stories: Mapping[str, Story], seconds: int = SECONDS, rate: int = RATE
) -> tuple[Tally, int]:
    """Restarts the nodes in turn for so many seconds; returns what became of the calls, and how often."""
    engine = make_engine(url)
    upgrade(engine)
    engine.dispose()
    with fhir_server() as fhir:
        nodes = [Node(folder, settings(folder, fhir, url, DRAIN_S)) for _ in range(2)]
        upstreams = [node.base.removeprefix("http://") for node in nodes]
        with running(*nodes), nginx(folder, *upstreams) as proxy:
            return _restarted(nodes, proxy, asks_of(stories, fhir, nodes[0]), seconds, rate)


def _restarted(
    nodes: Sequence[Node], proxy: Proxy, asks: Sequence[Ask], seconds: int, rate: int
) -> tuple[Tally, int]:
    tally, done, restarts = Tally(), threading.Event(), 0
    began = time.monotonic()
    callers = [
        Paced(proxy, [*asks[n % len(asks) :], *asks], tally, done, began + n / rate)
        for n in range(rate)
    ]
    for caller in callers:
        caller.start()
    try:
        for node in cycle(nodes):
            if time.monotonic() - began > seconds:
                break
            assert node.stop() == 0
            node.start()
            restarts += 1
    finally:
        done.set()
        for caller in callers:
            caller.join()
    return tally, restarts


def figures(tally: Tally, restarts: int) -> str:
    """Returns what is told of a run in one line."""
    busy = len(tally.lost) - len(lost(tally))
    slowest = max((took for _, took in tally.seconds), default=0)
    return (
        f"{tally.calls} calls, {len(tally.lost)} lost, {restarts} restarts, "
        f"p99 {tally.p99_ms()} ms, slowest {1000 * slowest:.0f} ms"
        + (f", {busy} of the lost told that the node is busy" if busy else "")
        + f"; {os.getloadavg()[0]:.1f} processes on {os.cpu_count()} cores"
    )


def unkept(tally: Tally, url: str) -> set[str]:
    """Returns the feedback that was answered with 200 and is not in the database."""
    return set(tally.acknowledged) - set(stored(url))


def main() -> int:
    """Runs it from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    parser.add_argument("--rate", type=int, default=RATE, help="calls a second")
    chosen = parser.parse_args()
    stories = load_stories(default_fixtures_dir())
    with postgresql() as server, tempfile.TemporaryDirectory(prefix="cds-rolling-") as folder:
        url = server.fresh("rolled")
        tally, restarts = rolled(Path(folder), url, stories, chosen.seconds, chosen.rate)
        wrong = [*tally.lost, *(f"feedback {card} was not kept" for card in unkept(tally, url))]
    sys.stdout.write("\n".join([figures(tally, restarts), *wrong]) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
