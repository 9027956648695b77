"""Liberal access to FHIR JSON: a wrong type reads as absent, a single object as a list of one (T-46)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from itertools import islice

from cds_service.terminology.match import Coded, Coding
from cds_service.terminology.systems import canonical

Element = Mapping[str, object]

# Technical bounds, not clinical ones (T-45): longer words are cut, longer lists read to here.
MAX_TEXT = 1000
MAX_ITEMS = 2000
_MAX_DIGITS = 64  # of a number as it prints
_MAX_EXPONENT = 12

_NO_CODE = "data-absent-reason"  # a coding of this system says that there is no code


def text(element: Element, name: str) -> str:
    """A string without surrounding blanks, cut at MAX_TEXT; "" for anything else."""
    value = element.get(name)
    if not isinstance(value, str):
        return ""
    return value.strip() if len(value) <= MAX_TEXT else value[:MAX_TEXT].strip()


def flag(element: Element, name: str) -> bool:
    """Whether a boolean is there and true."""
    return element.get(name) is True


def number(element: Element, name: str) -> Decimal | None:
    """A JSON number as it was recorded; None for strings, booleans, NaN and numbers beyond all sense."""
    value = element.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    if isinstance(value, float):
        value = str(value)
    try:
        exact = value if isinstance(value, Decimal) else Decimal(value)
    except (InvalidOperation, ValueError):
        return None
    if not exact.is_finite() or len(str(exact)) > _MAX_DIGITS:
        return None
    return exact if abs(exact.adjusted()) <= _MAX_EXPONENT else None


def items(element: Element, name: str) -> tuple[Element, ...]:
    """The objects of a list, or a single object as a list of one; other members are left out."""
    value = element.get(name)
    if isinstance(value, dict):
        return (value,)
    if not isinstance(value, list):
        return ()
    return tuple(item for item in islice(value, MAX_ITEMS) if isinstance(item, dict))


def child(element: Element, name: str) -> Element:
    """An object, or the first object of a list; an empty one for anything else."""
    value = element.get(name)
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
    found = [concept(item) for name in names if name in element for item in items(element, name)]
    return tuple([c for c in found if c is not None])


def concept_of(element: Element, name: str) -> Coded | None:
    """The first CodeableConcept under a name; a bare string is its text (DSTU2, STU3 codes)."""
    words = text(element, name)
    if words:
        return Coded(text=words)
    inner = child(element, name)
    return concept(inner) if inner else None


def codes(coded: Coded | None) -> frozenset[str]:
    """Codes and text of a concept in lower case, for small closed lists such as clinicalStatus."""
    if coded is None:
        return frozenset()
    return frozenset(word.lower() for word in (coded.text, *(c.code for c in coded.codings)) if word)


def words_of(coded: Coded | None) -> str:
    """Everything a concept says in words, lower case."""
    if coded is None:
        return ""
    return " ".join((coded.text, *(c.display for c in coded.codings))).lower()
