"""The RxNorm index of a site as a file, and the release that it is made from (D.6)."""

from __future__ import annotations

import json
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import IO

from msgspec import Struct

from cds_service.errors import TerminologyError
from cds_service.knowledge.words import Drug
from cds_service.terminology.codes import IndexedProduct
from cds_service.terminology.rxnorm import (
    NO_PRODUCTS,
    RxNormIndex,
    RxNormName,
    build_index,
    read_names,
    read_relations,
)

FORMAT = 1
CONSO, REL = "RXNCONSO.RRF", "RXNREL.RRF"
_DATE = re.compile(r"(?<!\d)(\d{8})(?!\d)")  # RxNorm_full_prescribe_10062025.zip
_REPORT_EVERY = 65536  # bytes between two reports of progress

Progress = Callable[[str, int, int], None]  # file, bytes read of it, all its bytes


def _silent(file: str, read: int, size: int) -> None:
    """No report."""


class _File(Struct, frozen=True):
    """One file of a release, in its folder or in its ZIP."""

    lines: Iterable[bytes]
    size: int


def import_release(
    drugs: Mapping[str, Drug],
    release: Path,
    released: date | None = None,
    progress: Progress = _silent,
) -> RxNormIndex:
    """The index from NLM's release, a folder or a ZIP; TerminologyError says what is wrong with it.

    `released` is needed only where no file name tells the date (`..._MMDDYYYY`).
    """
    when = released or release_date(release)
    if when is None:
        raise TerminologyError(
            f"{release.name}: no file name tells the date of the release; give it"
        )
    with _open(release, CONSO) as file:
        names = read_names(_text(file, CONSO, progress))
    if not names:
        raise TerminologyError(f"{CONSO} holds no RxNorm concept: is this a release of RxNorm?")
    with _open(release, REL) as file:
        index = build_index(drugs, names, read_relations(_text(file, REL, progress)), when)
    _refuse_partial(index, names)
    return index


def release_date(release: Path) -> date | None:
    """The date in the name of a release or of a file in its folder; None without one."""
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
    """Writes the index whole or not at all; TerminologyError if the folder cannot be written."""
    products = {
        code: [product.name, *product.ingredients]
        for code, product in sorted(index.products.items())
    }
    content = {"format": FORMAT, "release": index.release.isoformat(), "products": products}
    unfinished = path.with_name(f"{path.name}.part")
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            json.dump(content, file, ensure_ascii=False, separators=(",", ":"))
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise TerminologyError(f"{path.name} cannot be written: {error.strerror}") from None


def read_index(path: Path) -> RxNormIndex:
    """Read what `write_index` wrote; TerminologyError for anything else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise TerminologyError(f"{path.name}: written by another version; import RxNorm again")
        products = {
            str(code): IndexedProduct(str(name), tuple(str(i) for i in ingredients))
            for code, (name, *ingredients) in content["products"].items()
        }
        return RxNormIndex(date.fromisoformat(content["release"]), products)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise TerminologyError(
            f"{path.name}: cannot be read as an RxNorm index; import RxNorm again"
        ) from None


def _refuse_partial(index: RxNormIndex, names: Mapping[str, RxNormName]) -> None:
    """Refuse a file that was cut at the end of a line: its ingredients lead to no product."""
    if not index.products:
        raise TerminologyError(f"{CONSO} holds none of our ingredients: the file is incomplete")
    if all(names[code].type in NO_PRODUCTS for code in index.products):
        raise TerminologyError(
            f"{REL} leads from our ingredients to no product: the file is incomplete"
        )


def _text(file: _File, name: str, progress: Progress) -> Iterator[str]:
    """The lines of a file, in UTF-8; TerminologyError where it ends within a line."""
    read = reported = 0
    line = b""
    try:
        for line in file.lines:
            read += len(line)
            if read - reported >= _REPORT_EVERY:
                reported = read
                progress(name, read, file.size)
            yield line.decode("utf-8", "replace")
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError):
        raise TerminologyError(f"{name} cannot be read to its end: get the release again") from None
    if line and not line.endswith(b"\n"):
        raise TerminologyError(f"{name} ends within a line: get the release again")
    progress(name, file.size, file.size)


@contextmanager
def _open(release: Path, wanted: str) -> Iterator[_File]:
    """One file of the release."""
    # The full release carries the prescribable one in a deeper folder.
    if release.is_dir():
        paths = [p for p in release.rglob("*") if p.name.upper() == wanted]
        if not paths:
            raise TerminologyError(f"{release.name} has no {wanted}")
        path = min(paths, key=lambda p: (len(p.parts), p))
        with path.open("rb") as lines:
            yield _File(lines, path.stat().st_size)
        return
    try:
        archive = zipfile.ZipFile(release)
    except (OSError, zipfile.BadZipFile):
        raise TerminologyError(
            f"{release.name} is neither a folder nor a ZIP file, or the ZIP file is incomplete"
        ) from None
    with archive:
        inside = [i for i in archive.infolist() if i.filename.rpartition("/")[2].upper() == wanted]
        if not inside:
            raise TerminologyError(f"{release.name} has no {wanted}")
        info = min(inside, key=lambda i: (i.filename.count("/"), i.filename))
        with _member(archive, info) as raw:
            yield _File(raw, info.file_size)


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    try:
        return archive.open(info)
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        raise TerminologyError(f"{info.filename} cannot be read: get the release again") from None
