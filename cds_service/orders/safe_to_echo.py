"""Whether a resource that came out of a record may be sent back as it is: no markup, no foreign address."""

from __future__ import annotations

import re

from cds_service.records.fhir_types import MAX_TEXT

# Elements that hold a URI by definition; everywhere else an address is somebody's message.
_URI_KEYS = frozenset({"system", "url", "profile", "instantiatesCanonical", "instantiatesUri"})
_URI = re.compile(r"(?:https?://|urn:)[A-Za-z0-9][A-Za-z0-9\-._~:/|%+=,]{0,300}", re.ASCII)
_REFERENCE = re.compile(
    r"(?:#[A-Za-z0-9\-._]{1,64}|urn:uuid:[0-9A-Fa-f\-]{36}|(?:https?://[A-Za-z0-9\-._~:/]{1,200}/)?"
    r"[A-Z][A-Za-z]{1,40}/[A-Za-z0-9\-._]{1,256}(?:/_history/[A-Za-z0-9\-.]{1,64})?)",
    re.ASCII,
)
_ACTIVE = re.compile(
    # markup, addresses, scripts; control, bidirectional and zero-width characters
    r"[<>&`\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
    r"|://|www\.|javascript:|data:|@|\]\(",
    re.IGNORECASE,
)
_MAX_DEPTH = 16


def is_inert(value: object, bases: tuple[str, ...] = (), key: str = "", depth: int = 0) -> bool:
    """Whether every string in a JSON value is plain words, a code, or a URI where a URI belongs.

    Absolute references count as inert only under one of `bases`.
    """
    if depth > _MAX_DEPTH:
        return False
    if isinstance(value, dict):
        return all(
            isinstance(name, str) and _is_name(name) and is_inert(inner, bases, name, depth + 1)
            for name, inner in value.items()
        )
    if isinstance(value, list):
        return all(is_inert(inner, bases, key, depth + 1) for inner in value)
    return not isinstance(value, str) or _string_is_inert(value, bases, key)


def _is_name(name: str) -> bool:
    return name.lstrip("_").isalnum() and name.isascii()


def _string_is_inert(value: str, bases: tuple[str, ...], key: str) -> bool:
    if key in _URI_KEYS:
        return _URI.fullmatch(value) is not None
    if key == "reference":
        known = not value.startswith("http") or any(
            value.startswith(b.rstrip("/") + "/") for b in bases
        )
        return known and _REFERENCE.fullmatch(value) is not None
    return len(value) <= MAX_TEXT and _ACTIVE.search(value) is None
