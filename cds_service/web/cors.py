"""Which browser pages may call: exact origins, never reflected, never with credentials (CDSH-126, OWN-16)."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Flask, Response
from flask_cors import CORS

from cds_service.settings import Settings

# A tester's page: the public sandbox, and whatever is served on this machine.
_DEMO_ORIGINS = (
    "https://sandbox.cds-hooks.org",
    "http://sandbox.cds-hooks.org",
    r"^https?://(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$",
)
_PRE_FLIGHT_S = 600


def allow_browsers(app: Flask, settings: Settings, registered: Iterable[str] = ()) -> None:
    """Answer preflights and mark answers, error answers too, for the origins of this deployment.

    `registered` are those of the registry as it is at start.
    """
    demo = settings.mode == "demo"
    origins = [*settings.cors_origins, *registered, *(_DEMO_ORIGINS if demo else ())]
    if not origins:
        return
    app.after_request(_vary)  # flask-cors leaves it out where there is one origin only
    CORS(
        app,
        origins=origins,
        methods=["GET", "POST", "OPTIONS"],
        allow_headers=["Authorization", "Content-Type", "Accept"],
        max_age=_PRE_FLIGHT_S,
        supports_credentials=False,
        send_wildcard=False,
        vary_header=True,
        always_send=False,
        # Chrome asks before a public page may call this machine; only a demo is called that way.
        allow_private_network=demo,
    )


def _vary(response: Response) -> Response:
    response.vary.add("Origin")
    return response
