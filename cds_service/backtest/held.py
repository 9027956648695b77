"""One run at a time in a folder: the system holds its lock, which ends with the process."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from cds_service.backtest.rows import Folder, Run, read_run, read_run_file
from cds_service.errors import BacktestError, CannotWrite, FolderBusy

_LOCK = "lock"


@contextmanager
def held(private: Path, doing: str, *, alone: bool) -> Iterator[None]:
    """Holds a folder; FolderBusy says who holds it already.

    Who writes its pieces is alone; those who only read them may be several. Processes that are
    forked meanwhile hold it too, so that it is free when the last of them has ended.
    """
    with writing(private.parent), (private / _LOCK).open("a+b") as file:
        try:
            fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderBusy(
                f"{private.parent}: {_who(file)}. Try again when it has ended, or name another "
                "folder as --output."
            ) from None
        since = datetime.now(UTC)
        file.truncate(0)
        file.write(f"{doing}, process {os.getpid()}, since {since:%Y-%m-%dT%H:%M:%SZ}".encode())
        file.flush()
        yield


@contextmanager
def opened(root: Path, doing: str) -> Iterator[Run]:
    """Reads a finished run, and keeps others from writing its pieces meanwhile."""
    folder = Folder(root)
    read_run_file(folder)
    if not folder.private.is_dir():
        raise BacktestError(
            f"{root}: its folder private/ was removed, and nothing but the report is left: run it "
            "anew."
        )
    with held(folder.private, doing, alone=False), writing(root):
        yield read_run(root)


_CANNOT = {
    errno.ENOSPC: "the disk is full: make room",
    errno.EDQUOT: "the quota of the user is used up: make room",
    errno.EROFS: "the file system is read-only: name another folder as --output",
    errno.EACCES: "this user may not write there: name another folder, or change its owner",
    errno.EPERM: "this user may not write there: name another folder, or change its owner",
    errno.EFBIG: "a file would be larger than the system allows: name a folder on another disk",
    errno.EIO: "the disk does not answer: name a folder on another disk",
}


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """Makes CannotWrite of what the system says when a folder cannot be written."""
    try:
        yield
    except OSError as error:
        why = _CANNOT.get(error.errno or 0)
        if why is None:
            raise
        raise CannotWrite(_told(root, why)) from None
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
            raise
        raise CannotWrite(_told(root, _CANNOT[errno.ENOSPC])) from None


def _told(root: Path, why: str) -> str:
    return f"{root}: {why}. What is done is kept: the same command then goes on where it was."


def _who(file: BinaryIO) -> str:
    file.seek(0)
    told = file.read(200).decode("utf-8", "replace")
    return f"the folder is in use ({told or 'by a process that has just begun'})"
