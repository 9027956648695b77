"""`cds-service off` takes cards away on all nodes, says so wherever silence is explained, and `on` undoes it."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import CliRunner
from flask import Flask
from msgspec.structs import replace

from cds_service.cli import cli
from cds_service.demo.stories import Story
from cds_service.store.engine import Database
from cds_service.store.switches import ALL, Switched, Switches, SwitchTable
from cds_service.telemetry import configure_logging
from cds_service.web.runtime import runtime_of
from tests.databases import Server
from tests.feedback.deployments import PATIENT_VIEW, a_call, close, deployment
from tests.patience import PATIENCE_S

STORY = "cramps-in-siadh"
_ATTEMPTS = 300


class Clock:
    """A clock that a test moves on, so that no test waits."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def watched(app: Flask) -> Clock:
    """Gives this node a clock of the test for looking at the switches."""
    here, clock = runtime_of(app), Clock()
    replace(here, switches=Switches(here.database, clock)).install(app)
    return clock


def rules_answered(app: Flask, call: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """Returns the topics of the cards of one call, and its explanation."""
    answer = app.test_client().post(PATIENT_VIEW, json=call)
    assert answer.status_code == 200, answer.get_json()
    body = answer.get_json()
    (explanation,) = body["extension"].values()
    return explanation.get("returned", []), explanation


def eventually(clock: Clock, seen: Callable[[], bool]) -> None:
    """Looks again and again, each time ten seconds later; a busy machine may need several looks."""
    for _ in range(_ATTEMPTS):
        clock.now += 10
        if seen():
            return
    pytest.fail("it did not come into force")


@pytest.fixture(params=["sqlite", "postgresql"])
def nodes(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Flask, Flask]]:
    """Two nodes with one store, and the command line of the same deployment."""
    url = ""
    if request.param == "postgresql":
        server: Server = request.getfixturevalue("postgres")
        url = server.migrated("switches")
        monkeypatch.setenv("CDS_DATABASE_URL", url)
    one, other = (deployment(tmp_path, url, explain=True) for _ in range(2))
    monkeypatch.setenv("CDS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("CDS_CLIENTS_FILE", str(tmp_path / "clients.toml"))
    yield one, other
    close(one)
    close(other)


def command(*arguments: str) -> str:
    result = CliRunner().invoke(cli, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def _lacks(node: Flask, call: dict[str, Any], rule: str) -> bool:
    return rule not in rules_answered(node, call)[0]


def _answers(node: Flask, call: dict[str, Any], rules: list[str]) -> bool:
    return rules_answered(node, call)[0] == rules


def test_a_rule_goes_on_every_node_says_why_and_comes_back(
    nodes: tuple[Flask, Flask], stories: dict[str, Story]
) -> None:
    call = a_call(stories[STORY])
    clocks = [watched(node) for node in nodes]
    before = [rules_answered(node, call)[0] for node in nodes]
    assert before[0] == before[1] != []
    rule = before[0][0]
    said = command("off", rule, "--reason", "wrong limit")
    assert said.startswith(f"{rule} is off for all clients, on all nodes within seconds.")
    for node, clock in zip(nodes, clocks, strict=True):
        eventually(clock, partial(_lacks, node, call, rule))
        explained = rules_answered(node, call)[1]
        assert explained["switchedOff"] == [rule]
        health = node.test_client().get("/health").get_json()
        assert any(
            f"the rule {rule} is switched off for all clients" in r for r in health["degraded"]
        )
    command("on", rule)
    for node, clock in zip(nodes, clocks, strict=True):
        eventually(clock, partial(_answers, node, call, before[0]))
        assert "switchedOff" not in rules_answered(node, call)[1]
    told = json.loads(command("off", "--history", "--json"))
    assert [(one["rule"], one["off"], one["reason"]) for one in told] == [
        (rule, True, "wrong limit"),
        (rule, False, ""),
    ]
    assert all(one["by"] for one in told)


@pytest.mark.parametrize("nodes", ["sqlite"], indirect=True)
def test_silence_says_that_all_is_off_and_only_for_the_client_that_is_named(
    nodes: tuple[Flask, Flask], stories: dict[str, Story]
) -> None:
    node = nodes[0]
    call = a_call(stories[STORY])
    clock = watched(node)
    stream = io.StringIO()
    command("off", "all", "--client", "mercy")
    configure_logging(stream)
    try:
        eventually(clock, lambda: "switchedOff" not in rules_answered(node, call)[1])
        call["fhirServer"] = "https://fhir.mercy.example/r4"
        eventually(clock, lambda: not rules_answered(node, call)[0])
        explained = rules_answered(node, call)[1]
    finally:
        structlog.reset_defaults()
    assert explained["switchedOff"] == ["all"]
    assert explained["reason"] == "all cards are switched off: no rule was asked"
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert any(line["event"] == "switched" and "all for mercy" in line["reason"] for line in lines)
    assert lines[-1]["off"] == ["all"]
    health = json.dumps(node.test_client().get("/health").get_json())
    assert "all cards are switched off for one client" in health
    assert "mercy" not in health, "anybody may read this page"


@pytest.mark.parametrize("nodes", ["sqlite"], indirect=True)
def test_a_card_without_its_rule_is_silence_with_a_reason(
    nodes: tuple[Flask, Flask], stories: dict[str, Story]
) -> None:
    node, call = nodes[0], a_call(stories[STORY])
    clock = watched(node)
    fired = rules_answered(node, call)[1]["fired"]
    for rule in fired:
        command("off", rule)
    eventually(clock, lambda: not rules_answered(node, call)[0])
    explained = rules_answered(node, call)[1]
    assert set(explained["switchedOff"]) == set(fired)
    assert "switched off" in explained["reason"]


@pytest.mark.parametrize("nodes", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["off", "PV-MILDD"], "did you mean PV-MILD?"),
        (["off", "PV-MILD", "--client", "mery"], "did you mean mercy?"),
        (["off", "PV-UNREADABLE"], "silence would hide that"),
        (["off"], "Name a rule"),
        (["on", "PV-MILD"], "it is not off for all clients; off is: nothing"),
    ],
)
@pytest.mark.usefixtures("nodes")
def test_what_cannot_be_switched_is_refused_with_what_is_meant(
    arguments: list[str], told: str
) -> None:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2
    assert told in " ".join(result.output.split())
    assert command("off", "--list") == "Nothing is off.\n"


def a_switch(rule: str = "PV-MILD", *, off: bool = True) -> Switched:
    return Switched(rule=rule, off=off, at=datetime(2026, 11, 30, tzinfo=UTC))


def test_what_was_off_stays_off_while_the_store_is_gone(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    SwitchTable(database).add(a_switch())
    switches = Switches(database, clock)
    eventually(clock, lambda: switches.rules_off("mercy") == {"PV-MILD"})

    failed: Future[Any] = Future()
    failed.set_exception(OSError("the store is gone"))
    monkeypatch.setattr(database.desk, "begin", lambda work: failed)
    for _ in range(5):
        clock.now += 10
        assert switches.rules_off("mercy") == {"PV-MILD"}
    assert switches.known


def test_a_store_that_hangs_costs_one_call_a_moment_and_no_other_anything(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    switches = Switches(database, clock)
    waited: list[float] = []

    def waits(_: object, seconds: float) -> None:
        waited.append(seconds)
        clock.now += seconds

    monkeypatch.setattr("cds_service.store.switches.wait", waits)
    monkeypatch.setattr(database.desk, "begin", lambda work: Future())
    for _ in range(50):
        assert switches.current() == ()
    assert waited == [pytest.approx(0.15)]
    assert switches.known, "a moment after the start nothing is wrong yet"
    clock.now += 10
    assert not switches.known


@pytest.mark.parametrize("pause", [3.1, 30, 3600, 86_400])
@pytest.mark.parametrize("calls", [1, 2, 3])
def test_the_first_call_after_a_pause_of_any_length_knows_what_was_switched_in_it(
    calls: int, pause: float, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look that began before the pause is taken up after it: its state is as old as itself."""
    clock, begin = Clock(), database.desk.begin
    switches, table = Switches(database, clock), SwitchTable(database)

    def read_before_the_next_call(work: Callable[[], Any]) -> Future[Any] | None:
        asked = begin(work)
        assert asked is not None, "the desk is full"
        asked.exception(PATIENCE_S)
        return asked

    monkeypatch.setattr(database.desk, "begin", read_before_the_next_call)
    for off in (True, False, True):
        for _ in range(calls):
            switches.current()
            clock.now += 1.5
        table.add(a_switch(off=off))
        clock.now += pause
        assert switches.rules_off("mercy") == ({"PV-MILD"} if off else set())


def test_many_who_switch_at_once_lose_no_change(database: Database) -> None:
    table = SwitchTable(database)
    rules = [f"R-{number}" for number in range(4)]
    threads = [threading.Thread(target=table.add, args=(a_switch(rule),)) for rule in rules]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one.rule for one in table.off_now()} == set(rules)


def test_the_last_change_counts_also_if_its_clock_is_behind(database: Database) -> None:
    table = SwitchTable(database)
    table.add(a_switch(ALL))
    table.add(replace(a_switch(ALL, off=False), at=datetime(2026, 11, 29, tzinfo=UTC)))
    assert table.off_now() == ()
