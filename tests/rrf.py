"""A small RxNorm release, made up in the shape of NLM's files."""

from __future__ import annotations

import zipfile
from pathlib import Path

CONCEPTS = [
    ("36437", "IN", "sertraline"),
    ("155137", "PIN", "sertraline hydrochloride"),
    ("900001", "SCDC", "sertraline 75 MG"),
    ("900002", "SCD", "sertraline 75 MG Oral Tablet"),
    ("900003", "SBD", "sertraline 75 MG Oral Tablet [Zoloft]"),
    ("900004", "GPCK", "{7 (sertraline 75 MG Oral Tablet) } Pack"),
    ("36438", "BN", "Zoloft"),
    ("5487", "IN", "hydrochlorothiazide"),
    ("29046", "IN", "lisinopril"),
    ("900010", "SCDC", "hydrochlorothiazide 12.5 MG"),
    ("900011", "SCDC", "lisinopril 20 MG"),
    ("900012", "SCD", "hydrochlorothiazide 12.5 MG / lisinopril 20 MG Oral Tablet"),
    ("161", "IN", "acetaminophen"),
    ("900020", "SCDC", "acetaminophen 500 MG"),
    ("900021", "SCD", "acetaminophen 500 MG Oral Tablet"),
    ("9863", "IN", "sodium chloride"),
    ("900030", "SCDC", "sodium chloride 30 MG/ML"),
    ("900031", "SCD", "250 ML sodium chloride 30 MG/ML Injection"),
    ("900032", "SCD", "sodium chloride 30 MG/ML Inhalation Solution"),
    ("900040", "IN", "bendroflumethiazide"),
    ("900041", "SCDC", "bendroflumethiazide 2.5 MG"),
    ("900042", "SCD", "bendroflumethiazide 2.5 MG Oral Tablet"),
]
RELATIONS = [
    ("36437", "155137"), ("36437", "900001"), ("900001", "900002"), ("900003", "900002"),
    ("900004", "900002"),
    ("36438", "900003"), ("36437", "36438"), ("900010", "5487"), ("900011", "29046"), ("900010", "900012"),
    ("900012", "900011"), ("161", "900020"), ("900020", "900021"), ("9863", "900030"), ("900030", "900031"),
    ("900032", "900030"), ("900040", "900041"), ("900041", "900042"),
]  # fmt: skip


def conso(rxcui: str, tty: str, name: str, source: str = "RXNORM", suppress: str = "N") -> str:
    return f"{rxcui}|ENG||||||A{rxcui}||{rxcui}||{source}|{tty}|{rxcui}|{name}||{suppress}|4096|"


def rel(first: str, second: str) -> str:
    return f"{first}||CUI|RN|{second}||CUI|constitutes|||RXNORM|RXNORM|||N||"


def files() -> dict[str, str]:
    names = [conso(*concept) for concept in CONCEPTS]
    names += [
        conso("900001", "SCDC", "other source", "MTHSPL"),
        conso("900099", "SCD", "obsolete", suppress="O"),
        "broken|line",
    ]
    return {
        "rrf/RXNCONSO.RRF": "\n".join(names) + "\n",
        "rrf/RXNREL.RRF": "\n".join(
            [*(rel(*pair) for pair in RELATIONS), rel("36437", "900099"), "broken"]
        )
        + "\n",
    }


def zipped(path: Path) -> Path:
    """The release as a ZIP file."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files().items():
            archive.writestr(name, content)
    return path
