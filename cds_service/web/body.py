"""The body of a request: its size, type and encoding are checked before a byte of it is parsed."""

from __future__ import annotations

from typing import Any

from flask import Request

from cds_service.errors import BadRequest, BodyTooLarge, UnsupportedMedia
from cds_service.protocol.wire import decode

_TYPES = ("application/json", "application/fhir+json", "application/json+fhir")


def refuse_by_head(request: Request, limit: int) -> None:
    """Raise UnsupportedMedia or BodyTooLarge for what the headers alone give away."""
    environ = request.environ
    if environ.get("CONTENT_TYPE") not in _TYPES and (request.mimetype or "") not in _TYPES:
        raise UnsupportedMedia("Send the body as application/json.")
    if environ.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() not in ("", "identity"):
        raise UnsupportedMedia("Send the body without content encoding.")
    if (request.content_length or 0) > limit:
        raise BodyTooLarge(f"The body is larger than {limit} bytes.")


def json_body(request: Request, limit: int) -> Any:
    """The decoded JSON body; BodyTooLarge or BadRequest say what is wrong with it."""
    return decode(raw_body(request, limit))


def raw_body(request: Request, limit: int) -> bytes:
    """The body as it came; BodyTooLarge or BadRequest where there is too much of it or nothing."""
    body: bytes = request.stream.read(limit + 1)
    if len(body) > limit:
        raise BodyTooLarge(f"The body is larger than {limit} bytes.")
    if not body:
        raise BadRequest("The body is empty.")
    return body
