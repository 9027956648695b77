"""What differs between two answers to nearly the same call, in sentences for a tester."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import unified_diff
from typing import Any

from cds_service.demo.calls import KeptCall

_PARTS = ("indicator", "summary")
_SHORT = 160


def changes(first: KeptCall, second: KeptCall) -> list[str]:
    """Returns what changed from the first answer to the second; empty if only ids and times did."""
    return [*_status(first, second), *_cards(first, second), *_why(first, second)]


def _status(first: KeptCall, second: KeptCall) -> Iterator[str]:
    if first.status != second.status:
        yield f"Status: {first.status} before, {second.status} now."


def _cards(first: KeptCall, second: KeptCall) -> Iterator[str]:
    before, now = _by_topic(first), _by_topic(second)
    for topic in before:
        if topic not in now:
            yield f"Card gone: {topic}: {before[topic]['summary']}"
    for topic, card in now.items():
        if topic not in before:
            yield f"New card: {topic} ({card['indicator']}): {card['summary']}"
        else:
            yield from _card(topic, before[topic], card)


def _card(topic: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for part in _PARTS:
        if before[part] != now[part]:
            yield f"{topic}, {part}: “{before[part]}” before, “{now[part]}” now."
    lines = unified_diff(
        str(before.get("detail", "")).splitlines(), str(now.get("detail", "")).splitlines(), n=0
    )
    for line in lines:
        if not line.startswith(("---", "+++", "@@")) and line[1:].strip():
            word = "gone" if line[0] == "-" else "new"
            yield f"{topic}, line {word}: {_cut(line[1:].strip(' -'))}"
    offered, offers = _labels(before), _labels(now)
    yield from (f"{topic}, button gone: {label}" for label in offered if label not in offers)
    yield from (f"{topic}, button new: {label}" for label in offers if label not in offered)


def _why(first: KeptCall, second: KeptCall) -> Iterator[str]:
    keys = [*dict.fromkeys([*first.sources, *second.sources])]
    for key in keys:
        was, now = first.sources.get(key, "not asked"), second.sources.get(key, "not asked")
        if was != now:
            yield f"Data, {key}: “{was}” before, “{now}” now."
    before, after = _outcomes(first), _outcomes(second)
    for rule in dict.fromkeys([*before, *after]):
        was, now = before.get(rule, "was not asked"), after.get(rule, "was not asked")
        if was != now:
            yield f"Rule {rule}: “{was}” before, “{now}” now."


def _outcomes(call: KeptCall) -> dict[str, str]:
    """Returns what each rule said: that it found something, or why not."""
    told = call.explained
    silent = {row["rule"]: row["because"] for row in told.get("silent", ())}
    return silent | dict.fromkeys(told.get("fired", ()), "found something")


def _by_topic(call: KeptCall) -> dict[str, dict[str, Any]]:
    return {card["source"]["topic"]["code"]: card for card in call.cards}


def _labels(card: Mapping[str, Any]) -> list[str]:
    return [suggestion["label"] for suggestion in card.get("suggestions", ())]


def _cut(text: str) -> str:
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…"
