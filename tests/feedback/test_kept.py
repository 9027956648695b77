"""Never lost, never in the way: kill -9 between feedback posts, and a database that stops under load."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from cds_service.cli.run import free_port
from cds_service.demo.stories import Story
from cds_service.store.engine import make_engine, sqlite_url
from cds_service.store.tables import FEEDBACK
from cds_service.web.runtime import runtime_of
from tests.cli.test_servers import started
from tests.conftest import NOW
from tests.databases import Server
from tests.feedback.deployments import PATIENT_VIEW, a_call, close, deployment, feedback, settle
from tests.patience import PATIENCE_S, UNHURRIED, until


def serve(
    folder: Path, port: int, environment: Mapping[str, str], arguments: tuple[str, ...] = ()
) -> subprocess.Popen[str]:
    clients = folder / "clients.toml"
    clients.write_text(
        "[clients.mercy]\nfhir_bases = ['https://fhir.mercy.example/r4']\n", encoding="utf-8"
    )
    settings = {
        "CDS_MODE": "development", "CDS_CLIENTS_FILE": str(clients), "CDS_DATA_DIR": str(folder / "data"),
        "CDS_PORT": str(port), "CDS_DRAIN_SECONDS": "0",
    }  # fmt: skip
    with (folder / "log.txt").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cds_service", "serve", *arguments],
            env={**os.environ, **UNHURRIED, **settings, **environment},
            stdout=log,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    started(process, f"http://127.0.0.1:{port}")
    return process


def post_until_dead(port: int, kept: list[str]) -> None:
    """Send feedback as fast as it is taken, and note what was acknowledged."""
    session = requests.Session()
    with contextlib.suppress(requests.RequestException):
        while True:
            card = str(uuid.uuid4())
            body = feedback(card, "overridden", datetime.now(UTC))
            answered = session.post(
                f"http://127.0.0.1:{port}{PATIENT_VIEW}/feedback", json=body, timeout=PATIENCE_S
            )
            if answered.status_code == 200:
                kept.append(card)


def _at_least(items: list[Any], number: int) -> bool:
    return len(items) >= number


def kill_again_and_again(folder: Path, kills: int, environment: dict[str, str], url: str) -> None:
    kept: list[str] = []
    for n in range(kills):
        port = free_port("127.0.0.1")
        process = serve(folder, port, environment)
        senders = [threading.Thread(target=post_until_dead, args=(port, kept)) for _ in range(3)]
        for sender in senders:
            sender.start()
        until(partial(_at_least, kept, len(kept) + 5))
        time.sleep(0.013 * (n % 7))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for sender in senders:
            sender.join()
    engine = make_engine(url)
    with engine.connect() as connection:
        stored = set(connection.execute(sa.select(FEEDBACK.c.card)).scalars())
    engine.dispose()
    assert len(kept) >= 5 * kills
    assert set(kept) <= stored


def test_an_acknowledged_feedback_survives_a_kill(tmp_path: Path) -> None:
    kill_again_and_again(tmp_path, 3, {}, sqlite_url(tmp_path / "data"))


@pytest.mark.long
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_an_acknowledged_feedback_survives_many_kills(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if kind == "sqlite":
        kill_again_and_again(tmp_path, 30, {}, sqlite_url(tmp_path / "data"))
        return
    url = request.getfixturevalue("postgres").migrated("killed")
    kill_again_and_again(tmp_path, 30, {"CDS_DATABASE_URL": url}, url)


def test_a_stop_writes_what_is_queued(tmp_path: Path, stories: dict[str, Story]) -> None:
    port = free_port("127.0.0.1")
    process = serve(tmp_path, port, {})
    call = a_call(stories["cramps-in-siadh"], datetime.now(UTC))
    for _ in range(20):
        assert requests.post(
            f"http://127.0.0.1:{port}{PATIENT_VIEW}", json=call, timeout=PATIENCE_S
        ).ok
    process.send_signal(signal.SIGTERM)
    process.wait(PATIENCE_S)
    engine = make_engine(sqlite_url(tmp_path / "data"))
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM audit").scalar() == 20
    engine.dispose()


def test_a_database_that_stops_under_load_fails_no_hook_and_loses_nothing_acknowledged(
    tmp_path: Path, postgres: Server, stories: dict[str, Story]
) -> None:
    url = postgres.migrated("load")
    app = deployment(tmp_path, url)
    done = threading.Event()
    hooks: list[int] = []
    kept: list[str] = []
    refused: list[int] = []

    def call_hooks() -> None:
        client = app.test_client()
        while not done.is_set():
            hooks.append(
                client.post(PATIENT_VIEW, json=a_call(stories["cramps-in-siadh"])).status_code
            )
            time.sleep(0.05)  # below the rate limit, which is not what is tried here

    def send_feedback() -> None:
        client = app.test_client()
        while not done.is_set():
            card = str(uuid.uuid4())
            status = client.post(
                f"{PATIENT_VIEW}/feedback", json=feedback(card, "overridden", NOW)
            ).status_code
            (kept.append(card) if status == 200 else refused.append(status))

    threads = [threading.Thread(target=work) for work in (call_hooks, call_hooks, send_feedback)]
    for thread in threads:
        thread.start()
    until(partial(_at_least, kept, 5))
    postgres.stop()
    called = len(hooks)
    until(lambda: refused and _at_least(hooks, called + 20))
    postgres.start()
    until(partial(_at_least, kept, len(kept) + 5))
    done.set()
    for thread in threads:
        thread.join()
    settle(app)
    assert set(hooks) == {200}
    assert set(refused) == {503}
    with runtime_of(app).database.transaction() as connection:
        stored = set(connection.execute(sa.select(FEEDBACK.c.card)).scalars())
        calls = connection.exec_driver_sql("SELECT count(*) FROM audit").scalar()
    assert set(kept) <= stored
    assert calls == len(hooks)
    close(app)
