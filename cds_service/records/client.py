"""Reads from a client's FHIR server: parallel, inside one deadline; a bad server raises nothing."""

from __future__ import annotations

import hashlib
import os
import secrets
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import requests
from msgspec.structs import replace
from urllib3.util import parse_url

from cds_service import metrics
from cds_service.protocol.live_read import LiveRead
from cds_service.records.breaker import Breaker, Later, Pause, Probe, after
from cds_service.records.fhir_types import Resource
from cds_service.records.pool import Job, ReadLimits, ReadPool, ServerQueue, WaitingCalls, wait_for
from cds_service.records.prefetch import without_repeats
from cds_service.records.reading import (
    Access,
    CallHealth,
    PendingRead,
    Read,
    Server,
    Wanted,
    headers_of,
    is_well,
)
from cds_service.records.searches import Memory, formed, with_parameter
from cds_service.sodium.snapshot import Missing
from cds_service.trust.deadline import Deadline
from cds_service.trust.fetch import Failure, fetch
from cds_service.trust.guard import resolve_under
from cds_service.trust.outgoing import OutgoingCall, guarded_session, tls_context

__all__ = ["Access", "FhirClient", "Read", "Reads", "Wanted"]

# Of blood pressure, weight and coma scale, for a server that wants a category in each search.
_VITALS_CATEGORY = "vital-signs,exam,survey"
_TYPE_AND_ID = 2
_PROBE_S = 2.0
READ_OUTCOMES = ("ok", *(missing.value for missing in Missing))
CROWDED = "too many calls of this client wait for its FHIR server"
_SALT = secrets.token_bytes(16)  # patients are counted by numbers that only this process can make


class FhirClient:
    """The client of the whole service; each process makes its own connections and threads."""

    def __init__(
        self,
        limits: ReadLimits | None = None,
        *,
        ca_bundle: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        later: Later = after,
    ) -> None:
        self._make = partial(_Process, limits or ReadLimits(), tls_context(ca_bundle), clock, later)
        self._mine = self._make()

    def reads(self, access: Access | None, deadline: Deadline, patient: str = "") -> Reads:
        """What one request may read; without `access` every read is UNREACHABLE.

        `patient` tells one patient's calls from another's, and is not kept.
        """
        if self._mine.pid != os.getpid():
            self._mine = self._make()  # a fork copies sockets and locks, but no threads
        return Reads(self._mine, access, deadline, patient)

    def pauses(self) -> tuple[Pause, ...]:
        """Since when servers have been left alone by this process."""
        if self._mine.pid != os.getpid():
            return ()
        return self._mine.pauses()

    def forms(self, access: Access) -> dict[str, str]:
        """How this server's searches are asked, by prefetch key, if not as they are written."""
        return self._mine.server(access).memory.shown()

    def close(self) -> None:
        """Let go of threads and connections; reads under way end by their deadlines."""
        self._mine.close()


class _Process:
    """What belongs to one process: its threads, and one server for each client and base."""

    def __init__(
        self,
        limits: ReadLimits,
        context: ssl.SSLContext,
        clock: Callable[[], float],
        later: Later,
    ) -> None:
        self.pid = os.getpid()
        self.limits = limits
        self._context = context
        self._clock = clock
        self._later = later
        self.pool = ReadPool(limits)
        self.waiting = WaitingCalls(limits)
        self._servers: dict[tuple[str, str, bool], Server] = {}

    def server(self, access: Access) -> Server:
        # Not shared between clients, even for one base: no connection serves two tenants (T-62).
        name = (access.client, access.base, access.allow_private)
        found = self._servers.get(name)
        if found is None:
            found = self._servers.setdefault(name, self._new_server(access))
        return found

    def pauses(self) -> tuple[Pause, ...]:
        found = (server.breaker.pause for server in tuple(self._servers.values()))
        return tuple(pause for pause in found if pause is not None)

    def close(self) -> None:
        self.pool.close()
        for server in self._servers.values():
            server.breaker.forget()
            server.session.close()

    def _new_server(self, access: Access) -> Server:
        session = guarded_session(self.limits.in_flight, self._context)
        probe = Probe(
            client=access.client,
            server=parse_url(access.base).netloc or "",
            answers=partial(_is_there, session, access.base, access.allow_private),
            later=self._later,
        )
        return Server(
            base=access.base,
            session=session,
            breaker=Breaker(self.limits, self._clock, probe),
            queue=ServerQueue(),
            memory=Memory(self._clock),
        )


def _is_there(session: requests.Session, base: str, allow_private: bool) -> bool:
    """Returns True if a server answers the one question that needs no token and no patient."""
    call = OutgoingCall(Deadline.after(_PROBE_S), allow_private=allow_private)
    found = fetch(session, f"{base}/metadata", headers_of(None), call, max_bytes=0)
    return is_well(found) and found.failure in (None, Failure.TOO_LARGE)  # its text does not matter


class Reads:
    """The live reads of one request: one server, one token, one deadline."""

    def __init__(
        self, process: _Process, access: Access | None, deadline: Deadline, patient: str
    ) -> None:
        self._process = process
        self._access = access
        self._deadline = deadline
        self._patient = int.from_bytes(hashlib.sha256(_SALT + patient.encode()).digest()[:8])
        self._references_left = process.limits.references
        self._health: CallHealth | None = None  # None until the breaker let the call through

    @property
    def pause(self) -> Pause | None:
        """Since when this call's server has been left alone, if it is."""
        if self._access is None or self._health is not None:
            return None
        return self._process.server(self._access).breaker.pause

    @property
    def made(self) -> Sequence[LiveRead]:
        """Every request that was sent for this call until now."""
        return () if self._health is None else self._health.reads

    def all(self, wanted: Sequence[Wanted]) -> dict[str, Read]:
        """Read everything in parallel, the first in the list first, and answer by the deadline."""
        access = self._access
        if access is None:
            return {one.key: _unread(one, Missing.UNREACHABLE) for one in wanted}
        server = self._process.server(access)
        health = self._admitted(server) if wanted else None
        if health is None:
            return _counted({one.key: _unread(one, Missing.LEFT_ALONE) for one in wanted})
        with self._process.waiting.one(access.client, access.base) as room:
            if not room:
                return _counted({one.key: _crowded(one) for one in wanted})
            return self._read(wanted, server, access, health)

    def _read(
        self, wanted: Sequence[Wanted], server: Server, access: Access, health: CallHealth
    ) -> dict[str, Read]:
        """Start every read and wait for them."""
        pool, limits = self._process.pool, self._process.limits
        started = []
        for one in (part for whole in wanted for part in _parts(whole, server, access, limits)):
            call = OutgoingCall(self._deadline, allow_private=access.allow_private)
            pending = PendingRead(server, one, access, call, limits, health)
            started.append((pending, pool.start(server.queue, call, pending.run, self._patient)))
        jobs = [job for _, job in started if job is not None]
        wait_for(jobs)
        health.over(self._patient, unanswered=any(not job.answer.done() for job in jobs))
        parts: dict[str, list[Read]] = {}
        for pending, job in started:
            parts.setdefault(pending.key, []).append(_answer(pending, job))
        return _counted({key: _together(reads) for key, reads in parts.items()})

    def _admitted(self, server: Server) -> CallHealth | None:
        """Whether the whole call may read: asked once, so that no call is let through in part."""
        if self._health is None and server.breaker.admits(self._patient):
            self._health = CallHealth(server.breaker, self._process.limits.fair_wait_s)
        return self._health

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
        url = resolve_under(self._access.base, reference, self._access.habits.also_known_as)
        if url is None or "?" in url:
            return None
        parts = url.removeprefix(self._access.base + "/").split("/")
        if len(parts) < _TYPE_AND_ID or not parts[0].isalpha():
            return None
        return Wanted(key=reference, url=url, expected=parts[0], identity=parts[1])


def _parts(wanted: Wanted, server: Server, access: Access, limits: ReadLimits) -> list[Wanted]:
    """The searches that together answer one, in the form that worked last; none is too long."""
    if wanted.identity is not None or wanted.goes_on:
        return [wanted]
    habits, search = access.habits, wanted.url
    if wanted.expected == "Observation":
        own = _VITALS_CATEGORY if wanted.key == "vitals" and habits.category else habits.category
        search = with_parameter(search, "category", own)
    # A search by POST carries its codes in the body, which has no such limit.
    most_chars = limits.query_chars if habits.search == "get" else 0
    form = server.memory.form(wanted.key)
    return [
        replace(wanted, url=part) for part in formed(search, form, habits.max_codes, most_chars)
    ]


def _together(reads: Sequence[Read]) -> Read:
    """One read of all its parts: if one of them lacks something, so does the whole."""
    if len(reads) == 1:
        return reads[0]
    lacking = [read for read in reads if read.missing not in (None, Missing.OLDER)]
    older = [read for read in reads if read.missing is Missing.OLDER]
    resources = without_repeats(resource for read in reads for resource in read.resources)
    first = next(iter(lacking or older), reads[0])
    return Read(
        key=first.key,
        resources=resources,
        missing=Missing.IN_PART if lacking and resources else first.missing,
        bodies=tuple(body for read in reads for body in read.bodies),
        status=first.status,
        note=first.note,
    )


def _counted(answers: dict[str, Read]) -> dict[str, Read]:
    for read in answers.values():
        metrics.count("cds_fhir_reads", read.missing.value if read.missing else "ok")
    return answers


def _unread(wanted: Wanted, why: Missing) -> Read:
    """What is left of a key that is not read: the pages that the prefetch brought."""
    missing = Missing.TRUNCATED if wanted.so_far else why
    return Read(key=wanted.key, resources=wanted.so_far, missing=missing)


def _crowded(wanted: Wanted) -> Read:
    """A key that is not read, because too many calls of its client wait already."""
    return replace(_unread(wanted, Missing.TIMEOUT), note=CROWDED)


def _answer(reading: PendingRead, job: Job[None] | None) -> Read:
    if job is None:
        return reading.so_far(Missing.FAILED)
    if not job.answer.done():
        return reading.so_far(Missing.TIMEOUT)
    job.answer.result()  # an error in our own code is not taken for a failing server
    return reading.so_far(None)
