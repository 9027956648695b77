"""The floor of `bench/service.py`: Flask on our server and front, without the service behind it."""

from __future__ import annotations

import os
import sys

from flask import Flask, Response, request
from granian import Granian
from granian.constants import HTTPModes, Interfaces, RuntimeModes

from cds_service.cli.run import tune_collector
from cds_service.web.front import Front, FrontLimits


def make_front() -> Front:
    """One worker's application; called by the server in the worker's process."""
    app = Flask("floor")
    reads = os.environ["BENCH_FLOOR"] == "read"

    @app.post("/cds-services/<service>")
    def call(service: str) -> Response:
        if reads:
            request.stream.read()
        return Response(b'{"cards":[]}', mimetype="application/json")

    @app.get("/ready")
    def ready() -> Response:
        return Response(b'{"status":"ok"}', mimetype="application/json")

    front = Front(app.wsgi_app, FrontLimits())
    tune_collector()
    return front


if __name__ == "__main__":
    Granian(
        "floor:make_front",
        port=int(sys.argv[1]),
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        websockets=False,
        runtime_mode=RuntimeModes.st,
        factory=True,
        log_enabled=False,
    ).serve()
