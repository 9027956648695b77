"""The files that a run leaves for people: the page, figures, codes, and rows if asked for."""

from __future__ import annotations

import csv
import importlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from cds_service.backtest.figures import Report, figures_csv, report_of
from cds_service.backtest.page import report_page
from cds_service.backtest.reviewed import Reviewed
from cds_service.backtest.rows import Row, Run, write_whole
from cds_service.backtest.unknown import Unknown, local_codes_draft, unknown_csv, unknowns
from cds_service.knowledge.load import Knowledge
from cds_service.terminology.vocabulary import Vocabulary

PAGE, FIGURES = "report.html", "figures.csv"
UNKNOWN, LOCAL_CODES = "not-understood.csv", "local-codes.csv"
ROW_COLUMNS = (
    "patient", "at", "kind", "hook", "profile", "knowledge", "setting", "age", "sodium", "level",
    "rule", "variant", "indicator", "topic", "held", "unread", "guessed",
)  # fmt: skip
_AT_ONCE = 50_000
_OWNER_ONLY = 0o600


class Results(Struct, frozen=True):
    """The files that were written, the page first, and what they say."""

    files: tuple[Path, ...]
    report: Report


def write_results(
    run: Run,
    knowledge: Knowledge,
    vocabulary: Vocabulary,
    *,
    reviewed: Reviewed | None = None,
    rows: bool = False,
) -> Results:
    """Writes the files into the folder of a run.

    What is about few patients, or may name one, is below `private/` only.
    """
    found = not_understood(run, vocabulary)
    report = report_of(run, found, reviewed)
    root, private = run.folder.root, run.folder.private
    files = {
        root / PAGE: report_page(report, knowledge),
        root / FIGURES: figures_csv(report),
        root / UNKNOWN: unknown_csv(report.unknown),
        root / LOCAL_CODES: local_codes_draft(report.unknown),
        private / UNKNOWN: unknown_csv(found),
        private / LOCAL_CODES: local_codes_draft(found),
    }
    for path, text in files.items():
        write_whole(path, text.encode())
    told = tuple(path for path in files if path.parent == root)
    return Results((*told, write_all_rows(run)) if rows else told, report)


def not_understood(run: Run, vocabulary: Vocabulary) -> list[Unknown]:
    """Returns everything of the export of which nothing is known."""
    path = run.folder.unknown_file
    counts = msgspec.json.decode(path.read_bytes(), type=dict[str, int]) if path.exists() else {}
    return unknowns(counts, vocabulary)


# ---- rows, if they are asked for


def write_all_rows(run: Run) -> Path:
    """Writes a line for each card; as Parquet if the extra is installed, else as CSV.

    Patients are keyed hashes; the key is `private/key`, and does not leave the folder with them.
    """
    try:
        parquet: Any = importlib.import_module("pyarrow.parquet")
        arrow: Any = importlib.import_module("pyarrow")
    except ImportError:
        return _as_csv(run)
    return _as_parquet(run, arrow, parquet)


def _as_csv(run: Run) -> Path:
    path = run.folder.root / "rows.csv"
    draft = path.with_name(f".{path.name}.part")
    with draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(ROW_COLUMNS)
        writer.writerows(map(_as_text, _lines(run.rows())))
    draft.chmod(_OWNER_ONLY)
    draft.replace(path)
    return path


def _as_parquet(run: Run, arrow: Any, parquet: Any) -> Path:
    path = run.folder.root / "rows.parquet"
    draft = path.with_name(f".{path.name}.part")
    types = {"at": arrow.timestamp("us", tz="UTC"), "sodium": arrow.float64()}
    schema = arrow.schema([(name, types.get(name, arrow.string())) for name in ROW_COLUMNS])
    with parquet.ParquetWriter(draft, schema) as writer:
        for lines in _batches(_lines(run.rows())):
            columns = map(list, zip(*lines, strict=True))
            typed = [arrow.array(c, field.type) for c, field in zip(columns, schema, strict=True)]
            writer.write_table(arrow.table(typed, schema=schema))
    draft.chmod(_OWNER_ONLY)
    draft.replace(path)
    return path


def _batches(lines: Iterable[Line]) -> Iterator[Sequence[Line]]:
    held: list[Line] = []
    for line in lines:
        held.append(line)
        if len(held) == _AT_ONCE:
            yield held
            held = []
    if held:
        yield held


Line = tuple[str | datetime | float | None, ...]


def _as_text(line: Line) -> tuple[str, ...]:
    """Returns a line as CSV has it: times in UTC with a Z, numbers without needless digits."""
    return tuple(
        f"{value:%Y-%m-%dT%H:%M:%SZ}"
        if isinstance(value, datetime)
        else f"{value:g}"
        if isinstance(value, float)
        else value or ""
        for value in line
    )


def _lines(rows: Iterable[Row]) -> Iterator[Line]:
    """Yields a line for each card, and one for each moment with an error in place of a card."""
    for row in rows:
        head = (
            row.patient,
            row.at.astimezone(UTC),
            row.kind,
            row.hook,
            row.profile,
            row.knowledge,
            row.setting,
            row.age_band,
            None if row.sodium is None else float(row.sodium),
            row.level,
        )
        tail = (row.unread, " ".join(row.guessed))
        for card in row.cards:
            told = (card.rule, card.variant, card.indicator, card.topic, card.held)
            yield (*head, *told, *tail)
        if not row.cards:
            yield (*head, "", "", "", "", "", *tail)
