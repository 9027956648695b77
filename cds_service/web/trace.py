"""Takes the ids by which an EHR, a proxy and a FHIR server can find one call in all their logs.

X-Request-ID and `traceparent` (W3C Trace Context) are read, logged, answered (the trace as
`traceresponse`, with an id of our own) and passed on. What does not have their form is left out,
because a header may hold anything. With a collector (`otlp`) each request is a span of the caller's
trace, or of a trace of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from flask import Flask, Response, g, request

from cds_service import otlp
from cds_service.telemetry import begin_lines, fresh_id, service_in_lines, whose
from cds_service.web.runtime import called_service

REQUEST_ID = "X-Request-ID"
TRACE_PARENT = otlp.TRACE_PARENT
TRACE_RESPONSE = "traceresponse"  # W3C Trace Context, level 2
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_TRACE_PARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")


def trace(app: Flask) -> None:
    """Makes every log line and every answer of `app` name the request that it belongs to."""
    app.before_request(_begin)
    app.after_request(_answer)
    app.teardown_request(_end)


def passed_on() -> Mapping[str, str]:
    """Returns the headers that tell a FHIR server for which call it is read."""
    headers = {REQUEST_ID: g.request_id}
    if ours := _our_place_in_the_trace():
        headers[TRACE_PARENT] = ours
    return headers


def _our_place_in_the_trace() -> str:
    """Returns the trace of this request with an id of our own; "" if it is in no trace."""
    if g.span.traceparent or g.trace_parent is None:
        return str(g.span.traceparent)
    of_trace, flags = g.trace_parent
    return f"00-{of_trace}-{fresh_id(64)}-{flags}"


def _begin() -> None:
    given = request.environ.get("HTTP_X_REQUEST_ID", "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else fresh_id(64)
    parent = _TRACE_PARENT.fullmatch(request.environ.get("HTTP_TRACEPARENT", ""))
    g.trace_parent = parent.groups() if parent else None
    g.span = otlp.span("request", parent[0] if parent else "", serves=True)
    about = {"request": g.request_id}
    of_trace = _TRACE_PARENT.fullmatch(g.span.traceparent) or parent
    if of_trace:
        about["trace"] = of_trace[1]
    if service := called_service():
        about["service"] = service
    begin_lines(**about)


def _answer(response: Response) -> Response:
    response.headers[REQUEST_ID] = g.get("request_id") or fresh_id(64)
    if "span" not in g:
        return response
    if ours := _our_place_in_the_trace():
        response.headers[TRACE_RESPONSE] = ours
    if otlp.is_on():
        _describe(g.span, response.status_code)
    return response


def _describe(span: otlp.Span, status: int) -> None:
    """Adds whose request it was and how it ended: patterns and names of ours, never the address."""
    span.note("http.request.method", request.method if request.url_rule else "other")
    span.note("http.route", request.url_rule.rule if request.url_rule else "none")
    span.note("http.response.status_code", status)
    span.note("cds.client", whose())
    span.note("cds.request", g.request_id)
    if service := service_in_lines():
        span.note("cds.service", service)


def _end(_: BaseException | None) -> None:
    """Ends the span in the thread that began it; Flask calls this after every request."""
    if "span" in g:
        g.span.end()
