"""Liberal access to FHIR JSON: a wrong type reads as absent, a single object as a list of one (T-46)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from itertools import islice
from typing import cast

from msgspec import Raw

from cds_service.errors import BadRequest
from cds_service.protocol.wire import decode
from cds_service.terminology.match import Coded, Coding
from cds_service.terminology.systems import canonical

Element = Mapping[str, object]

# Technical bounds, not clinical ones (T-45): longer words are cut, longer lists read to here.
MAX_TEXT = 1000
MAX_ITEMS = 2000
_MAX_DIGITS = 64  # of a number as it prints
_MAX_EXPONENT = 12
_PLAIN_BELOW = 10**_MAX_EXPONENT

_MORE_THAN_CONCEPT = re.compile(
    rb'"(?:reference|concept)"'
)  # a reference, or R5's CodeableReference
_NO_CODE = "data-absent-reason"  # a coding of this system says that there is no code

# Concepts repeat from call to call: the same JSON is the same concept (docs/decisions/0006). Longer ones are
# somebody's prose and are not kept.
_REMEMBERED = 4096
_MAX_REMEMBERED = 1000


def value_of(element: Element, name: str) -> object:
    """A member as JSON; one that `fhir.shape` left undecoded is decoded now, once."""
    value = element.get(name)
    return _opened(element, name, value) if type(value) is Raw else value


def _opened(element: Element, name: str, raw: Raw) -> object:
    value = opened_json(bytes(raw))
    cast("dict[str, object]", element)[name] = value
    return value


def opened_json(raw: bytes) -> object:
    """What was left undecoded; None where it is no JSON that we read: it costs itself, not the call."""
    try:
        return cast("object", decode(raw))
    except BadRequest:
        return None


def text(element: Element, name: str) -> str:
    """A string without surrounding blanks, cut at MAX_TEXT; "" for anything else."""
    value = element.get(name)
    if type(value) is str:
        return value.strip() if len(value) <= MAX_TEXT else value[:MAX_TEXT].strip()
    if type(value) is Raw:
        value = _opened(element, name, value)
    return trimmed(value) if isinstance(value, str) else ""


def trimmed(recorded: str) -> str:
    """A string as it is read: without surrounding blanks, cut at MAX_TEXT."""
    return recorded.strip() if len(recorded) <= MAX_TEXT else recorded[:MAX_TEXT].strip()


def flag(element: Element, name: str) -> bool:
    """Whether a boolean is there and true."""
    return value_of(element, name) is True


def number(element: Element, name: str) -> Decimal | None:
    """A JSON number as it was recorded; None for strings, booleans, NaN and numbers beyond all sense."""
    return exact(value_of(element, name))


def exact(value: object) -> Decimal | None:
    """A value as a number, where it is one."""
    if type(value) is int and -_PLAIN_BELOW < value < _PLAIN_BELOW:
        return Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        exact = value if isinstance(value, Decimal) else Decimal(str(value))
    except (InvalidOperation, ValueError):
        return None
    if not exact.is_finite() or len(str(exact)) > _MAX_DIGITS:
        return None
    return exact if abs(exact.adjusted()) <= _MAX_EXPONENT else None


def items(element: Element, name: str) -> tuple[Element, ...]:
    """The objects of a list, or a single object as a list of one; other members are left out."""
    value = element.get(name)
    if type(value) is Raw:
        value = _opened(element, name, value)
    if isinstance(value, dict):
        return (value,)
    if not isinstance(value, list):
        return ()
    return tuple([item for item in islice(value, MAX_ITEMS) if isinstance(item, dict)])


def child(element: Element, name: str) -> Element:
    """An object, or the first object of a list; an empty one for anything else."""
    value = element.get(name)
    if type(value) is Raw:
        value = _opened(element, name, value)
    if isinstance(value, dict):
        return value
    if not isinstance(value, list):
        return {}
    return next((item for item in value[:MAX_ITEMS] if isinstance(item, dict)), {})


def concept(element: Element) -> Coded | None:
    """A CodeableConcept; None where it holds neither a code nor a word."""
    codings = tuple([c for c in map(coding, items(element, "coding")) if c is not None])
    words = text(element, "text")
    return Coded(codings=codings, text=words) if codings or words else None


def coding(element: Element) -> Coding | None:
    """One Coding; None where it holds neither code nor display, or says that there is no code."""
    code, display = text(element, "code"), text(element, "display")
    system = canonical(text(element, "system"))
    if system.endswith(_NO_CODE) or not (code or display):
        return None
    return Coding(system=system, code=code, display=display)


def concepts(element: Element, *names: str) -> tuple[Coded, ...]:
    """Every CodeableConcept under these names; a list and a single object read the same."""
    found: tuple[Coded, ...] = ()
    for name in names:
        value = element.get(name)
        if type(value) is Raw and len(raw := bytes(value)) <= _MAX_REMEMBERED:
            found += _concepts_in(raw)
        elif value is not None:
            found += _concepts(items(element, name))
    return found


def concepts_in(raw: Raw) -> tuple[Coded, ...]:
    """Every CodeableConcept of a member that was left undecoded."""
    value = bytes(raw)
    return _concepts_in(value) if len(value) <= _MAX_REMEMBERED else _concepts_in.__wrapped__(value)


def concept_in(raw: Raw) -> Coded | None:
    """The first CodeableConcept of a member that was left undecoded."""
    value = bytes(raw)
    return _concept_in(value) if len(value) <= _MAX_REMEMBERED else _concept_in.__wrapped__(value)


def plain_concepts(element: Element, name: str) -> tuple[Coded, ...]:
    """The concepts under a name that was left undecoded, where they are nothing but concepts; else none."""
    value = element.get(name)
    return (
        _plain_in(raw) if type(value) is Raw and len(raw := bytes(value)) <= _MAX_REMEMBERED else ()
    )


@lru_cache(maxsize=_REMEMBERED)
def _plain_in(raw: bytes) -> tuple[Coded, ...]:
    return () if _MORE_THAN_CONCEPT.search(raw) else _concepts_in(raw)


def _concepts(elements: tuple[Element, ...]) -> tuple[Coded, ...]:
    return tuple([c for c in map(concept, elements) if c is not None])


@lru_cache(maxsize=_REMEMBERED)
def _concepts_in(raw: bytes) -> tuple[Coded, ...]:
    return _concepts(items({"in": opened_json(raw)}, "in"))


def concept_of(element: Element, name: str) -> Coded | None:
    """The first CodeableConcept under a name; a bare string is its text (DSTU2, STU3 codes)."""
    value = element.get(name)
    if type(value) is Raw and len(raw := bytes(value)) <= _MAX_REMEMBERED:
        return _concept_in(raw)
    words = text(element, name)
    if words:
        return Coded(text=words)
    inner = child(element, name)
    return concept(inner) if inner else None


@lru_cache(maxsize=_REMEMBERED)
def _concept_in(raw: bytes) -> Coded | None:
    return concept_of({"in": opened_json(raw)}, "in")


@lru_cache(maxsize=_REMEMBERED)
def codes(coded: Coded | None) -> frozenset[str]:
    """Codes and text of a concept in lower case, for small closed lists such as clinicalStatus."""
    if coded is None:
        return frozenset()
    return frozenset(
        word.lower() for word in (coded.text, *(c.code for c in coded.codings)) if word
    )


def words_of(coded: Coded | None) -> str:
    """Everything a concept says in words, lower case."""
    if coded is None:
        return ""
    return " ".join((coded.text, *(c.display for c in coded.codings))).lower()
