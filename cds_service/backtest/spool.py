"""The lines of an export that rules can look at, by patient, in files that need no second sift.

Each part of the sift writes one file: the lines of piece 0, of piece 1, and so on, then those that
belong to no patient (Medication). Its last bytes say where each begins. A patient is in the same
piece of every file, so that one piece after the other is judged in little memory.

A line is `key TAB patient id TAB resource`. The key of an Observation is that of the prefetch
which would bring it (`sodium`, `labs`); that of any other resource is its type.
"""

from __future__ import annotations

import sqlite3
import struct
import weakref
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from msgspec import Struct, field

from cds_service.lazy import cached_property

LINES = ".lines"
_PLACE = struct.Struct("<Q")
_MEDICATIONS = "medications.sqlite"


class Person(Struct, frozen=True):
    """One patient of the export, and the lines about them by key."""

    id: str
    lines: dict[str, list[bytes]] = field(default_factory=dict)
    again: int = 0  # lines that came another time

    def once(self) -> Person:
        """Returns the patient with each line once: an export may lie twice below one folder."""
        lines = {key: list(dict.fromkeys(found)) for key, found in self.lines.items()}
        again = sum(map(len, self.lines.values())) - sum(map(len, lines.values()))
        return Person(self.id, lines, again)

    def of(self, *keys: str) -> list[bytes]:
        """Returns the lines of these keys."""
        return [line for key in keys for line in self.lines.get(key, ())]


def piece_of(patient_id: bytes, pieces: int) -> int:
    """Returns the piece in which a patient is."""
    return zlib.crc32(patient_id) % pieces


def write_part(path: Path, buckets: Sequence[bytes | bytearray]) -> int:
    """Writes the lines of each piece, then the shared ones; returns how many bytes they are."""
    places, size = bytearray(), 0
    draft = path.with_name(f".{path.name}.part")
    with draft.open("wb") as file:
        for bucket in buckets:
            places += _PLACE.pack(size)
            file.write(bucket)
            size += len(bucket)
        file.write(places + _PLACE.pack(size))
    draft.replace(path)
    return size


class Spool(Struct, frozen=True, dict=True, weakref=True):
    """The kept lines of one run."""

    folder: Path
    pieces: int

    @cached_property
    def parts(self) -> list[Path]:
        """Returns the files, in the order of the export."""
        return sorted(self.folder.glob(f"*{LINES}"))

    def lines(self, piece: int) -> Iterator[bytes]:
        """Yields the lines of a piece; piece number `pieces` holds the shared ones."""
        width = _PLACE.size
        for path in self.parts:
            with path.open("rb") as file:
                file.seek((piece - self.pieces - 2) * width, 2)
                begins, ends = (_PLACE.unpack(file.read(width))[0] for _ in range(2))
                file.seek(begins)
                lines = file.read(ends - begins).split(b"\n")
                yield from lines[:-1]

    def people(self, piece: int) -> Iterator[Person]:
        """Yields the patients of a piece, by their ids."""
        people: dict[bytes, dict[str, list[bytes]]] = {}
        for line in self.lines(piece):
            key, who, resource = line.split(b"\t", 2)
            people.setdefault(who, {}).setdefault(key.decode(), []).append(resource)
        for who in sorted(people):
            yield Person(who.decode(), people.pop(who)).once()

    def medication(self, own: str) -> bytes | None:
        """Returns the Medication of an id, to which orders point."""
        if self._medications is None:
            return None
        found = self._medications.execute("SELECT line FROM medication WHERE id = ?", (own,))
        row: tuple[bytes] | None = found.fetchone()
        return row[0] if row is not None else None

    @cached_property
    def _medications(self) -> sqlite3.Connection | None:
        path = self.folder / _MEDICATIONS
        if not path.exists():
            return None
        found = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        weakref.finalize(self, found.close)
        return found

    @property
    def has_index(self) -> bool:
        """Whether Medications were made findable."""
        return (self.folder / _MEDICATIONS).exists()

    def index_medications(self) -> None:
        """Makes the Medications of the export findable by id; they may be too many for memory."""
        path = self.folder / _MEDICATIONS
        draft = path.with_suffix(".part")
        draft.unlink(missing_ok=True)
        with closing(sqlite3.connect(draft)) as store, store:
            store.execute("CREATE TABLE medication (id TEXT PRIMARY KEY, line BLOB) WITHOUT ROWID")
            store.executemany("INSERT OR IGNORE INTO medication VALUES (?, ?)", self._shared())
        draft.replace(path)

    def _shared(self) -> Iterator[tuple[str, bytes]]:
        for line in self.lines(self.pieces):
            _, own, resource = line.split(b"\t", 2)
            yield own.decode(), resource
