"""What is read of FHIR, as types: one way to read a member of any version and shape.

msgspec makes these types at the speed of C and passes over every member that they do not name.
If a member has another shape than its type, `coerced` reads the same resource member by member: a
wrong type reads as absent, a single object as a list of one, a list as its first object (T-46).
Strings are as they were recorded, and no longer than MAX_TEXT; numbers are for `exact`.

All resource types share one struct. Their members hardly contradict each other, a record of an
older version keeps its meaning, and mypy finds every reader of a member that is not named here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Annotated, Any, TypeAlias, TypedDict, TypeVar, cast

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field, inspect

from cds_service.errors import BadRequest, BodyTooLarge
from cds_service.protocol.wire import decode, decoder
from cds_service.records.bounds import (
    MAX_CODINGS,
    MAX_CONCEPTS,
    MAX_ITEMS,
    MAX_TEXT,
    MAX_VALUES,
)
from cds_service.terminology.codes import canonical
from cds_service.terminology.types import Coded, Coding

_MAX_DIGITS = 64  # of a number as it prints
_MAX_EXPONENT = 12
_PLAIN_BELOW = 10**_MAX_EXPONENT
_NO_CODE = "data-absent-reason"  # a coding of this system says that there is no code
_ODD = (msgspec.MsgspecError, RecursionError, UnicodeError)

T = TypeVar("T")
Text: TypeAlias = Annotated[str, Meta(max_length=MAX_TEXT)]
Items: TypeAlias = Annotated[tuple[T, ...], Meta(max_length=MAX_ITEMS)]
Some: TypeAlias = Annotated[tuple[T, ...], Meta(max_length=MAX_CONCEPTS)]  # concepts and their kin


class Form(Struct, rename="camel", frozen=True, gc=False, omit_defaults=True):
    """Some members of an object in FHIR; the others are passed over."""


F = TypeVar("F", bound=Form)


class RecordedCoding(Form, frozen=True):
    """A Coding as it was sent."""

    system: Text = ""
    code: Text = ""
    display: Text = ""


class Concept(Form, frozen=True):
    """A CodeableConcept as it was sent."""

    coding: Annotated[tuple[RecordedCoding, ...], Meta(max_length=MAX_CODINGS)] = ()
    text: Text = ""


# One object, a list of them, or bare words: FHIR's versions differ in this most of all.
Concepts: TypeAlias = Concept | Some[Concept] | Text | None


class Quantity(Form, frozen=True):
    """A number with its unit."""

    value: Any = None
    unit: Text = ""
    code: Text = ""
    comparator: Text = ""


class Range(Form, frozen=True):
    """From how much to how much."""

    low: Quantity | None = None
    high: Quantity | None = None


class Rate(Quantity, frozen=True):
    """What is given in a time: a Quantity in mL/h or the like, or a Ratio."""

    numerator: Quantity | None = None
    denominator: Quantity | None = None


class Period(Form, frozen=True):
    """From when to when."""

    start: Text = ""
    end: Text = ""


class Identifier(Form, frozen=True):
    """A business number of a resource."""

    system: Text = ""
    value: Text = ""
    type: Concept | None = None


class ResourceMeta(Form, frozen=True):
    """Resource.meta."""

    last_updated: Text = ""


class Reference(Form, frozen=True):
    """A pointer to another resource."""

    reference: Text = ""
    display: Text = ""
    identifier: Identifier | None = None


class Choice(Concept, frozen=True):
    """A medication or an ingredient: a concept, a Reference, or R5's CodeableReference."""

    concept: Concept | None = None
    reference: Reference | Text | None = None
    display: Text = ""
    identifier: Identifier | None = None


class ReasonValue(Form, frozen=True):
    """R5's Encounter.reason.value."""

    concept: Concepts = None


class Reason(Concept, frozen=True):
    """A reason: a concept, R5's CodeableReference, or R5's Encounter.reason."""

    concept: Concepts = None
    value: ReasonValue | Items[ReasonValue] | None = None


class EncounterClass(Concept, frozen=True):
    """Encounter.class: a Coding in R4, a CodeableConcept in R5."""

    code: Text = ""


class Component(Form, frozen=True):
    """Observation.component."""

    code: Concepts = None
    value_quantity: Quantity | None = None
    value_string: Any = None
    value_integer: Any = None
    value_range: Range | None = None
    value_codeable_concept: Concepts = None
    data_absent_reason: Concepts = None


class Repeat(Form, frozen=True):
    """When to give, by the clock: every member of Timing.repeat from DSTU2 to R5."""

    bounds_period: Period | None = None
    bounds_duration: Quantity | None = None
    bounds_range: Any = None
    count: Any = None
    count_max: Any = None
    duration: Any = None
    duration_max: Any = None
    duration_unit: Any = None
    duration_units: Any = None
    frequency: Any = None
    frequency_max: Any = None
    period: Any = None
    period_max: Any = None
    period_unit: Text = ""
    period_units: Text = ""
    day_of_week: Any = None
    time_of_day: Any = None
    when: Any = None
    offset: Any = None


class Timing(Form, frozen=True):
    """When an instruction says to give."""

    code: Concepts = None
    repeat: Repeat | None = None
    event: Any = None


class DoseAndRate(Form, frozen=True):
    """R4's place for a dose."""

    dose_quantity: Quantity | None = None
    rate_quantity: Rate | None = None
    rate_ratio: Rate | None = None


class Instruction(Form, frozen=True):
    """A dosage instruction of any version."""

    text: Text = ""
    patient_instruction: Text = ""
    timing: Timing | None = None
    as_needed_boolean: Any = None
    as_needed_codeable_concept: Any = None
    route: Concepts = None
    dose_and_rate: Items[DoseAndRate] = ()
    dose_quantity: Quantity | None = None
    dose: Quantity | None = None
    quantity: Quantity | None = None
    rate_quantity: Rate | None = None
    rate_ratio: Rate | None = None


class Dispense(Form, frozen=True):
    """MedicationRequest.dispenseRequest."""

    validity_period: Period | None = None
    number_of_repeats_allowed: Any = None
    quantity: Quantity | None = None
    expected_supply_duration: Quantity | None = None


class Nutrient(Form, frozen=True):
    """NutritionOrder.oralDiet.nutrient."""

    modifier: Concepts = None
    amount: Quantity | None = None


class OralDiet(Form, frozen=True):
    """NutritionOrder.oralDiet."""

    type: Concepts = None
    nutrient: Items[Nutrient] = ()
    instruction: Text = ""


class EnteralFormula(Form, frozen=True):
    """NutritionOrder.enteralFormula."""

    base_formula_type: Concepts = None
    base_formula_product_name: Text = ""
    additive_type: Concepts = None
    additive_product_name: Text = ""
    administration_instruction: Text = ""


class Note(Form, frozen=True):
    """An Annotation."""

    text: Text = ""


class Ratio(Form, frozen=True):
    """The strength of an ingredient."""

    numerator: Quantity | None = None
    denominator: Quantity | None = None


class Ingredient(Form, frozen=True):
    """Medication.ingredient."""

    is_active: bool | None = None
    item: Choice | None = None
    item_codeable_concept: Concept | None = None
    item_reference: Reference | None = None
    strength: Ratio | None = None
    strength_ratio: Ratio | None = None


class OldProduct(Form, frozen=True):
    """DSTU2's Medication.product."""

    ingredient: Some[Ingredient] = ()


class DeviceName(Form, frozen=True):
    """Device.deviceName."""

    name: Text = ""


class Reaction(Form, frozen=True):
    """AllergyIntolerance.reaction."""

    substance: Concepts = None
    manifestation: Concepts = None
    description: Text = ""


class Issue(Form, frozen=True):
    """OperationOutcome.issue."""

    severity: Text = ""
    details: Concepts = None


class Link(Form, frozen=True):
    """Bundle.link; an address may be long, and is never cut."""

    relation: Text = ""
    url: str = ""


class OrderSetAction(Form, frozen=True):
    """RequestGroup.action: an order of the set, or a group of them."""

    resource: Reference | None = None
    action: Items[OrderSetAction] = ()


class Entry(Form, frozen=True):
    """Bundle.entry."""

    full_url: str = ""
    resource: Resource | None = None


class Resource(Form, frozen=True):
    """Every member that is read of any resource, from DSTU2 to R5."""

    # These are in FHIR's own order, mostly.
    resource_type: Text = ""
    id: Text = ""
    meta: ResourceMeta | None = None
    contained: Some[Resource] = ()
    identifier: Items[Identifier] = ()
    clinical_status: Concepts = None
    verification_status: Concepts = None
    status: Text = ""
    intent: Text = ""
    category: Concepts = None
    do_not_perform: bool | None = None
    class_: EncounterClass | Items[EncounterClass] | Text | None = field(default=None, name="class")
    type: Concepts = None
    code: Concepts = None
    # R5's `medication`: what is no object reads as an empty one, never as absent.
    medication: Choice | Some[Choice] | Text | UnsetType | None = UNSET
    medication_codeable_concept: Choice | Some[Choice] | Text | None = None
    medication_reference: Choice | Some[Choice] | Text | None = None
    # Whose it is. What is no object reads as an empty one too: without a subject it would be ours.
    subject: Reference | None = None
    patient: Reference | None = None
    encounter: Reference | None = None
    context: Reference | None = None
    period: Period | None = None  # of an Encounter
    effective_date_time: Text = ""
    effective_instant: Text = ""
    effective_period: Period | None = None
    effective_timing: Timing | None = None
    effective_time_date_time: Text = ""
    effective_time_period: Period | None = None
    issued: Text = ""
    value_quantity: Quantity | None = None
    value_string: Any = None
    value_integer: Any = None
    value_range: Range | None = None
    data_absent_reason: Concepts = None
    value_codeable_concept: Concepts = None
    authored_on: Text = ""
    date_written: Text = ""
    date_time: Text = ""
    ordered_on: Text = ""
    reason_code: Concepts = None
    reason_codeable_concept: Concepts = None
    reason_for_use_codeable_concept: Concepts = None
    reason_reference: Reference | Some[Reference] | None = None
    reason: Reason | Some[Reason] | Text | None = None
    indication: Reference | Some[Reference] | None = None
    status_reason: Concepts = None
    reason_ended: Concepts = None  # DSTU2
    note: Items[Note] = ()
    dosage_instruction: Instruction | Items[Instruction] | None = None
    dosage: Instruction | Items[Instruction] | None = None
    dispense_request: Dispense | None = None
    method: Concepts = None
    specimen: Reference | None = None
    device: Reference | None = None
    component: Items[Component] = ()
    # The dates of a Condition; of an abatement only the presence counts
    onset_date_time: Text = ""
    onset_period: Period | None = None
    abatement_boolean: bool | None = None
    abatement_date_time: Any = None
    abatement_age: Any = None
    abatement_period: Any = None
    abatement_range: Any = None
    abatement_string: Any = None
    abatement_date: Any = None
    recorded_date: Text = ""
    asserted_date: Text = ""
    date_recorded: Text = ""
    date_asserted: Text = ""
    # Procedure, AllergyIntolerance
    performed_date_time: Text = ""
    performed_period: Period | None = None
    reaction: Items[Reaction] = ()
    # Whether a statement of older versions says that nothing was taken
    taken: Text = ""
    was_not_taken: bool | None = None
    was_not_given: bool | None = None
    not_given: bool | None = None
    # Bundle, OperationOutcome
    total: Any = None
    link: Items[Link] = ()
    entry: tuple[Entry | None, ...] = ()
    issue: Items[Issue] = ()
    resource: Resource | None = None  # a prefetched value as an entry: {response, resource}
    # RequestGroup, RequestOrchestration
    action: Items[OrderSetAction] = ()
    # Patient
    name: Concepts = None  # DSTU1's place for the code of an Observation
    birth_date: Text = ""
    gender: Text = ""
    deceased_boolean: bool | None = None
    deceased_date_time: Text = ""
    # ServiceRequest
    order_detail: Concepts = None
    # NutritionOrder, Medication, Device
    oral_diet: OralDiet | None = None
    enteral_formula: EnteralFormula | None = None
    form: Concepts = None
    dose_form: Concepts = None
    ingredient: Some[Ingredient] = ()
    product: OldProduct | None = None
    device_name: Items[DeviceName] = ()


NO_QUANTITY, NO_TIMING, NO_REPEAT, NO_DISPENSE = Quantity(), Timing(), Repeat(), Dispense()
NO_REFERENCE, NO_PERIOD, NO_RESOURCE = Reference(), Period(), Resource()
# These count even if they cannot be read: else another patient's result would pass for ours.
_NOTICED = frozenset(
    {
        *("subject", "patient"),
        *("medication", "medication_codeable_concept", "medication_reference"),
    }
)
_MAY_BE_NUMBERS = frozenset({"code", "id"})  # texts that some systems send as whole numbers


class HookCall(TypedDict, total=False):
    """The body of a hook call; its context is read whole."""

    hook: Any
    hookInstance: Any
    context: Any
    fhirServer: Any
    fhirAuthorization: Any
    extension: Any
    prefetch: dict[str, Resource | None]


_CALL, _RESOURCE = decoder(HookCall), decoder(Resource)


def decode_call(body: bytes) -> Any:
    """The body of a hook call, its prefetch as resources.

    It raises BadRequest if the body is not strict JSON, and BodyTooLarge if it holds too much.
    """
    if values_in(body) > MAX_VALUES:
        raise BodyTooLarge(
            f"The body holds more than {MAX_VALUES} objects, lists and members; nothing was read."
        )
    if _is_utf8(body):  # which the decoder does not check in what it passes over
        try:
            return _CALL.decode(body)
        except _ODD:
            pass
    call = decode(body)
    prefetch = call.get("prefetch") if isinstance(call, dict) else None
    if isinstance(prefetch, dict):
        call["prefetch"] = {key: as_resource(value) for key, value in prefetch.items()}
    return call


def decode_resource(body: bytes) -> Resource | None:
    """A resource or a Bundle as a server sent it; BadRequest if it is not strict JSON.

    One that holds too much raises BadRequest too: it is not read, whatever its server means by it.
    """
    if values_in(body) > MAX_VALUES:
        raise BadRequest("The page holds more objects, lists and members than are read.")
    if _is_utf8(body):
        try:
            return _RESOURCE.decode(body)
        except _ODD:
            pass
    return as_resource(decode(body))


def values_in(body: bytes) -> int:
    """How many objects, lists and members a body has at most; decoded, each takes its memory."""
    return body.count(b",") + body.count(b"{") + body.count(b"[") if len(body) > MAX_VALUES else 0


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def as_resource(value: object) -> Resource | None:
    """A resource of any JSON; a bare list reads as a Bundle, and None stays None."""
    if value is None or isinstance(value, Resource):
        return value
    if isinstance(value, list):
        value = {"resourceType": "Bundle", "entry": [{"resource": item} for item in value]}
    if not isinstance(value, dict):
        return NO_RESOURCE
    try:
        return tolerant(Resource, value)
    except RecursionError:
        return NO_RESOURCE


def as_resources(values: Iterable[object]) -> tuple[Resource, ...]:
    """The resources among some JSON values; what is no object is left out."""
    read = [as_resource(value) for value in values if isinstance(value, dict | Resource)]
    return tuple([one for one in read if one is not None])


def tolerant(kind: type[F], value: Mapping[str, object]) -> F:
    """A JSON object as a type, as far as it fits."""
    try:
        return msgspec.convert(value, kind)
    except _ODD:
        return coerced(kind, value)


def coerced(kind: type[F], value: Mapping[str, object]) -> F:
    """The same, member by member: what does not fit reads as absent."""
    members = {}
    for name, there, shape in _shapes(kind):
        if there in value:
            members[name] = shape.read(value[there])
    return kind(**{name: made for name, made in members.items() if made is not UNSET})


class _Shape(Struct, frozen=True):
    """What a member may be, taken from its type."""

    anything: bool = False
    flag: bool = False
    text: bool = False
    longest: int | None = None  # of a text
    most: int | None = None  # items of a list
    object: Any = None  # the type of its objects
    single: bool = False  # it may be one object by itself
    several: bool = False  # it may be a list
    keeps_gaps: bool = False  # an item of the list that is no object keeps its place as None
    nullable: bool = False
    alone: bool = False  # a list is not read: what follows its first object would be lost
    noticed: bool = False  # what is no object reads as an empty one
    numbers: bool = False  # a whole number reads as text

    def read(self, value: object) -> Any:
        """The value as far as it fits; UNSET if it does not."""
        if self.anything:
            return value
        if value is None:
            return None if self.nullable else UNSET
        if isinstance(value, bool) and self.flag:
            return value
        if self.numbers and type(value) is int:
            return str(value)
        if isinstance(value, str) and self.text:
            return value[: self.longest]
        return self._read_objects(value) if self.object is not None else UNSET

    def _read_objects(self, value: object) -> Any:
        is_list = isinstance(value, list)
        objects = self._objects(value)
        if self.several and (is_list or not self.single):
            return tuple(objects)
        if objects and not (is_list and self.alone):
            return objects[0]
        return self.object() if self.noticed else UNSET

    def _objects(self, value: Any) -> list[Any]:
        listed = value if isinstance(value, list) else [value]
        if not value and not isinstance(value, dict):
            listed = []
        if self.keeps_gaps:
            return [tolerant(self.object, v) if isinstance(v, dict) else None for v in listed]
        objects = [one for one in listed[: self.most or MAX_ITEMS] if isinstance(one, dict)]
        return [tolerant(self.object, one) for one in objects]


@cache
def _shapes(kind: type[Form]) -> list[tuple[str, str, _Shape]]:
    """Each member of a type: its name, its name in JSON, and what it may be."""
    described = cast("inspect.StructType", inspect.type_info(kind))
    return [(one.name, one.encode_name, _shape(one)) for one in described.fields]


def _shape(member: inspect.Field) -> _Shape:
    shape: dict[str, Any] = {
        "alone": member.name == "resource",
        "noticed": member.name in _NOTICED,
    }
    for one in _alternatives(member.type):
        match one:
            case inspect.AnyType():
                shape["anything"] = True
            case inspect.NoneType():
                shape["nullable"] = True
            case inspect.BoolType():
                shape["flag"] = True
            case inspect.StrType():
                shape |= {"text": True, "longest": one.max_length}
            case inspect.StructType():
                shape |= {"object": one.cls, "single": True}
            case inspect.VarTupleType():
                shape |= _shape_of_list(one)
    return _Shape(numbers=member.name in _MAY_BE_NUMBERS and "object" not in shape, **shape)


def _shape_of_list(listed: inspect.VarTupleType) -> dict[str, Any]:
    types = _alternatives(listed.item_type)
    (item,) = [one for one in types if isinstance(one, inspect.StructType)]
    return {
        "object": item.cls,
        "several": True,
        "keeps_gaps": len(types) > 1,
        "most": listed.max_length,
    }


def _alternatives(one: inspect.Type) -> tuple[inspect.Type, ...]:
    return one.types if isinstance(one, inspect.UnionType) else (one,)


def listed(member: F | tuple[F, ...] | str | None) -> tuple[F, ...]:
    """The objects of a member that may be one object, a list or bare words."""
    if member is None or isinstance(member, str):
        return ()
    return member if isinstance(member, tuple) else (member,)


def filled(*forms: F | None) -> list[F]:
    """Those that say anything."""
    return [one for one in forms if one is not None and one != type(one)()]


def kind_of(resource: Resource) -> str:
    """The type of a resource without surrounding blanks."""
    return resource.resource_type.strip()


def concept(recorded: Concept) -> Coded | None:
    """A CodeableConcept in plain form; None if it holds neither a code nor a word."""
    codings = tuple([c for c in map(_coding, recorded.coding) if c is not None])
    words = recorded.text.strip()
    return Coded(codings=codings, text=words) if codings or words else None


def _coding(recorded: RecordedCoding) -> Coding | None:
    """One Coding; None if it holds neither code nor display, or says that there is no code."""
    code, display = recorded.code.strip(), recorded.display.strip()
    system = canonical(recorded.system.strip())
    if system.endswith(_NO_CODE) or not (code or display):
        return None
    return Coding(system=system, code=code, display=display)


def concepts(*members: Concept | tuple[Concept, ...] | str | None) -> tuple[Coded, ...]:
    """Every CodeableConcept of these members; bare words are passed over."""
    found = [concept(one) for member in members for one in listed(member)]
    return tuple([one for one in found if one is not None])


def first_concept(member: Concept | tuple[Concept, ...] | str | None) -> Coded | None:
    """The first CodeableConcept of a member; bare words are its text (DSTU2, STU3 codes)."""
    if isinstance(member, str):
        words = member.strip()
        return Coded(text=words) if words else None
    if isinstance(member, tuple):
        return concept(member[0]) if member else None
    return concept(member) if member is not None else None


def codes(coded: Coded | None) -> frozenset[str]:
    """Codes and text of a concept in lower case, for small closed lists such as clinicalStatus."""
    if coded is None:
        return frozenset()
    words = (coded.text, *(c.code for c in coded.codings))
    return frozenset(word.lower() for word in words if word)


def words_of(coded: Coded | None) -> str:
    """Everything a concept says in words, lower case."""
    if coded is None:
        return ""
    return " ".join((coded.text, *(c.display for c in coded.codings))).lower()


def exact(value: object) -> Decimal | None:
    """A JSON number as it was recorded; None for anything else and for numbers beyond all sense."""
    if type(value) is int and -_PLAIN_BELOW < value < _PLAIN_BELOW:
        return Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        number = value if isinstance(value, Decimal) else Decimal(str(value))
    except (InvalidOperation, ValueError):
        return None
    if not number.is_finite() or len(str(number)) > _MAX_DIGITS:
        return None
    return number if abs(number.adjusted()) <= _MAX_EXPONENT else None


def whole_resources(body: bytes) -> Iterator[dict[str, Any]]:
    """Every resource of a hook call's prefetch or of a page, with the members that are not read."""
    waiting: list[Any] = [decode(body)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(reversed(value))
        elif isinstance(value, dict):
            yield value
            waiting.extend([value.get("resource"), value.get("entry")])
            prefetch = value.get("prefetch")
            waiting.extend(reversed(prefetch.values()) if isinstance(prefetch, dict) else ())
