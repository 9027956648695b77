"""What a site adds to our codes: local codes, and the index of its RxNorm release (D.6)."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import quote

from msgspec import Struct, field
from msgspec.structs import replace

from cds_service.errors import TerminologyError
from cds_service.knowledge.load import Knowledge
from cds_service.knowledge.words import Terms
from cds_service.records.rxnorm_files import read_index
from cds_service.terminology.codes import (
    CodeIndex,
    IndexedProduct,
    LabClass,
    LabResolver,
    canonical,
)
from cds_service.terminology.concepts import ProblemCodes
from cds_service.terminology.types import Coded, Coding
from cds_service.terminology.vocabulary import NO_LOCAL_CODES, LocalCodes

_KEYS = ("system", "code")
_FILES = {
    "ingredient": "sodium-drugs.toml",
    "analyte": "labs.toml",
    "problem": "conditions.toml",
}
_LIKE = 0.7  # from 0 to 1: how much alike a name must be that is meant
_MEANINGS = ("ingredient", "analyte", "problem")
_CLASS = "class"  # of a laboratory code: lab or poc (F47)
_CLASSES: dict[str, LabClass] = {"lab": "lab", "poc": "poc"}
_SEPARATORS = re.compile(r"([\\,|$])")  # of a FHIR token list
_ASKED = re.compile(r"([?&]code=)([^&]*)")
_Key = tuple[str, str]


class SiteCodes(Struct, frozen=True, kw_only=True):
    """The codes of a site, and the date of its RxNorm release where it has an index."""

    local: LocalCodes = NO_LOCAL_CODES
    release: date | None = None
    asked: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # prefetch key -> tokens to search for


def site_codes(
    terms: Terms,
    index: Path | None = None,
    codes: Path | None = None,
    named: Callable[[str], AbstractContextManager[None]] = lambda _: nullcontext(),
) -> SiteCodes:
    """Read and check both files; TerminologyError names the file, and the line if it has lines.

    `named` puts the variable of a setting before it, if the files are those of the settings.
    """
    with named("local_codes"):
        read = _local_codes(codes, terms) if codes is not None else _Read()
    with named("rxnorm_index"):
        found = read_index(index) if index is not None else None
    products = _of_known_drugs(found.products, terms) if found is not None else {}
    return SiteCodes(
        local=LocalCodes(
            labs=read.labs,
            lab_classes=read.classes,
            drugs=read.drugs,
            problems=read.problems,
            products=products,
        ),
        release=found.release if found is not None else None,
        asked={key: tuple(tokens) for key, tokens in read.asked.items()},
    )


def asking_for(knowledge: Knowledge, site: SiteCodes) -> Knowledge:
    """Knowledge whose prefetch searches for the site's own codes too, as others are never read."""
    services = {}
    for id_, service in knowledge.services.items():
        prefetch = {
            key: _asking(template, site.asked.get(key, ()))
            for key, template in service.prefetch.items()
        }
        services[id_] = replace(service, prefetch=prefetch)
    return replace(knowledge, services=services)


def _asking(template: str, tokens: tuple[str, ...]) -> str:
    return (
        _ASKED.sub(lambda found: found[1] + ",".join((found[2], *tokens)), template)
        if tokens
        else template
    )


def _of_known_drugs(
    products: Mapping[str, IndexedProduct], terms: Terms
) -> dict[str, IndexedProduct]:
    """The products without ingredients that sodium-drugs.toml has dropped since the import."""
    kept = {}
    for code, product in products.items():
        ingredients = tuple(name for name in product.ingredients if name in terms.drugs)
        if ingredients:
            kept[code] = IndexedProduct(product.name, ingredients)
    return kept


class _Read(Struct):
    """What the file of local codes says."""

    labs: dict[_Key, str] = field(default_factory=dict)
    classes: dict[_Key, LabClass] = field(default_factory=dict)
    drugs: dict[_Key, list[str]] = field(default_factory=dict)
    problems: dict[_Key, list[str]] = field(default_factory=dict)
    asked: dict[str, dict[str, None]] = field(default_factory=dict)  # what to search for

    def contradicts(self, key: _Key, kind: str, name: str) -> bool:
        """Returns whether an earlier row says another kind of the code, or another analyte."""
        by_kind: dict[str, Mapping[_Key, object]] = {
            "ingredient": self.drugs,
            "analyte": self.labs,
            "problem": self.problems,
        }
        others = any(key in rows for other, rows in by_kind.items() if other != kind)
        return others or (kind == "analyte" and self.labs.get(key, name) != name)


def _local_codes(path: Path, terms: Terms) -> _Read:
    """Reads the file; a code of a drug or of a problem may have several lines and meanings."""
    read = _Read()
    shipped = _Shipped(terms)
    for place, row in _rows(path):
        key = canonical(row["system"]), row["code"]
        kind, name = _meaning(row, terms, place)
        if shipped.contradicts(key, name) or read.contradicts(key, kind, name):
            raise TerminologyError(f"{place}: the code has another meaning already")
        if kind == "ingredient":
            read.drugs.setdefault(key, []).append(name)
        elif kind == "problem":
            read.problems.setdefault(key, []).append(name)
        else:
            read.labs[key] = name
            _add_class(read, key, row[_CLASS].lower(), place)
            tokens = read.asked.setdefault(terms.labs[name].prefetch, {})
            tokens[_token(row["system"], row["code"])] = None
    return read


def _meaning(row: Mapping[str, str], terms: Terms, place: str) -> tuple[str, str]:
    """Returns which column says what the code of a row means, and the name of ours in it."""
    named = [(kind, row[kind].lower()) for kind in _MEANINGS if row[kind]]
    if not row["code"] or len(named) != 1:
        raise TerminologyError(
            f"{place}: needs a code, and an ingredient, an analyte or a problem: one of the three"
        )
    kind, name = named[0]
    known: Mapping[str, Iterable[str]] = {
        "ingredient": terms.drugs,
        "analyte": terms.labs,
        "problem": terms.concepts,
    }
    if name not in known[kind]:
        raise TerminologyError(
            f"{place}: '{row[kind]}' is no {kind} of {_FILES[kind]}{_nearest(name, known[kind])}"
        )
    return kind, name


def _nearest(given: str, known: Iterable[str]) -> str:
    """Returns the end of a sentence that names the names most like one that is not there."""
    near = get_close_matches(given, list(known), n=3, cutoff=_LIKE)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _add_class(read: _Read, key: _Key, stated: str, place: str) -> None:
    """Keeps the class that a row states; a row without one leaves it to LOINC beside the code."""
    if stated not in ("", *_CLASSES):
        raise TerminologyError(f"{place}: '{stated}' is no class; allowed: lab, poc")
    if stated:
        read.classes[key] = _CLASSES[stated]


def _token(system: str, code: str) -> str:
    """`system|code` as a search has it, in the site's own spelling, because servers compare it."""
    return "|".join(quote(_SEPARATORS.sub(r"\\\1", part), safe=":/.-_~") for part in (system, code))


class _Shipped:
    """What our own files say of a code: a site adds codes, and changes the meaning of none."""

    def __init__(self, terms: Terms) -> None:
        self._labs = LabResolver(terms.labs)
        self._drugs = CodeIndex(terms.drugs)
        self._problems = ProblemCodes(terms.concepts)

    def contradicts(self, key: _Key, meaning: str) -> bool:
        coding = Coding(*key)
        lab = self._labs.resolve(Coded(codings=(coding,)))
        known = {lab.analyte} if lab is not None else set(self._drugs.find(coding).ingredients)
        known |= self._problems.of(coding).found
        return bool(known) and meaning not in known


def _rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Each row as (file and line, trimmed cells by column), but for blank ones and "#" ones."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            columns = [name.strip().lower() for name in next(reader, [])]
            if not set(_KEYS) <= set(columns) or set(_MEANINGS).isdisjoint(columns):
                raise TerminologyError(
                    f"{path.name}, line 1: needs the columns system, code, and ingredient, "
                    "analyte or problem"
                )
            for cells in filter(_holds_values, reader):
                place = f"{path.name}, line {reader.line_num}"
                yield place, _row(place, columns, cells)
    except OSError as error:
        raise TerminologyError(f"{path.name} cannot be read: {error.strerror}") from None
    except csv.Error as error:
        raise TerminologyError(f"{path.name}, line {reader.line_num}: {error}") from None
    except UnicodeDecodeError:
        raise TerminologyError(f"{path.name} is not UTF-8") from None


def _holds_values(cells: list[str]) -> bool:
    return any(cell.strip() for cell in cells) and not cells[0].lstrip().startswith("#")


def _row(place: str, columns: list[str], cells: list[str]) -> dict[str, str]:
    if len(cells) != len(columns):
        raise TerminologyError(f"{place}: {len(cells)} cells, but {len(columns)} columns")
    values = {column: cell.strip() for column, cell in zip(columns, cells, strict=True)}
    return dict.fromkeys((*_MEANINGS, _CLASS), "") | values
