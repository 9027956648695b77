"""Symptoms and their recency (B.0.4, M1, M2). Nothing found is "not documented", never "asymptomatic"."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Symptoms:
    """Concepts of conditions.toml, the most telling first."""

    severe: tuple[str, ...] = ()  # SEV
    attributable: bool = False  # SEV-A
    brain_edema: bool = False  # cerebral edema, herniation or raised ICP, recent
    moderate: tuple[str, ...] = ()  # MODS
    mild: tuple[str, ...] = ()  # MILDS
    cramp: bool = False
    fall_or_fracture: bool = False  # within 90 d
    falls_risk: bool = False  # age >= 65, or a fall, gait or osteoporosis code (FALL line)
    seizure: bool = False  # any seizure or epilepsy code that forbids a delete (M12)
    seizure_recent: bool = False  # <= 72 h
    icp_indication: bool = False  # OS-HTS-ICP codes with their recency (M4)
    neuro_code: bool = False  # any neurological code: no delete on OS-HTS-NONE
    gcs: int | None = None
