"""The files of an export, cut into jobs that can be read side by side, and their lines.

FHIR Bulk Data is NDJSON, one resource a line, compressed or not; a manifest beside it says which
files belong to the export. A Bundle or a single resource is a .json file.
"""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Raw, Struct

from cds_service.backtest.parquet import parquet_lines
from cds_service.backtest.times import when
from cds_service.errors import BacktestError

LINES = (".ndjson", ".jsonl")
WHOLE = ".json"
PARQUET = ".parquet"
JOB_BYTES = 32 << 20
_BUFFER = 1 << 20
_URN = re.compile(rb'"(urn:(?:uuid|oid):[^"]+)"')


class Job(Struct, frozen=True, kw_only=True):
    """One part of a file: the lines that begin in it."""

    number: int
    path: Path
    begin: int = 0
    size: int = 0  # of the part, as it lies on the disk
    opens: bool = False  # it is the list of openings


class Export(Struct, frozen=True, kw_only=True):
    """The files of an export, and how many lines its manifest says that each has."""

    root: Path
    files: tuple[Path, ...]
    promised: dict[Path, int]
    made: datetime | None = None  # as its manifest says; nothing is known later
    opens: Path | None = None  # the list of chart openings beside it

    @property
    def size(self) -> int:
        """How many bytes it has on the disk."""
        return sum(path.stat().st_size for path in self.files)

    def jobs(self) -> list[Job]:
        """Returns the parts to read, in the order of the files."""
        parts = [(path, *part) for path in self.files for part in _parts(path)]
        jobs = [
            Job(number=number, path=path, begin=begin, size=size)
            for number, (path, begin, size) in enumerate(parts)
        ]
        if self.opens is not None:
            size = self.opens.stat().st_size
            jobs.append(Job(number=len(jobs), path=self.opens, size=size, opens=True))
        return jobs

    def shown(self, path: Path) -> str:
        """Returns the name of a file as messages write it."""
        inside = self.root.is_dir() and path.is_relative_to(self.root)
        return path.relative_to(self.root).as_posix() if inside else path.name


class _Output(Struct):
    url: str = ""
    type: str = ""
    count: int | None = None


class _Manifest(Struct):
    output: list[_Output]
    transactionTime: str = ""  # noqa: N815  # as Bulk Data writes it


class _Entry(Struct, rename="camel"):
    full_url: str = ""
    resource: Raw = Raw(b"")


class _Named(Struct, rename="camel"):
    resource_type: str = ""
    id: str = ""


class _Bundle(Struct, rename="camel"):
    resource_type: str = ""
    entry: list[_Entry] = []


_manifest = msgspec.json.Decoder(_Manifest).decode
_bundle = msgspec.json.Decoder(_Bundle).decode
_named = msgspec.json.Decoder(_Named).decode


def find_export(root: Path) -> Export:
    """Returns the files of an export; BacktestError if a manifest names one that is not there."""
    if root.is_file():
        return Export(root=root, files=(root,), promised={})
    _check_is_no_run(root)
    found = sorted(p for p in root.rglob("*") if p.is_file() and _kind(p) in _KINDS)
    found = [path for path in found if not path.name.startswith(".")]
    manifests = {path: read for path in found if (read := _read_manifest(path)) is not None}
    files = [path for path in found if path not in manifests]
    promised: dict[Path, int] = {}
    for place, manifest in manifests.items():
        promised |= _promised(place, manifest, files)
    if not files:
        raise BacktestError(
            f"{root}: there is nothing to read: files of an export end in .ndjson, .ndjson.gz, "
            ".json or .parquet."
        )
    times = [when(manifest.transactionTime) for manifest in manifests.values()]
    made = max((time.at for time in times if time is not None), default=None)
    return Export(root=root, files=tuple(files), promised=promised, made=made)


def _check_is_no_run(root: Path) -> None:
    """Raises BacktestError if a folder of a run is read as if it were an export."""
    key = next(root.rglob("private/key"), None)
    run = key.parent.parent if key is not None else root
    if key is not None and (run / "run.json").is_file():
        raise BacktestError(
            f"{run}: this is the folder of a run (--output) and no export: name the folder that "
            "the run has read, or move this one out of the export."
        )


def _promised(place: Path, manifest: _Manifest, files: Iterable[Path]) -> dict[Path, int]:
    """Returns the lines that a manifest promises; BacktestError if it names a missing file."""
    by_name = {_plain(path.name): path for path in files if place.parent in path.parents}
    promised, missing = {}, []
    for output in manifest.output:
        name = PurePosixPath(unquote(urlsplit(output.url).path)).name
        path = by_name.get(_plain(name))
        if path is None:
            missing.append(name)
        elif output.count is not None:
            promised[path] = output.count
    if missing:
        raise BacktestError(
            f"{place}: it names files that are not there: {', '.join(sorted(missing))}. "
            "Fetch them again, or remove the manifest if they are not wanted."
        )
    return promised


def _plain(name: str) -> str:
    """Returns the name of a file without what compression or a download adds."""
    name = name.removesuffix(".gz")
    return next((name.removesuffix(end) for end in LINES if name.endswith(end)), name)


def _read_manifest(path: Path) -> _Manifest | None:
    """Returns the manifest of a bulk export, if the file is one."""
    if _kind(path) != WHOLE or path.stat().st_size > JOB_BYTES:
        return None
    try:
        return _manifest(path.read_bytes())
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


_KINDS = frozenset({*LINES, WHOLE, PARQUET})


def _kind(path: Path) -> str:
    """Returns what the name of a file says of its content, also if it is compressed."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes[-1:] == [".gz"]:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def is_lines(path: Path) -> bool:
    """Whether a file holds a resource a line, compressed or not."""
    return _kind(path) in LINES


def _is_compressed(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


def _parts(path: Path) -> list[tuple[int, int]]:
    """Returns where the parts of a file begin and how long each is."""
    size = path.stat().st_size
    if _is_compressed(path) or _kind(path) not in LINES:
        return [(0, size)]
    return [(at, min(JOB_BYTES, size - at)) for at in range(0, size, JOB_BYTES)] or [(0, 0)]


class Line(Struct, frozen=True):
    """One resource as it came; `place` is where: a byte of a file of lines, else its number."""

    text: bytes
    place: int


def lines_of(job: Job) -> Iterator[Line]:
    """Yields the resources of a job; BacktestError if the file cannot be read."""
    try:
        yield from _lines(job)
    except (OSError, EOFError, zlib.error) as error:
        raise BacktestError(
            f"{job.path}: it cannot be read to its end ({type(error).__name__}): fetch it again."
        ) from None


def _lines(job: Job) -> Iterator[Line]:
    kind = _kind(job.path)
    if kind == PARQUET:
        yield from (Line(text, place) for place, text in enumerate(parquet_lines(job.path), 1))
    elif kind in LINES:
        yield from _ndjson(job)
    else:
        yield from (Line(text, place) for place, text in enumerate(_whole(job.path), 1))


def _ndjson(job: Job) -> Iterator[Line]:
    """Yields the lines that begin in this part of a file."""
    if _is_compressed(job.path):
        with gzip.open(job.path) as packed:
            at = 0
            for line in packed:
                yield Line(line, at)
                at += len(line)
        return
    with job.path.open("rb", buffering=_BUFFER) as file:
        at = job.begin
        if at:
            file.seek(at - 1)
            at += len(file.readline()) - 1
        end = job.begin + job.size
        for line in file:
            if at >= end:
                return
            yield Line(line, at)
            at += len(line)


def line_number(path: Path, place: int) -> int:
    """Returns the number of the line that begins at a byte of a file."""
    number, left = 1, place
    with gzip.open(path) if _is_compressed(path) else path.open("rb") as file:
        while left > 0 and (block := file.read(min(left, _BUFFER))):
            number += block.count(b"\n")
            left -= len(block)
    return number


def _whole(path: Path) -> Iterator[bytes]:
    """Yields the resources of a Bundle, or the one resource of a file."""
    with gzip.open(path) if _is_compressed(path) else path.open("rb") as file:
        text = file.read().strip().removeprefix(codecs.BOM_UTF8)
    try:
        bundle = _bundle(text)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        yield text  # it is counted as broken, or read as a resource of an unusual shape
        return
    if bundle.resource_type != "Bundle":
        yield text
        return
    names = {}
    for entry in bundle.entry:
        own = _identity(entry)
        if own and entry.full_url.startswith("urn:"):
            names[entry.full_url.encode()] = own
    for entry in bundle.entry:
        if bytes(entry.resource):
            yield _with_names(entry, names)


def _identity(entry: _Entry) -> bytes:
    """Returns "Type/id" of an entry; the id of one without is the end of its urn."""
    try:
        named = _named(bytes(entry.resource))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return b""
    own = named.id or entry.full_url.rpartition(":")[2]
    return f"{named.resource_type}/{own}".encode() if named.resource_type and own else b""


def _with_names(entry: _Entry, names: dict[bytes, bytes]) -> bytes:
    """Returns the resource of an entry with "Type/id" for each urn of the Bundle, and an id."""

    def known(match: re.Match[bytes]) -> bytes:
        return b'"%s"' % names.get(match[1], match[1])

    text = _URN.sub(known, bytes(entry.resource).strip())
    own = names.get(entry.full_url.encode(), b"").partition(b"/")[2]
    if own and text.startswith(b"{") and not _has_id(text):
        text = b'{"id":"%s",%s' % (own, text[1:].lstrip())
    return text


def _has_id(text: bytes) -> bool:
    try:
        return bool(_named(text).id)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return True
