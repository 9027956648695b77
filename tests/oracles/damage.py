"""The damage that one element of a request can suffer on its way from the record to the service."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from tests.oracles.walking import Place, places

_GONE = object()
_NEXT = "https://elsewhere.example/r4?page=2"
UNITS: tuple[Any, ...] = ("mg/dL", "g/L", "mmol/kg", "furlong", "")
STATUSES = "entered-in-error", "cancelled", "unknown", "x"
SUBJECTS: tuple[Any, ...] = (
    {"reference": "Patient/other"},
    {"reference": "Group/1"},
    {"display": "somebody"},
    {"identifier": {"system": "urn:example:mrn", "value": "1"}},
)
SEVERITIES: tuple[Any, ...] = ("fatal", "error", "warning", "information", ["error"], {"x": 1})


class Damage(Struct, frozen=True):
    """One element, and what stands in its place."""

    place: Place
    kind: str
    value: Any
    more: tuple[tuple[Place, Any], ...] = ()  # what goes with it

    @property
    def name(self) -> str:
        """What happened, and where."""
        return f"{self.place.name}: {self.kind}"

    def done(self, body: Any) -> Any:
        """The body with this damage; the given one stays as it is."""
        body = copy.deepcopy(body)
        for place, value in ((self.place, self.value), *self.more):
            holder, step = place.holder(body), place.steps[-1]
            if value is _GONE:
                del holder[step]
            else:
                holder[step] = copy.deepcopy(value)
        return body


def damages(body: Any) -> Iterator[Damage]:
    """All damage to any one element of a request."""
    for place in places(body):
        value = place.value(body)
        yield Damage(place, "removed", _GONE)
        for kind, other in _others(place, value):
            if other != value or type(other) is not type(value):
                yield Damage(place, kind, other)
        yield from _in_a_bundle(place, body)


def _others(place: Place, value: Any) -> Iterator[tuple[str, Any]]:
    yield "null", None
    yield "empty text", ""
    yield "empty object", {}
    yield "empty list", []
    yield from _of_another_type(value)
    if isinstance(value, list) and value:
        yield "doubled", [item for item in value for _ in range(2)]
        yield "cut in half", value[: len(value) // 2]
        yield "begins with null", [None, *value]
    if isinstance(value, dict):
        yield from _of_an_object(value)
    step = place.steps[-1]
    if step == "status":
        yield from ((f"status {status}", status) for status in STATUSES)
    if step in ("subject", "patient") and isinstance(value, dict):
        yield from ((f"subject by {next(iter(who))}", who) for who in SUBJECTS)


def _of_another_type(value: Any) -> Iterator[tuple[str, Any]]:
    yield "true", True
    yield "a number", 7
    yield "in a list", [value]
    yield "in an object", {"x": value}
    if isinstance(value, str):
        yield "garbled", "x"
        yield "with a blank", f" {value} "
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield "as text", str(value)
        yield "huge", 1e30
    if isinstance(value, list | dict):
        yield "text in its place", "x"
    if isinstance(value, list) and value:
        yield "the first item alone", value[0]


def _of_an_object(value: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "an odd object", {"x": 1}
    if "value" in value and "unit" in value:
        for unit in UNITS:
            yield f"unit '{unit}'", {**value, "unit": unit, "code": unit}
    if "coding" in value:
        yield "another code", {"coding": [{"system": "urn:oid:1.2.3", "code": "9"}]}
        yield "resolved, refuted", {"coding": [{"code": "resolved"}, {"code": "refuted"}]}
        if "text" in value:  # a text of our own would name another thing
            yield "words alone", {"text": value["text"]}
    if "resourceType" in value:
        yield "another type", {**value, "resourceType": "Basic"}
        for severity in SEVERITIES:
            yield f"OperationOutcome {severity}", _outcome(severity)


def _in_a_bundle(place: Place, body: Any) -> Iterator[Damage]:
    holder, step = place.holder(body), place.steps[-1]
    value = holder[step]
    if isinstance(value, dict) and value.get("resourceType") == "Bundle":
        for url in (_NEXT, "", None, 7):
            link = [{"relation": "next", "url": url}]
            yield Damage(place, f"next link {url}", {**value, "link": link})
        for total in (len(value.get("entry", ())) + 1, 1000, "9"):
            yield Damage(place, f"total {total}", {**value, "total": total})
        for severity in SEVERITIES:
            added = {"resource": _outcome(severity), "search": {"mode": "outcome"}}
            entries = [*value.get("entry", ()), added]
            yield Damage(place, f"with OperationOutcome {severity}", {**value, "entry": entries})
    if len(place.steps) > 2 and place.steps[-2] == "entry" and isinstance(step, int):
        above = Place(place.steps[:-2])
        bundle = above.value(body)
        if isinstance(bundle.get("total"), int):
            fewer = Place((*above.steps, "total"))
            kind = "left out, and not counted"
            yield Damage(place, kind, _GONE, ((fewer, bundle["total"] - 1),))


def _outcome(severity: Any) -> dict[str, Any]:
    issue = {"severity": severity, "code": "exception", "diagnostics": "could not be read"}
    return {"resourceType": "OperationOutcome", "issue": [issue]}
