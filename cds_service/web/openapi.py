"""Answers the description of all addresses as OpenAPI, for clients that are made from it."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

from flask import Blueprint, Response

from cds_service.protocol.wire import decode, encode
from cds_service.telemetry import release
from cds_service.web.runtime import runtime

openapi_page = Blueprint("openapi", __name__)
_OF_THE_DEMO = ("/demo", "/chart")
_OF_DEVELOPERS = ("/workbench", "/static/demo")  # in a demo too


@openapi_page.get("/openapi.json")
def openapi() -> Response:
    """Returns docs/openapi.yaml as JSON."""
    return Response(encode(described_here()), mimetype="application/json")


def described_here() -> dict[str, Any]:
    """Returns the description with this service's own address, and without the demo's."""
    here = runtime().settings
    document = dict(_described())
    document["servers"] = [{"url": here.base_url}]
    document["info"] = document["info"] | {"version": release()}
    elsewhere = {"demo": (), "development": _OF_THE_DEMO}
    left_out = elsewhere.get(here.mode, _OF_THE_DEMO + _OF_DEVELOPERS)
    if left_out:
        paths = document["paths"].items()
        document["paths"] = {p: o for p, o in paths if not p.startswith(left_out)}
    return document


@cache
def _described() -> dict[str, Any]:
    file = resources.files("cds_service.web").joinpath("openapi.json")
    described: dict[str, Any] = decode(file.read_bytes())
    return described
