"""Every setting does what its line in docs/settings.md says: two values, two behaviours.

A setting that no code reads answers the same for both values, and its test fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from cds_service.app import create_app, front_for
from cds_service.cli.run import free_port
from cds_service.demo.stories import Story, default_fixtures_dir, load_stories
from cds_service.errors import ConfigurationError, StoreUnavailable
from cds_service.knowledge.load import default_hooks_dir
from cds_service.settings import Settings
from cds_service.store.engine import Database, open_database, sqlite_url
from cds_service.store.feedback import FeedbackTable
from cds_service.store.recorder import CallRecord
from cds_service.store.tables import AUDIT, FEEDBACK
from cds_service.store.used_tokens import UsedTokens
from cds_service.trust.replay import ReplayGuard
from cds_service.web.front import Front
from cds_service.web.runtime import runtime_of
from tests.cli.test_servers import started
from tests.cli.typed import run
from tests.collector import collecting
from tests.conftest import NOW
from tests.feedback.deployments import PATIENT_VIEW, a_call, close, feedback
from tests.feedback.simulated import fill
from tests.patience import PATIENCE_S, until
from tests.store.test_retention import a_feedback
from tests.trust.tokens import BASE, token, written

STORY = "cramps-in-siadh"
ORIGIN = {"Origin": "https://ehr.example", "Access-Control-Request-Method": "POST"}
UNSIGNED = "[clients.mercy]\nfhir_bases = ['https://fhir.mercy.example/r4']\n"
Look = Callable[["Site"], object]


@dataclass
class Site:
    """A deployment with one setting changed, in a folder of its own."""

    folder: Path
    changed: dict[str, Any]

    def settings(self, **more: Any) -> Settings:
        clients = self.folder / "clients.toml"
        if not clients.exists():
            clients.write_text(UNSIGNED, encoding="utf-8")
        chosen: dict[str, Any] = {"mode": "development", "data_dir": self.folder / "data"}
        named = {"clients_file": clients, "public_url": "http://cds.test"}
        return Settings(**(chosen | named | more | self.changed))

    @contextlib.contextmanager
    def app(self, now: datetime = NOW, **more: Any) -> Iterator[Flask]:
        app = create_app(self.settings(**more), clock=lambda: now)
        yield app
        close(app)


def story() -> Story:
    return load_stories(default_fixtures_dir())[STORY]


def ask(client: FlaskClient, **headers: str) -> Any:
    return client.post(PATIENT_VIEW, json=a_call(story()), headers=headers).get_json(force=True)


def an_answer(site: Site) -> Any:
    """The whole answer to the story."""
    with site.app() as app:
        return ask(app.test_client())


def an_answer_by_address(site: Site) -> Any:
    with site.app(public_url="") as app:
        return ask(app.test_client())


def starts(site: Site) -> str:
    """What a start says: "" if it works, else its one line."""
    try:
        with site.app():
            return ""
    except ConfigurationError as refused:
        return str(refused)


def starts_as_a_demo(site: Site) -> str:
    site.changed |= {"mode": "demo", "clients_file": None, "host": "192.0.2.1"}
    return starts(site)


def the_deadline(site: Site) -> int:
    with site.app() as app:
        return runtime_of(app).registry().clients[0].deadline_ms


def files_of_its_own(site: Site) -> list[str]:
    with site.app() as app:
        ask(app.test_client())
    return sorted(str(p.relative_to(site.folder)) for p in site.folder.rglob("*.db"))


def a_long_body(site: Site) -> int:
    with site.app() as app:
        body = a_call(story()) | {"note": "x" * 20_000}
        return app.test_client().post(PATIENT_VIEW, json=body).status_code


def an_unknown_drug(site: Site) -> Any:
    """The topics if the chart holds a drug under a code that only the site knows."""
    body = a_call(story())
    local = {"system": "urn:oid:1.2.3", "code": "77"}
    order = body["prefetch"]["medications"]["entry"]
    order.append({"resource": _order(body, local)})
    with site.app(explain=True) as app:
        answer = app.test_client().post(PATIENT_VIEW, json=body).get_json(force=True)
    return answer["extension"]


def _order(body: dict[str, Any], coding: dict[str, str]) -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest",
        "id": "local",
        "status": "active",
        "intent": "order",
        "subject": {"reference": f"Patient/{body['context']['patientId']}"},
        "authoredOn": (NOW - timedelta(days=20)).isoformat(),
        "medicationCodeableConcept": {"coding": [coding]},
    }


def a_preflight(site: Site) -> str | None:
    with site.app() as app:
        answer = app.test_client().options(PATIENT_VIEW, headers=ORIGIN)
    return answer.headers.get("Access-Control-Allow-Origin")


def discovery_without_a_token(site: Site) -> int:
    written(site.folder)
    with site.app(public_url=BASE) as app:
        return app.test_client().get("/cds-services").status_code


def who_is_held_off(site: Site) -> bool:
    """Whether many bad tokens hold off their address."""
    written(site.folder)
    with site.app(public_url=BASE) as app:
        client = app.test_client()
        for _ in range(200):
            client.post(PATIENT_VIEW, json={}, headers={"Authorization": "Bearer a.b.c"})
        front = front_for(app, site.settings())
        return front._door.holds_off(_Scope())  # type: ignore[arg-type]  # it reads these two members


class _Scope:
    def __init__(self) -> None:
        self.client = "127.0.0.1:5"
        self.headers: dict[str, str] = {}


def a_call_while_the_store_of_tokens_is_down(site: Site) -> int:
    written(site.folder)
    now = datetime.now(UTC)  # tokens are made for it
    with site.app(now, public_url=BASE) as app, pytest.MonkeyPatch.context() as broken:
        broken.setattr(UsedTokens, "first_use", _unavailable)
        broken.setattr(ReplayGuard, "resting", False)
        headers = {"Authorization": f"Bearer {token()}"}
        return (
            app.test_client().post(PATIENT_VIEW, json=a_call(story()), headers=headers).status_code
        )


def _unavailable(*_: object) -> bool:
    raise StoreUnavailable("OperationalError")


def an_answered_card(site: Site) -> list[str]:
    """The topics that are left when the user has overridden the first card."""
    with site.app() as app:
        client = app.test_client()
        first = ask(client)["cards"][0]
        given = feedback(
            first["uuid"], "overridden", NOW, overrideReason={"reason": {"code": "already-managed"}}
        )
        runtime_of(app).recorder.flush(PATIENCE_S)
        assert client.post(f"{PATIENT_VIEW}/feedback", json=given).status_code == 200
        return [card["source"]["topic"]["code"] for card in ask(client)["cards"]]


def rows_that_wait(site: Site) -> bool:
    """Whether rows are dropped if many calls come while the database is down."""
    with site.app() as app, pytest.MonkeyPatch.context() as broken:
        broken.setattr(Database, "transaction", _unavailable)
        recorder = runtime_of(app).recorder
        client = app.test_client()
        client.post(PATIENT_VIEW, json=a_call(story()))
        for _ in range(900):
            recorder.put(CallRecord(audit={}))
        return recorder.dropped > 0


def hook_threads(site: Site) -> int:
    with site.app() as app:
        front = front_for(app, site.settings())
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, _counted(front)).result()


async def _counted(front: Front) -> int:
    loop = asyncio.get_running_loop()
    front.__rsgi_init__(loop)
    running = sum(thread.name.startswith("hook-") for thread in threading.enumerate())
    front.__rsgi_del__(loop)
    return running


def left_after_prune(site: Site) -> dict[str, int]:
    """The rows that `db prune` leaves of those from the last 100 days."""
    folder = site.folder / "data"
    database = open_database(sqlite_url(folder))
    now = datetime.now(UTC)
    fill(database, "mercy", cards=200, answers=100, until=now, days=100)
    _audit_rows(database, now)
    database.engine.dispose()
    environment = {f"CDS_{name.upper()}": str(value) for name, value in site.changed.items()}
    done = run("db", "prune", CDS_DATA_DIR=str(folder), **environment)
    assert done.returncode == 0, done.stderr
    words = done.stdout.removeprefix("Deleted: ").rstrip(".\n").split(", ")
    return {word.partition(" ")[2]: int(word.partition(" ")[0]) for word in words}


def _audit_rows(database: Database, now: datetime) -> None:
    FeedbackTable(database).add([a_feedback(uuid.uuid4().hex, 60, "a comment")])
    words = ("correlation", "service", "profile", "patient_hash", "user_hash", "fired")
    row: dict[str, Any] = dict.fromkeys((*words, "suppressed", "knowledge"), "")
    row |= {"tenant": "mercy", "call": "1", "at": now - timedelta(days=60), "sources": {}}
    row |= {"status": 200, "cards": 0, "shadow": False, "milliseconds": 1}
    with database.transaction() as connection:
        connection.execute(AUDIT.insert(), row)


def a_comment(site: Site) -> Any:
    """What is stored of a comment in feedback."""
    given = feedback(str(uuid.uuid4()), "overridden", NOW, overrideReason={"userComment": "hm"})
    with site.app() as app:
        app.test_client().post(f"{PATIENT_VIEW}/feedback", json=given)
        with runtime_of(app).database.transaction() as connection:
            return connection.execute(sa.select(FEEDBACK.c.content)).scalar_one()


@contextlib.contextmanager
def a_server(
    site: Site, stderr: Path | None = None, **more: object
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Runs `cds-service serve` with this setting in the environment; `stderr` gets its log."""
    (site.folder / "clients.toml").write_text(UNSIGNED, encoding="utf-8")
    port = free_port("127.0.0.1")
    chosen = {"mode": "development", "port": port, "clients_file": site.folder / "clients.toml"}
    chosen |= {"data_dir": site.folder / "data", "drain_seconds": 0} | more | site.changed
    environment = {f"CDS_{name.upper()}": str(value) for name, value in chosen.items()}
    with (stderr or Path(os.devnull)).open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cds_service", "serve"],
            env=os.environ | environment,
            stderr=log,
        )
    base = f"http://127.0.0.1:{port}"
    try:
        yield started(process, base), process  # type: ignore[arg-type]  # its output is not read
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def lines_of_a_call(site: Site) -> list[str]:
    """The events that a service logs from its start until it stops, with one refused call."""
    with a_server(site, stderr=site.folder / "log") as (base, _):
        assert requests.post(f"{base}{PATIENT_VIEW}", data=b"{", timeout=PATIENCE_S).status_code
    lines = (site.folder / "log").read_text(encoding="utf-8").splitlines()
    return sorted({json.loads(line)["event"] for line in lines})


def whether_metrics_are_served(site: Site) -> bool:
    with a_server(site):
        return _answers(f"http://127.0.0.1:{METRICS}") == 200


def what_a_collector_gets(site: Site) -> list[str]:
    """The addresses to which a service sends, until it has stopped; no start without the extra."""
    with collecting(OTLP) as collector:
        try:
            with a_server(site, drain_seconds=0) as (base, _):
                _answers(f"{base}/health")
        except AssertionError:
            return ["no start"]
    return sorted({path for path, _ in collector.bodies})


def where_metrics_are(site: Site) -> list[str]:
    """The addresses at which the metrics port answers."""
    with a_server(site, metrics_port=METRICS):
        return [host for host in ("127.0.0.1", "127.0.0.2") if _answers(f"http://{host}:{METRICS}")]


def files_of_the_metrics(site: Site) -> bool:
    folder = site.folder / "counts"
    folder.mkdir()
    with a_server(site, metrics_port=METRICS, metrics_dir=folder) as (base, _):
        _answers(f"{base}/health")
        return any(folder.iterdir())


def what_ready_says_after_sigterm(site: Site) -> int | None:
    """503 while calls are still answered; None if the service just ends."""
    with a_server(site) as (base, process):
        process.send_signal(signal.SIGTERM)
        said: list[int | None] = [200]

        def leaves_or_is_gone() -> bool:
            said.append(_answers(f"{base}/ready"))
            return 503 in said or process.poll() is not None

        until(leaves_or_is_gone)
    return 503 if 503 in said else None


def _answers(url: str) -> int | None:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:  # noqa: S310  # ours
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code
    except OSError:
        return None


METRICS = free_port("127.0.0.1")
OTLP = free_port("127.0.0.1")


def other_hooks(folder: Path) -> Path:
    """A copy of hooks/ in which one summary has other words."""
    shutil.copytree(default_hooks_dir(), folder / "hooks")
    chart = folder / "hooks" / "chart.toml"
    text = chart.read_text(encoding="utf-8")
    assert "Mild low sodium" in text
    chart.write_text(text.replace("Mild low sodium", "Slightly low sodium"), encoding="utf-8")
    return folder / "hooks"


def a_registry_for_europe(folder: Path) -> Path:
    path = folder / "europe.toml"
    path.write_text(UNSIGNED.replace("mercy]", "mercy]\nprofile = 'european'"), encoding="utf-8")
    return path


def a_secret(folder: Path) -> Path:
    path = folder / "secret"
    path.write_text("s" * 64, encoding="utf-8")
    return path


def no_such_file(folder: Path) -> Path:
    return folder / "nowhere"


def local_codes(folder: Path) -> Path:
    path = folder / "codes.csv"
    path.write_text("system,code,ingredient\nurn:oid:1.2.3,77,sertraline\n", encoding="utf-8")
    return path


def another_database(folder: Path) -> str:
    return f"sqlite:///{folder / 'other.db'}"


def another_database_in_a_file(folder: Path) -> Path:
    path = folder / "database-url"
    path.write_text(another_database(folder) + "\n", encoding="utf-8")
    return path


def beside(folder: Path) -> Path:
    return folder / "beside"


def same(value: object) -> Callable[[Path], object]:
    return lambda folder: value


# Setting: the value beside its default, and where a user sees the difference.
EFFECTS: dict[str, tuple[Callable[[Path], object], Look]] = {
    "mode": (same("production"), starts),
    "host": (same("127.0.0.9"), an_answer_by_address),
    "port": (same(8700), an_answer_by_address),
    "public_url": (same("https://cds.example"), an_answer),
    "terminology_base": (same("https://terms.example/fhir"), an_answer),
    "hooks_dir": (other_hooks, an_answer),
    "clients_file": (a_registry_for_europe, an_answer),
    "profile": (same("european"), an_answer),
    "deadline_ms": (same(2500), the_deadline),
    "database_url": (another_database, files_of_its_own),
    "database_url_file": (another_database_in_a_file, files_of_its_own),
    "data_dir": (beside, files_of_its_own),
    "secret_file": (a_secret, an_answer),
    "max_body_bytes": (same(10_000), a_long_body),
    "fluid_restriction_resource": (same("ServiceRequest"), an_answer),
    "ca_bundle": (no_such_file, starts),
    "rxnorm_index": (no_such_file, starts),
    "local_codes": (local_codes, an_unknown_drug),
    "require_signed": (same(True), starts),
    "explain": (same(True), an_answer),
    "cors_origins": (same((ORIGIN["Origin"],)), a_preflight),
    "discovery_auth": (same("required"), discovery_without_a_token),
    "proxies": (same(0), who_is_held_off),
    "replay_strict": (same(True), a_call_while_the_store_of_tokens_is_down),
    "demo_public": (same(True), starts_as_a_demo),
    "suppression": (same(False), an_answered_card),
    "queue_size": (same(100), rows_that_wait),
    "metrics_port": (same(METRICS), whether_metrics_are_served),
    "metrics_host": (same("127.0.0.2"), where_metrics_are),
    "metrics_dir": (beside, files_of_the_metrics),
    "log_level": (same("error"), lines_of_a_call),
    "otlp_url": (same(f"http://127.0.0.1:{OTLP}"), what_a_collector_gets),
    "keep_issued_days": (same(31), left_after_prune),
    "keep_feedback_days": (same(31), left_after_prune),
    "keep_comments_days": (same(0), a_comment),
    "keep_audit_days": (same(31), left_after_prune),
    "threads": (same(3), hook_threads),
    "drain_seconds": (same(60), what_ready_says_after_sigterm),
}


def test_each_setting_is_tried() -> None:
    assert sorted(EFFECTS) == sorted(Settings.model_fields)


@pytest.mark.parametrize("name", EFFECTS)
def test_another_value_has_another_effect(name: str, tmp_path: Path) -> None:
    value, look = EFFECTS[name]
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    usual, changed = look(Site(one, {})), look(Site(other, {name: value(other)}))
    assert changed != usual, f"CDS_{name.upper()} does nothing that was looked at"


@pytest.mark.parametrize("name", ["host", "public_url", "profile", "explain", "max_body_bytes"])
def test_the_same_value_has_the_same_effect(name: str, tmp_path: Path) -> None:
    """Otherwise the difference above would prove nothing."""
    _, look = EFFECTS[name]
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    (other / "data").mkdir()
    first = look(Site(one, {}))
    shutil.copytree(one / "data", other / "data", dirs_exist_ok=True)
    assert look(Site(other, {})) == first
