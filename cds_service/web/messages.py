"""Reads the body of a request, and makes the answer to it."""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Callable
from typing import Any

from flask import Request, Response

from cds_service.errors import BadRequest, BodyTooLarge, UnsupportedMedia
from cds_service.protocol.wire import decode, encode

JSON = "application/json"
_TYPES = (JSON, "application/fhir+json", "application/json+fhir", "text/json")
_PLAIN = ("", "identity")
_GZIP = ("gzip", "x-gzip")
_GZIP_BITS = 31  # zlib's code for a gzip header and trailer
# A body of results of one patient shrinks to a thirtieth; a bomb to a thousandth (T-42).
_MAX_RATIO = 200
_RATIO_FROM = 100_000  # bytes: below, a high ratio does no harm
_NO_STORE = {"Cache-Control": "no-store"}
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
}
_DEMO = {"X-Demo": "1"}  # T-68


def refuse_by_head(request: Request, limit: int) -> None:
    """Raises UnsupportedMedia or BodyTooLarge if the headers show that the body is unusable."""
    environ = request.environ
    if environ.get("CONTENT_TYPE") not in _TYPES and (request.mimetype or "") not in _TYPES:
        raise UnsupportedMedia("Send the body as application/json.")
    if _encoding(request) not in (*_PLAIN, *_GZIP):
        raise UnsupportedMedia("Send the body without content encoding, or with gzip.")
    if (request.content_length or 0) > limit:
        raise BodyTooLarge(f"The body is larger than {limit} bytes.")


def json_body(request: Request, limit: int) -> Any:
    """Returns the decoded JSON body; BodyTooLarge or BadRequest say what is wrong with it."""
    return decode(raw_body(request, limit))


def raw_body(request: Request, limit: int) -> bytes:
    """Returns the body, decompressed and without a byte order mark.

    It raises BodyTooLarge, or BadRequest if the body is empty or broken.
    """
    body: bytes = request.stream.read(limit + 1)
    if len(body) > limit:
        raise BodyTooLarge(f"The body is larger than {limit} bytes.")
    if _encoding(request) in _GZIP and body:
        body = _decompressed(body, limit)
    body = body.removeprefix(codecs.BOM_UTF8)
    if not body:
        raise BadRequest("The body is empty.")
    return body


def _encoding(request: Request) -> str:
    encoding: str = request.environ.get("HTTP_CONTENT_ENCODING", "")
    return encoding.strip().lower()


def _decompressed(body: bytes, limit: int) -> bytes:
    """Returns what one gzip member holds; no more than `limit` bytes are ever made of it."""
    inflating = zlib.decompressobj(wbits=_GZIP_BITS)
    try:
        plain = inflating.decompress(body, limit + 1)
    except zlib.error:
        raise BadRequest("The body is not valid gzip.") from None
    if len(plain) > limit:
        raise BodyTooLarge(f"The body is larger than {limit} bytes when it is decompressed.")
    if len(plain) > max(_RATIO_FROM, _MAX_RATIO * len(body)):
        raise BodyTooLarge(f"The body grows more than {_MAX_RATIO} times when it is decompressed.")
    if not inflating.eof or inflating.unused_data:
        raise BadRequest("The body is not one whole gzip member.")
    return plain


def unstored(value: object, media: str = JSON, status: int = 200) -> Response:
    """Returns a JSON answer that no cache may store."""
    return Response(encode(value), status=status, mimetype=media, headers=_NO_STORE)


def marks(*, demo: bool) -> Callable[[Response], Response]:
    """Returns the function that adds our headers to an answer, if they are missing."""
    ours = _HEADERS | (_DEMO if demo else {})

    def mark(response: Response) -> Response:
        for name, value in ours.items():
            response.headers.setdefault(name, value)
        return response

    return mark
