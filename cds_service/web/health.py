"""Tells probes whether the service runs and is whole, without versions or patient data."""

from __future__ import annotations

from flask import Blueprint, Response, request

from cds_service.telemetry import log_problem
from cds_service.web.front import STOPPING
from cds_service.web.messages import unstored
from cds_service.web.runtime import Runtime, runtime

blueprint = Blueprint("health", __name__)
_FRESH_DAYS = 365  # newer products are not recognised by code; CdsRxNormOld has the same number


@blueprint.get("/health")
def health() -> Response:
    """Answers 200 if this worker runs; a restart would not mend what `degraded` lists."""
    here = runtime()
    answer: dict[str, object] = {"status": "ok"}
    if reasons := degraded(here):
        answer = {"status": "degraded", "degraded": reasons}
    if remarks := notes(here):
        answer["notes"] = remarks
    return unstored(answer)


@blueprint.get("/ready")
def ready() -> Response:
    """Answers 200 if this worker takes hook calls, even without a database, and 503 if it stops."""
    if request.environ.get(STOPPING) or runtime().recorder.closed:
        return unstored({"status": "stopping"}, status=503)
    return unstored({"status": "ready"})


def degraded(here: Runtime) -> list[str]:
    """Returns what does not work now, in fixed words; hook calls are answered all the same."""
    here.recorder.start()  # it polls the database, so an outage shows before the first feedback
    reasons = []
    if here.database.problem:
        reasons.append(f"database: {here.database.problem}")
    if here.recorder.problem:
        reasons.append(f"record of calls: {here.recorder.problem}")
    if problem := log_problem():
        reasons.append(f"log: {problem}")
    if here.registry().outdated:
        reasons.append("client registry: its file is broken, an older one is in force")
    # Without a name: anybody may ask for this page, and the log says which server it is.
    reasons += [f"live reads: a FHIR server is {p.words()}" for p in here.pipeline.pauses()]
    reasons += [f"red switch: {one.words}" for one in here.switches.current()]
    if not here.switches.known:
        reasons.append("red switch: what is switched off could not be read yet")
    if here.gate.replay.resting:
        reasons.append("used tokens: only this worker's own are known")
    return reasons


def notes(here: Runtime) -> list[str]:
    """Returns what works but needs maintenance, in fixed words."""
    if here.index_age_days <= _FRESH_DAYS:
        return []
    return [f"RxNorm index: release of {here.rxnorm_release}, older than 12 months"]
