"""The names out of hooks/ that Python uses: a misspelt or renamed one stops the start.

A member is a str, so that it compares with what was read from a record. Rules never write such a
name as a string of their own: mypy checks the member, and `check_names` checks its value.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import TYPE_CHECKING

from cds_service.errors import KnowledgeError

if TYPE_CHECKING:
    from cds_service.knowledge.load import Knowledge


class Analyte(StrEnum):
    """The laboratory and vital-sign values that Python names; each is a table of labs.toml."""

    BMI = "bmi"
    BUN = "bun"  # urea too, converted
    CREATININE = "creatinine"
    EGFR = "egfr"
    ETHANOL = "ethanol"
    GCS = "gcs"
    GLUCOSE = "glucose"
    HEART_RATE = "heart-rate"
    POTASSIUM = "potassium"
    SERUM_OSMOLALITY = "serum-osmolality"
    SODIUM = "sodium"
    SYSTOLIC = "systolic"
    TOTAL_PROTEIN = "total-protein"
    TRIGLYCERIDE = "triglyceride"
    URATE = "urate"
    URINE_OSMOLALITY = "urine-osmolality"
    URINE_POTASSIUM = "urine-potassium"
    URINE_SODIUM = "urine-sodium"
    WEIGHT = "weight"


class DrugClass(StrEnum):
    """The drug classes that Python names; each is a key of words.toml [drug_classes]."""

    ANTIPSYCHOTIC = "antipsychotic"
    BACLOFEN = "baclofen"
    CYP3A_INHIBITOR = "cyp3a-inhibitor"
    DEMECLOCYCLINE = "demeclocycline"
    DESMOPRESSIN = "desmopressin"
    LITHIUM = "lithium"
    LOOP = "loop"
    MRA = "mra"
    THIAZIDE = "thiazide"
    VAPTAN = "vaptan"


class DrugName(StrEnum):
    """The ingredients that Python names; each is a table of sodium-drugs.toml."""

    BUPROPION = "bupropion"
    CONIVAPTAN = "conivaptan"
    MANNITOL = "mannitol"
    SODIUM_CHLORIDE = "sodium chloride"
    TOLVAPTAN = "tolvaptan"


class Problem(StrEnum):
    """The problems that Python names one by one; each is a table of conditions.toml."""

    ACUTE_HEART_FAILURE = "acute-heart-failure"
    ADPKD = "adpkd"
    ANURIA = "anuria"
    BLEEDING_DISORDER = "bleeding-disorder"
    CKD_4_5 = "ckd-4-5"
    COMA = "coma"
    CRAMP = "cramp"
    DIABETES_INSIPIDUS = "diabetes-insipidus"
    ENCEPHALOPATHY = "encephalopathy"
    HYPERGLYCEMIC_CRISIS = "hyperglycemic-crisis"
    HYPONATREMIA = "hyponatremia"
    MYELOMA = "myeloma"
    SIADH = "siadh"
    SPASTICITY = "spasticity"


class OrderTemplate(StrEnum):
    """The orders that rules suggest; each is a table of orders.toml [templates]."""

    BACLOFEN = "baclofen"
    FLUID_RESTRICTION = "fluid-restriction"


def check_names(knowledge: Knowledge) -> None:
    """Raises KnowledgeError for the first name in Python that hooks/ does not know."""
    terms = knowledge.terms
    tables: tuple[tuple[type[StrEnum], str, Collection[str]], ...] = (
        (Analyte, "labs.toml", terms.labs),
        (DrugClass, "words.toml [drug_classes]", knowledge.words.drug_classes),
        (DrugName, "sodium-drugs.toml", terms.drugs),
        (Problem, "conditions.toml", terms.concepts),
        (OrderTemplate, "orders.toml [templates]", knowledge.orders.templates),
    )
    for names, file, known in tables:
        for name in names:
            if name not in known:
                raise KnowledgeError(
                    f"knowledge/{file}: '{name}' is missing, and Python uses it as "
                    f"{names.__name__}.{name.name}"
                )
