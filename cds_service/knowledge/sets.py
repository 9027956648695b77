"""Which problems, drug classes, analytes and codes count as what: concept-sets.toml, frozen."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from cds_service.knowledge.words import Evidence


class ConceptSet(Struct, frozen=True, forbid_unknown_fields=True):
    """Names that count as one thing, the most telling first, and where that comes from.

    The kind of a set says which file of hooks/ must hold its members.
    """

    members: list[str]
    source: str  # a key of citations.toml
    where: str
    evidence: Evidence
    why: str

    def __contains__(self, name: object) -> bool:
        """Return whether the name is a member."""
        return name in self.members

    def among(self, names: frozenset[str]) -> tuple[str, ...]:
        """Return the members that are among these names, in the order of the file."""
        return tuple(m for m in self.members if m in names)


class ProblemSet(ConceptSet, frozen=True, forbid_unknown_fields=True):
    """Problems: keys of conditions.toml."""


class ClassSet(ConceptSet, frozen=True, forbid_unknown_fields=True):
    """Drug classes: keys of words.toml [drug_classes]."""


class DrugSet(ConceptSet, frozen=True, forbid_unknown_fields=True):
    """Ingredients: tables of sodium-drugs.toml."""


class AnalyteSet(ConceptSet, frozen=True, forbid_unknown_fields=True):
    """Laboratory and vital-sign values: tables of labs.toml."""


class CodeSet(ConceptSet, frozen=True, forbid_unknown_fields=True):
    """Codes of FHIR or of a site, and tiers of drugs: no file of hooks/ lists them."""


class ConceptSets(Struct, frozen=True, forbid_unknown_fields=True):
    """concept-sets.toml: one table per field."""

    # symptoms (B.0.4)
    severe: ProblemSet
    severe_at_higher_sodium: ProblemSet  # SEV-A between the two limits of M2
    only_as_diagnosis: ProblemSet  # severe only as a recent diagnosis of this encounter: epilepsy
    severe_when_profound: ProblemSet  # severe below vomiting_severe_below (S20)
    moderate: ProblemSet
    mild: ProblemSet
    cramp: ProblemSet
    fall_or_fracture: ProblemSet
    falls_risk: ProblemSet
    brain_edema: ProblemSet
    icp_injury: ProblemSet
    seizure: ProblemSet
    neurological: ProblemSet
    # volume status (B.0.5)
    salt_wasting: ProblemSet
    subarachnoid: ProblemSet
    adrenal: ProblemSet
    hypovolemia: ProblemSet
    brain_injury: ProblemSet
    overload: ProblemSet
    overload_recent: ProblemSet
    overload_weak: ProblemSet
    no_overload: ProblemSet
    siadh: ProblemSet
    kidney_failure: ProblemSet
    bleeding_gut: ProblemSet
    # risk of osmotic demyelination (B.0.6)
    demyelination_risk: ProblemSet
    low_potassium: ProblemSet
    # fluid restriction (M9, M15)
    red_flags: ProblemSet
    hyperglycemic_crisis: ProblemSet
    cirrhosis: ProblemSet
    pregnancy: ProblemSet
    dialysis: ProblemSet
    comfort_care: ProblemSet
    # plan (B.2)
    cirrhosis_by_signs: ProblemSet  # cirrhosis only beside one of `cirrhosis_signs` (S16)
    cirrhosis_signs: ProblemSet
    heart_failure: ProblemSet
    fluid_losses: ProblemSet
    same_day: ProblemSet  # beside cramps: to be assessed today (S8)
    no_baclofen: ProblemSet  # ever recorded (S15)
    # selected orders (B.3)
    liver_disease: ProblemSet  # what makes tolvaptan a danger
    seizures_by_bupropion: ProblemSet
    # drug classes
    diuretics: ClassSet
    vaptans: ClassSet
    any_duration: ClassSet  # suspects however long they were taken
    never_abruptly: ClassSet
    raising_drugs: ClassSet
    sedatives: ClassSet
    antidepressants: ClassSet
    antiepileptics: ClassSet
    forbidden_with_desmopressin: ClassSet
    beers: ClassSet
    stopp: ClassSet
    # ingredients
    beers_drugs: DrugSet  # named by the Beers criteria without their class
    # tiers of sodium-drugs.toml
    lowering_tiers: CodeSet
    weak_tiers: CodeSet  # named only if the site wants them
    watched_tiers: CodeSet
    check_tiers: CodeSet  # sodium is measured after their start
    # laboratory panels
    workup_emergency: AnalyteSet
    workup_first: AnalyteSet
    workup_second: AnalyteSet
    cramp_labs: AnalyteSet
    artifact_labs: AnalyteSet
    # how an order is recorded: FHIR codes
    active_statuses: CodeSet
    stopped_statuses: CodeSet
    given_intents: CodeSet
    ended_statuses: CodeSet  # a prescription that no stop concerns
    # adverse-effect problem -> the drug classes it blames
    adverse_effects: dict[str, ClassSet]
    # what strong drugs do -> their classes: two of different kinds are a combination
    strong_kinds: dict[str, ClassSet]

    def by_name(self) -> Iterator[tuple[str, ConceptSet]]:
        """Returns every set with the name of its table."""
        for name in self.__struct_fields__:
            chosen = getattr(self, name)
            if isinstance(chosen, ConceptSet):
                yield name, chosen
            else:
                for key, part in chosen.items():
                    yield f"{name}.{key}", part
