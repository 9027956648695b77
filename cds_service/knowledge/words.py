"""What hooks/ says in words and in codes. Frozen, and checked at load."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from decimal import Decimal
from typing import Literal

from msgspec import Struct

Evidence = Literal["verified", "secondary", "unverified", "design"]
Indicator = Literal["info", "warning", "critical"]
Slot = Literal["sodium", "rate", "beside", "order"]  # findings of one slot share a card


class Citation(Struct, frozen=True, forbid_unknown_fields=True):
    """A guideline, label or paper: one table of citations.toml."""

    title: str
    year: int
    short: str  # as a card names it: "AASLD 2021"
    author: str = ""
    publisher: str = ""
    url: str | None = None
    note: str = ""
    drugs: list[str] = []  # it is about these, and no source of a card on another drug


class RuleWords(Struct, frozen=True, forbid_unknown_fields=True):
    """One rule and the words of its card: one table `[rules.<id>]` of a rule file."""

    topic: str  # a key of topics.toml
    when: str  # in plain words, for /basis
    indicators: list[Indicator]  # those the rule may use
    summary: dict[str, str]  # variants; string.Template with $names
    sources: list[str]  # keys of citations.toml, the leading one first
    evidence: Evidence
    overrides: list[str] = []  # keys of override-reasons.toml
    lines: dict[str, str] = {}  # detail lines of this rule alone
    silence: dict[str, str] = {}  # why it did not fire
    hooks: list[str] = []  # on which hooks it speaks; empty: on those of its file
    slot: Slot | dict[str, Slot] | None = None  # which card it shares, or which by its variant
    holds_back: list[str] = []  # rules that are no bullet of its card
    keeps_lead: bool = False  # no more urgent finding that comes after it leads its card
    gives_way_to: list[str] = []  # rules of whose equally urgent card it becomes a bullet

    def slot_of(self, variant: str) -> Slot:
        """Returns which card a finding of this rule shares with others."""
        if isinstance(self.slot, dict):
            return self.slot[variant]
        return self.slot or "sodium"


class RuleFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A rule file, such as chart.toml: rules in order of precedence, and where they speak."""

    hooks: list[str]
    slot: Slot
    rules: dict[str, RuleWords]


class ServiceWords(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One CDS service: one table `[services.<its id>]` of services.toml."""

    hook: str
    hook_version: str
    title: str
    description: str
    usage_requirements: str
    leaves_out: list[str] = []  # rules that it does not ask, on purpose


class ServicesFile(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """services.toml: all CDS services, and the prefetch that each of them asks for."""

    services: dict[str, ServiceWords]
    prefetch: dict[str, str]
    optional_prefetch: dict[str, str]  # resource type -> query, for clients that list it


class SuggestionWords(Struct, frozen=True, forbid_unknown_fields=True):
    """The button and the action text of one kind of suggestion."""

    label: str
    description: str
    excludes: list[str] = []  # kinds that make no sense together with this one
    keeps_order: bool = False  # who takes it keeps the order that the card is about
    removes_order: bool = False  # who takes it removes that order
    samples_only: bool = False  # so does who takes it beside a button of these two


class CardWords(Struct, frozen=True, forbid_unknown_fields=True):
    """What every card says around its own lines: words.toml [card]."""

    not_checked: str
    basis: str  # of the link to /basis
    smart: str  # of the link to the SMART app
    room: str  # in the app: how far sodium may still rise, and until when
    no_room: str  # the same if it may rise no further
    no_room_over: str  # the same if it is above the limit
    no_room_now: str  # the same if no value and no time can be named
    trend: str  # before the last values
    more: str  # above what does not fit into the first part
    unnamed_order: str  # in place of the drug, if no drug of the order is known
    unknown_code: str  # of an order that has a code of a system without a name in [code_systems]
    no_code: str  # of an order that names neither a code system nor a medicine


class PlotWords(Struct, frozen=True, forbid_unknown_fields=True):
    """What the chart of sodium says around its values: words.toml [plot]."""

    no_limit_acute: str  # in place of the room: why no limit of hours is under way
    no_limit_steady: str
    no_limit_doubted: str
    no_limit_unconfirmed: str
    no_limit_not_measured: str
    title: str
    now: str
    severe: str
    moderate: str
    mild: str
    normal: str
    lab: str
    poc: str
    corrected: str
    corrected_value: str
    preliminary: str
    status_unknown: str
    goal: str
    limit: str
    limit_until: str
    room: str
    limit_key: str
    lowers: str
    treats: str
    dose: str
    draft: str
    symptom: str
    rise_end: str
    rise: str
    since: str
    start_unknown: str
    until: str
    given: str
    suspect: str
    fluid: str
    time_shown: str
    span_1: str
    span_7: str
    span_90: str
    span_all: str
    readout: str
    values: str
    app_title: str
    app_female: str
    app_male: str
    app_now: str
    app_chart: str
    app_born: str
    app_opened_by: str
    app_from_card: str
    app_cards: str
    app_no_card: str
    app_no_chart: str
    app_offers: str
    app_medicines: str
    app_others: str
    app_events: str
    app_values: str
    app_time: str
    app_band: str
    app_method: str
    app_none: str
    app_left_out: str
    app_not_reviewed: str
    app_critical: str
    app_warning: str
    app_info: str
    app_problem: str
    app_nothing_checked: str
    app_analyst: str
    app_do_leave: str
    app_do_over: str
    app_do_patient: str
    app_do_setup: str
    app_do_trial: str
    app_do_later: str
    app_under_age: str
    app_deceased: str
    app_comfort_care: str
    app_switched_off: str
    app_rules_switched_off: str


class Contested(Struct, frozen=True, forbid_unknown_fields=True):
    """A question on which guidelines and trials disagree (F35)."""

    text: str
    sources: list[str]  # keys of citations.toml


class SharedWords(Struct, frozen=True, forbid_unknown_fields=True):
    """words.toml: what cards of both services share."""

    footer: str
    demo_label: str
    card: CardWords
    plot: PlotWords
    source_label: dict[str, str]  # by profile
    evidence_flags: dict[Evidence, str]  # what each flag means, for /basis
    contested: dict[str, Contested]  # for /basis
    symptoms: dict[str, str]  # condition concept -> words on a card
    evidence: dict[str, str]  # volume and risk evidence -> words on a card
    sources: dict[str, str]  # prefetch key -> "current medicines"
    missing: dict[str, str]  # reason a source is missing -> "no answer in time"
    unused: dict[str, str]  # reason a sodium result was not used -> a sentence
    code_systems: dict[str, str]  # canonical URI -> words for a code that is not known
    drug_classes: dict[str, str]
    labs: dict[str, str]  # analyte -> words on a card
    lines: dict[str, str]
    silence: dict[str, str]
    suggestions: dict[str, SuggestionWords]

    def keeping(self, offered: Collection[str]) -> frozenset[str]:
        """Returns the kinds of buttons that alone, on a card that offers these, keep the order."""
        kinds = self.suggestions
        shown = [kinds[kind] for kind in offered if kind in kinds]
        against = any(one.removes_order or one.keeps_order for one in shown)
        return frozenset(
            kind for kind, one in kinds.items() if one.keeps_order or (against and one.samples_only)
        )


class OverrideReason(Struct, frozen=True, forbid_unknown_fields=True):
    """A reason that a clinician may give for not following a card."""

    display: str
    system: str = ""  # empty: our own code system
    rests_team: bool = False  # whoever gives it takes care: the card rests for the team (F51)


class Review(Struct, frozen=True, forbid_unknown_fields=True):
    """A signature under one file of hooks/."""

    name: str
    role: str
    date: date
    sha256: str


# ---- codes: drugs, problems and laboratory tests


Tier = Literal["T1", "T2", "T3", "TREAT", "OTHER"]
Group = Literal[
    "A", "B", "C", ""
]  # alert group of OS-LOW (clinical.md M12); empty: never an OS-LOW card


class Drug(Struct, frozen=True, forbid_unknown_fields=True):
    """One ingredient: one table of sodium-drugs.toml, keyed by its lower-case name."""

    cls: str  # "ssri", "thiazide", "loop", "vaptan", ...: a key of words.toml [drug_classes]
    tier: Tier
    group: Group = ""
    rxnorm: list[str] = []  # ingredient and precise-ingredient codes
    multi: list[str] = []  # multi-ingredient codes (MIN): the product holds another ingredient too
    products: list[str] = []  # RxNorm product codes that are shipped
    snomed: list[str] = []
    atc: list[str] = []  # seven characters: one code; shorter: a prefix; "!" in front excludes
    names: list[str] = []  # spellings, salts and abbreviations beside the key
    brands: list[str] = []
    combination_brands: list[str] = []  # brands in which it is one of several ingredients
    combination: bool = False  # the entry itself stands for a product of several ingredients
    sodium_mmol_per_g: Decimal | None = None  # by vein: what each gram of the dose brings (F22)
    also_systemic: list[str] = []  # kinds of local form by which it still acts in the whole body
    evidence: str = "verified"
    note: str = ""


class NameList(Struct, frozen=True, forbid_unknown_fields=True):
    """Names from one source in one language (F29): one table of a file names-<language>.toml.

    The keys of `names`, `brands` and `combinations` are ingredients of sodium-drugs.toml.
    """

    language: str
    market: str  # the countries where the names are used
    source: str
    url: str
    licence: str
    evidence: Evidence
    names: dict[str, list[str]] = {}
    brands: dict[str, list[str]] = {}
    combinations: dict[str, list[str]] = {}  # brands in which it is one of several ingredients


class Concept(Struct, frozen=True, forbid_unknown_fields=True):
    """One clinical idea: one table of conditions.toml."""

    title: str
    icd10: list[
        str
    ] = []  # prefixes without dots; "!" excludes, "=" is that code alone, "?" any character
    icd10_with_text: list[str] = []  # prefixes that count only where the text matches as well
    icd9: list[str] = []  # ICD-9-CM prefixes without dots
    snomed: list[str] = []
    text: list[str] = []  # words in code.text or display, whole words, "*" at the end for a stem
    yields_to: list[str] = []  # a code of both means only these, if the words name only these
    operation: bool = False  # "status post" says that it was done, and "planned" that it was not
    evidence: str = "verified"
    note: str = ""


class SentUnit(Struct, frozen=True, forbid_unknown_fields=True):
    """How a card writes a value in a unit that a site sends, beside that of the rules."""

    unit: str
    decimals: int


class Lab(Struct, frozen=True, forbid_unknown_fields=True):
    """One analyte: one table of labs.toml."""

    title: str
    loinc: dict[str, str]  # code -> display
    units: dict[str, str] = {}  # unit, lower case -> factor to the first unit, as a decimal
    by_code: dict[str, dict[str, str]] = {}  # code of another substance -> its units
    unit: str = ""  # the unit that rules use
    shown: dict[str, SentUnit] = {}  # units, lower case, in which a card shows what came in them
    order: str = ""  # the LOINC code of a suggested order
    poc: list[str] = []  # codes that mean whole blood or point of care
    prefetch: Literal["sodium", "glucose", "labs", "vitals", ""] = "labs"
    evidence: str = "verified"
    note: str = ""


class Terms(Struct, frozen=True):
    """All codes and names together."""

    drugs: dict[str, Drug]
    concepts: dict[str, Concept]
    labs: dict[str, Lab]
    procedures: dict[str, ProcedureWords] = {}


# ---- orders.toml: the orders that we suggest, and those that we read


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
    order_statuses: list[str]  # all that FHIR has, DSTU2 to R5; any other one is read as "unknown"
    order_intents: list[str]  # the same; any other one is read as missing
    refuted: list[str]  # Condition.verificationStatus
    active: list[str]  # Condition.clinicalStatus
    inactive: list[str]  # ... any other word is read as no status
    encounter_diagnosis: list[str]  # Condition.category
    under_way: list[str]  # Procedure.status
    procedure_days: int  # a Procedure that is older says nothing
    poc_words: list[str]  # in code, method or device of an Observation
    urine_words: list[str]  # in its specimen
    sodium_words: list[str]  # a result of unknown code with one of these words may be sodium
    not_blood_words: list[str]  # ... but not with one of these
    hemolyzed_words: list[str]  # in what stands in place of a value
    untestable_words: list[str]  # behind a coma scale: the verbal part could not be tested (F43)
    no_results: list[str]  # codes by which a server says that no result exists
    hidden_results: list[str]  # ... that say: there is more than the user may see
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


# ---- history: what a backtest looks for


class HistoryNumbers(Struct, frozen=True, forbid_unknown_fields=True):
    """The numbers that say what counts as an outcome of a card."""

    fall_below: FluidNumber
    fall_within_days: FluidNumber
    before_days: FluidNumber
    again_days: FluidNumber
    soon_hours: FluidNumber
    episode_days: FluidNumber


class Windows(Struct, frozen=True, forbid_unknown_fields=True):
    """How long after a card it is looked at what happened."""

    hours: list[int]
    source: str
    where: str
    evidence: Evidence
    why: str


class Disposition(Struct, frozen=True, forbid_unknown_fields=True):
    """Codes by which an Encounter says that the patient died or was moved, in lower case."""

    died: list[str]
    transferred: list[str]
    source: str
    where: str
    evidence: Evidence
    why: str


EventKind = Literal["over-correction", "fall", "low-at-discharge"]


class Warns(Struct, frozen=True, forbid_unknown_fields=True):
    """The rules whose cards speak of an outcome before it comes."""

    rules: list[str]
    source: str
    where: str
    evidence: Evidence
    why: str


class WorklistWords(Struct, frozen=True, forbid_unknown_fields=True):
    """One list of patients for a quality team."""

    title: str
    days: Decimal
    todo: str
    source: str
    where: str
    evidence: Evidence
    why: str
    longest_days: Decimal = Decimal(0)  # older ones are history; 0: there is no such limit
    first: list[str] = []  # drug classes, of which one is taken with one of `second`
    second: list[str] = []
    rule: str = ""  # which has something to say of the patient


class History(Struct, frozen=True, forbid_unknown_fields=True):
    """All of history.toml."""

    numbers: HistoryNumbers
    windows: Windows
    disposition: Disposition
    warns: dict[EventKind, Warns]
    worklist: dict[str, WorklistWords]


# ---- fluids: saline, water, dose forms and the words of a text


SalineKind = Literal["hypertonic", "concentrate", "isotonic", "hypotonic", "salt-tablet"]


class FluidNumber(Struct, frozen=True, forbid_unknown_fields=True):
    """One number of fluids.toml with where it comes from."""

    value: Decimal
    unit: str
    source: str
    where: str
    evidence: Literal["verified", "secondary", "unverified", "design"]
    why: str


class FluidNumbers(Struct, frozen=True, forbid_unknown_fields=True):
    """Every number that fluids are judged by; percent is g per 100 mL."""

    hypertonic_from_percent: FluidNumber
    isotonic_from_percent: FluidNumber
    concentrate_from_percent: FluidNumber
    molar_from_percent: FluidNumber
    molar_to_percent: FluidNumber
    inhaled_to_percent: FluidNumber
    sugar_above_percent: FluidNumber
    flush_volume_ml: FluidNumber
    carrier_from_ml: FluidNumber
    mixture_above_percent: FluidNumber
    restriction_from_ml: FluidNumber
    restriction_to_ml: FluidNumber
    gram_per_100_ml_of_one_mmol_per_ml: FluidNumber


class FluidProduct(Struct, frozen=True, forbid_unknown_fields=True):
    """One sodium chloride product of RxNorm; one without `kind` is never a saline order."""

    name: str
    kind: SalineKind | None = None
    never: str = ""  # why it is no saline order: "flush", "inhaled", ...
    percent: Decimal | None = None
    volume_ml: Decimal | None = None


class DesmopressinProducts(Struct, frozen=True, forbid_unknown_fields=True):
    """How a product of desmopressin says that it stops a bleeding (M13)."""

    hemostatic_words: list[str]


class VaptanProducts(Struct, frozen=True, forbid_unknown_fields=True):
    """Which tolvaptan is labelled for low sodium, and which for polycystic kidney disease."""

    hyponatremia: list[str]
    adpkd: list[str]
    hyponatremia_words: list[str]
    adpkd_words: list[str]


class SalineWords(Struct, frozen=True, forbid_unknown_fields=True):
    """How an order of sodium chloride is written."""

    terms: list[str]  # name the salt and leave the strength open
    shorthands: dict[str, Decimal]  # name it with its strength: "ns" -> 0.9
    spelled: dict[str, Decimal]  # numbers in words: "three" percent
    spoken: list[str]  # words of a fluid, not of a chemical: by vein where no route is given
    abbreviated: list[str]  # behind the name of a drug as often a nasal spray
    links: list[str]  # between a drug and the fluid that carries it
    hypertonic: list[str]  # without a number: hypertonic, percent unknown
    filler: list[str]  # may stand between the term and its percent
    additives: list[str]  # may share the bag without making it another order
    electrolytes: list[str]  # additives beside which strong saline is no hypertonic saline order
    mixtures: list[str]  # other electrolytes and nutrition: never a saline order
    tests_not_given: list[str]  # in the words of a service: no saline is given into a vein (F23)
    service_fluids: list[str]  # by these words a service names a fluid
    service_measures: list[str]  # before them: it measures, or tells when to call
    service_forbids: list[str]  # before them: it forbids
    service_gives: list[str]  # before them: it gives, unless a word before forbids it
    flush: list[str]
    tablet: list[str]
    oral: list[str]  # never given by vein, at any strength
    glucose: list[str]  # a percent beside one of these is not the saline's


class HypotonicWords(Struct, frozen=True, forbid_unknown_fields=True):
    """Fluids that lower sodium and hold none."""

    phrases: list[str]
    not_after: list[str]  # "in" before the phrase makes it the carrier of another drug
    no_sodium: list[str]  # of the mixtures of saline: those that add no sodium
    large_only: list[str]  # water that dissolves a drug unless much of it is given


class MixingWords(Struct, frozen=True, forbid_unknown_fields=True):
    """How an order says that one fluid is put into another (F23)."""

    to_total: list[str]  # before the volume of the whole bag
    joints: list[str]  # between the parts
    glucose_only: list[str]  # drugs whose labels forbid or advise against saline
    water: list[str]
    source: str
    where: str
    evidence: Evidence
    why: str


class AddedSalt(Struct, frozen=True, forbid_unknown_fields=True):
    """One salt of sodium or potassium that is put into a bag."""

    names: list[str]
    gram_per_100_ml_of_one_mmol_per_ml: Decimal
    is_sodium: bool = False
    is_chloride: bool = False
    cations_per_mmol: Decimal = Decimal(1)  # of phosphate, which is ordered by its phosphorus
    ampoule_mmol: Decimal | None = None  # in one ampoule, if the order counts these


class AddedSalts(Struct, frozen=True, forbid_unknown_fields=True):
    """What a bag of a carrier and added salts is judged by (F23)."""

    isotonic_from_mmol_l: Decimal  # of sodium and potassium
    usual_bag_ml: Decimal  # if the order names no volume: no bag is larger
    ampoule_to_ml: Decimal  # a larger volume is a bag
    equivalents: list[str]  # units of an amount of cations
    ampoules: list[str]
    salts: dict[str, AddedSalt]
    source: str
    where: str
    evidence: Evidence
    why: str


class BalancedWords(Struct, frozen=True, forbid_unknown_fields=True):
    """Isotonic fluids that are no sodium chloride solution (M9)."""

    phrases: list[str]
    weak: list[str]  # of these: those with less sodium than blood, as lactated Ringer's


class Forms(Struct, frozen=True, forbid_unknown_fields=True):
    """Dose forms and routes (C.3)."""

    local: dict[str, list[str]]  # kind of place -> words
    iv: list[str]
    systemic: list[str]
    route_codes: dict[str, str]  # SNOMED CT -> "iv", "systemic", or a key of `local`


class TextWords(Struct, frozen=True, forbid_unknown_fields=True):
    """How free text is read (D.4 step 3)."""

    before: list[str]  # shortly before a name: it is not ordered
    after: list[str]  # directly after a name: it is not ordered
    anywhere: list[str]
    decoys: list[str]  # phrases that contain a name and mean something else
    joining: list[str]  # between two ingredients
    joined_endings: list[str]  # salts and forms without a blank: "Sertralinhydrochlorid"
    combination: list[str]  # words that say "more than one ingredient"
    plain: list[str]  # salts, forms and units: no second ingredient beside a name
    problem_before: list[str]  # before a problem: it is not present
    problem_once: list[str]  # of these, what says that it was once (F24)
    operation_done: list[str]  # of these, what before an operation says that it was done
    operation_planned: list[str]  # anywhere beside an operation: it is still to come
    not_blamed: list[str]  # beside low sodium: the drug that is named is not its cause (F24)
    classes: dict[str, list[str]]  # drug class -> how a problem calls it (F24)
    problem_between: list[str]  # may stand between a negation and the problem
    problem_after: list[str]
    problem_decoys: list[str]  # phrases that contain the word of a problem and mean something else


class ProcedureWords(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """By which codes and words a Procedure means a concept: one table of procedures.toml."""

    title: str
    icd10pcs: list[str] = []  # prefixes
    icd9: list[str] = []  # prefixes of ICD-9-CM volume 3, without dots
    snomed: list[str] = []
    text: list[str] = []  # whole words, "*" at the end for a stem
    source: str
    where: str
    evidence: Evidence
    why: str


class Restriction(Struct, frozen=True, forbid_unknown_fields=True):
    """How an order that restricts fluid is recognised (C.6)."""

    snomed: list[str]
    nutrients: list[str]  # SNOMED CT codes of what a diet limits by an amount (F23)
    nutrient_text: list[str]
    abbreviated: list[str]  # only before an amount
    text: list[str]
    before: list[str]  # directly before the words: it ends, or was never ordered
    anywhere: list[str]  # it is not an order to restrict
    plain: list[str]  # words beside it that say no more (F23)


class DrinkingWords(Struct, frozen=True, forbid_unknown_fields=True):
    """How an order asks a patient to drink much; negations are those of a restriction (F23)."""

    text: list[str]
    source: str
    where: str
    evidence: Evidence
    why: str


class TubeWaterWords(Struct, frozen=True, forbid_unknown_fields=True):
    """How an order gives water by a feeding tube (F23)."""

    sure: list[str]  # water that goes down a tube by its own words
    water: list[str]  # water by a tube only if a tube is named too
    tube: list[str]
    never: list[str]  # in such a text it is no order of water
    every: list[str]  # before a number of hours
    hours: list[str]
    joining: list[str]  # between an amount and the water, or after a comma
    source: str
    where: str
    evidence: Evidence
    why: str


class StrongSaltWords(Struct, frozen=True, forbid_unknown_fields=True):
    """One sodium salt that may be as strong as hypertonic saline."""

    names: list[str]
    gram_per_100_ml_of_one_mmol_per_ml: Decimal
    percent: Decimal | None = None  # as it is sold; None: the order says it
    volume_ml: Decimal | None = None  # of the bag as it is sold
    percent_unless_said: Decimal | None = None  # by vein without a strength it may be this one
    additive: bool = False  # mostly diluted: told only of more than one bolus that is ordered


class StrongSalts(Struct, frozen=True, forbid_unknown_fields=True):
    """Sodium salts beside 3 % saline, and from which strength on they count (F22)."""

    from_mmol_per_ml: Decimal
    molar: list[str]  # what says mol/L behind a number
    half: list[str]  # what halves it
    salts: dict[str, StrongSaltWords]
    source: str
    where: str
    evidence: Evidence
    why: str


class NutritionWords(Struct, frozen=True, forbid_unknown_fields=True):
    """How an order names parenteral nutrition, and the sodium in it (F28)."""

    names: list[str]  # of which the sodium is not known
    products: dict[str, Decimal]  # a name -> mmol of sodium in a liter, by its label
    free: list[str]  # what says that no electrolytes are in it
    sodium: list[str]  # before an amount of sodium
    salts: list[str]  # before the amount of one sodium salt
    not_after: list[str]  # before a name: something else that is given with or into it
    source: str
    where: str
    evidence: Evidence
    why: str


class EffervescentWords(Struct, frozen=True, forbid_unknown_fields=True):
    """How an order says that a tablet fizzes: it then holds much sodium."""

    phrases: list[str]
    source: str
    where: str
    evidence: Evidence
    why: str


class DoseWords(Struct, frozen=True, forbid_unknown_fields=True):
    """How an order says in words how much a day brings (F19)."""

    tablets: list[str]
    times: list[str]  # "x" in "4 x 15 mg"
    spans: list[str]  # behind "x 4" it is a number of days or doses
    days: list[str]  # behind "2 x" it is a number a day
    counts: dict[str, Decimal]  # numbers in words
    daily: dict[str, Decimal]  # "bid": two times a day
    in_turn: list[str]  # one dose of several: once, then, as needed (F38)
    later: list[str]  # it begins on a later day
    resumed: list[str]  # it carries on what was taken at home (DISCHARGE)
    not_resumed: list[str]  # beside these words it may not
    source: str
    where: str
    evidence: Evidence
    why: str


class EndingWords(Struct, frozen=True, forbid_unknown_fields=True):
    """By which words an order ends what it names (F23)."""

    verbs: list[str]  # before a name, or the last words
    after: list[str]  # directly after a name
    between: list[str]  # may stand between them and the name
    closing: list[str]  # may be the last words behind a verb
    starting: list[str]  # the order begins something too
    source: str
    where: str
    evidence: Evidence
    why: str


class Fluids(Struct, frozen=True, forbid_unknown_fields=True):
    """fluids.toml: numbers, products and words."""

    numbers: FluidNumbers
    products: dict[str, FluidProduct]  # RxNorm code -> product
    vaptans: VaptanProducts
    desmopressin: DesmopressinProducts
    saline: SalineWords
    hypotonic: HypotonicWords
    mixing: MixingWords
    added_salts: AddedSalts
    balanced: BalancedWords
    forms: Forms
    text: TextWords
    ending: EndingWords
    restriction: Restriction
    drinking: DrinkingWords
    tube_water: TubeWaterWords
    doses: DoseWords
    strong_salts: StrongSalts
    nutrition: NutritionWords
    effervescent: EffervescentWords
