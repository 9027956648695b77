"""The calls that the workbench shows: kept in memory, the newest ones, within a bound of bytes."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from cds_service.errors import BadRequest, NotFound
from cds_service.protocol.live_read import LiveRead
from cds_service.protocol.request import Secret
from cds_service.protocol.wire import decode, encode
from cds_service.records.bounds import MAX_VALUES
from cds_service.records.fhir_types import values_in
from cds_service.records.recording import Replacer
from cds_service.trust.client import Client

MOST_CALLS = 100
MOST_BYTES = 32_000_000
_SHARE = 4  # one call has at most this part of the room
_READ_TIMES = 8  # what was read from a body takes about so many times its bytes
_IN_BROKEN_JSON = re.compile(rb'("access_token"\s*:\s*")[^"]*')
HIDDEN_TOKEN = "(kept in memory, not shown)"  # noqa: S105  # stands in place of a token


class KeptCall(Struct, frozen=True, kw_only=True):
    """One call and everything that became of it. Its token is never shown and never written."""

    number: int = 0  # given when it is kept
    kind: str  # hook, feedback or discovery
    at: datetime
    method: str
    path: str
    service: str = ""
    client: str = ""
    access: str  # how the caller was let in, or why not
    status: int
    milliseconds: float
    body: bytes = b""  # without the token
    answer: bytes = b""
    token: Secret | None = None
    proven: Client | None = None
    issuer: str | None = None
    language: str = ""  # that the call asked for
    asked_as: Client | None = None  # as the call was answered
    sources: Mapping[str, str] = field(default_factory=dict)
    reads: Sequence[LiveRead] = ()
    began: float = 0.0  # monotonic; the reads are told from here
    explained: Mapping[str, Any] = field(default_factory=dict)
    rows: Mapping[str, Any] = field(default_factory=dict)
    again: int = 0  # the call of which this one is a changed copy

    @property
    def size(self) -> int:
        """Returns about how many bytes this call holds."""
        held = sum(len(read.body) + len(read.sent) + len(read.url) for read in self.reads)
        return len(self.body) + len(self.answer) + held + len(encode([self.explained, self.rows]))

    @property
    def hook(self) -> str:
        """Returns the hook that the call names, or the kind of request if it is no hook call."""
        if self.kind != "hook":
            return self.kind
        return str(self.request.get("hook", "")) or "unread"

    @property
    def request(self) -> dict[str, Any]:
        """Returns the body as JSON; empty if it is no object."""
        return _object(self.body)

    @property
    def cards(self) -> list[dict[str, Any]]:
        """Returns the cards of the answer."""
        cards = _object(self.answer).get("cards")
        return cards if isinstance(cards, list) else []


class _Entry:
    """One call that is kept; what it tells is worked out when a page first shows it."""

    def __init__(self, number: int, size: int, make: Callable[[], KeptCall]) -> None:
        self.number, self.size, self._make = number, size, make

    def call(self) -> KeptCall:
        """Returns the call with its number."""
        made = replace(self._make(), number=self.number)
        self._make = lambda: made  # what it was made from is held no longer
        return made


class Workbench:
    """Holds the newest calls of one worker; the oldest are dropped first."""

    def __init__(self, most_calls: int = MOST_CALLS, most_bytes: int = MOST_BYTES) -> None:
        self._most_calls, self._most_bytes = most_calls, most_bytes
        self._lock = threading.Lock()
        self._calls: deque[_Entry] = deque()
        self._bytes = 0
        self._last = 0
        self.replacer = Replacer()  # one table, so that a patient of two calls stays one

    @property
    def last(self) -> int:
        """The number of the newest call; 0 if none came yet."""
        return self._last

    def keep(self, call: KeptCall) -> KeptCall:
        """Keeps a call under the next number and returns it.

        One that is larger than a quarter of the room is kept without its bodies.
        """
        size = call.size
        if size > self._most_bytes // _SHARE:
            call = replace(call, body=b"", answer=b"", reads=(), explained={})
            size = call.size
        return self._add(size, lambda: call).call()

    def keep_unread(self, body: bytes, answer: bytes, make: Callable[[], KeptCall]) -> None:
        """Keeps a call whose parts `make` returns, which a page asks for or the call is dropped.

        A caller does not wait for a page that may never be opened.
        """
        size = len(body) * _READ_TIMES + len(answer)
        if size > self._most_bytes // _SHARE:
            self.keep(make())
        else:
            self._add(size, make)

    def _add(self, size: int, make: Callable[[], KeptCall]) -> _Entry:
        with self._lock:
            self._last += 1
            entry = _Entry(self._last, size, make)
            self._calls.append(entry)
            self._bytes += size
            while len(self._calls) > self._most_calls or self._bytes > self._most_bytes:
                self._bytes -= self._calls.popleft().size
        return entry

    def after(self, number: int) -> list[KeptCall]:
        """Returns the calls with a higher number, the oldest first."""
        with self._lock:
            return [entry.call() for entry in self._calls if entry.number > number]

    def find(self, number: int) -> KeptCall:
        """Returns a call, or raises NotFound if it is no longer kept."""
        for call in self.after(number - 1):
            if call.number == number:
                return call
        raise NotFound("This call is not kept any more.")

    def forget(self) -> None:
        """Drops every call; the numbers go on."""
        with self._lock:
            self._calls.clear()
            self._bytes = 0


def without_token(body: bytes) -> tuple[bytes, Secret | None]:
    """Returns a body without the token for the FHIR server, and that token."""
    call = _object(body)
    authorization = call.get("fhirAuthorization")
    if not isinstance(authorization, dict) or "access_token" not in authorization:
        return _IN_BROKEN_JSON.sub(rb"\1" + HIDDEN_TOKEN.encode(), body), None
    token = authorization["access_token"]
    call["fhirAuthorization"] = {**authorization, "access_token": HIDDEN_TOKEN}
    return encode(call), Secret(token) if isinstance(token, str) else None


def with_token(body: bytes, token: Secret | None) -> bytes:
    """Returns a body with the token in the place where `without_token` took it out."""
    call = _object(body)
    authorization = call.get("fhirAuthorization")
    if token is None or not isinstance(authorization, dict):
        return body
    if authorization.get("access_token") != HIDDEN_TOKEN:
        return body
    call["fhirAuthorization"] = {**authorization, "access_token": token.reveal()}
    return encode(call)


def _object(body: bytes) -> dict[str, Any]:
    # The service refuses such a body unread, because decoded it takes a hundred times its size.
    if values_in(body) > MAX_VALUES:
        return {}
    try:
        value = decode(body)
    except BadRequest:
        return {}
    return value if isinstance(value, dict) else {}
