"""A backtest gives the answers of the service: the same cards as a hook call with that record."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest

from cds_service.backtest.judge import asked_by
from cds_service.backtest.moments import CHART, DISCHARGE, PICKED, SIGNED, Moment, moments_of
from cds_service.backtest.orders import CourseReader
from cds_service.backtest.rows import Indicator, PieceCounts, Row
from cds_service.backtest.timeline import Timeline
from cds_service.cli.replay import evaluate, service_of_hook
from cds_service.errors import DataUnavailable
from cds_service.records.fhir_types import decode_call
from cds_service.trust.client import Client
from tests.backtest.judging import EVERY, clients, judged, people, pipeline
from tests.exports import Person as Invented

Resource = Mapping[str, Any]
Said = tuple[str, str, Indicator, tuple[str, ...]]


def _call(moment: Moment, timeline: Timeline, raw: Mapping[str, Resource]) -> dict[str, Any]:
    """The hook call that an EHR would make: what the record holds, as JSON."""
    client = clients()[0]
    service = pipeline().knowledge.services[service_of_hook(pipeline(), moment.hook)]
    written = frozenset(order.reference for order in moment.orders)
    record = timeline.at(moment.at, asked_by(service, client), without=written)
    prefetch: dict[str, Any] = {}
    for key in service.prefetch:
        found = [_as_it_was(one, raw) for one in record.sources[key].resources]
        if key == "patient":
            prefetch[key] = found[0] if found else None
        elif key != "encounter":
            prefetch[key] = _bundle(found)
        elif found:
            prefetch[key] = found[0]
    context: dict[str, Any] = {"userId": "Practitioner/1", "patientId": timeline.id}
    if record.encounter_id is not None:
        context["encounterId"] = record.encounter_id
    if moment.orders:
        drafts = [dict(raw[order.reference]) | {"status": "draft"} for order in moment.orders]
        context["draftOrders"] = {
            "resourceType": "Bundle",
            "entry": [{"resource": d} for d in drafts],
        }
        if moment.hook == PICKED:
            context["selections"] = [order.reference for order in moment.orders]
    instance = "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"
    return {"hook": moment.hook, "hookInstance": instance, "context": context, "prefetch": prefetch}


# What the export knows of later, by the member in which the record of the moment lacks it.
LATER = {
    "deceased_date_time": ("deceasedDateTime", "deceasedBoolean"),
    "abatement_date_time": ("abatementDateTime",),
    "clinical_status": ("clinicalStatus",),
}


def _as_it_was(read: Any, raw: Mapping[str, Resource]) -> Resource:
    """The whole resource with the status that it had, and without what came later."""
    whole = dict(raw[f"{read.resource_type}/{read.id}"])
    for member, names in LATER.items():
        if not getattr(read, member):
            whole = {name: value for name, value in whole.items() if name not in names}
    return whole | ({"status": read.status} if read.status else {})


def _bundle(found: list[Resource]) -> dict[str, Any]:
    entries = [{"resource": one} for one in found]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(found), "entry": entries}


def _answer(call: dict[str, Any], moment: Moment, client: Client) -> tuple[list[Said], str]:
    """What the service answers: its cards, or that it cannot."""
    body = decode_call(json.dumps(call).encode())
    service = service_of_hook(pipeline(), moment.hook)
    try:
        found = evaluate(pipeline(), service, body, moment.at, client)
    except DataUnavailable:
        return [], "412"
    said = [
        (f.rule, f.variant, f.indicator, tuple(one.rule for one in f.absorbed))
        for f in found.returned
    ]
    return said, ""


def _said(rows: Mapping[Any, Row], key: Any) -> tuple[list[Said], str]:
    row = rows.get(key)
    if row is None:
        return [], ""
    shown = [c for c in row.cards if c.held in ("", "picked")]
    said = [(c.rule, c.variant, c.indicator, c.merged) for c in shown]
    return said, "412" if row.unread and not said else ""


def _compared(seed: int, numbers: range, explain: bool) -> Iterator[tuple[Any, Any, Any]]:
    """Yields each moment with what the service and what the backtest says."""
    for number in numbers:
        invented = Invented(seed, number, 0.3, 0.1)
        invented.make()
        resources = invented.resources
        raw = {f"{one['resourceType']}/{one['id']}": one for one in resources}
        (person,), shared = people(resources)
        courses = CourseReader(pipeline().vocabulary)
        timeline = Timeline(person, courses, PieceCounts(), shared.get)
        asks = clients(explain_missing_data=explain)
        rows, _ = judged(resources, EVERY, clients=asks)
        by_key = {(row.hook, row.at, row.kind, row.profile, row.ordered): row for row in rows}
        for moment in moments_of(timeline, EVERY):
            call = _call(moment, timeline, raw)
            drugs = {row.ordered for row in rows if (row.hook, row.at) == (moment.hook, moment.at)}
            for client in asks:
                ordered = _ordered(moment, drugs) if moment.orders else ()
                key = (moment.hook, moment.at, moment.kind, client.profile, ordered)
                where = (person.id, *key)
                yield where, _answer(call, moment, client), _said(by_key, key)


def _ordered(moment: Moment, drugs: set[tuple[str, ...]]) -> tuple[str, ...]:
    """The drugs of the row of this moment, of which there are several with picked orders."""
    if len(drugs) <= 1:
        return next(iter(drugs), ())
    words = json.dumps([msgspec.to_builtins(order.resource) for order in moment.orders]).lower()
    return next((one for one in drugs if one and all(drug.lower() in words for drug in one)), ())


@pytest.mark.parametrize("explain", [False, True], ids=["412", "card"])
def test_each_moment_gets_the_cards_that_the_service_would_have_sent(explain: bool) -> None:
    numbers = range(0, 90) if explain else range(90, 180)
    _holds(numbers, explain, least=20)


@pytest.mark.long
def test_ten_thousand_moments_get_the_cards_that_the_service_would_have_sent() -> None:
    _holds(range(1_000, 4_000), False, least=1_500)


def _holds(numbers: range, explain: bool, least: int) -> None:
    seen: Counter[str] = Counter()
    for where, answered, backtested in _compared(11, numbers, explain):
        assert backtested == answered, where
        seen[where[1]] += 1
        seen["with a card"] += bool(answered[0])
    assert seen["with a card"] >= least, seen
    assert min(seen[hook] for hook in (CHART, PICKED, SIGNED, DISCHARGE)) >= 2, seen
