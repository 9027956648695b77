"""Callers whose tokens keep failing are held off for a while, before anything of theirs is read (T-31).

What a caller is known by is its address. One from which a token has passed within a day is never held
off: an attacker who shares the EHR's address, behind one proxy or one firewall, cannot shut it out. Where
the addresses of callers are not known (`CDS_PROXIES` is not set) nobody is held off.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import TypeVar

WINDOW_S = 5.0
MOST = 20  # failures of one address within the window
PROVEN_S = 86_400.0  # a token that passed speaks for its address for so long
ADDRESSES = 10_000  # that are remembered of each kind; the one that is longest ago goes first
UNKNOWN = ""
_IPV6_SITE = 64  # one caller has as many addresses below it as it likes


class FailureLimit:
    """The failures of each address within the window, in this worker."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._proven: OrderedDict[str, float] = OrderedDict()

    def holds_off(self, address: str) -> bool:
        """Whether a call from here is refused unread. It is not counted, so that this ends by itself."""
        times = self._failures.get(address)
        if times is None:
            return False
        with self._lock:
            while times and times[0] <= self._clock() - WINDOW_S:
                times.popleft()
            return len(times) >= MOST

    def failed(self, address: str) -> None:
        """Count a token that did not pass."""
        now = self._clock()
        with self._lock:
            if address == UNKNOWN or now < self._proven.get(address, 0.0):
                return
            # No more than MOST are looked at, so no more are kept.
            self._failures.setdefault(address, deque(maxlen=MOST)).append(now)
            _keep(self._failures, address)

    def passed(self, address: str) -> None:
        """Note that a token from here has passed."""
        if address == UNKNOWN:
            return
        with self._lock:
            self._proven[address] = self._clock() + PROVEN_S
            self._failures.pop(address, None)
            _keep(self._proven, address)


def address_of(peer: str, forwarded: str, proxies: int | None) -> str:
    """Where a call comes from: `peer`, or what the outermost of our own proxies wrote into X-Forwarded-For.

    Each of our proxies adds one address at the end, so that what a caller wrote there itself is never
    reached. `UNKNOWN` where the number of proxies is, or where no address stands in that place.
    """
    if proxies is None:
        return UNKNOWN
    written = [peer] if proxies == 0 else forwarded.split(",")[-proxies:]
    if len(written) < proxies:
        return UNKNOWN
    try:
        found = ipaddress.ip_address(written[0].strip())
    except ValueError:
        return UNKNOWN
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, _IPV6_SITE), strict=False))


_T = TypeVar("_T")


def _keep(held: OrderedDict[str, _T], address: str) -> None:
    held.move_to_end(address)
    while len(held) > ADDRESSES:
        held.popitem(last=False)
