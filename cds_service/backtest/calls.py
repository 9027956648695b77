"""Reads recorded hook calls from a folder; each has the moment at which it was made.

What cannot be read is returned with its place and its reason, and is never left out.
"""

from __future__ import annotations

import codecs
import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from cds_service.errors import BadRequest
from cds_service.protocol.wire import decode
from cds_service.records.recording import AT

LINES = (".ndjson", ".jsonl")  # one call a line
WHOLE = (".json",)  # one call, or a list of calls
# Members of FHIR that say when something of the record came into being.
_DATED = frozenset({"effectiveDateTime", "issued", "authoredOn", "recordedDate", "dateTime"})
_PERIODS = frozenset({"effectivePeriod", "period"})


class RecordedCall(Struct, frozen=True, kw_only=True):
    """A recorded call, or the reason why its place in the file holds no call."""

    where: str  # "ward-3/calls.ndjson:17"
    body: dict[str, Any] = {}
    at: datetime | None = None
    wrong: str = ""  # why it cannot be answered; empty if it can


def recorded_calls(folder: Path) -> Iterator[RecordedCall]:
    """Yields every call of the files below a folder, or of one file, by their names."""
    for path in call_files(folder):
        name = path.relative_to(folder).as_posix() if folder.is_dir() else path.name
        try:
            yield from _calls_of(path, name)
        except (OSError, EOFError):
            yield RecordedCall(where=name, wrong="The file cannot be read.")


def call_files(folder: Path) -> list[Path]:
    """Returns the files that may hold calls."""
    if folder.is_file():
        return [folder]
    return sorted(p for p in folder.rglob("*") if p.is_file() and _kind(p) in (*LINES, *WHOLE))


def _kind(path: Path) -> str:
    """Returns what the name of a file says of its content, also if it is compressed."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes[-1:] == [".gz"]:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _calls_of(path: Path, name: str) -> Iterator[RecordedCall]:
    compressed = path.suffix.lower() == ".gz"
    with gzip.open(path) if compressed else path.open("rb") as file:
        if _kind(path) not in LINES:
            content = _decoded(file.read())
            calls = content if isinstance(content, list) else [content]
            for number, call in enumerate(calls, 1):
                place = f"{name}:{number}" if isinstance(content, list) else name
                yield _recorded(place, call)
            return
        for number, line in enumerate(file, 1):
            if line.strip():
                yield _recorded(f"{name}:{number}", _decoded(line))


def _decoded(text: bytes) -> object:
    """Returns the value that a JSON text holds; a broken text gives the error instead."""
    try:
        return decode(text.strip().removeprefix(codecs.BOM_UTF8))
    except BadRequest as error:
        return error


def _recorded(where: str, content: object) -> RecordedCall:
    if isinstance(content, BadRequest):
        return RecordedCall(where=where, wrong=content.message)
    if not isinstance(content, dict):
        return RecordedCall(where=where, wrong="The call is not a JSON object.")
    at = moment_of(content)
    if at is None:
        wrong = f"The call has no moment: add '{AT}', an instant with its zone."
        return RecordedCall(where=where, body=content, wrong=wrong)
    body = {name: member for name, member in content.items() if name != AT}
    return RecordedCall(where=where, body=body, at=at)


def moment_of(call: dict[str, Any]) -> datetime | None:
    """Returns when a call was made: its member `at`, else the newest time in what it holds.

    An EHR sends what it knows at that moment, so the newest time lies shortly before it.
    """
    if AT in call:
        return _instant(call[AT])
    times = _times([call.get("prefetch"), call.get("context")])
    return max(times, default=None)


def _times(value: object) -> Iterator[datetime]:
    """Yields the times in a value at which something of the record came into being."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            found = [part.get(name) for name in _DATED]
            found += [
                (part.get(name) or {}).get("start")
                for name in _PERIODS & part.keys()
                if isinstance(part.get(name), dict)
            ]
            yield from (at for at in map(_instant, found) if at is not None)
            waiting += part.values()


def _instant(value: object) -> datetime | None:
    """Returns an instant with its zone; None if the text lacks a time or a zone."""
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return None if at.tzinfo is None else at.astimezone(UTC)
