"""One run at a time in a folder: the system holds its lock, which ends with the process."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from cds_service.backtest.rows import Folder, Run, read_run, read_run_file
from cds_service.errors import BacktestError, FolderBusy

_LOCK = "lock"


@contextmanager
def held(private: Path, doing: str, *, alone: bool) -> Iterator[None]:
    """Holds a folder; FolderBusy says who holds it already.

    Who writes its pieces is alone; those who only read them may be several. Processes that are
    forked meanwhile hold it too, so that it is free when the last of them has ended.
    """
    with (private / _LOCK).open("a+b") as file:
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
    with held(folder.private, doing, alone=False):
        yield read_run(root)


def _who(file: BinaryIO) -> str:
    file.seek(0)
    told = file.read(200).decode("utf-8", "replace")
    return f"the folder is in use ({told or 'by a process that has just begun'})"
