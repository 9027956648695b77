"""What of an export was not understood: codes of sodium, units, names of drugs, codes of problems.

Each concept is asked of the service's own vocabulary once, and counted if it means nothing to it.
The list is a draft of CDS_LOCAL_CODES: the first afternoon of an analyst.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, get_args

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from cds_service.knowledge.names import Analyte
from cds_service.knowledge.words import Lab
from cds_service.records.fhir_types import decode_resource, first_concept
from cds_service.terminology.codes import ATC, ICD9, ICD10_FAMILY, NDC, RXNORM, SNOMED
from cds_service.terminology.types import Coded, Product, texts_of
from cds_service.terminology.units import factor
from cds_service.terminology.vocabulary import Vocabulary

UnknownKind = Literal["sodium", "unit", "drug", "problem"]
KINDS: tuple[UnknownKind, ...] = get_args(UnknownKind)
LOCAL_COLUMNS = ("system", "code", "ingredient", "analyte", "problem", "class", "name", "times")
_DRUG_SYSTEMS = frozenset({RXNORM, ATC, NDC, SNOMED})
_PROBLEM_SYSTEMS = frozenset({*ICD10_FAMILY, ICD9, SNOMED})
_MOST = 20_000  # distinct concepts of one process that are counted
_REMEMBERED = 200_000
_MOST_IDS = 1_000_000  # of resources whose ids are compared
_LONGEST_NAME = 80
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_HEAD = (
    "# Codes of the export that nothing is known of, as a draft for CDS_LOCAL_CODES.",
    "# Check each line with the laboratory or the pharmacy. Where it is right, fill in what is",
    "# missing (an ingredient of sodium-drugs.toml, a problem of conditions.toml, lab or poc) and",
    "# take the # away. A drug or a problem that is not in those files needs no line. Lines that",
    "# begin with # are not read, so this file changes nothing as it is.",
)


class _Coded(Struct):
    """A resource that consists of its code."""

    code: Raw
    resourceType: str = "Observation"  # noqa: N815  # as FHIR writes it


class _Unit(Struct):
    unit: str = ""
    code: str = ""


_unit = msgspec.json.Decoder(_Unit).decode


class Unknown(Struct, frozen=True, kw_only=True):
    """One thing that was not understood, and how often it came."""

    kind: UnknownKind
    system: str
    code: str
    name: str
    times: int
    analyte: str = ""  # what it probably is
    lab_class: str = ""


class Unknowns:
    """Counts what the vocabulary does not understand; the same concept is asked about once."""

    def __init__(self, vocabulary: Vocabulary, labs: Mapping[str, Lab]) -> None:
        self._vocabulary = vocabulary
        self._sodium = labs[Analyte.SODIUM]
        self._asked: dict[tuple[UnknownKind, bytes], bool] = {}
        self._counts: dict[tuple[UnknownKind, bytes], int] = {}
        self._ids: dict[tuple[UnknownKind, bytes], list[int]] = {}

    def note(self, kind: UnknownKind, raw: bytes, own: str = "") -> None:
        """Counts one concept (of a unit: the quantity) if nothing is known of it.

        `own` is the id of its resource, which may come again in another file.
        """
        if not raw:
            return
        key = (kind, _unit_of(raw) if kind == "unit" else raw)
        unknown = self._asked.get(key)
        if unknown is None:
            if len(self._asked) >= _REMEMBERED:
                self._asked.clear()
            unknown = self._asked[key] = self._is_unknown(*key)
        if unknown and (key in self._counts or len(self._counts) < _MOST):
            self._counts[key] = self._counts.get(key, 0) + 1
            if own:
                self._ids.setdefault(key, []).append(_hash(own))

    def taken(self) -> dict[str, int]:
        """Returns the counts so far, by kind and concept, and begins anew."""
        counts, self._counts = self._counts, {}
        return {_name(key): number for key, number in counts.items()}

    def taken_ids(self) -> dict[str, list[int]]:
        """Returns which resources had each concept, as hashes of their ids, and begins anew."""
        ids, self._ids = self._ids, {}
        return {_name(key): found for key, found in ids.items()}

    def _is_unknown(self, kind: UnknownKind, raw: bytes) -> bool:
        if kind == "unit":
            units = raw.decode("utf-8", "replace").split("\t")
            return any(units) and all(factor(self._sodium, unit) is None for unit in units if unit)
        concept = _concept(raw)
        if concept is None:
            return False
        if kind == "sodium":
            return self._vocabulary.test(concept).maybe_sodium
        if kind == "drug":
            return self._is_unknown_drug(concept)
        return self._is_unknown_problem(concept)

    def _is_unknown_drug(self, concept: Coded) -> bool:
        """A product whose code says nothing, or without a code of a system that is read."""
        found = self._vocabulary.resolve(Product(concepts=(concept,)))
        if found.code_only:
            return True
        systems = {coding.system for coding in concept.codings if coding.code}
        return found.unrecognised is not None and systems.isdisjoint(_DRUG_SYSTEMS)

    def _is_unknown_problem(self, concept: Coded) -> bool:
        """A problem without a code of a system that is read, and whose words say nothing."""
        if self._vocabulary.problems((concept,)).concepts:
            return False
        systems = {coding.system for coding in concept.codings if coding.code}
        return systems.isdisjoint(_PROBLEM_SYSTEMS)


def _name(key: tuple[UnknownKind, bytes]) -> str:
    return f"{key[0]}\t{key[1].decode('utf-8', 'replace')}"


def _hash(own: str) -> int:
    return int.from_bytes(hashlib.blake2b(own.encode(), digest_size=6).digest())


def times_of(
    parts: Iterable[tuple[Mapping[str, int], Mapping[str, Sequence[int]]]],
) -> Counter[str]:
    """Returns how often each concept came; a resource that came in two files counts once.

    Of very many resources the ids are not compared, so that memory stays small.
    """
    times: Counter[str] = Counter()
    seen: dict[str, set[int]] = {}
    room = _MOST_IDS
    for counts, ids in parts:
        for name, number in counts.items():
            found = ids.get(name, ())
            known = seen.setdefault(name, set())
            again = sum(one in known for one in found) + len(found) - len(set(found))
            times[name] += number - again
            if room > 0:
                known.update(found)
                room -= len(found)
    return times


def _unit_of(quantity: bytes) -> bytes:
    """Returns unit and code of a quantity."""
    try:
        read = _unit(quantity)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return b"\t"
    return f"{read.unit.strip()}\t{read.code.strip()}".encode()


def _concept(raw: bytes) -> Coded | None:
    try:
        resource = decode_resource(msgspec.json.encode(_Coded(Raw(raw))))
    except msgspec.MsgspecError:
        return None
    return first_concept(resource.code) if resource is not None else None


def unknowns(counts: Mapping[str, int], vocabulary: Vocabulary) -> list[Unknown]:
    """Returns what was not understood, the most frequent of each kind first."""
    found: dict[tuple[UnknownKind, str, str], Unknown] = {}
    for key, times in counts.items():
        kind, _, raw = key.partition("\t")
        for one in _read(kind, raw, times, vocabulary):
            place = (one.kind, one.system, one.code or one.name.casefold())
            known = found.get(place)
            total = times if known is None else known.times + times
            found[place] = replace(known or one, times=total)
    return sorted(found.values(), key=lambda one: (KINDS.index(one.kind), -one.times, one.code))


def _read(kind: str, raw: str, times: int, vocabulary: Vocabulary) -> list[Unknown]:
    if kind == "unit":
        unit, _, code = raw.partition("\t")
        return [Unknown(kind="unit", system="", code=code or unit, name=unit, times=times)]
    concept = _concept(raw.encode())
    named = next((one for one in KINDS if one == kind), None)
    if concept is None or named is None:
        return []
    coding = next((one for one in concept.codings if one.code), None)
    name = next(iter(texts_of(concept)), "").strip()[:_LONGEST_NAME]
    bedside = named == "sodium" and vocabulary.test(concept).bedside
    return [
        Unknown(
            kind=named,
            system=coding.system if coding is not None else "",
            code=coding.code if coding is not None else "",
            name=name,
            times=times,
            analyte=Analyte.SODIUM.value if named == "sodium" else "",
            lab_class=("poc" if bedside else "lab") if named == "sodium" else "",
        )
    ]


def unknown_csv(listed: Iterable[Unknown]) -> str:
    """Returns everything that was not understood, for a spreadsheet."""
    rows = [
        (one.kind, _inert(one.system), _inert(one.code), _inert(one.name), one.times)
        for one in listed
    ]
    return _csv([("kind", "system", "code", "name", "times"), *rows])


def local_codes_draft(listed: Iterable[Unknown]) -> str:
    """Returns a draft of CDS_LOCAL_CODES; every line is a comment until it was checked."""
    rows = [
        (
            f"#{one.system}",
            *(one.code, "", one.analyte, ""),
            *(one.lab_class, _inert(one.name), one.times),
        )
        for one in listed
        if one.code and one.kind != "unit"
    ]
    return "".join((_csv([LOCAL_COLUMNS]), *(f"{line}\n" for line in _HEAD), _csv(rows)))


def _inert(cell: str) -> str:
    """Returns a text that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _csv(rows: Iterable[tuple[object, ...]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
