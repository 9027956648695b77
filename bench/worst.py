"""Measures the five legal bodies that cost the most, as ratios to a usual call of the same run.

python bench/worst.py [--write]

CPU time of this process, so that other work on the machine counts little. A call ends at its
deadline, so that no ratio can be much larger than deadline / usual call; without one, the second
column shows what the body would cost.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import sections

from cds_service.app import create_app
from cds_service.cli.run import tune_collector
from cds_service.errors import OutOfTime
from cds_service.pipeline import HOOKS, Pipeline
from cds_service.protocol.request import hook_request
from cds_service.records.fhir_types import decode_call
from cds_service.settings import Settings
from cds_service.trust.client import Client
from cds_service.trust.deadline import Deadline
from cds_service.web.runtime import runtime_of
from tests.attack.bodies import Body, usual, worst

ROUNDS, MS = 3, 1000
CLIENT_S, WITHOUT_S = 1.44, 3600.0
HEADING = "## The five worst bodies"


def cpu_s(here: Pipeline, body: Body, seconds: float) -> float:
    """CPU of one call, from its bytes to its cards or to its refusal."""
    hook = here.knowledge.services[body.service].hook
    began = time.process_time()
    deadline = Deadline.after(seconds)
    now, drafts = datetime.now(UTC), HOOKS[hook].drafts
    try:
        decoded = decode_call(body.content)
        request = hook_request(decoded, body.service, hook, now, body.content, drafts)
        here.answer(request, Client(), deadline)
    except OutOfTime:
        pass
    return time.process_time() - began


def median_s(here: Pipeline, made: Callable[[int], Body], seconds: float, first: int) -> float:
    """The middle of some calls, each with names that were not seen before."""
    return statistics.median(cpu_s(here, made(first + n), seconds) for n in range(ROUNDS))


def table() -> list[str]:
    """The bodies as Markdown."""
    with tempfile.TemporaryDirectory(prefix="hyponatremia-bench-") as folder:
        settings = Settings(mode="development", clients_file=_registry(folder), data_dir=folder)
        here = runtime_of(create_app(settings))
        tune_collector()
        for seed in range(20):
            cpu_s(here.pipeline, usual(seed), WITHOUT_S)
        seeds = itertools.count(100, 100)  # a name that was seen is remembered
        one = statistics.median(cpu_s(here.pipeline, usual(n), WITHOUT_S) for n in range(50))
        lines = [
            "| body | MB | CPU, times a usual call | without a deadline |",
            "|---|---|---|---|",
        ]
        for name, made in worst().items():
            within = median_s(here.pipeline, made, CLIENT_S, next(seeds))
            without = median_s(here.pipeline, made, WITHOUT_S, next(seeds))
            size = len(made(0).content) / 1e6
            lines.append(f"| {name} | {size:.2f} | {within / one:.0f} | {without / one:.0f} |")
        here.recorder.close()
    lines += ["", f"A usual call of this comparison took {one * MS:.1f} ms of CPU (13 kB)."]
    return lines


def _registry(folder: str) -> Path:
    registry = Path(folder) / "clients.toml"
    registry.write_text('[clients.bench]\nissuer = "https://ehr.example"\nopen_access = true\n')
    return registry


def main() -> None:
    """Prints the table, and puts it into RESULTS.md if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write it into RESULTS.md")
    lines = table()
    if parser.parse_args().write:
        sections.put(HEADING, lines)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
