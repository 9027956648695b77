"""Who is let in: the token of a call, whether it is new, and whether its client keeps to its rate."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from msgspec import Struct, field

from cds_service.errors import Forbidden, TooManyRequests, Unauthorized
from cds_service.telemetry import log
from cds_service.trust.client import Client
from cds_service.trust.failures import UNKNOWN, FailureLimit
from cds_service.trust.jwt import Reason, Refused, prove, read_token, verified_by
from cds_service.trust.keys import KeyCache
from cds_service.trust.keyset import SANDBOX_JWK, key_set
from cds_service.trust.rate import RateLimit
from cds_service.trust.registry import Registry
from cds_service.trust.replay import ReplayGuard

# One text for every cause: what is wrong with a token is for our log, not for whoever sent it.
REFUSAL = "This call does not carry a token that this service accepts."
# Refusals that say nothing against the caller's address: our view of its keys, or a token that was good once.
_NO_FAULT = frozenset({Reason.NO_KEYS, Reason.REPLAY})
_SANDBOX_KEYS = key_set([dict(SANDBOX_JWK)], allow_sandbox=True)


class Knock(Struct, frozen=True, kw_only=True):
    """What a call shows at the door: its Authorization header, and which endpoint it wants."""

    authorization: str | None
    audiences: tuple[str, ...]  # public URLs of the endpoint
    correlation: str
    service: str = ""
    address: str = UNKNOWN  # of the caller, where this deployment can tell


class Gate(Struct, frozen=True, kw_only=True):
    """The door of one worker."""

    registry: Callable[[], Registry]
    keys: KeyCache
    replay: ReplayGuard
    rate: RateLimit = field(default_factory=RateLimit)
    failures: FailureLimit = field(default_factory=FailureLimit)
    demo: bool = False

    def admit(self, knock: Knock, now: datetime) -> Client | None:
        """The proven client, or None where this deployment asks nobody for a proof.

        Unauthorized, Forbidden and TooManyRequests as the specification's status codes have them.
        """
        registry = self.registry()
        if not registry.asks_for_tokens:
            if self.demo and knock.authorization:
                self._look_at_sandbox(knock)
            return None
        try:
            proven = prove(
                read_token(knock.authorization), knock.audiences, registry, self.keys, now
            )
            if not self.replay.is_new(proven.client.tenant, proven.jti, proven.expires, now):
                raise Refused(Reason.REPLAY, proven.client.name)
        except Refused as refusal:
            log().warning(
                "unauthorized",
                correlation=knock.correlation,
                client=refusal.client,
                service=knock.service,
                reason=refusal.reason.value,
            )
            if refusal.reason not in _NO_FAULT:
                self.failures.failed(knock.address)
            raise Unauthorized(REFUSAL) from None
        self.failures.passed(knock.address)
        self.allow(proven.client, knock.service)
        return proven.client

    def allow(self, client: Client, service: str) -> None:
        """Whether a client that is known may make this call, and now."""
        if service and client.services and service not in client.services:
            raise Forbidden("This client's registry entry does not name this service.")
        if not self.rate.admits(client.name, client.rate_limit):
            raise TooManyRequests(
                "This client calls more often than its rate_limit in clients.toml."
            )

    def _look_at_sandbox(self, knock: Knock) -> None:
        """Checked and noted, so that a tester sees that it would pass; the caller stays anonymous (T-68)."""
        try:
            good = verified_by(read_token(knock.authorization), _SANDBOX_KEYS)
        except Refused:
            good = False
        log().info(
            "sandbox-token",
            correlation=knock.correlation,
            reason="signed by the public sandbox" if good else "not signed by the public sandbox",
        )
