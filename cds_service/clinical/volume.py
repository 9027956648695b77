"""Volume status with the evidence it rests on (B.0.5, M7, M8), and risk of osmotic demyelination."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Volume(StrEnum):
    """In order of precedence."""

    CSW = "csw"
    ADRENAL = "adrenal"
    CONFLICT = "conflict"
    HYPO = "hypo"
    NEURO = "neuro"
    HYPER = "hyper"
    EUV = "euv"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeStatus:
    """The verdict, and the keys of words.toml [evidence] it rests on."""

    status: Volume = Volume.UNKNOWN
    evidence: tuple[str, ...] = ()
    against: tuple[str, ...] = ()  # the other side of a CONFLICT
    hint: tuple[str, ...] = ()  # HYPER-weak under UNKNOWN
    by_labs: bool = False  # EUV from urine chemistry alone: "SIADH pattern; ... not excluded"
    site_said: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OdsRisk:
    """Risk of osmotic demyelination (B.0.6): high if any reason is there."""

    reasons: tuple[str, ...] = ()  # keys of words.toml [evidence]

    @property
    def high(self) -> bool:
        """Whether the slower goal applies."""
        return bool(self.reasons)
