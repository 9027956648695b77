"""How fast sodium rises: the rolling 24-hour rise, pair by pair, in decimals (B.0.8 as amended by M10)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Literal

from cds_service.clinical.finding import Indicator
from cds_service.clinical.sodium import Sample

RateVariant = Literal["fast", "slow", "was", "still", "acute", "jump", "goal", "near", "estimated", "average", "two-days"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RatePair:
    """The rise to one endpoint, from a measured or an interpolated base."""

    base: Decimal  # mmol/L
    rise: Decimal
    end: Sample
    over: timedelta  # from the base (or the sample before the interpolated base) to the end
    observed: bool  # False: base interpolated at end - 24 h
    gap: timedelta  # between the samples that bracket an interpolated base
    used: tuple[Sample, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RateView:
    """The verdict on the correction rate."""

    assessable: bool = False
    now: RatePair | None = None  # the largest rise to the last sample
    worst: RatePair | None = None  # the pair that the card takes, by level
    level: Indicator | None = None  # None: no card
    rule: Literal["RATE-OVER", "RATE-NEAR", ""] = ""
    variant: RateVariant = "near"
    limit: Decimal = Decimal(0)
    notes: tuple[str, ...] = ()  # keys of words: "methods-differ", "preliminary", "glucose-shift", "dialysis", ...
    average_per_day: Decimal | None = None  # where samples lie more than 48 h apart
    jump: RatePair | None = None  # DQ-DELTA

    @property
    def rise_now(self) -> Decimal:
        """Rise to the last sample, zero where it cannot be told."""
        return self.now.rise if self.now else Decimal(0)
