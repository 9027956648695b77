"""A process of `serve` writes no core dump, does not outlive its parent, and ends in time."""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

_PR_SET_DUMPABLE = 4  # linux/prctl.h
_M_ARENA_MAX = -8  # malloc.h
_ARENAS = 2
_OTHER_FILES = 256  # databases, FHIR servers, logs


def forbid_core_dumps() -> None:
    """Keeps this process and its children from ever writing their memory, with records, to a disk.

    On Linux no other process of the same user can read that memory either.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def allow_connections(count: int) -> None:
    """Lets this process and its children hold so many connections, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


def share_arenas() -> None:
    """Lets all threads of this process take memory from two arenas instead of one for each.

    With an arena for each thread, what a large body took stays with its thread: sixteen such
    bodies one after the other held the memory of all sixteen. Elsewhere than on glibc it does
    nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)


def end_within(seconds: float, last: Callable[[], object]) -> None:
    """Ends this process after these seconds, even if a thread hangs; `last` is called before.

    A process waits at its end for the threads of its pools, and one of them may hang in a read.
    """

    def end() -> None:
        time.sleep(seconds)
        try:
            last()
        finally:
            os._exit(0)

    threading.Thread(target=end, name="end", daemon=True).start()


class Lifeline:
    """A pipe that only the parent holds open, so that its children see its end.

    A parent that is killed cannot tell its workers to stop; they would go on, and hold the port.
    """

    def __init__(self) -> None:
        self._read, self._write = os.pipe()

    def watch(self, loop: asyncio.AbstractEventLoop, orphaned: Callable[[], object]) -> None:
        """Calls `orphaned` in a child when the parent is gone; a child calls this once."""
        os.close(self._write)

        def look() -> None:
            loop.remove_reader(self._read)
            orphaned()

        loop.add_reader(self._read, look)

    def close(self) -> None:
        """Lets go of the pipe."""
        for descriptor in (self._read, self._write):
            with suppress(OSError):
                os.close(descriptor)
