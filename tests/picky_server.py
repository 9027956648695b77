"""A FHIR server of a few results that refuses what a test says, as servers in the field do."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

Resource = dict[str, Any]


@dataclass
class Asked:
    """One request: its method, its type and id, and its parameters as they were sent."""

    method: str
    path: str
    parameters: dict[str, str]
    headers: Mapping[str, str]
    length: int  # of path and query

    @property
    def kind(self) -> str:
        """The type of resource."""
        return self.path.split("/")[0]

    @property
    def codes(self) -> int:
        """How many codes a search asks for."""
        return self.parameters.get("code", "").count(",") + ("code" in self.parameters)


@dataclass
class Answer:
    """A refusal; status 200 with an OperationOutcome is one too."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)


Refuses = Callable[[Asked], Answer | int | None]


def nothing(asked: Asked) -> None:
    """Refuses nothing."""


class Picky(ThreadingHTTPServer):
    """Holds resources; each search is checked by `refuses` first. `page` is its own page size."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, resources: Sequence[Resource], refuses: Refuses = nothing) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.resources = list(resources)
        self.refuses = refuses
        self.page = 1000
        self.sorts = True
        self.knows_date = True
        self.link_base = self.base
        self.asked: list[Asked] = []
        self.ending = threading.Event()

    @property
    def base(self) -> str:
        """Its FHIR base URL."""
        return f"http://127.0.0.1:{self.server_address[1]}/fhir"

    def searches(self, kind: str = "Observation") -> list[Asked]:
        """The searches for one type, in the order in which they came."""
        return [one for one in self.asked if one.kind == kind and "_id" not in one.parameters]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""


@contextmanager
def picky(resources: Sequence[Resource], refuses: Refuses = nothing) -> Iterator[Picky]:
    """Runs a picky server."""
    server = Picky(resources, refuses)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.ending.set()
        server.shutdown()
        server.server_close()


def _patient_of(resource: Resource) -> str:
    return str(resource["subject"]["reference"].rpartition("/")[2])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Picky

    def do_GET(self) -> None:
        self._answer("")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])).decode("ascii"))

    def log_message(self, format: str, *args: object) -> None:
        return

    def _answer(self, form: str) -> None:
        url = urlsplit(self.path)
        path = url.path.removeprefix("/fhir").strip("/").removesuffix("/_search")
        pairs = {name: ",".join(all_) for name, all_ in parse_qs(url.query + form).items()}
        asked = Asked(self.command, path, pairs, dict(self.headers), len(self.path))
        self.server.asked.append(asked)
        refusal = self.server.refuses(asked)
        if refusal is None:
            self._say(200, self._found(asked))
            return
        refusal = Answer(refusal) if isinstance(refusal, int) else refusal
        issue = {"severity": "error", "code": "invalid"}
        body = {"resourceType": "OperationOutcome", "issue": [issue]}
        self._say(refusal.status, body, refusal.headers)

    def _found(self, asked: Asked) -> Resource:
        kind, _, identity = asked.path.partition("/")
        kept = [r for r in self.server.resources if r["resourceType"] == kind]
        if identity:
            return next((r for r in kept if r["id"] == identity), {"resourceType": "Nothing"})
        here, wanted = self.server, asked.parameters
        if "patient" in wanted:
            kept = [r for r in kept if _patient_of(r) == wanted["patient"]]
        if "code" in wanted:
            tokens = {token.rpartition("|")[2] for token in wanted["code"].split(",")}
            kept = [r for r in kept if r["code"]["coding"][0]["code"] in tokens]
        if "date" in wanted and here.knows_date:
            since = wanted["date"].removeprefix("ge")
            kept = [r for r in kept if r["effectiveDateTime"] >= since]
        newest_first = here.sorts and wanted.get("_sort") == "-date"
        kept.sort(key=lambda r: r.get("effectiveDateTime", ""), reverse=newest_first)
        size = min(here.page, int(wanted.get("_count", 1000)))
        first = int(wanted.get("page", 0)) * size
        bundle: Resource = {"resourceType": "Bundle", "type": "searchset", "total": len(kept)}
        bundle["entry"] = [{"resource": r} for r in kept[first : first + size]]
        if first + size < len(kept):
            rest = dict(parse_qsl(urlsplit(self.path).query))
            query = "&".join(
                f"{n}={v}" for n, v in {**rest, "page": int(wanted.get("page", 0)) + 1}.items()
            )
            link = f"{here.link_base}/{kind}?{query}"
            bundle["link"] = [{"relation": "next", "url": link.replace("|", "%7C")}]
        return bundle

    def _say(self, status: int, body: Resource, headers: Mapping[str, str] | None = None) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(raw)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)
