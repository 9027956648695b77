"""Resources of a Parquet file, if the extra `[parquet]` is installed.

A row is a resource: its JSON in one column of text, or one column for each member.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

from cds_service.errors import BacktestError
from cds_service.protocol.wire import encode

_JSON_COLUMNS = ("resource", "json", "raw", "content", "value", "body")
_ROWS = 20_000


def parquet_lines(path: Path) -> Iterator[bytes]:
    """Yields the resources of a file as JSON; BacktestError if it cannot be read."""
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise BacktestError(
            f"{path}: to read Parquet install the extra [parquet] (docs/operations.md)"
        ) from None
    try:
        file = parquet.ParquetFile(path)
    except (OSError, ValueError):  # pyarrow's own errors are of these kinds
        raise BacktestError(f"{path}: it is no Parquet file that can be read.") from None
    column = _json_column(file.schema_arrow)
    kind = path.name.partition(".")[0].partition("-")[0]
    with file:
        for batch in file.iter_batches(_ROWS, columns=[column] if column else None):
            for row in batch.to_pylist():
                yield _line(row, column, kind)


def _json_column(schema: Any) -> str:
    """Returns the column that holds the resources as text, if there is one."""
    names = {field.name.lower(): field for field in schema}
    if "resourcetype" in names:
        return ""
    for name in _JSON_COLUMNS:
        field = names.get(name)
        if field is not None and str(field.type) in ("string", "large_string", "string_view"):
            return str(field.name)
    return ""


def _line(row: dict[str, Any], column: str, kind: str) -> bytes:
    if column:
        return str(row[column] or "").encode()
    resource = _filled(row)
    return encode({"resourceType": kind} | resource)


def _filled(value: Any) -> Any:
    """Returns a value of a table as JSON has it: without what is empty, and with times as text."""
    if isinstance(value, dict):
        found = {name: _filled(member) for name, member in value.items()}
        return {name: member for name, member in found.items() if member not in (None, {}, [])}
    if isinstance(value, list):
        if value and all(isinstance(one, tuple) for one in value):  # a map
            return _filled(dict(value))
        return [_filled(one) for one in value if one is not None]
    if isinstance(value, datetime):
        return value.isoformat() + ("" if value.tzinfo else "Z")
    return value.isoformat() if isinstance(value, date) else value
