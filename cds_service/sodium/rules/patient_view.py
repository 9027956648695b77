"""Every rule of the patient-view service, by its id in hooks/hyponatremia-patient-view.toml."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cds_service.engine.finding import Outcome
from cds_service.sodium.case import Case
from cds_service.sodium.rules.danger import (
    acute_fall,
    mild,
    mild_with_symptoms,
    moderate,
    severe,
    sodium_emergency,
)
from cds_service.sodium.rules.data_quality import (
    artifact,
    check_due,
    glucose_shift,
    implausible,
    jump,
    outdated,
    wrong_unit,
)
from cds_service.sodium.rules.rate import near_limit, over_corrected

RULES: Mapping[str, Callable[[Case], Outcome]] = {
    "PV-SYMP": sodium_emergency,
    "PV-ACUTE": acute_fall,
    "PV-SEV": severe,
    "PV-MOD": moderate,
    "PV-MILD-SYMP": mild_with_symptoms,
    "PV-MILD": mild,
    "PV-GLU": glucose_shift,
    "PV-PSEUDO": artifact,
    "PV-AGE": outdated,
    "PV-DRUGCHK": check_due,
    "RATE-OVER": over_corrected,
    "RATE-NEAR": near_limit,
    "DQ-UNIT": wrong_unit,
    "DQ-PLAUS": implausible,
    "DQ-DELTA": jump,
}
