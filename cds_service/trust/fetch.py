"""One bounded call: so many bytes, so much time, no redirect, and no text of an error."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import requests
from msgspec import Struct
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from cds_service.telemetry import log
from cds_service.trust.causes import cause_of
from cds_service.trust.outgoing import Errand, running

_READ_AT_ONCE = 65536


class Failure(StrEnum):
    """Why there is no whole answer."""

    TIME = "time"
    BROKEN = "broken"  # no connection, a reset, a body that ends early, an address that the guard refuses
    TOO_LARGE = "too-large"


class Fetched(Struct, frozen=True):
    """Status and decoded body; with a `failure` the body is empty, and the status 0 where none arrived."""

    status: int
    body: bytes
    failure: Failure | None = None
    cache_control: str = ""


class Sent(Struct, frozen=True):
    """A call that writes. It may arrive twice (see `fetch`): only what then changes nothing is sent so."""

    method: str
    body: bytes


def fetch(
    session: requests.Session,
    url: str,
    headers: Mapping[str, str],
    errand: Errand,
    max_bytes: int,
    sent: Sent | None = None,
) -> Fetched:
    """GET `url`, or send to it, within the errand's deadline; at most `max_bytes` of decoded body.

    A reset on a connection that had been idle is tried once more, because the server may have closed
    it just then; nothing else is. Messages of requests name the URL, so none is passed on.
    """
    with running(errand):
        errand.reused = True
        fetched = _fetch(session, url, headers, errand, max_bytes, sent)
        if (
            fetched.status == 0
            and fetched.failure is Failure.BROKEN
            and errand.reused
            and not errand.is_cut
        ):
            return _fetch(session, url, headers, errand, max_bytes, sent)
        return fetched


def _fetch(
    session: requests.Session,
    url: str,
    headers: Mapping[str, str],
    errand: Errand,
    max_bytes: int,
    sent: Sent | None,
) -> Fetched:
    left = errand.deadline.left()
    if not left or errand.is_cut:
        return Fetched(0, b"", Failure.TIME)
    method, body = (sent.method, sent.body) if sent else ("GET", None)
    try:
        response = session.request(
            method,
            url,
            data=body,
            headers=dict(headers),
            timeout=(left, left),
            stream=True,
            allow_redirects=False,
        )
    except (requests.RequestException, HTTPError, OSError, ValueError) as error:
        why = _why(errand)
        if why is Failure.BROKEN and not errand.reused:
            log().warning("fetch", server=parse_url(url).netloc, reason=cause_of(error))
        return Fetched(0, b"", why)
    # Not drained: what is left in a connection after an early end is not worth reading.
    try:
        return _body(response, errand, max_bytes)
    except (HTTPError, OSError, ValueError):
        return Fetched(response.status_code, b"", _why(errand))
    finally:
        response.close()


def _body(response: requests.Response, errand: Errand, max_bytes: int) -> Fetched:
    body = bytearray()
    while True:
        errand.shrink()
        part = response.raw.read1(_READ_AT_ONCE, decode_content=True)
        if not part:
            said = str(response.headers.get("Cache-Control", ""))
            return Fetched(response.status_code, bytes(body), cache_control=said)
        body += part
        if len(body) > max_bytes:
            return Fetched(response.status_code, b"", Failure.TOO_LARGE)
        if errand.is_cut:
            return Fetched(response.status_code, b"", Failure.TIME)


def _why(errand: Errand) -> Failure:
    return Failure.TIME if errand.is_cut else Failure.BROKEN
