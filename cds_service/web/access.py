"""Finds out which client sent a request, before its body is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import request

from cds_service import metrics
from cds_service.trust.client import Client
from cds_service.trust.gate import AccessRequest
from cds_service.trust.throttle import address_of
from cds_service.web.errors import correlation
from cds_service.web.runtime import Runtime

if TYPE_CHECKING:
    from granian.rsgi import Scope

DISCOVERY = "/cds-services"
FEEDBACK = "/feedback"


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
    return here.gate.admit(presented, here.clock())


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
