"""Nodes of the service, a balancer in front of them without retries, and callers that note every lost call."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import requests
import sqlalchemy as sa
from urllib3.util import wait_for_read

from cds_service.cli.run import free_port
from cds_service.demo.stories import Story
from cds_service.store.engine import make_engine
from cds_service.store.tables import FEEDBACK
from tests.cli.test_servers import started
from tests.feedback.deployments import PATIENT_VIEW, a_call, feedback
from tests.patience import PATIENCE_S, until

_BUSY = re.compile(r"^feedback 503 .*stored now|too-many-calls")
ORDER_SELECT = "/cds-services/hyponatremia-order-select"


def settings(folder: Path, fhir: str, url: str, drain_s: int = 2) -> dict[str, str]:
    """Two nodes share all of this: one database, one registry, one secret."""
    clients = folder / "clients.toml"
    clients.write_text(
        f"[clients.mercy]\nfhir_bases = ['{fhir}', 'https://fhir.mercy.example/r4']\nopen_access = true\n"
        "allow_private = true\nrate_limit = 10000\ndeadline_ms = 5000\n",  # a slow machine is not what is tried here
        encoding="utf-8",
    )
    secret = folder / "secret"
    secret.write_text("s" * 64)
    return {"CDS_CLIENTS_FILE": str(clients), "CDS_SECRET_FILE": str(secret), "CDS_DATABASE_URL": url,
            "CDS_DATA_DIR": str(folder), "CDS_DRAIN_SECONDS": str(drain_s)}  # fmt: skip


def stored(url: str) -> list[str]:
    engine = make_engine(url)
    with engine.connect() as connection:
        cards = list(connection.execute(sa.select(FEEDBACK.c.card)).scalars())
    engine.dispose()
    return cards


class Node:
    """One `cds-service serve`, started and stopped as often as a test likes, always on its own port."""

    def __init__(
        self, folder: Path, environment: Mapping[str, str], arguments: Sequence[str] = ()
    ) -> None:
        self.port = free_port("127.0.0.1")
        self._folder = folder
        self._arguments = arguments
        self._environment = {
            **os.environ,
            "CDS_MODE": "development",
            **environment,
            "CDS_PORT": str(self.port),
        }
        self._checkout: Path | None = None
        self.process: subprocess.Popen[str] | None = None

    def change_release(self, checkout: Path | None) -> None:
        """Its next start is of the release in this checkout, or of the one under test."""
        self._checkout = checkout

    @property
    def base(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self._folder / f"node-{self.port}.log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cds_service", "serve", *self._arguments],
                env=of_release(self._environment, self._checkout),
                cwd=self._checkout,
                stdout=log,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        started(self.process, self.base)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def workers(self) -> set[int]:
        """The process ids of its workers."""
        assert self.process is not None
        pid = self.process.pid
        return {
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        }

    def stop(self) -> int:
        """SIGTERM, as an orchestrator stops it; the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """The exit code, when it has stopped."""
        assert self.process is not None
        return self.process.wait(PATIENCE_S)


def of_release(environment: Mapping[str, str], checkout: Path | None) -> dict[str, str]:
    """Returns the environment in which the package of a checkout runs; it has to be its folder too."""
    return {**environment, **({"PYTHONPATH": str(checkout)} if checkout else {})}


class Balancer:
    """Sends calls to the nodes whose /ready answered 200 at the last look, in turn. It repeats nothing."""

    def __init__(self, nodes: Sequence[Node], look_every_s: float = 0.5) -> None:
        self._nodes = nodes
        self._look_every_s = look_every_s
        self._in = list(nodes)
        self._turn = itertools.count()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def pick(self) -> Node:
        """The node for the next call."""
        there = self._in
        return there[next(self._turn) % len(there)]

    def wait_for_all(self) -> None:
        """Wait until every node is in service again."""
        until(lambda: len(self._in) == len(self._nodes))

    def __enter__(self) -> Balancer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(self._look_every_s):
            self._in = [node for node in self._nodes if _ready(node)] or self._in


def _ready(node: Node) -> bool:
    try:
        return requests.get(f"{node.base}/ready", timeout=PATIENCE_S).status_code == 200
    except requests.RequestException:
        return False


@dataclass(frozen=True, slots=True)
class Ask:
    """One kind of call, and the topics of the cards that it must bring; None: a feedback, which brings none."""

    name: str
    path: str
    body: dict[str, Any]
    topics: list[str] | None


@dataclass(slots=True)
class Tally:
    """What became of the calls."""

    seconds: list[tuple[float, float]] = field(
        default_factory=list
    )  # when it was sent, how long it took
    lost: list[str] = field(default_factory=list)
    unanswered: int = 0  # of those that were lost
    acknowledged: list[str] = field(
        default_factory=list
    )  # card ids of feedback that was answered 200

    @property
    def calls(self) -> int:
        """How many were sent."""
        return len(self.seconds) + self.unanswered

    def p99_ms(self, since: float = 0.0, until: float = float("inf")) -> float:
        """The slowest but one in a hundred of the calls sent in this time."""
        took = sorted(s for at, s in self.seconds if since <= at < until)
        return round(1000 * took[int(len(took) * 0.99)], 1) if took else 0.0


class Target(Protocol):
    """Whatever is called at a port of this machine."""

    @property
    def port(self) -> int:
        """Its port."""


class Caller(threading.Thread):
    """Calls without a pause over keep-alive connections, one to each port, and never repeats a call."""

    def __init__(
        self,
        pick: Callable[[], Target],
        asks: Sequence[Ask],
        tally: Tally,
        done: threading.Event,
    ) -> None:
        super().__init__()
        self._pick = pick
        self._asks = itertools.cycle(asks)
        self._tally = tally
        self._done = done
        self._held: dict[int, http.client.HTTPConnection] = {}

    def run(self) -> None:
        """Calls until it has to stop."""
        while not self._done.wait(0.01):
            self.call()
        self.close()

    def close(self) -> None:
        """Closes what it held."""
        for connection in self._held.values():
            connection.close()

    def connect(self, port: int) -> http.client.HTTPConnection:
        """Returns a new connection to this port."""
        return http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)

    def call(self) -> None:
        """Makes the next call, and notes what became of it."""
        ask, port = next(self._asks), self._pick().port
        body, card = ask.body, ""
        if ask.topics is None:
            card = str(uuid.uuid4())
            body = feedback(card, "overridden", datetime.now(UTC))
        sent, began = time.time(), time.perf_counter()
        try:
            status, answer = self._post(port, ask.path, body)
        except (OSError, http.client.HTTPException) as error:
            self._held.pop(port).close()
            self._tally.unanswered += 1
            self._tally.lost.append(f"{ask.name} {type(error).__name__} {port} {sent}")
            return
        self._tally.seconds.append((sent, time.perf_counter() - began))
        if status != 200 or (ask.topics is not None and topics(answer) != ask.topics):
            self._tally.lost.append(f"{ask.name} {status} {sent} {answer[:300]!r}")
        elif card:
            self._tally.acknowledged.append(card)

    def _post(self, port: int, path: str, body: object) -> tuple[int, bytes]:
        connection = self._held.get(port) or self._held.setdefault(port, self.connect(port))
        if connection.sock is not None and wait_for_read(connection.sock, 0):
            connection.close()  # closed by the node while nothing was asked: what every pool looks for
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()


def lost(tally: Tally) -> list[str]:
    """Returns the calls that were lost, without those to which a node said that it has too much to do.

    That says how busy the machine is, and nothing about the restart.
    """
    return [one for one in tally.lost if not _BUSY.search(one)]


def topics(answer: bytes) -> list[str]:
    """The topics of the cards in an answer."""
    return [card["source"]["topic"]["code"] for card in json.loads(answer)["cards"]]


def asks_of(stories: Mapping[str, Story], fhir_server: str, node: Node) -> list[Ask]:
    """Both services with prefetch, a call with live reads, and feedback; what must come is asked beforehand."""
    now = datetime.now(UTC)
    # Of the registered client: an unknown one has a rate limit, which one node alone would reach.
    view = a_call(stories["cramps-in-siadh"], now) | {"fhirServer": fhir_server}
    select = a_call(stories["saline-3-percent-mild"], now) | {"fhirServer": fhir_server}
    live = requests.get(
        f"{fhir_server.removesuffix('/fhir')}/stories/cramps-in-siadh/request", timeout=PATIENCE_S
    ).json()
    live = {name: value for name, value in live.items() if name != "prefetch"} | {
        "fhirServer": fhir_server
    }
    named = [
        ("view", PATIENT_VIEW, view),
        ("select", ORDER_SELECT, select),
        ("live", PATIENT_VIEW, live),
    ]
    asked = [Ask(name, path, body, _expected(node, path, body)) for name, path, body in named]
    assert all(ask.topics for ask in asked)
    return [*asked, Ask("feedback", f"{PATIENT_VIEW}/feedback", {}, None)]


def _expected(node: Node, path: str, body: object) -> list[str]:
    answer = requests.post(node.base + path, json=body, timeout=PATIENCE_S)
    assert answer.status_code == 200, answer.text
    return topics(answer.content)


@contextmanager
def load(balancer: Balancer, asks: Sequence[Ask], callers: int) -> Iterator[Tally]:
    """Constant load while something happens to the nodes."""
    tally, done = Tally(), threading.Event()
    shifted = [[*asks[n % len(asks) :], *asks[: n % len(asks)]] for n in range(callers)]
    threads = [Caller(balancer.pick, each, tally, done) for each in shifted]
    with balancer:
        for thread in threads:
            thread.start()
        try:
            yield tally
        finally:
            done.set()
            for thread in threads:
                thread.join()


@contextmanager
def fhir_server() -> Iterator[str]:
    """The stories as a FHIR server, in a process of its own."""
    port = free_port("127.0.0.1")
    process = subprocess.Popen(
        [sys.executable, "-m", "cds_service", "demo", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield f"{started(process, f'http://127.0.0.1:{port}')}/demo/fhir"
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


@contextmanager
def running(*nodes: Node) -> Iterator[None]:
    """These nodes, and none of them afterwards."""
    try:
        for node in nodes:
            node.start()
        yield
    finally:
        _end([node.process for node in nodes if node.process is not None])


def _end(processes: list[subprocess.Popen[str]]) -> None:
    """Stops these processes and waits for them, a minute each."""
    for process in processes:
        if process.poll() is None:
            process.terminate()
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE_S)
