"""Reads why a card was not followed, in the shapes of the specification, of drafts and of vendors.

A code of our own CodeSystem is kept without its system, because the public URL of the service is
part of that system and may change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cds_service.engine.cards import OVERRIDE_PATH
from cds_service.store.feedback import COMMENT

_MOST = 20  # reasons that one item may carry
_DEPTH = 6  # a reason in a coding in a list of codings in a reason ...
_COMMENT_LENGTH = 2000
_CODE_LENGTH = 200
# Epic writes `overrideReasons`, and may send only an extension in it (T-67).
_MEMBERS = ("overrideReason", "overrideReasons", "reason")
_WRAPPERS = ("reason", "code", "coding")
_WORDS = ("text", "display")


def override(item: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the reason and the comment of a feedback, as far as it has any."""
    given = [item[name] for name in _MEMBERS if name in item]
    found = list(_found(given, _DEPTH))
    content: dict[str, Any] = {}
    coded = next((reason for reason in found if reason.get("code")), None)
    if coded is not None:
        content["reason"] = {"code": coded["code"]}
        system = foreign_system(coded.get("system", ""))
        if system:
            content["reason"]["system"] = system
    said = [*_comments([item, *given]), *(reason["words"] for reason in found if "words" in reason)]
    if said:
        content[COMMENT] = said[0][:_COMMENT_LENGTH]
    return content


def foreign_system(system: str) -> str:
    """Returns the code system of a reason, or "" if it is our own under any public URL."""
    plain = system.partition("|")[0].rstrip("/")
    return "" if plain.endswith(OVERRIDE_PATH) else system


def _found(value: object, depth: int) -> Iterator[dict[str, str]]:
    """Yields each reason in a value: a code with its system, or words."""
    if isinstance(value, str):
        yield from _from_text(value)
    elif depth and isinstance(value, list):
        for one in value[:_MOST]:
            yield from _found(one, depth - 1)
    elif depth and isinstance(value, dict):
        yield from _from_object(value, depth)


def _from_text(value: str) -> Iterator[dict[str, str]]:
    """Yields a text as a code if it can be one, else as the words of a clinician."""
    text = value.strip()
    if text:
        yield {"words": text} if len(text.split()) > 1 else {"code": text[:_CODE_LENGTH]}


def _from_object(value: Mapping[str, Any], depth: int) -> Iterator[dict[str, str]]:
    code, system = value.get("code"), value.get("system")
    if isinstance(code, str) and code.strip():
        reason = {"code": code.strip()[:_CODE_LENGTH]}
        if isinstance(system, str) and system.strip():
            reason["system"] = system.strip()[:_CODE_LENGTH]
        yield reason
        return
    for name in _WRAPPERS:
        yield from _found(value.get(name), depth - 1)
    for name in _WORDS:
        words = value.get(name)
        if isinstance(words, str) and words.strip():
            yield {"words": words.strip()}


def _comments(values: list[Any]) -> Iterator[str]:
    for value in values:
        for one in value[:_MOST] if isinstance(value, list) else [value]:
            comment = one.get("userComment") if isinstance(one, dict) else None
            if isinstance(comment, str) and comment.strip():
                yield comment
