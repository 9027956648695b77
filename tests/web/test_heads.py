"""A head that two programs could read differently is refused by the service itself."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.cluster.load import Node, running
from tests.patience import PATIENCE_S
from tests.web.heads import (
    CHUNKED,
    HIDDEN,
    HOSTS_THAT_DIFFER,
    REFUSED,
    REFUSED_BY_THE_SERVICE,
    answers,
    get,
    get_from,
    post,
)

_HEADS = REFUSED | REFUSED_BY_THE_SERVICE | HOSTS_THAT_DIFFER


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("heads")
    (folder / "clients.toml").write_text("[clients.mercy]\n")
    environment = {
        "CDS_CLIENTS_FILE": f"{folder}/clients.toml",
        "CDS_DATA_DIR": f"{folder}",
        "CDS_DRAIN_SECONDS": "0",
    }
    one = Node(folder, environment)
    with running(one):
        yield one


def said(node: Node, sent: bytes) -> list[int]:
    with socket.create_connection(("127.0.0.1", node.port), timeout=PATIENCE_S) as connection:
        return answers(connection, sent)


@pytest.mark.parametrize("name", _HEADS)
def test_t77_a_doubtful_head_is_refused_and_what_follows_is_not_read(node: Node, name: str) -> None:
    assert said(node, _HEADS[name] + HIDDEN) == [400]


def test_t77_of_a_length_beside_chunks_the_chunks_count_and_the_connection_ends(
    node: Node,
) -> None:
    """The server library drops the length before we see it, and closes: RFC 9112, 6.1."""
    lines = ("Content-Length: 6", "Transfer-Encoding: chunked")
    for order in (lines, lines[::-1]):
        assert said(node, post("Host: a", *order, body=CHUNKED) + HIDDEN) == [400]


def test_t77_a_bare_lf_ends_a_line_and_hides_nothing(node: Node) -> None:
    """RFC 9112, 2.2, allows it; the library reads it so, and so does nginx."""
    plain = get("Host: a")
    assert said(node, plain.replace(b"\r\n", b"\n") + HIDDEN) == [200, 200]
    chunk = post("Host: a", "Transfer-Encoding: chunked", body=CHUNKED.replace("2\r\n", "2\n"))
    assert said(node, chunk + HIDDEN) == [400]


@pytest.mark.parametrize("host", ["a.example", "a.example:8642", "10.0.0.7:8642", "[::1]:8642"])
def test_a_host_as_clients_and_probes_send_it_is_read(node: Node, host: str) -> None:
    assert said(node, get(f"Host: {host}", "Connection: close")) == [200]
    assert said(node, get_from(host, f"Host: {host}", "Connection: close")) == [200]


def test_an_old_probe_needs_no_host(node: Node) -> None:
    with socket.create_connection(("127.0.0.1", node.port), timeout=PATIENCE_S) as connection:
        connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.0 200")
