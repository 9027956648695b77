"""How this service opens connections: only on an `Errand`, only to allowed addresses, never past its end.

A requests timeout bounds one wait on a socket, not a call (a dripping server outlasts it for ever). So
each connection is tied to the errand it is used for, and whoever waits for the errand can cut it.
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

_ACCEPT_ENCODING = (
    "gzip"  # one decoder to bound, and no optional ones that an installed package would add
)
_SHORTEST_WAIT_S = 0.001  # 0 would mean "do not wait", and fail otherwise than a timeout does


class Errand:
    """One call to another server, with its retry and its next pages; `cut` ends it from any thread."""

    def __init__(self, deadline: Deadline, *, allow_private: bool) -> None:
        self.deadline = deadline
        self.allow_private = allow_private
        self.reused = True  # whether the last connection had been open before
        self._lock = threading.Lock()
        self._is_cut = False
        self._sock: socket.socket | None = None
        self._lever: socket.socket | None = None

    @property
    def is_cut(self) -> bool:
        """Whether nobody waits for it any more."""
        return self._is_cut or self.deadline.passed

    def adopt(self, sock: socket.socket) -> None:
        """Take hold of the socket in use by a second handle: TLS and urllib3 detach or close the first."""
        lever = socket.socket(fileno=socket.dup(sock.fileno()))
        with self._lock:
            self._drop_lever()
            self._sock, self._lever = sock, lever
            if self._is_cut:
                self._pull()

    def shrink(self) -> None:
        """Let the next wait on the socket last no longer than the deadline."""
        # A server that closes after its answer takes the socket away once the last byte is read.
        if self._sock is not None and self._sock.fileno() >= 0:
            self._sock.settimeout(max(self.deadline.left(), _SHORTEST_WAIT_S))

    def cut(self) -> None:
        """Shut the socket under whoever reads from it, now or as soon as there is one."""
        with self._lock:
            self._is_cut = True
            self._pull()

    def close(self) -> None:
        """Let go of the socket."""
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


_current: ContextVar[Errand | None] = ContextVar("errand", default=None)


@contextlib.contextmanager
def running(errand: Errand) -> Iterator[None]:
    """Tie every connection that this thread uses to `errand`."""
    before = _current.set(errand)
    try:
        yield
    finally:
        _current.reset(before)
        errand.close()


@functools.cache
def tls_context(ca_bundle: str | None = None) -> ssl.SSLContext:
    """The check of certificates, which nothing switches off; `ca_bundle` (a PEM file) adds a site's own.

    Made once, at start: reading the authorities takes tens of milliseconds. OSError if that fails.
    """
    context = ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)
    if ca_bundle is not None:
        context.load_verify_locations(ca_bundle)
    return context


def guarded_session(connections: int, context: ssl.SSLContext) -> requests.Session:
    """A session for one server of one client: no environment, no cookies, no retries, guarded addresses.

    It keeps at most `connections` open, and carries no token: that goes with each request.
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
    """Follows nothing. requests reads the body of a redirect to its end even where it does not follow it."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


class _Guarded(HTTPConnection):
    """Looks at the address before it connects, and at the errand before it sends."""

    def _new_conn(self) -> socket.socket:
        errand = _current.get()
        if errand is None or errand.is_cut:
            raise NewConnectionError(self, "no errand")
        errand.reused = False
        sock = self._connected(errand, self._allowed_addresses(errand))
        errand.adopt(sock)
        return sock

    def _allowed_addresses(self, errand: Errand) -> list[str]:
        try:
            answers = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError):
            raise NewConnectionError(self, "no such name") from None
        found = dict.fromkeys(str(address[0]) for *_, address in answers)
        return [ip for ip in found if address_allowed(ip, allow_private=errand.allow_private)]

    def _connected(self, errand: Errand, addresses: list[str]) -> socket.socket:
        for tried, address in enumerate(addresses):
            # A share for each, so that a dead IPv6 route does not cost the IPv4 one.
            share = errand.deadline.left() / (len(addresses) - tried)
            # By number: the name is not looked up a second time, so it cannot be rebound.
            with contextlib.suppress(OSError):
                return create_connection(
                    (address, self.port),
                    max(share, _SHORTEST_WAIT_S),
                    socket_options=self.socket_options,
                )
        raise NewConnectionError(self, "no allowed address answers")

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as in urllib3
        errand = _current.get()
        if errand is None or self.sock is None:
            raise NewConnectionError(self, "no errand")
        errand.adopt(self.sock)
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
        # Our context does it. requests would read its own list of authorities for every new connection.
        conn.cert_reqs = "CERT_REQUIRED"
