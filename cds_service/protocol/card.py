"""Checks each card before it is sent: whether it is what CDS Hooks demands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cds_service.protocol.wire import encode

_INDICATORS = frozenset({"info", "warning", "critical"})
_BEHAVIORS = frozenset({"at-most-one", "any"})
_ABSOLUTE = re.compile(r"https?://[^\s]+")
_REFERENCE = re.compile(r"[A-Za-z]+/[A-Za-z0-9\-._]+")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HTML = re.compile(r"<[A-Za-z/!]")
_SUMMARY_BELOW = 140


class InvalidCard(Exception):
    """A card of ours breaks the specification, which is our bug; names the rule and the member."""


def check_cards(cards: list[dict[str, Any]]) -> None:
    """Raises InvalidCard for the first member that a client could not accept."""
    seen = [card.get("uuid") for card in cards]
    if len(set(seen)) != len(seen):
        raise InvalidCard("two cards carry one uuid")
    for card in cards:
        for problem in _card_problems(card):
            topic = card.get("source", {}).get("topic", {}).get("code", "?")
            raise InvalidCard(f"{topic}: {problem}")


def _text_problems(card: Mapping[str, Any]) -> Iterator[str]:
    summary = card.get("summary", "")
    if not 0 < len(summary) < _SUMMARY_BELOW or "\n" in summary:
        yield f"summary has {len(summary)} characters"
    if card.get("indicator") not in _INDICATORS:
        yield "indicator"
    if not _is_uuid(card.get("uuid")):
        yield "uuid"
    if _HTML.search(card.get("detail", "")):
        yield "detail holds HTML"


def _card_problems(card: Mapping[str, Any]) -> Iterator[str]:
    yield from _text_problems(card)
    source = card.get("source", {})
    yield from _address_problems(source, "source")
    yield from _coding_problems(source.get("topic", {}), "topic")
    yield from _suggestion_list_problems(card)
    for reason in card.get("overrideReasons", ()):
        yield from _coding_problems(reason, "override reason")
    for link in card.get("links", ()):
        yield from _address_problems(link, "link")
        smart = link.get("type") == "smart"
        if not smart and (link.get("type") != "absolute" or "appContext" in link):
            yield "link"
    empty = _empty_member(card) if _may_hold_nothing(card) else None
    if empty is not None:
        yield f"card{empty} is empty"


def _address_problems(member: Mapping[str, Any], what: str) -> Iterator[str]:
    if not member.get("label") or not _ABSOLUTE.fullmatch(member.get("url", "")):
        yield what


def _suggestion_list_problems(card: Mapping[str, Any]) -> Iterator[str]:
    suggestions = card.get("suggestions", ())
    behavior = card.get("selectionBehavior")
    if bool(suggestions) != (behavior in _BEHAVIORS):
        yield "selectionBehavior"
    recommended = [s for s in suggestions if s.get("isRecommended")]
    if behavior == "at-most-one" and len(recommended) > 1:
        yield "two recommended suggestions under at-most-one"
    for suggestion in suggestions:
        actions = suggestion.get("actions", ())
        if not suggestion.get("label") or not _is_uuid(suggestion.get("uuid")) or not actions:
            yield "suggestion"
        for action in actions:
            yield from _action_problems(action)


def _action_problems(action: Mapping[str, Any]) -> Iterator[str]:
    kind, resource = action.get("type"), action.get("resource")
    if not action.get("description"):
        yield "action without description"
    if kind == "delete":
        if resource is not None or not _REFERENCE.fullmatch(action.get("resourceId", "")):
            yield "delete action"
        return
    kind_fits = kind in {"create", "update"}
    if not kind_fits or not isinstance(resource, dict) or not resource.get("resourceType"):
        yield "action"
    elif kind == "update" and not resource.get("id"):
        yield "update without id"


def _coding_problems(coding: Mapping[str, Any], what: str) -> Iterator[str]:
    if not (coding.get("code") and coding.get("system") and coding.get("display")):
        yield f"{what} lacks code, system or display"


def _may_hold_nothing(card: Mapping[str, Any]) -> bool:
    """Whether the JSON of a card has the signs of an empty member, in a text or for certain."""
    written = encode(card)
    return any(sign in written for sign in (b"null", b'""', b"[]", b"{}"))


def _empty_member(value: object) -> str | None:
    """Returns the path to a null, an empty string, object or array: CDS Hooks allows none of them.

    Returns None if there is no such member.
    """
    if value is None or value in ("", [], {}, ()):
        return ""
    for place, member in _members(value):
        path = _empty_member(member)
        if path is not None:
            return f"{place}{path}"
    return None


def _members(value: object) -> Iterator[tuple[str, object]]:
    """Yields what an object or an array holds, each with its step in a path."""
    if isinstance(value, dict):
        yield from ((f".{name}", member) for name, member in value.items())
    elif isinstance(value, list | tuple):
        yield from (("[]", member) for member in value)


def _is_uuid(value: object) -> bool:
    return isinstance(value, str) and _UUID.fullmatch(value) is not None
