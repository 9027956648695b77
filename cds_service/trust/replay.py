"""A token is used once (T-23, T-24): in the shared store, and where that is down, in this process."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from cds_service import metrics
from cds_service.errors import Overloaded, StoreUnavailable
from cds_service.telemetry import log

_REST_S = 5.0  # a store that is down is not asked again before
_OWN_TOKENS = 100_000


class TokenStore(Protocol):
    """Where used tokens are kept for all workers and nodes."""

    def first_use(self, tenant: str, digest: str, expires: datetime, now: datetime) -> bool:
        """Take this identifier, and say whether nobody had; raises StoreUnavailable."""


class OwnTokens:
    """Used tokens of this process, bounded; the oldest go first."""

    def __init__(self, most: int = _OWN_TOKENS) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._used: OrderedDict[tuple[str, str], datetime] = OrderedDict()

    def first_use(self, tenant: str, digest: str, expires: datetime, now: datetime) -> bool:
        """Take this identifier, and say whether nobody in this process had."""
        with self._lock:
            while self._used and (
                len(self._used) >= self._most or next(iter(self._used.values())) < now
            ):
                self._used.popitem(last=False)
            if self._used.get((tenant, digest), now) > now:
                return False
            self._used[tenant, digest] = expires
            return True


class ReplayGuard:
    """Says whether a token is new. `degraded` counts the calls that only this process could answer for."""

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
        """Whether only this process is asked at the moment, because the store was down."""
        return self._clock() < self._ask_again

    def is_new(self, tenant: str, jti: str, expires: datetime, now: datetime) -> bool:
        """Whether nobody has used this token yet; call it once, after the signature is checked.

        With the store down only this process is asked, because a card that is not shown harms more than a
        call that is answered twice; a strict guard raises Overloaded (503) instead.
        """
        digest = hashlib.sha256(jti.encode("utf-8", "replace")).hexdigest()
        if not self._own.first_use(tenant, digest, expires, now):
            return False
        if self._clock() >= self._ask_again:
            try:
                return self._store.first_use(tenant, digest, expires, now)
            except StoreUnavailable as error:
                self._ask_again = self._clock() + _REST_S
                log().error("replay_degraded", error=error.cause, count=self.degraded + 1)
        self.degraded += 1
        metrics.count("cds_replay_degraded")
        if self._strict:
            raise Overloaded(
                "The store of used tokens cannot be reached; try again in a few seconds."
            )
        return True
