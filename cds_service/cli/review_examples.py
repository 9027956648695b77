"""A real card for each rule, and how far from its patient the rule stays silent."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

from msgspec import Struct

from cds_service.cli.replay import answer_story, evaluate
from cds_service.demo.pages import formulary
from cds_service.demo.stories import Story
from cds_service.engine.finding import Finding
from cds_service.errors import ServiceError
from cds_service.knowledge.examples import Examples, InStory, RuleExample
from cds_service.knowledge.load import Service
from cds_service.pipeline import HOOKS, Evaluation, Pipeline
from cds_service.trust.registry import Client

_VALUES = (90, 95, 100, 105, 112, 118, 123, 128, 133, 138, 145, 150, 165, 175, 200)  # in a story
_STEPS = 30  # so many mmol/L up and down
BASIS_LINE = re.compile(r"\n+\[Basis of this card\].*\Z", re.DOTALL)
_LONGEST = timedelta(days=120)
_HOUR = timedelta(hours=1)


class Call(Struct, frozen=True, kw_only=True):
    """A hook call about an invented patient, and where it comes from."""

    about: str  # for the reader: which patient, and what was changed
    service: str
    body: dict[str, Any]
    now: datetime
    client: Client

    def answer(self, pipeline: Pipeline) -> Evaluation | None:
        """Returns what the service answers; None if it refuses the call."""
        try:
            return evaluate(pipeline, self.service, self.body, self.now, self.client)
        except ServiceError:
            return None


class Edge(Struct, frozen=True, kw_only=True):
    """Where a rule stops to fire if one thing of the patient is changed."""

    fires: str  # "at sodium 120 to 125 mmol/L"
    silent: str  # "at 126: sodium is not in the moderate band"


class Example(Struct, frozen=True, kw_only=True):
    """One rule with a card that it gave."""

    about: str
    profile: str
    card: Mapping[str, Any]
    leads: bool  # the card is this rule's own; otherwise the rule is a bullet of it
    numbers: frozenset[str]
    edges: tuple[Edge, ...]


def examples(pipeline: Pipeline, stories: Mapping[str, Story]) -> dict[str, Example]:
    """Returns an example for each rule for which an invented patient gives a card."""
    wanted = set(pipeline.knowledge.rules)
    found: dict[str, tuple[Call, Evaluation, int]] = {}
    for call in _calls(pipeline, stories):
        evaluation = call.answer(pipeline)
        for place, finding in enumerate(evaluation.returned if evaluation is not None else ()):
            if finding.rule in wanted and evaluation is not None:
                wanted.discard(finding.rule)
                found[finding.rule] = call, evaluation, place
        if not wanted:
            break
    return {rule: _example(pipeline, rule, *found[rule]) for rule in found}


def _example(
    pipeline: Pipeline, rule: str, call: Call, evaluation: Evaluation, place: int
) -> Example:
    return Example(
        about=call.about,
        profile=call.client.profile,
        card=evaluation.cards[place],
        leads=evaluation.returned[place].rule == rule,
        numbers=pipeline.numbers_read(evaluation, rule),
        edges=tuple(_edges(pipeline, rule, call)),
    )


# ---- the cards of the stories, for the pages /basis/<rule>


def shown_examples(pipeline: Pipeline, stories: Mapping[str, Story]) -> Examples:
    """Returns for each rule the card of its first story, and all stories in which it speaks."""
    spoken: dict[str, list[tuple[InStory, Evaluation, int]]] = {}
    for story in stories.values():
        evaluation = answer_story(pipeline, story)
        for place, lead in enumerate(evaluation.returned):
            for finding in (lead, *lead.absorbed):
                told = _in_story(story, leads=finding is lead)
                spoken.setdefault(finding.rule, []).append((told, evaluation, place))
    rules = {
        rule: _shown(pipeline, rule, spoken[rule])
        for rule in pipeline.knowledge.rules
        if rule in spoken
    }
    return Examples(knowledge=pipeline.knowledge.sha256, rules=rules)


def _in_story(story: Story, *, leads: bool) -> InStory:
    file = story.file
    return InStory(
        story=story.name, title=file.title, why=file.why, profile=file.profile, leads=leads
    )


def _shown(
    pipeline: Pipeline, rule: str, spoken: list[tuple[InStory, Evaluation, int]]
) -> RuleExample:
    """Returns the plainest card: the rule's own if there is one, with the fewest other lines."""
    told, evaluation, place = min(
        spoken, key=lambda one: (not one[0].leads, len(one[1].returned[one[2]].absorbed))
    )
    card = evaluation.cards[place]
    read = [pipeline.numbers_read(each, rule) for _, each, _ in spoken]
    return RuleExample(
        story=told.story,
        profile=told.profile,
        indicator=card["indicator"],
        summary=card["summary"],
        detail=BASIS_LINE.sub("", card["detail"]),
        buttons=[suggestion["label"] for suggestion in card.get("suggestions", [])],
        leads=told.leads,
        numbers=sorted(frozenset().union(*read)),
        stories=list({one.story: one for one, _, _ in reversed(spoken)}.values())[::-1],
    )


# ---- calls about invented patients, the plainest first


def _calls(pipeline: Pipeline, stories: Mapping[str, Story]) -> Iterator[Call]:
    plain = [_story_call(story) for story in stories.values()]
    yield from plain
    for profile in pipeline.knowledge.limits:
        yield from (_story_call(story, profile) for story in stories.values())
    ordering = [s for s in pipeline.knowledge.services.values() if HOOKS[s.hook].drafts != "none"]
    for call, (key, entry) in product(plain if ordering else (), formulary().items()):
        yield _with_order(call, ordering[0], entry.label, key, entry.resource())
    for call, value in product(plain, _VALUES):
        changed = with_sodium(call, Decimal(value))
        if changed is not None:
            yield changed
    yield from map(_without_orders, plain)


def _story_call(story: Story, profile: str = "") -> Call:
    file = story.file
    return Call(
        about=f"{file.title} ({file.why}) Story {story.name}.",
        service=file.service,
        body=story.request,
        now=file.now,
        client=Client(
            profile=profile or file.profile, explain_missing_data=file.explain_missing_data
        ),
    )


def _with_order(
    call: Call, service: Service, label: str, key: str, resource: Mapping[str, Any]
) -> Call:
    patient = {"reference": f"Patient/{call.body['context']['patientId']}"}
    member = "patient" if resource["resourceType"] == "NutritionOrder" else "subject"
    draft = {**resource, "id": key, member: patient}
    context = call.body["context"] | {
        "selections": [f"{draft['resourceType']}/{key}"],
        "draftOrders": {"resourceType": "Bundle", "entry": [{"resource": draft}]},
    }
    return _changed(
        call,
        f"Ordered in addition: {label}.",
        call.body | {"hook": service.hook, "context": context},
        service=service.id,
    )


def _without_orders(call: Call) -> Call:
    context = {**call.body["context"], "draftOrders": {"resourceType": "Bundle"}}
    body = call.body | {"context": context}
    return _changed(call, "The call brought no order.", body, explain_missing=True)


def with_sodium(call: Call, value: Decimal) -> Call | None:
    """Returns the call with another newest sodium; None if the call holds no sodium."""
    body = copy.deepcopy(call.body)
    newest = _newest_sodium(body)
    if newest is None:
        return None
    newest["valueQuantity"] = newest["valueQuantity"] | {"value": value}
    return _changed(call, f"Changed: the newest sodium is {value} mmol/L.", body)


def _changed(
    call: Call, what: str, body: dict[str, Any], *, service: str = "", explain_missing: bool = False
) -> Call:
    client = call.client
    if explain_missing:
        client = Client(profile=client.profile, explain_missing_data=True)
    return Call(
        about=f"{call.about} {what}",
        service=service or call.service,
        body=body,
        now=call.now,
        client=client,
    )


def _newest_sodium(body: Mapping[str, Any]) -> dict[str, Any] | None:
    entries = (body["prefetch"].get("sodium") or {}).get("entry", [])
    results = [
        entry["resource"]
        for entry in entries
        if "value" in entry.get("resource", {}).get("valueQuantity", {})
    ]
    return max(results, key=lambda one: str(one.get("effectiveDateTime", "")), default=None)


# ---- just beyond the edge


def _edges(pipeline: Pipeline, rule: str, call: Call) -> Iterator[Edge]:
    yield from _sodium_edges(pipeline, rule, call)
    yield from _time_edge(pipeline, rule, call)


def _sodium_edges(pipeline: Pipeline, rule: str, call: Call) -> Iterator[Edge]:
    newest = _newest_sodium(call.body)
    if newest is None:
        return
    value = Decimal(str(newest["valueQuantity"]["value"]))
    if not 80 <= value <= 200:  # noqa: PLR2004  # else it is not in mmol/L
        return
    for step, way in ((1, "up"), (-1, "down")):
        last = value
        for count in range(1, _STEPS + 1):
            tried = value + step * count
            changed = with_sodium(call, tried)
            why = _silence(pipeline, rule, changed) if changed is not None else None
            if why is not None:
                yield Edge(
                    fires=f"Newest sodium from {value} {way} to {last} mmol/L",
                    silent=f"{tried} mmol/L: {why}",
                )
                break
            last = tried


def _time_edge(pipeline: Pipeline, rule: str, call: Call) -> Iterator[Edge]:
    """Yields until when the rule fires if the same chart is looked at later."""

    def silence(hours: int) -> str | None:
        return _silence(pipeline, rule, _later(call, hours * _HOUR))

    fires, silent = 0, int(_LONGEST / _HOUR)
    if silence(silent) is None:
        return
    while silent - fires > 1:
        middle = (fires + silent) // 2
        if silence(middle) is None:
            fires = middle
        else:
            silent = middle
    yield Edge(
        fires=f"The same chart up to {_spoken(fires)} later",
        silent=f"{_spoken(silent)} later: {silence(silent)}",
    )


def _later(call: Call, span: timedelta) -> Call:
    return Call(
        about=call.about,
        service=call.service,
        body=call.body,
        now=call.now + span,
        client=call.client,
    )


def _spoken(hours: int) -> str:
    two_days, day = 48, 24
    return f"{hours} h" if hours <= two_days else f"{hours // day} d {hours % day} h"


def _silence(pipeline: Pipeline, rule: str, call: Call) -> str | None:
    """Returns why a rule does not fire in a call; None if it fires."""
    evaluation = call.answer(pipeline)
    if evaluation is None:
        return "the call is refused, because data are missing"
    if any(isinstance(one, Finding) and one.rule == rule for one in evaluation.outcomes):
        return None
    if any(finding.rule == rule for finding in evaluation.returned):
        return None
    reasons = pipeline.explain(evaluation, call.service, with_values=True)
    because = (one["because"] for one in reasons.get("silent", ()) if one["rule"] == rule)
    return str(next(because, reasons.get("reason", "another rule of the same kind speaks")))
