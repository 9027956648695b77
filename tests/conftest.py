"""The service as a test sees it: a Flask app in demo mode, and a real server on a free port."""

from __future__ import annotations

import gc
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import hypothesis
import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from cds_service import pipeline
from cds_service.app import create_app
from cds_service.demo.pages import demo_pages
from cds_service.demo.stories import Story, default_fixtures_dir, load_stories
from cds_service.errors import OutOfTime
from cds_service.knowledge import languages, load, names
from cds_service.settings import Settings
from cds_service.store.engine import Database, open_database, sqlite_url
from cds_service.terminology.vocabulary import vocabulary
from cds_service.trust.client import Defaults
from cds_service.trust.deadline import Deadline
from cds_service.trust.registry import Registry
from tests.databases import Server, postgresql

Made = TypeVar("Made")

# A failing assert of a helper shows both sides only if pytest rewrites it.
pytest.register_assert_rewrite("tests.sodium.rules.cases")

# The same examples every time: a failure is a change of ours. `make check-long` looks at new ones.
# No example is too slow: how long one takes says how busy the machine is.
hypothesis.settings.register_profile("steady", derandomize=True, deadline=None)
hypothesis.settings.register_profile("searching", derandomize=False, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


@sa.event.listens_for(sa.pool.Pool, "connect")
def _closed_with_its_pool(connection: Any, record: sa.pool.ConnectionPoolEntry) -> None:
    """Closes each connection when its pool is gone, as a process does that ends.

    Python 3.13 warns of an SQLite connection that the collector finds open, in the test that runs
    then. Not every test that makes an app disposes of its engine.
    """
    weakref.finalize(record, connection.close)


# Their tests wait for browsers and processes of their own, or take seconds: begun last, they would end alone.
BEGUN_FIRST = (
    *("tests/browser/", "tests/smart/", "tests/cli/", "tests/cluster/", "tests/test_facts"),
    *("tests/test_settings_work", "tests/test_release", "tests/test_nginx", "tests/test_observed"),
    *("tests/test_languages", "tests/test_withheld", "tests/web/test_openapi"),
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two test processes for each core, since half of the time a test waits for another process."""
    return 2 * (os.cpu_count() or 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with the slow files, so that all processes end at about the same time."""
    items.sort(key=lambda item: not item.nodeid.startswith(BEGUN_FIRST))


def pytest_collection() -> None:
    """Nothing that is made while tests are collected is garbage, so it is not looked for."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Leaves the tests and the knowledge alone: each look for garbage would walk through them."""
    gc.enable()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints the figures that long tests record, also if other processes ran them."""
    for report in terminalreporter.getreports("passed"):
        for name, figure in report.user_properties:
            if name == "figure":
                terminalreporter.write_line(str(figure))


@pytest.fixture(autouse=True, scope="session")
def patience() -> Iterator[None]:
    """In this process no call is late by less than a minute: no test is about a busy machine."""

    def keep(deadline: Deadline) -> None:
        if time.monotonic() > deadline.at + 60:
            raise OutOfTime

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Deadline, "keep", keep)
        yield


def pytest_configure() -> None:
    """Knowledge of equal files and vocabularies of equal knowledge, most of a start, are made once.

    Nothing changes them. Some test modules load them when they are imported, so a fixture would
    come too late. A test that reads hooks/ in another way gets its own.
    """

    def reading() -> tuple[object, ...]:
        return load._parse, names.Problem

    patch = pytest.MonkeyPatch()  # for as long as this process lives
    patch.setattr(pipeline, "vocabulary", _once(vocabulary))
    patch.setattr(load, "knowledge_of", _once(load.knowledge_of, reading))
    # Of other knowledge, almost all is as shipped: each translation is held against its text once.
    patch.setattr(load, "language_of", _once(languages.language_of))
    patch.setattr(languages, "_misfit", cache(languages._misfit))


def _once(make: Callable[..., Made], beside: Callable[[], object] = lambda: None) -> Any:
    """Gives what was made before of the same, as long as what stands beside it is the same too."""
    made: list[tuple[object, Made]] = []

    def once(*given: Any, **more: Any) -> Made:
        asked = given, more, beside()
        for before, thing in made:
            if before == asked:
                return thing
        thing = make(*given, **more)
        made[KEPT:] = [(asked, thing)]
        return thing

    return once


KEPT = 7  # and the last one; the shipped hooks/ come first
NOW = datetime.fromisoformat(
    "2027-03-28T02:30:15+02:00"
)  # months after the stories, and not in UTC


@pytest.fixture(scope="session")
def stories() -> dict[str, Story]:
    return dict(load_stories(default_fixtures_dir()))


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory, stories: dict[str, Story]) -> Flask:
    """The demo, answering as of NOW."""
    folder: Path = tmp_path_factory.mktemp("demo")
    settings = Settings(mode="demo", data_dir=folder, public_url="http://cds.test")
    registry = Registry.demo("http://cds.test/demo/fhir")
    return create_app(
        settings, pages=demo_pages(stories), registry=lambda: registry, clock=lambda: NOW
    )


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, stories: dict[str, Story]) -> Iterator[str]:
    """The demo on a real port, so that hooks can read from its own FHIR server."""
    from cds_service.cli.run import free_port

    port = free_port("127.0.0.1")
    base = f"http://127.0.0.1:{port}"
    settings = Settings(
        mode="demo",
        data_dir=tmp_path_factory.mktemp("live"),
        public_url=base,
        port=port,
        explain=True,
    )
    # It reads from itself, and no call is late because the machine is busy.
    registry = Registry.demo(f"{base}/demo/fhir", defaults=Defaults(deadline_ms=600_000))
    app = create_app(
        settings, pages=demo_pages(stories), registry=lambda: registry, clock=lambda: NOW
    )
    running = make_server("127.0.0.1", port, app, threaded=True)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield base
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server of this test session."""
    with postgresql() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database with our schema: every test that asks for it runs on both."""
    if request.param == "sqlite":
        url = sqlite_url(tmp_path)
    else:
        url = request.getfixturevalue("postgres").migrated("cds")
    opened = open_database(url)
    yield opened
    opened.engine.dispose()
