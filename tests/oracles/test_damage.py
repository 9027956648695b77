"""Damage to any one element of a request never makes a card vanish without a word.

The answer is a card, 400, 412, or a silence that tests/oracles/excuses.py allows. The damage is made
by walking the requests of the stories, so that a new story is covered by itself.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from cds_service.protocol.wire import encode
from tests.fhir_resources import Call, draft, sodium, taking
from tests.oracles.asking import Answer, Asked, speaking
from tests.oracles.damage import Damage, damages
from tests.oracles.excuses import EXCUSES, excuse, listed

LEAST = 100_000
SHARE = 0.003  # of all damage that `make test` tries
Figure = Callable[[str, object], None]


class Tally:
    """What all damage together came to."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self.excused: Counter[str] = Counter()
        self.faults: list[str] = []

    def take(self, asked: Asked, topics: list[str], damage: Damage) -> None:
        """One damaged request is answered and judged."""
        answer = answered(asked, damage)
        self.answers[_kind(answer, topics)] += 1
        if answer.silent:
            self._take_silence(asked, damage, answer)
        elif answer.status not in (200, 400, 412):
            self.faults.append(f"{asked.name}: {damage.name}: status {answer.status}")
        elif answer.status == 412 and not answered(asked.told, damage).cards:
            self.faults.append(f"{asked.name}: {damage.name}: 412, and no card in its place")

    def _take_silence(self, asked: Asked, damage: Damage, answer: Answer) -> None:
        excused = excuse(damage, answer)
        if excused is None:
            self.faults.append(f"{asked.name}: {damage.name}: silent, {sorted(answer.reasons)}")
        else:
            self.excused[excused.why] += 1

    @property
    def told(self) -> str:
        """The figures, and the excuses that were used."""
        answers = ", ".join(f"{kind} {count}" for kind, count in self.answers.most_common())
        whole = f"damage to one element: {self.answers.total()} requests: {answers}"
        return f"{whole}\nsilent, and why that is right:\n{listed(self.excused.items())}"


def answered(asked: Asked, damage: Damage) -> Answer:
    """The answer to a damaged request; a crash names the damage."""
    try:
        return asked.answer(encode(damage.done(asked.body())))
    except Exception as error:
        error.add_note(f"{asked.name}: {damage.name}")
        raise


def _kind(answer: Answer, topics: list[str]) -> str:
    if answer.status != 200:
        return str(answer.status)
    if not answer.cards:
        return "silent"
    return "the same cards" if answer.topics == topics else "other cards"


def every_damage() -> Iterator[tuple[Asked, list[str], Damage]]:
    """All damage to the requests that get a card."""
    for asked, answer in speaking().values():
        for damage in damages(asked.body()):
            yield asked, answer.topics, damage


def shown(faults: list[str]) -> str:
    """The first faults of each place and kind."""
    first = {fault.partition(": ")[2]: fault for fault in reversed(faults)}
    return "\n".join([f"{len(faults)} faults", *list(first.values())[:20]])


def test_damage_to_one_element_is_not_silent_in_a_sample() -> None:
    tally, dice = Tally(), random.Random("damage")
    for asked, topics, damage in every_damage():
        if dice.random() < SHARE:
            tally.take(asked, topics, damage)
    assert not tally.faults, shown(tally.faults)
    assert tally.answers.total() > 300


@pytest.mark.long
def test_damage_to_any_one_element_is_not_silent(record_property: Figure) -> None:
    tally = Tally()
    for asked, topics, damage in every_damage():
        tally.take(asked, topics, damage)
    assert not tally.faults, shown(tally.faults)
    assert tally.answers.total() >= LEAST
    unused = [one.why for one in EXCUSES if one.why not in tally.excused]
    assert not unused, f"no damage needs these excuses any more: take them away: {unused}"
    record_property("figure", tally.told)


# Each kind of damage that was silent once: a request, a place, what happened to it.
ONCE_SILENT = [
    (
        "bicarbonate-at-low-sodium",
        "context.draftOrders.entry[].resource.medicationCodeableConcept.text",
        "removed",
    ),
    (
        "discharge-on-new-sertraline",
        "prefetch.medications.entry[].resource.authoredOn",
        "garbled",
    ),
    ("discharge-fallen-in-the-stay, two orders", "prefetch.sodium.entry[]", "removed"),
    (
        "discharge-fallen-in-the-stay",
        "prefetch.sodium.entry[].resource.valueQuantity",
        "unit 'furlong'",
    ),
    ("sodium-jumped", "prefetch.sodium.entry[].resource.valueQuantity", "unit 'furlong'"),
    ("signed-together", "context.draftOrders.entry[].resource", "OperationOutcome error"),
]


@pytest.mark.parametrize(
    ("name", "place", "kind"), ONCE_SILENT, ids=[one[0] for one in ONCE_SILENT]
)
def test_damage_that_was_silent_once_is_not(name: str, place: str, kind: str) -> None:
    asked, answer = speaking()[name]
    tally = Tally()
    for damage in damages(asked.body()):
        if damage.place.name == place and damage.kind == kind:
            tally.take(asked, answer.topics, damage)
    assert tally.answers.total()
    assert not tally.faults, shown(tally.faults)


ODD: dict[str, object] = {"list": ["order"], "object": {"x": 1}, "number": 7, "nothing": None}


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
def test_an_odd_intent_or_severity_costs_no_call(value: object) -> None:
    """Each was a crash once: an order that a stop would be offered for, and a word of the server."""
    call = Call(record=(sodium("124"), taking("furosemide")), drafts=(draft("sertraline"),))
    whole = call.cards()
    body = call.body()
    (entry,) = body["prefetch"]["medications"]["entry"]
    entry["resource"]["intent"] = value
    issue = {"severity": value, "code": "exception"}
    outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
    body["prefetch"]["labs"]["entry"] = [{"resource": outcome}]
    assert [card["summary"] for card in call.answer(body).cards] == [c.summary for c in whole]
