"""Which browser pages may call: exact origins, never reflected, never with credentials (CDSH-126, OWN-16)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from flask import Blueprint, Flask, Response, request
from flask_cors import CORS

from cds_service.settings import Settings
from cds_service.trust.registry import Registry

# A tester's page: the public sandbox, and whatever is served on this machine.
_DEMO_ORIGINS = (
    "https://sandbox.cds-hooks.org",
    "http://sandbox.cds-hooks.org",
    r"^https?://(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$",
)
_PRE_FLIGHT_S = 600


_REGISTRIES = 4  # whose marks are kept: the one in force, and those that calls in flight still have

_Mark = Callable[[Response], Response]


def allow_browsers(app: Flask, settings: Settings, registry: Callable[[], Registry]) -> None:
    """Answer preflights and mark answers, error answers too, for the origins of the deployment and its clients."""
    demo = settings.mode == "demo"
    always = (*settings.cors_origins, *(_DEMO_ORIGINS if demo else ()))

    @lru_cache(_REGISTRIES)
    def mark_for(origins: tuple[str, ...]) -> _Mark:
        return _mark(origins, private_network=demo)

    def mark(response: Response) -> Response:
        origins = always + registry().cors_origins
        return mark_for(origins)(response) if origins else response

    app.after_request(mark)


def _mark(origins: tuple[str, ...], *, private_network: bool) -> _Mark:
    """What Flask-Cors does to each answer; it fixes its origins, so that other origins need another one."""
    holder = Blueprint("origins", __name__)
    CORS(
        holder,
        origins=list(origins),
        methods=["GET", "POST", "OPTIONS"],
        allow_headers=["Authorization", "Content-Type", "Accept"],
        max_age=_PRE_FLIGHT_S,
        supports_credentials=False,
        send_wildcard=False,
        vary_header=True,
        always_send=False,
        # Chrome asks before a public page may call this machine; only a demo is called that way.
        allow_private_network=private_network,
    )
    (marked,) = holder.after_request_funcs[None]

    def mark(response: Response) -> Response:
        response.vary.add("Origin")  # flask-cors leaves it out where there is one origin only
        if "HTTP_ORIGIN" not in request.environ:
            return response  # no browser page asks: flask-cors would look for long and add nothing
        found: Response = marked(response)  # type: ignore[assignment]  # Flask's type allows a coroutine here
        return found

    return mark
