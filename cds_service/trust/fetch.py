"""Makes one bounded call: so many bytes, so much time, no redirect, and no text of an error."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from enum import StrEnum

import requests
from msgspec import Struct
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.util import parse_url

from cds_service.telemetry import log
from cds_service.trust.outgoing import (
    NoSuchName,
    NotAllowed,
    OutgoingCall,
    PrivateAddress,
    running,
)

_READ_AT_ONCE = 65536

# Fixed texts for the log: the messages of the exceptions themselves hold URLs.
NO_CONNECTION = "no connection: its address does not answer"
NO_NAME = "no connection: the name server does not know its name"
NOT_ALLOWED = "no connection: the service never calls its address"
PRIVATE = "no connection: its address is private, and the client's entry has no allow_private"
NO_TLS = "TLS: no agreement with the server"
BROKE_OFF = "the connection broke off, or what came is no HTTP"
# By the numbers of OpenSSL's X509_V_ERR_...
_OTHER_NAME = "TLS: the certificate is for another name"
_UNKNOWN_AUTHORITY = (
    "TLS: the certificate is by an authority that we do not know: see CDS_CA_BUNDLE"
)
_BAD_CERTIFICATE = "TLS: the certificate is not accepted"
_CERTIFICATE_FAULTS = {
    9: "TLS: the certificate is not valid yet: perhaps our clock is wrong",
    10: "TLS: the certificate has expired",
    18: _UNKNOWN_AUTHORITY,
    19: _UNKNOWN_AUTHORITY,
    20: _UNKNOWN_AUTHORITY,
    21: _UNKNOWN_AUTHORITY,
    62: _OTHER_NAME,
    64: _OTHER_NAME,
}
CERTIFICATE_FAULTS = (*_CERTIFICATE_FAULTS.values(), _BAD_CERTIFICATE)


_NO_CONNECTION = {  # the narrower class first
    NoSuchName: NO_NAME,
    PrivateAddress: PRIVATE,
    NotAllowed: NOT_ALLOWED,
    NewConnectionError: NO_CONNECTION,
}


class Failure(StrEnum):
    """The reason why there is no whole answer."""

    TIME = "time"
    BROKEN = "broken"  # no connection, a reset, a body that ends early, an address we do not call
    TOO_LARGE = "too-large"


class Fetched(Struct, frozen=True):
    """Status and decoded body of an answer.

    With a `failure` the body is empty; the status is 0 if none arrived.
    """

    status: int
    body: bytes
    failure: Failure | None = None
    cache_control: str = ""
    retry_after: str = ""
    cause: str = ""  # why there was no answer: one of the fixed texts above


class Sent(Struct, frozen=True):
    """A call with a body. It may arrive twice (see `fetch`), so a repeat must change nothing."""

    method: str
    body: bytes


def fetch(
    session: requests.Session,
    url: str,
    headers: Mapping[str, str],
    call: OutgoingCall,
    max_bytes: int,
    sent: Sent | None = None,
) -> Fetched:
    """Reads `url`, or sends to it, within the deadline of `call`.

    A body with more than `max_bytes` is a failure. A call that breaks on a connection that was open
    before is tried once more, because the server may have closed it just then; no other failure is
    tried again. Messages of requests name the URL, so none is passed on.
    """
    with running(call):
        call.reused = True
        fetched = _fetch(session, url, headers, call, max_bytes, sent)
        no_answer = fetched.status == 0 and fetched.failure is Failure.BROKEN
        if no_answer and call.reused and not call.is_cut:
            return _fetch(session, url, headers, call, max_bytes, sent)
        return fetched


def _fetch(
    session: requests.Session,
    url: str,
    headers: Mapping[str, str],
    call: OutgoingCall,
    max_bytes: int,
    sent: Sent | None,
) -> Fetched:
    left = call.deadline.left()
    if not left or call.is_cut:
        return Fetched(0, b"", Failure.TIME)
    try:
        response = session.request(
            sent.method if sent else "GET",
            url,
            data=sent.body if sent else None,
            headers=dict(headers),
            timeout=(left, left),
            stream=True,
            allow_redirects=False,
        )
    except (requests.RequestException, HTTPError, OSError, ValueError) as error:
        failure = _time_or_broken(call)
        if failure is Failure.BROKEN and not call.reused:
            log().warning("fetch", server=parse_url(url).netloc, reason=cause_of(error))
        return Fetched(0, b"", failure, cause=cause_of(error) if failure is Failure.BROKEN else "")
    # The rest of a body is not read: the connection is not worth that after an early end.
    try:
        return _read_body(response, call, max_bytes)
    except (HTTPError, OSError, ValueError):
        return Fetched(response.status_code, b"", _time_or_broken(call))
    finally:
        response.close()


def _read_body(response: requests.Response, call: OutgoingCall, max_bytes: int) -> Fetched:
    body = bytearray()
    while True:
        call.shrink()
        part = response.raw.read1(_READ_AT_ONCE, decode_content=True)
        if not part:
            return Fetched(
                response.status_code,
                bytes(body),
                cache_control=str(response.headers.get("Cache-Control", "")),
                retry_after=str(response.headers.get("Retry-After", "")),
            )
        body += part
        if len(body) > max_bytes:
            return Fetched(response.status_code, b"", Failure.TOO_LARGE)
        if call.is_cut:
            return Fetched(response.status_code, b"", Failure.TIME)


def _time_or_broken(call: OutgoingCall) -> Failure:
    return Failure.TIME if call.is_cut else Failure.BROKEN


def cause_of(error: BaseException) -> str:
    """Returns one of the fixed texts for an exception of requests or urllib3.

    The exceptions inside it are searched too, outermost first.
    """
    seen: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or any(one is known for known in seen):
            continue
        if isinstance(one, ssl.SSLCertVerificationError):
            return _CERTIFICATE_FAULTS.get(one.verify_code, _BAD_CERTIFICATE)
        if isinstance(one, ssl.SSLError):
            return NO_TLS
        for kind, text in _NO_CONNECTION.items():
            if isinstance(one, kind):
                return text
        seen.append(one)
        waiting += [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]
    return BROKE_OFF
