"""Whether the service runs: for probes, without versions or anything about patients."""

from __future__ import annotations

from flask import Blueprint, Response

from cds_service.protocol.wire import encode

blueprint = Blueprint("health", __name__)


@blueprint.get("/health")
def health() -> Response:
    """200 as long as this worker answers."""
    return Response(
        encode({"status": "ok"}), mimetype="application/json", headers={"Cache-Control": "no-store"}
    )
