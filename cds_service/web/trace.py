"""Takes the ids by which an EHR, a proxy and a FHIR server can find one call in all their logs.

X-Request-ID and `traceparent` (W3C Trace Context) are read, logged, answered and passed on. What
does not have their form is left out, because a header may hold anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from flask import Flask, Response, g, request

from cds_service.telemetry import begin_lines, fresh_id

REQUEST_ID = "X-Request-ID"
TRACE_PARENT = "traceparent"
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_TRACE_PARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")


def trace(app: Flask) -> None:
    """Makes every log line and every answer of `app` name the request that it belongs to."""
    app.before_request(_begin)
    app.after_request(_answer)


def passed_on() -> Mapping[str, str]:
    """Returns the headers that tell a FHIR server for which call it is read."""
    headers = {REQUEST_ID: g.request_id}
    if g.trace_parent is not None:
        of_trace, flags = g.trace_parent
        headers[TRACE_PARENT] = f"00-{of_trace}-{fresh_id(64)}-{flags}"
    return headers


def _begin() -> None:
    given = request.environ.get("HTTP_X_REQUEST_ID", "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else fresh_id(64)
    parent = _TRACE_PARENT.fullmatch(request.environ.get("HTTP_TRACEPARENT", ""))
    g.trace_parent = parent.groups() if parent else None
    about = {"request": g.request_id}
    if parent:
        about["trace"] = parent[1]
    begin_lines(**about)


def _answer(response: Response) -> Response:
    response.headers[REQUEST_ID] = g.get("request_id") or fresh_id(64)
    return response
