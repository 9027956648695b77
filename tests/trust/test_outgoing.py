"""Connections go to the address that was checked, only for a call, and never past its deadline."""

from __future__ import annotations

import contextlib
import pickle
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import requests

from cds_service.protocol.request import Secret
from cds_service.trust.deadline import Deadline
from cds_service.trust.fetch import Failure, Fetched, fetch
from cds_service.trust.outgoing import OutgoingCall, guarded_session, tls_context
from tests.patience import PATIENCE_S


@pytest.fixture
def session() -> Iterator[requests.Session]:
    session = guarded_session(1, tls_context())
    yield session
    session.close()


class Listener:
    """Takes connections and closes them at once; whoever connects sees that it was counted."""

    def __init__(self, server: socket.socket) -> None:
        self.calls = 0
        self.port: int = server.getsockname()[1]
        self._server = server

    def run(self) -> None:
        with contextlib.suppress(OSError):  # the end of the test closes the server
            while True:
                connection, _ = self._server.accept()
                self.calls += 1
                connection.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        listening = Listener(server)
        thread = threading.Thread(target=listening.run)
        thread.start()
        yield listening
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


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
        session,
        url,
        {},
        OutgoingCall(Deadline.after(PATIENCE_S), allow_private=allow_private),
        1000,
    )


def test_a_name_that_resolves_to_a_private_address_is_not_connected_to(
    session: requests.Session, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers_of(monkeypatch, "127.0.0.1")
    port = listener.port
    assert get(session, f"http://fhir.example:{port}/").failure is Failure.BROKEN
    assert listener.calls == 0
    get(session, f"http://fhir.example:{port}/", allow_private=True)
    assert listener.calls > 0


def test_a_name_that_moves_to_the_metadata_service_is_not_followed_there(
    session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answers_of(monkeypatch, "169.254.169.254")
    assert get(session, "http://fhir.example/", allow_private=True).failure is Failure.BROKEN
    assert asked == ["fhir.example"]


def test_the_address_that_was_checked_is_the_one_that_is_called(
    session: requests.Session, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answers_of(monkeypatch, "127.0.0.1", "169.254.169.254")
    get(session, f"http://fhir.example:{listener.port}/", allow_private=True)
    assert listener.calls > 0
    assert asked == ["fhir.example"]


def test_a_name_without_an_address_is_a_failure_like_any_other(
    session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def getaddrinfo(*args: object, **kwargs: object) -> list[object]:
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    found = get(session, "http://fhir.example/")
    assert (found.failure, found.body) == (Failure.BROKEN, b"")
    assert found.cause == "no connection: the name server does not know its name"


def test_a_session_used_outside_a_call_connects_to_nothing(
    session: requests.Session, listener: Listener
) -> None:
    with pytest.raises(requests.ConnectionError):
        session.get(f"http://127.0.0.1:{listener.port}/", timeout=1)
    assert listener.calls == 0


def test_a_call_that_is_over_does_not_begin(session: requests.Session, listener: Listener) -> None:
    call = OutgoingCall(Deadline.after(5), allow_private=True)
    call.cut()
    url = f"http://127.0.0.1:{listener.port}/"
    assert fetch(session, url, {}, call, 1000).failure is Failure.TIME
    assert listener.calls == 0


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n"
Answering = Callable[[socket.socket], None]


@contextmanager
def server(*answers: Answering) -> Iterator[str]:
    """A server that takes one connection for each of these, and closes it when the function ends."""

    def serve(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the test is over
            for answer in answers:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    answer(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def whole_answer(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(HEAD + b"x" * 20)


def answer_that_breaks_off(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(HEAD + b"half")


def one_byte_now_and_then(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(HEAD)
    for _ in range(20):
        connection.sendall(b"x")
        time.sleep(0.1)


def nothing_at_all(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.settimeout(PATIENCE_S)
    connection.recv(1)  # until the caller has gone


def test_a_body_that_breaks_off_is_no_answer(session: requests.Session) -> None:
    with server(answer_that_breaks_off) as url:
        call = OutgoingCall(Deadline.after(PATIENCE_S), allow_private=True)
        assert fetch(session, url, {}, call, 1000) == Fetched(200, b"", Failure.BROKEN)


def test_a_server_that_sends_a_byte_now_and_then_is_cut_at_the_deadline(
    session: requests.Session,
) -> None:
    with server(one_byte_now_and_then) as url:
        call = OutgoingCall(Deadline.after(0.3), allow_private=True)
        found = fetch(session, url, {}, call, 1000)
        assert found.failure is Failure.TIME, "it waited for the whole answer"


def test_a_call_is_cut_by_the_thread_that_waits_for_it(session: requests.Session) -> None:
    with server(nothing_at_all) as url:
        call = OutgoingCall(Deadline.after(PATIENCE_S), allow_private=True)
        threading.Timer(0.1, call.cut).start()
        found = fetch(session, url, {}, call, 1000)
        assert found.failure is Failure.TIME, "it waited until the server ended"


def test_an_idle_connection_that_the_server_has_closed_costs_no_answer(
    session: requests.Session,
) -> None:
    with server(whole_answer, whole_answer) as url:
        for _ in range(2):
            call = OutgoingCall(Deadline.after(PATIENCE_S), allow_private=True)
            assert fetch(session, url, {}, call, 1000) == Fetched(200, b"x" * 20)
            time.sleep(0.05)


def test_a_connection_that_breaks_at_its_first_use_is_not_tried_again(
    session: requests.Session,
) -> None:
    with server(lambda connection: None, whole_answer) as url:
        call = OutgoingCall(Deadline.after(PATIENCE_S), allow_private=True)
        found = fetch(session, url, {}, call, 1000)
        assert (found.failure, found.body) == (Failure.BROKEN, b"")
        assert found.cause == "the connection broke off, or what came is no HTTP"


def test_a_secret_shows_itself_to_nobody_but_who_asks() -> None:
    secret = Secret("sentinel")
    assert secret.reveal() == "sentinel"
    assert "sentinel" not in f"{secret} {secret!r} {[secret]} {vars(Secret)}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)
