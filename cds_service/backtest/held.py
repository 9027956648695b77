"""One run at a time in a folder: the system holds its lock, which ends with the process."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from cds_service.backtest.rows import Folder, Run, read_run, read_run_file
from cds_service.errors import BacktestError, CannotWrite, FolderBusy

_LOCK = "lock"
_PROCESS = re.compile(r"process (\d{1,9})\b")
_MOST_NOTED, _MOST_READ = 20, 4_000  # readers, and bytes


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
        _note(file, doing, alone=alone)
        yield


def _note(file: BinaryIO, doing: str, *, alone: bool) -> None:
    """Writes who holds a folder: several readers may, so that the others stay in the file."""
    since = datetime.now(UTC)
    told = f"{doing}, process {os.getpid()}, since {since:%Y-%m-%dT%H:%M:%SZ}"
    others = [] if alone else [one for one in _noted(file) if _lives(one)]
    file.truncate(0)  # it is open to append, so that this is written at its beginning
    file.write("\n".join((*others[-_MOST_NOTED:], told)).encode())
    file.flush()


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


@contextmanager
def making(root: Path) -> Iterator[None]:
    """Makes CannotWrite of all that the system says when the folder of a run cannot be made."""
    try:
        with writing(root):
            yield
    except OSError as error:
        raise CannotWrite(
            f"{root}: this folder cannot be made ({error.strerror}): name another one as --output."
        ) from None


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
    """Returns who holds a folder, as far as these processes live."""
    told = "; ".join(filter(_lives, _noted(file)))
    return f"the folder is in use ({told or 'by another command, for example backtest serve'})"


def _noted(file: BinaryIO) -> list[str]:
    file.seek(0)
    return file.read(_MOST_READ).decode("utf-8", "replace").splitlines()


def _lives(noted: str) -> bool:
    """Whether the process of a line is there, as far as this user may know."""
    found = _PROCESS.search(noted)
    if found is None:
        return False
    try:
        os.kill(int(found[1]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # of another user
    return True
