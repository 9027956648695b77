"""Judges resources as `cds-service backtest` does, without files and processes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Any

from cds_service.backtest.course import Course
from cds_service.backtest.judge import Judge, Task
from cds_service.backtest.moments import Wanted
from cds_service.backtest.orders import CourseReader
from cds_service.backtest.outcome import Outcomes, read_outcomes
from cds_service.backtest.rows import PieceCounts, Row
from cds_service.backtest.sift import Kept, Sifter
from cds_service.backtest.spool import Person
from cds_service.backtest.timeline import Timeline
from cds_service.feedback.pseudonyms import Pseudonyms
from cds_service.trust.client import Client
from tests.fhir_resources import pipeline

NAMES = Pseudonyms(b"of a test")
Resource = dict[str, Any]


@cache
def sifter() -> Sifter:
    """One sifter, as codes are looked up once."""
    return Sifter(pipeline().vocabulary, dict(pipeline().knowledge.terms.labs))


def people(resources: Iterable[Resource]) -> list[Person]:
    """The patients of these resources, as the spool has them."""
    found: dict[str, Person] = {}
    for resource in resources:
        line = json.dumps(resource).encode()
        kept = sifter().sort(line)
        if isinstance(kept, Kept):
            person = found.setdefault(kept.owner, Person(kept.owner))
            person.lines.setdefault(kept.key, []).append(line)
    return list(found.values())


def task(*profiles: str, until: datetime | None = None, **wanted: Any) -> Task:
    """What is judged: by default each result."""
    return Task(
        pipelines={"new": pipeline()},
        clients=tuple(Client(profile=profile) for profile in profiles or ("aasld", "european")),
        wanted=Wanted(**(wanted or {"results": True})),
        names=NAMES,
        until=until,
    )


def judged(
    resources: Iterable[Resource], asked: Task | None = None
) -> tuple[list[Row], PieceCounts]:
    """The rows of these resources, and what they came to."""
    judge = Judge(asked or task(), lambda own: None)
    rows: list[Row] = []
    counts = PieceCounts()
    for person in people(resources):
        found, came_to = judge.person(person)
        rows += found
        counts.add(came_to)
    return rows, counts


def outcomes(resources: Iterable[Resource], asked: Task | None = None) -> Outcomes:
    """What followed the cards, and what no card preceded."""
    return read_outcomes(judged(resources, asked)[1].outcomes)


@cache
def _reader() -> CourseReader:
    return CourseReader(pipeline().vocabulary)


def course(person: Person) -> Course:
    """The whole record of a patient."""
    timeline = Timeline(person, _reader(), PieceCounts(), lambda own: None)
    used = pipeline()
    return Course(timeline=timeline, knowledge=used.knowledge, vocabulary=used.vocabulary)
