"""What a FHIR search answered, however it is shaped: resources, next link, and whether all could be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from msgspec import Struct

Resource: TypeAlias = dict[str, Any]

_ERRORS = frozenset({"error", "fatal"})
_OLDER_NAMES = {"MedicationRequest": ("MedicationOrder", "MedicationPrescription")}  # DSTU2, DSTU1
_DAY = 10  # "2026-11-21"


class Page(Struct, frozen=True, kw_only=True):
    """One page. `whole` is False where an entry was unreadable or reported as failed by the server."""

    resources: tuple[Resource, ...]
    next_link: str | None = None
    total: int | None = None
    whole: bool = True


def page_of(value: object, expected: str) -> Page | None:
    """The page that `value` is, or None where it does not answer a search for `expected` resources.

    Takes a Bundle, a bare list, or one resource where a Bundle belongs (data.md 2.12). An
    OperationOutcome in place of a Bundle is no answer, whatever its severity; among the entries of one,
    warnings are passed over and an error makes the page less than whole (CDSH-036).
    """
    if isinstance(value, list):
        return _page([{"resource": item} for item in value], expected)
    if not isinstance(value, dict):
        return None
    kind = value.get("resourceType")
    if is_expected(value, expected):
        return Page(resources=(value,))
    if kind != "Bundle":
        return None
    entries = value.get("entry") or []
    total = value.get("total")
    return _page(
        entries if isinstance(entries, list) else [entries],
        expected,
        next_link=_next_link(value.get("link")),
        total=total if isinstance(total, int) and not isinstance(total, bool) else None,
    )


def _page(
    entries: list[Any], expected: str, *, next_link: str | None = None, total: int | None = None
) -> Page | None:
    resources: list[Resource] = []
    whole, answers = True, False
    for entry in entries:
        resource = entry.get("resource") if isinstance(entry, dict) else None
        kind = resource.get("resourceType") if isinstance(resource, dict) else None
        if resource is None or not isinstance(kind, str):
            whole = False
        elif kind == "OperationOutcome":
            whole = whole and not _is_error(resource)
        else:
            resources.append(resource)
            answers = answers or is_expected(resource, expected)
    if resources and not answers:
        return None
    return Page(resources=tuple(resources), next_link=next_link, total=total, whole=whole)


def is_expected(resource: Resource, expected: str) -> bool:
    """Whether a resource is of the type that was asked for, under today's name or an older one."""
    kind = resource.get("resourceType")
    return kind == expected or (isinstance(kind, str) and kind in _OLDER_NAMES.get(expected, ()))


def _is_error(outcome: Mapping[str, object]) -> bool:
    issues = outcome.get("issue")
    listed = issues if isinstance(issues, list) else [issues]
    return any(isinstance(issue, dict) and issue.get("severity") in _ERRORS for issue in listed)


def _next_link(links: object) -> str | None:
    for link in links if isinstance(links, list) else [links]:
        if isinstance(link, dict) and link.get("relation") == "next":
            # A next link that is no text still says that there is more.
            url = link.get("url")
            return url if isinstance(url, str) else ""
    return None


def without_repeats(resources: Iterable[Resource]) -> tuple[Resource, ...]:
    """The resources without those that a shifting page window brought twice (same type and id)."""
    seen: set[tuple[str, str]] = set()
    kept = []
    for resource in resources:
        if "id" in resource:
            kind, own = resource.get("resourceType"), resource["id"]
            name = (kind, own) if type(kind) is str and type(own) is str else (str(kind), str(own))
            if name in seen:
                continue
            seen.add(name)
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

    A server that was asked for `_sort=-date` may not do it; only if it visibly did, the first page is the
    newest one.
    """
    before: str | None = None
    for resource in resources:
        time = _time(resource)
        if time is None or (before is not None and _is_newer(time, before)):
            return False
        before = time
    return True


def _time(resource: Resource) -> str | None:
    period = resource.get("effectivePeriod")
    times = (
        resource.get("effectiveDateTime"),
        resource.get("effectiveInstant"),
        period.get("end") or period.get("start") if isinstance(period, dict) else None,
        resource.get("issued"),
    )
    return next((time for time in times if isinstance(time, str) and len(time) >= _DAY), None)


def _is_newer(time: str, than: str) -> bool:
    try:
        one, other = datetime.fromisoformat(time), datetime.fromisoformat(than)
    except ValueError:
        return True
    if one.tzinfo is not None and other.tzinfo is not None:
        return one > other
    return time[:_DAY] > than[:_DAY]
