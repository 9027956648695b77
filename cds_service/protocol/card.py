"""The last look at a card before it is sent: what CDS Hooks demands of it (conformance.md G)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

_INDICATORS = frozenset({"info", "warning", "critical"})
_BEHAVIORS = frozenset({"at-most-one", "any"})
_ABSOLUTE = re.compile(r"https?://[^\s]+")
_REFERENCE = re.compile(r"[A-Za-z]+/[A-Za-z0-9\-._]+")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HTML = re.compile(r"<[A-Za-z/!]")
_SUMMARY_BELOW = 140


class InvalidCard(Exception):
    """A card of ours breaks the specification: our bug. The text names the rule and the member."""


def check_cards(cards: list[dict[str, Any]]) -> None:
    """Raise InvalidCard at the first thing that a client could not take."""
    seen = [card.get("uuid") for card in cards]
    if len(set(seen)) != len(seen):
        raise InvalidCard("two cards carry one uuid")
    for card in cards:
        for problem in _card_problems(card):
            topic = card.get("source", {}).get("topic", {}).get("code", "?")
            raise InvalidCard(f"{topic}: {problem}")


def _card_problems(card: Mapping[str, Any]) -> Iterator[str]:
    summary = card.get("summary", "")
    if not 0 < len(summary) < _SUMMARY_BELOW or "\n" in summary:
        yield f"summary has {len(summary)} characters"
    if card.get("indicator") not in _INDICATORS:
        yield "indicator"
    if not _is_uuid(card.get("uuid")):
        yield "uuid"
    if _HTML.search(card.get("detail", "")):
        yield "detail holds HTML"
    source = card.get("source", {})
    if not source.get("label") or not _is_absolute(source.get("url", "")):
        yield "source"
    yield from _coding_problems(source.get("topic", {}), "topic")
    yield from _suggestion_list_problems(card)
    for reason in card.get("overrideReasons", ()):
        yield from _coding_problems(reason, "override reason")
    for link in card.get("links", ()):
        if (
            link.get("type") != "absolute"
            or not link.get("label")
            or not _is_absolute(link.get("url", ""))
        ):
            yield "link"
    if not _whole(card):
        yield from _empty_members(card, "card")


def _suggestion_list_problems(card: Mapping[str, Any]) -> Iterator[str]:
    suggestions = card.get("suggestions", ())
    behavior = card.get("selectionBehavior")
    if bool(suggestions) != (behavior in _BEHAVIORS):
        yield "selectionBehavior"
    if behavior == "at-most-one" and sum(1 for s in suggestions if s.get("isRecommended")) > 1:
        yield "two recommended suggestions under at-most-one"
    for suggestion in suggestions:
        if (
            not suggestion.get("label")
            or not _is_uuid(suggestion.get("uuid"))
            or not suggestion.get("actions")
        ):
            yield "suggestion"
        for action in suggestion.get("actions", ()):
            yield from _action_problems(action)


def _action_problems(action: Mapping[str, Any]) -> Iterator[str]:
    kind, resource = action.get("type"), action.get("resource")
    if not action.get("description"):
        yield "action without description"
    if kind == "delete":
        if resource is not None or not _REFERENCE.fullmatch(action.get("resourceId", "")):
            yield "delete action"
    elif (
        kind not in {"create", "update"}
        or not isinstance(resource, dict)
        or not resource.get("resourceType")
    ):
        yield "action"
    elif kind == "update" and not resource.get("id"):
        yield "update without id"


def _coding_problems(coding: Mapping[str, Any], what: str) -> Iterator[str]:
    if not (coding.get("code") and coding.get("system") and coding.get("display")):
        yield f"{what} lacks code, system or display"


def _whole(card: Mapping[str, Any]) -> bool:
    """Whether `_empty_members` has surely nothing to say; every card is asked, and no place has to be named."""
    seen: list[Any] = [card]
    for value in seen:
        if isinstance(value, dict):
            members: Iterable[Any] = value.values()
        elif isinstance(value, list):
            members = value
        elif isinstance(value, int | Decimal):
            continue
        else:
            return False
        if not all(members) and not all(
            member or isinstance(member, int | Decimal) for member in members
        ):
            return False  # zero and False say something
        seen += [member for member in members if type(member) is not str]  # by far the most are
    return True


def _empty_members(value: object, place: str) -> Iterator[str]:
    """CDS Hooks: no null, no empty string, object or array."""
    if value is None or value in ("", [], {}, ()):
        yield f"{place} is empty"
    elif isinstance(value, Mapping):
        for name, member in value.items():
            yield from _empty_members(member, f"{place}.{name}")
    elif isinstance(value, list | tuple):
        for member in value:
            yield from _empty_members(member, f"{place}[]")


@lru_cache(maxsize=512)  # of our own pages and of the guidelines: more than hooks/ cites
def _is_absolute(url: str) -> bool:
    return _ABSOLUTE.fullmatch(url) is not None


def _is_uuid(value: object) -> bool:
    return isinstance(value, str) and _UUID.fullmatch(value) is not None
