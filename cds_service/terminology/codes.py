"""From a code to ingredients or an analyte: systems, drugs and laboratory tests (D.4 step 1)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from cds_service.knowledge.words import Drug, Lab
from cds_service.terminology.types import Coded, Coding
from cds_service.terminology.units import factor, unit_key

# ---- code systems


LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
ICD10PCS = "http://hl7.org/fhir/sid/icd-10-pcs"
ICD9 = "http://hl7.org/fhir/sid/icd-9-cm"
NDC = "http://hl7.org/fhir/sid/ndc"

ICD10_FAMILY = frozenset({ICD10CM, ICD10})

_OIDS = {
    "2.16.840.1.113883.6.1": LOINC,
    "2.16.840.1.113883.6.96": SNOMED,
    "2.16.840.1.113883.6.88": RXNORM,
    "2.16.840.1.113883.6.73": ATC,
    "2.16.840.1.113883.6.90": ICD10CM,
    "2.16.840.1.113883.6.3": ICD10,
    "2.16.840.1.113883.6.4": ICD10PCS,
    "2.16.840.1.113883.6.103": ICD9,
    "2.16.840.1.113883.6.69": NDC,
}
_EXACT = {
    uri.removeprefix("http://"): uri
    for uri in (LOINC, SNOMED, RXNORM, ATC, ICD10CM, ICD10, ICD9, NDC)
}
_BY_WORD = {"loinc": LOINC, "ln": LOINC}  # HL7 v2 writes LN
_BLANKS = re.compile(r"\s+")
_ICD10_WORD = re.compile(r"icd[-_ ]?10")
_ICD9_WORD = re.compile(r"icd[-_ ]?9")
_ICD10_CM = re.compile(r"icd[-_ ]?10[-_ ]?cm")


@lru_cache(maxsize=1024)
def canonical(system: str) -> str:
    """Returns the canonical URI of a code system; an unknown one comes back trimmed.

    Accepts the OID forms, https, a trailing slash, any case, blanks (`http: //snomed.info/sct`),
    a SNOMED edition or version behind the URI, and local systems that carry ICD in their name.
    """
    trimmed = system.strip()
    folded = _BLANKS.sub("", trimmed).lower().split("|", 1)[0].rstrip("/")
    bare = (
        folded.removeprefix("urn:oid:")
        .removeprefix("https://")
        .removeprefix("http://")
        .removeprefix("www.")
    )
    return (
        _EXACT.get(bare)
        or _EXACT.get(f"www.{bare}")
        or _OIDS.get(bare)
        or _BY_WORD.get(bare)
        or _by_name(bare)
        or trimmed.rstrip("/")
    )


def _by_name(bare: str) -> str | None:
    """National editions and local copies (`mimic-diagnosis-icd10`, `.../bfarm/icd-10-gm`)."""
    if bare.startswith("snomed.info/sct"):
        return SNOMED
    if bare.startswith(("fhir.de/codesystem/bfarm/atc", "fhir.de/codesystem/dimdi/atc")):
        return ATC
    if "pcs" in bare or bare == "cms.gov/medicare/coding/icd10":
        return ICD10PCS if "icd" in bare else None
    if _ICD10_CM.search(bare):
        return ICD10CM
    if _ICD10_WORD.search(bare):
        return ICD10
    return ICD9 if _ICD9_WORD.search(bare) else None


ATC_LENGTH = 7  # characters of a full ATC code; shorter ones name a group


class IndexedProduct(Struct, frozen=True):
    """One product of a site's RxNorm release: its official name and its shipped ingredients."""

    name: str
    ingredients: tuple[str, ...]


class CodeMatch(Struct, frozen=True):
    """The meaning of a code; `name` is the official name if an index has it."""

    ingredients: tuple[str, ...] = ()
    combination: bool = False
    name: str = ""
    step: str = ""


class CodeIndex:
    """Every code of sodium-drugs.toml, and what a site adds. Unknown codes give nothing."""

    def __init__(
        self,
        drugs: Mapping[str, Drug],
        local_codes: Mapping[tuple[str, str], Sequence[str]] | None = None,
        products: Mapping[str, IndexedProduct] | None = None,
    ) -> None:
        self._codes: dict[tuple[str, str], list[str]] = {}
        self._atc: dict[str, list[str]] = {}
        self._atc_excluded: dict[str, tuple[str, ...]] = {}
        self._several: set[tuple[str, str]] = set()
        self._combinations = {name for name, drug in drugs.items() if drug.combination}
        self._products = products or {}
        for name, drug in drugs.items():
            self._add(name, drug)
        self._local = {
            (canonical(system), code.strip()): tuple(i for i in ingredients if i in drugs)
            for (system, code), ingredients in (local_codes or {}).items()
        }

    def _add(self, name: str, drug: Drug) -> None:
        for code in (*drug.rxnorm, *drug.multi, *drug.products):
            self._codes.setdefault((RXNORM, code), []).append(name)
        self._several.update((RXNORM, code) for code in drug.multi)
        for code in drug.snomed:
            self._codes.setdefault((SNOMED, code), []).append(name)
        for code in drug.atc:
            if code.startswith("!"):
                self._atc_excluded[name] = (*self._atc_excluded.get(name, ()), code[1:])
            elif len(code) == ATC_LENGTH:
                self._codes.setdefault((ATC, code), []).append(name)
            else:
                self._atc.setdefault(code, []).append(name)

    def _of_atc_groups(self, code: str) -> CodeMatch:
        """Returns the ingredients of each group that holds an ATC code and does not exclude it."""
        names: dict[str, None] = {}
        for length in range(1, len(code) + 1):
            for name in self._atc.get(code[:length], ()):
                excluded = self._atc_excluded.get(name)
                if excluded is None or not code.startswith(excluded):
                    names[name] = None
        if not names:
            return CodeMatch((), False, step="")
        return CodeMatch(tuple(names), True, step=f"ATC group of {code}")

    def find(self, coding: Coding) -> CodeMatch:
        """Returns the ingredients of one coding; its system may be spelled in any way."""
        system, code = canonical(coding.system), coding.code.strip()
        if system == ATC:
            code = code.upper()
        local = self._local.get((system, code))
        if local:
            return CodeMatch(local, len(local) > 1, step=f"local code {code}")
        known = self._codes.get((system, code))
        if known:
            several = (
                len(known) > 1
                or (system, code) in self._several
                or not self._combinations.isdisjoint(known)
            )
            return CodeMatch(tuple(known), several, step=f"code {code}")
        if system == ATC:
            return self._of_atc_groups(code)
        if system == RXNORM and (indexed := self._products.get(code)):
            return CodeMatch(
                indexed.ingredients,
                len(indexed.ingredients) > 1,
                indexed.name,
                f"RxNorm index {code}",
            )
        return CodeMatch()


# ---- laboratory tests


LabClass = Literal["lab", "poc"]


class LabMatch(Struct, frozen=True):
    """An analyte, and whether the code means whole blood or point of care.

    A site's own word on it stands above the words of a result (F47). `codes` are given only where
    they decide what a unit means.
    """

    analyte: str
    poc: bool = False
    by_site: bool = False
    codes: tuple[str, ...] = ()


class LabResolver:
    """LOINC codes of labs.toml and a site's local ones; a name does not tell the specimen."""

    def __init__(
        self,
        labs: Mapping[str, Lab],
        local_codes: Mapping[tuple[str, str], str] | None = None,
        local_classes: Mapping[tuple[str, str], LabClass] | None = None,
    ) -> None:
        self._labs = labs
        self.lab_unit = {key: lab.unit for key, lab in labs.items()}
        self._codes: dict[tuple[str, str], LabMatch] = {
            (LOINC, code): LabMatch(key, code in lab.poc, codes=(code,) if lab.by_code else ())
            for key, lab in labs.items()
            for code in lab.loinc
        }
        self._unclassed: set[tuple[str, str]] = set()  # local codes that leave the class to others
        classes = local_classes or {}
        for (system, code), analyte in (local_codes or {}).items():
            key = canonical(system), code.strip()
            stated = classes.get((system, code))
            if analyte in labs:
                self._codes[key] = LabMatch(analyte, stated == "poc", by_site=stated is not None)
            if stated is None:
                self._unclassed.add(key)

    def unit(self, analyte: str, *recorded: str) -> str:
        """Returns the first unit that labs.toml knows, else the first that is given (C.1.2)."""
        given = [unit for unit in recorded if unit]
        lab = self._labs[analyte]
        return next(
            (unit for unit in given if factor(lab, unit) is not None), given[0] if given else ""
        )

    def by_code(self, analyte: str, codes: tuple[str, ...], *recorded: str) -> Decimal | None:
        """Returns the factor to the unit of the rules if the code says of what the number is.

        Zero if two codes of one result say two things, so that no unit fits both.
        """
        lab = self._labs[analyte]
        own = [lab.by_code.get(code, {}) for code in codes]
        keys = [unit_key(unit) for unit in recorded if unit]
        unit = next((key for key in keys if any(key in units for units in own)), "")
        factors = {units.get(unit) or lab.units.get(unit, "0") for units in own} if unit else set()
        if not factors:
            return None
        return Decimal(factors.pop()) if len(factors) == 1 else Decimal(0)

    def resolve(self, coded: Coded) -> LabMatch | None:
        """The analyte of an Observation's code; None where no coding is known or two disagree.

        Its class is the site's if it gives one, else that of LOINC codes beside it (F47).
        """
        known = [(canonical(c.system) or LOINC, c.code.strip()) for c in coded.codings]
        found = [(key, self._codes[key]) for key in known if key in self._codes]
        if len({match.analyte for _, match in found}) != 1:
            return None
        analyte = found[0][1].analyte
        codes = tuple(dict.fromkeys(code for _, match in found for code in match.codes))
        by_site = [match for _, match in found if match.by_site]
        if by_site:
            return LabMatch(analyte, all(match.poc for match in by_site), by_site=True, codes=codes)
        classed = [match for key, match in found if key not in self._unclassed]
        poc = bool(classed) and all(match.poc for match in classed)
        return LabMatch(analyte, poc, codes=codes)
