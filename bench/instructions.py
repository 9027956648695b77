"""Counts the machine instructions of a usual call with valgrind: a figure that no load disturbs.

    python bench/instructions.py                # the whole call, its medicine, the body read alone
    python bench/instructions.py --calls 5 25   # fewer calls: quicker, and less exact

Each figure is the difference of two runs with few and with many calls, so that the start of Python
does not count. Everything is in this process: Flask, the front of the application, trust, log,
metrics and rows count; the sockets of the server do not.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import traffic
from flask import Flask, request
from stages import REGISTRY

from cds_service import pipeline
from cds_service.app import create_app
from cds_service.cli.run import tune_collector
from cds_service.protocol.request import hook_request
from cds_service.protocol.wire import encode
from cds_service.records.fhir_types import decode_call
from cds_service.settings import Settings
from cds_service.telemetry import configure_logging
from cds_service.trust.deadline import Deadline
from cds_service.web.runtime import runtime_of

HOOK, SERVICE = "patient-view", "hyponatremia-patient-view"
PATIENTS = 20
CALLS = (20, 60)
PARTS = ("whole", "medicine", "read")
MILLION = 1e6


def main() -> None:
    """Reads the command line; with `--run` it is the program that valgrind watches."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--calls", type=int, nargs=2, default=CALLS, metavar="N", help="few and many (20 60)"
    )
    parser.add_argument("--json", action="store_true", help="print the figures for a script")
    parser.add_argument("--run", nargs=2, metavar=("PART", "CALLS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        run(options.run[0], int(options.run[1]))
        return
    if shutil.which("valgrind") is None:
        raise SystemExit("valgrind is not installed (apt-get install valgrind)")
    counted = by_part(*options.calls)
    print(json.dumps(counted) if options.json else told(counted))


def told_if_counted() -> str:
    """Returns the table, or a sentence if valgrind is not installed."""
    if shutil.which("valgrind") is None:
        return "Not counted: valgrind was not installed."
    return told(by_part(*CALLS))


def by_part(few: int, many: int) -> dict[str, float]:
    """Returns the instructions of one call, by what it is made of."""
    return {part: (counts(part, many) - counts(part, few)) / (many - few) for part in PARTS}


def counts(part: str, calls: int) -> int:
    """Returns the instructions of one run of this file, as valgrind counts them."""
    command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    command += [sys.executable, __file__, "--run", part, str(calls)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONHASHSEED": "0"},
    )  # fmt: skip
    found = re.search(r"I\s+refs:\s+([\d,]+)", done.stderr)
    if done.returncode or found is None:
        raise SystemExit(done.stderr[-2000:])
    return int(found[1].replace(",", ""))


def run(part: str, calls: int) -> None:
    """Answers so many usual calls."""
    bodies = itertools.islice(
        itertools.cycle([traffic.usual(seed) for seed in range(PATIENTS)]), calls
    )
    with tempfile.TemporaryDirectory(prefix="hyponatremia-bench-") as folder:
        answer = {"whole": whole, "medicine": medicine, "read": read}[part](Path(folder))
        for body in bodies:
            answer(body)
        sys.stdout.flush()
        os._exit(0)  # the end of Python is no part of a call


def settings_in(folder: Path) -> Settings:
    """Returns the settings of a deployment below a folder."""
    registry = folder / "clients.toml"
    registry.write_text(REGISTRY, encoding="utf-8")
    return Settings(mode="development", clients_file=registry, data_dir=folder)


def whole(folder: Path) -> Callable[[bytes], object]:
    """Returns the application as a client of it sees it, with trust, log, metrics and rows."""
    configure_logging()
    app = create_app(settings_in(folder))
    tune_collector()
    client = app.test_client()
    url = f"/cds-services/{SERVICE}"

    def answer(body: bytes) -> object:
        response = client.post(url, data=body, content_type="application/json")
        if response.status_code != 200:
            raise SystemExit(response.text)
        return response

    return answer


def medicine(folder: Path) -> Callable[[bytes], object]:
    """Returns reading, rules and cards alone."""
    here = runtime_of(create_app(settings_in(folder)))
    tune_collector()
    client = here.registry().clients[0]

    def answer(body: bytes) -> object:
        call = hook_request(decode_call(body), SERVICE, HOOK, datetime.now(UTC), body)
        found: pipeline.Evaluation = here.pipeline.answer(call, client, Deadline.after(5))
        return encode({"cards": found.cards})

    return answer


def read(folder: Path) -> Callable[[bytes], object]:
    """Returns Flask with a body that is read and dropped."""
    app = Flask("floor")

    @app.post("/cds-services/<service>")
    def call(service: str) -> bytes:
        request.stream.read()
        return b'{"cards":[]}'

    client = app.test_client()
    return lambda body: client.post(f"/cds-services/{SERVICE}", data=body)


def told(counted: dict[str, float]) -> str:
    """Returns the figures as a table in Markdown."""
    names = {
        "whole": "a usual call, in process: Flask, trust, medicine, log, metrics, rows",
        "medicine": "its reading, rules and cards alone",
        "read": "Flask, the body read and dropped",
    }
    lines = ["| instructions, by valgrind | million | share |", "|---|---|---|"]
    lines += [
        f"| {names[part]} | {count / MILLION:.2f} | {count / counted['whole']:.0%} |"
        for part, count in counted.items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
