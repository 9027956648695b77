"""Reads the body of a request, and makes the answer to it."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import Any

from flask import Request, Response

from cds_service.errors import BadRequest, BodyTooLarge, UnsupportedMedia
from cds_service.protocol.wire import decode, encode

JSON = "application/json"
_TYPES = (JSON, "application/fhir+json", "application/json+fhir")
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
    if environ.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() not in ("", "identity"):
        raise UnsupportedMedia("Send the body without content encoding.")
    if (request.content_length or 0) > limit:
        raise BodyTooLarge(f"The body is larger than {limit} bytes.")


def json_body(request: Request, limit: int) -> Any:
    """Returns the decoded JSON body; BodyTooLarge or BadRequest say what is wrong with it."""
    return decode(raw_body(request, limit).removeprefix(codecs.BOM_UTF8))


def raw_body(request: Request, limit: int) -> bytes:
    """Returns the body as it came; raises BodyTooLarge, or BadRequest if it is empty."""
    body: bytes = request.stream.read(limit + 1)
    if len(body) > limit:
        raise BodyTooLarge(f"The body is larger than {limit} bytes.")
    if not body:
        raise BadRequest("The body is empty.")
    return body


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
