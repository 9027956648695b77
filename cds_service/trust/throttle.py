"""Limits how often a client may call; holds off addresses whose tokens keep failing (T-31, T-50).

A caller that has not proven who it is is known by its address. An address from which a token has
passed within a day is never held off: an attacker who shares the EHR's address, behind one proxy or
one firewall, cannot shut it out. If the addresses of callers are not known (`CDS_PROXIES` is not
set), no caller is held off.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import TypeVar

BURST_S = 2.0  # a client may use the calls of two seconds at once
WINDOW_S = 5.0
MOST = 20  # failures of one address within the window
PROVEN_S = 86_400.0  # after a token has passed, its address counts as proven for so long
ADDRESSES = 10_000  # remembered of each kind; the address seen longest ago goes first
UNKNOWN = ""
_IPV6_SITE = 64  # one caller has as many addresses below this prefix as it likes


class RateLimit:
    """Counts the calls of each client in a moving window of `BURST_S` seconds, in this worker."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: dict[str, deque[float]] = {}

    def admits(self, who: str, per_second: int) -> bool:
        """Returns True and counts the call if it is within the client's rate; 0 means no limit.

        `who` is a name of the registry, so there are never more windows than clients.
        """
        if per_second == 0:
            return True
        now = self._clock()
        with self._lock:
            calls = self._calls.setdefault(who, deque())
            while calls and calls[0] <= now - BURST_S:
                calls.popleft()
            if len(calls) >= per_second * BURST_S:
                return False
            calls.append(now)
            return True


class FailureLimit:
    """Counts the tokens of each address that failed within the window, in this worker."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._proven: OrderedDict[str, float] = OrderedDict()

    def holds_off(self, address: str) -> bool:
        """Returns True if a call from this address is refused unread.

        The refused call is not counted, so the refusals end by themselves.
        """
        times = self._failures.get(address)
        if times is None:
            return False
        with self._lock:
            while times and times[0] <= self._clock() - WINDOW_S:
                times.popleft()
            return len(times) >= MOST

    def failed(self, address: str) -> None:
        """Counts a token that did not pass."""
        now = self._clock()
        with self._lock:
            if address == UNKNOWN or now < self._proven.get(address, 0.0):
                return
            # No more than MOST are looked at, so no more are kept.
            self._failures.setdefault(address, deque(maxlen=MOST)).append(now)
            _keep(self._failures, address)

    def passed(self, address: str) -> None:
        """Notes that a token from this address has passed."""
        if address == UNKNOWN:
            return
        with self._lock:
            self._proven[address] = self._clock() + PROVEN_S
            self._failures.pop(address, None)
            _keep(self._proven, address)


_T = TypeVar("_T")


def _keep(held: OrderedDict[str, _T], address: str) -> None:
    """Moves the address to the end, and drops the oldest addresses above the limit."""
    held.move_to_end(address)
    while len(held) > ADDRESSES:
        held.popitem(last=False)


def address_of(peer: str, forwarded: str, proxies: int | None) -> str:
    """Returns the address of the caller: `peer`, or an entry of the header X-Forwarded-For.

    Each of our proxies adds one address at the end of the header. The entry that the outermost
    proxy wrote is used; entries that the caller wrote stand before it and are never used. Returns
    `UNKNOWN` if the number of proxies is not set, or if the entry is not an address.
    """
    if proxies is None:
        return UNKNOWN
    written = [peer] if proxies == 0 else forwarded.split(",")[-proxies:]
    if len(written) < proxies:
        return UNKNOWN
    try:
        address = ipaddress.ip_address(written[0].strip())
    except ValueError:
        return UNKNOWN
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, _IPV6_SITE), strict=False))
