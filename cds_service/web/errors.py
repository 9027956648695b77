"""Makes every error answer an OperationOutcome with fixed text that never quotes the caller."""

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
from cds_service.protocol.documents import FHIR_JSON, operation_outcome, outcome_of
from cds_service.protocol.wire import encode
from cds_service.telemetry import fresh_id, log, log_crash
from cds_service.web.front import FAULT, REFUSED

_OURS: dict[int, ServiceError] = {
    404: NotFound("There is nothing at this address. CDS services are listed at /cds-services."),
    405: MethodNotAllowed("This address does not take this method."),
    408: SlowBody("The body did not arrive in time."),
    413: BodyTooLarge("The body is too large."),
    415: UnsupportedMedia("Send the body as application/json."),
}


def correlation() -> str:
    """Returns the id that ties this answer to its log line."""
    if "correlation" not in g:
        g.correlation = fresh_id(64)
    return str(g.correlation)


def register(app: Flask) -> None:
    """Turns errors of this service, errors of Flask and bugs into OperationOutcomes."""
    app.before_request(_refused_by_front)
    app.register_error_handler(ServiceError, refused)
    app.register_error_handler(HTTPException, _from_http)
    app.register_error_handler(Exception, _crash)


def _refused_by_front() -> None:
    """Refuses a request that the front did not read to its end; it makes no answer itself."""
    status = request.environ.get(REFUSED)
    if status is not None:
        fault = request.environ.get(FAULT, "The body broke off.")
        raise _OURS.get(status) or BadRequest(fault)


def refused(error: ServiceError) -> Response:
    """Returns the answer to a request that ended with this error."""
    g.error = error
    log().warning(
        "refused",
        correlation=correlation(),
        status=error.status,
        code=error.code,
        reason=error.message,
        **({"causes": dict(error.causes)} if error.causes else {}),
    )
    refused_token = isinstance(error, Unauthorized)
    # All refused tokens get the same body; the id goes into a header only (OWN-15).
    outcome = outcome_of(error, "" if refused_token else correlation())
    response = Response(encode(outcome), status=error.status, mimetype=FHIR_JSON)
    response.headers["X-Correlation-Id"] = correlation()
    if refused_token:
        response.headers["WWW-Authenticate"] = "Bearer"
    if error.status in (429, 503):
        response.headers["Retry-After"] = "1"
    return response


def _from_http(error: HTTPException) -> Response:
    ours = _OURS.get(error.code or 0, BadRequest("The request could not be read."))
    response = refused(ours)
    allowed = getattr(error, "valid_methods", None)
    if allowed:
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response


def _crash(error: Exception) -> Response:
    # The one place that takes any exception: a bug is a 500 that can be looked up in the log.
    log_crash(error, correlation())
    body = operation_outcome(
        "exception", "The service failed to answer; nothing was checked.", correlation()
    )
    return Response(encode(body), status=500, mimetype=FHIR_JSON)
