"""Finds out which client sent a request, before its body is read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from flask import Response, g, request

from cds_service import metrics
from cds_service.telemetry import name_in_lines
from cds_service.trust.client import Client
from cds_service.trust.gate import AccessRequest
from cds_service.trust.jwt import Proven, is_plausible
from cds_service.trust.registry import claimed_issuer
from cds_service.trust.throttle import UNKNOWN, address_of
from cds_service.web.errors import correlation
from cds_service.web.runtime import Runtime, runtime

if TYPE_CHECKING:
    from granian.rsgi import Scope
    from werkzeug.routing import Map

DISCOVERY = "/cds-services"
FEEDBACK = "/feedback"
_SLASHES = re.compile("/{2,}")
_UNANSWERED = frozenset({429, 503})


def hook_client(here: Runtime, service: str) -> Client | None:
    """Returns the proven client of a hook call, or None if this deployment takes no tokens."""
    return _admit(here, service, (f"{DISCOVERY}/{service}",))


def feedback_client(here: Runtime, service: str) -> Client | None:
    """Returns the proven client of feedback; its token may also name the service (M9)."""
    url = f"{DISCOVERY}/{service}"
    return _admit(here, service, (url + FEEDBACK, url))


def discovery_client(here: Runtime) -> Client | None:
    """Returns the proven client of discovery if CDS_DISCOVERY_AUTH requires one, else None."""
    if here.settings.discovery_auth != "required":
        return None
    return _admit(here, "", (DISCOVERY,))


def _admit(here: Runtime, service: str, paths: tuple[str, ...]) -> Client | None:
    presented = AccessRequest(
        authorization=request.environ.get("HTTP_AUTHORIZATION"),
        # From the settings, never from Host or X-Forwarded-Host (T-26).
        audiences=tuple(here.settings.base_url + path for path in paths),
        correlation=correlation(),
        service=service,
        address=address_of(
            request.remote_addr or "",
            request.environ.get("HTTP_X_FORWARDED_FOR", ""),
            here.settings.proxies,
        ),
    )
    proven = here.gate.admit(presented, here.clock())
    if proven is None:
        return None
    g.token = proven
    name_in_lines(client=proven.client.name)
    return proven.client


def give_back_token(response: Response) -> Response:
    """Leaves the token of a call without an answer usable, so that its sender can try again."""
    proven: Proven | None = g.get("token")
    if proven is not None and response.status_code in _UNANSWERED:
        runtime().gate.give_back(proven)
    return response


def address(here: Runtime, scope: Scope) -> str:
    """Returns the address of a caller, "" if this deployment does not know it."""
    if here.settings.proxies is None:
        return UNKNOWN
    peer = scope.client.rpartition(":")[0].strip("[]")
    forwarded = ",".join(
        value for name, value in scope.headers.items() if name == "x-forwarded-for"
    )
    return address_of(peer, forwarded, here.settings.proxies)


def held_off(here: Runtime, scope: Scope) -> bool:
    """Returns True if a request is refused unread, because tokens from its address keep failing."""
    held = here.gate.failures.holds_off(address(here, scope))
    if held:
        metrics.count("cds_held_off")
    return held


def wants_body(here: Runtime, pages: Map, taking: frozenset[str], scope: Scope) -> bool:
    """Returns False if a request will be refused whatever its body holds: it is not kept then.

    That is so at an address that takes no body, and without a token that can be good.
    `taking` are the paths of hook calls and feedback, `pages` all that there is.
    """
    path = _SLASHES.sub("/", unquote(scope.path)).rstrip("/") or "/"
    if path not in taking:
        return pages.bind("").test(path, scope.method)
    registry = here.registry()
    if not registry.asks_for_tokens:
        return True
    paths = (path, path.removesuffix(FEEDBACK))
    audiences = tuple(here.settings.base_url + one for one in dict.fromkeys(paths))
    return is_plausible(scope.headers.get("authorization"), audiences, registry, here.clock())


def claimed_by(scope: Scope) -> str:
    """Returns whom a request says that it is from; this grants nothing, and divides the room."""
    return claimed_issuer(scope.headers.get("authorization")) or UNKNOWN
