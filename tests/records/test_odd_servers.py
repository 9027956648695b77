"""Habits of real FHIR servers and of the proxies before them are read, or named as not read."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from cds_service.records.client import Access, FhirClient, Read, Wanted
from cds_service.sodium.snapshot import Missing
from cds_service.trust.deadline import Deadline
from cds_service.trust.guard import canonical_base
from tests.patience import PATIENCE_S

DEADLINE_S = 0.6
Answer = Callable[[BaseHTTPRequestHandler, str], None]


def result(number: int) -> dict[str, Any]:
    return {"resourceType": "Observation", "id": f"o{number}", "note": [{"text": "n" * 3000}]}


def bundle(*numbers: int, **more: Any) -> dict[str, Any]:
    entries = [{"resource": result(number)} for number in numbers]
    return {"resourceType": "Bundle", "type": "searchset", "entry": entries, **more}


def send(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def chunks(handler: BaseHTTPRequestHandler, body: bytes, size: int, **headers: str) -> None:
    handler.send_response(200)
    for name, value in {"Transfer-Encoding": "chunked", **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    for at in range(0, len(body), size):
        part = body[at : at + size]
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
    handler.wfile.write(b"0\r\n\r\n")


WHOLE = json.dumps(bundle(1, 2)).encode()


@contextmanager
def serving(answer: Answer, host: str = "127.0.0.1") -> Iterator[str]:
    """A server that gives `answer(handler, base)` to each GET."""

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        daemon_threads = True
        block_on_close = False

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            try:
                answer(self, base)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            return None

    server = Server((host, 0), Handler)
    named = f"[{host}]" if ":" in host else host
    base = f"http://{named}:{server.server_port}/fhir"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield base
    server.shutdown()
    server.server_close()
    thread.join()


def read_from(base: str, times: int = 1, seconds: float = PATIENCE_S) -> Read:
    client = FhirClient()
    access = Access(client="ehr", base=canonical_base(base) or "", token=None, allow_private=True)
    wanted = Wanted(key="sodium", url="Observation?patient=1", expected="Observation")
    for _ in range(times):
        read = client.reads(access, Deadline.after(seconds)).all([wanted])["sodium"]
    client.close()
    return read


@dataclass
class Pages:
    """Three pages of one result each; `link` makes the next link from base and page number."""

    link: Callable[[str, int], object]
    more: dict[str, Any] = field(default_factory=dict)

    def __call__(self, handler: BaseHTTPRequestHandler, base: str) -> None:
        page = int(handler.path.rpartition("page=")[2]) if "page=" in handler.path else 1
        links = [{"relation": "self", "url": base}]
        if page < 3:
            next_link: Any = {"relation": "next", "url": self.link(base, page + 1)}
            links.append(next_link)
        send(handler, json.dumps(bundle(page, link=links, **self.more)).encode())


READ_WHOLE: dict[str, Answer] = {
    "plain JSON, no charset": lambda h, _: send(h, WHOLE, Content_Type="application/json"),
    "no content type": lambda h, _: send(h, WHOLE),
    "a byte order mark": lambda h, _: send(h, b"\xef\xbb\xbf" + WHOLE),
    "gzip": lambda h, _: send(h, gzip.compress(WHOLE), Content_Encoding="gzip"),
    "gzip, no length": lambda h, _: chunks(h, gzip.compress(WHOLE), 7, Content_Encoding="gzip"),
    "small chunks": lambda h, _: chunks(h, WHOLE, 100),
    "status 203 of a proxy": lambda h, _: send(h, WHOLE, 203),
    "a cookie on each answer": lambda h, _: send(h, WHOLE, Set_Cookie="a=b; Path=/"),
    "a warning among the entries": lambda h, _: send(
        h,
        json.dumps(
            {
                **bundle(1, 2),
                "entry": [
                    *bundle(1, 2)["entry"],
                    {
                        "search": {"mode": "outcome"},
                        "resource": {
                            "resourceType": "OperationOutcome",
                            "issue": [{"severity": "warning"}],
                        },
                    },
                ],
            }
        ).encode(),
    ),
}


@pytest.mark.parametrize("answer", READ_WHOLE.values(), ids=READ_WHOLE)
def test_an_odd_answer_is_read_whole_and_again_over_the_same_connection(answer: Answer) -> None:
    with serving(answer) as base:
        read = read_from(base, times=3)
    assert read.missing is None
    assert [r.id for r in read.resources] == ["o1", "o2"]


NEXT_LINKS: dict[str, Callable[[str, int], object]] = {
    "absolute": lambda base, page: f"{base}/Observation?patient=1&page={page}",
    "relative": lambda _, page: f"Observation?patient=1&page={page}",
    "relative to the host": lambda _, page: f"/fhir/Observation?page={page}",
    "an opaque token on the base": lambda base, page: f"{base}?_getpages=3f0c%2B%2F%3D&page={page}",
    "upper-case scheme": lambda base, page: f"HTTP{base[4:]}/Observation?page={page}",
    "a long token": lambda base, page: f"{base}/Observation?ct={'x' * 4000}&page={page}",
}


@pytest.mark.parametrize("link", NEXT_LINKS.values(), ids=NEXT_LINKS)
@pytest.mark.parametrize("more", [{}, {"total": 3}], ids=["no total", "total"])
def test_next_links_of_every_kind_are_followed_to_the_end(
    link: Callable[[str, int], object], more: dict[str, Any]
) -> None:
    with serving(Pages(link, more)) as base:
        read = read_from(base)
    assert (read.missing, len(read.bodies)) == (None, 3)
    assert [r.id for r in read.resources] == ["o1", "o2", "o3"]


@pytest.mark.parametrize(
    "link",
    [
        lambda base, _: base.replace("127.0.0.1", "127.0.0.2") + "/Observation?page=2",
        lambda base, _: base.replace("/fhir", "/other") + "/Observation?page=2",
        lambda _, __: 7,
        lambda base, _: f"{base}/Observation?patient=1",  # the first page again
    ],
    ids=["another host", "beside the base", "no text", "a loop"],
)
def test_a_next_link_that_leads_nowhere_we_go_leaves_the_key_incomplete(
    link: Callable[[str, int], object],
) -> None:
    with serving(Pages(link)) as base:
        read = read_from(base)
    assert read.missing is Missing.TRUNCATED
    assert [r.id for r in read.resources] == ["o1"]


def half(handler: BaseHTTPRequestHandler, base: str) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(WHOLE)))
    handler.end_headers()
    handler.wfile.write(WHOLE[: len(WHOLE) // 2])
    handler.close_connection = True


def drip(handler: BaseHTTPRequestHandler, base: str) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(WHOLE)))
    handler.end_headers()
    for byte in WHOLE:
        handler.wfile.write(bytes((byte,)))
        time.sleep(0.05)


def gzip_drip(handler: BaseHTTPRequestHandler, base: str) -> None:
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for byte in gzip.compress(WHOLE):
        handler.wfile.write(b"1\r\n%s\r\n" % bytes((byte,)))
        time.sleep(0.05)


BOMB = gzip.compress(bytes(60_000_000))
NOT_READ: dict[str, tuple[Answer, Missing]] = {
    "nothing (204)": (lambda h, _: send(h, b"", 204), Missing.FAILED),
    "an empty body": (lambda h, _: send(h, b""), Missing.FAILED),
    "a login page": (
        lambda h, _: send(h, b"<html>Sign in</html>", Content_Type="text/html"),
        Missing.FAILED,
    ),
    "a redirect to https": (
        lambda h, base: send(h, b"", 301, Location=base.replace("http:", "https:")),
        Missing.FAILED,
    ),
    "a redirect to a login page": (
        lambda h, _: send(h, b"", 302, Location="/login"),
        Missing.FAILED,
    ),
    "an OperationOutcome with status 200": (
        lambda h, _: send(h, b'{"resourceType":"OperationOutcome","issue":[{"severity":"error"}]}'),
        Missing.FAILED,
    ),
    "XML": (lambda h, _: send(h, b'<Bundle xmlns="http://hl7.org/fhir"/>'), Missing.FAILED),
    "half a body": (half, Missing.FAILED),
    "a gzip body that is none": (
        lambda h, _: send(h, WHOLE, Content_Encoding="gzip"),
        Missing.FAILED,
    ),
    "a gzip bomb": (lambda h, _: send(h, BOMB, Content_Encoding="gzip"), Missing.FAILED),
    "a body of 60 MB": (lambda h, _: send(h, bytes(60_000_000)), Missing.FAILED),
    "no access": (lambda h, _: send(h, b"{}", 401), Missing.REFUSED),
    "no scope": (lambda h, _: send(h, b"{}", 403), Missing.REFUSED),
    "no such type": (lambda h, _: send(h, b"{}", 404), Missing.FAILED),
    "one byte at a time": (drip, Missing.TIMEOUT),
    "one byte of gzip at a time": (gzip_drip, Missing.TIMEOUT),
    "no answer": (lambda h, _: time.sleep(2), Missing.TIMEOUT),
}


@pytest.mark.parametrize(("answer", "missing"), NOT_READ.values(), ids=NOT_READ)
def test_an_answer_that_is_none_is_named_as_not_read_inside_the_deadline(
    answer: Answer, missing: Missing
) -> None:
    """What dawdles would end as something else if it were waited for: whole, or broken off."""
    seconds = DEADLINE_S if missing is Missing.TIMEOUT else PATIENCE_S
    with serving(answer) as base:
        read = read_from(base, seconds=seconds)
    assert (read.missing, read.resources) == (missing, ())


def test_a_server_is_read_under_ipv6_and_under_a_name_in_capitals() -> None:
    def answer(handler: BaseHTTPRequestHandler, base: str) -> None:
        send(handler, WHOLE)

    if socket.has_ipv6:
        with serving(answer, "::1") as base:
            assert read_from(base).missing is None
    with serving(answer) as base:
        assert read_from(base.replace("127.0.0.1", "LocalHost")).missing is None
