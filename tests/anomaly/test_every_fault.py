"""If one write, open, connect, look-up, thread start or commit fails, one operation fails and says so.

Each n is tried with a service of its own: first the operation with the fault, then without it.
"""

from __future__ import annotations

import copy
import json
import os
import re
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
import structlog
from flask import Flask
from msgspec.structs import replace
from werkzeug.test import TestResponse

from cds_service import metrics, telemetry
from cds_service.app import Foundation, create_app, foundation
from cds_service.errors import ConfigurationError
from cds_service.log_writer import LogWriter
from cds_service.records.client import FhirClient
from cds_service.settings import Settings
from cds_service.store.tables import AUDIT
from cds_service.trust import current
from cds_service.web.health import degraded
from cds_service.web.runtime import runtime_of
from tests.anomaly.faults import ERRORS, failing, sqlite_can_fail
from tests.cluster.load import fhir_server
from tests.patience import PATIENCE_S
from tests.store.test_recorder import rows
from tests.trust.tokens import BASE, VIEW, token, written

PATH = f"/cds-services/{VIEW}"
STORY = "cramps-in-siadh"
FLUSH_S = 20
SAMPLE = 3  # of the n of each kind that `make test` tries: first, last, and between


class Service:
    """One service on a folder of its own, what it counted, and what it logged."""

    def __init__(self, folder: Path, fhir: str, base: Foundation | None) -> None:
        self.folder = folder
        self.fhir = fhir
        folder.mkdir(exist_ok=True)
        entry = f"fhir_bases = ['{fhir}']\nallow_private = true\nopen_access = true\ndeadline_ms = 5000\n"
        self.registry = written(folder, entry)
        self.settings = Settings(
            mode="development",
            clients_file=self.registry,
            data_dir=folder / "data",
            public_url=BASE,
        )
        self.base = base or foundation(self.settings)
        self.app: Flask | None = None

    def start(self) -> Flask:
        """Starts it."""
        pipeline = copy.copy(self.base.pipeline)
        pipeline._fhir = FhirClient()  # of its own: its breaker and connections are state
        self.app = create_app(self.settings, base=replace(self.base, pipeline=pipeline))
        return self.app

    def close(self) -> None:
        """Lets go of threads and connections."""
        if self.app is not None:
            here = runtime_of(self.app)
            here.recorder.close(1)
            here.database.close()

    def post(self, body: object, path: str = PATH) -> TestResponse:
        """Sends a call with a new token."""
        assert self.app is not None
        said = {"Authorization": f"Bearer {token(aud=BASE + path)}"}
        return self.app.test_client().post(path, json=body, headers=said)

    def settle(self) -> None:
        """Waits until the rows of all calls are written."""
        assert self.app is not None
        recorder = runtime_of(self.app).recorder
        recorder.start()  # as the next call or /health does
        assert recorder.flush(FLUSH_S)

    def calls_written(self) -> int:
        """Returns the number of audit rows."""
        assert self.app is not None
        self.settle()
        return rows(runtime_of(self.app).database, AUDIT)


class Said:
    """What a service said about a fault: metrics that it counted, lines of its log, /health."""

    def __init__(self, log: Path) -> None:
        self.counted: list[str] = []
        self._log = log

    def count(self, name: str, *labels: str, times: int = 1) -> None:
        """Takes the place of `metrics.count`."""
        self.counted.append(" ".join((name, *labels)))

    def crash(self) -> str:
        """Returns the place of a crash."""
        telemetry.flush_log(FLUSH_S)
        return "".join(x for x in self._log.read_text().splitlines() if '"crash"' in x)

    def troubles(self, service: Service) -> list[str]:
        """Returns everything that tells an operator that something failed."""
        telemetry.flush_log(FLUSH_S)
        lines = [json.loads(line) for line in self._log.read_text().splitlines()]
        found = [str(line["event"]) for line in lines if line["level"] in ("warning", "error")]
        usual = ("cds_calls hyponatremia-patient-view 200", "cds_fhir_reads ok", "cds_cards ",
                 "cds_sodium ", "cds_feedback ", "cds_selected_orders ")  # fmt: skip
        found += [name for name in self.counted if not name.startswith(usual)]
        if service.app is not None:
            found += degraded(runtime_of(service.app))
        return found


@pytest.fixture(scope="module")
def fhir() -> Iterator[str]:
    with fhir_server() as base:
        yield base.replace("127.0.0.1", "localhost")  # so that a name is looked up


@pytest.fixture(scope="module")
def base(fhir: str, tmp_path_factory: pytest.TempPathFactory) -> Foundation:
    return Service(tmp_path_factory.mktemp("base"), fhir, None).base


@pytest.fixture
def fresh(
    fhir: str, base: Foundation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], tuple[Service, Said]]]:
    """Makes services, one at a time, each with a log in a file of its own."""
    monkeypatch.setattr("cds_service.store.recorder._GATHER_S", 0.01)
    monkeypatch.setattr("cds_service.store.recorder._FIRST_PAUSE_S", 0.01)
    opened: list[Callable[[], object]] = []

    def make() -> tuple[Service, Said]:
        _close(opened)
        folder = tmp_path / uuid.uuid4().hex
        service = Service(folder, fhir, base)
        descriptor = os.open(folder / "log", os.O_WRONLY | os.O_CREAT)
        said = Said(folder / "log")
        writer = LogWriter(descriptor, telemetry._lost_line)
        monkeypatch.setattr(telemetry, "_writer", [writer])
        structlog.configure(
            processors=[telemetry._line],
            logger_factory=structlog.WriteLoggerFactory(file=writer),  # type: ignore[arg-type]
        )
        monkeypatch.setattr(metrics, "count", said.count)
        opened[:] = [service.close, partial(writer.close, 1), partial(os.close, descriptor)]
        return service, said

    with sqlite_can_fail():
        yield make
        _close(opened)
    structlog.reset_defaults()


def _close(opened: list[Callable[[], object]]) -> None:
    while opened:
        opened.pop(0)()


def every(number: int, request: pytest.FixtureRequest) -> list[int]:
    """Returns the n to try: all of them in the long run, else a few."""
    if request.node.get_closest_marker("long") or number <= SAMPLE:
        return list(range(1, number + 1))
    return sorted({1, (number + 1) // 2, number})


KINDS = list(ERRORS)
LASTING = [False, True]
Fresh = Callable[[], tuple[Service, Said]]
Operation = Callable[[Fresh, str, int, bool], int]


def call_body(fhir: str) -> dict[str, Any]:
    """Returns a hook call without prefetch: it reads everything from the FHIR server."""
    body: dict[str, Any] = requests.get(
        f"{fhir.removesuffix('/demo/fhir')}/demo/stories/{STORY}/request", timeout=PATIENCE_S
    ).json()
    del body["prefetch"]
    return body | {"fhirServer": fhir}


def one_call(fresh: Fresh, kind: str, n: int, lasting: bool) -> int:
    """A hook call with its live reads and its rows: that call alone may fail."""
    service, said = fresh()
    service.start()
    body = call_body(service.fhir)
    with failing(kind, n, lasting=lasting) as faults:
        answer = service.post(body)
        if not lasting:
            service.settle()
    seen = faults.seen
    written_before = service.calls_written()
    after = service.post(body)
    assert after.status_code == 200, f"{kind} {n}: the next call fails too: {after.get_json()}"
    cards = [card["summary"] for card in after.get_json()["cards"]]
    assert cards, f"{kind} {n}: the next call has no card"
    assert answer.status_code in (200, 412, 503), (
        f"{kind} {n}: {answer.status_code}, {said.crash()}"
    )
    whole = answer.status_code == 200 and _gist(answer) == _gist(after)
    if not whole or not written_before:
        assert said.troubles(service), (
            f"{kind} {n} of {seen} is not told: {written_before} rows,"
            f" {answer.get_json()}, but afterwards {after.get_json()}"
        )
    if answer.status_code == 200 and not whole:
        told = json.dumps(answer.get_json())
        assert "Not checked" in told or "could not be" in told, f"{kind} {n}: {told}"
    if answer.status_code == 503:
        assert answer.get_json()["resourceType"] == "OperationOutcome"
    return seen


def _gist(answer: TestResponse) -> list[tuple[str, list[str], int]]:
    """Returns what the cards say, without times, which move with the FHIR server's clock."""
    return [
        (card["summary"], re.findall("Not checked.*", card["detail"]), len(card["suggestions"]))
        for card in answer.get_json()["cards"]
    ]


def one_feedback(fresh: Fresh, kind: str, n: int, lasting: bool) -> int:
    """A feedback: it is stored and acknowledged, or 503, and the same one sent again is stored once."""
    service, said = fresh()
    service.start()
    item = {"card": str(uuid.uuid4()), "outcome": "overridden",
            "outcomeTimestamp": datetime.now(UTC).isoformat()}  # fmt: skip
    with failing(kind, n, lasting=lasting) as faults:
        answer = service.post({"feedback": [item]}, f"{PATH}/feedback")
    assert answer.status_code in (200, 503), f"{kind} {n}: {answer.status_code}"
    if answer.status_code == 503:
        assert said.troubles(service), f"{kind} {n} is not told"
    stored = _feedback_rows(service)
    assert stored or answer.status_code == 503, f"{kind} {n}: acknowledged and not stored"
    again = service.post({"feedback": [item]}, f"{PATH}/feedback")
    assert again.status_code == 200, f"{kind} {n}: the next feedback fails too"
    assert _feedback_rows(service) == 1
    return faults.seen


def _feedback_rows(service: Service) -> int:
    from cds_service.store.tables import FEEDBACK

    assert service.app is not None
    return rows(runtime_of(service.app).database, FEEDBACK)


def one_reload(fresh: Fresh, kind: str, n: int, lasting: bool) -> int:
    """A changed clients.toml: the new registry, or the old one with word of it, until the next look."""
    service, said = fresh()
    app = service.start()
    with service.registry.open("a", encoding="utf-8") as file:
        file.write('\n[clients.anne]\nissuer = "https://anne.example"\njwks_file = "mercy.json"\n')
    known = runtime_of(app).registry

    def names() -> set[str]:
        for _ in range(2):  # a change counts if two looks find it
            assert isinstance(known, Callable)  # type: ignore[arg-type]
            _look_now(known)
        return {client.name for client in known().clients}

    with failing(kind, n, lasting=lasting) as faults:
        now, outdated = names(), known().outdated
    assert {"mercy"} <= now
    if now == {"mercy"}:
        assert outdated
        assert said.troubles(service), f"{kind} {n} is not told"
    assert names() == {"mercy", "anne"}, f"{kind} {n}: it stays old, though its file is good"
    assert not known().outdated
    return faults.seen


def _look_now(known: Callable[[], object]) -> None:
    keeper = known.__self__  # type: ignore[attr-defined]
    assert isinstance(keeper, current.CurrentRegistry)
    keeper._next_look = keeper._try_again = 0.0
    known()


def one_start(fresh: Fresh, kind: str, n: int, lasting: bool) -> int:
    """A start: it serves, or ends with one line; the next one serves."""
    service, _ = fresh()
    with failing(kind, n, lasting=lasting) as faults:
        try:
            service.start()
        except ConfigurationError:
            service.app = None  # one line for the operator, and no start
    seen = faults.seen
    if service.app is not None:
        assert service.post(call_body(service.fhir)).status_code == 200
    service.close()
    service.start()
    assert service.post(call_body(service.fhir)).status_code == 200
    return seen


OPERATIONS: dict[str, Operation] = {
    "call": one_call,
    "feedback": one_feedback,
    "reload": one_reload,
    "start": one_start,
}


def try_all(operation: str, kind: str, fresh: Fresh, request: pytest.FixtureRequest) -> None:
    """Counts the operations of this kind, and then makes one after the other fail."""
    run = OPERATIONS[operation]
    number = run(fresh, kind, 0, False)
    for n in every(number, request):
        for lasting in LASTING:
            run(fresh, kind, n, lasting)
    request.node.user_properties.append(("figure", f"{operation}, {kind}: {number}"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_one_fault_costs_one_operation_and_is_told(
    operation: str, kind: str, fresh: Fresh, request: pytest.FixtureRequest
) -> None:
    try_all(operation, kind, fresh, request)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_fault_costs_one_operation_and_is_told(
    operation: str, kind: str, fresh: Fresh, request: pytest.FixtureRequest
) -> None:
    try_all(operation, kind, fresh, request)
