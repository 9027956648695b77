"""Sends 32 bodies of 2 MB at once, of each kind that takes the most memory, and looks at the worker."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.attack.attack import Attack, Figure
from tests.attack.bodies import FULL, VIEW, Body, call, filling, names, usual, view
from tests.attack.target import Target, serving

AT_ONCE = 32
MOST_MIB = 400
_ANSWERS = (200, 412, 413, 503)  # answered, or refused in words


def _filled(value: dict[str, Any], item: str) -> Body:
    """A body with a full list of this item in place of "@"."""
    listed = ",".join([item] * (FULL // (len(item) + 1)))
    body = Body(VIEW, {})
    body.content = json.dumps(value, separators=(",", ":")).replace('"@"', f"[{listed}]").encode()
    return body


def _patient(member: str, item: str) -> Body:
    """A body whose Patient carries the list, and an odd member, so that all of it is decoded."""
    value = call("patient-view", {})
    value["prefetch"]["patient"] |= {"gender": 7, member: "@"}
    return _filled(value, item)


def _context(item: str) -> Body:
    return _filled(call("patient-view", {}, {"other": "@"}), item)


def kinds() -> Mapping[str, Callable[[], Body]]:
    """The kinds of bodies, by what fills them."""
    pair = '{"url":"a","b":"cccccccccccc"}'  # not more of them than are read
    return {
        "small objects in Patient.name": lambda: _patient("name", "{}"),
        "small objects in an extension": lambda: _patient("extension", '{"url":"a"}'),
        "as many objects as are read": lambda: _patient("extension", pair),
        "numbers in the context": lambda: _context("12345678"),
        "deep lists in the context": lambda: _context("[" * 50 + "]" * 50),
        "one long text": lambda: _context('"' + "x" * (FULL // 2 - 2) + '"'),
        "orders of 120 words": lambda: view(filling(names(1))),
    }


def run(folder: Path) -> Iterator[Figure]:
    """Sends each kind; the peak of memory is that of the kind and of all before it."""
    with serving(folder) as target:
        for seed in range(3):
            target.post(usual(seed))
        yield Figure(what="memory before", value=round(target.mib()), unit="MiB")
        for name, made in kinds().items():
            yield from _at_once(target, name, made())
        yield Figure(what="memory after", value=round(target.mib()), unit="MiB")
        yield Figure(
            what="a usual call after it", value=target.post(usual()).status, least=200, most=200
        )


def _at_once(target: Target, name: str, body: Body) -> Iterator[Figure]:
    target.forget_peak()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(target.post, [body] * AT_ONCE))
    odd = sum(one.status not in _ANSWERS for one in answers)
    yield Figure(what=f"{name}: peak", value=round(target.mib("VmHWM")), unit="MiB", most=MOST_MIB)
    yield Figure(what="  answers of another kind than in words", value=odd, most=0)
    yield Figure(what="  answered 200", value=sum(one.status == 200 for one in answers))
    yield Figure(what="  slowest answer", value=max(one.ms for one in answers), unit="ms")


ATTACK = Attack(
    name="large-bodies",
    says="32 bodies of 2 MB at once, whatever they hold: a worker stays below 400 MiB.",
    run=run,
    seconds=300,
)
