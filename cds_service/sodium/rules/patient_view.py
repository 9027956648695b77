"""Every rule of the patient-view service, by its id in hooks/hyponatremia-patient-view.toml."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cds_service.engine.finding import Outcome
from cds_service.sodium.case import Case
from cds_service.sodium.rules.age import check_due, outdated
from cds_service.sodium.rules.artifact import artifact, glucose_shift, implausible, jump, wrong_unit
from cds_service.sodium.rules.correction import near_limit, over_corrected
from cds_service.sodium.rules.mild import mild, mild_with_symptoms
from cds_service.sodium.rules.severity import acute_fall, moderate, severe, sodium_emergency

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
