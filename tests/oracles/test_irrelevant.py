"""Names, narrative, extensions, unknown members, the order of entries: no card depends on them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import pytest

from tests.oracles.asking import Answer, Asked, requests
from tests.oracles.irrelevant import CHANGES, Change, changed, sent_back, written

ROUNDS = 16
MUTATIONS = 110_000  # in all rounds together
_AROUND = 90  # characters that a failure shows on either side of a difference
Figure = Callable[[str, object], None]


@cache
def expected(name: str) -> tuple[Answer, bytes, frozenset[str]]:
    """The answer to the request as it is, its bytes, and the orders that a button sends back."""
    asked = requests()[name]
    answer = asked.answer(asked.raw)
    return answer, as_bytes(answer), sent_back(answer.cards)


def as_bytes(answer: Answer) -> bytes:
    """What an EHR would receive of it."""
    return json.dumps([answer.status, answer.cards], default=str).encode()


def differences(asked: Asked, changes: Sequence[Change], seed: str) -> Iterator[str]:
    """What another answer says after these changes, if there is another one."""
    body, dice = asked.body(), random.Random(seed)
    _, before, orders = expected(asked.name)
    changed(body, changes, dice, orders)
    now = as_bytes(asked.answer(written(body, dice)))
    if now != before:
        made = ", ".join(change.__name__ for change in changes)
        same = next((n for n, (a, b) in enumerate(zip(before, now, strict=False)) if a != b), 0)
        shown = slice(max(0, same - _AROUND), same + _AROUND)
        yield f"{asked.name}, seed {seed!r}: {made}\n  {before[shown]!r}\n  {now[shown]!r}"


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_no_card_depends_on(change: Change) -> None:
    found = [d for asked in requests().values() for d in differences(asked, [change], asked.name)]
    assert not found, "\n".join(found[:5])


@pytest.mark.long
@pytest.mark.parametrize("number", range(ROUNDS))
def test_no_card_depends_on_many_of_them_together(number: int, record_property: Figure) -> None:
    found: list[str] = []
    each = -(-MUTATIONS // (ROUNDS * len(requests())))
    for asked in requests().values():
        for turn in range(each):
            seed = f"{number}/{turn}/{asked.name}"
            changes = random.Random(seed).choices(CHANGES, k=1 + turn % 4)
            found += differences(asked, changes, seed)
    assert not found, "\n".join(found[:5])
    record_property(
        "figure", f"irrelevant changes, round {number}: {each * len(requests())} requests"
    )


def test_an_order_that_a_button_stops_comes_back_as_it_came() -> None:
    """The EHR puts the order in place of its own: what is left out of it would be deleted there."""
    (name,) = [name for name in requests() if expected(name)[2] and "," not in name][:1]
    asked, (_, _, orders) = requests()[name], expected(name)
    body = asked.body()
    for entry in body["prefetch"]["medications"]["entry"]:
        entry["resource"]["priority"] = "routine"
    answer = asked.answer(json.dumps(body).encode())
    assert sent_back(answer.cards) == orders
    assert as_bytes(answer).count(b'"priority": "routine"') >= len(orders)
