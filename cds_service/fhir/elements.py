"""Liberal access to FHIR JSON: a wrong type reads as absent, a single object as a list of one (T-46)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from itertools import islice

from cds_service.terminology.match import Coded, Coding

Element = Mapping[str, object]

# Technical bounds, not clinical ones (T-45): longer words are cut, longer lists read to here.
MAX_TEXT = 1000
MAX_ITEMS = 2000
_MAX_DIGITS = 64
_MAX_EXPONENT = 12

_NO_CODE = "data-absent-reason"  # a coding of this system says that there is no code
_SYSTEMS = {
    "2.16.840.1.113883.6.88": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "2.16.840.1.113883.6.96": "http://snomed.info/sct",
    "2.16.840.1.113883.6.1": "http://loinc.org",
    "2.16.840.1.113883.6.90": "http://hl7.org/fhir/sid/icd-10-cm",
    "2.16.840.1.113883.6.3": "http://hl7.org/fhir/sid/icd-10",
    "2.16.840.1.113883.6.69": "http://hl7.org/fhir/sid/ndc",
    "2.16.840.1.113883.6.73": "http://www.whocc.no/atc",
    "2.16.840.1.113883.4.9": "http://fdasis.nlm.nih.gov",
}
_KNOWN = frozenset(_SYSTEMS.values())


def text(element: Element, name: str) -> str:
    """A string without surrounding blanks, cut at MAX_TEXT; "" for anything else."""
    value = element.get(name)
    return value[:MAX_TEXT].strip() if isinstance(value, str) else ""


def flag(element: Element, name: str) -> bool:
    """Whether a boolean is there and true."""
    return element.get(name) is True


def number(element: Element, name: str) -> Decimal | None:
    """A JSON number as it was recorded; None for strings, booleans, NaN and numbers beyond all sense."""
    value = element.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        exact = value if isinstance(value, Decimal) else Decimal(str(value))
    except (InvalidOperation, ValueError):
        return None
    if not exact.is_finite() or len(exact.as_tuple().digits) > _MAX_DIGITS:
        return None
    return exact if not exact or abs(exact.adjusted()) <= _MAX_EXPONENT else None


def items(element: Element, name: str) -> tuple[Element, ...]:
    """The objects of a list, or a single object as a list of one; other members are left out."""
    value = element.get(name)
    if isinstance(value, list):
        return tuple(item for item in islice(value, MAX_ITEMS) if isinstance(item, dict))
    return (value,) if isinstance(value, dict) else ()


def child(element: Element, name: str) -> Element:
    """An object, or the first object of a list; an empty one for anything else."""
    found = items(element, name)
    return found[0] if found else {}


def concept(element: Element) -> Coded | None:
    """A CodeableConcept; None where it holds neither a code nor a word."""
    codings = tuple(c for c in map(coding, items(element, "coding")) if c is not None)
    words = text(element, "text")
    return Coded(codings=codings, text=words) if codings or words else None


def coding(element: Element) -> Coding | None:
    """One Coding; None where it holds neither code nor display, or says that there is no code."""
    system, code, display = canonical(text(element, "system")), text(element, "code"), text(element, "display")
    if system.endswith(_NO_CODE) or not (code or display):
        return None
    return Coding(system=system, code=code, display=display)


def concepts(element: Element, *names: str) -> tuple[Coded, ...]:
    """Every CodeableConcept under these names; a list and a single object read the same."""
    found = (concept(item) for name in names for item in items(element, name))
    return tuple(c for c in found if c is not None)


def concept_of(element: Element, name: str) -> Coded | None:
    """The first CodeableConcept under a name; a bare string is its text (DSTU2, STU3 codes)."""
    words = text(element, name)
    return Coded(text=words) if words else next(iter(concepts(element, name)), None)


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


@lru_cache(maxsize=512)
def canonical(system: str) -> str:
    """A code system's URI in one form: OIDs resolved, no blanks, no trailing slash."""
    bare = system.replace(" ", "").rstrip("/")
    plain = "http://" + bare.removeprefix("https://")
    return plain if plain in _KNOWN else _SYSTEMS.get(bare.removeprefix("urn:oid:"), bare)
