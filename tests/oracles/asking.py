"""Requests that the tests of this folder change, and what the service answers to them."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from cds_service.demo.stories import default_fixtures_dir, load_stories
from cds_service.errors import ServiceError
from cds_service.pipeline import HOOKS
from cds_service.protocol.request import hook_request
from cds_service.protocol.wire import encode
from cds_service.records.fhir_types import decode_call
from cds_service.trust.deadline import Deadline
from cds_service.trust.registry import Client
from tests.fhir_resources import SELECT, VIEW, pipeline
from tests.golden.bodies import menu

Body = dict[str, Any]
_SECONDS = 60.0  # nothing is read live, so a busy machine must not decide an answer


class Answer(Struct, frozen=True):
    """What came back: the status, and the cards or the reasons why there is none."""

    status: int
    cards: list[Body] = []
    reasons: frozenset[str] = frozenset()

    @property
    def silent(self) -> bool:
        """Whether an EHR would show nothing at all."""
        return self.status == 200 and not self.cards

    @property
    def topics(self) -> list[str]:
        """What the cards are about."""
        return [card["source"]["topic"]["code"] for card in self.cards]


class Asked(Struct, frozen=True):
    """A request before anything is changed in it."""

    name: str
    service: str
    raw: bytes  # its body
    now: datetime
    client: Client

    def body(self) -> Body:
        """Returns a body of its own, which a test may change."""
        found: Body = json.loads(self.raw)
        return found

    @property
    def told(self) -> Asked:
        """The same request from a client that wants a card in place of a 412."""
        return replace(self, client=replace(self.client, explain_missing_data=True))

    def answer(self, raw: bytes) -> Answer:
        """Returns the answer to these bytes, as the public interface would give it."""
        here = pipeline()
        hook = here.knowledge.services[self.service].hook
        try:
            call = hook_request(
                decode_call(raw), self.service, hook, self.now, raw, HOOKS[hook].drafts
            )
            evaluation = here.answer(call, self.client, Deadline.after(_SECONDS))
        except ServiceError as error:
            return Answer(error.status)
        if evaluation.cards:
            return Answer(200, evaluation.cards)
        told = here.explain(evaluation, self.service)
        silences = {row["because"] for row in told.get("silent", ())}
        return Answer(200, [], frozenset(silences | {told.get("reason", "")}) - {""})


@cache
def requests() -> dict[str, Asked]:
    """Each story's own call, its chart before anything is ordered, and two orders beside it."""
    return {asked.name: asked for asked in _requests()}


@cache
def speaking() -> dict[str, tuple[Asked, Answer]]:
    """The requests that get a card, each with its answer."""
    answered = {name: (asked, asked.answer(asked.raw)) for name, asked in requests().items()}
    return {name: pair for name, pair in answered.items() if pair[1].cards}


def _requests() -> Iterator[Asked]:
    for number, (name, story) in enumerate(load_stories(default_fixtures_dir()).items()):
        file = story.file
        client = Client(profile=file.profile, explain_missing_data=file.explain_missing_data)
        yield Asked(name, file.service, encode(story.request), file.now, client)
        chart: Body = json.loads(encode(story.request))
        chart["hook"] = "patient-view"
        for member in ("selections", "draftOrders"):
            chart["context"].pop(member, None)
        if file.service == SELECT:
            yield Asked(f"{name}, chart", VIEW, encode(chart), file.now, client)
        orders = [_draft(chart, number * step) for step in (1, 3)]
        yield Asked(
            f"{name}, two orders", SELECT, encode(_ordered(chart, orders)), file.now, client
        )


def _draft(chart: Body, number: int) -> Body:
    """An order of the menu, for the patient of this chart."""
    names = [*menu()]
    order = copy.deepcopy(menu()[names[number % len(names)]])
    order["id"] = f"draft-{number}"
    about = "patient" if order["resourceType"] == "NutritionOrder" else "subject"
    return order | {about: {"reference": f"Patient/{chart['context']['patientId']}"}}


def _ordered(chart: Body, orders: list[Body]) -> Body:
    entries = [{"resource": order} for order in {one["id"]: one for one in orders}.values()]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    selections = [f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in entries]
    more = {"selections": selections, "draftOrders": bundle}
    return chart | {"hook": "order-select", "context": chart["context"] | more}
