"""From the lines of an RxNorm release to an index of product codes (D.6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date

from msgspec import Struct

from cds_service.knowledge.words import Drug
from cds_service.terminology.codes import IndexedProduct
from cds_service.terminology.text import fold

_SOURCE = "RXNORM"
_CURRENT = frozenset({"", "N"})  # SUPPRESS: neither obsolete nor suppressed
_ENGLISH = "ENG"

# Columns of RXNCONSO.RRF and RXNREL.RRF (RxNorm technical documentation, section 12).
_CONSO = {"rxcui": 0, "language": 1, "source": 11, "type": 12, "name": 14, "suppress": 16}
_REL = {"first": 0, "second": 4, "source": 10, "suppress": 14}

# A relation is followed only to a higher step: no walk comes back down to another ingredient.
_STEPS = {
    **dict.fromkeys(("IN",), 0),
    **dict.fromkeys(("PIN", "MIN"), 1),
    **dict.fromkeys(("SCDC", "SCDF", "SCDG", "SCDFP", "SCDGP"), 2),
    **dict.fromkeys(("SBDC", "SBDF", "SBDG", "SBDFP"), 3),
    **dict.fromkeys(("SCD",), 4),
    **dict.fromkeys(("SBD",), 5),
    **dict.fromkeys(("GPCK",), 6),
    **dict.fromkeys(("BPCK",), 7),
}
_INGREDIENTS = frozenset({"IN", "PIN"})
NO_PRODUCTS = _INGREDIENTS | {"MIN"}


class RxNormName(Struct, frozen=True):
    """One current RxNorm concept."""

    type: str
    name: str


class RxNormIndex(Struct, frozen=True):
    """The products of the shipped ingredients in one release."""

    release: date
    products: Mapping[str, IndexedProduct]


def read_names(lines: Iterable[str]) -> dict[str, RxNormName]:
    """The current English concepts of RxNorm itself, by RxCUI, from the lines of RXNCONSO."""
    names = {}
    for row in _rows(lines, max(_CONSO.values())):
        own = row[_CONSO["source"]] == _SOURCE and row[_CONSO["language"]] == _ENGLISH
        if own and row[_CONSO["suppress"]] in _CURRENT and row[_CONSO["type"]] in _STEPS:
            names[row[_CONSO["rxcui"]]] = RxNormName(row[_CONSO["type"]], row[_CONSO["name"]])
    return names


def read_relations(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Pairs of related RxCUIs of RXNREL; which way a relation is written does not matter here."""
    for row in _rows(lines, max(_REL.values())):
        first, second = row[_REL["first"]], row[_REL["second"]]
        if (
            first
            and second
            and row[_REL["source"]] == _SOURCE
            and row[_REL["suppress"]] in _CURRENT
        ):
            yield first, second


def build_index(
    drugs: Mapping[str, Drug],
    names: Mapping[str, RxNormName],
    relations: Iterable[tuple[str, str]],
    release: date,
) -> RxNormIndex:
    """Every product that contains a shipped ingredient, with all shipped ingredients in it."""
    upwards: dict[str, set[str]] = {}
    for first, second in relations:
        if first in names and second in names:
            difference = _STEPS[names[first].type] - _STEPS[names[second].type]
            if difference:
                low, high = (second, first) if difference > 0 else (first, second)
                upwards.setdefault(low, set()).add(high)
    found: dict[str, list[str]] = {}
    for drug, starts in _starts(drugs, names).items():
        for rxcui in _reached(starts, upwards):
            found.setdefault(rxcui, []).append(drug)
    products = {
        rxcui: IndexedProduct(names[rxcui].name, tuple(drugs_in))
        for rxcui, drugs_in in found.items()
    }
    return RxNormIndex(release, products)


def _starts(drugs: Mapping[str, Drug], names: Mapping[str, RxNormName]) -> dict[str, set[str]]:
    """The ingredient concepts of each drug: by code, and by name where no code is shipped."""
    by_name: dict[str, list[str]] = {}
    for rxcui, concept in names.items():
        if concept.type in _INGREDIENTS:
            by_name.setdefault(fold(concept.name), []).append(rxcui)
    starts = {}
    for key, drug in drugs.items():
        codes = {code for code in drug.rxnorm if code in names}
        codes.update(code for name in (key, *drug.names) for code in by_name.get(fold(name), ()))
        starts[key] = set() if drug.combination else codes
    return starts


def _reached(starts: set[str], upwards: Mapping[str, set[str]]) -> set[str]:
    reached = set(starts)
    waiting = list(starts)
    while waiting:
        fresh = upwards.get(waiting.pop(), set()) - reached
        reached |= fresh
        waiting.extend(fresh)
    return reached


def _rows(lines: Iterable[str], last: int) -> Iterator[list[str]]:
    for line in lines:
        row = line.rstrip("\r\n").split("|")
        if len(row) > last:
            yield row
