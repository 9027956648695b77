"""Says whether a call brought a sodium and orders that could be read.

A client that never brings one gets 200 and no cards, which looks like an all-clear; so it is seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct, field

from cds_service.knowledge.names import Analyte, Unused
from cds_service.protocol.live_read import LiveRead
from cds_service.sodium.case import Case
from cds_service.sodium.snapshot import Order

Sodium = Literal["", "none", "unreadable", "read"]


class Seen(Struct, kw_only=True):
    """What one call was about; the pipeline fills it in, so that refused calls count too."""

    case: Case | None = None  # None: no record was looked at
    orders: tuple[Order, ...] = ()  # the selected ones
    sources: Mapping[str, str] = field(default_factory=dict)  # prefetch key -> what became of it
    reads: Sequence[LiveRead] = ()  # what was asked of the FHIR server
    unchecked: str = ""  # why the call could not be checked (`metrics.UNCHECKED`), if it could not

    @property
    def sodium(self) -> Sodium:
        """What became of sodium; empty if this call did not look for it.

        A result that is only too old for the rules was read all the same.
        """
        case = self.case
        if case is None:
            return ""
        rejected = case.series.rejected
        if case.series.samples or any(result.why is Unused.OLD for result in rejected):
            return "read"
        if rejected or not case.snapshot.complete(Analyte.SODIUM):
            return "unreadable"
        return "none"

    @property
    def recognised(self) -> int:
        """The number of selected orders of which we know the drug, the fluid or the kind."""
        return sum(map(_is_recognised, self.orders))


def _is_recognised(order: Order) -> bool:
    fluid = order.saline is not None or order.hypotonic or order.balanced
    return bool(order.drugs) or fluid or order.fluid_restriction or order.kind != "medication"
