"""The RxNorm index of a site as a file, and the release folder or ZIP that it is made from."""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path

from cds_service.errors import KnowledgeError
from cds_service.knowledge.terms import Drug
from cds_service.terminology.codes import IndexedProduct
from cds_service.terminology.rxnorm import RxNormIndex, build_index, read_names, read_relations

FORMAT = 1
_CONSO, _REL = "RXNCONSO.RRF", "RXNREL.RRF"
_DATE = re.compile(r"(?<!\d)(\d{8})(?!\d)")  # RxNorm_full_prescribe_10062025.zip


def import_release(drugs: Mapping[str, Drug], release: Path, released: date | None = None) -> RxNormIndex:
    """Build the index from NLM's release, a folder or a ZIP; KnowledgeError says what is missing.

    `released` is needed only where no file name tells the date (`..._MMDDYYYY`).
    """
    when = released or release_date(release)
    if when is None:
        raise KnowledgeError("the RxNorm release names no date: give the date of the release")
    with _lines(release, _CONSO) as lines:
        names = read_names(lines)
    with _lines(release, _REL) as lines:
        return build_index(drugs, names, read_relations(lines), when)


def release_date(release: Path) -> date | None:
    """The date in the name of a release, or of a file in its folder; None where there is none."""
    names = [release.name]
    if release.is_dir():
        names.extend(sorted(path.name for path in release.rglob("*")))
    for name in names:
        for digits in _DATE.findall(name):
            try:
                return datetime.strptime(digits, "%m%d%Y").date()
            except ValueError:
                continue
    return None


def write_index(index: RxNormIndex, path: Path) -> None:
    """Write the index whole or not at all."""
    products = {
        code: [product.name, *product.ingredients] for code, product in sorted(index.products.items())
    }
    content = {"format": FORMAT, "release": index.release.isoformat(), "products": products}
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
    os.replace(unfinished, path)


def read_index(path: Path) -> RxNormIndex:
    """Read what `write_index` wrote; KnowledgeError for anything else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise KnowledgeError(f"{path.name}: written by another version; import RxNorm again")
        products = {
            str(code): IndexedProduct(str(name), tuple(str(i) for i in ingredients))
            for code, (name, *ingredients) in content["products"].items()
        }
        return RxNormIndex(date.fromisoformat(content["release"]), products)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise KnowledgeError(f"{path.name}: cannot be read as an RxNorm index; import RxNorm again") from None


@contextmanager
def _lines(release: Path, wanted: str) -> Iterator[Iterator[str]]:
    """The lines of one file of the release."""
    if release.is_dir():
        path = next((p for p in sorted(release.rglob("*")) if p.name.upper() == wanted), None)
        if path is None:
            raise KnowledgeError(f"the RxNorm release has no {wanted}")
        with path.open(encoding="utf-8", errors="replace") as lines:
            yield lines
        return
    try:
        archive = zipfile.ZipFile(release)
    except (OSError, zipfile.BadZipFile):
        raise KnowledgeError("the RxNorm release is neither a folder nor a ZIP file") from None
    with archive:
        name = next((n for n in archive.namelist() if n.rpartition("/")[2].upper() == wanted), None)
        if name is None:
            raise KnowledgeError(f"the RxNorm release has no {wanted}")
        with archive.open(name) as raw, io.TextIOWrapper(raw, encoding="utf-8", errors="replace") as lines:
            yield lines
