"""Reads from a client's FHIR server: parallel, inside one deadline; a bad server raises nothing."""

from __future__ import annotations

import os
import ssl
import time
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import requests
from msgspec import Struct

from cds_service import metrics
from cds_service.errors import BadRequest
from cds_service.protocol.request import Secret
from cds_service.records.breaker import Breaker
from cds_service.records.fhir_types import Resource, decode_resource
from cds_service.records.pool import Job, ReadLimits, ReadPool, ServerQueue, wait_for
from cds_service.records.prefetch import Page, has_enough, page_of, without_repeats
from cds_service.sodium.snapshot import Missing
from cds_service.trust.deadline import Deadline
from cds_service.trust.fetch import Failure, Fetched, fetch
from cds_service.trust.guard import resolve_under
from cds_service.trust.outgoing import OutgoingCall, guarded_session, tls_context

_OK = range(200, 300)
_REFUSED = frozenset({401, 403})
_TOO_MANY = 429
_SERVER_ERROR = 500


class Server(Struct, frozen=True):
    """One FHIR server of one client, as this process knows it."""

    base: str
    session: requests.Session
    breaker: Breaker
    queue: ServerQueue


class Wanted(Struct, frozen=True, kw_only=True):
    """One thing to read. With an `identity` it is that one resource, else a search.

    `url` is relative to the base, or a next link. `so_far` is what the prefetch already carried.
    `enough`: how many of the newest are wanted, if the search wants the newest first.
    """

    key: str
    url: str
    expected: str
    identity: str | None = None
    so_far: tuple[Resource, ...] = ()
    enough: int | None = None


class Read(Struct, frozen=True, kw_only=True):
    """What reading one key gave. Only a TRUNCATED read holds some of its pages."""

    key: str
    resources: tuple[Resource, ...] = ()
    missing: Missing | None = None
    bodies: tuple[bytes, ...] = ()  # one for each page, as the server sent it


class PendingRead:
    """A read under way. `run` works in a thread of the pool; `so_far` may be asked at any time."""

    def __init__(
        self,
        server: Server,
        wanted: Wanted,
        headers: Mapping[str, str],
        call: OutgoingCall,
        limits: ReadLimits,
    ) -> None:
        self.key = wanted.key
        self._server = server
        self._wanted = wanted
        self._headers = headers
        self._call = call
        self._limits = limits
        self._bytes_left = limits.bytes_per_key
        self._state = Read(key=wanted.key, resources=wanted.so_far)

    def so_far(self, otherwise: Missing | None) -> Read:
        """What has been read; `otherwise` is why it ended, if that is not noted."""
        state = self._state
        return _ended(state, otherwise) if otherwise is not None else state

    def run(self) -> None:
        """Read until all is there, or until the server or a limit ends it."""
        missing = self._one() if self._wanted.identity else self._all()
        if missing is not None:
            self._state = _ended(self._state, missing)

    def _one(self) -> Missing | None:
        body = self._get(resolve_under(self._server.base, self._wanted.url))
        if isinstance(body, Missing):
            return body
        resource = _resource(body)
        if resource is None or resource.resource_type != self._wanted.expected:
            return Missing.FAILED
        if resource.id != self._wanted.identity:
            return Missing.FAILED
        self._state = Read(key=self.key, resources=(resource,), bodies=(body,))
        return None

    def _all(self) -> Missing | None:
        link: str | None = self._wanted.url
        visited: set[str] = set()
        whole, total = True, None
        while link is not None:
            page = self._page(link, visited)
            if isinstance(page, Missing):
                return page
            whole = whole and page.whole
            if has_enough(self._state.resources, self._wanted.expected, self._wanted.enough):
                return None if whole else Missing.FAILED
            link, total = page.next_link, page.total
        hidden = total is not None and total > len(self._state.resources)
        return None if whole and not hidden else Missing.FAILED

    def _page(self, link: str, visited: set[str]) -> Page | Missing:
        """The page behind a link, once it is kept; else why there is none."""
        url = resolve_under(self._server.base, link)
        if url is None or url in visited or len(self._state.bodies) >= self._limits.pages:
            return Missing.FAILED
        visited.add(url)
        body = self._get(url)
        if isinstance(body, Missing):
            return body
        page = page_of(_resource(body), self._wanted.expected)
        if page is None:
            return Missing.FAILED
        return page if self._keep(page, body) else Missing.TRUNCATED

    def _keep(self, page: Page, body: bytes) -> bool:
        """Add a page; False if the limit of resources cuts it."""
        together = without_repeats(self._state.resources + page.resources)
        kept = together[: self._limits.resources]
        self._state = Read(key=self.key, resources=kept, bodies=(*self._state.bodies, body))
        return len(kept) == len(together)

    def _get(self, url: str | None) -> bytes | Missing:
        """What the server sent for `url`, or why it sent nothing that counts."""
        if url is None:
            return Missing.FAILED
        if self._call.is_cut:
            return Missing.TIMEOUT
        if not self._server.breaker.allows():
            return Missing.FAILED
        time_to_wait = self._call.deadline.left()
        fetched = fetch(self._server.session, url, self._headers, self._call, self._bytes_left)
        self._tell_breaker(fetched, time_to_wait)
        self._bytes_left -= len(fetched.body)
        if fetched.failure is not None:
            return Missing.TIMEOUT if fetched.failure is Failure.TIME else Missing.FAILED
        if fetched.status in _REFUSED:
            return Missing.REFUSED
        if fetched.status not in _OK:
            return Missing.FAILED
        return fetched.body.removeprefix(BOM_UTF8)

    def _tell_breaker(self, fetched: Fetched, time_to_wait: float) -> None:
        if fetched.failure is Failure.TIME and time_to_wait < self._limits.fair_wait_s:
            return  # too little time to blame the server
        is_unwell = fetched.status >= _SERVER_ERROR or fetched.status == _TOO_MANY
        if is_unwell or fetched.failure in (Failure.TIME, Failure.BROKEN):
            self._server.breaker.failed()
        else:
            self._server.breaker.succeeded()


def _ended(state: Read, missing: Missing) -> Read:
    kept = bool(state.resources)
    return Read(
        key=state.key,
        resources=state.resources,
        missing=Missing.TRUNCATED if kept else missing,
        bodies=state.bodies,
    )


def _resource(body: bytes) -> Resource | None:
    try:
        return decode_resource(body)
    except BadRequest:
        return None


_TYPE_AND_ID = 2


class Access(Struct, frozen=True, kw_only=True):
    """Leave to read one FHIR server for one request: a registered base, and the request's token."""

    client: str
    base: str  # canonical, as the registry has it
    token: Secret | None
    allow_private: bool = False


class FhirClient:
    """The client of the whole service; each process makes its own connections and threads."""

    def __init__(
        self,
        limits: ReadLimits | None = None,
        *,
        ca_bundle: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make = partial(_Process, limits or ReadLimits(), tls_context(ca_bundle), clock)
        self._mine = self._make()

    def reads(self, access: Access | None, deadline: Deadline) -> Reads:
        """What one request may read; without `access` every read is UNREACHABLE."""
        if self._mine.pid != os.getpid():
            self._mine = self._make()  # a fork copies sockets and locks, but no threads
        return Reads(self._mine, access, deadline)

    def close(self) -> None:
        """Let go of threads and connections; reads under way end by their deadlines."""
        self._mine.close()


class _Process:
    """What belongs to one process: its threads, and one server for each client and base."""

    def __init__(
        self, limits: ReadLimits, context: ssl.SSLContext, clock: Callable[[], float]
    ) -> None:
        self.pid = os.getpid()
        self.limits = limits
        self._context = context
        self._clock = clock
        self.pool = ReadPool(limits)
        self._servers: dict[tuple[str, str, bool], Server] = {}

    def server(self, access: Access) -> Server:
        # Not shared between clients, even for one base: no connection serves two tenants (T-62).
        name = (access.client, access.base, access.allow_private)
        found = self._servers.get(name)
        if found is None:
            session = guarded_session(self.limits.in_flight, self._context)
            found = self._servers.setdefault(
                name, Server(access.base, session, Breaker(self.limits, self._clock), ServerQueue())
            )
        return found

    def close(self) -> None:
        self.pool.close()
        for server in self._servers.values():
            server.session.close()


class Reads:
    """The live reads of one request: one server, one token, one deadline."""

    def __init__(self, process: _Process, access: Access | None, deadline: Deadline) -> None:
        self._process = process
        self._access = access
        self._deadline = deadline
        self._references_left = process.limits.references

    def all(self, wanted: Sequence[Wanted]) -> dict[str, Read]:
        """Read everything in parallel, the first in the list first, and answer by the deadline."""
        access, pool = self._access, self._process.pool
        if access is None:
            return {one.key: _unreachable(one) for one in wanted}
        server, headers = self._process.server(access), _headers(access.token)
        started = []
        for one in wanted:
            call = OutgoingCall(self._deadline, allow_private=access.allow_private)
            pending = PendingRead(server, one, headers, call, self._process.limits)
            started.append((pending, pool.start(server.queue, call, pending.run)))
        wait_for([job for _, job in started if job is not None])
        answers = {pending.key: _answer(pending, job) for pending, job in started}
        for read in answers.values():
            metrics.count("cds_fhir_reads", read.missing.value if read.missing else "ok")
        return answers

    def get_many(self, references: Iterable[str]) -> dict[str, Resource]:
        """The resources behind these references; those that cannot be read are left out.

        Only references below the registered base are followed, and not more than the limit allows.
        """
        found: dict[str, Wanted] = {}
        for reference in dict.fromkeys(references):
            one = self._by_reference(reference)
            if one is not None and len(found) < self._references_left:
                found[reference] = one
        self._references_left -= len(found)
        answers = self.all(list(found.values()))
        return {key: read.resources[0] for key, read in answers.items() if read.resources}

    def _by_reference(self, reference: str) -> Wanted | None:
        if self._access is None:
            return None
        url = resolve_under(self._access.base, reference)
        if url is None or "?" in url:
            return None
        parts = url.removeprefix(self._access.base + "/").split("/")
        if len(parts) < _TYPE_AND_ID or not parts[0].isalpha():
            return None
        return Wanted(key=reference, url=url, expected=parts[0], identity=parts[1])


def _unreachable(wanted: Wanted) -> Read:
    """What is left of a key without a server: the pages that the prefetch brought."""
    missing = Missing.TRUNCATED if wanted.so_far else Missing.UNREACHABLE
    return Read(key=wanted.key, resources=wanted.so_far, missing=missing)


def _headers(token: Secret | None) -> dict[str, str]:
    headers = {"Accept": "application/fhir+json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token.reveal()}"
    return headers


def _answer(reading: PendingRead, job: Job[None] | None) -> Read:
    if job is None:
        return reading.so_far(Missing.FAILED)
    if not job.answer.done():
        return reading.so_far(Missing.TIMEOUT)
    job.answer.result()  # an error in our own code is not taken for a failing server
    return reading.so_far(None)
