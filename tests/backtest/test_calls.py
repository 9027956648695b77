"""Recorded hook calls are read with their moment, and what cannot be read is named."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cds_service.backtest.calls import moment_of, recorded_calls

CALL = {"hook": "patient-view", "at": "2026-11-20T09:00:00Z"}
NINE = datetime(2026, 11, 20, 9, tzinfo=UTC)


def test_calls_come_from_files_lists_lines_and_compressed_files(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "one.json").write_text(json.dumps(CALL), encoding="utf-8-sig")
    (tmp_path / "list.json").write_text(json.dumps([CALL, CALL]), encoding="utf-8")
    (tmp_path / "lines.ndjson").write_text(f"{json.dumps(CALL)}\n\n{json.dumps(CALL)}", "utf-8")
    (tmp_path / "more.NDJSON.gz").write_bytes(gzip.compress(json.dumps(CALL).encode()))
    (tmp_path / "notes.txt").write_text("no call", encoding="utf-8")
    found = list(recorded_calls(tmp_path))
    assert [call.where for call in found] == [
        "deep/one.json", "lines.ndjson:1", "lines.ndjson:3", "list.json:1", "list.json:2",
        "more.NDJSON.gz:1",
    ]  # fmt: skip
    assert all(call.at == NINE and not call.wrong for call in found)
    assert all("at" not in call.body for call in found)
    assert [call.where for call in recorded_calls(tmp_path / "list.json")] == [
        "list.json:1", "list.json:2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "where", "wrong"),
    [
        ("a.json", b"{", "a.json", "not valid JSON"),
        ("a.json", b"", "a.json", "not valid JSON"),
        ("a.json", b"[1]", "a.json:1", "not a JSON object"),
        ("a.json", b'{"hook": "patient-view"}', "a.json", "no moment"),
        ("a.json", b'{"at": "2026-11-20T09:00:00"}', "a.json", "no moment"),
        ("a.ndjson", b"\n{", "a.ndjson:2", "not valid JSON"),
        ("a.ndjson", b'{"a": NaN}', "a.ndjson:1", "not valid JSON"),
        ("a.json.gz", b"no gzip", "a.json.gz", "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_reason(
    tmp_path: Path, name: str, content: bytes, where: str, wrong: str
) -> None:
    (tmp_path / name).write_bytes(content)
    (call,) = recorded_calls(tmp_path)
    assert call.where == where
    assert wrong in call.wrong


def test_a_broken_line_does_not_cost_the_next(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text("{\n" + json.dumps(CALL), encoding="utf-8")
    assert [bool(call.wrong) for call in recorded_calls(tmp_path)] == [True, False]


@pytest.mark.parametrize(
    ("prefetch", "at"),
    [
        ({"sodium": {"entry": [{"resource": {"effectiveDateTime": "2026-11-20T10:00:00+01:00"}}]}}, NINE),
        ({"sodium": {"issued": "2026-11-20T09:00:00Z", "effectiveDateTime": "2026-11-20T08:00Z"}}, NINE),
        ({"encounter": {"period": {"start": "2026-11-20T09:00:00Z", "end": "2026-11-25T09:00:00Z"}}}, NINE),
        # when a server stored a resource, or what is planned, says nothing of the call
        ({"patient": {"meta": {"lastUpdated": "2026-12-01T00:00:00Z"}, "birthDate": "1960-01-01"}}, None),
        ({"sodium": {"effectiveDateTime": "2026-11-20"}}, None),
        ({}, None),
        (None, None),
    ],
)  # fmt: skip
def test_without_a_moment_of_its_own_a_call_is_as_old_as_its_newest_content(
    prefetch: dict[str, Any] | None, at: datetime | None
) -> None:
    assert moment_of({"prefetch": prefetch}) == at


def test_the_moment_of_its_own_comes_first() -> None:
    newer = {"sodium": {"issued": "2026-12-20T09:00:00Z"}}
    assert moment_of({"at": "2026-11-20T09:00:00Z", "prefetch": newer}) == NINE
