"""Glucose-corrected sodium (Katz, Hillier) and suspected pseudohyponatremia (B.0.3, M5, M6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class GlucoseShift:
    """A glucose at or above the limit that belongs to the latest sodium."""

    glucose: Decimal  # mg/dL
    at: datetime
    katz: Decimal  # mmol/L
    hillier: Decimal
    explained: bool  # GLU: the Katz value is not low
    loose_pair: bool  # paired within 4 h instead of 60 min


@dataclass(frozen=True, slots=True, kw_only=True)
class Pseudo:
    """Why the measured sodium may be an artefact."""

    kind: Literal["osmolality", "direct-ise", "hint"]
    shown: str  # the value it rests on: effective osmolality or the direct ISE sodium
    hints: tuple[str, ...] = ()  # "triglyceride", "protein", "myeloma": one bullet, nothing suppressed
