"""What a search or a prefetch key gave: satisfied, empty, failed or absent (CDSH-035..038)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from cds_service.errors import BadRequest
from cds_service.records.fhir_types import NO_PERIOD, Issue, Resource, as_resource, kind_of
from cds_service.sodium.snapshot import Missing

_ERRORS = frozenset({"error", "fatal"})
OLDER_NAMES = {"MedicationRequest": ("MedicationOrder", "MedicationPrescription")}  # DSTU2, DSTU1
_WARNINGS = _ERRORS | {"warning"}
_DAY = 10  # "2026-11-21"
_TYPE = re.compile(r"[A-Z][A-Za-z]{2,60}")


class Page(Struct, frozen=True, kw_only=True):
    """One page. `whole` is False if an entry was unreadable or reported as failed by the server."""

    resources: tuple[Resource, ...]
    next_link: str | None = None
    total: int | None = None
    whole: bool = True
    said: tuple[Issue, ...] = ()  # warnings and errors of the server beside the results


def as_prefetched(value: object) -> Resource | None:
    """One prefetched value; in an entry {response, resource}, as of old, it is the resource."""
    read = as_resource(value)
    wrapped = read is not None and not read.resource_type and read.resource is not None
    return read.resource if read is not None and wrapped else read


def page_of(value: Resource | None, expected: str) -> Page | None:
    """The page that `value` is; None if it does not answer a search for `expected` resources.

    One resource counts where a Bundle belongs (data.md 2.12). An OperationOutcome in place of a
    Bundle is no answer. If it is an entry, an error makes the page less than whole (CDSH-036); a
    warning only counts if nothing else came.
    """
    if value is None:
        return None
    if is_expected(value, expected):
        return Page(resources=(value,))
    if value.resource_type != "Bundle":
        return None
    resources, whole = _sorted_out(value)
    if resources and not any(is_expected(resource, expected) for resource in resources):
        return None
    return Page(
        resources=resources,
        # A next link that is no text still says that there is more.
        next_link=next((link.url for link in value.link if link.relation == "next"), None),
        total=value.total if type(value.total) is int else None,
        whole=whole,
        said=_said(value),
    )


def _said(bundle: Resource) -> tuple[Issue, ...]:
    """What the server warns of in a Bundle."""
    resources = [entry.resource for entry in bundle.entry if entry is not None]
    outcomes = [r for r in resources if r is not None and r.resource_type == "OperationOutcome"]
    issues = [issue for outcome in outcomes for issue in outcome.issue]
    return tuple([one for one in issues if one.severity.strip().lower() in _WARNINGS])


def _sorted_out(bundle: Resource) -> tuple[tuple[Resource, ...], bool]:
    """The resources of a Bundle, and whether every entry was readable and none failed."""
    resources: list[Resource] = []
    whole = True
    for entry in bundle.entry:
        resource = entry.resource if entry is not None else None
        if resource is None or not _TYPE.fullmatch(kind_of(resource)):
            whole = False  # what it is cannot be read, so it may be what was asked for
            continue
        if resource.resource_type != "OperationOutcome":
            resources.append(resource)
        elif is_failure(resource):
            whole = False
    return tuple(resources), whole


def is_failure(outcome: Resource) -> bool:
    """Whether an OperationOutcome says that something failed, and not only a warning."""
    return any(issue.severity in _ERRORS for issue in outcome.issue)


def is_expected(resource: Resource, expected: str) -> bool:
    """Whether a resource is of the type that was asked for, under today's name or an older one."""
    kind = resource.resource_type
    return kind == expected or kind in OLDER_NAMES.get(expected, ())


def without_repeats(resources: Iterable[Resource]) -> tuple[Resource, ...]:
    """The resources without those that a shifting page window brought twice (same type and id).

    Two results that only share their id are both kept: the one that is left out may be the low one.
    """
    seen: dict[tuple[str, str], Resource] = {}
    kept = []
    for resource in resources:
        first = seen.setdefault((resource.resource_type, resource.id), resource)
        is_other = resource.resource_type == "Observation" and resource != first
        if first is resource or is_other or not resource.id:
            kept.append(resource)
    return tuple(kept)


def has_enough(resources: Iterable[Resource], expected: str, enough: int | None) -> bool:
    """Whether the newest `enough` results are all here, so that only older ones are left out."""
    if enough is None:
        return False
    matches = [resource for resource in resources if is_expected(resource, expected)]
    return len(matches) >= enough and newest_first(matches)


def newest_first(resources: Iterable[Resource]) -> bool:
    """Whether every resource carries a time and none is newer than the one before it.

    Servers may ignore `_sort=-date`: the first page is the newest one only if it is in that order.
    """
    before: str | None = None
    for resource in resources:
        time = _time(resource)
        if time is None or (before is not None and _is_newer(time, before)):
            return False
        before = time
    return True


def _time(resource: Resource) -> str | None:
    period = resource.effective_period or NO_PERIOD
    done = resource.performed_period or NO_PERIOD
    times = (
        resource.effective_date_time,
        resource.effective_instant,
        period.end or period.start,
        resource.issued,
        resource.authored_on or resource.date_written,
        resource.performed_date_time or done.start or done.end,
    )
    return next((time for time in times if len(time) >= _DAY), None)


def _is_newer(time: str, than: str) -> bool:
    try:
        one, other = datetime.fromisoformat(time), datetime.fromisoformat(than)
    except ValueError:
        return True
    if one.tzinfo is not None and other.tzinfo is not None:
        return one > other
    return time[:_DAY] > than[:_DAY]


State = Literal["satisfied", "empty", "failed", "absent"]
Origin = Literal["prefetch", "live", "none"]

_TOKEN = re.compile(r"\{\{\s*context\.(\w+)\s*\}\}")
_ID = re.compile(r"[A-Za-z0-9\-._]{1,256}")  # longer than FHIR's 64, and "_": Epic's ids (T-11)
_COUNT = re.compile(r"[?&]_count=(\d+)(?:&|$)")
_NEWEST_FIRST = frozenset({"_sort=-date", "_sort=-authoredon"})
_TEMPLATES = 64  # there are a dozen
_BEST_FIRST: tuple[State, ...] = ("satisfied", "empty", "failed", "absent")


class Source(Struct, frozen=True, kw_only=True):
    """One prefetch key: what came of it, where from, and why it is not all, if it is not.

    `missing` None means that the key was answered to its end; if it is TRUNCATED, `resources` may
    hold a part. `next_link`: the prefetch was a first page.
    """

    state: State
    origin: Origin = "none"
    resources: tuple[Resource, ...] = ()
    missing: Missing | None = None
    next_link: str | None = None
    bodies: tuple[bytes, ...] = ()  # what was read live, as the server sent it
    said: tuple[Issue, ...] = ()  # what the server warned of, if nothing else came
    status: int = 0  # HTTP status of the live answer that was no result; 0 if there was none
    note: str = ""  # why it is not all, in our own words

    @property
    def holds_the_newest(self) -> bool:
        """True if nothing is missing but, perhaps, what is older than the rest."""
        return self.missing in (None, Missing.OLDER, Missing.NOT_APPLICABLE)

    @property
    def lack(self) -> str:
        """Returns why it is not all that was asked for; empty if it is all."""
        expected = (None, Missing.NOT_READ, Missing.NOT_APPLICABLE)
        return "" if self.missing in expected else str(self.missing)

    @property
    def shown(self) -> str:
        """Returns the state as an explanation shows it: "failed: failed, status 500"."""
        origin = "" if self.origin == "none" else f" ({self.origin})"
        why = [self.missing.value] if self.missing else []
        why += [f"status {self.status}"] if self.status else []
        why += [self.note] if self.note else []
        return f"{self.state}{origin}" + (f": {', '.join(why)}" if why else "")


ABSENT = Source(state="absent")


class Query(Struct, frozen=True, kw_only=True):
    """A template filled in for one request: a read by id, or a search."""

    key: str
    url: str
    expected: str  # resource type
    identity: str | None = None
    enough: int | None = None  # how many of the newest are asked for


class _Template(Struct, frozen=True):
    """What a template says for every request."""

    tokens: tuple[tuple[str, str], ...]  # as written, and the name in it
    expected: str
    is_read: bool
    enough: int | None


@lru_cache(maxsize=_TEMPLATES)
def _take_apart(template: str) -> _Template:
    path, _, search = template.partition("?")
    expected, _, identity = path.partition("/")
    tokens = tuple((token[0], token[1]) for token in _TOKEN.finditer(template))
    if "{{" in _TOKEN.sub("", template):
        raise KeyError(template)
    count = _COUNT.search(template)
    newest = count is not None and not _NEWEST_FIRST.isdisjoint(search.split("&"))
    return _Template(
        tokens, expected, bool(identity), int(count[1]) if count is not None and newest else None
    )


def fill(template: str, context: Mapping[str, str | None]) -> str | None:
    """The template with the ids of this request in it; None where the context lacks one.

    Raises BadRequest for an invalid id, and KeyError for a token that we do not use.
    """
    url = template
    for written, name in _take_apart(template).tokens:
        value = context[name]
        if value is None:
            return None
        if not _ID.fullmatch(value) or not value.strip("."):
            raise BadRequest(f"The member 'context.{name}' is not a FHIR id.")
        url = url.replace(written, value)  # nothing in an id needs an escape, or could be a token
    return url


def query(key: str, template: str, context: Mapping[str, str | None]) -> Query | None:
    """What a template asks of the server for this request, or None where it does not apply."""
    url = fill(template, context)
    if url is None:
        return None
    known = _take_apart(template)
    return Query(
        key=key,
        url=url,
        expected=known.expected,
        identity=url.partition("?")[0].partition("/")[2] if known.is_read else None,
        enough=known.enough,
    )


def prefetched(
    asked: Query,
    prefetch: Mapping[str, object],
    names: Iterable[str] = (),
    null_is_none: bool = True,
) -> Source:
    """What the prefetch holds for a query, under our key or the client's names for it.

    `null_is_none` is False for a client that sends null for what it did not try to read. BadRequest
    where a read brought another patient than that of the context.
    """
    found = [
        judge(asked, prefetch[name])
        for name in (asked.key, *names)
        if name in prefetch and (null_is_none or prefetch[name] is not None)
    ]
    return min(found, key=lambda source: _BEST_FIRST.index(source.state), default=ABSENT)


def judge(asked: Query, value: object) -> Source:
    """The state of one prefetched value. `null` is an answer too: there is nothing (CDSH-037)."""
    if asked.identity is not None:
        return _judge_one(asked, asked.identity, value)
    if value is None:
        return Source(state="empty", origin="prefetch")
    page = page_of(as_prefetched(value), asked.expected)
    if page is None:
        return Source(state="failed", missing=Missing.FAILED)
    resources = without_repeats(page.resources)
    if not page.whole or (page.next_link is None and _hides_some(asked, page)):
        return Source(
            state="failed",
            origin="prefetch" if resources else "none",
            resources=resources,
            # The entry that cannot be read, or that is counted and absent, may be the newest.
            missing=Missing.IN_PART if resources else Missing.FAILED,
        )
    if page.next_link is not None and not _has_enough(asked, resources):
        return Source(
            state="satisfied" if resources else "failed",
            origin="prefetch",
            resources=resources,
            missing=Missing.TRUNCATED if resources else Missing.FAILED,
            next_link=page.next_link,
        )
    return Source(
        state="satisfied" if resources else "empty",
        origin="prefetch",
        resources=resources,
        said=() if resources else page.said,
    )


def _judge_one(asked: Query, identity: str, value: object) -> Source:
    if value is None:
        # The client knows of none although the context names it: a second read would not help.
        return Source(state="empty", origin="prefetch", missing=Missing.FAILED)
    page = page_of(as_prefetched(value), asked.expected)
    matches = [r for r in page.resources if r.resource_type == asked.expected] if page else []
    if len(matches) != 1:
        return Source(state="failed", missing=Missing.FAILED)
    if matches[0].id == identity:
        return Source(state="satisfied", origin="prefetch", resources=(matches[0],))
    if asked.expected == "Patient" and matches[0].id:
        raise BadRequest("The prefetched Patient is not the patient of the context.")
    return Source(state="failed", missing=Missing.FAILED)


def _hides_some(asked: Query, page: Page) -> bool:
    return (
        page.total is not None
        and page.total > len(page.resources)
        and not _has_enough(asked, page.resources)
    )


def _has_enough(asked: Query, resources: Iterable[Resource]) -> bool:
    return has_enough(resources, asked.expected, asked.enough)
