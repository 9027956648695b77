"""Key sets that clients publish: fetched from the registered URL only, kept, refreshed, and never a flood.

A set is fresh for as long as its server says, within bounds, and serves for a day longer while that
server cannot be reached (T-27). An unknown `kid` asks for a new set at most once a minute and URL.
"""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

from msgspec import Struct, field

from cds_service import metrics
from cds_service.telemetry import log
from cds_service.trust.deadline import Deadline
from cds_service.trust.fetch import fetch
from cds_service.trust.keyset import MAX_BYTES, BadKeySet, KeySet, read_key_set
from cds_service.trust.outgoing import OutgoingCall, guarded_session, tls_context

_OK = 200
_MAX_AGE = re.compile(r"max-age=(\d{1,9})")


class CacheLimits(Struct, frozen=True, kw_only=True):
    """How long a key set serves and how often its server is asked; tests shorten them."""

    fetch_s: float = 1.0
    fresh_s: float = 600.0  # where the server says nothing
    fresh_between_s: tuple[float, float] = (60.0, 3600.0)
    serves_after_s: float = 86_400.0  # while its server cannot be reached
    unknown_kid_every_s: float = 60.0
    retry_s: float = 10.0  # after a fetch that failed
    kid_forgotten_s: float = 60.0  # no longer: an EHR may sign with a key before it publishes it
    kids: int = 1000
    waiting: int = 4  # calls that may wait for one fetch


class Answer(Struct, frozen=True):
    """What a server of keys gave, and for how long it says that this holds; None: nothing usable."""

    body: bytes | None
    max_age: float | None = None


# URL, whether it may have a private address, and seconds -> what is there.
Fetcher = Callable[[str, bool, float], Answer]


def fetch_keys(
    url: str, allow_private: bool, seconds: float, ca_bundle: str | None = None
) -> Answer:
    """GET a key set: guarded address, no redirect, at most 64 kB, within `seconds`."""
    call = OutgoingCall(Deadline.after(seconds), allow_private=allow_private)
    session = guarded_session(1, tls_context(ca_bundle))
    try:
        got = fetch(session, url, {"Accept": "application/json"}, call, MAX_BYTES)
    finally:
        session.close()
    if got.failure is not None or got.status != _OK:
        return Answer(None)
    said = _MAX_AGE.search(got.cache_control)
    return Answer(got.body, float(said[1]) if said else None)


class _Held(Struct):
    """What is known of one URL; changed only by the one thread that fetches it."""

    allow_private: bool
    keys: KeySet | None = None
    fetched: float = 0.0
    fresh_until: float = 0.0
    next_fetch: float = 0.0  # no earlier, whatever the reason
    next_for_kid: float = 0.0
    fetching: threading.Lock = field(default_factory=threading.Lock)
    absent: OrderedDict[str, float] = field(
        default_factory=OrderedDict
    )  # kid -> until when it is not asked for


class KeyCache:
    """The published key sets of all clients; shared by all threads of a worker."""

    def __init__(
        self,
        fetcher: Fetcher = fetch_keys,
        limits: CacheLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetcher = fetcher
        self._limits = limits or CacheLimits()
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[tuple[str, bool], _Held] = {}
        self._waiting = threading.BoundedSemaphore(self._limits.waiting)

    def keys(self, url: str, kid: str, *, allow_private: bool = False) -> KeySet | None:
        """The set at `url`, fetched if need be; None where none can be had or the one held is too old."""
        held = self._of(url, allow_private)
        now = self._clock()
        if held.keys is None or now > held.fresh_until + self._limits.serves_after_s:
            self._refresh(url, held)
        elif kid not in held.keys:
            self._look_for(url, held, kid)
        elif now > held.fresh_until and now >= held.next_fetch and not held.fetching.locked():
            threading.Thread(
                target=self._refresh, args=(url, held), name="keys", daemon=True
            ).start()
        too_old = self._clock() > held.fresh_until + self._limits.serves_after_s
        return None if too_old else held.keys

    def warm(self, places: Iterable[tuple[str, bool]]) -> None:
        """Fetch these sets (URL, may be private) in the background, so that no first call waits for one."""
        for url, allow_private in places:
            held = self._of(url, allow_private)
            threading.Thread(
                target=self._refresh, args=(url, held), name="keys", daemon=True
            ).start()

    def ages(self) -> dict[str, float]:
        """Seconds since each set that is held was fetched, by URL: for an alarm (T-76)."""
        with self._lock:
            held = {url: one for (url, _), one in self._held.items()}
        return {
            url: self._clock() - one.fetched for url, one in held.items() if one.keys is not None
        }

    def _of(self, url: str, allow_private: bool) -> _Held:
        with self._lock:
            return self._held.setdefault((url, allow_private), _Held(allow_private))

    def _look_for(self, url: str, held: _Held, kid: str) -> None:
        """A key we do not know: new since the last fetch, or made up."""
        now = self._clock()
        with self._lock:
            if held.absent.get(kid, 0.0) > now:
                return
        # Joined while it runs: calls that come with a new key in the same moment are answered too.
        if now >= held.next_for_kid or held.fetching.locked():
            self._refresh(url, held, for_kid=True)
        # Only what was looked for is known to be absent: a key that is new since the last fetch may be there.
        if held.fetched >= now and held.keys is not None and kid not in held.keys:
            self._note_absent(held, kid)

    def _note_absent(self, held: _Held, kid: str) -> None:
        with self._lock:
            held.absent[kid] = self._clock() + self._limits.kid_forgotten_s
            held.absent.move_to_end(kid)
            while len(held.absent) > self._limits.kids:
                held.absent.popitem(last=False)

    def _refresh(self, url: str, held: _Held, *, for_kid: bool = False) -> None:
        """Fetch once, whoever asks at the same time; the others wait for that one, a few of them."""
        if not held.fetching.acquire(blocking=False):
            if self._waiting.acquire(blocking=False):
                try:
                    if held.fetching.acquire(timeout=self._limits.fetch_s):
                        held.fetching.release()
                finally:
                    self._waiting.release()
            return
        try:
            now = self._clock()
            if now >= (held.next_for_kid if for_kid else held.next_fetch):
                self._fetch(url, held, now)
        finally:
            held.fetching.release()

    def _fetch(self, url: str, held: _Held, now: float) -> None:
        limits = self._limits
        held.next_fetch = now + limits.retry_s
        held.next_for_kid = now + limits.unknown_kid_every_s
        answer = self._fetcher(url, held.allow_private, limits.fetch_s)
        try:
            keys = read_key_set(answer.body) if answer.body is not None else None
        except BadKeySet as refusal:
            metrics.count("cds_key_fetches", "refused")
            log().error("keys", reason=f"A published key set is refused: {refusal}")
            return
        metrics.count("cds_key_fetches", "ok" if keys else "failed")
        if keys is None:
            log().warning(
                "keys",
                reason="A published key set cannot be fetched; one that is held stays in force.",
            )
            return
        low, high = limits.fresh_between_s
        age = limits.fresh_s if answer.max_age is None else min(max(answer.max_age, low), high)
        held.keys, held.fetched, held.fresh_until = keys, now, now + age
