"""Keeps the registry in force: clients.toml is read again if it changed, unless it is broken.

A file that is being written may be cut at a place where it is sound and lacks half of the clients.
So a change is read when two looks, a second apart, find the same file. A call looks, so a service
without calls does not: after a pause one look is enough if the file is older than two seconds.
Else the first call would still be answered for a client that was taken out an hour ago.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from cds_service import metrics
from cds_service.errors import RegistryError
from cds_service.trust.client import USUAL, Defaults
from cds_service.trust.keyset import left_out
from cds_service.trust.registry import Registry

LOOK_EVERY_S = 1.0
_RESTS_S = 2.0  # a file that was last written so long ago is whole
_TRY_AGAIN_S = 10.0  # the file may be sound, and reading it have failed: too many open files, say

# Inode, size, times of the last change of its text and of its inode, which no copy keeps; None: no
# such file.
_Stamp = tuple[int, int, int, int] | None


class CurrentRegistry:
    """Holds one registry and swaps it atomically.

    `report` is called with every change, and with every change that was refused.
    """

    def __init__(
        self,
        path: Path,
        *,
        report: Callable[[str], None],
        allow_http: bool = False,
        need_keys: bool = False,
        defaults: Defaults = USUAL,
        check: Callable[[Registry], None] = lambda registry: None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Reads the file at once, and raises RegistryError if it is broken.

        `check` may raise RegistryError for faults that the registry itself cannot see.
        """
        self._path = path
        self._report = report
        self._read = partial(
            Registry.load, path, allow_http=allow_http, need_keys=need_keys, defaults=defaults
        )
        self._check = check
        self._clock = clock
        self._wall = wall
        self._lock = threading.Lock()
        self._seen = _stamps([path])
        self._changing: dict[Path, _Stamp] = {}  # what the last look found, if it was new
        self._broken = ""  # what is wrong with the file; "" if it is in force
        self._try_again = float("inf")
        self._registry = self._load()
        self._watch_new()
        self._next_look = clock() + LOOK_EVERY_S

    def current(self) -> Registry:
        """Returns the registry for this call; looks at the file at most once a second."""
        if self._clock() >= self._next_look and self._lock.acquire(blocking=False):
            try:
                self._refresh()
            finally:
                self._lock.release()
        return self._registry

    def _refresh(self) -> None:
        self._next_look = self._clock() + LOOK_EVERY_S
        seen = _stamps(self._seen)
        if seen == self._seen:
            if self._clock() < self._try_again:
                return
        elif seen != self._changing and not self._rest(seen):
            self._changing = seen
            return
        # Noted before the file is read: a change during the reading is seen at the next look.
        self._seen = seen
        try:
            self._registry = self._load()
        except RegistryError as error:
            self._keep_old(str(error))
        else:
            self._broken, self._try_again = "", float("inf")
            self._watch_new()
            self._report("The client registry changed and is in force.")

    def _rest(self, seen: Mapping[Path, _Stamp]) -> bool:
        """Whether these files were all written some time ago; a clock that is off says no."""
        before = (self._wall() - _RESTS_S) * 1e9
        return all(stamp is None or stamp[3] < before for stamp in seen.values())

    def _keep_old(self, why: str) -> None:
        self._registry = replace(self._registry, outdated=True)
        self._try_again = self._clock() + _TRY_AGAIN_S
        if why != self._broken:
            self._broken = why
            self._report(
                f"The client registry changed and is broken; the old one stays in force. {why}"
            )

    def _load(self) -> Registry:
        registry = self._read()
        self._check(registry)
        metrics.begin_clients(client.name for client in registry.clients)
        for client in registry.clients:
            keys = client.credentials.keys
            if keys is not None and keys.left_out:
                self._report(f"clients.{client.name}: {left_out(keys)}")
        return registry

    def _watch_new(self) -> None:
        """Watches clients.toml and the key sets that it names now.

        The stamps of files that were watched before stay, so that no change is missed.
        """
        watched = [self._path, *self._registry.files]
        stamps = _stamps(path for path in watched if path not in self._seen)
        for path in watched:
            if path in self._seen:
                stamps[path] = self._seen[path]
        self._seen = stamps


def _stamps(paths: Iterable[Path]) -> dict[Path, _Stamp]:
    stamps: dict[Path, _Stamp] = {}
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            stamps[path] = None
        else:
            stamps[path] = (
                status.st_ino,
                status.st_size,
                status.st_mtime_ns,
                status.st_ctime_ns,
            )
    return stamps
