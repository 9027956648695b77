"""Two nodes on one PostgreSQL share used tokens, feedback and answered cards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from cds_service.demo.stories import Story
from cds_service.store.engine import make_engine, upgrade
from cds_service.store.tables import FEEDBACK, USED_TOKENS
from tests.databases import Server
from tests.feedback.deployments import feedback
from tests.patience import until
from tests.trust.served import PATH, Node, a_call, served
from tests.trust.tokens import token, written

STORY = "cramps-in-siadh"
Nodes = tuple[Node, Node, sa.Engine]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory, postgres: Server) -> Iterator[Nodes]:
    folder = tmp_path_factory.mktemp("nodes")
    url = postgres.fresh("nodes")
    engine = make_engine(url)
    upgrade(engine)
    (folder / "secret").write_text("a secret that both of the nodes have")
    shared = {"CDS_DATABASE_URL": url, "CDS_SECRET_FILE": str(folder / "secret")}
    # On a busy machine the store of used tokens is late; a node then refuses, and lets nobody pass unchecked.
    shared["CDS_REPLAY_STRICT"] = "true"
    registry = written(folder)
    with ExitStack() as running:
        a, b = (
            running.enter_context(served(folder / name, registry, **shared)) for name in ("a", "b")
        )
        yield a, b, engine
    engine.dispose()


def rows(engine: sa.Engine, table: sa.Table, **wanted: str) -> int:
    where = [table.c[name] == value for name, value in wanted.items()]
    with engine.connect() as connection:
        return connection.execute(
            sa.select(sa.func.count()).select_from(table).where(*where)
        ).scalar_one()


def post(node: Node, body: object, path: str = PATH) -> requests.Response:
    """The answer to a call, which is sent with new tokens until the store of tokens is in time."""
    answers: list[requests.Response] = []

    def checked() -> bool:
        answers.append(node.post(body, path=path))
        return answers[-1].status_code != 503

    until(checked)
    return answers[-1]


def topics(node: Node, call: dict[str, Any]) -> list[str]:
    answer = post(node, call)
    assert answer.status_code == 200, answer.text
    return [card["source"]["topic"]["code"] for card in answer.json()["cards"]]


def is_silent(node: Node, call: dict[str, Any]) -> bool:
    return not topics(node, call)


def in_time(ask: Callable[[str], list[int]]) -> list[int]:
    """The answers to calls with one token, when each was checked; never does more than one pass."""
    seen: list[list[int]] = []

    def all_checked() -> bool:
        seen.append(ask(token()))
        assert seen[-1].count(200) <= 1
        return 503 not in seen[-1]

    until(all_checked)
    return seen[-1]


def test_t23_a_token_used_at_one_node_is_refused_at_the_other(
    nodes: Nodes, stories: dict[str, Story]
) -> None:
    a, b, engine = nodes
    call = a_call(stories[STORY], "replayed")
    for order in ((a, b, a), (b, a, b)):
        before: list[int] = []

        def one_after_the_other(once: str, order: tuple[Node, ...] = order) -> list[int]:
            before.append(rows(engine, USED_TOKENS))  # noqa: B023  # called at once
            return [node.post(call, once).status_code for node in order]

        assert in_time(one_after_the_other) == [200, 401, 401]
        assert rows(engine, USED_TOKENS) == before[-1] + 1


def test_t23_of_eight_calls_at_once_with_one_token_one_passes_on_two_nodes(
    nodes: Nodes, stories: dict[str, Story]
) -> None:
    a, b, _ = nodes
    call = a_call(stories[STORY], "replayed")
    with ThreadPoolExecutor(8) as pool:

        def at_once(once: str) -> list[int]:
            return list(pool.map(lambda node: node.post(call, once).status_code, [a, b] * 4))

        for _ in range(5):
            assert sorted(in_time(at_once)) == [200] + [401] * 7


def test_t64_feedback_sent_to_both_nodes_is_one_row(nodes: Nodes) -> None:
    a, b, engine = nodes
    now = datetime.now(UTC)
    sent = feedback("card-of-both", "overridden", now)
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda node: post(node, sent, f"{PATH}/feedback").status_code, [a, b] * 4)
        )
    assert answers == [200] * 8
    assert rows(engine, FEEDBACK, card="card-of-both") == 1
    other = feedback("card-of-b", "overridden", now)
    assert post(b, other, f"{PATH}/feedback").status_code == 200
    assert rows(engine, FEEDBACK, card="card-of-b") == 1


@pytest.mark.parametrize("answered_at", [0, 1])
def test_a_card_that_was_answered_at_one_node_stays_away_at_both(
    nodes: Nodes, stories: dict[str, Story], answered_at: int
) -> None:
    a, b, _ = nodes
    here = (a, b)[answered_at]
    call = a_call(stories[STORY], f"answered-{answered_at}")
    call["context"]["userId"] = "Practitioner/7"
    (shown,) = post(here, call).json()["cards"]
    sent = feedback(shown["uuid"], "overridden", datetime.now(UTC))
    assert post(here, sent, f"{PATH}/feedback").status_code == 200
    # The row of a card is written soon after its answer; only then is the feedback matched to it.
    # A node that is told too late what was answered shows the card: on a busy machine it is asked again.
    for node in (here, a, b):
        until(partial(is_silent, node, call))
    call["context"]["userId"] = "Practitioner/8"
    assert [topics(node, call) for node in (a, b)] == [["sodiumMildSymptomatic"]] * 2


def test_both_nodes_give_a_card_the_same_uuid(nodes: Nodes, stories: dict[str, Story]) -> None:
    a, b, _ = nodes
    call = a_call(stories[STORY], "both")
    first, second = (post(node, call).json()["cards"] for node in (a, b))
    assert [card["uuid"] for card in first] == [card["uuid"] for card in second] != []
