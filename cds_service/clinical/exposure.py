"""Which drugs the patient is on, since when, and how likely each is the cause (B.0.7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cds_service.clinical.snapshot import Order
from cds_service.terminology.match import DrugMatch

Attribution = Literal["probable", "possible-recent", "possible-chronic", "unlikely"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """One ingredient that the patient takes, over an unbroken chain of orders."""

    drug: DrugMatch
    orders: tuple[Order, ...]  # newest first
    since: datetime | None
    attribution: Attribution | None = None  # None: not a sodium-lowering drug, or sodium not low


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposures:
    """All active, systemic exposures."""

    active: tuple[Exposure, ...] = ()  # every recognised drug, treatment drugs too
    suspects: tuple[Exposure, ...] = ()  # at most three, best first, "unlikely" left out
    on_hold: tuple[DrugMatch, ...] = ()

    def of(self, *classes: str) -> tuple[Exposure, ...]:
        """Active exposures of these drug classes."""
        return tuple(e for e in self.active if e.drug.cls in classes)
