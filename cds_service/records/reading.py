"""One prefetch key read from a FHIR server, page by page, as far as time and limits allow."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Mapping

import requests
from msgspec import Struct

from cds_service.errors import BadRequest
from cds_service.protocol import wire
from cds_service.records.breaker import Breaker
from cds_service.records.bundle import Page, Resource, has_enough, page_of, without_repeats
from cds_service.records.limits import ReadLimits
from cds_service.records.pool import Lane
from cds_service.sodium.snapshot import Missing
from cds_service.trust.fetch import Failure, Fetched, fetch
from cds_service.trust.guard import resolve_under
from cds_service.trust.outgoing import OutgoingCall

_OK = range(200, 300)
_REFUSED = frozenset({401, 403})
_TOO_MANY = 429
_SERVER_ERROR = 500


class Server(Struct, frozen=True):
    """One FHIR server of one client, as this process knows it."""

    base: str
    session: requests.Session
    breaker: Breaker
    lane: Lane


class Wanted(Struct, frozen=True, kw_only=True):
    """One thing to read. With an `identity` it is that one resource, else a search.

    `url` is relative to the base, or a next link. `so_far` is what the prefetch already carried.
    `enough`: how many of the newest were asked for, where the search asks for the newest first.
    """

    key: str
    url: str
    expected: str
    identity: str | None = None
    so_far: tuple[Resource, ...] = ()
    enough: int | None = None


class Read(Struct, frozen=True, kw_only=True):
    """What a key came to. TRUNCATED: some pages were read and are here; any other `missing`: none were."""

    key: str
    resources: tuple[Resource, ...] = ()
    missing: Missing | None = None
    pages: int = 0


class Reading:
    """A read under way. `run` works in a thread of the pool; `so_far` may be asked at any time."""

    def __init__(
        self,
        server: Server,
        wanted: Wanted,
        headers: Mapping[str, str],
        errand: OutgoingCall,
        limits: ReadLimits,
    ) -> None:
        self.key = wanted.key
        self._server = server
        self._wanted = wanted
        self._headers = headers
        self._errand = errand
        self._limits = limits
        self._bytes_left = limits.bytes_per_key
        self._state = Read(key=wanted.key, resources=wanted.so_far)

    def so_far(self, otherwise: Missing | None) -> Read:
        """What has been read; `otherwise` says why it ended, if the reading itself has not said so."""
        state = self._state
        return _ended(state, otherwise) if otherwise is not None else state

    def run(self) -> None:
        """Read until all is there, or until something stands against it."""
        missing = self._one() if self._wanted.identity else self._all()
        if missing is not None:
            self._state = _ended(self._state, missing)

    def _one(self) -> Missing | None:
        value = self._get(resolve_under(self._server.base, self._wanted.url))
        if isinstance(value, Missing):
            return value
        if not isinstance(value, dict) or value.get("resourceType") != self._wanted.expected:
            return Missing.FAILED
        if value.get("id") != self._wanted.identity:
            return Missing.FAILED
        self._state = Read(key=self.key, resources=(value,), pages=1)
        return None

    def _all(self) -> Missing | None:
        link: str | None = self._wanted.url
        visited: set[str] = set()
        whole = True
        page = Page(resources=())
        while link is not None:
            url = resolve_under(self._server.base, link)
            if url is None or url in visited or self._state.pages >= self._limits.pages:
                return Missing.FAILED
            visited.add(url)
            value = self._get(url)
            found = value if isinstance(value, Missing) else page_of(value, self._wanted.expected)
            if found is None or isinstance(found, Missing):
                return found or Missing.FAILED
            page = found
            whole = whole and page.whole
            if not self._keep(page):
                return Missing.TRUNCATED
            if has_enough(self._state.resources, self._wanted.expected, self._wanted.enough):
                return None if whole else Missing.FAILED
            link = page.next_link
        hidden = page.total is not None and page.total > len(self._state.resources)
        return None if whole and not hidden else Missing.FAILED

    def _keep(self, page: Page) -> bool:
        """Add a page; False where the limit of resources cuts it."""
        together = without_repeats(self._state.resources + page.resources)
        kept = together[: self._limits.resources]
        self._state = Read(key=self.key, resources=kept, pages=self._state.pages + 1)
        return len(kept) == len(together)

    def _get(self, url: str | None) -> object:
        """The JSON at `url`, or the Missing that stands for it."""
        if url is None:
            return Missing.FAILED
        if self._errand.is_cut:
            return Missing.TIMEOUT
        if not self._server.breaker.allows():
            return Missing.FAILED
        time_to_wait = self._errand.deadline.left()
        fetched = fetch(self._server.session, url, self._headers, self._errand, self._bytes_left)
        self._tell_breaker(fetched, time_to_wait)
        self._bytes_left -= len(fetched.body)
        return _json(fetched)

    def _tell_breaker(self, fetched: Fetched, time_to_wait: float) -> None:
        if fetched.failure is Failure.TIME and time_to_wait < self._limits.fair_wait_s:
            return  # too little time to blame the server
        if fetched.failure in (Failure.TIME, Failure.BROKEN) or _is_unwell(fetched.status):
            self._server.breaker.failed()
        else:
            self._server.breaker.succeeded()


def _ended(state: Read, missing: Missing) -> Read:
    kept = bool(state.resources)
    return Read(
        key=state.key,
        resources=state.resources,
        missing=Missing.TRUNCATED if kept else missing,
        pages=state.pages,
    )


def _is_unwell(status: int) -> bool:
    return status >= _SERVER_ERROR or status == _TOO_MANY


def _json(fetched: Fetched) -> object:
    if fetched.failure is not None:
        return Missing.TIMEOUT if fetched.failure is Failure.TIME else Missing.FAILED
    if fetched.status in _REFUSED:
        return Missing.REFUSED
    if fetched.status not in _OK:
        return Missing.FAILED
    try:
        return wire.decode(fetched.body.removeprefix(BOM_UTF8))
    except BadRequest:
        return Missing.FAILED
