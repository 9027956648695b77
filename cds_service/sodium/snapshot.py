"""One patient at one moment, as far as the record could be read. Pure data: no FHIR, no clock.

The reader (`cds_service.records.reader`) fills it; rules only look at it. Instants are aware
datetimes. Values are decimals as they were recorded, never rounded. Times without a day are dropped
by the reader; times without a clock carry `day_only`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from msgspec import Struct, field

from cds_service.knowledge.names import Missing as Missing
from cds_service.knowledge.names import Unused
from cds_service.lazy import cached_property
from cds_service.terminology.types import (
    DrugMatch,
    Nutrition,
    RecordText,
    Route,
    Saline,
    StrongSalt,
)


class Moment(Struct, frozen=True, kw_only=True):
    """When something was measured or recorded."""

    at: datetime
    day_only: bool = False
    result_time: bool = False  # `issued` stood in for a missing effective time


class LabResult(Struct, frozen=True, kw_only=True):
    """One Observation with a quantity, before any judgement whether it is usable (B.0.1)."""

    analyte: str  # a key of labs.toml: "sodium", "glucose", "potassium", ...
    value: Decimal
    unit: str  # UCUM code or unit text as recorded, whichever labs.toml knows; "" if not given
    comparator: str = ""  # "<", "<=", ">", ">="
    time: Moment | None
    status: str  # FHIR status, trimmed, lower case
    method: Literal["lab", "poc"] = "lab"
    urine: bool = False  # the specimen says so
    untestable: bool = False  # a coma scale under a tube, "10T": its verbal part counts 1 (F43)
    identity: str = ""  # identifier of the result, else ""
    specimen: str = ""
    updated: datetime | None = None
    reference: str = ""  # Observation/<id>
    before: datetime | None = None  # without a time: it was drawn before this moment for certain


class DroppedResult(Struct, frozen=True, kw_only=True):
    """One Observation that is or may be sodium, and of which the reader could make no result."""

    why: Unused
    status: str  # FHIR status, trimmed, lower case
    shown: str = ""  # what came as its value: text out of the record
    code: str = ""  # "system|code" of its first code
    time: Moment | None = None
    before: datetime | None = None  # without a time: it was drawn before this moment for certain


class Problem(Struct, frozen=True, kw_only=True):
    """One Condition that is neither refuted nor entered in error, or one recent Procedure."""

    concepts: frozenset[str]  # keys of conditions.toml or procedures.toml
    active: bool  # clinicalStatus active/recurrence/relapse, or absent and not abated
    encounter_diagnosis: bool  # a diagnosis of the encounter in context
    since: datetime | None  # onset, else recorded
    by_text: bool = False  # matched by words, not by code
    done: bool = False  # a Procedure: `since` is when it ended, as far as that is known
    low_sodium: bool = False  # its codes or words say that sodium is or was low (F24)
    blames: frozenset[str] = frozenset()  # drug classes that its words blame for it (F24)


class Allergy(Struct, frozen=True, kw_only=True):
    """One AllergyIntolerance, an allergy or a side effect, that is not refuted."""

    drugs: tuple[DrugMatch, ...]
    concepts: frozenset[str]  # its reactions and its own words, as keys of conditions.toml
    active: bool = True
    recorded: datetime | None = None
    blames: frozenset[str] = frozenset()  # drug classes that it blames for low sodium (F24)


BEYOND = "#beyond"  # the reference of what stands for all orders beyond a limit


class Order(Struct, frozen=True, kw_only=True):
    """One order or exposure: a draft, a prescription, a statement, an administration."""

    reference: str  # "MedicationRequest/7"
    kind: Literal["medication", "nutrition", "service", "other"] = "medication"
    drugs: tuple[DrugMatch, ...] = ()
    partners: tuple[str, ...] = ()  # other named ingredients of a combination, in our own words
    ingredient_count: int = 1
    saline: Saline | None = None
    route: Route = "unknown"
    irrigation: bool = False  # it rinses a hollow organ, which takes some of it up (F13)
    fluid_restriction: bool = False
    restricts_plainly: bool = True  # no word beside the restriction is unknown (F23)
    strong_salt: StrongSalt | None = None  # bicarbonate 8.4 % and its like (F22)
    nutrition: Nutrition | None = None  # into a vein (F28)
    isotonic_carrier_ml: Decimal | None = None  # of a day: saline that carries a drug (F23)
    effervescent: bool = False  # a tablet that fizzes, which holds much sodium
    asks_to_drink: bool = False  # the patient is to drink much: "push fluids"
    fluid_name: RecordText | None = None  # an order of fluid, or of its restriction, is called so
    hypotonic: bool = False  # dextrose 5 % or free water (OS-HYPOTONIC)
    hypotonic_volume_ml: Decimal | None = None
    tube_water: bool = False  # it is water by a feeding tube, by the amount of a day (F23)
    carries: bool = False  # that fluid carries a drug, which a removal would take away (F23)
    needs_glucose: bool = False  # ... and that drug has no other diluent by its label
    alkali: str = ""  # ... and it is bicarbonate or its like, which could make the bag isotonic
    balanced: bool = False  # Lactated Ringer's and its like: volume given (M9), no saline order
    balanced_weak: bool = False  # ... of less sodium than blood, as lactated Ringer's (S13)
    balanced_volume_ml: Decimal | None = None
    unrecognised: RecordText | None = None  # a medication that nothing could be made of
    code_only: bool = False  # ... because it carries a code and no name
    unread: bool = False  # ... because it, or what it points to, could not be read
    unidentified: bool = False  # ... because of code_only, or because it says nothing at all
    code_system: str = ""  # canonical URI of its first code
    status: str = ""
    intent: str = ""
    start: datetime | None = None  # boundsPeriod.start, else effective, else authoredOn
    end: datetime | None = None  # boundsPeriod.end or validityPeriod.end
    authored: datetime | None = None
    duration_days: Decimal | None = None
    daily_dose_mg: Decimal | None = None
    first_day_mg: Decimal | None = None  # by its first instruction, its words, or its name
    single_dose: bool = False
    regimen: str = ""  # dose, rate, route and timing as they came; "" if nothing says a dose
    in_turn: bool = False  # it is one of several by its words: once, then, as needed (F38)
    reasons: frozenset[str] = frozenset()  # concepts of reasonCode
    about: frozenset[str] = frozenset()  # concepts of what is ordered, if it is no medicine
    stoppable: bool = (
        False  # may become an `update`, if the whole resource turns out valid and inert
    )
    adpkd: bool = False  # a tolvaptan product for polycystic kidney disease, or of unknown purpose
    hyponatremia_product: bool = False  # a tolvaptan product labelled for low sodium
    stopped_for_low: bool = False  # its end names low sodium as the reason (F24)
    changed: datetime | None = None  # an ended order of a drug: its record was last changed
    carries_on: bool = False  # by its words it was taken at home (DISCHARGE)
    hemostatic: bool = False  # desmopressin in the dose that stops a bleeding

    @property
    def begun(self) -> datetime | None:
        """The earliest moment that the order names as its start."""
        if self.start is None or self.authored is None:
            return self.start or self.authored
        return min(self.start, self.authored)


def same_order(one: Order, other: Order) -> bool:
    """Whether two drafts order the same drugs, the same saline, or both restrict fluid (F38)."""
    return bool(_content(one)) and _content(one) == _content(other)


def repeats(one: Order, other: Order) -> bool:
    """Whether one of two drafts is a mistake: drug, dose, route and timing are the same (F38).

    A dose that is given once, later, or as needed is meant beside another.
    """
    if not same_order(one, other) or one.in_turn or other.in_turn:
        return False
    return one.fluid_restriction or (bool(one.regimen) and one.regimen == other.regimen)


def _content(order: Order) -> tuple[object, ...]:
    drugs = frozenset(drug.name for drug in order.drugs)
    saline = order.saline and (order.saline.kind, order.saline.percent)
    if not (drugs or saline or order.fluid_restriction):
        return ()
    return (drugs, saline, order.fluid_restriction, order.route == "local")


Setting = Literal["inpatient", "outpatient"]

# Prefetch keys that belong to another one: older tables of queries sent them within it.
PART_OF: Mapping[str, str] = {"vitals": "labs", "pastMedications": "medications"}


class Patient(Struct, frozen=True, kw_only=True):
    """Who it is about."""

    birth_date: date | None = None
    sex: str = ""  # "male" or "female" as recorded, else ""
    deceased: bool = False


class Named(Struct, frozen=True, kw_only=True):
    """What the orders of the medication list name; status, route and dose are not looked at."""

    classes: frozenset[str] = frozenset()  # of all drugs; saline and other fluids may be left out
    nameless: bool = False  # an order may be a medicine that is not known by name or code


class Snapshot(Struct, frozen=True, kw_only=True, dict=True):
    """Everything a rule may know. `missing` names what it must not take for absent."""

    now: datetime
    zone: timedelta | None = None  # offset for dates on cards; None: that of the newest result
    patient: Patient = Patient()
    setting: Setting = "outpatient"
    stay_since: datetime | None = None  # when the encounter in context began, if it says so
    labs: tuple[LabResult, ...] = ()
    dropped: tuple[DroppedResult, ...] = ()  # what is or may be sodium and is not in `labs`
    problems: tuple[Problem, ...] = ()
    encounter_reasons: frozenset[str] = frozenset()  # concepts of Encounter.reasonCode
    allergies: tuple[Allergy, ...] = ()  # empty if the client's entry does not list them
    flags: frozenset[str] = frozenset()  # concepts of active Flags; the same
    read_named: Callable[[], Named] | None = None  # None: the orders are read whole for it
    read_exposures: Callable[[], tuple[Order, ...]] = tuple  # most patients' are never needed
    drafts: tuple[Order, ...] = ()  # draftOrders, selected ones among them
    selected: tuple[str, ...] = ()  # references of the selected drafts
    every_draft_counts: bool = False  # a selection led to no draft, so that all are selected
    orders_not_read: int = 0  # beyond the number of orders that one call is asked about
    missing: Mapping[str, Missing] = field(default_factory=dict)  # prefetch key -> why
    dropped_foreign: int = 0  # resources of another patient, left out

    @cached_property
    def exposures(self) -> tuple[Order, ...]:
        """The medication list: active, on hold, completed, stopped."""
        return self.read_exposures()

    @cached_property
    def named(self) -> Named:
        """What the medication list names: it costs a third of reading the orders whole (PV-VAPTAN).

        It is enough to know that a drug is not on the list.
        """
        if self.read_named is not None and "exposures" not in vars(self):
            return self.read_named()
        classes = frozenset(drug.cls for order in self.exposures for drug in order.drugs)
        nameless = any(order.unidentified or order.unread for order in self.exposures)
        return Named(classes=classes, nameless=nameless)

    @property
    def unrecognised(self) -> int:
        """How many orders could not be read, or have neither a name nor a known code."""
        orders = (*self.exposures, *self.drafts)
        return sum(order.unread or order.code_only or order.unidentified for order in orders)

    @property
    def without_a_name(self) -> int:
        """How many orders could be read, and have neither a name nor a known code."""
        orders = (*self.exposures, *self.drafts)
        return sum(not o.unread and (o.code_only or o.unidentified) for o in orders)

    @property
    def holds_unread(self) -> bool:
        """Whether an order that this call brings or names, or what it points to, was not read."""
        orders = (*self.exposures, *self.drafts)
        return any(order.unread and order.reference != BEYOND for order in orders)

    def complete(self, *sources: str) -> bool:
        """Whether every one of these sources was read to its end, with those that belong to it."""
        return self._cut.isdisjoint(sources)

    @cached_property
    def _cut(self) -> frozenset[str]:
        """The keys that were not read to their end, and those of which they are a part."""
        cut = frozenset(key for key in self.missing if not self.complete_alone(key))
        return cut.union(whole for part, whole in PART_OF.items() if part in cut)

    def complete_alone(self, source: str) -> bool:
        """Whether one key was read to its end: current medicines, if past ones say nothing."""
        return self.missing.get(source) in (None, Missing.NOT_APPLICABLE)
