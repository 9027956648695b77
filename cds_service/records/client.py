"""Reads from a client's FHIR server: in parallel, inside one deadline; a bad server raises nothing."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from msgspec import Struct

from cds_service import metrics
from cds_service.protocol.secret import Secret
from cds_service.records.breaker import Breaker
from cds_service.records.bundle import Resource
from cds_service.records.limits import ReadLimits
from cds_service.records.pool import Job, Lane, Pool, wait_for
from cds_service.records.reading import Read, Reading, Server, Wanted
from cds_service.sodium.snapshot import Missing
from cds_service.trust.deadline import Deadline
from cds_service.trust.guard import resolve_under
from cds_service.trust.outgoing import OutgoingCall, guarded_session, tls_context

_TYPE_AND_ID = 2


class Access(Struct, frozen=True, kw_only=True):
    """Leave to read one FHIR server for one request: a registered base, and the request's token."""

    client: str
    base: str  # canonical, as the registry has it
    token: Secret | None
    allow_private: bool = False


class FhirClient:
    """One for the whole service. Connections, threads and breakers are made in the process that uses them."""

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
        return Reads(self._mine, self._mine.server(access) if access else None, access, deadline)

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
        self.pool = Pool(limits)
        self._servers: dict[tuple[str, str, bool], Server] = {}

    def server(self, access: Access) -> Server:
        # Not shared between clients, even for one base: no connection serves two tenants (T-62).
        name = (access.client, access.base, access.allow_private)
        found = self._servers.get(name)
        if found is None:
            session = guarded_session(self.limits.in_flight, self._context)
            found = self._servers.setdefault(
                name, Server(access.base, session, Breaker(self.limits, self._clock), Lane())
            )
        return found

    def close(self) -> None:
        self.pool.close()
        for server in self._servers.values():
            server.session.close()


class Reads:
    """The live reads of one request: one server, one token, one deadline."""

    def __init__(
        self, process: _Process, server: Server | None, access: Access | None, deadline: Deadline
    ) -> None:
        self._process = process
        self._server = server
        self._access = access
        self._deadline = deadline
        self._references_left = process.limits.references

    @property
    def possible(self) -> bool:
        """Whether there is a server that we may call."""
        return self._server is not None

    def all(self, wanted: Sequence[Wanted]) -> dict[str, Read]:
        """Read everything at once, the first in the list first; answers by the deadline, key by key."""
        if self._server is None or self._access is None:
            return {
                one.key: Read(
                    key=one.key,
                    resources=one.so_far,
                    missing=Missing.TRUNCATED if one.so_far else Missing.UNREACHABLE,
                )
                for one in wanted
            }
        headers = _headers(self._access.token)
        started = [self._start(self._server, one, headers) for one in wanted]
        wait_for([job for _, job in started if job is not None])
        answers = {reading.key: _answer(reading, job) for reading, job in started}
        for read in answers.values():
            metrics.count("cds_fhir_reads", read.missing.value if read.missing else "ok")
        return answers

    def get_many(self, references: Iterable[str]) -> dict[str, Resource]:
        """The resources behind these references, read in parallel; those that cannot be read are left out.

        Only references that lie below the registered base are followed. A request may read a limited number.
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
        url = resolve_under(self._access.base, reference) if self._access else None
        if url is None or self._access is None or "?" in url:
            return None
        parts = url.removeprefix(self._access.base + "/").split("/")
        if len(parts) < _TYPE_AND_ID or not parts[0].isalpha():
            return None
        return Wanted(key=reference, url=url, expected=parts[0], identity=parts[1])

    def _start(
        self, server: Server, wanted: Wanted, headers: Mapping[str, str]
    ) -> tuple[Reading, Job[None] | None]:
        allow_private = self._access is not None and self._access.allow_private
        errand = OutgoingCall(self._deadline, allow_private=allow_private)
        reading = Reading(server, wanted, headers, errand, self._process.limits)
        return reading, self._process.pool.start(server.lane, errand, reading.run)


def _headers(token: Secret | None) -> dict[str, str]:
    headers = {"Accept": "application/fhir+json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token.reveal()}"
    return headers


def _answer(reading: Reading, job: Job[None] | None) -> Read:
    if job is None:
        return reading.so_far(Missing.FAILED)
    if not job.answer.done():
        return reading.so_far(Missing.TIMEOUT)
    job.answer.result()  # an error in our own code is not taken for a failing server
    return reading.so_far(None)
