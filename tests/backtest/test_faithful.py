"""A backtest gives the answers of the service: the same cards as a hook call with that record."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from cds_service.app import create_app
from cds_service.backtest.judge import asked_by
from cds_service.backtest.moments import CHART, DISCHARGE, PICKED, SIGNED, Moment, moments_of
from cds_service.backtest.orders import CourseReader
from cds_service.backtest.rows import Indicator, PieceCounts, Row
from cds_service.backtest.timeline import Timeline
from cds_service.cli.replay import evaluate, service_of_hook
from cds_service.engine.cards import EXTENSION_NAME
from cds_service.errors import DataUnavailable
from cds_service.records.fhir_types import decode_call
from cds_service.settings import Settings
from cds_service.trust.client import Client
from cds_service.trust.registry import Registry
from tests.backtest.judging import EVERY, clients, judged, people, pipeline
from tests.exports import Person as Invented
from tests.feedback.deployments import close

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


class Asked(Struct, frozen=True, kw_only=True):
    """One moment with the call of it, who asks, and what the backtest says."""

    where: tuple[Any, ...]
    call: dict[str, Any]
    moment: Moment
    client: Client
    backtested: tuple[list[Said], str]


def _asked(seed: int, numbers: range, explain: bool) -> Iterator[Asked]:
    """Yields each moment of invented patients."""
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
                yield Asked(
                    where=(person.id, *key),
                    call=call,
                    moment=moment,
                    client=client,
                    backtested=_said(by_key, key),
                )


def _ordered(moment: Moment, drugs: set[tuple[str, ...]]) -> tuple[str, ...]:
    """The drugs of the row of this moment, of which there are several with picked orders."""
    if len(drugs) <= 1:
        return next(iter(drugs), ())
    words = json.dumps([msgspec.to_builtins(order.resource) for order in moment.orders]).lower()
    return next((one for one in drugs if one and all(drug.lower() in words for drug in one)), ())


@pytest.mark.parametrize("explain", [False, True], ids=["412", "card"])
def test_each_moment_gets_the_cards_that_the_service_would_have_sent(explain: bool) -> None:
    numbers = range(0, 90) if explain else range(90, 180)
    _enough(_held(one) for one in _asked(11, numbers, explain)).holds(least=20)


def _held(one: Asked) -> tuple[str, bool]:
    answered = _answer(one.call, one.moment, one.client)
    assert one.backtested == answered, one.where
    return one.moment.hook, bool(answered[0])


class Seen(Struct, frozen=True):
    """How many moments were compared, by their hook and with a card."""

    counts: Counter[str]

    def holds(self, least: int) -> None:
        assert self.counts["with a card"] >= least, self.counts
        hooks = (CHART, PICKED, SIGNED, DISCHARGE)
        assert min(self.counts[hook] for hook in hooks) >= 2, self.counts


def _enough(compared: Iterator[tuple[str, bool]]) -> Seen:
    seen: Counter[str] = Counter()
    for hook, has_card in compared:
        seen[hook] += 1
        seen["with a card"] += has_card
    return Seen(seen)


# ---- the same over HTTP, as an EHR would ask

Card = tuple[str, str, str]  # rule, indicator, summary
Send = Callable[[Asked], tuple[list[Card], str]]


# Nothing that depends on how fast or how often a test asks, or on who has seen a card before.
UNHURRIED: dict[str, Any] = {"suppression": False, "rate_limit": 0, "deadline_ms": 600_000}


class Desk:
    """The clock and the registry of a service that is asked about many moments."""

    now: datetime
    registry: Registry


@contextmanager
def _service(folder: Path) -> Iterator[Send]:
    """Yields what sends a hook call to the whole web application, and reads its answer."""
    desk = Desk()
    desk.registry = Registry.empty()
    settings = Settings(mode="demo", data_dir=folder, public_url="http://cds.test", explain=True)
    app = create_app(settings, registry=lambda: desk.registry, clock=lambda: desk.now)
    http = app.test_client()

    def send(one: Asked) -> tuple[list[Card], str]:
        desk.now = one.moment.at
        client = msgspec.structs.replace(one.client, **UNHURRIED)
        desk.registry = Registry(anonymous=client)
        service = service_of_hook(pipeline(), one.moment.hook)
        answer = http.post(f"/cds-services/{service}", json=one.call)
        body = answer.get_json(force=True)
        if answer.status_code != 200:
            return [], str(answer.status_code)
        rules = body["extension"][EXTENSION_NAME].get("returned", [])
        cards = body["cards"]
        said = [(r, c["indicator"], c["summary"]) for r, c in zip(rules, cards, strict=True)]
        return said, ""

    try:
        yield send
    finally:
        close(app)


def _written(one: Asked) -> tuple[list[Card], str]:
    """What the rows say, with the headlines that `backtest report --sample` gives their cards."""
    said, failed = one.backtested
    if not said:
        return [], failed
    body = decode_call(json.dumps(one.call).encode())
    service = service_of_hook(pipeline(), one.moment.hook)
    found = evaluate(pipeline(), service, body, one.moment.at, one.client)
    headlines = {f.rule: c["summary"] for f, c in zip(found.returned, found.cards, strict=True)}
    return [(rule, shown, headlines.get(rule, "")) for rule, _, shown, _ in said], failed


def _sent(asked: Iterator[Asked], send: Send) -> Iterator[tuple[str, bool]]:
    for one in asked:
        answered = send(one)
        assert _written(one) == answered, one.where
        yield one.moment.hook, bool(answered[0])


def _sample(asked: Iterator[Asked], each: int) -> Iterator[Asked]:
    """The moments with a row, and each so many of the others."""
    for number, one in enumerate(asked):
        if one.backtested != ([], "") or number % each == 0:
            yield one


def test_a_sample_of_moments_gets_the_same_cards_over_http(tmp_path: Path) -> None:
    with _service(tmp_path) as send:
        seen = _enough(_sent(_sample(_asked(11, range(180, 300), False), 20), send))
    seen.holds(least=20)


def _first_held(asked: Iterator[Asked]) -> Iterator[Asked]:
    for one in asked:
        _held(one)
        yield one


@pytest.mark.long
def test_ten_thousand_moments_get_the_cards_that_the_service_would_have_sent(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """They are compared in the process and over HTTP."""
    with _service(tmp_path) as send:
        asked = _first_held(_asked(11, range(1_000, 4_000), False))
        seen = _enough(_sent(asked, send))
    seen.holds(least=1_500)
    counts = seen.counts
    moments = counts.total() - counts["with a card"]
    told = f"{moments} moments over HTTP as in the backtest, {counts['with a card']} with a card"
    record_property("figure", told)
    assert moments >= 10_000
