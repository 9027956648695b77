"""Finds out which client sent a request, before its body is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response, g, request

from cds_service import metrics
from cds_service.trust.client import Client
from cds_service.trust.gate import AccessRequest
from cds_service.trust.jwt import Proven
from cds_service.trust.throttle import address_of
from cds_service.web.errors import correlation
from cds_service.web.runtime import Runtime, runtime

if TYPE_CHECKING:
    from granian.rsgi import Scope

DISCOVERY = "/cds-services"
FEEDBACK = "/feedback"
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
    return proven.client


def give_back_token(response: Response) -> Response:
    """Leaves the token of a call without an answer usable, so that its sender can try again."""
    proven: Proven | None = g.get("token")
    if proven is not None and response.status_code in _UNANSWERED:
        runtime().gate.give_back(proven)
    return response


def held_off(here: Runtime, scope: Scope) -> bool:
    """Returns True if a request is refused unread, because tokens from its address keep failing."""
    peer = scope.client.rpartition(":")[0].strip("[]")
    forwarded = ",".join(
        value for name, value in scope.headers.items() if name == "x-forwarded-for"
    )
    held = here.gate.failures.holds_off(address_of(peer, forwarded, here.settings.proxies))
    if held:
        metrics.count("cds_held_off")
    return held
