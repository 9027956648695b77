"""Measures the stages of one call, one after the other, in this process.

python bench/stages.py
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import traffic

from cds_service import pipeline
from cds_service.app import create_app
from cds_service.cli.run import tune_collector
from cds_service.engine.triage import triage
from cds_service.protocol.request import hook_request
from cds_service.protocol.wire import encode
from cds_service.records.fhir_types import decode_call
from cds_service.records.gather import gather
from cds_service.records.reader import read_snapshot, wanted_references
from cds_service.settings import Settings
from cds_service.sodium.case import assess
from cds_service.trust.deadline import Deadline
from cds_service.web.runtime import runtime_of

T = TypeVar("T")
HOOK, SERVICE = "patient-view", "hyponatremia-patient-view"
ROUNDS, MICRO = 10, 1e6
REGISTRY = (
    '[clients.bench]\nissuer = "https://ehr.example.org"\nfhir_bases = ["https://ehr.example.org/fhir/r4"]\n'
    "open_access = true\n"
)


class Stopwatch:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.took: dict[str, list[float]] = {}

    def time(self, stage: str, work: Callable[..., T], *given: Any) -> T:
        """The result of `work`, timed."""
        began = time.perf_counter()
        result = work(*given)
        self.took.setdefault(stage, []).append(time.perf_counter() - began)
        return result


def measured(bodies: list[bytes]) -> dict[str, float]:
    """Mean microseconds of each stage over the calls; each call counts with its best round."""
    watches = []
    with tempfile.TemporaryDirectory(prefix="hyponatremia-bench-") as folder:
        registry = Path(folder) / "clients.toml"
        registry.write_text(REGISTRY, encoding="utf-8")
        settings = Settings(mode="development", clients_file=registry, data_dir=Path(folder))
        here = runtime_of(create_app(settings))
        tune_collector()
        for _ in range(ROUNDS):
            watch = Stopwatch()
            for body in bodies:
                _call(watch, here.pipeline, here.registry().clients[0], body)
            watches.append(watch)
        here.recorder.close()
    stages = watches[0].took
    best = {
        s: [min(rounds) for rounds in zip(*(w.took[s] for w in watches), strict=True)]
        for s in stages
    }
    return {stage: statistics.mean(times) * MICRO for stage, times in best.items()}


def _parts(request: Any, client: Any, gathered: Any) -> Any:
    return pipeline._parts(request, client, gathered, Deadline.after(1))


def _call(watch: Stopwatch, answering: pipeline.Pipeline, client: Any, body: bytes) -> None:
    """One call by its stages, as `Pipeline.answer` takes them."""
    knowledge = answering.knowledge
    decoded = watch.time("decode the body in part", decode_call, body)
    request = watch.time(
        "check the call", hook_request, decoded, SERVICE, HOOK, datetime.now(UTC), body
    )
    ask = pipeline.ask_for(knowledge.services[SERVICE], request, client)
    gathered = watch.time("prefetch, key by key", gather, ask, answering._fhir, Deadline.after(1))
    parts = watch.time("references", _parts, request, client, gathered)
    watch.time("references wanted", wanted_references, parts)
    snapshot = watch.time("resources to snapshot", read_snapshot, parts, answering.vocabulary)
    limits = knowledge.limits[client.profile]
    case = watch.time(
        "work out the case", assess, snapshot, limits, knowledge.sets, knowledge.terms.labs
    )
    call = pipeline._Call(request=request, client=client, gathered=gathered, parts=parts, case=case)
    service = knowledge.services[SERVICE]
    outcomes = watch.time("ask the rules", pipeline.outcomes_of, case, service)
    rules = service.rules
    chosen = watch.time("choose cards", partial(triage, age_known=True), outcomes, rules)
    answer = watch.time(
        "write cards and orders, check them", answering._answered, call, chosen, outcomes
    )
    watch.time("encode", encode, {"cards": answer.cards})


def table(bodies: list[bytes]) -> list[str]:
    """The stages as Markdown, with their share."""
    took = measured(bodies)
    whole = sum(took.values())
    lines = ["| stage of a usual call, in process | µs | share |", "|---|---|---|"]
    lines += [f"| {stage} | {micro:.0f} | {micro / whole:.0%} |" for stage, micro in took.items()]
    lines.append(f"| together | {whole:.0f} | |")
    lines += [
        "",
        "Not counted here are the server, Flask, the log line, metrics and the rows for the store.",
    ]
    return lines


if __name__ == "__main__":
    print("\n".join(table([traffic.usual(seed) for seed in range(64)])))
