"""Every error answer is an OperationOutcome with fixed text; none quotes what the caller sent."""

from __future__ import annotations

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from cds_service.errors import (
    BadRequest,
    BodyTooLarge,
    MethodNotAllowed,
    NotFound,
    ServiceError,
    SlowBody,
    Unauthorized,
    UnsupportedMedia,
)
from cds_service.protocol.outcome import FHIR_JSON, operation_outcome, outcome_of
from cds_service.protocol.wire import encode
from cds_service.telemetry import fresh_id, log, log_crash
from cds_service.web.front import REFUSED

_OURS: dict[int, ServiceError] = {
    404: NotFound("There is nothing at this address. CDS services are listed at /cds-services."),
    405: MethodNotAllowed("This address does not take this method."),
    408: SlowBody("The body did not arrive in time."),
    413: BodyTooLarge("The body is too large."),
    415: UnsupportedMedia("Send the body as application/json."),
}


def correlation() -> str:
    """The id that ties this answer to its log line."""
    found: str = g.get("correlation") or fresh_id(64)
    g.correlation = found
    return found


def register(app: Flask) -> None:
    """Turn our errors, Flask's and bugs into OperationOutcomes."""
    app.before_request(_refused_by_front)
    app.register_error_handler(ServiceError, _answer)
    app.register_error_handler(HTTPException, _from_http)
    app.register_error_handler(Exception, _crash)


def _refused_by_front() -> None:
    """What the front did not read to its end is refused here, where the answer gets all it needs."""
    status = request.environ.get(REFUSED)
    if status is not None:
        raise _OURS.get(status) or BadRequest("The body broke off.")


def _answer(error: ServiceError) -> Response:
    log().warning(
        "refused",
        correlation=correlation(),
        status=error.status,
        code=error.code,
        reason=error.message,
    )
    # A refused token gets the same body whatever was wrong with it; the id goes into a header (OWN-15).
    shown = "" if isinstance(error, Unauthorized) else correlation()
    response = Response(encode(outcome_of(error, shown)), status=error.status, mimetype=FHIR_JSON)
    response.headers["X-Correlation-Id"] = correlation()
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = "Bearer"
    if error.status in (429, 503):
        response.headers["Retry-After"] = "1"
    return response


def _from_http(error: HTTPException) -> Response:
    ours = _OURS.get(error.code or 0)
    response = _answer(ours or BadRequest("The request could not be read."))
    allowed = getattr(error, "valid_methods", None)
    if allowed:
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response


def _crash(error: Exception) -> Response:
    # The one place that takes any exception: a bug is a 500 with a way to find it, never an empty answer.
    log_crash(error, correlation())
    body = operation_outcome(
        "exception", "The service failed to answer; nothing was checked.", correlation()
    )
    return Response(encode(body), status=500, mimetype=FHIR_JSON)
