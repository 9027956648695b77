"""Refuses a token that was used before (T-23, T-24), here or in the store that all nodes share."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Protocol

from cds_service import metrics
from cds_service.errors import Overloaded, StoreUnavailable
from cds_service.telemetry import log

_REST_S = 5.0  # after an outage the store is left alone for so long
_OWN_TOKENS = 100_000


class TokenStore(Protocol):
    """Keeps used tokens for all workers and nodes."""

    def first_use(self, tenant: str, digest: str, expires: datetime, now: datetime) -> bool:
        """Takes this identifier, and returns True if it was new; raises StoreUnavailable."""

    def forget(self, tenant: str, digest: str) -> None:
        """Makes an identifier new again; raises StoreUnavailable."""


class OwnTokens:
    """Keeps the used tokens of this process; above the limit the oldest go first."""

    def __init__(self, most: int = _OWN_TOKENS) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._used: OrderedDict[tuple[str, str], datetime] = OrderedDict()

    def first_use(self, tenant: str, digest: str, expires: datetime, now: datetime) -> bool:
        """Takes this identifier, and returns True if it was new in this process."""
        with self._lock:
            while len(self._used) >= self._most:
                self._used.popitem(last=False)
            while self._used and next(iter(self._used.values())) < now:
                self._used.popitem(last=False)
            if self._used.get((tenant, digest), now) > now:
                return False
            self._used[tenant, digest] = expires
            return True

    def forget(self, tenant: str, digest: str) -> None:
        """Makes an identifier new again."""
        with self._lock:
            self._used.pop((tenant, digest), None)


class ReplayGuard:
    """Tells whether a token is new. `degraded` counts the calls that only this process checked."""

    def __init__(
        self,
        store: TokenStore,
        *,
        strict: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._strict = strict
        self._clock = clock
        self._own = OwnTokens()
        self._ask_again = 0.0
        self.degraded = 0

    @property
    def resting(self) -> bool:
        """True while the store is left alone because it was down."""
        return self._clock() < self._ask_again

    def is_new(self, tenant: str, jti: str, expires: datetime, now: datetime) -> bool:
        """Returns True if this token was never used; call it once, after the signature is checked.

        If the store is down, only this process checks, because a card that is not shown harms more
        than a call that is answered twice. A strict guard raises Overloaded (503) instead.
        """
        digest = _digest(jti)
        if not self._own.first_use(tenant, digest, expires, now):
            return False
        if not self.resting:
            try:
                return self._store.first_use(tenant, digest, expires, now)
            except StoreUnavailable as error:
                self._ask_again = self._clock() + _REST_S
                log().error("replay_degraded", error=error.cause, count=self.degraded + 1)
        self.degraded += 1
        metrics.count("cds_replay_degraded")
        if self._strict:
            self._own.forget(tenant, digest)
            raise Overloaded(
                "The store of used tokens cannot be reached; try again in a few seconds."
            )
        return True

    def give_back(self, tenant: str, jti: str) -> None:
        """Makes a token new again, so that a call that got no answer can be sent once more."""
        digest = _digest(jti)
        self._own.forget(tenant, digest)
        if self.resting:
            return
        with suppress(StoreUnavailable):  # then the sender needs a new token, as before
            self._store.forget(tenant, digest)


def _digest(jti: str) -> str:
    return hashlib.sha256(jti.encode("utf-8", "replace")).hexdigest()
