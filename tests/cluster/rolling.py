"""Two nodes restarted in turn behind the shipped nginx, under a constant load: `make rolling`.

TLS is on both ways and in both directions: nginx asks the callers for a certificate, and PostgreSQL
the nodes. With FROM=checkout the nodes begin as an older release, on its schema; then the database is
upgraded, they are replaced by ours, taken back, and replaced again, whatever SECONDS says.

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
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from pathlib import Path

from cds_service.demo.stories import Story, default_fixtures_dir, load_stories
from tests.cluster.load import (
    Ask,
    Caller,
    Node,
    Tally,
    asks_of,
    fhir_server,
    lost,
    of_release,
    running,
    settings,
    stored,
)
from tests.databases import certified, postgresql_by_certificate
from tests.patience import PATIENCE_S
from tests.proxy import Proxy, asking_for_certificates, nginx

SECONDS, RATE = 45, 15
DRAIN_S = 6  # as a deployment has it


class Paced(Caller):
    """Calls once a second through the proxy, however long the answers take."""

    def __init__(
        self,
        proxy: Proxy,
        tls: ssl.SSLContext,
        asks: Sequence[Ask],
        tally: Tally,
        done: threading.Event,
        first: float,
    ) -> None:
        super().__init__(cycle([proxy]).__next__, asks, tally, done)
        self._tls = tls
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
    folder: Path,
    url: str,
    stories: Mapping[str, Story],
    seconds: int = SECONDS,
    rate: int = RATE,
    older: Path | None = None,
) -> tuple[Tally, int]:
    """Restarts the nodes in turn for so many seconds; returns what became of the calls, and how often.

    If there is an older release, they change between it and ours instead.
    """
    db_upgrade(url, older)
    ehr = certified(folder / "ehr", "ehr.example")
    with fhir_server() as fhir:
        nodes = [Node(folder, settings(folder, fhir, url, DRAIN_S)) for _ in range(2)]
        for node in nodes:
            node.change_release(older)
        upstreams = [node.base.removeprefix("http://") for node in nodes]
        lines = asking_for_certificates(folder, ehr)
        with running(*nodes), nginx(folder, *upstreams, below=(lines,)) as proxy:
            tls = ssl.create_default_context(cafile=str(proxy.certificate))
            tls.load_cert_chain(ehr, ehr.with_name("key.pem"))
            steps = changing(nodes, url, older) if older else restarting(nodes, seconds)
            return _stepped(steps, proxy, tls, asks_of(stories, fhir, nodes[0]), rate)


def db_upgrade(url: str, checkout: Path | None) -> None:
    """Upgrades the database as the Job does: by the command of the release in this checkout, or of ours."""
    subprocess.run(
        [sys.executable, "-m", "cds_service", "db", "upgrade"],
        env=of_release({**os.environ, "CDS_DATABASE_URL": url}, checkout),
        cwd=checkout,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def restarting(nodes: Sequence[Node], seconds: int) -> Iterator[Node]:
    """Restarts the nodes in turn, and gives each that is back."""
    end = time.monotonic() + seconds
    for node in cycle(nodes):
        if time.monotonic() > end:
            return
        yield _again(node)


def changing(nodes: Sequence[Node], url: str, older: Path) -> Iterator[Node]:
    """Upgrades the database beside the older nodes, then changes to ours, back, and to ours."""
    db_upgrade(url, None)
    for checkout in (None, older, None):
        for node in nodes:
            node.change_release(checkout)
            yield _again(node)


def _again(node: Node) -> Node:
    assert node.stop() == 0
    node.start()
    return node


def _stepped(
    steps: Iterator[Node], proxy: Proxy, tls: ssl.SSLContext, asks: Sequence[Ask], rate: int
) -> tuple[Tally, int]:
    """Takes these steps under the load."""
    tally, done = Tally(), threading.Event()
    began = time.monotonic()
    callers = [
        Paced(proxy, tls, [*asks[n % len(asks) :], *asks], tally, done, began + n / rate)
        for n in range(rate)
    ]
    for caller in callers:
        caller.start()
    try:
        restarts = len(list(steps))
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
    parser.add_argument("--from", type=Path, dest="older", help="a checkout of an older release")
    chosen = parser.parse_args()
    stories = load_stories(default_fixtures_dir())
    with (
        postgresql_by_certificate() as url,
        tempfile.TemporaryDirectory(prefix="cds-rolling-") as folder,
    ):
        tally, restarts = rolled(
            Path(folder), url, stories, chosen.seconds, chosen.rate, chosen.older
        )
        wrong = [*tally.lost, *(f"feedback {card} was not kept" for card in unkept(tally, url))]
    sys.stdout.write("\n".join([figures(tally, restarts), *wrong]) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
