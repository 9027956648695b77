"""Connections go to the address that was checked, and never outside an errand."""

from __future__ import annotations

import pickle
import socket
from collections.abc import Iterator

import pytest
import requests

from cds_service.protocol.secret import Secret
from cds_service.trust.deadline import Deadline
from cds_service.trust.fetch import Failure, Fetched, fetch
from cds_service.trust.outgoing import OutgoingCall, guarded_session, tls_context


@pytest.fixture
def session() -> Iterator[requests.Session]:
    session = guarded_session(1, tls_context())
    yield session
    session.close()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        yield listener


def answers_of(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Let every name resolve to these addresses, one after the other, the last one for ever."""
    left = list(addresses)
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, *args: object, **kwargs: object) -> list[object]:
        numeric = host.replace(".", "").isdigit()
        if not numeric:
            asked.append(host)
        address = host if numeric else left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def get(session: requests.Session, url: str, *, allow_private: bool = False) -> Fetched:
    return fetch(
        session, url, {}, OutgoingCall(Deadline.after(0.2), allow_private=allow_private), 1000
    )


def was_called(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except TimeoutError:
        return False
    return True


def test_a_name_that_resolves_to_a_private_address_is_not_connected_to(
    session: requests.Session, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers_of(monkeypatch, "127.0.0.1")
    port = listener.getsockname()[1]
    assert get(session, f"http://fhir.example:{port}/").failure is Failure.BROKEN
    assert not was_called(listener)
    get(session, f"http://fhir.example:{port}/", allow_private=True)
    assert was_called(listener)


def test_a_name_that_moves_to_the_metadata_service_is_not_followed_there(
    session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answers_of(monkeypatch, "169.254.169.254")
    assert get(session, "http://fhir.example/", allow_private=True).failure is Failure.BROKEN
    assert asked == ["fhir.example"]


def test_the_address_that_was_checked_is_the_one_that_is_called(
    session: requests.Session, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answers_of(monkeypatch, "127.0.0.1", "169.254.169.254")
    get(session, f"http://fhir.example:{listener.getsockname()[1]}/", allow_private=True)
    assert was_called(listener)
    assert asked == ["fhir.example"]


def test_a_name_without_an_address_is_a_failure_like_any_other(
    session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def getaddrinfo(*args: object, **kwargs: object) -> list[object]:
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert get(session, "http://fhir.example/") == Fetched(0, b"", Failure.BROKEN)


def test_a_session_used_outside_an_errand_connects_to_nothing(
    session: requests.Session, listener: socket.socket
) -> None:
    with pytest.raises(requests.ConnectionError):
        session.get(f"http://127.0.0.1:{listener.getsockname()[1]}/", timeout=1)
    assert not was_called(listener)


def test_an_errand_that_is_over_does_not_begin(
    session: requests.Session, listener: socket.socket
) -> None:
    errand = OutgoingCall(Deadline.after(5), allow_private=True)
    errand.cut()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    assert fetch(session, url, {}, errand, 1000).failure is Failure.TIME
    assert not was_called(listener)


def test_a_secret_shows_itself_to_nobody_but_who_asks() -> None:
    secret = Secret("sentinel")
    assert secret.reveal() == "sentinel"
    assert "sentinel" not in f"{secret} {secret!r} {[secret]} {vars(Secret)}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)
