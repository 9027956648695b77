"""References and ids as EHRs write them: with or without type, base and version."""

from __future__ import annotations

import re

_TYPE = re.compile(r"[A-Z][A-Za-z]{1,40}", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9\-._]{1,256}", re.ASCII)  # Epic's are longer than FHIR's 64 (T-11)
_SEGMENTS = 2  # "Patient/7"


def type_and_id(reference: str) -> tuple[str, str]:
    """Returns type and id of a reference; the type of a bare id is "", and both if it is neither.

    A base (`https://ehr.example/r4/`) and a version (`/_history/3`) are passed over.
    """
    bare = reference.strip().partition("/_history/")[0].rstrip("/")
    segments = bare.split("/")
    if "://" in bare:
        segments = segments[-_SEGMENTS:]
        if len(segments) < _SEGMENTS or not _TYPE.fullmatch(segments[0]):
            return "", ""
    *kinds, own = segments
    if len(kinds) >= _SEGMENTS or not _ID.fullmatch(own) or not own.strip("."):
        return "", ""
    kind = kinds[0] if kinds else ""
    return (kind, own) if not kinds or _TYPE.fullmatch(kind) else ("", "")


def id_text(value: object) -> str | None:
    """Returns an id that came as text or as a whole number, trimmed; None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() if isinstance(value, str) else None
