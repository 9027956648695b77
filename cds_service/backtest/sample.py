"""Draws cards for chart review, and finds the charts again behind the keyed hashes.

The drawing depends on nothing but the run and its key: the same cards are drawn again. Each rule
gets a card, so that rare ones are seen too; the others are drawn in proportion.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from cds_service.backtest.course import Course
from cds_service.backtest.moments import Moment
from cds_service.backtest.orders import CourseReader, PastOrder
from cds_service.backtest.outcome import is_seen
from cds_service.backtest.rows import PieceCounts, Row, Run, write_for_owner
from cds_service.backtest.spool import Person
from cds_service.backtest.timeline import Asked, Timeline
from cds_service.errors import BacktestError
from cds_service.feedback.plots import Measured
from cds_service.knowledge.load import Service
from cds_service.pipeline import Pipeline
from cds_service.sodium.results import Sample

SAMPLE = "sample.json"
_EARLIER = "sample-*.json"
_BEFORE, _AFTER = timedelta(days=30), timedelta(days=7)
# Members that a resource did not have yet, if the record of the moment has them not.
_LATER = {
    "deceasedBoolean": "deceased_boolean",
    "deceasedDateTime": "deceased_date_time",
    "abatementDateTime": "abatement_date_time",
    "clinicalStatus": "clinical_status",
}
_INSTANCE = "00000000-0000-4000-8000-000000000000"


class Drawn(Struct, frozen=True, kw_only=True):
    """One card that was drawn; the row is its moment."""

    id: str
    rule: str
    indicator: str
    topic: str
    row: Row


class Drawing(Struct, frozen=True, kw_only=True):
    """The cards that were drawn from one run."""

    sample: str  # which drawing: answers name it
    profile: str
    cards: tuple[Drawn, ...]

    @property
    def rules(self) -> Mapping[str, str]:
        """Returns the rule of each card."""
        return {card.id: card.rule for card in self.cards}


class Chart(Struct, frozen=True, kw_only=True):
    """What a reviewer is shown of the record: sodium before the moment, and after it."""

    drawn: Drawn
    patient_id: str
    before: tuple[Measured, ...]
    after: tuple[Measured, ...]
    calls: tuple[dict[str, Any], ...]  # hook calls of this moment; one of them brings the card


def draw(run: Run, number: int, profile: str) -> Drawing:
    """Returns cards that were drawn by chance from those that would have been shown."""
    ranked: dict[str, list[tuple[str, Drawn]]] = {}
    counts: dict[str, int] = {}
    for row in run.rows():
        if row.profile != profile or row.knowledge != "new":
            continue
        for card in filter(is_seen, row.cards):
            place = run.names.of("drawn", row.patient, row.at.isoformat(), row.hook, card.rule)
            drawn = Drawn(
                id=place, rule=card.rule, indicator=card.indicator, topic=card.topic, row=row
            )
            counts[card.rule] = counts.get(card.rule, 0) + 1
            _keep(ranked.setdefault(card.rule, []), place, drawn, number)
    shares = shares_of(counts, number)
    chosen = [
        drawn
        for rule, held in ranked.items()
        for _, drawn in sorted(held, key=lambda one: one[0])[: shares[rule]]
    ]
    chosen.sort(key=lambda one: one.id)
    name = run.names.of("drawing", profile, *(one.id for one in chosen))
    return Drawing(sample=name, profile=profile, cards=tuple(chosen))


def _keep(held: list[tuple[str, Drawn]], place: str, drawn: Drawn, number: int) -> None:
    """Keeps the cards with the smallest places, and no more than may be needed."""
    held.append((place, drawn))
    if len(held) > 2 * number:
        held[:] = heapq.nsmallest(number, held, key=lambda one: one[0])


def shares_of(counts: Mapping[str, int], number: int) -> dict[str, int]:
    """Returns how many cards of each rule are drawn: one at least, then in proportion."""
    rules = sorted(counts, key=lambda rule: (-counts[rule], rule))
    shares = dict.fromkeys(rules, 0)
    for rule in rules[:number]:
        shares[rule] = 1
    while sum(shares.values()) < min(number, sum(counts.values())):
        open_rules = [rule for rule in rules if shares[rule] < counts[rule]]
        least = min(open_rules, key=lambda rule: ((shares[rule] + 1) / counts[rule], rule))
        shares[least] += 1
    return shares


def write_drawing(run: Run, drawing: Drawing) -> Path:
    """Keeps a drawing beside the rows, for the answers to come; earlier ones stay there."""
    path = run.folder.private / SAMPLE
    write_for_owner(path, msgspec.json.encode(drawing))
    return path


def read_drawing(run: Run, sample: str = "") -> Drawing:
    """Returns the newest drawing of a run, or the earlier one that answers name.

    If no drawing has that name, it is the newest one. BacktestError if no cards were drawn.
    """
    try:
        newest = _drawing((run.folder.private / SAMPLE).read_bytes())
    except FileNotFoundError:
        raise BacktestError(
            f"{run.folder.root}: no cards were drawn yet: use --sample 50 first."
        ) from None
    if sample in ("", newest.sample):
        return newest
    paths = sorted(run.folder.private.glob(_EARLIER))
    named = (one for one in (_drawing(path.read_bytes()) for path in paths) if one.sample == sample)
    return next((one for one in named if _is_of(run, one)), newest)


def _is_of(run: Run, drawing: Drawing) -> bool:
    """Whether a drawing is of what the folder holds now, and not of an earlier run in it."""
    return draw(run, len(drawing.cards), drawing.profile).sample == drawing.sample


_drawing = msgspec.json.Decoder(Drawing).decode


# ---- the charts


def charts(
    run: Run, drawing: Drawing, pipeline: Pipeline, asked: Callable[[Service], Asked]
) -> list[Chart]:
    """Returns the charts of the cards that were drawn, in their order; it reads the spool once."""
    by_patient: dict[str, list[Drawn]] = {}
    for card in drawing.cards:
        by_patient.setdefault(card.row.patient, []).append(card)
    found: dict[str, Chart] = {}
    reader = CourseReader(pipeline.vocabulary)
    for person in _people(run, by_patient):
        timeline = Timeline(person, reader, PieceCounts(), run.spool.medication)
        course = Course(
            timeline=timeline, knowledge=pipeline.knowledge, vocabulary=pipeline.vocabulary
        )
        for card in by_patient[run.key_of(person.id)]:
            found[card.id] = _chart(card, person, course, pipeline, asked)
    return [found[card.id] for card in drawing.cards if card.id in found]


def _people(run: Run, wanted: Mapping[str, object]) -> Iterator[Person]:
    for piece in run.pieces:
        yield from (one for one in run.people(piece) if run.key_of(one.id) in wanted)


def _chart(
    card: Drawn,
    person: Person,
    course: Course,
    pipeline: Pipeline,
    asked: Callable[[Service], Asked],
) -> Chart:
    at, timeline = card.row.at, course.timeline
    hook = card.row.hook
    service = next(s for s in pipeline.knowledge.services.values() if s.hook == hook)
    known = [s for s in course.between(at - _BEFORE, at) if course.known_since(s) <= at]
    raw = _raw(person)
    return Chart(
        drawn=card,
        patient_id=person.id,
        before=_measured(known),
        after=_measured(course.between(at, at + _AFTER)),
        calls=tuple(
            hook_call(moment, timeline, raw, service, asked(service))
            for moment in _moments(card.row, timeline)
        ),
    )


def _measured(samples: Iterable[Sample]) -> tuple[Measured, ...]:
    return tuple([Measured(one.at, float(one.value), one.shown) for one in samples])


def _moments(row: Row, timeline: Timeline) -> list[Moment]:
    """Returns the moments that a row may be: of several orders of one instant each is one."""
    written = [order for order in timeline.orders if order.since == row.at]
    choices: Sequence[tuple[PastOrder, ...]] = ((),)
    together = tuple(written)
    if row.kind == "signing":
        choices = (together,)
    if row.kind == "order":
        choices = (*((order,) for order in written), *((together,) if len(written) > 1 else ()))
    return [Moment(at=row.at, kind=row.kind, hook=row.hook, orders=orders) for orders in choices]


# ---- the hook call of a moment, as an EHR would send it


def _raw(person: Person) -> dict[str, dict[str, Any]]:
    """Returns the resources of a patient as they came, by type and id."""
    found: dict[str, dict[str, Any]] = {}
    for line in person.of(*person.lines):
        try:
            resource = json.loads(line)
        except ValueError:
            continue
        if isinstance(resource, dict):
            found[f"{resource.get('resourceType')}/{resource.get('id')}"] = resource
    return found


def hook_call(
    moment: Moment,
    timeline: Timeline,
    raw: Mapping[str, dict[str, Any]],
    service: Service,
    asked: Asked,
) -> dict[str, Any]:
    """Returns the hook call that an EHR would have made: what the record then held, as JSON."""
    written = frozenset(order.reference for order in moment.orders)
    record = timeline.at(moment.at, asked, without=written)
    prefetch: dict[str, Any] = {}
    for key in service.prefetch:
        source = record.sources.get(key)
        held = _as_it_was(source.resources if source is not None else (), raw)
        if key in ("patient", "encounter"):
            prefetch |= {key: held[0]} if held else {}
        else:
            prefetch[key] = _bundle(held)
    context: dict[str, Any] = {"userId": "Practitioner/reviewer", "patientId": timeline.id}
    if record.encounter_id is not None:
        context["encounterId"] = record.encounter_id
    if moment.orders:
        drafts = [raw[one] | {"status": "draft"} for one in sorted(written) if one in raw]
        context |= {"draftOrders": _bundle(drafts), "selections": sorted(written)}
    call = {"hook": moment.hook, "hookInstance": _INSTANCE, "context": context}
    return call | {"prefetch": prefetch}


def _as_it_was(resources: Iterable[Any], raw: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns whole resources as they were then: with that status, and without what came later."""
    found = []
    for one in resources:
        whole = raw.get(f"{one.resource_type}/{one.id}")
        if whole is not None:
            later = {name for name, member in _LATER.items() if not getattr(one, member)}
            then = {name: value for name, value in whole.items() if name not in later}
            found.append(then | ({"status": one.status} if one.status else {}))
    return found


def _bundle(resources: Sequence[dict[str, Any]]) -> dict[str, Any]:
    entries = [{"resource": one} for one in resources]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries}


def moment_words(at: datetime) -> str:
    """Returns a moment as a reviewer reads it, with its zone."""
    return f"{at:%-d %B %Y, %H:%M %Z}"
