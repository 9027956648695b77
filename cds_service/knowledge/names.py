"""The names and lists out of hooks/ that Python uses; a misspelt or renamed one stops the start.

A member is a str, so that it compares with what was read from a record. Rules never write such a
name as a string of their own: mypy checks the member, and `check_names` checks its value.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from cds_service.errors import KnowledgeError
from cds_service.knowledge.words import Evidence
from cds_service.lazy import cached_property

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
    LITHIUM = "lithium"
    POTASSIUM = "potassium"
    SERUM_ALBUMIN = "serum-albumin"
    SERUM_OSMOLALITY = "serum-osmolality"
    SODIUM = "sodium"
    SYSTOLIC = "systolic"
    TOTAL_PROTEIN = "total-protein"
    TRIGLYCERIDE = "triglyceride"
    TSH = "tsh"
    URATE = "urate"
    URINE_OSMOLALITY = "urine-osmolality"
    URINE_POTASSIUM = "urine-potassium"
    URINE_SODIUM = "urine-sodium"
    WEIGHT = "weight"


class DrugClass(StrEnum):
    """The drug classes that Python names; each is a key of words.toml [drug_classes]."""

    ANTIDIARRHEAL = "antidiarrheal"
    ANTIPSYCHOTIC = "antipsychotic"
    OXYTOCIN = "oxytocin"
    VASOPRESSIN = "vasopressin"
    CYTOTOXIC = "cytotoxic"
    BACLOFEN = "baclofen"
    BARBITURATE = "barbiturate"
    BICARBONATE = "bicarbonate"
    CALCIUM_BLOCKER = "calcium-blocker"
    CYP3A_INDUCER = "cyp3a-inducer"
    CYP3A_INHIBITOR = "cyp3a-inhibitor"
    CYP3A_MODERATE = "cyp3a-moderate"
    DEMECLOCYCLINE = "demeclocycline"
    DESMOPRESSIN = "desmopressin"
    DIALYSIS_FLUID = "dialysis-fluid"
    GLUCOCORTICOID = "glucocorticoid"
    GLUCOCORTICOID_DEPOT = "glucocorticoid-depot"
    GLUCOCORTICOID_INHALED = "glucocorticoid-inhaled"
    IMINOSTILBENE = "iminostilbene"
    SSRI = "ssri"
    LITHIUM = "lithium"
    LOOP = "loop"
    MANNITOL = "mannitol"
    MRA = "mra"
    NSAID = "nsaid"
    OSMOTIC_AGENT = "osmotic-agent"
    POTASSIUM = "potassium"
    SODIUM_PHOSPHATE = "sodium-phosphate"
    THIAZIDE = "thiazide"
    OPIOID_SODIUM = "opioid-sodium"
    THYROID_HORMONE = "thyroid-hormone"
    UREA = "urea"
    VAPTAN = "vaptan"


class DrugName(StrEnum):
    """The ingredients that Python names; each is a table of sodium-drugs.toml."""

    BUPROPION = "bupropion"
    CLOZAPINE = "clozapine"
    TERLIPRESSIN = "terlipressin"
    CONIVAPTAN = "conivaptan"
    PICOSULFATE = "picosulfate"
    SODIUM_CHLORIDE = "sodium chloride"
    TOLVAPTAN = "tolvaptan"


class Problem(StrEnum):
    """The problems and procedures that Python names: tables of conditions.toml, procedures.toml."""

    ACUTE_HEART_FAILURE = "acute-heart-failure"
    ACUTE_KIDNEY_INJURY = "acute-kidney-injury"
    ADPKD = "adpkd"
    ADRENAL_CRISIS = "adrenal-crisis"
    ANURIA = "anuria"
    BLEEDING_DISORDER = "bleeding-disorder"
    CKD_4_5 = "ckd-4-5"
    COMA = "coma"
    CONFUSION = "confusion"
    CRAMP = "cramp"
    DIABETES_INSIPIDUS = "diabetes-insipidus"
    DIALYSIS_SESSION = "dialysis-session"
    ENCEPHALOPATHY = "encephalopathy"
    EPILEPSY = "epilepsy"
    GI_BLEED = "gi-bleed"
    HEADACHE = "headache"
    HEMORRHAGE = "hemorrhage"
    HEPATIC_FAILURE = "hepatic-failure"
    HYPERGLYCEMIC_CRISIS = "hyperglycemic-crisis"
    HYPONATREMIA = "hyponatremia"
    HYPOTENSION = "hypotension"
    SEPSIS = "sepsis"
    ACUTE_PORPHYRIA = "acute-porphyria"
    BREAST_FEEDING = "breast-feeding"
    HYPERTENSION = "hypertension"
    LABOR = "labor"
    LETHARGY = "lethargy"
    MYELOMA = "myeloma"
    NAUSEA = "nausea"
    NEPHROTIC = "nephrotic"
    SIADH = "siadh"
    SPASTICITY = "spasticity"
    VOMITING = "vomiting"


class Unused(StrEnum):
    """Why a result is used by no rule; each is a key of words.toml [unused]."""

    STATUS = "status"  # withdrawn, or no result yet
    OLD = "old"  # further back than rules look
    FUTURE = "future"
    SUBJECT = "subject"  # it names another patient, or ours in a form that we do not know
    CODE = "code"  # it may be the wanted test, and its code is not known
    KIND = "kind"  # it is no Observation
    PANEL = "panel"  # the value is inside a panel
    SPECIMEN = "specimen"
    NO_VALUE = "no-value"
    HEMOLYZED = "hemolyzed"  # no value, and the sample was hemolyzed
    VALUE = "unreadable"  # what came as its value cannot be read
    TIME = "time"
    UNIT = "unit"
    IMPLAUSIBLE = "implausible"
    COMPARATOR = "comparator"
    PRELIMINARY = "preliminary"  # never confirmed
    IDENTIFIER = "identifier"  # another result of another time has the same identifier


class Missing(StrEnum):
    """Why a source could not be checked; each is a key of words.toml [missing].

    NOT_APPLICABLE hides nothing (no encounter in context).
    """

    TIMEOUT = "timeout"
    FAILED = "failed"
    UNREACHABLE = "unreachable"  # no FHIR server that we may call, or no token
    REFUSED = "refused"  # 401 or 403
    TRUNCATED = "truncated"  # a page limit hides the rest; what was read is used
    IN_PART = "in-part"  # a search or an entry could not be read; the newest may be among it
    OLDER = "older"  # every newer result was read; older ones are cut off
    LEFT_ALONE = "left-alone"  # not asked: the server kept failing
    VERSION = "version"  # the record's FHIR version is not R4
    NOT_READ = "not-read"  # not asked for by this client's registry entry
    NOT_APPLICABLE = "not-applicable"
    WARNED = "warned"  # the server gave a warning in place of results
    HIDDEN = "hidden"  # the record holds more than the user of the call may see
    UNUSABLE = "unusable"  # it came, and something in it could not be used
    TOO_MUCH = "too-much"  # the call could not be worked out by its deadline


class MissingSince(StrEnum):
    """The words of a reason with the time since when; each is a key of words.toml [missing]."""

    LEFT_ALONE = "left-alone-since"


class Sign(StrEnum):
    """Evidence that a rule names by itself; each is a key of words.toml [evidence]."""

    ACUTE_CONGESTION = "acute-congestion"
    ACUTE_FALL = "acute-fall"
    ADPKD = "adpkd"
    ADRENAL = "adrenal"
    ANURIA = "anuria"
    BMI_LOW = "bmi-low"
    BREAST_FEEDING = "breast-feeding"
    BUN_CREATININE_HIGH = "bun-creatinine-high"
    CALCIUM_HIGH = "calcium-high"
    CORTISOL_GIVEN = "cortisol-given"
    CORTISOL_LOW = "cortisol-low"
    CREATININE_RISE = "creatinine-rise"
    DIALYSIS = "dialysis"
    GLUCOSE_LOW = "glucose-low"
    HEART_RATE_HIGH = "heart-rate-high"
    HYPERTENSION = "hypertension"
    HYPOTENSION = "hypotension"
    MYXEDEMA_COMA = "myxedema-coma"
    PITUITARY_DISEASE = "pituitary-disease"
    PITUITARY_SURGERY = "pituitary-surgery"
    POSTPARTUM_HEMORRHAGE = "postpartum-hemorrhage"
    POTASSIUM_HIGH = "potassium-high"
    PREGNANCY = "pregnancy"
    PRESSURE_FALL = "pressure-fall"
    POTASSIUM_LOW = "potassium-low"
    SIADH_PATTERN = "siadh-pattern"
    SODIUM_VERY_LOW = "sodium-very-low"
    STEROID_ENDED = "steroid-ended"
    URATE_LOW = "urate-low"
    UREA_RISE = "urea-rise"
    URINE_SODIUM_LOW = "urine-sodium-low"
    VOMITING = "vomiting"
    WEIGHT_FALL = "weight-fall"
    WEIGHT_GAIN = "weight-gain"


class SalineName(StrEnum):
    """A saline without a strength on a card; each is a key of words.toml [drug_classes]."""

    HYPERTONIC = "saline-hypertonic"
    CONCENTRATE = "saline-concentrate"
    ISOTONIC = "saline-isotonic"
    ISOTONIC_CARRIER = "saline-carrier"
    BALANCED = "balanced-fluid"
    HYPOTONIC = "saline-hypotonic"
    HYPOTONIC_FLUID = "hypotonic-fluid"


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
        (Problem, "conditions.toml", {**terms.concepts, **terms.procedures}),
        (OrderTemplate, "orders.toml [templates]", knowledge.orders.templates),
        (Unused, "words.toml [unused]", knowledge.words.unused),
        (Missing, "words.toml [missing]", knowledge.words.missing),
        (MissingSince, "words.toml [missing]", knowledge.words.missing),
        (Sign, "words.toml [evidence]", knowledge.words.evidence),
        (SalineName, "words.toml [drug_classes]", knowledge.words.drug_classes),
    )
    for names, file, known in tables:
        for name in names:
            if name not in known:
                raise KnowledgeError(
                    f"knowledge/{file}: '{name}' is missing, and Python uses it as "
                    f"{names.__name__}.{name.name}: write it there again"
                )


# ---- lists of names: concept-sets.toml


class ConceptSet(Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """Names that count as one thing, the most telling first, and where that comes from.

    The kind of a set says which file of hooks/ must hold its members.
    """

    members: list[str]
    source: str  # a key of citations.toml
    where: str
    evidence: Evidence
    why: str

    @cached_property
    def names(self) -> frozenset[str]:
        """The members without their order: rules look for a name in sets thousands of times."""
        return frozenset(self.members)

    def __contains__(self, name: object) -> bool:
        """Returns whether the name is a member."""
        return name in self.names

    def among(self, names: frozenset[str]) -> tuple[str, ...]:
        """Returns the members that are among these names, in the order of the file."""
        if self.names.isdisjoint(names):
            return ()
        return tuple([m for m in self.members if m in names])


class ProblemSet(ConceptSet, frozen=True, forbid_unknown_fields=True):
    """A set of problems, each of which is a table of conditions.toml."""


class ClassSet(ConceptSet, frozen=True, forbid_unknown_fields=True):
    """A set of drug classes, each of which is a key of words.toml [drug_classes]."""


class DrugSet(ConceptSet, frozen=True, forbid_unknown_fields=True):
    """A set of ingredients, each of which is a table of sodium-drugs.toml."""


class AnalyteSet(ConceptSet, frozen=True, forbid_unknown_fields=True):
    """A set of laboratory or vital-sign values, each of which is a table of labs.toml."""


class TierSet(ConceptSet, frozen=True, forbid_unknown_fields=True):
    """A set of tiers, which say how strongly a drug is linked to low sodium."""


class StatusSet(ConceptSet, frozen=True, forbid_unknown_fields=True):
    """How FHIR says what became of an order; an empty member is an order without a status."""


class IntentSet(ConceptSet, frozen=True, forbid_unknown_fields=True):
    """How FHIR says what an order is for; an empty member is an order without an intent."""


class LineSet(ConceptSet, frozen=True, forbid_unknown_fields=True):
    """A set of lines of cards: each member begins the key of one or more of them."""


class ConceptSets(Struct, frozen=True, forbid_unknown_fields=True):
    """concept-sets.toml: one table per field."""

    # symptoms (B.0.4)
    severe: ProblemSet
    severe_at_higher_sodium: ProblemSet  # SEV-A between the two limits of M2
    only_as_diagnosis: ProblemSet  # severe only as a recent diagnosis of this encounter: epilepsy
    sick_stomach: ProblemSet  # symptoms that adrenal failure makes too (F5)
    severe_when_profound: ProblemSet  # severe below vomiting_severe_below (S20)
    brain_symptoms: ProblemSet  # each alone may be brain edema (F1)
    coma_scale_codes: ProblemSet  # codes of a coma scale, which says nothing under sedation (F43)
    sedation: DrugSet
    sedation_by_vein: ClassSet
    breathing: ProblemSet  # severe symptoms that have many other causes (F15)
    breathing_causes: ProblemSet  # while they are recent
    breathing_causes_chronic: ProblemSet
    seizure_causes: ProblemSet  # while they are recent
    seizure_causes_chronic: ProblemSet
    moderate: ProblemSet
    mild: ProblemSet
    cramp: ProblemSet
    fall_or_fracture: ProblemSet
    falls_risk: ProblemSet
    brain_edema: ProblemSet
    icp_injury: ProblemSet
    eclampsia: ProblemSet
    seizure: ProblemSet
    neurological: ProblemSet
    # settings in which low sodium is acute (F2)
    acute_settings: ProblemSet
    acute_irrigation: ProblemSet  # with a shorter time
    compulsive_drinking: ProblemSet
    desmopressin_forbids: ProblemSet  # F25: at a normal sodium too
    polydipsia: ProblemSet  # counts only beside one of `polydipsia_cause`
    polydipsia_cause: ProblemSet
    acute_drugs: DrugSet
    acute_by_vein: DrugSet  # those that count only if they are no tablets
    saline_kept: ProblemSet  # hypertonic saline is never offered for removal (F11)
    saline_kept_recent: ProblemSet  # likewise, if of the last days
    acute_liver_failure: ProblemSet
    # volume status (B.0.5)
    salt_wasting: ProblemSet
    subarachnoid: ProblemSet
    adrenal: ProblemSet
    pituitary_surgery: ProblemSet  # F5
    pituitary_disease: ProblemSet  # F5, as the next four
    pituitary_bleeding: ProblemSet
    myxedema: ProblemSet
    obstruction: ProblemSet
    weak_kidney: ProblemSet
    hypovolemia: ProblemSet
    brain_injury: ProblemSet
    overload: ProblemSet
    overload_recent: ProblemSet
    overload_weak: ProblemSet
    no_overload: ProblemSet
    siadh: ProblemSet
    kidney_failure: ProblemSet
    raises_urea: ClassSet  # F40
    bleeding_gut: ProblemSet
    # risk of osmotic demyelination (B.0.6)
    demyelination_risk: ProblemSet
    demyelination_signs: ProblemSet  # after too fast a rise (F4)
    demyelination_known: ProblemSet  # the diagnosis
    demyelination_unspecific: ProblemSet  # of the signs
    needs_thiamine: ProblemSet  # F27
    low_potassium: ProblemSet
    # fluid restriction (M9, M15)
    red_flags: ProblemSet
    failing_circulation: ProblemSet  # with these no diuretic and no vaptan (F56)
    shock: ProblemSet  # pressure is lacking: no urine pattern overrules it
    hyperglycemic_crisis: ProblemSet
    volume_illness: ProblemSet  # F6
    acute_volume_illness: ProblemSet  # of the first days, if volume is not too much
    hydration_illness: ProblemSet  # active, at any date
    dilute_urine_illness: ProblemSet  # active, at any date: stones, cysts
    desmopressin_held: ProblemSet  # desmopressin for them replaces no hormone (F1)
    insipidus: ProblemSet  # the kidney sheds water as soon as desmopressin wears off
    losing_illness: ProblemSet  # recent losses of blood or fluid
    lasting_losses: ProblemSet  # active, at any date
    cirrhosis: ProblemSet
    pregnancy: ProblemSet
    dialysis: ProblemSet
    pregnancy_ended: ProblemSet  # F20
    obstetric: ProblemSet  # childbirth, in which a seizure may be eclampsia
    comfort_care: ProblemSet
    comfort_words: ProblemSet  # F30
    palliative: ProblemSet
    comfort_confirmed: ProblemSet
    # plan (B.2)
    says_itself: ProblemSet  # the record names the volume status itself (F37)
    cirrhosis_by_signs: ProblemSet  # cirrhosis only beside one of `cirrhosis_signs` (S16)
    cirrhosis_signs: ProblemSet
    heart_failure: ProblemSet
    acute_congestion: ProblemSet  # F48
    no_urine: ProblemSet  # beside it a rise of weight is overload (M8)
    holds_salt: ProblemSet  # at any date: a warning against a sodium load
    fluid_in_any_rise: ProblemSet  # F22
    volume_lost: ProblemSet  # a thiazide is held in heart failure too (F18)
    fluid_losses: ProblemSet
    same_day: ProblemSet  # beside cramps: to be assessed today (S8)
    no_baclofen: ProblemSet  # ever recorded (S15)
    # selected orders (B.3)
    liver_disease: ProblemSet  # what makes tolvaptan a danger
    cannot_drink: ProblemSet  # recent: no vaptan (F19)
    cannot_swallow: ProblemSet  # active, at any date: no vaptan
    seizures_by_bupropion: ProblemSet
    pain: ProblemSet  # an antidepressant is then no alternative (M12)
    mood: ProblemSet
    # drug classes
    diuretics: ClassSet
    vaptans: ClassSet
    antidiuretics: ClassSet  # F7
    low_glucose: ProblemSet  # recorded lately: glucose may fall again (B.3)
    low_glucose_lasting: ProblemSet  # the same, at any date
    kept_doubles: ClassSet  # of two such orders none is called one too many (F38)
    kept_in_a_rise: ClassSet  # hold water back, so that stopping them speeds a rise
    cytotoxics: ClassSet
    aquaretics: ClassSet  # F6
    lithium: ClassSet
    lithium_raising: ClassSet  # F6
    checkpoint_inhibitors: ClassSet  # F5
    adrenal_replacement: ClassSet  # never ends with the stay in adrenal failure (F59)
    glucocorticoids: ClassSet
    potassium_raising: ClassSet  # F5
    potassium_raising_drugs: DrugSet  # F5
    cortisol_blockers: DrugSet  # F5
    cortisol_blockers_slow: DrugSet  # of them, those that act for months
    cortisol_blockers_by_vein: DrugSet  # of them, those that count only as an infusion
    cortisol_suppressors: DrugSet  # of them, those that act as a steroid and are not just stopped
    cortisol_suppressors_by_dose: DrugSet  # of them, those that count in a high dose only
    depot_glucocorticoids: ClassSet  # F5: one injection lets the gland rest for weeks
    cortisol_misread: DrugSet  # of them, those under which a high cortisol excludes nothing
    receptor_blockers: DrugSet  # of them, those that block hydrocortisone too
    lowers_glucose: ClassSet  # explain a low glucose
    kidney_held: ClassSet  # held in kidney injury, also as the partner of a thiazide
    any_duration: ClassSet  # suspects however long they were taken
    never_abruptly: ClassSet
    tapered_after_weeks: ClassSet  # of them, those that need no taper after days of use
    raising_drugs: ClassSet
    osmole_by_peritoneum: DrugSet  # F13: needed for long, a small fall is expected
    osmole_in_courses: DrugSet
    counted_in_a_rise: ClassSet  # F22
    shed_water_when_stopped: ClassSet  # F27
    stay_only: ClassSet  # meant for the stay, and not to go home with the patient unnoticed
    water_shift: ClassSet  # they lower sodium in a blood that is not dilute (F13)
    water_shift_slow: DrugSet  # of them, those that stay in the blood for days
    water_shift_any_route: DrugSet  # of them, those that count also without a vein
    maltose: DrugSet  # of them, those that some glucose meters take for glucose
    sedatives: ClassSet
    heart_failure_drugs: ClassSet  # F18
    heart_failure_trio: ClassSet  # all three
    antidepressants: ClassSet
    antiepileptics: ClassSet
    one_group: ClassSet  # two of such a class lower sodium in the same way (M12)
    antidepressants_for_pain: ClassSet  # M12
    serotonergic: ClassSet  # beside an SSRI or SNRI they may do more than lower sodium (M12)
    against_infection: ClassSet  # never held up
    needed_treatments: ClassSet  # reviewed with their prescriber only
    needed_now: ClassSet  # often given at once, so that no card asks to wait
    forbidden_with_desmopressin: ClassSet
    potentiates_desmopressin: ClassSet  # F25
    beers: ClassSet
    stopp: ClassSet
    # ingredients
    obstetric_drugs: DrugSet  # infused in labor
    carried_in_saline: DrugSet  # F23
    encephalopathy_drugs: DrugSet  # F17
    hydrated_drugs: DrugSet  # F6
    salt_losing_drugs: DrugSet  # the kidney may lose salt under them, or after them
    hydrated_by_vein: DrugSet  # of them, those that count only as an infusion
    hydrated_at_high_dose: DrugSet  # of them, those that count only at a high dose
    beers_drugs: DrugSet  # named by the Beers criteria without their class
    tapered_partners: ClassSet  # partners in a product with a diuretic (M14)
    cyp3a_moderate: DrugSet
    raised_by_cyp3a: DrugSet  # cytotoxics of which a strong inhibitor makes more (F3)
    cyp3a_inducers: DrugSet
    new_weak_drugs: DrugSet  # weakly linked, yet suspects while they are new
    # tiers of sodium-drugs.toml
    lowering_tiers: TierSet
    weak_tiers: TierSet  # named only if the site wants them
    watched_tiers: TierSet
    check_tiers: TierSet  # sodium is measured after their start
    # laboratory panels
    workup_emergency: AnalyteSet
    workup_first: AnalyteSet
    workup_second: AnalyteSet
    workup_adrenal: AnalyteSet  # where a card says "cortisol first" (F5)
    workup_after_repeat: AnalyteSet  # in mild low sodium only once a repeat was low too (F51)
    cramp_labs: AnalyteSet
    artifact_labs: AnalyteSet
    # how an order is recorded: FHIR codes
    active_statuses: StatusSet
    stopped_statuses: StatusSet
    given_intents: IntentSet
    ended_statuses: StatusSet  # a prescription that no stop concerns
    # lines of cards, for what is among the first of them
    raising_lines: LineSet  # beside one of them a card says how far sodium may rise (F32)
    not_dry_lines: LineSet  # left out of a card that leads with lost volume (F7)
    goal_lines: LineSet  # they say the goal
    carrying_lines: LineSet  # that is said in the first of these
    # adverse-effect problem -> the drug classes it blames
    adverse_effects: dict[str, ClassSet]
    # what strong drugs do -> their classes: two of different kinds are a combination
    strong_kinds: dict[str, ClassSet]

    @property
    def symptoms(self) -> tuple[ProblemSet, ...]:
        """Returns the sets whose members a card may name as a symptom."""
        usual = (self.severe, self.severe_when_profound, self.moderate, self.mild, self.cramp)
        return (*usual, self.demyelination_signs)

    @property
    def evidence(self) -> tuple[ProblemSet, ...]:
        """Returns the sets whose members a card may name as evidence."""
        volume = (self.salt_wasting, self.subarachnoid, self.adrenal, self.hypovolemia)
        overload = (self.overload, self.overload_recent, self.overload_weak)
        risk = (self.demyelination_risk, self.low_potassium, self.red_flags, self.liver_disease)
        lungs = (self.breathing_causes, self.breathing_causes_chronic)
        fits = (self.seizure_causes, self.seizure_causes_chronic)
        drinking = (self.compulsive_drinking, self.polydipsia, self.desmopressin_forbids)
        settings = (self.acute_settings, self.acute_irrigation, *drinking)
        thirst = (self.cannot_drink, self.cannot_swallow)
        told = (*volume, *overload, *risk, *lungs, *fits, *settings, *thirst)
        losses = (self.volume_illness, self.losing_illness, self.lasting_losses, self.shock)
        fluid = (self.acute_volume_illness, self.hydration_illness, self.dilute_urine_illness)
        return (*told, *losses, *fluid, self.brain_injury, self.siadh, self.insipidus)

    def by_name(self) -> Iterator[tuple[str, ConceptSet]]:
        """Returns every set with the name of its table."""
        for name in self.__struct_fields__:
            chosen = getattr(self, name)
            if isinstance(chosen, ConceptSet):
                yield name, chosen
            else:
                for key, part in chosen.items():
                    yield f"{name}.{key}", part
