"""A real nginx with deploy/nginx/nginx.conf in front of a real service breaks no call."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPResponse
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import requests

from cds_service.cli.listener import Listener
from cds_service.cli.run import free_port
from cds_service.demo.stories import Story
from tests.cli.test_servers import started
from tests.databases import certified
from tests.patience import PATIENCE_S, UNHURRIED
from tests.proxy import CONF, MUTUAL_TLS, Proxy, asking_for_certificates, nginx
from tests.web.heads import (
    CHUNKED,
    HIDDEN,
    REFUSED,
    REFUSED_BY_THE_SERVICE,
    UNKNOWN_CODINGS,
    answers,
    get,
    post,
)

ROOT = Path(__file__).parents[1]
VIEW = "hyponatremia-patient-view"
pytestmark = pytest.mark.skipif(not CONF.is_file(), reason="a wheel has no deploy/")


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """Starts nginx in front of `cds-service serve` in development mode."""
    folder = tmp_path_factory.mktemp("nginx")
    port = free_port("127.0.0.1")
    (folder / "clients.toml").write_text("[clients.mercy]\n")
    environment = {
        "CDS_MODE": "development",
        "CDS_CLIENTS_FILE": f"{folder}/clients.toml",
        "CDS_DATA_DIR": f"{folder}/data",
        "CDS_PORT": str(port),
        "CDS_DRAIN_SECONDS": "0",
        "CDS_CORS_ORIGINS": "https://ehr.example",
    }
    service = subprocess.Popen(
        [sys.executable, "-m", "cds_service", "serve"],
        env=os.environ | UNHURRIED | environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        started(service, f"http://127.0.0.1:{port}")  # type: ignore[arg-type]  # its output is not read
        with nginx(folder, f"127.0.0.1:{port}") as running:
            yield running
    finally:
        service.send_signal(signal.SIGTERM)
        assert service.wait(PATIENCE_S) == 0


def test_a_hook_call_gets_its_cards_over_tls(proxy: Proxy, stories: dict[str, Story]) -> None:
    story = stories["cramps-in-siadh"]
    from datetime import UTC, datetime

    call = json.dumps(story.request_at(datetime.now(UTC)), default=float)
    headers = {"Content-Type": "application/json", "Origin": "https://ehr.example"}
    answer = proxy.post(f"/cds-services/{VIEW}", data=call, headers=headers)
    assert answer.status_code == 200
    assert [card["source"]["topic"]["code"] for card in answer.json()["cards"]] == [
        card.topic for card in story.file.cards
    ]
    assert answer.headers["Access-Control-Allow-Origin"] == "https://ehr.example"
    preflight = requests.options(
        f"{proxy.url}/cds-services/{VIEW}",
        headers={"Origin": "https://ehr.example", "Access-Control-Request-Method": "POST"},
        verify=str(proxy.certificate),
        timeout=PATIENCE_S,
    )
    assert preflight.headers["Access-Control-Allow-Origin"] == "https://ehr.example"
    assert "Server" not in answer.headers or "/" not in answer.headers["Server"]


@pytest.mark.parametrize("name", REFUSED)
def test_t77_a_doubtful_head_is_refused_by_the_proxy(proxy: Proxy, name: str) -> None:
    with proxy.raw() as connection:
        (status,) = answers(connection, REFUSED[name] + HIDDEN)
    assert status == (501 if name in UNKNOWN_CODINGS else 400)


def test_t77_a_request_with_two_lengths_is_refused_by_the_proxy(proxy: Proxy) -> None:
    """The service behind it would take the chunks, and close: only the proxy refuses."""
    lines = ("Content-Length: 6", "Transfer-Encoding: chunked")
    for order in (lines, lines[::-1]):
        with proxy.raw() as connection:
            assert answers(connection, post("Host: a", *order, body=CHUNKED) + HIDDEN) == [400]


@pytest.mark.parametrize("name", REFUSED_BY_THE_SERVICE)
def test_t77_behind_the_proxy_the_service_refuses_what_nginx_lets_through(
    proxy: Proxy, name: str
) -> None:
    with proxy.raw() as connection:
        # nginx knows where the first request ends: the second is one of its own.
        assert answers(connection, REFUSED_BY_THE_SERVICE[name] + HIDDEN) == [400, 200]


def test_t77_a_bare_lf_hides_nothing_behind_the_proxy(proxy: Proxy) -> None:
    chunk = post("Host: a", "Transfer-Encoding: chunked", body=CHUNKED.replace("2\r\n", "2\n"))
    for sent, wanted in ((get("Host: a").replace(b"\r\n", b"\n"), [200, 200]), (chunk, [400, 200])):
        with proxy.raw() as connection:
            assert answers(connection, sent + HIDDEN) == wanted


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (REFUSED["an unknown coding"], 501),
        (get("Host: a").replace(b"HTTP/1.1", b"HTTP/3.0"), 505),
        (get("Host: a", "X-Y: " + "z" * 20000), 400),
        (get("Host: a").replace(b"GET", b"TRACE"), 405),
    ],
    ids=["coding", "version", "long header", "method"],
)
def test_what_only_the_proxy_refuses_is_an_outcome_too(
    proxy: Proxy, sent: bytes, status: int
) -> None:
    with proxy.raw() as connection:
        connection.sendall(sent)
        answer = HTTPResponse(connection)
        answer.begin()
        assert answer.status == status
        assert json.load(answer)["resourceType"] == "OperationOutcome"


def test_plain_http_on_the_port_of_tls_gets_an_outcome(proxy: Proxy) -> None:
    answer = requests.get(f"http://localhost:{proxy.port}/health", timeout=PATIENCE_S)
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (400, "invalid")


@pytest.mark.parametrize("path", ["/cds-services/..%2f..%2fetc%2fpasswd", "/cds-services/%00"])
def test_a_path_that_the_proxy_cannot_read_gets_an_outcome(proxy: Proxy, path: str) -> None:
    for answer in (proxy.get(path), proxy.post(path, json={})):
        assert answer.status_code == 400
        assert answer.json()["issue"][0]["code"] == "invalid"


def test_a_body_over_the_limit_is_refused_with_an_outcome(proxy: Proxy) -> None:
    headers = {"Content-Type": "application/json"}
    fits = b"[" + b" " * 1_999_998 + b"]"
    assert proxy.post(f"/cds-services/{VIEW}", data=fits, headers=headers).status_code == 400
    answer = proxy.post(f"/cds-services/{VIEW}", data=fits + b" ", headers=headers)
    assert answer.status_code == 413
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert answer.json()["issue"][0]["code"] == "too-long"


def test_bodies_that_never_come_hold_the_proxy_and_not_the_service(proxy: Proxy) -> None:
    head = (
        f"POST /cds-services/{VIEW} HTTP/1.1\r\nHost: localhost\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    ).encode()
    with ExitStack() as stack:
        stalled = [stack.enter_context(proxy.raw()) for _ in range(40)]
        for connection in stalled:
            connection.sendall(head)
        assert proxy.get("/health").status_code == 200
        assert proxy.post(f"/cds-services/{VIEW}", json={}).status_code == 400
        # nginx ends them after client_body_timeout: without a word, with 408, or with a reset.
        with suppress(ConnectionResetError):
            assert stalled[0].recv(100)[:12] in (b"", b"HTTP/1.1 408")


def test_no_call_meets_a_connection_that_the_service_has_just_closed(proxy: Proxy) -> None:
    """The service closes idle connections after 5 s; nginx closes them after 4 s."""
    for pause in (0.0, 3.9, 5.0):
        time.sleep(pause)
        assert [proxy.get("/ready").status_code for _ in range(4)] == [200] * 4


def test_with_mutual_tls_a_caller_without_a_certificate_is_refused_in_words(tmp_path: Path) -> None:
    authority = certified(tmp_path / "ehr", "ehr.example")
    own = (str(authority), str(authority.with_name("key.pem")))
    lines = asking_for_certificates(tmp_path, authority)
    with nginx(tmp_path, f"127.0.0.1:{free_port('127.0.0.1')}", below=(lines,)) as proxy:
        stranger, known = proxy.get("/health"), proxy.get("/health", cert=own)
    assert (stranger.status_code, stranger.json()["issue"][0]["code"]) == (400, "invalid")
    assert known.status_code == 502, "it passes the proxy; behind this one is no service"
    guide = (ROOT / "docs" / "container.md").read_text(encoding="utf-8")
    assert "\n".join(MUTUAL_TLS) in guide


def test_only_what_the_service_reads_goes_through(tmp_path: Path) -> None:
    seen: dict[str, str] = {}

    class Upstream(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.update({name.lower(): value for name, value in self.headers.items()})
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Upstream)
    Thread(target=server.serve_forever, daemon=True).start()
    sent = {
        "Authorization": "Bearer x.y.z",
        "Content-Type": "application/json",
        "X-Forwarded-For": "10.0.0.1",
        "Forwarded": "for=10.0.0.1",
        "X-Real-IP": "10.0.0.1",
        "Cookie": "a=b",
        "User-Agent": "an EHR",
        "X-Original-URL": "/metrics",
        "X-Request-ID": "ehr-request-0001",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    }
    with nginx(tmp_path, f"127.0.0.1:{server.server_address[1]}") as proxy:
        assert (
            proxy.post(f"/cds-services/{VIEW}", data=iter([b"{", b"}"]), headers=sent).status_code
            == 204
        )
        server.shutdown()
        server.server_close()
        down = proxy.get("/cds-services")
    assert set(seen) == {
        "authorization",
        "content-type",
        "content-length",
        "host",
        "accept",
        "x-forwarded-for",
        "x-request-id",
        "traceparent",
    }
    assert seen["x-request-id"] == "ehr-request-0001"
    assert seen["x-forwarded-for"] == "127.0.0.1", "what nginx saw, not what the client claims"
    assert seen["content-length"] == "2"  # chunked by the client, whole for the service
    assert down.status_code == 502
    assert down.json()["issue"][0]["code"] == "transient"


def test_a_node_that_restarts_costs_no_call_and_a_call_that_was_sent_is_sent_once(
    tmp_path: Path,
) -> None:
    with nodes(2) as (alive, taken):
        stopped = f"127.0.0.1:{free_port('127.0.0.1')}"
        with nginx(tmp_path, stopped, *alive) as running:
            answers = [status(running, f"call-{number:04}") for number in range(20)]
            cut = status(running, "cut-00000001")
    assert answers == [204] * 20
    assert cut == 502
    assert len(taken) == len(set(taken)) == 21


def test_a_node_that_takes_no_connection_and_refuses_none_costs_no_call(tmp_path: Path) -> None:
    """So is one that is just about to stop, and one whose machine is gone."""
    with socket.create_server(("127.0.0.1", 0)) as leaving, nodes(1) as (alive, taken):
        Listener(leaving.fileno()).refuse_new()
        silent = f"127.0.0.1:{leaving.getsockname()[1]}"
        with nginx(tmp_path, silent, *alive) as running:
            answers = [status(running, f"call-{number:04}") for number in range(3)]
    assert answers == [204] * 3
    assert len(taken) == len(set(taken)) == 3


def status(through: Proxy, name: str) -> int:
    headers = {"X-Request-ID": name, "Content-Type": "application/json"}
    return through.post(f"/cds-services/{VIEW}", data=b"{}", headers=headers).status_code


@contextmanager
def nodes(count: int) -> Iterator[tuple[list[str], list[str]]]:
    """Nodes that answer every call but those that they cut; their addresses, and what they took."""
    taken: list[str] = []

    class Node(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(self.headers["X-Request-ID"])
            self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers["X-Request-ID"].startswith("cut"):
                self.close_connection = True  # as a node that is killed in the midst of a call
                return
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    servers = [HTTPServer(("127.0.0.1", 0), Node) for _ in range(count)]
    for server in servers:
        Thread(target=server.serve_forever, daemon=True).start()
    yield [f"127.0.0.1:{server.server_address[1]}" for server in servers], taken
    for server in servers:
        server.shutdown()
        server.server_close()


def test_the_certificate_is_for_this_machine_and_kept_while_it_is_good(tmp_path: Path) -> None:
    make = [sys.executable, f"{ROOT}/deploy/nginx/certificate.py", f"{tmp_path}"]
    subprocess.run(make, check=True, capture_output=True)
    first = (tmp_path / "certificate.pem").read_bytes()
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600
    result = subprocess.run(make, check=True, capture_output=True, text=True).stdout
    assert "good until" in result
    assert (tmp_path / "certificate.pem").read_bytes() == first
