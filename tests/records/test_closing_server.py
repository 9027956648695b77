"""A server that closes the connection after each answer is read like any other."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cds_service.records.client import Access, FhirClient, Wanted
from cds_service.trust.deadline import Deadline

OBSERVATION = {"resourceType": "Observation", "id": "o1", "note": [{"text": "x" * 200_000}]}
BUNDLE = {"resourceType": "Bundle", "total": 1, "entry": [{"resource": OBSERVATION}]}


class _Closing(BaseHTTPRequestHandler):
    closes_by: str

    def do_GET(self) -> None:
        body = json.dumps(BUNDLE).encode()
        self.send_response(200)
        if self.closes_by != "no length":
            self.send_header("Content-Length", str(len(body)))
        if self.closes_by == "header":
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return None


@pytest.fixture(params=["version", "header", "no length"])
def base(request: pytest.FixtureRequest) -> Iterator[str]:
    protocol = "HTTP/1.1" if request.param == "header" else "HTTP/1.0"
    handler = type(
        "Closing", (_Closing,), {"closes_by": request.param, "protocol_version": protocol}
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_its_answers_arrive_whole_and_again(base: str) -> None:
    access = Access(client="ehr", base=base, token=None, allow_private=True)
    reads = FhirClient().reads(access, Deadline.after(5))
    for _ in range(6):  # more than the breaker would forgive
        wanted = Wanted(key="sodium", url="Observation?patient=1", expected="Observation")
        read = reads.all([wanted])["sodium"]
        assert read.missing is None
        assert [r.id for r in read.resources] == ["o1"]
