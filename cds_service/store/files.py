"""Keeps our SQLite files private, and notices a file that was deleted or replaced."""

from __future__ import annotations

import os
from pathlib import Path

import sqlalchemy as sa

_OWNER_ONLY = 0o600

_File = tuple[int, int]  # device and inode


def make_private(path: Path) -> None:
    """Makes the file if it is missing, and lets only its owner read it; OSError if that fails.

    SQLite gives the files beside it (-wal, -shm) the same rights.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, _OWNER_ONLY))
    if path.stat().st_mode & 0o077:
        path.chmod(_OWNER_ONLY)


def file_of(engine: sa.Engine) -> Path | None:
    """Returns the file of an SQLite database; None for one in memory and for a server."""
    name = engine.url.database
    if engine.dialect.name != "sqlite" or not name or name.startswith((":", "file:")):
        return None
    return Path(name)


class WatchedFile:
    """Remembers which file a database was opened from.

    A process goes on writing into a file that was deleted or replaced, and what it writes is lost.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._path = file_of(engine)
        self._opened = _identity(self._path)

    @property
    def is_gone(self) -> bool:
        """True if the file is not there."""
        return self._path is not None and _identity(self._path) is None

    @property
    def is_another(self) -> bool:
        """True if the file is not the one that was opened."""
        return self._path is not None and _identity(self._path) != self._opened

    def accept(self) -> None:
        """Takes the file that is there now as the one that is open."""
        self._opened = _identity(self._path)


def _identity(path: Path | None) -> _File | None:
    try:
        status = path.stat() if path else None
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if status else None
