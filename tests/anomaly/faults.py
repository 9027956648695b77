"""Makes the n-th operation of one kind fail, as SQLite's anomaly tests do; n = 0 only counts."""

from __future__ import annotations

import builtins
import errno
import io
import os
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

# Each kind, with the error that its operation raises.
ERRORS: dict[str, Callable[[], Exception]] = {
    "write": lambda: OSError(errno.ENOSPC, "No space left on device"),
    "open": lambda: OSError(errno.EMFILE, "Too many open files"),
    "connect": lambda: OSError(errno.ECONNREFUSED, "Connection refused"),
    "look-up": lambda: socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
    "thread": lambda: RuntimeError("can't start new thread"),
    "database": lambda: _sqlite("unable to open database file", sqlite3.SQLITE_CANTOPEN),
    "statement": lambda: _sqlite("disk I/O error", sqlite3.SQLITE_IOERR),
    "commit": lambda: _sqlite("disk I/O error", sqlite3.SQLITE_IOERR_FSYNC),
}


def _sqlite(text: str, code: int) -> Exception:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


class Faults:
    """Counts the operations of one kind, and makes one of them fail, or all from it on."""

    def __init__(self, kind: str, at: int = 0, *, lasting: bool = False) -> None:
        self._error = ERRORS[kind]
        self._at = at
        self._lasting = lasting
        self._lock = threading.Lock()
        self.seen = 0

    def meet(self) -> None:
        """Raises the error if it is this operation's turn."""
        with self._lock:
            self.seen += 1
            mine = self.seen == self._at or (self._lasting and self._at and self.seen > self._at)
        if mine:
            raise self._error()

    def before(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Returns the operation with its fault."""

        def operation(*arguments: Any, **options: Any) -> Any:
            self.meet()
            return real(*arguments, **options)

        return operation


@contextmanager
def failing(kind: str, at: int = 0, *, lasting: bool = False) -> Iterator[Faults]:
    """Makes this process's n-th operation of a kind fail while the block runs."""
    faults = Faults(kind, at, lasting=lasting)
    with ExitStack() as stack:
        for target, name, changed in _PATCHES[kind](faults):
            stack.enter_context(patch.object(target, name, changed))
        yield faults


_Patches = Iterator[tuple[Any, str, Any]]


def _write(faults: Faults) -> _Patches:
    yield os, "write", faults.before(os.write)


def _open(faults: Faults) -> _Patches:
    yield builtins, "open", faults.before(builtins.open)
    yield io, "open", faults.before(io.open)  # pathlib's
    yield os, "open", faults.before(os.open)


def _connect(faults: Faults) -> _Patches:
    yield socket.socket, "connect", _method(faults, socket.socket.connect)


def _look_up(faults: Faults) -> _Patches:
    yield socket, "getaddrinfo", faults.before(socket.getaddrinfo)


def _thread(faults: Faults) -> _Patches:
    yield threading.Thread, "start", _method(faults, threading.Thread.start)


def _database(faults: Faults) -> _Patches:
    yield sqlite3.dbapi2, "connect", faults.before(sqlite3.dbapi2.connect)


def _method(faults: Faults, real: Callable[..., Any]) -> Callable[..., Any]:
    def operation(self: Any, *arguments: Any, **options: Any) -> Any:
        faults.meet()
        return real(self, *arguments, **options)

    return operation


class _Cursor(sqlite3.Cursor):
    def execute(self, *arguments: Any) -> sqlite3.Cursor:  # type: ignore[override]
        _current.statement()
        return super().execute(*arguments)

    def executemany(self, *arguments: Any) -> sqlite3.Cursor:  # type: ignore[override]
        _current.statement()
        return super().executemany(*arguments)


class _Connection(sqlite3.Connection):
    """Every connection of the tests is one of these; it fails while a block of `failing` runs."""

    def cursor(self, *_: Any) -> sqlite3.Cursor:  # type: ignore[override]
        return super().cursor(_Cursor)

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        _current.statement()
        return super().execute(*arguments)

    def commit(self) -> None:
        _current.commit()
        super().commit()


class _Current:
    """The faults of SQLite that are in force."""

    def __init__(self) -> None:
        self.statement: Callable[[], None] = lambda: None
        self.commit: Callable[[], None] = lambda: None


_current = _Current()


def _statement(faults: Faults) -> _Patches:
    yield _current, "statement", faults.meet


def _commit(faults: Faults) -> _Patches:
    yield _current, "commit", faults.meet


@contextmanager
def sqlite_can_fail() -> Iterator[None]:
    """Makes the connections that are opened in the block able to fail later."""
    real = sqlite3.dbapi2.connect

    def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = real(*arguments, **options | {"factory": _Connection})
        return connection

    with patch.object(sqlite3.dbapi2, "connect", connect):
        yield


_PATCHES: dict[str, Callable[[Faults], _Patches]] = {
    "write": _write,
    "open": _open,
    "connect": _connect,
    "look-up": _look_up,
    "thread": _thread,
    "database": _database,
    "statement": _statement,
    "commit": _commit,
}
