"""Lets browser pages of exact origins call, never with credentials (CDSH-126, OWN-16)."""

from __future__ import annotations

import re
from collections.abc import Callable

from flask import Flask, Response, request

from cds_service.settings import Settings
from cds_service.trust.registry import Registry

# A tester's pages: the public sandbox, and those that are served on this machine.
_SANDBOX = ("https://sandbox.cds-hooks.org", "http://sandbox.cds-hooks.org")
_THIS_MACHINE = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?")
_OWN_PAGES = frozenset({"workbench"})  # what they show is for no other page
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, OPTIONS, POST",
    "Access-Control-Allow-Headers": "Accept, Authorization, Content-Type",
    "Access-Control-Max-Age": "600",
}


def allow_browsers(app: Flask, settings: Settings, registry: Callable[[], Registry]) -> None:
    """Marks each answer of `app`, also preflights and errors, for the origins that may read it."""
    demo = settings.mode == "demo"
    always = settings.cors_origins + (_SANDBOX if demo else ())

    def mark(response: Response) -> Response:
        origins = always + registry().cors_origins
        if not origins or request.blueprint in _OWN_PAGES:
            return response
        response.vary.add("Origin")
        origin = request.headers.get("Origin", "").lower()
        if origin in origins or (demo and _THIS_MACHINE.fullmatch(origin)):
            _allow(response, private_network=demo)
        return response

    app.after_request(mark)


def _allow(response: Response, *, private_network: bool) -> None:
    """Lets the calling page read this answer, or send what its preflight asks about."""
    sent, headers = request.headers, response.headers
    headers["Access-Control-Allow-Origin"] = sent["Origin"]
    if request.method != "OPTIONS":
        return
    headers.update(_PREFLIGHT)
    # Chrome sends this before a public page may call this machine; only a demo is called that way.
    if private_network and sent.get("Access-Control-Request-Private-Network") == "true":
        headers["Access-Control-Allow-Private-Network"] = "true"
