"""orders.toml: the codes and words of the orders we suggest, and of those we read. Frozen."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from cds_service.knowledge.words import Evidence


class Term(Struct, frozen=True, forbid_unknown_fields=True):
    """One code with its display, where it comes from and how well that was checked."""

    system: str
    code: str
    display: str
    source: str  # a key of citations.toml
    where: str
    evidence: Evidence
    why: str


class DietTemplate(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="diet"):
    """A suggested diet that limits one nutrient (B.4, M9); `$amount` is the daily amount."""

    diet: Term
    nutrient: Term
    unit: str
    instruction: str
    text: str  # of the ServiceRequest, which some EHRs want in place of a NutritionOrder
    source: str
    where: str
    evidence: Evidence
    why: str


class LabOrderWords(Struct, frozen=True, forbid_unknown_fields=True):
    """Suggested laboratory orders (B.4)."""

    category: Term


class DrugTemplate(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="drug"):
    """A suggested drug (CRAMP-CIRR); `$amount` in the text is the daily dose."""

    medication: Term
    reason: Term
    unit: str
    frequency: int
    period_days: int
    supply_days: int
    instruction: str
    source: str
    where: str
    evidence: Evidence
    why: str


class StopWords(Struct, frozen=True, forbid_unknown_fields=True):
    """A one-click stop of the patient's own order (B.2, M14)."""

    reason: str  # statusReason.text
    classes: list[str]  # drug classes that may be stopped with one click at all
    source: str
    where: str
    evidence: Evidence
    why: str


class ReadingWords(Struct, frozen=True, forbid_unknown_fields=True):
    """Codes and words by which the reader sorts a record; all in lower case."""

    inpatient_classes: list[str]  # Encounter.class (B.0.2)
    outpatient_classes: list[str]
    ignored_statuses: list[str]  # orders that never became an exposure
    ignored_intents: list[str]
    refuted: list[str]  # Condition.verificationStatus
    active: list[str]  # Condition.clinicalStatus
    encounter_diagnosis: list[str]  # Condition.category
    poc_words: list[str]  # in code, method or device of an Observation
    urine_words: list[str]  # in its specimen
    panels: list[str]  # LOINC codes whose components are read
    observed_problems: list[
        str
    ]  # LOINC codes of Observations whose coded answer counts as a problem
    once: list[str]  # timing that means a single dose
    times_a_day: dict[str, Decimal]  # Timing.code -> doses in 24 h
    source: str
    where: str
    evidence: Evidence
    why: str


class OrderWords(Struct, frozen=True, forbid_unknown_fields=True):
    """All of orders.toml."""

    templates: dict[str, DietTemplate | DrugTemplate]
    labs: LabOrderWords
    stop: StopWords
    reading: ReadingWords
