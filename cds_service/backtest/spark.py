"""The same backtest on a Spark cluster, if the extra `[spark]` is installed.

    from cds_service.backtest.recipe import Recipe
    from cds_service.backtest.spark import rows, run

    rows(run(spark, "s3://lake/export/", Recipe(), secret=b"...")).write.parquet("s3://lake/rows/")

Lines are sifted where they are, then sent to the piece of their patient, and judged there: by the
two functions that also judge on one machine, so that the rows are the same. Every executor needs
this package. Nothing of a patient comes to the driver but what is asked of the DataFrame.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any

import msgspec

from cds_service.backtest.export import is_lines
from cds_service.backtest.judge import Judge
from cds_service.backtest.local import (
    Part,
    Progress,
    Work,
    counted,
    is_done,
    measured_since,
    totals_of,
)
from cds_service.backtest.recipe import Knowing, Recipe
from cds_service.backtest.rows import (
    Folder,
    PieceCounts,
    RunFile,
    encode_row,
    write_counts,
    write_rows,
    write_run_file,
    write_whole,
)
from cds_service.backtest.sift import SHARED, Kept
from cds_service.backtest.spool import Person, piece_of
from cds_service.errors import BacktestError

DataFrame = Any  # pyspark.sql.DataFrame; the types of PySpark need it installed
Session = Any  # pyspark.sql.SparkSession
PIECES = 256
ROW, COUNTS, PART = "row", "counts", "part"  # what a line of the result is
_SIFTED = "piece int, who string, key string, line string"
_JUDGED = "piece int, place long, what string, body string"
_PARTS = "#part"  # the key of what the sift of one partition came to
_SINCE = "#since"  # the key of the first day with a sodium, which each piece is told
_BATCH = 10_000
_MEDICATION = re.compile(rb'"(?:[^"]*/)?Medication/([A-Za-z0-9\-._]{1,256})"')
_ROUNDS = 2  # an order points to a Medication, and that to another one
_JSON_COLUMNS = ("value", "resource", "json", "raw", "content", "body")


def run(
    spark: Session,
    source: str | list[str] | DataFrame,
    recipe: Recipe,
    *,
    secret: bytes,
    pieces: int = PIECES,
) -> DataFrame:
    """Returns what the judged moments came to: rows, and the counts of each piece.

    `source` is the path of files of NDJSON (also .gz; a folder is read with all below it), or a
    DataFrame: resources as JSON in a column of text, or a column for each member. `secret` is
    behind the keyed hashes of patients.
    """
    frame = _lines(spark, source)
    sifted = frame.mapInArrow(partial(sift_batches, recipe, pieces), _SIFTED)
    functions = importlib.import_module("pyspark.sql.functions")
    everything = _with_medications(sifted, functions)
    everything = everything.unionByName(_first_days(spark, sifted, functions, pieces))
    by_patient = everything.repartition(pieces, "piece").sortWithinPartitions("piece", "who")
    return by_patient.mapInArrow(partial(judge_batches, recipe, secret), _JUDGED)


def rows(found: DataFrame) -> DataFrame:
    """Returns the rows of a result as columns."""
    functions = importlib.import_module("pyspark.sql.functions")
    body = functions.col("body")
    named = {
        "patient": "patient", "at": "at", "kind": "kind", "hook": "hook", "profile": "profile",
        "knowledge": "knowledge", "setting": "setting", "age_band": "ageBand", "sodium": "sodium",
        "level": "level", "unread": "unread", "cards": "cards",
    }  # fmt: skip
    columns = [functions.get_json_object(body, f"$.{path}").alias(n) for n, path in named.items()]
    return found.where(functions.col("what") == ROW).select("piece", *columns, body.alias("row"))


def _lines(spark: Session, source: str | list[str] | DataFrame) -> DataFrame:
    """Returns one column of text: a resource a line."""
    functions = importlib.import_module("pyspark.sql.functions")
    if isinstance(source, str | list):
        reader = spark.read.option("recursiveFileLookup", "true")
        return reader.text(source).select("value")
    types = dict(source.dtypes)
    column = next((one for one in _JSON_COLUMNS if types.get(one) == "string"), None)
    if column is not None and "resourceType" not in types:
        return source.select(functions.col(column).alias("value"))
    if "resourceType" not in types:
        raise BacktestError(
            "The table has neither a column of text with resources as JSON "
            f"({', '.join(_JSON_COLUMNS)}) nor a column resourceType."
        )
    return source.select(functions.to_json(functions.struct("*")).alias("value"))


def _with_medications(sifted: DataFrame, functions: Any) -> DataFrame:
    """Returns the lines with those Medications that the orders of a patient point to."""
    column = functions.col
    shared = sifted.where(column("key") == SHARED).select(
        column("who").alias("own"), column("line").alias("product")
    )
    shared = shared.dropDuplicates(["own"])
    lines = sifted.where(column("key") != SHARED)
    pointing = lines
    for _ in range(_ROUNDS):
        wanted = pointing.mapInArrow(wanted_batches, "piece int, who string, own string")
        pointing = (
            wanted.distinct()
            .join(shared, "own")
            .select(
                "piece", "who", functions.lit(SHARED).alias("key"), column("product").alias("line")
            )
        )
        lines = lines.unionByName(pointing)
    return lines


def _first_days(spark: Session, sifted: DataFrame, functions: Any, pieces: int) -> DataFrame:
    """Returns a line for each piece: the first day with a sodium in the whole export.

    No partition knows it alone, and before it no order is judged: the laboratory's first day.
    """
    column = functions.col
    day = functions.get_json_object(column("line"), "$.first_sodium").alias("day")
    days = sifted.where(column("key") == _PARTS).select(day).where(column("day") != "")
    first = days.agg(functions.coalesce(functions.min("day"), functions.lit("")))
    numbers = spark.range(pieces).select(column("id").cast("int").alias("piece"))
    return numbers.crossJoin(functions.broadcast(first.toDF("line"))).select(
        "piece", functions.lit("").alias("who"), functions.lit(_SINCE).alias("key"), "line"
    )


# ---- what runs on the executors

_KNOWN: list[Knowing] = []


def _known(recipe: Recipe) -> Knowing:
    """Returns the knowledge, loaded once in each process."""
    if not _KNOWN or _KNOWN[0].recipe != recipe:
        _KNOWN[:] = [recipe.loaded()]
    return _KNOWN[0]


def _batch(columns: Iterable[Iterable[Any]], types: Iterable[str], names: Iterable[str]) -> Any:
    arrow = importlib.import_module("pyarrow")
    arrays = [
        arrow.array(list(column), getattr(arrow, kind)())
        for column, kind in zip(columns, types, strict=True)
    ]
    return arrow.RecordBatch.from_arrays(arrays, names=list(names))


def sift_batches(recipe: Recipe, pieces: int, batches: Iterable[Any]) -> Iterator[Any]:
    """Yields the lines that rules can look at, with the piece and the id of their patient."""
    sifter, part = _known(recipe).sifter(), Part()
    for batch in batches:
        found: list[tuple[int, str, str, str]] = []
        for text in batch.column(0).to_pylist():
            line = (text or "").strip()
            if not line:
                continue
            body = line.encode("utf-8", "replace")
            kept = sifter.sort(body)
            counted(part, kept)
            part.size += len(body) + 1
            if isinstance(kept, Kept):
                piece = piece_of(kept.owner.encode(), pieces)
                found.append((piece, kept.owner, kept.key, line))
        yield _sifted(found)
    part.unknown, part.unknown_ids = sifter.unknown.taken(), sifter.unknown.taken_ids()
    part.first_sodium = sifter.first_sodium
    told = msgspec.json.encode(part).decode()
    yield _sifted([(piece_of(told.encode(), pieces), "", _PARTS, told)])


def _sifted(found: list[tuple[int, str, str, str]]) -> Any:
    columns = zip(*found, strict=True) if found else [[], [], [], []]
    types = ("int32", "string", "string", "string")
    return _batch(columns, types, ("piece", "who", "key", "line"))


def wanted_batches(batches: Iterable[Any]) -> Iterator[Any]:
    """Yields the Medications that lines of a patient point to."""
    for batch in batches:
        found = [
            (piece, who, own.decode())
            for piece, who, key, line in zip(*map(_values, batch.columns), strict=True)
            if key.startswith("Medication")
            for own in _MEDICATION.findall(line.encode())
        ]
        columns = zip(*found, strict=True) if found else [[], [], []]
        yield _batch(columns, ("int32", "string", "string"), ("piece", "who", "own"))


def _values(column: Any) -> list[Any]:
    values: list[Any] = column.to_pylist()
    return values


def judge_batches(recipe: Recipe, secret: bytes, batches: Iterable[Any]) -> Iterator[Any]:
    """Yields the rows of the patients of some pieces, and what each piece came to."""
    products: dict[str, bytes] = {}  # the Medications of the patient at hand
    known = _known(recipe)
    judge: Judge | None = None
    lines = (line for batch in batches for line in zip(*map(_values, batch.columns), strict=True))
    waiting: list[tuple[int, int, str, str]] = []
    for piece, of_piece in groupby(lines, key=itemgetter(0)):
        counts, place = PieceCounts(), 0
        for who, of_person in groupby(of_piece, key=itemgetter(1)):
            if not who:  # what is of no patient comes first, in each piece
                told = [(key, line) for _, _, key, line in of_person]
                waiting += [(piece, 0, PART, line) for key, line in told if key == _PARTS]
                day = next(line for key, line in told if key == _SINCE)
                task = measured_since(known.task(secret), day)
                judge = Judge(task, products.get)
                continue
            assert judge is not None  # noqa: S101  # each piece was told the first day
            person = Person(who)
            for _, _, key, line in of_person:
                person.lines.setdefault(key, []).append(line.encode())
            person = person.once()
            products.clear()
            products.update(_products(person))
            found, came_to = judge.person(person)
            counts.add(came_to)
            for row in found:
                place += 1
                waiting.append((piece, place, ROW, encode_row(row).decode()))
            if len(waiting) >= _BATCH:
                yield _judged(waiting)
                waiting = []
        waiting.append((piece, 0, COUNTS, msgspec.json.encode(counts).decode()))
    yield _judged(waiting)


def _products(person: Person) -> dict[str, bytes]:
    named = msgspec.json.Decoder(_Own).decode
    return {named(line).id: line for line in person.lines.pop(SHARED, ())}


class _Own(msgspec.Struct):
    id: str = ""


def _judged(found: list[tuple[int, int, str, str]]) -> Any:
    columns = zip(*found, strict=True) if found else [[], [], [], []]
    types = ("int32", "int64", "string", "string")
    return _batch(columns, types, ("piece", "place", "what", "body"))


def write_run(work: Work, master: str, progress: Progress) -> RunFile:
    """Makes the rows of a `prepared` run on Spark, and returns what run.json says.

    The folder is that of a run on one machine, but its lines are not spooled: they stay in the
    cluster.
    """
    packed = [path for path in work.export.files if not is_lines(path)]
    if packed or work.export.opens is not None:
        raise BacktestError(
            f"{packed[0] if packed else work.export.opens}: --spark reads NDJSON only; other forms "
            "and lists of openings need a run on one machine."
        )
    spark, pieces = session(master), work.settings.pieces
    functions = importlib.import_module("pyspark.sql.functions")
    secret, asked = work.folder.key_file.read_bytes(), work.settings.asked
    paths = [str(path) for path in work.export.files]
    progress("judge", 0, pieces, 0)
    found = run(spark, paths, work.known.recipe, secret=secret, pieces=pieces)
    in_order = found.orderBy("piece", functions.col("what") == ROW, "place")
    parts: list[Part] = []
    by_piece = groupby(in_order.toLocalIterator(), key=itemgetter("piece"))
    for done, (piece, lines) in enumerate(by_piece, 1):
        parts += _write_piece(work.folder, asked, piece, lines)
        progress("judge", done, pieces, 0)
    for piece in range(pieces):
        if not is_done(work.folder.counts_of(piece), asked):
            write_rows(work.folder.rows_of(piece), [])
            write_counts(work.folder.counts_of(piece), PieceCounts(asked=asked))
    file = RunFile(settings=work.settings, finished=True)
    file.totals = totals_of(work, parts)
    write_run_file(work.folder, file)
    return file


def _write_piece(folder: Folder, asked: str, piece: int, lines: Iterable[Any]) -> list[Part]:
    """Writes the rows and the counts of a piece, and returns what its lines came to."""
    parts, bodies, counts = [], [], PieceCounts()
    for line in lines:
        body = line["body"].encode()
        if line["what"] == PART:
            parts.append(msgspec.json.decode(body, type=Part))
        elif line["what"] == COUNTS:
            counts = msgspec.json.decode(body, type=PieceCounts)
        else:
            bodies.append(body + b"\n")
    write_whole(folder.rows_of(piece), b"".join(bodies))
    counts.asked = asked
    write_counts(folder.counts_of(piece), counts)
    return parts


def session(master: str) -> Session:
    """Returns a session for --spark; BacktestError if PySpark is not installed."""
    try:
        sql = importlib.import_module("pyspark.sql")
        importlib.import_module("pyarrow")
        importlib.import_module("pandas")
    except ImportError:
        raise BacktestError(
            "--spark needs the extra [spark], and Java 17 or newer: see docs/operations.md"
        ) from None
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = sql.SparkSession.builder.master(master).appName("cds-service backtest")
    builder = builder.config("spark.ui.enabled", "false")
    if master.startswith("local"):
        for name in ("spark.driver.host", "spark.driver.bindAddress"):
            builder = builder.config(name, "127.0.0.1")
    return builder.getOrCreate()
