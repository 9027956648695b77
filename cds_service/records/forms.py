"""The shapes that every call is full of, as types: results, doses, periods; and the one tolerant way to make them.

msgspec makes them at the speed of C where the JSON is what FHIR says. Where it is not, `coerced` makes the same types
member by member with the accessors of `fhir.elements`: a wrong type reads as absent, a single object as a list of one
(T-46). Strings are as they were recorded, and no longer than `elements.MAX_TEXT`; numbers are for `elements.exact`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeAlias, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Raw

from cds_service.protocol.wire import decoder, encode
from cds_service.records.elements import MAX_TEXT, Element, child, items, text, value_of

NOTHING = Raw(b"null")
Text: TypeAlias = Annotated[
    str, msgspec.Meta(max_length=MAX_TEXT)
]  # a longer one is for `coerced` to cut
_ODD = (msgspec.MsgspecError, RecursionError, UnicodeError)


class Form(msgspec.Struct, rename="camel", gc=False):
    """Some members of an object in FHIR; the others are passed over."""


class Quantity(Form):
    """A number with its unit."""

    value: Any = None
    unit: Text = ""
    code: Text = ""
    comparator: Text = ""


class Rate(Quantity):
    """What is given in a time: a Quantity in mL/h or the like, or a Ratio."""

    numerator: Quantity | None = None
    denominator: Quantity | None = None


class Period(Form):
    """From when to when."""

    start: Text = ""
    end: Text = ""


class Identifier(Form):
    """A number that somebody gave."""

    system: Text = ""
    value: Text = ""


class Meta(Form):
    """Of a resource."""

    last_updated: Text = ""


class Reference(Form):
    """To another resource."""

    reference: Text = ""
    display: Text = ""


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
    period_unit: Text = ""
    period_units: Text = ""
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

    text: Text = ""
    patient_instruction: Text = ""
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


NO_QUANTITY, NO_TIMING, NO_REPEAT, NO_DISPENSE = Quantity(), Timing(), Repeat(), Dispense()
F = TypeVar("F", bound=Form)
# Some are only ever converted, and stand here so that msgspec knows them before there are threads: two that are the
# first to need a type at the same moment can end the process (msgspec 0.22).
_DECODERS: dict[type[Form], Any] = {
    kind: decoder(kind) for kind in (Quantity, Period, Meta, Reference, Dispense)
}
_INSTRUCTIONS, _IDENTIFIERS = decoder(list[Instruction]), decoder(list[Identifier])
_EMPTY: dict[type[Form], Form] = {Quantity: NO_QUANTITY, Rate: Rate()}


def filled(*forms: F | None) -> list[F]:
    """Those that say anything."""
    return [one for one in forms if one is not None and one != _EMPTY[type(one)]]


def form(kind: type[F], element: Element, name: str) -> F | None:
    """The object under a name, which may be a form already (`fhir.shape`); None where there is none."""
    value = element.get(name)
    if value is None or type(value) is kind:
        return value
    try:
        made: F = (
            _DECODERS[kind].decode(value) if type(value) is Raw else msgspec.convert(value, kind)
        )
        return made
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
    Repeat,
    Timing,
    DoseAndRate,
    Instruction,
    Dispense,
)
_MEMBERS = {kind: _members(kind) for kind in _KINDS}
