"""A server that cannot be called: the log says which and why, and nothing of what was asked of it."""

from __future__ import annotations

import ipaddress
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from structlog.testing import capture_logs

from cds_service.cli.run import free_port
from cds_service.trust.deadline import Deadline
from cds_service.trust.fetch import (
    BROKE_OFF,
    NO_CONNECTION,
    NO_NAME,
    NO_TLS,
    NOT_ALLOWED,
    PRIVATE,
    Failure,
    fetch,
)
from cds_service.trust.outgoing import OutgoingCall, guarded_session, tls_context

ASKED = "/r4/Observation?patient=Jane-Roe"


def certificate(folder: Path, address: str, days: int) -> Path:
    """A certificate for this address that holds for so many days, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a FHIR server")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=30) if days < 30 else now + timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


class _Nothing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return None


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        return None  # the client broke off, as it should


@contextmanager
def server(pem: Path | None) -> Iterator[int]:
    running = _Quiet(("127.0.0.1", 0), _Nothing)
    if pem is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        running.socket = context.wrap_socket(running.socket, server_side=True)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    try:
        yield running.server_address[1]
    finally:
        running.shutdown()
        running.server_close()
        thread.join()


def told(url: str, authority: Path | None = None, *, allow_private: bool = True) -> list[str]:
    """The reasons in the log after one read of this URL; each names the server and nothing else of it."""
    session = guarded_session(1, tls_context(str(authority) if authority else None))
    try:
        with capture_logs() as lines:
            fetched = fetch(
                session, url, {}, OutgoingCall(Deadline.after(5), allow_private=allow_private), 1000
            )
    finally:
        session.close()
    assert "Jane" not in str(lines)
    assert all(f"//{line['server']}/" in url for line in lines)
    assert (fetched.failure is Failure.BROKEN) == bool(lines)
    assert [fetched.cause] * len(lines) == [line["reason"] for line in lines]
    return [line["reason"] for line in lines]


@pytest.mark.parametrize(
    ("address", "days", "trusted", "reason"),
    [
        ("127.0.0.1", -1, True, "TLS: the certificate has expired"),
        (
            "127.0.0.1",
            40,
            True,
            "TLS: the certificate is not valid yet: perhaps our clock is wrong",
        ),
        ("127.0.0.9", 5, True, "TLS: the certificate is for another name"),
        (
            "127.0.0.1",
            5,
            False,
            "TLS: the certificate is by an authority that we do not know: see CDS_CA_BUNDLE",
        ),
    ],
)
def test_a_certificate_that_is_not_accepted_says_why(
    address: str, days: int, trusted: bool, reason: str, tmp_path: Path
) -> None:
    pem = certificate(tmp_path, address, days)
    with server(pem) as port:
        assert told(f"https://127.0.0.1:{port}{ASKED}", pem if trusted else None) == [reason]


def test_a_server_that_answers_is_not_in_the_log(tmp_path: Path) -> None:
    pem = certificate(tmp_path, "127.0.0.1", 5)
    with server(pem) as port:
        assert told(f"https://127.0.0.1:{port}{ASKED}", pem) == []


def test_http_where_tls_is_spoken_and_the_other_way_round(tmp_path: Path) -> None:
    with server(None) as port:
        assert told(f"https://127.0.0.1:{port}{ASKED}") == [NO_TLS]
    with server(certificate(tmp_path, "127.0.0.1", 5)) as port:
        assert told(f"http://127.0.0.1:{port}{ASKED}") == [BROKE_OFF]


@pytest.mark.parametrize(
    ("host", "private", "cause"),
    [
        ("no-such-name.invalid", True, NO_NAME),
        ("127.0.0.1", True, NO_CONNECTION),
        ("127.0.0.1", False, PRIVATE),
        ("169.254.169.254", True, NOT_ALLOWED),
        ("169.254.169.254", False, NOT_ALLOWED),
    ],
)
def test_no_name_nobody_there_and_no_allowed_address_are_told_apart(
    host: str, private: bool, cause: str
) -> None:
    url = f"http://{host}:{free_port('127.0.0.1')}{ASKED}"
    assert told(url, allow_private=private) == [cause]
