"""Dice choose the same way in every version of Python: only random() is promised to stay."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

_T = TypeVar("_T")


class Dice:
    """Dice that are named fall the same way each time."""

    def __init__(self, name: str) -> None:
        self._random = random.Random(f"golden {name}")

    def below(self, number: int) -> int:
        """A whole number from 0 up to, and not including, `number` is thrown."""
        return int(self._random.random() * number)

    def between(self, low: int, high: int) -> int:
        """A whole number is thrown; both ends are possible."""
        return low + self.below(high - low + 1)

    def one(self, things: Sequence[_T]) -> _T:
        """One of the things is picked."""
        return things[self.below(len(things))]

    def happens(self, share: float) -> bool:
        """Something happens in this share of all throws."""
        return self._random.random() < share

    def some(self, things: Sequence[_T], count: int) -> list[_T]:
        """So many of the things are picked, each at most once."""
        left = list(things)
        return [left.pop(self.below(len(left))) for _ in range(min(count, len(left)))]
