"""The sections of RESULTS.md: several programs measure, and each replaces what is its own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

RESULTS = Path(__file__).parent / "RESULTS.md"
_HEADING = re.compile(r"^(?=## )", re.MULTILINE)


def put(heading: str, lines: Iterable[str]) -> None:
    """Writes one section in place of an older one of this heading, else at the end."""
    page = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    text = "\n".join([heading, "", *lines, ""])
    parts = [one.rstrip("\n") + "\n" for one in _HEADING.split(page) if one]
    if heading not in map(_heading, parts):
        parts.append(text)
    _write(text if _heading(part) == heading else part for part in parts)


def put_page(page: str) -> None:
    """Writes the page, and behind it the sections of the older page that it does not have."""
    older = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    own = {_heading(part) for part in _HEADING.split(page)}
    kept = [part for part in _HEADING.split(older)[1:] if _heading(part) not in own]
    _write([page, *kept])


def _heading(section: str) -> str:
    return section.partition("\n")[0].strip()


def _write(parts: Iterable[str]) -> None:
    RESULTS.write_text("\n".join(part.rstrip("\n") + "\n" for part in parts), encoding="utf-8")
