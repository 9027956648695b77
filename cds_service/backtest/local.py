"""A backtest on one machine: sift into the spool, then judge one piece of the patients at a time.

Each part of the work leaves its result in a file that is whole or not there, so that a run that was
stopped goes on where it was. Nothing grows with the size of the export but the disk.
"""

from __future__ import annotations

import gc
import hashlib
import os
import secrets
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from multiprocessing import get_context
from multiprocessing.pool import Pool
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from cds_service.backtest.export import Export, Job, line_number, lines_of
from cds_service.backtest.held import held, making, writing
from cds_service.backtest.judge import Judge, Task
from cds_service.backtest.opens import OPEN, listed_openings
from cds_service.backtest.recipe import Knowing
from cds_service.backtest.rows import (
    Folder,
    PieceCounts,
    RunFile,
    Settings,
    Totals,
    more,
    read_counts,
    read_run_file,
    write_counts,
    write_rows,
    write_run_file,
    write_whole,
)
from cds_service.backtest.sift import BROKEN, OTHER, SHARED, Kept, Left, Sifter
from cds_service.backtest.spool import LINES, Spool, piece_of, write_part
from cds_service.backtest.unknown import times_of
from cds_service.errors import BacktestError

PIECE_BYTES = 16 << 20
LEAST_PIECES, MOST_PIECES = 16, 16_384
_PACKED = 8  # how many times its size a compressed file has
_FLUSH = 32 << 20
_NAMED = 20  # broken lines that are named
_MOST_UNKNOWN = 20_000  # distinct concepts that nothing is known of
_PART = ".json"
_FORMAT = 3  # of the spool
_SUMMED = (
    *("patients", "with_sodium", "with_moment", "results", "admissions", "orders"),
    *("openings", "openings_elsewhere", "undated", "undated_sodium"),
)
_LOOK_S = 1.0  # how often a worker looks whether its parent lives

Progress = Callable[[str, int, int, int], None]  # step, done, of how many, things counted


class Part(Struct, kw_only=True):
    """What the sift of one job came to; when its file is there, the job is done."""

    size: int = 0
    lines: int = 0
    kept: int = 0
    left: dict[str, int] = field(default_factory=dict)
    other: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)
    broken: list[int] = field(default_factory=list)  # the places of the first
    unknown: dict[str, int] = field(default_factory=dict)
    unknown_ids: dict[str, list[int]] = field(default_factory=dict)
    first_sodium: str = ""  # the earliest day of a result
    spooled: int = 0
    seconds: float = 0.0


class Sieve(Struct, frozen=True, kw_only=True):
    """What the spool depends on; another one needs a sift of its own."""

    files: str  # hash of the names, sizes and times of the files
    pieces: int
    vocabulary: str  # hash of the knowledge and of the local codes


_part = msgspec.json.Decoder(Part).decode
_sieve = msgspec.json.Decoder(Sieve).decode


class Work(Struct, frozen=True, kw_only=True):
    """One run: where it reads, what it is asked, and where it writes."""

    export: Export
    folder: Folder
    settings: Settings
    known: Knowing
    jobs: int = 1

    @property
    def sieve(self) -> Sieve:
        """Returns what its spool depends on."""
        settings = self.settings
        known = f"{settings.hooks} {settings.against} {settings.local_codes} {settings.version}"
        both = f"{_FORMAT} {known}"
        return Sieve(
            files=fingerprint(self.export), pieces=settings.pieces, vocabulary=f"{_FORMAT} {both}"
        )


def fingerprint(export: Export) -> str:
    """Returns a hash that changes if a file of the export does."""
    digest = hashlib.sha256()
    for path in (*export.files, *filter(None, (export.opens,))):
        known = path.stat()
        digest.update(f"{export.shown(path)}\0{known.st_size}\0{known.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def pieces_for(export: Export) -> int:
    """Returns into how many pieces the patients are cut, so that one piece needs little memory."""
    size = sum(
        path.stat().st_size * (_PACKED if path.suffix == ".gz" else 1) for path in export.files
    )
    return min(MOST_PIECES, max(LEAST_PIECES, -(-size // PIECE_BYTES)))


def run(work: Work, progress: Progress) -> RunFile:
    """Makes the rows of a run that is `prepared`, and returns what run.json says."""
    global _WORK, _SIFTER  # forked processes find them here
    _WORK, _SIFTER = work, None
    gc.collect()
    gc.freeze()  # the knowledge stays until the end, and is shared by the processes
    with _workers(work.jobs) as workers:
        parts = _sift(work, workers, progress)
        _check_promises(work, parts)
        _judge(work, workers, progress)
    file = RunFile(settings=work.settings, finished=True)
    file.totals, file.broken = totals_of(work, parts), list(_broken(work, parts))
    if work.export.opens is not None and not file.totals.openings:
        raise _no_opening(work.export.opens, parts[-1].lines)  # the list is the last job
    write_run_file(work.folder, file)
    return file


# ---- the folder


@contextmanager
def prepared(work: Work) -> Iterator[None]:
    """Makes the folder, or cleans it of what belongs to other settings, and holds it."""
    folder = work.folder
    with making(folder.root):
        _check_is_free(folder)
        _check_is_apart(folder, work.export)
        folder.private.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.private.chmod(0o700)
    with held(folder.private, "backtest run", alone=True), writing(folder.root):
        if not folder.key_file.exists():
            write_whole(folder.key_file, secrets.token_bytes(32))
            folder.key_file.chmod(0o600)
        _prepare_spool(work)
        _prepare_rows(work)
        write_run_file(folder, RunFile(settings=work.settings))
        yield


def _check_is_free(folder: Folder) -> None:
    """Raises BacktestError if the folder holds something that no run has left there."""
    root = folder.root
    if folder.run_file.exists() or not root.exists():
        return
    if any(path != folder.private for path in root.iterdir()):
        raise BacktestError(
            f"{root}: the folder holds something else: name an empty one as --output."
        )


def _check_is_apart(folder: Folder, export: Export) -> None:
    """Raises BacktestError if the folder lies in the export: it would be read as a part of it."""
    root = export.root.resolve()
    # Unlike `resolve` it raises nothing for a link that leads to itself.
    if root.is_dir() and Path(os.path.realpath(folder.root)).is_relative_to(root):
        raise BacktestError(
            f"{folder.root}: it lies inside of the export {export.root}, which the next run would "
            "read with it: name a folder beside the export as --output."
        )


def _prepare_spool(work: Work) -> None:
    spool, name = work.folder.spool, work.folder.spool / "sieve.json"
    try:
        same = _sieve(name.read_bytes()) == work.sieve
    except (FileNotFoundError, msgspec.MsgspecError):
        same = False
    if not same:
        shutil.rmtree(spool, ignore_errors=True)
        shutil.rmtree(work.folder.rows, ignore_errors=True)
        shutil.rmtree(work.folder.reads, ignore_errors=True)
        spool.mkdir()
        write_whole(name, msgspec.json.encode(work.sieve))


def _prepare_rows(work: Work) -> None:
    rows = work.folder.rows
    try:
        same = read_run_file(work.folder).settings.asked == work.settings.asked
    except BacktestError:
        same = False
    if not same:
        shutil.rmtree(rows, ignore_errors=True)
        shutil.rmtree(work.folder.reads, ignore_errors=True)
    rows.mkdir(exist_ok=True)


# ---- processes

_WORK: Work | None = None
_SIFTER: Sifter | None = None
T = TypeVar("T")
R = TypeVar("R")


class Workers:
    """Does something for each of many things, in one process or in several."""

    def __init__(self, pool: Pool | None) -> None:
        self._pool = pool

    def each(self, function: Callable[[T], R], things: Sequence[T]) -> Iterator[R]:
        """Yields the results as they come."""
        return self._pool.imap_unordered(function, things) if self._pool else map(function, things)


@contextmanager
def _workers(jobs: int) -> Iterator[Workers]:
    if jobs <= 1:
        yield Workers(None)
        return
    pool = get_context("fork").Pool(jobs, initializer=_begin_worker, initargs=(os.getpid(),))
    done = False
    try:
        yield Workers(pool)
        done = True
    finally:
        if done:
            pool.close()
        else:
            pool.terminate()
        pool.join()


def _begin_worker(parent: int) -> None:
    """Leaves Ctrl-C to the parent, which ends this process; without a parent it ends by itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_S)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _work() -> Work:
    assert _WORK is not None  # noqa: S101  # set before any process is made
    return _WORK


def _sifter() -> Sifter:
    """Returns the sifter of this process, which has learned its codes."""
    global _SIFTER
    if _SIFTER is None:
        _SIFTER = _work().known.sifter()
    return _SIFTER


# ---- sift


def _sift(work: Work, workers: Workers, progress: Progress) -> list[Part]:
    """Sifts what was not sifted yet, and returns what became of each job."""
    jobs = work.export.jobs()
    total = sum(job.size for job in jobs)
    waiting = [job for job in jobs if not _part_file(work, job).exists()]
    done = total - sum(job.size for job in waiting)
    lines = 0
    progress("sift", done, total, lines)
    for part in workers.each(sift_job, sorted(waiting, key=lambda job: -job.size)):
        done, lines = done + part.size, lines + part.lines
        progress("sift", done, total, lines)
    spool = Spool(work.folder.spool, work.settings.pieces)
    if waiting or not spool.has_index:
        spool.index_medications()
    parts = [_part(_part_file(work, job).read_bytes()) for job in jobs]
    if waiting or not _measured_file(work).exists():
        write_whole(_measured_file(work), _measured_from(parts).encode())
    return parts


def _measured_file(work: Work) -> Path:
    return work.folder.spool / "measured-from"


def _measured_from(parts: Iterable[Part]) -> str:
    """Returns the first day with a sodium in the whole export; "" without any."""
    return min((part.first_sodium for part in parts if part.first_sodium), default="")


def _part_file(work: Work, job: Job) -> Path:
    return work.folder.spool / f"{job.number:06}{_PART}"


def sift_job(job: Job) -> Part:
    """Writes the lines of one job that rules can look at, and what it came to."""
    work, begun = _work(), time.process_time()
    sifter, part, writer = _sifter(), Part(size=job.size), _Writer(work, job)
    for found, text, place in _sorted(sifter, job):
        counted(part, found)
        if isinstance(found, Kept):
            writer.add(found, text)
        elif found.why == BROKEN and len(part.broken) < _NAMED:
            part.broken.append(place)
    writer.flush()
    part.spooled = writer.size
    part.unknown, part.unknown_ids = sifter.unknown.taken(), sifter.unknown.taken_ids()
    part.first_sodium, sifter.first_sodium = sifter.first_sodium, ""
    part.seconds = time.process_time() - begun
    write_whole(_part_file(work, job), msgspec.json.encode(part))
    return part


def counted(part: Part, found: Kept | Left) -> None:
    """Counts what became of one line."""
    part.lines += 1
    if isinstance(found, Kept):
        part.kept += 1
        more(part.kinds, found.key)
        return
    more(part.left, found.why)
    if found.why == OTHER:
        more(part.other, found.kind)


def _sorted(sifter: Sifter, job: Job) -> Iterator[tuple[Kept | Left, bytes, int]]:
    """Yields what becomes of each line of a job, the line, and its place."""
    if job.opens:
        for row in listed_openings(job.path):
            found = Kept(OPEN, row.patient) if row.patient else Left(BROKEN)
            yield found, row.text, row.place
        return
    for line in lines_of(job):
        text = line.text.strip()
        if text:
            yield sifter.sort(text), text, line.place


class _Writer:
    """Gathers the lines of a job by piece, and writes them before they are too many."""

    def __init__(self, work: Work, job: Job) -> None:
        self._folder = work.folder.spool
        self._job = job
        self._pieces = work.settings.pieces
        self._held = 0
        self._files = 0
        self.size = 0
        self._buckets = self._empty()

    def _empty(self) -> list[bytearray]:
        return [bytearray() for _ in range(self._pieces + 1)]

    def add(self, kept: Kept, text: bytes) -> None:
        """Takes in one line."""
        owner = kept.owner.encode()
        shared = kept.key == SHARED
        bucket = self._buckets[self._pieces if shared else piece_of(owner, self._pieces)]
        if b"\n" in text or b"\r" in text:
            text = text.replace(b"\n", b" ").replace(b"\r", b" ")
        bucket += b"%s\t%s\t%s\n" % (kept.key.encode(), owner, text)
        self._held += len(text)
        if self._held >= _FLUSH:
            self.flush()

    def flush(self) -> None:
        """Writes what was gathered."""
        if self._held:
            path = self._folder / f"{self._job.number:06}-{self._files:04}{LINES}"
            self.size += write_part(path, self._buckets)
            self._files, self._held, self._buckets = self._files + 1, 0, self._empty()


def _check_promises(work: Work, parts: Sequence[Part]) -> None:
    """Raises BacktestError if a file holds fewer lines than its manifest says."""
    lines: dict[Path, int] = {}
    for job, part in zip(work.export.jobs(), parts, strict=True):
        lines[job.path] = lines.get(job.path, 0) + part.lines
    for path, promised in work.export.promised.items():
        if lines.get(path, 0) < promised:
            raise BacktestError(
                f"{path}: it holds {lines.get(path, 0)} of the {promised} resources that the "
                "manifest promises: fetch it again."
            )


# ---- judge


def _judge(work: Work, workers: Workers, progress: Progress) -> None:
    """Judges the pieces that were not judged yet."""
    total = work.settings.pieces
    asked = work.settings.asked
    waiting = [n for n in range(total) if not is_done(work.folder.counts_of(n), asked)]
    done, moments = total - len(waiting), 0
    progress("judge", done, total, moments)
    for counts in workers.each(judge_piece, waiting):
        done, moments = done + 1, moments + sum(counts.judged.values())
        progress("judge", done, total, moments)


def _task(work: Work) -> Task:
    """Returns what is judged, from when the laboratory is in the export."""
    task = work.known.task(work.folder.key_file.read_bytes())
    return measured_since(task, _measured_file(work).read_text())


def measured_since(task: Task, day: str) -> Task:
    """Returns the task with the first day that has a sodium in the whole export; "" if none has."""
    since = date.fromisoformat(day) if day else None
    return replace(task, wanted=replace(task.wanted, measured_from=since))


def judge_piece(piece: int) -> PieceCounts:
    """Writes the rows of one piece, and what it came to."""
    work, begun = _work(), time.process_time()
    spool = Spool(work.folder.spool, work.settings.pieces)
    judge = Judge(_task(work), spool.medication)
    counts, rows = PieceCounts(asked=work.settings.asked), []
    for person in spool.people(piece):
        found, came_to = judge.person(person)
        rows += found
        counts.add(came_to)
    write_rows(work.folder.rows_of(piece), rows)
    counts.seconds["judge"] = time.process_time() - begun
    write_counts(work.folder.counts_of(piece), counts)
    return counts


# ---- totals


def is_done(path: Path, asked: str) -> bool:
    """Whether a piece was judged, and by what is asked now: never take a piece of another run."""
    try:
        return read_counts(path).asked == asked
    except (FileNotFoundError, msgspec.MsgspecError):
        return False


def totals_of(work: Work, parts: Sequence[Part]) -> Totals:
    """Returns the totals of the run, and keeps what was not understood."""
    totals = Totals(files=len(work.export.files), bytes_read=sum(part.size for part in parts))
    sifting = 0.0
    for part in parts:
        totals.lines += part.lines
        totals.kept += part.kept
        sifting += part.seconds
        for why, number in part.left.items():
            if why != OTHER:
                setattr(totals, why, getattr(totals, why) + number)
        _add(totals.other, part.other)
        _add(totals.kinds, part.kinds)
    unknown = times_of((part.unknown, part.unknown_ids) for part in parts)
    most = sorted(unknown.items(), key=lambda one: (-one[1], one[0]))[:_MOST_UNKNOWN]
    write_whole(work.folder.unknown_file, msgspec.json.encode(dict(most)))
    counts = PieceCounts()
    for piece in range(work.settings.pieces):
        counts.add(read_counts(work.folder.counts_of(piece)))
    for name in _SUMMED:
        setattr(totals, name, getattr(counts, name))
    totals.broken += counts.broken
    totals.duplicate = counts.duplicate
    totals.moments, totals.judged, totals.guessed = counts.moments, counts.judged, counts.guessed
    totals.possible = counts.possible
    for kind, number in counts.moments.items():
        totals.left_out[kind] = number - counts.judged.get(kind, 0)
    day, wanted = _measured_from(parts), work.known.recipe.wanted
    if day and wanted.since is None and not wanted.only_results:
        totals.measured_from = date.fromisoformat(day)
    totals.seconds = {"sift": sifting} | counts.seconds
    return totals


def _no_opening(path: Path, listed: int) -> BacktestError:
    return BacktestError(
        f"{path}: none of its {listed:,} openings is about a patient of the export. The column "
        "patient holds the FHIR id of the Patient, as the export writes it, and not the MRN or "
        "another number of the hospital."
    )


def _add(counts: dict[str, int], others: dict[str, int]) -> None:
    for key, number in others.items():
        more(counts, key, number)


def _broken(work: Work, parts: Sequence[Part]) -> Iterator[str]:
    """Yields where the first broken lines are, as an editor finds them."""
    named = 0
    for job, part in zip(work.export.jobs(), parts, strict=True):
        for place in part.broken:
            if named == _NAMED:
                return
            named += 1
            in_lines = LINES_OF.intersection(job.path.suffixes)
            number = line_number(job.path, place) if in_lines else place
            yield f"{work.export.shown(job.path)}:{number}"


LINES_OF = frozenset({".ndjson", ".jsonl"})
