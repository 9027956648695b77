"""Which moments cannot get a card."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec import Struct

from cds_service.pipeline import Pipeline


class Look(Struct, frozen=True):
    """The moments of a patient's results, and those at which a card is possible."""

    times: Sequence[datetime]
    possible: frozenset[datetime]


class Quick:
    """Looks at numbers alone."""

    def __init__(self, pipelines: Iterable[Pipeline], profiles: Sequence[str]) -> None:
        self._limits = [p.knowledge.limits[profile] for p in pipelines for profile in profiles]

    def look(self, sodium: Sequence[bytes], glucose: Sequence[bytes]) -> Look | None:
        """Returns what the numbers say; None if only the rules can tell."""
        return None if sodium or glucose else Look((), frozenset())
