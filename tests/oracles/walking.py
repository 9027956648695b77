"""Every place of a request, so that a new story is covered without a new line of test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

Step = str | int


class Place(Struct, frozen=True):
    """One member of an object, or one item of a list."""

    steps: tuple[Step, ...]

    @property
    def name(self) -> str:
        """The place without its numbers: "prefetch.sodium.entry[].resource.status"."""
        parts = ["[]" if isinstance(step, int) else f".{step}" for step in self.steps]
        return "".join(parts).removeprefix(".")

    def holder(self, body: Any) -> Any:
        """The object or the list in `body` that holds this place."""
        for step in self.steps[:-1]:
            body = body[step]
        return body

    def value(self, body: Any) -> Any:
        """What is in this place of `body`."""
        return self.holder(body)[self.steps[-1]]


def places(value: Any, steps: tuple[Step, ...] = ()) -> Iterator[Place]:
    """Every place below a value, from the outside to the inside."""
    below: Any = ()
    if isinstance(value, dict):
        below = value.items()
    elif isinstance(value, list):
        below = enumerate(value)
    for step, inner in below:
        yield Place((*steps, step))
        yield from places(inner, (*steps, step))
