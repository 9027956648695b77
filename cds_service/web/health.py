"""Whether the service runs and whether it is whole: for probes, without versions or anything of patients."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, Response, request

from cds_service.protocol.wire import encode
from cds_service.web.front import STOPPING
from cds_service.web.runtime import Runtime, runtime

blueprint = Blueprint("health", __name__)
_FRESH = timedelta(days=365)  # products that came to the market since are not recognised by code


@blueprint.get("/health")
def health() -> Response:
    """200 as long as this worker answers: restarting it mends nothing that is listed under `degraded`."""
    here = runtime()
    reasons = degraded(here)
    told: dict[str, object] = {"status": "degraded" if reasons else "ok"}
    remarks = notes(here)
    return _json(
        told | ({"degraded": reasons} if reasons else {}) | ({"notes": remarks} if remarks else {})
    )


@blueprint.get("/ready")
def ready() -> Response:
    """200 when hook calls are answered, with or without a database; 503 while this worker stops."""
    if request.environ.get(STOPPING) or runtime().recorder.closed:
        return _json({"status": "stopping"}, 503)
    return _json({"status": "ready"})


def degraded(here: Runtime) -> list[str]:
    """What does not work now, in fixed words; hook calls are answered all the same."""
    here.recorder.start()  # it looks at an idle database, so that an outage shows before the first feedback
    found = []
    if here.database.problem:
        found.append(f"database: {here.database.problem}")
    if here.recorder.problem:
        found.append(f"record of calls: {here.recorder.problem}")
    if here.registry().outdated:
        found.append("client registry: its file is broken, an older one is in force")
    if here.gate.replay.resting:
        found.append("used tokens: only this worker's own are known")
    return found


def notes(here: Runtime) -> list[str]:
    """What works and should be looked after, in fixed words."""
    release = here.rxnorm_release
    if release is None or here.clock().date() - release <= _FRESH:
        return []
    return [f"RxNorm index: release of {release}, older than 12 months"]


def _json(value: dict[str, object], status: int = 200) -> Response:
    return Response(
        encode(value),
        status=status,
        mimetype="application/json",
        headers={"Cache-Control": "no-store"},
    )
