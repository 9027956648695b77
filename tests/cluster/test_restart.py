"""A restart under load loses no call: nodes one after the other, and the workers of one node."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
import requests

from cds_service.demo.stories import Story
from cds_service.store.engine import make_engine, upgrade
from tests.cluster import rolling
from tests.cluster.load import (
    Balancer,
    Node,
    Tally,
    asks_of,
    fhir_server,
    load,
    lost,
    running,
    settings,
    stored,
    topics,
)
from tests.databases import Server, postgresql_by_certificate
from tests.feedback.deployments import PATIENT_VIEW, a_call
from tests.patience import PATIENCE_S, until

CALLERS = 6
DRAIN_S = 120  # as long as it may be, so that the load of the machine decides nothing


@pytest.fixture(scope="module")
def fhir() -> Iterator[str]:
    with fhir_server() as base:
        yield base


def nothing_lost(tally: Tally, url: str, since: float, restarts: int) -> None:
    """Every call had its answer with its cards, and every feedback that was acknowledged is there once."""
    before, during = tally.p99_ms(until=since), tally.p99_ms(since=since)
    print(  # noqa: T201 the figures of a run by hand
        f"{tally.calls} calls, {len(lost(tally))} lost, {restarts} restarts, p99 {before} ms before, {during} ms during"
    )
    print(*tally.lost[:20], sep="\n")  # noqa: T201
    assert tally.calls > 50
    assert lost(tally) == []
    kept = stored(url)
    assert len(kept) == len(set(kept))
    assert set(tally.acknowledged) <= set(kept)


def roll(folder: Path, fhir: str, url: str, stories: dict[str, Story], times: int) -> None:
    """Stop and start two nodes, one after the other, while they are called."""
    upgrade(make_engine(url))
    nodes = [Node(folder, settings(folder, fhir, url)) for _ in range(2)]
    with running(*nodes):
        asks = asks_of(stories, fhir, nodes[0])
        balancer = Balancer(nodes)
        with load(balancer, asks, CALLERS) as tally:
            time.sleep(2)
            began = time.time()
            for node in nodes * times:
                assert node.stop() == 0
                node.start()
                balancer.wait_for_all()
        nothing_lost(tally, url, began, 2 * times)


def _are_gone(node: Node, old: set[int]) -> bool:
    return not old & node.workers()


def renew(folder: Path, fhir: str, url: str, stories: dict[str, Story], times: int) -> None:
    """SIGHUP to one node with two workers, while it is called."""
    upgrade(make_engine(url))
    node = Node(folder, settings(folder, fhir, url), ("--workers", "2"))
    with running(node):
        asks = asks_of(stories, fhir, node)
        with load(Balancer([node]), asks, CALLERS) as tally:
            time.sleep(2)
            began = time.time()
            for _ in range(times):
                old = node.workers()
                assert len(old) == 2
                node.signal(signal.SIGHUP)
                until(partial(_are_gone, node, old))
        nothing_lost(tally, url, began, 2 * times)


@pytest.fixture
def node(tmp_path: Path, fhir: str) -> Iterator[Node]:
    """A node that is given two minutes to leave, which no test waits for: a second signal stops it."""
    one = Node(tmp_path, settings(tmp_path, fhir, "", drain_s=DRAIN_S))
    with running(one):
        yield one


def test_on_sigterm_the_node_says_that_it_leaves_and_answers_meanwhile(
    node: Node, stories: dict[str, Story]
) -> None:
    call = json.dumps(a_call(stories["cramps-in-siadh"], datetime.now(UTC)))
    connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=PATIENCE_S)
    kept, _ = asked(connection, "POST", PATIENT_VIEW, call)
    node.signal(signal.SIGTERM)
    until(lambda: requests.get(f"{node.base}/ready", timeout=PATIENCE_S).status_code == 503)
    last, cards = asked(connection, "POST", PATIENT_VIEW, call)
    assert (kept, last) == ((200, None), (200, "close"))
    assert topics(cards)
    assert asked(connection, "GET", "/health")[0][0] == 200  # a node that leaves is not killed
    connection.close()
    node.signal(signal.SIGTERM)
    assert node.wait() == 0


def asked(
    connection: http.client.HTTPConnection, method: str, path: str, body: str | None = None
) -> tuple[tuple[int, str | None], bytes]:
    """Status and Connection header of an answer, and its body."""
    connection.request(method, path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return (answer.status, answer.getheader("connection")), answer.read()


def test_a_second_sigterm_and_sigint_stop_at_once(node: Node) -> None:
    idle = socket.create_connection(("127.0.0.1", node.port))
    node.signal(signal.SIGTERM)
    node.signal(signal.SIGINT)
    assert node.process is not None
    assert node.process.wait(DRAIN_S) == 0, "it waited for balancers"
    assert idle.recv(100) == b""
    idle.close()


@pytest.mark.long
def test_a_worker_that_is_replaced_does_not_call_the_node_unready(
    tmp_path: Path, fhir: str
) -> None:
    one = Node(tmp_path, settings(tmp_path, fhir, ""))
    with running(one):
        old = one.workers()
        one.signal(signal.SIGHUP)
        answers = set()
        connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=PATIENCE_S)
        while old & one.workers():
            answers.add(asked(connection, "GET", "/ready")[0])
            time.sleep(0.05)
        connection.close()
    assert answers == {(200, None), (200, "close")}


@pytest.mark.long
def test_many_rolling_restarts_lose_no_call(
    tmp_path: Path, fhir: str, postgres: Server, stories: dict[str, Story]
) -> None:
    roll(tmp_path, fhir, postgres.fresh("rolled"), stories, 10)


@pytest.mark.long
def test_a_rolling_restart_behind_the_shipped_nginx_loses_no_call(
    tmp_path: Path, stories: dict[str, Story]
) -> None:
    with postgresql_by_certificate() as url:
        tally, restarts = rolling.rolled(tmp_path, url, stories)
        unkept = rolling.unkept(tally, url)
    print(rolling.figures(tally, restarts))  # noqa: T201 the figures of a run by hand
    assert restarts >= 2
    assert lost(tally) == []
    assert unkept == set()


@pytest.mark.long
def test_new_workers_on_sighup_many_times_lose_no_call(
    tmp_path: Path, fhir: str, postgres: Server, stories: dict[str, Story]
) -> None:
    renew(tmp_path, fhir, postgres.fresh("renewed"), stories, 10)


def test_a_worker_that_is_killed_is_replaced_and_the_other_answers_meanwhile(
    tmp_path: Path, fhir: str, stories: dict[str, Story]
) -> None:
    one = Node(tmp_path, settings(tmp_path, fhir, ""), ("--workers", "2"))
    with running(one):
        until(lambda: len(one.workers()) == 2)
        victim, survivor = one.workers()
        os.kill(victim, signal.SIGKILL)
        for ask in asks_of(stories, fhir, one)[:3] * 5:
            assert (
                requests.post(one.base + ask.path, json=ask.body, timeout=PATIENCE_S).status_code
                == 200
            )
        until(lambda: len(one.workers()) == 2)
        assert survivor in one.workers()
