"""Keeps the key sets that clients publish: fetched from the registered URL only, and never a flood.

A set is fresh for as long as its server says, within bounds. While its server cannot be reached,
the set is used for a day longer (T-27). A token with an unknown `kid` leads to a new fetch at most
once a minute for each URL.
"""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from msgspec import Struct, field

from cds_service import metrics
from cds_service.telemetry import log
from cds_service.trust.deadline import Deadline
from cds_service.trust.fetch import fetch
from cds_service.trust.keyset import MAX_BYTES, BadKeySet, KeySet, left_out, read_key_set
from cds_service.trust.outgoing import OutgoingCall, guarded_session, tls_context

_OK = 200
_MAX_AGE = re.compile(r"max-age=(\d{1,9})")


class CacheLimits(Struct, frozen=True, kw_only=True):
    """How long a key set is used and how often its server is called; tests shorten the times."""

    fetch_s: float = 1.0
    fresh_s: float = 600.0  # if the server gives no max-age
    fresh_between_s: tuple[float, float] = (60.0, 3600.0)
    serves_after_s: float = 86_400.0  # used so much longer while its server cannot be reached
    unknown_kid_every_s: float = 60.0
    retry_s: float = 10.0  # after a fetch that failed
    # An absent `kid` is remembered no longer: an EHR may sign with a key before it publishes it.
    kid_forgotten_s: float = 60.0
    kids: int = 1000
    waiting: int = 4  # calls that may wait for one fetch


class Answer(Struct, frozen=True):
    """An answer is what a server of keys sent; `body` is None if nothing usable came."""

    body: bytes | None
    max_age: float | None = None


# Takes a URL, whether it may have a private address, and seconds.
Fetcher = Callable[[str, bool, float], Answer]


def fetch_keys(
    url: str, allow_private: bool, seconds: float, ca_bundle: str | None = None
) -> Answer:
    """Reads a key set: guarded address, no redirect, at most 64 kB, within `seconds`."""
    call = OutgoingCall(Deadline.after(seconds), allow_private=allow_private)
    session = guarded_session(1, tls_context(ca_bundle))
    try:
        got = fetch(session, url, {"Accept": "application/json"}, call, MAX_BYTES)
    finally:
        session.close()
    if got.failure is not None or got.status != _OK:
        return Answer(None)
    max_age = _MAX_AGE.search(got.cache_control)
    return Answer(got.body, float(max_age[1]) if max_age else None)


class _Published(Struct):
    """What is known of the key set at one URL; only the thread that fetches it changes it."""

    url: str
    allow_private: bool
    keys: KeySet | None = None
    fetched: float = 0.0
    fresh_until: float = 0.0
    next_fetch: float = 0.0  # no fetch before this time, for any reason
    next_for_kid: float = 0.0  # no fetch for an unknown `kid` before this time
    fetching: threading.Lock = field(default_factory=threading.Lock)
    # A `kid` that the set does not have -> the time until which it is not looked for again.
    absent: OrderedDict[str, float] = field(default_factory=OrderedDict)
    left_out: tuple[str, ...] = ()  # of the set that was read last: each list is logged once


class KeyCache:
    """The published key sets of all clients; all threads of a worker share it."""

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
        self._published: dict[tuple[str, bool], _Published] = {}
        self._waiting = threading.BoundedSemaphore(self._limits.waiting)

    def keys(self, url: str, kid: str, *, allow_private: bool = False) -> KeySet | None:
        """Returns the set at `url`, which is fetched if that is needed.

        Returns None if there is no set, or only one that is too old.
        """
        published = self._at(url, allow_private)
        now = self._clock()
        if published.keys is None or self._is_too_old(published, now):
            self._refresh(published)
        elif kid not in published.keys:
            self._look_for(published, kid)
        elif now > published.fresh_until and now >= published.next_fetch:
            self._refresh_in_background(published)
        if self._is_too_old(published, self._clock()):
            return None
        return published.keys

    def warm(self, places: Iterable[tuple[str, bool]]) -> None:
        """Fetches these sets in the background, so that no first call waits for one.

        Each place is a URL and whether it may have a private address.
        """
        for url, allow_private in places:
            self._refresh_in_background(self._at(url, allow_private))

    def _at(self, url: str, allow_private: bool) -> _Published:
        with self._lock:
            new = _Published(url, allow_private)
            return self._published.setdefault((url, allow_private), new)

    def _is_too_old(self, published: _Published, now: float) -> bool:
        return now > published.fresh_until + self._limits.serves_after_s

    def _look_for(self, published: _Published, kid: str) -> None:
        """Fetches the set again for a `kid` that is either new since the last fetch or made up."""
        now = self._clock()
        with self._lock:
            if published.absent.get(kid, 0.0) > now:
                return
        # Calls that come with a new key during a fetch wait for it, and are answered too.
        if now >= published.next_for_kid or published.fetching.locked():
            self._refresh(published, for_kid=True)
        # A fetch that failed or was not made says nothing about the `kid`.
        if published.fetched < now or published.keys is None or kid in published.keys:
            return
        with self._lock:
            published.absent[kid] = self._clock() + self._limits.kid_forgotten_s
            published.absent.move_to_end(kid)
            while len(published.absent) > self._limits.kids:
                published.absent.popitem(last=False)

    def _refresh_in_background(self, published: _Published) -> None:
        if published.fetching.locked():
            return
        threading.Thread(target=self._refresh, args=(published,), name="keys", daemon=True).start()

    def _refresh(self, published: _Published, *, for_kid: bool = False) -> None:
        """Fetches a set; if another thread fetches it already, waits for that one instead."""
        if not published.fetching.acquire(blocking=False):
            self._wait_for_fetch(published)
            return
        try:
            now = self._clock()
            earliest = published.next_for_kid if for_kid else published.next_fetch
            if now >= earliest:
                self._fetch(published, now)
        finally:
            published.fetching.release()

    def _wait_for_fetch(self, published: _Published) -> None:
        """Waits for another thread's fetch; does not wait if many threads do already."""
        if not self._waiting.acquire(blocking=False):
            return
        try:
            if published.fetching.acquire(timeout=self._limits.fetch_s):
                published.fetching.release()
        finally:
            self._waiting.release()

    def _fetch(self, published: _Published, now: float) -> None:
        limits = self._limits
        published.next_fetch = now + limits.retry_s
        published.next_for_kid = now + limits.unknown_kid_every_s
        answer = self._fetcher(published.url, published.allow_private, limits.fetch_s)
        if answer.body is None:
            metrics.count("cds_key_fetches", "failed")
            log().warning(
                "keys",
                reason="A published key set cannot be fetched; one that is held stays in force.",
            )
            return
        try:
            keys = read_key_set(answer.body)
        except BadKeySet as refusal:
            metrics.count("cds_key_fetches", "refused")
            log().error("keys", reason=f"A published key set is refused: {refusal}")
            return
        metrics.count("cds_key_fetches", "ok")
        if keys.left_out and keys.left_out != published.left_out:
            log().warning("keys", server=urlsplit(published.url).netloc, reason=left_out(keys))
        published.left_out = keys.left_out
        age = limits.fresh_s
        if answer.max_age is not None:
            low, high = limits.fresh_between_s
            age = min(max(answer.max_age, low), high)
        published.keys, published.fetched, published.fresh_until = keys, now, now + age
