"""Opens connections only for an `OutgoingCall`, to allowed addresses, and before its deadline.

A timeout of requests bounds one wait on a socket, not a call: a server that sends a byte now and
then could go on for ever. So each connection belongs to one call, and any thread that waits for the
call can cut it.
"""

from __future__ import annotations

import contextlib
import functools
import http.cookiejar
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError
from urllib3.util.connection import create_connection

from cds_service.trust.deadline import Deadline
from cds_service.trust.guard import address_allowed

# One decoder to bound, and no optional ones that an installed package would add.
_ACCEPT_ENCODING = "gzip"
_SHORTEST_WAIT_S = 0.001  # 0 would mean "do not wait", and fail otherwise than a timeout does


class OutgoingCall:
    """One call to another server, with its retry and its next pages.

    `cut` ends it from any thread.
    """

    def __init__(self, deadline: Deadline, *, allow_private: bool) -> None:
        self.deadline = deadline
        self.allow_private = allow_private
        self.reused = True  # whether the last connection had been open before
        self._lock = threading.Lock()
        self._is_cut = False
        self._stopped = threading.Event()
        self._sock: socket.socket | None = None
        self._lever: socket.socket | None = None

    @property
    def is_cut(self) -> bool:
        """True once the call was cut or its deadline has passed."""
        return self._is_cut or self.deadline.passed

    def adopt(self, sock: socket.socket) -> None:
        """Remembers the socket in use, and opens a second handle to it.

        The second handle is for `cut`, because TLS and urllib3 detach or close the first one.
        """
        lever = socket.socket(fileno=socket.dup(sock.fileno()))
        with self._lock:
            self._drop_lever()
            self._sock, self._lever = sock, lever
            if self._is_cut:
                self._pull()

    def shrink(self) -> None:
        """Limits the next wait on the socket to the time that is left."""
        # A server that closes after its answer takes the socket away once the last byte is read.
        if self._sock is not None and self._sock.fileno() >= 0:
            self._sock.settimeout(max(self.deadline.left(), _SHORTEST_WAIT_S))

    def cut(self) -> None:
        """Shuts the socket while another thread reads from it, now or as soon as it is opened."""
        with self._lock:
            self._is_cut = True
            self._stopped.set()
            self._pull()

    def rest(self, seconds: float) -> None:
        """Waits for so long, or until the call is cut."""
        self._stopped.wait(min(seconds, self.deadline.left()))

    def close(self) -> None:
        """Forgets the socket and closes the second handle."""
        with self._lock:
            self._drop_lever()
            self._sock = None

    def _pull(self) -> None:
        if self._lever is not None:
            with contextlib.suppress(OSError):  # the other side was faster
                self._lever.shutdown(socket.SHUT_RDWR)

    def _drop_lever(self) -> None:
        if self._lever is not None:
            self._lever.close()
            self._lever = None


_current: ContextVar[OutgoingCall | None] = ContextVar("outgoing_call", default=None)


@contextlib.contextmanager
def running(call: OutgoingCall) -> Iterator[None]:
    """Ties every connection that this thread uses to `call`."""
    before = _current.set(call)
    try:
        yield
    finally:
        _current.reset(before)
        call.close()


@functools.cache
def tls_context(ca_bundle: str | None = None) -> ssl.SSLContext:
    """Returns the settings by which certificates are checked; no setting switches the check off.

    `ca_bundle` is a PEM file that adds a site's own authorities. The result is made once, at the
    start, because reading the authorities takes tens of milliseconds. Raises OSError if that fails.
    """
    context = ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)
    if ca_bundle is not None:
        context.load_verify_locations(ca_bundle)
    return context


def guarded_session(connections: int, context: ssl.SSLContext) -> requests.Session:
    """Returns a session for one server of one client.

    It uses no environment variables, no cookies and no retries, and checks every address. It keeps
    at most `connections` open, and holds no token: the token goes with each request.
    """
    # urllib3 warns with whole URLs, and those of a FHIR search name the patient (T-60).
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)
    session = _Session()
    session.trust_env = False
    session.headers.clear()
    session.headers.update({"Accept-Encoding": _ACCEPT_ENCODING, "User-Agent": "hyponatremia-cds"})
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    adapter = _GuardedAdapter(connections, context)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


class _Session(requests.Session):
    """Never follows a redirect.

    Without this class requests would read the body of a redirect to its end, even with
    `allow_redirects=False`.
    """

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


class NoSuchName(NewConnectionError):
    """The name server knows no address of this name."""


class NotAllowed(NewConnectionError):
    """The name has addresses, and the service calls none of them."""


class PrivateAddress(NotAllowed):
    """It would call one of them if the client's entry had `allow_private`."""


class _Guarded(HTTPConnection):
    """Checks the address before it connects, and gives its socket to the current call."""

    def _new_conn(self) -> socket.socket:
        call = _current.get()
        if call is None or call.is_cut:
            raise NewConnectionError(self, "no outgoing call")
        call.reused = False
        sock = self._connected(call, self._allowed_addresses(call))
        call.adopt(sock)
        return sock

    def _allowed_addresses(self, call: OutgoingCall) -> list[str]:
        try:
            answers = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError):
            raise NoSuchName(self, "no such name") from None
        addresses = dict.fromkeys(str(address[0]) for *_, address in answers)
        allowed = [ip for ip in addresses if address_allowed(ip, allow_private=call.allow_private)]
        if not allowed:
            private = any(address_allowed(ip, allow_private=True) for ip in addresses)
            raise (PrivateAddress if private else NotAllowed)(self, "no allowed address")
        return allowed

    def _connected(self, call: OutgoingCall, addresses: list[str]) -> socket.socket:
        for tried, address in enumerate(addresses):
            # A share for each, so that a dead IPv6 route does not cost the IPv4 one.
            share = call.deadline.left() / (len(addresses) - tried)
            # By number: the name is not looked up a second time, so it cannot be rebound.
            with contextlib.suppress(OSError):
                return create_connection(
                    (address, self.port),
                    max(share, _SHORTEST_WAIT_S),
                    socket_options=self.socket_options,
                )
        raise NewConnectionError(self, "no allowed address answers")

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as in urllib3
        call = _current.get()
        if call is None or self.sock is None:
            raise NewConnectionError(self, "no outgoing call")
        call.adopt(self.sock)
        return super().getresponse()


class _GuardedTls(_Guarded, HTTPSConnection):
    """The same over TLS."""


class _GuardedPool(HTTPConnectionPool):
    ConnectionCls = _Guarded


class _GuardedTlsPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedTls


class _GuardedAdapter(HTTPAdapter):
    def __init__(self, connections: int, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(pool_connections=1, pool_maxsize=connections, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _GuardedPool, "https": _GuardedTlsPool}

    def cert_verify(self, conn: Any, url: str, verify: object, cert: object) -> None:
        # Our context does it. requests would read its own list of authorities for each connection.
        conn.cert_reqs = "CERT_REQUIRED"
