"""Which problems and drug classes count as what: concept-sets.toml, frozen."""

from __future__ import annotations

from msgspec import Struct

from cds_service.knowledge.words import Evidence


class ConceptSet(Struct, frozen=True, forbid_unknown_fields=True):
    """Names that count as one thing, the most telling first, and where that comes from."""

    members: list[str]
    source: str  # a key of citations.toml
    where: str
    evidence: Evidence
    why: str

    def __contains__(self, name: object) -> bool:
        """Whether the name is a member."""
        return name in self.members

    def among(self, names: frozenset[str]) -> tuple[str, ...]:
        """The members that are among these names, in the order of the file."""
        return tuple(m for m in self.members if m in names)


class ConceptSets(Struct, frozen=True, forbid_unknown_fields=True):
    """concept-sets.toml: one table per field. Members are keys of conditions.toml unless said otherwise."""

    # symptoms (B.0.4)
    severe: ConceptSet
    severe_at_higher_sodium: ConceptSet  # SEV-A between the two limits of M2
    only_as_diagnosis: ConceptSet  # severe only as a recent diagnosis of this encounter: epilepsy
    severe_when_profound: ConceptSet  # severe below vomiting_severe_below (S20)
    moderate: ConceptSet
    mild: ConceptSet
    cramp: ConceptSet
    fall_or_fracture: ConceptSet
    falls_risk: ConceptSet
    brain_edema: ConceptSet
    icp_injury: ConceptSet
    seizure: ConceptSet
    neurological: ConceptSet
    # volume status (B.0.5)
    salt_wasting: ConceptSet
    subarachnoid: ConceptSet
    adrenal: ConceptSet
    hypovolemia: ConceptSet
    brain_injury: ConceptSet
    overload: ConceptSet
    overload_recent: ConceptSet
    overload_weak: ConceptSet
    no_overload: ConceptSet
    siadh: ConceptSet
    kidney_failure: ConceptSet
    bleeding_gut: ConceptSet
    site_hypovolemic: ConceptSet  # values of a site's own "volume status"
    site_euvolemic: ConceptSet
    site_hypervolemic: ConceptSet
    # risk of osmotic demyelination (B.0.6)
    demyelination_risk: ConceptSet
    low_potassium: ConceptSet
    # fluid restriction (M9, M15)
    red_flags: ConceptSet
    hyperglycemic_crisis: ConceptSet
    cirrhosis: ConceptSet
    pregnancy: ConceptSet
    dialysis: ConceptSet
    comfort_care: ConceptSet
    # drug classes: keys of words.toml [drug_classes]
    diuretics: ConceptSet
    vaptans: ConceptSet
    any_duration: ConceptSet  # suspects however long they were taken
    # how an order is recorded: FHIR codes
    active_statuses: ConceptSet
    stopped_statuses: ConceptSet
    given_intents: ConceptSet
    # adverse-effect problem -> the drug classes it blames
    adverse_effects: dict[str, ConceptSet]
