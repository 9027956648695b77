"""Judges records that a test makes, without files and processes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from cds_service.backtest.judge import Judge, Task
from cds_service.backtest.moments import Wanted
from cds_service.backtest.orders import CourseReader
from cds_service.backtest.rows import Knowledge, PieceCounts, Row
from cds_service.backtest.sift import SHARED, Kept, Sifter
from cds_service.backtest.spool import Person
from cds_service.backtest.timeline import Timeline
from cds_service.cli.replay import offline_pipeline
from cds_service.feedback.pseudonyms import Pseudonyms
from cds_service.knowledge.limits import PROFILES
from cds_service.knowledge.load import default_hooks_dir
from cds_service.pipeline import Pipeline
from cds_service.trust.client import Client

NAMES = Pseudonyms(b"a test")
EVERY = Wanted(results=True, admissions=True, discharges=True, orders=True, opens=True)
RESULTS = Wanted(results=True)


@cache
def pipeline() -> Pipeline:
    return offline_pipeline(default_hooks_dir())


@cache
def sifter() -> Sifter:
    return Sifter(pipeline().vocabulary, pipeline().knowledge.terms.labs)


def clients(**more: Any) -> tuple[Client, ...]:
    return tuple(Client(profile=profile, **more) for profile in PROFILES)


def task(wanted: Wanted = RESULTS, **more: Any) -> Task:
    pipelines: Mapping[Knowledge, Pipeline] = {"new": pipeline()}
    given: dict[str, Any] = {"pipelines": pipelines, "clients": clients(), "names": NAMES}
    return Task(wanted=wanted, **(given | more))


def people(resources: Iterable[Mapping[str, Any]]) -> tuple[list[Person], dict[str, bytes]]:
    """The resources as the spool would give them back: by patient, and the Medications by id."""
    found: dict[str, Person] = {}
    shared: dict[str, bytes] = {}
    for resource in resources:
        line = json.dumps(resource).encode()
        kept = sifter().sort(line)
        if isinstance(kept, Kept) and kept.key == SHARED:
            shared[kept.owner] = line
        elif isinstance(kept, Kept):
            person = found.setdefault(kept.owner, Person(kept.owner))
            person.lines.setdefault(kept.key, []).append(line)
    return [found[who] for who in sorted(found)], shared


def timeline(resources: Iterable[Mapping[str, Any]]) -> Timeline:
    """The record of the one patient that these resources are about."""
    (person,), shared = people(resources)
    return Timeline(person, CourseReader(pipeline().vocabulary), PieceCounts(), shared.get)


def judged(
    resources: Iterable[Mapping[str, Any]], wanted: Wanted = RESULTS, **more: Any
) -> tuple[list[Row], PieceCounts]:
    """The rows of these resources, and their counts."""
    persons, shared = people(resources)
    judge = Judge(task(wanted, **more), shared.get)
    rows: list[Row] = []
    counts = PieceCounts()
    for person in persons:
        found, came_to = judge.person(person)
        rows += found
        counts.add(came_to)
    return rows, counts
