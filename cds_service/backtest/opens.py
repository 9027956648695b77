"""A list of chart openings, as an audit log gives it: a CSV with patient, at and perhaps user."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from cds_service.backtest.sift import patient_id
from cds_service.errors import BacktestError

OPEN = "open"  # the key of an opening in the spool
_NEEDED = ("patient", "at")


class Opening(Struct, frozen=True):
    """A chart that was opened: when, and by whom if the list says it."""

    at: datetime
    user: str = ""


_opening = msgspec.json.Decoder(Opening).decode


class ListedOpening(Struct, frozen=True):
    """One row of the list: whose chart, and the opening as the spool keeps it."""

    patient: str  # "": the row cannot be read
    text: bytes
    place: int


def listed_openings(path: Path) -> Iterator[ListedOpening]:
    """Yields the rows of the list; BacktestError if it lacks a column."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            rows.fieldnames = [name.strip().lower() for name in rows.fieldnames or ()]
            lacking = [name for name in _NEEDED if name not in rows.fieldnames]
            if lacking:
                raise BacktestError(
                    f"{path}: it has no column {' or '.join(lacking)}: a list of openings needs "
                    "patient and at, an instant with its zone, and may have user."
                )
            yield from (_listed(row, rows.line_num) for row in rows)
    except (OSError, UnicodeDecodeError, csv.Error):
        raise BacktestError(f"{path}: it cannot be read as a CSV in UTF-8.") from None


def _listed(row: dict[str, str | None], place: int) -> ListedOpening:
    patient = patient_id(row["patient"] or "")
    try:
        at = datetime.fromisoformat((row["at"] or "").strip())
    except ValueError:
        return ListedOpening("", b"", place)
    if at.tzinfo is None:
        return ListedOpening("", b"", place)
    opening = Opening(at, (row.get("user") or "").strip())
    return ListedOpening(patient, msgspec.json.encode(opening), place)


def openings(lines: list[bytes]) -> list[Opening]:
    """Returns the openings of one patient's chart, each once."""
    return list(dict.fromkeys(map(_opening, lines)))
