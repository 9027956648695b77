"""Decides who is let in, by the token of a call and by how often its client calls."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from msgspec import Struct, field

from cds_service.errors import Forbidden, TooManyRequests, Unauthorized
from cds_service.telemetry import log, name_in_lines
from cds_service.trust.client import Client
from cds_service.trust.jwt import Proven, Reason, Refused, prove, read_token, verified_by
from cds_service.trust.keys import KeyCache
from cds_service.trust.keyset import SANDBOX_JWK, key_set
from cds_service.trust.registry import Registry
from cds_service.trust.replay import ReplayGuard
from cds_service.trust.throttle import UNKNOWN, FailureLimit, RateLimit

# One text for every cause: what is wrong with a token is for our log, not for its sender.
REFUSAL = "This call does not carry a token that this service accepts."
_SLASH = "The 'aud' of its tokens differs from the URL by a slash at the end; it is accepted."
# These refusals are not the caller's fault: we could not get its keys, or the token was valid once.
_NO_FAULT = frozenset({Reason.NO_KEYS, Reason.REPLAY})
_SANDBOX_KEYS = key_set([dict(SANDBOX_JWK)], allow_sandbox=True)


class AccessRequest(Struct, frozen=True, kw_only=True):
    """What a call presents to be let in: its Authorization header and the endpoint it wants."""

    authorization: str | None
    audiences: tuple[str, ...]  # public URLs of the endpoint
    correlation: str
    service: str = ""
    address: str = UNKNOWN  # of the caller, if this deployment knows it


class Gate(Struct, frozen=True, kw_only=True):
    """Lets callers in, or refuses them; one gate for each worker."""

    registry: Callable[[], Registry]
    keys: KeyCache
    replay: ReplayGuard
    rate: RateLimit = field(default_factory=RateLimit)
    failures: FailureLimit = field(default_factory=FailureLimit)
    demo: bool = False
    # The clients whose `aud` differs from ours by a slash; each is logged once in this worker.
    slashes: set[str] = field(default_factory=set)

    def admit(self, request: AccessRequest, now: datetime) -> Proven | None:
        """Returns who calls, or None if this deployment does not use tokens.

        The token is used up now; `give_back` if the call gets no answer. Raises Unauthorized,
        Forbidden or TooManyRequests.
        """
        registry = self.registry()
        if not registry.wants_proof(request.authorization):
            if self.demo and request.authorization:
                self._note_sandbox_token(request)
            return None
        try:
            token = read_token(request.authorization)
            proven = prove(token, request.audiences, registry, self.keys, now)
            if not self.replay.is_new(proven.client.tenant, proven.jti, proven.expires, now):
                raise Refused(Reason.REPLAY, proven.client.name)
        except Refused as refusal:
            name_in_lines(client=refusal.client)
            log().warning(
                "unauthorized",
                correlation=request.correlation,
                client=refusal.client,
                service=request.service,
                reason=refusal.reason.value,
            )
            if refusal.reason not in _NO_FAULT:
                self.failures.failed(request.address)
            raise Unauthorized(REFUSAL, refusal.reason.value) from None
        self.failures.passed(request.address)
        if proven.slash and proven.client.name not in self.slashes:
            self.slashes.add(proven.client.name)
            log().warning("audience", client=proven.client.name, reason=_SLASH)
        try:
            self.allow(proven.client, request.service)
        except TooManyRequests:
            self.give_back(proven)
            raise
        return proven

    def give_back(self, proven: Proven) -> None:
        """Lets a token be used once more, because its call was not answered (429, 503)."""
        self.replay.give_back(proven.client.tenant, proven.jti)

    def allow(self, client: Client, service: str) -> None:
        """Raises Forbidden or TooManyRequests if a known client may not make this call now."""
        if service and client.services and service not in client.services:
            raise Forbidden("This client's registry entry does not name this service.")
        if not self.rate.admits(client.name, client.rate_limit):
            raise TooManyRequests(
                "This client calls more often than its rate_limit in clients.toml."
            )

    def _note_sandbox_token(self, request: AccessRequest) -> None:
        """Logs whether a token is the public sandbox's; its caller stays anonymous (T-68)."""
        try:
            good = verified_by(read_token(request.authorization), _SANDBOX_KEYS)
        except Refused:
            good = False
        log().info(
            "sandbox-token",
            correlation=request.correlation,
            reason="signed by the public sandbox" if good else "not signed by the public sandbox",
        )
