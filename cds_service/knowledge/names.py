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
    CALCIUM = "calcium"
    CORTISOL = "cortisol"
    CREATININE = "creatinine"
    EGFR = "egfr"
    ETHANOL = "ethanol"
    GCS = "gcs"
    GLUCOSE = "glucose"
    HEART_RATE = "heart-rate"
    MAGNESIUM = "magnesium"
    POTASSIUM = "potassium"
    SERUM_OSMOLALITY = "serum-osmolality"
    SODIUM = "sodium"
    SYSTOLIC = "systolic"
    TOTAL_PROTEIN = "total-protein"
    TRIGLYCERIDE = "triglyceride"
    TSH = "tsh"
    URATE = "urate"
    URINE_CREATININE = "urine-creatinine"
    URINE_OSMOLALITY = "urine-osmolality"
    URINE_POTASSIUM = "urine-potassium"
    URINE_SODIUM = "urine-sodium"
    WEIGHT = "weight"


class DrugClass(StrEnum):
    """The drug classes that Python names; each is a key of words.toml [drug_classes]."""

    ANTIDEPRESSANT_FEWER = "antidepressant-fewer"
    ANTIDEPRESSANT_OTHER = "antidepressant-other"
    ANTIEPILEPTIC_OTHER = "antiepileptic-other"
    ANTIPSYCHOTIC = "antipsychotic"
    BACLOFEN = "baclofen"
    BENZODIAZEPINE = "benzodiazepine"
    BICARBONATE = "bicarbonate"
    CYP3A_INHIBITOR = "cyp3a-inhibitor"
    DEMECLOCYCLINE = "demeclocycline"
    DESMOPRESSIN = "desmopressin"
    GLUCOCORTICOID = "glucocorticoid"
    IMINOSTILBENE = "iminostilbene"
    LITHIUM = "lithium"
    LOOP = "loop"
    MRA = "mra"
    OPIOID = "opioid"
    OPIOID_SODIUM = "opioid-sodium"
    SNRI = "snri"
    SODIUM_CHLORIDE = "sodium-chloride"
    SSRI = "ssri"
    TCA = "tca"
    THIAZIDE = "thiazide"
    UREA = "urea"
    VALPROATE = "valproate"
    VAPTAN = "vaptan"


class DrugName(StrEnum):
    """The ingredients that Python names; each is a table of sodium-drugs.toml."""

    BUPROPION = "bupropion"
    CONIVAPTAN = "conivaptan"
    MANNITOL = "mannitol"
    MIRTAZAPINE = "mirtazapine"
    SODIUM_CHLORIDE = "sodium chloride"
    TOLVAPTAN = "tolvaptan"


class Problem(StrEnum):
    """The problems that Python names one by one; each is a table of conditions.toml."""

    ACUTE_HEART_FAILURE = "acute-heart-failure"
    ADPKD = "adpkd"
    ADVANCED_LIVER = "advanced-liver"
    ALCOHOLIC_HEPATITIS = "alcoholic-hepatitis"
    ANURIA = "anuria"
    ASCITES = "ascites"
    BLEEDING_DISORDER = "bleeding-disorder"
    CEREBRAL_EDEMA = "cerebral-edema"
    CIRRHOSIS = "cirrhosis"
    CKD_4_5 = "ckd-4-5"
    COMA = "coma"
    CONFUSION = "confusion"
    CRAMP = "cramp"
    DECOMPENSATED_CIRRHOSIS = "decompensated-cirrhosis"
    DIABETES_INSIPIDUS = "diabetes-insipidus"
    DIARRHEA = "diarrhea"
    EATING_DISORDER = "eating-disorder"
    ENCEPHALOPATHY = "encephalopathy"
    FATIGUE = "fatigue"
    HEADACHE = "headache"
    HEART_FAILURE = "heart-failure"
    HERNIATION = "herniation"
    HYPERGLYCEMIC_CRISIS = "hyperglycemic-crisis"
    HYPONATREMIA = "hyponatremia"
    LETHARGY = "lethargy"
    MYELOMA = "myeloma"
    NAUSEA = "nausea"
    PBC = "pbc"
    PORTAL_HYPERTENSION = "portal-hypertension"
    SIADH = "siadh"
    SPASTICITY = "spasticity"
    VOMITING = "vomiting"
    WITHDRAWAL = "withdrawal"


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
