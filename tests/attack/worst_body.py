"""Sends the five legal bodies that cost the most, and usual calls beside each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.attack.attack import Attack, Figure
from tests.attack.bodies import usual, worst
from tests.attack.target import Caller, serving

_DEADLINE_S = 1.5  # the default of a client
_CALLS = 2


def run(folder: Path) -> Iterator[Figure]:
    """Sends each body twice, with names that the service has not seen."""
    with serving(folder) as target:
        target.post(usual())
        for name, body in worst().items():
            sent = [body(seed) for seed in range(_CALLS)]
            with Caller(target, usual(), each_s=0.1) as beside:
                before = target.cpu_s()
                answers = [target.post(one) for one in sent]
                cpu = (target.cpu_s() - before) / _CALLS
            odd = sum(one.status not in (200, 503) for one in answers)
            failed = [one for one in beside.answers if one.status not in (200, 503)]
            yield Figure(what=f"{name}: CPU of a call", value=cpu, unit="s", most=_DEADLINE_S)
            yield Figure(what="  slowest answer", value=max(one.ms for one in answers), unit="ms")
            yield Figure(what="  answers that are no 200 and no 503", value=odd, most=0)
            yield Figure(what="  slowest usual call beside it", value=beside.slowest_ms, unit="ms")
            yield Figure(what="  usual calls that failed", value=len(failed), most=0)


ATTACK = Attack(
    name="worst-body",
    says="The five costliest legal bodies: each is answered, or refused in words, within its deadline.",
    run=run,
)
