"""A FHIR server for tests that takes what is written to it, and can be as difficult as real ones are."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cds_service.demo.fhir_server import MemoryServer, Query
from cds_service.errors import BadRequest, NotFound
from cds_service.protocol.documents import operation_outcome

Resource = dict[str, Any]


@dataclass
class Habits:
    """How this server differs from one that takes everything."""

    transactions: bool = True
    checks_references: bool = True
    fhir_version: str = "4.0.1"
    token: str = ""
    # Method, path and how many requests there have been: the status to answer, or None for the usual.
    trouble: Callable[[str, str, int], int | None] = lambda method, path, number: None


@dataclass
class Held:
    """What it holds, and what it was asked."""

    resources: dict[str, Resource] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)


class FhirStore(ThreadingHTTPServer):
    """Holds resources by type and id; searches them as the demo's own server does."""

    daemon_threads = True

    def __init__(self, habits: Habits, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.habits = habits
        self.held = Held()
        self.base = f"http://127.0.0.1:{self.server_address[1]}/fhir"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that breaks off, as some tests make it do, is no news; the test may be over by then."""

    def put(self, name: str, resource: Resource, beside: set[str]) -> int:
        """201 or 200, or the status of a refusal."""
        type_, _, id_ = name.partition("/")
        if resource.get("resourceType") != type_ or resource.get("id") != id_ or id_.isdigit():
            return 400
        known = self.held.resources.keys() | beside
        if self.habits.checks_references and not _references(resource) <= known:
            return 409
        status = 200 if name in self.held.resources else 201
        self.held.resources[name] = resource
        return status

    def memory(self) -> MemoryServer:
        """Its reads and searches."""
        return MemoryServer(self.base, self.held.resources.values())


def _references(value: object) -> set[str]:
    if isinstance(value, dict):
        own = {value["reference"]} if isinstance(value.get("reference"), str) else set()
        return own.union(*map(_references, value.values()))
    return set().union(*map(_references, value)) if isinstance(value, list) else set()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: FhirStore

    def do_GET(self) -> None:
        self._answer(self._read)

    def do_PUT(self) -> None:
        self._answer(self._put)

    def do_POST(self) -> None:
        self._answer(self._transaction)

    def _answer(self, usual: Callable[[Any], tuple[int, Resource]]) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        here = self.server
        here.held.asked.append((self.command, self._path))
        status = here.habits.trouble(self.command, self._path, len(here.held.asked))
        if here.habits.token and self.headers.get("Authorization") != f"Bearer {here.habits.token}":
            status = 401
        if status is None:
            self._say(*usual(json.loads(raw) if raw else None))
        else:
            self._say(status, operation_outcome("exception", "Sent by a test.", "none"))

    def _read(self, _: object) -> tuple[int, Resource]:
        parts = self._path.split("/")
        memory = self.server.memory()
        if parts == ["metadata"]:
            return 200, memory.metadata("2026-11-20") | {
                "fhirVersion": self.server.habits.fhir_version
            }
        search = dict(parse_qsl(urlsplit(self.path).query))
        try:
            found = (
                memory.read(*parts) if len(parts) == 2 else memory.search(Query(parts[0], search))
            )
        except (NotFound, BadRequest) as error:
            return error.status, operation_outcome(error.code, error.message, "none")
        return 200, found

    def _put(self, resource: Resource) -> tuple[int, Resource]:
        return self.server.put(self._path, resource, set()), resource

    def _transaction(self, bundle: Resource) -> tuple[int, Resource]:
        if not self.server.habits.transactions or self._path:
            return 405, operation_outcome("not-supported", "No transactions.", "none")
        beside = {entry["request"]["url"] for entry in bundle["entry"]}
        said = [
            self.server.put(e["request"]["url"], e["resource"], beside) for e in bundle["entry"]
        ]
        entries = [{"response": {"status": str(status)}} for status in said]
        return 200, {"resourceType": "Bundle", "type": "transaction-response", "entry": entries}

    @property
    def _path(self) -> str:
        return urlsplit(self.path).path.removeprefix("/fhir").strip("/")

    def _say(self, status: int, body: Resource) -> None:
        raw = json.dumps(body, default=float).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/fhir+json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def fhir_store(habits: Habits | None = None, port: int = 0) -> Iterator[FhirStore]:
    """Such a server, running."""
    store = FhirStore(habits or Habits(), port)
    thread = threading.Thread(
        target=store.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    )
    thread.start()
    try:
        yield store
    finally:
        store.shutdown()
        store.server_close()
        thread.join()
