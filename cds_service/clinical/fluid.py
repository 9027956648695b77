"""Whether fluid restriction may be offered (B.2, M9). Doubt withholds it, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cds_service.clinical.finding import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Restriction:
    """The verdict on fluid restriction.

    * offer    an action, with `caveats` for its label ("BP/creatinine not seen")
    * text     conditional words only; `reasons` say why it is no action
    * never    harmful here (CSW, HYPO, ADRENAL, NEURO, severe symptoms, ...): "do not restrict"
    * ordered  an active restriction is already there
    * none     the question does not arise (sodium not low, mild without symptom in EUV, ...)
    """

    verdict: Literal["offer", "text", "never", "ordered", "none"] = "none"
    reasons: tuple[Line, ...] = ()
    caveats: tuple[str, ...] = ()
    likely_insufficient: bool = False  # N4
