"""Heads that two programs could read differently, as bytes for a raw connection."""

from __future__ import annotations

import socket

VIEW = "/cds-services/hyponatremia-patient-view"
# What is sent right behind each head: whoever takes it for a request of its own was smuggled.
HIDDEN = b"GET /ready HTTP/1.1\r\nHost: hidden.example\r\nConnection: close\r\n\r\n"


def get(*lines: str) -> bytes:
    """A GET of /health with these header lines."""
    return "\r\n".join(["GET /health HTTP/1.1", *lines, "", ""]).encode()


def get_from(host: str, *lines: str) -> bytes:
    """A GET of /health that names this host in its first line, with these header lines."""
    return "\r\n".join([f"GET http://{host}/health HTTP/1.1", *lines, "", ""]).encode()


def post(*lines: str, body: str) -> bytes:
    """A hook call with these header lines and this body."""
    first = [f"POST {VIEW} HTTP/1.1", "Content-Type: application/json"]
    return "\r\n".join([*first, *lines, "", body]).encode()


CHUNKED = "2\r\n{}\r\n0\r\n\r\n"
# Both the service itself and our nginx refuse these.
REFUSED = {
    "two Host": get("Host: a.example", "Host: b.example"),
    "the same Host twice": get("Host: a.example", "Host: a.example"),
    "no Host": get("Accept: */*"),
    "a Host with a path": get("Host: a.example/b"),
    "two lengths": post("Host: a", "Content-Length: 2", "Content-Length: 64", body="{}"),
    "a list of lengths": post("Host: a", "Content-Length: 2, 64", body="{}"),
    "a length below zero": post("Host: a", "Content-Length: -2", body="{}"),
    "a length with a sign": post("Host: a", "Content-Length: +2", body="{}"),
    "a length behind a bare LF": post(
        "Host: a", "X-Y: z\nContent-Length: 64", "Content-Length: 2", body="{}"
    ),
    "two codings": post(
        "Host: a", "Transfer-Encoding: chunked", "Transfer-Encoding: identity", body=CHUNKED
    ),
    "a list of codings": post("Host: a", "Transfer-Encoding: gzip, chunked", body=CHUNKED),
    "an unknown coding": post("Host: a", "Transfer-Encoding: xchunked", body=CHUNKED),
    "a space before the colon of a coding": post(
        "Host: a", "Transfer-Encoding : chunked", "Content-Length: 2", body="{}"
    ),
    "a Host of two words": get("Host: a b"),
    "an empty Host": get("Host:"),
    "a space before a colon": get("Host: a", "Accept : */*"),
    "a bare CR": get("Host: a", "Accept: x\rAccept: y"),
    "a line that goes on": get("Host: a", "Accept: x", " y"),
    "a NUL": get("Host: a", "X-Y: z\0"),
}
UNKNOWN_CODINGS = {"a list of codings", "an unknown coding"}  # nginx says 501 and not 400
# nginx 1.22 lets these through, and the service behind it refuses them.
REFUSED_BY_THE_SERVICE = {
    "a user in the Host": get("Host: user@a.example"),
    "a list of hosts": get("Host: a.example,b.example"),
}
# nginx takes the first line's host, as RFC 9112, 3.2.2, has it, and passes on no other.
HOSTS_THAT_DIFFER = {
    "two different hosts": get_from("a.example", "Host: b.example"),
    "two different ports": get_from("a.example:8642", "Host: a.example:8643"),
}


def answers(connection: socket.socket, sent: bytes) -> list[int]:
    """The statuses of all that comes back until the connection ends."""
    connection.sendall(sent)
    said = b""
    while part := _received(connection):
        said += part
    return [int(piece[:3]) for piece in said.split(b"HTTP/1.1 ")[1:]]


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionResetError:  # closed while some of what was sent was not yet read
        return b""
