"""One read under way: a resource or a search, its pages and plainer forms, inside one deadline."""

from __future__ import annotations

import time
from codecs import BOM_UTF8
from collections.abc import Mapping

import requests
from msgspec import Struct, field
from msgspec.structs import replace
from requests.utils import requote_uri

from cds_service import metrics, otlp
from cds_service.errors import BadRequest
from cds_service.protocol.live_read import LiveRead
from cds_service.protocol.request import Secret
from cds_service.records.breaker import Breaker
from cds_service.records.fhir_types import Resource, decode_resource
from cds_service.records.pool import ReadLimits, ServerQueue
from cds_service.records.prefetch import (
    Page,
    has_enough,
    is_expected,
    newest_first,
    page_of,
    without_repeats,
)
from cds_service.records.searches import (
    Form,
    Memory,
    code_count,
    in_parts,
    is_refusal,
    plainer,
    with_parameter,
    without_optional,
)
from cds_service.sodium.snapshot import Missing
from cds_service.telemetry import log
from cds_service.trust.client import USUAL_HABITS, ServerHabits
from cds_service.trust.fetch import Failure, Fetched, Sent, fetch
from cds_service.trust.guard import resolve_under
from cds_service.trust.outgoing import OutgoingCall

_OK = range(200, 300)
_REFUSED = frozenset({401, 403})
_TOO_MANY = 429
_UNAVAILABLE = 503
_SERVER_ERROR = 500
_FORM = "application/x-www-form-urlencoded"
# A reference of a record may name anything as its type, so that others are not told.
_TYPES = frozenset(
    {
        *("AllergyIntolerance", "Condition", "Encounter", "Flag", "Medication"),
        *("MedicationAdministration", "MedicationRequest", "MedicationStatement"),
        *("NutritionOrder", "Observation", "Patient", "Procedure", "ServiceRequest"),
    }
)
_DIGITS_OF_A_WAIT = 2  # of seconds: more digits are longer than any deadline
_LEAST_S = 0.05  # no search is repeated if less time is left
_FORMS = 4  # refusals in a row: as written, without the optional parameters, halved, halved again


class Access(Struct, frozen=True, kw_only=True):
    """Leave to read one FHIR server for one request: a registered base, and the request's token."""

    client: str
    base: str  # canonical, as the registry has it
    token: Secret | None
    allow_private: bool = False
    habits: ServerHabits = USUAL_HABITS
    trace: Mapping[str, str] = field(default_factory=dict)  # headers that name the call


class Server(Struct, frozen=True):
    """One FHIR server of one client, as this process knows it."""

    base: str
    session: requests.Session
    breaker: Breaker
    queue: ServerQueue
    memory: Memory


class Wanted(Struct, frozen=True, kw_only=True):
    """One thing to read. With an `identity` it is that one resource, else a search.

    `url` is relative to the base, or a next link. `so_far` is what the prefetch already carried.
    `enough`: how many of the newest are wanted, if the search wants the newest first; `since` is
    then the day from which all are asked for if they were cut off.
    """

    key: str
    url: str
    expected: str
    identity: str | None = None
    so_far: tuple[Resource, ...] = ()
    enough: int | None = None
    since: str = ""
    goes_on: bool = False  # `url` is a next link


class Read(Struct, frozen=True, kw_only=True):
    """What reading one key gave. Only a read in part holds some of its pages.

    `status` is the HTTP status of the answer that was no result, 0 if there was none; `note` says
    more in our own words, for the analyst.
    """

    key: str
    resources: tuple[Resource, ...] = ()
    missing: Missing | None = None
    bodies: tuple[bytes, ...] = ()  # one for each page, as the server sent it
    status: int = 0
    note: str = ""


class Refusal(Struct, frozen=True):
    """Why a page did not come, and the HTTP status if one came."""

    missing: Missing
    status: int = 0
    note: str = ""


def is_well(fetched: Fetched) -> bool:
    """Returns True if the status is one of a server that works, perhaps with an error of ours."""
    return 0 < fetched.status < _SERVER_ERROR and fetched.status != _TOO_MANY


class CallHealth:
    """Whether the server answered anything in one call; the breaker counts calls, not reads."""

    def __init__(self, breaker: Breaker, fair_wait_s: float) -> None:
        self._breaker = breaker
        self._fair_wait_s = fair_wait_s
        self.reads: list[LiveRead] = []  # in the order in which they were sent
        self.answered = False
        self.waited = False  # a read was sent with enough time to answer it
        self.failed = False
        self._is_told = False

    def sent(self, time_to_wait: float) -> None:
        """Notes that a read begins, with so much time for its answer."""
        self.waited = self.waited or time_to_wait >= self._fair_wait_s

    def got(self, fetched: Fetched, time_to_wait: float) -> None:
        """Notes what a read gave."""
        if fetched.failure is Failure.TIME and time_to_wait < self._fair_wait_s:
            return  # too little time to blame the server
        if not is_well(fetched) or fetched.failure in (Failure.TIME, Failure.BROKEN):
            self.failed = True
            return
        self.answered = True
        self._breaker.answered()

    def over(self, patient: int, *, unanswered: bool) -> None:
        """Tells the breaker of a call to which the server gave nothing, once."""
        nothing = self.failed or (unanswered and self.waited)
        if nothing and not self.answered and not self._is_told:
            self._is_told = True
            self._breaker.failed(patient)


class PendingRead:
    """A read under way. `run` works in a thread of the pool; `so_far` may be asked at any time."""

    def __init__(
        self,
        server: Server,
        wanted: Wanted,
        access: Access,
        call: OutgoingCall,
        limits: ReadLimits,
        health: CallHealth,
    ) -> None:
        self.key = wanted.key
        self._server = server
        self._wanted = wanted
        self._access = access
        self._headers = {**access.trace, **headers_of(access.token)}
        self._call = call
        self._limits = limits
        self._health = health
        self._bytes_left = limits.bytes_per_key
        self._requests_left = limits.requests
        self._may_retry = True  # one wait for Retry-After
        self._refused_with = 0  # the status after which a plainer form was tried
        self._is_split = False  # the codes are divided among several searches
        self._last: tuple[Resource, ...] = ()  # what the last search gave
        self._state = Read(key=wanted.key, resources=wanted.so_far)

    def so_far(self, otherwise: Missing | None) -> Read:
        """What has been read; `otherwise` is why it ended, if that is not noted."""
        state = self._state
        if otherwise is None or state.missing is not None:
            return state
        in_part = self._is_split and bool(state.resources)
        return _ended(state, Refusal(Missing.IN_PART if in_part else otherwise))

    def run(self) -> None:
        """Read until all is there, or until the server or a limit ends it."""
        refusal = self._one() if self._wanted.identity else self._search()
        if refusal is not None:
            self._state = _ended(self._state, refusal)

    def _one(self) -> Refusal | None:
        url = self._resolved(self._wanted.url)
        body = self._get(url) if url is not None else Refusal(Missing.FAILED)
        if isinstance(body, Refusal):
            return body
        resource = _resource(body)
        if resource is None or resource.resource_type != self._wanted.expected:
            return Refusal(Missing.FAILED)
        if resource.id != self._wanted.identity:
            return Refusal(Missing.FAILED)
        self._state = Read(key=self.key, resources=(resource,), bodies=(body,))
        return None

    def _search(self) -> Refusal | None:
        """Read the search, in plainer forms if it is refused, and its newest part if it is cut."""
        wanted = self._wanted
        if wanted.goes_on:
            return self._pages(wanted.url, wanted.so_far, wanted.enough)
        asked, refusal = self._in_forms(wanted.url)
        if refusal is None:
            return None
        if self._is_split:
            missing = Missing.IN_PART if self._state.resources else refusal.missing
            return replace(refusal, missing=missing)
        matches = [one for one in self._state.resources if is_expected(one, wanted.expected)]
        if matches and wanted.since and not newest_first(matches):
            return self._newest(asked[-1], refusal)
        return refusal

    def _in_forms(self, search: str) -> tuple[list[str], Refusal | None]:
        """Read a search, and each refused part of it in a plainer form, until one does not come.

        Returns the searches that came, the last one perhaps not.
        """
        todo, asked, refused_in_a_row = [search], list[str](), 0
        while todo:
            part = todo.pop(0)
            in_order = "_sort=" in part
            refusal = self._pages(part, (), self._wanted.enough if in_order else None)
            if refusal is None:
                asked.append(part)
                if refused_in_a_row:
                    self._learn(part)
                    todo = _as_short_as(part, todo)
                refused_in_a_row = 0
                continue
            refused_in_a_row += 1
            again = () if refused_in_a_row > _FORMS else self._plainer(part, refusal)
            if not again:
                return [*asked, part], refusal
            self._is_split = self._is_split or len(again) > 1
            todo[:0] = again
        return asked, None

    def _plainer(self, search: str, refusal: Refusal) -> tuple[str, ...]:
        """The searches to ask in place of one that was refused; none if that would not help."""
        memory, status = self._server.memory, refusal.status
        refused = is_refusal(status) or refusal.note == NO_BUNDLE
        if not refused or not self._has_time() or not memory.may_ask_again(self.key, status):
            return ()
        again = plainer(search, status)
        if not again or self._requests_left < len(again):
            if self._refused_with:
                memory.stayed_refused(self.key, status)
            return ()
        self._refused_with = status or _OK.start
        metrics.count("cds_fhir_searches_repeated", "refused")
        return again

    def _has_time(self) -> bool:
        return not self._call.is_cut and self._call.deadline.left() > _LEAST_S

    def _learn(self, search: str) -> None:
        """Remember the form of a search that worked after others were refused."""
        memory = self._server.memory
        before = memory.form(self.key)
        is_plain = without_optional(self._wanted.url) != self._wanted.url
        codes = code_count(search) if self._is_split else before.codes
        form = Form(plain=before.plain or is_plain, codes=codes)
        if memory.worked(self.key, form, self._refused_with):
            log().info(
                "search-form",
                client=self._access.client,
                key=self.key,
                status=self._refused_with,
                reason=form.words(),
            )

    def _newest(self, search: str, refusal: Refusal) -> Refusal:
        """Ask for all results since a day; if they come, only older ones are cut off."""
        if not self._has_time():
            return refusal
        metrics.count("cds_fhir_searches_repeated", "cut")
        asked = with_parameter(search, "date", f"ge{self._wanted.since}")
        failed = self._pages(asked, (), None)
        if failed is not None or not any(
            is_expected(one, self._wanted.expected) for one in self._last
        ):
            return refusal
        return replace(refusal, missing=Missing.OLDER)

    def _pages(
        self, link: str | None, so_far: tuple[Resource, ...], enough: int | None
    ) -> Refusal | None:
        """Read a search page by page; None once all of it came, or the newest `enough`."""
        visited: set[str] = set()
        whole, total, mine = True, None, so_far
        while link is not None:
            page = self._page(link, visited, len(mine))
            if isinstance(page, Refusal):
                return page
            whole = whole and page.whole
            self._last = mine = without_repeats(mine + page.resources)
            if has_enough(mine, self._wanted.expected, enough):
                return None if whole else Refusal(Missing.IN_PART, note=NOT_WHOLE)
            link, total = page.next_link, page.total
        lost = Missing.IN_PART if mine else Missing.FAILED  # it may be the newest that is lost
        if total is not None and total > len(mine):
            return Refusal(lost, note=FEWER_THAN_TOTAL)
        return None if whole else Refusal(lost, note=NOT_WHOLE)

    def _page(self, link: str, visited: set[str], held: int) -> Page | Refusal:
        """The page behind a link, once it is kept; else why there is none."""
        url = self._resolved(link)
        if url is None:
            return Refusal(Missing.FAILED, note=OTHER_SERVER)
        if url in visited or len(visited) >= self._limits.pages or held >= self._limits.resources:
            return Refusal(Missing.TRUNCATED, note=LOOP if url in visited else PAGE_LIMIT)
        body = self._get(url) if visited or self._wanted.goes_on else self._first(url)
        visited.add(url)
        if isinstance(body, Refusal):
            return body
        page = page_of(_resource(body), self._wanted.expected)
        if page is None:
            return Refusal(Missing.FAILED, note=NO_BUNDLE)
        together = without_repeats(self._state.resources + page.resources)
        self._state = Read(key=self.key, resources=together, bodies=(*self._state.bodies, body))
        return page

    def _resolved(self, link: str) -> str | None:
        base = self._server.base
        return resolve_under(base, link, self._access.habits.also_known_as)

    def _first(self, url: str) -> bytes | Refusal:
        """The first page of a search, which the entry of a client may want by POST."""
        self._requests_left -= 1
        if self._access.habits.search == "get":
            return self._get(url)
        path, _, query = url.partition("?")
        return self._get(f"{path}/_search", Sent("POST", requote_uri(query).encode("ascii")))

    def _get(self, url: str, sent: Sent | None = None) -> bytes | Refusal:
        """What the server sent for `url`, or why it sent nothing that counts."""
        fetched = self._fetch(url, sent)
        if self._waits_and_retries(fetched):
            metrics.count("cds_fhir_searches_repeated", "busy")
            fetched = self._fetch(url, sent)
        if fetched.failure is not None:
            missing = Missing.TIMEOUT if fetched.failure is Failure.TIME else Missing.FAILED
            status = 0 if fetched.status in _OK else fetched.status
            return Refusal(missing, status, note=fetched.cause)
        if fetched.status in _REFUSED:
            return Refusal(Missing.REFUSED, fetched.status)
        if fetched.status not in _OK:
            return Refusal(Missing.FAILED, fetched.status)
        return fetched.body.removeprefix(BOM_UTF8)

    def _fetch(self, url: str, sent: Sent | None) -> Fetched:
        if self._call.is_cut:
            return Fetched(0, b"", Failure.TIME)
        time_to_wait = self._call.deadline.left()
        self._health.sent(time_to_wait)
        headers = {**self._headers, "Content-Type": _FORM} if sent else self._headers
        read = LiveRead(
            key=self.key,
            method=sent.method if sent else "GET",
            url=url,
            sent=sent.body if sent else b"",
            began=time.monotonic(),
        )
        self._health.reads.append(read)
        with otlp.span("fhir-read", headers.get(otlp.TRACE_PARENT, "")) as span:
            if span.traceparent:
                headers = {**headers, otlp.TRACE_PARENT: span.traceparent}
            fetched = fetch(self._server.session, url, headers, self._call, self._bytes_left, sent)
            self._describe(span, fetched)
        read.ended, read.status = time.monotonic(), fetched.status
        read.body, read.cause = fetched.body, fetched.cause or (fetched.failure or "")
        self._health.got(fetched, time_to_wait)
        self._bytes_left -= len(fetched.body)
        return fetched

    def _describe(self, span: otlp.Span, fetched: Fetched) -> None:
        """Says what was read and how that ended, without any address."""
        expected = self._wanted.expected
        span.note("cds.client", self._access.client)
        span.note("cds.resource_type", expected if expected in _TYPES else "other")
        span.note("cds.outcome", fetched.failure.value if fetched.failure else "ok")
        if fetched.status:
            span.note("http.response.status_code", fetched.status)

    def _waits_and_retries(self, fetched: Fetched) -> bool:
        """Wait as long as a busy server wants, once; False if it does not say, or for too long."""
        seconds = fetched.retry_after.strip()
        if fetched.status not in (_TOO_MANY, _UNAVAILABLE) or not seconds.isdecimal():
            return False
        if not self._may_retry or self._call.is_cut or self._is_too_long(seconds):
            return False
        self._may_retry = False
        self._call.rest(int(seconds))
        return not self._call.is_cut

    def _is_too_long(self, seconds: str) -> bool:
        """Whether too little of the deadline is left after a wait of so many seconds."""
        if len(seconds) > _DIGITS_OF_A_WAIT:
            return True
        return int(seconds) + _LEAST_S >= self._call.deadline.left()


def _as_short_as(part: str, searches: list[str]) -> list[str]:
    """Returns searches in parts of no more codes than one that was answered."""
    most = code_count(part)
    return [short for search in searches for short in in_parts(search, most)]


# Why a search is not complete, for the analyst; never a text of the server.
NO_BUNDLE = "the answer is no searchset"
NOT_WHOLE = "an entry of the answer could not be read"
FEWER_THAN_TOTAL = "fewer entries than its total"
OTHER_SERVER = "the next link names another server (see also_known_as)"
PAGE_LIMIT = "more pages than are followed"
LOOP = "the next link comes again"


def _ended(state: Read, refusal: Refusal) -> Read:
    missing = refusal.missing
    if state.resources and missing not in (Missing.IN_PART, Missing.OLDER):
        missing = Missing.TRUNCATED
    elif not state.resources and missing is Missing.TRUNCATED:
        missing = Missing.FAILED
    return replace(state, missing=missing, status=refusal.status, note=refusal.note)


def _resource(body: bytes) -> Resource | None:
    try:
        return decode_resource(body)
    except BadRequest:
        return None


def headers_of(token: Secret | None) -> dict[str, str]:
    # "lenient": a parameter that the server does not know is passed over, instead of refused.
    headers = {"Accept": "application/fhir+json", "Prefer": "handling=lenient"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token.reveal()}"
    return headers
