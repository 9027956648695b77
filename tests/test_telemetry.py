"""Log lines have a fixed layout that tools can parse, and each call has its own id."""

from __future__ import annotations

import io
import json
import multiprocessing
import subprocess
import sys
from collections.abc import Iterator

import pytest
import structlog

from cds_service.telemetry import configure_logging, fresh_id, log


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    configure_logging(stream)
    yield stream
    structlog.reset_defaults()


def test_a_log_line_is_one_json_object_in_the_usual_layout(lines: io.StringIO) -> None:
    log().info(
        "call",
        status=200,
        sources={"sodium": "empty"},
        shadow=False,
        milliseconds=1.5,
        patient="Jane",
    )
    text = lines.getvalue()
    assert text.count("\n") == 1
    assert text.startswith(
        '{"status": 200, "sources": {"sodium": "empty"}, "shadow": false, "milliseconds": 1.5, '
    )
    result = json.loads(text)
    assert (result["event"], result["level"]) == ("call", "info")
    assert result["time"].endswith("Z")
    assert "patient" not in result


def test_a_value_that_json_cannot_express_still_makes_a_line(lines: io.StringIO) -> None:
    log().info("odd", file="broken \udce9 name", count=1)
    log().info("odd", reason=complex(1, 2))
    first, second = map(json.loads, lines.getvalue().splitlines())
    assert first["file"].startswith("broken")
    assert second["reason"] == "(1+2j)"


def test_logging_that_is_configured_again_goes_to_the_new_stream(lines: io.StringIO) -> None:
    log().info("first")
    second = io.StringIO()
    configure_logging(second)
    log().info("second")
    assert "second" not in lines.getvalue()
    assert "second" in second.getvalue()


def test_ids_have_their_length_and_differ() -> None:
    made = {fresh_id(64) for _ in range(1000)}
    assert len(made) == 1000
    assert {len(one) for one in made} == {16}


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning"
)  # this process has threads; the children only count
def test_workers_that_were_forked_do_not_share_their_ids() -> None:
    fork = multiprocessing.get_context("fork")
    with fork.Pool(1) as one, fork.Pool(1) as other:
        ids = [pool.apply(fresh_id, (128,)) for pool in (one, other)]
    assert len({*ids, fresh_id(128)}) == 3


LIBRARIES = """
import logging, threading
from cds_service.telemetry import configure_logging
configure_logging()
logging.getLogger("asyncio").error("SENTINEL")
def end() -> None:
    raise ValueError("SENTINEL")
thread = threading.Thread(target=end)
thread.start()
thread.join()
"""


def test_what_libraries_and_dying_threads_say_is_logged_without_their_words() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIBRARIES], capture_output=True, text=True, check=True
    )
    logged = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(line["event"], line.get("module")) for line in logged] == [
        ("library", "asyncio"),
        ("crash", "__main__"),
    ]
    assert "SENTINEL" not in done.stderr
