"""Code systems under one canonical name, however a record spells them."""

from __future__ import annotations

import re
from functools import lru_cache

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
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
    "2.16.840.1.113883.6.103": ICD9,
    "2.16.840.1.113883.6.69": NDC,
}
_EXACT = {
    uri.removeprefix("http://"): uri
    for uri in (LOINC, SNOMED, RXNORM, ATC, ICD10CM, ICD10, ICD9, NDC)
}
_BLANKS = re.compile(r"\s+")
_ICD10_WORD = re.compile(r"icd[-_ ]?10")
_ICD9_WORD = re.compile(r"icd[-_ ]?9")
_ICD10_CM = re.compile(r"icd[-_ ]?10[-_ ]?cm")


@lru_cache(maxsize=1024)
def canonical(system: str) -> str:
    """The canonical URI of a code system; an unknown one comes back trimmed.

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
        or _by_name(bare)
        or trimmed.rstrip("/")
    )


def _by_name(bare: str) -> str | None:
    """National editions and local copies (`mimic-diagnosis-icd10`, `.../bfarm/icd-10-gm`)."""
    if bare.startswith("snomed.info/sct"):
        return SNOMED
    if bare.startswith(("fhir.de/codesystem/bfarm/atc", "fhir.de/codesystem/dimdi/atc")):
        return ATC
    if "pcs" in bare:
        return None
    if _ICD10_CM.search(bare):
        return ICD10CM
    if _ICD10_WORD.search(bare):
        return ICD10
    return ICD9 if _ICD9_WORD.search(bare) else None
