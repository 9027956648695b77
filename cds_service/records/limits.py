"""How much we read from a FHIR server, and how hard we try: technical bounds, no clinical numbers."""

from __future__ import annotations

from msgspec import Struct


class ReadLimits(Struct, frozen=True, kw_only=True):
    """Bounds of live reads (security.md T-07, T-13, T-52, T-53, section 4); tests override them.

    * per key: `pages` followed, `resources` kept, `bytes_per_key` of decoded bodies
    * per process: `threads`; per server: `in_flight` reads, and `waiting` behind them until their deadline
    * breaker: `failures` within `failure_window_s` and no success between them stop reads for `open_s`;
      a wait shorter than `fair_wait_s` says nothing about the server
    * `references`: single resources read for one call beyond its prefetch keys
    """

    pages: int = 5
    resources: int = 500
    bytes_per_key: int = 5_000_000
    threads: int = 64
    in_flight: int = 16
    waiting: int = 64
    failures: int = 5
    failure_window_s: float = 10.0
    open_s: float = 15.0
    fair_wait_s: float = 0.2
    references: int = 50
