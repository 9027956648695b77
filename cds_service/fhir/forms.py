"""The shapes that every call is full of, as types: results, doses, periods; and the one tolerant way to make them.

msgspec makes them at the speed of C where the JSON is what FHIR says. Where it is not, `coerced` makes the same types
member by member with the accessors of `fhir.elements`: a wrong type reads as absent, a single object as a list of one
(T-46). Strings are as they were recorded, for `elements.trimmed`; numbers for `elements.exact`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Raw

from cds_service.fhir.elements import Element, child, items, text, value_of
from cds_service.protocol.wire import decoder, encode

NOTHING = Raw(b"null")
_ODD = (msgspec.MsgspecError, RecursionError, UnicodeError)


class Form(msgspec.Struct, rename="camel", gc=False):
    """Some members of an object in FHIR; the others are passed over."""


class Quantity(Form):
    """A number with its unit."""

    value: Any = None
    unit: str = ""
    code: str = ""
    comparator: str = ""


class Rate(Quantity):
    """What is given in a time: a Quantity in mL/h or the like, or a Ratio."""

    numerator: Quantity | None = None
    denominator: Quantity | None = None


class Period(Form):
    """From when to when."""

    start: str = ""
    end: str = ""


class Identifier(Form):
    """A number that somebody gave."""

    system: str = ""
    value: str = ""


class Meta(Form):
    """Of a resource."""

    last_updated: str = ""


class Reference(Form):
    """To another resource."""

    reference: str = ""
    display: str = ""


class Observation(Form):
    """What every result says; its code and what is rare is read from the resource itself."""

    id: str = ""
    status: str = ""
    effective_date_time: str = ""
    effective_instant: str = ""
    effective_period: Period | None = None
    issued: str = ""
    value_quantity: Quantity | None = None
    meta: Meta | None = None
    specimen: Reference | None = None


class Repeat(Form):
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
    period_unit: str = ""
    period_units: str = ""
    day_of_week: Any = None
    time_of_day: Any = None
    when: Any = None
    offset: Any = None


class Timing(Form):
    """When an instruction says to give."""

    code: Raw = NOTHING
    repeat: Repeat | None = None
    event: Any = None


class DoseAndRate(Form):
    """R4's place for a dose."""

    dose_quantity: Quantity | None = None
    rate_quantity: Rate | None = None
    rate_ratio: Rate | None = None


class Instruction(Form):
    """A dosage instruction of any version."""

    text: str = ""
    patient_instruction: str = ""
    timing: Timing | None = None
    as_needed_boolean: Any = None
    as_needed_codeable_concept: Any = None
    route: Raw = NOTHING
    dose_and_rate: list[DoseAndRate] = []
    dose_quantity: Quantity | None = None
    dose: Quantity | None = None
    quantity: Quantity | None = None
    rate_quantity: Rate | None = None
    rate_ratio: Rate | None = None


class Dispense(Form):
    """MedicationRequest.dispenseRequest."""

    validity_period: Period | None = None
    number_of_repeats_allowed: Any = None
    quantity: Quantity | None = None
    expected_supply_duration: Quantity | None = None


NO_QUANTITY, NO_PERIOD, NO_TIMING, NO_REPEAT, NO_DISPENSE = Quantity(), Period(), Timing(), Repeat(), Dispense()
F = TypeVar("F", bound=Form)
# Observation is not decoded but converted, and stands here so that msgspec knows it before there are threads: two
# that are the first to need a type at the same moment can end the process (msgspec 0.22).
_DECODERS: dict[type[Form], Any] = {kind: decoder(kind) for kind in (Quantity, Period, Dispense, Observation)}
_INSTRUCTIONS, _IDENTIFIERS = decoder(list[Instruction]), decoder(list[Identifier])
_EMPTY: dict[type[Form], Form] = {Quantity: NO_QUANTITY, Rate: Rate()}


def filled(*forms: F | None) -> list[F]:
    """Those that say anything."""
    return [one for one in forms if one is not None and one != _EMPTY[type(one)]]


def result(observation: Element) -> Observation:
    """The resource as a form."""
    try:
        return msgspec.convert(observation, Observation)
    except _ODD:
        return coerced(Observation, observation)


def form(kind: type[F], element: Element, name: str) -> F | None:
    """The object under a name; None where there is none."""
    value = element.get(name)
    if value is None:
        return None
    try:
        return cast("F", _DECODERS[kind].decode(value if type(value) is Raw else encode(value)))
    except _ODD:
        inner = child(element, name)
        return coerced(kind, inner) if inner else None


def first_identifier(resource: Element) -> Identifier | None:
    """The first identifier of a resource; None where there is none."""
    value = resource.get("identifier")
    if value is None:
        return None
    try:
        return next(iter(_IDENTIFIERS.decode(value if type(value) is Raw else encode(value))), None)
    except _ODD:
        return coerced(Identifier, child(resource, "identifier"))


def instructions(element: Element, name: str) -> list[Instruction]:
    """The dosage instructions under a name."""
    value = element.get(name)
    if value is None:
        return []
    try:
        return _INSTRUCTIONS.decode(value if type(value) is Raw else encode(value))
    except _ODD:
        return [coerced(Instruction, item) for item in items(element, name)]


def coerced(kind: type[F], element: Element) -> F:
    """A form of any JSON object: what does not fit reads as absent."""
    return kind(**{name: make(element, there) for name, there, make in _MEMBERS[kind]})


def _maker(wanted: Any) -> Callable[[Element, str], object]:
    """How a member of this type is made."""
    if wanted is str:
        return text
    if wanted is Any:
        return value_of
    if wanted is Raw:
        return _raw
    inner = get_args(wanted)[0]
    if get_origin(wanted) is list:
        return lambda element, name: [coerced(inner, item) for item in items(element, name)]
    return lambda element, name: next((coerced(inner, item) for item in items(element, name)), None)


def _raw(element: Element, name: str) -> Raw:
    value = element.get(name)
    if value is None:
        return NOTHING
    try:
        return value if type(value) is Raw else Raw(encode(value))
    except _ODD:
        return NOTHING


def _members(kind: type[Form]) -> list[tuple[str, str, Callable[[Element, str], object]]]:
    hints = get_type_hints(kind)
    return [(f.name, f.encode_name, _maker(hints[f.name])) for f in msgspec.structs.fields(kind)]


_KINDS: tuple[type[Form], ...] = (
    Quantity,
    Rate,
    Period,
    Identifier,
    Meta,
    Reference,
    Observation,
    Repeat,
    Timing,
    DoseAndRate,
    Instruction,
    Dispense,
)
_MEMBERS = {kind: _members(kind) for kind in _KINDS}
