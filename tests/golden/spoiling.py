"""Bodies are spoilt here at random places: a server or an interface in between has faults."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from tests.golden.bodies import KEYS, Body
from tests.golden.dice import Dice

_WRONG: tuple[Any, ...] = (None, "", {}, [], 0, -1, True, "x", "12,5", [None], {"x": 1}, [[]], 1e30)
_OTHER_SYSTEM = "urn:oid:1.2.3"
_STOP = 0.2
OUTCOME = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "exception", "diagnostics": "could not be read"}],
}


def spoil(body: Body, dice: Dice) -> None:
    """One to three faults are put into a body."""
    for _ in range(dice.one((1, 1, 1, 2, 3))):
        dice.one(_FAULTS)(body, dice)


def _wrong_member(body: Body, dice: Dice) -> None:
    where, name = _place(body, dice)
    if where is not None:
        where[name] = _wrong(dice)


def _no_member(body: Body, dice: Dice) -> None:
    where, name = _place(body, dice)
    if where is not None:
        del where[name]


def _number_as_text(body: Body, dice: Dice) -> None:
    where, name = _place(body, dice, stop=0.0)
    if where is not None:
        value = where[name]
        where[name] = value == "true" if isinstance(value, str) else str(value)


def _twice(body: Body, dice: Dice) -> None:
    entries = _entries(body, dice)
    if entries:
        entries.append(copy.deepcopy(dice.one(entries)))


def _fewer(body: Body, dice: Dice) -> None:
    entries = _entries(body, dice)
    if entries:
        entries.pop(dice.below(len(entries)))


def _turned(body: Body, dice: Dice) -> None:
    _entries(body, dice).reverse()


def _no_key(body: Body, dice: Dice) -> None:
    _prefetch(body).pop(dice.one(KEYS), None)


def _failed_key(body: Body, dice: Dice) -> None:
    answers: tuple[Body, ...] = (OUTCOME, {"resourceType": "Bundle", "entry": [{}]})
    _prefetch(body)[dice.one(KEYS)] = copy.deepcopy(dice.one(answers))


def _outcome_beside(body: Body, dice: Dice) -> None:
    _entries(body, dice).append({"resource": copy.deepcopy(OUTCOME), "search": {"mode": "outcome"}})


def _goes_on(body: Body, dice: Dice) -> None:
    bundle = _prefetch(body).get(dice.one(KEYS[2:]))
    if isinstance(bundle, dict):
        url = "https://elsewhere.example/r4?page=2"
        bundle["link"] = [{"relation": "next", "url": url}]


def _other_code(body: Body, dice: Dice) -> None:
    where, name = _place(body, dice, stop=0.0)
    if where is not None:
        where[name] = dice.one(("2951-2", "Patient/other", _OTHER_SYSTEM, "final", "2026-11-20"))


def _top(body: Body, dice: Dice) -> None:
    name = dice.one(("hook", "hookInstance", "context", "prefetch"))
    value = _wrong(dice)
    if name == "prefetch" or dice.happens(0.3):
        body[name] = value
    elif isinstance(body.get("context"), dict):
        body["context"][dice.one(("userId", "patientId", "encounterId", "selections"))] = value


_FAULTS: tuple[Callable[[Body, Dice], None], ...] = (
    *(_wrong_member, _wrong_member, _wrong_member, _no_member, _no_member, _no_member),
    *(_number_as_text, _other_code, _twice, _fewer, _turned, _no_key, _failed_key),
    *(_outcome_beside, _goes_on, _top),
)


def _wrong(dice: Dice) -> Any:
    return copy.deepcopy(dice.one(_WRONG))  # the next fault may change it


def _prefetch(body: Body) -> Body:
    found = body.get("prefetch")
    return found if isinstance(found, dict) else {}


def _entries(body: Body, dice: Dice) -> list[Any]:
    bundle = _prefetch(body).get(dice.one(KEYS[2:]))
    found = bundle.get("entry") if isinstance(bundle, dict) else None
    return found if isinstance(found, list) else []


def _place(body: Body, dice: Dice, stop: float = _STOP) -> tuple[Any, Any]:
    """A place is found on the way down from the prefetch or the context: where, and its name."""
    where: Any = body
    name: Any = "prefetch" if dice.happens(0.8) else "context"
    while name in where if isinstance(where, dict) else True:
        below, halt = where[name], _halt(where, body, stop)
        if not isinstance(below, dict | list) or not below or dice.happens(halt):
            return where, name
        where, name = below, dice.one([*below] if isinstance(below, dict) else range(len(below)))
    return None, None


def _halt(where: Any, body: Body, stop: float) -> float:
    return 0.02 if where is body else stop
